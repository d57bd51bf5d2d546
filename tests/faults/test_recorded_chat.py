"""A recorded chat through two edges, with `kill -9` of everything in the middle.

Short form by default; the whole one with HUBBUB_CHAT_MESSAGES=100000 HUBBUB_CHAT_CHANNELS=2000.
With `-rP` pytest shows the figures of a run.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from tests.support.chat import Chat, Line, recorded_chat
from tests.support.client import ReplyError, new_cmid
from tests.support.cluster import Cluster
from tests.support.steadfast import Doors, Reader, Sender, close_all

MESSAGES = int(os.environ.get("HUBBUB_CHAT_MESSAGES", "5000"))
CHANNELS = int(os.environ.get("HUBBUB_CHAT_CHANNELS", "100"))
SEED = 20260822
CHANNELS_PER_READER = 400  # below the limit of a connection; several readers share the channels
RETRIED, PAGED = 200, 40
PAGE = 37  # divides nothing evenly
CMID_REUSED = 410

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240 + MESSAGES // 100)]


class Recording:
    """The chat as it is being played: cmids, acknowledgements, and how far it is."""

    def __init__(self, chat: Chat) -> None:
        self.chat = chat
        self.cmids = [new_cmid() for _ in chat.lines]
        self.acks: dict[int, dict[str, Any]] = {}
        self.heads = dict.fromkeys(chat.members, 0)  # the highest acknowledged seq
        self.half = asyncio.Event()
        self.killed = 0  # processes
        self.acked_before = 0

    def request(self, line: Line) -> tuple[str, dict[str, Any]]:
        """The rpc of a line."""
        data = {"channel": line.channel, "cmid": self.cmids[line.number], "text": line.text}
        if line.edits is None:
            return "message.send", data
        return "message.edit", {**data, "id": self.acks[line.edits]["id"]}

    def acknowledged(self, line: Line, ack: dict[str, Any]) -> None:
        self.acks[line.number] = ack
        self.heads[line.channel] = max(self.heads[line.channel], ack["seq"])
        if len(self.acks) == len(self.chat.lines) // 2:
            self.half.set()

    @property
    def is_complete(self) -> bool:
        return len(self.acks) == len(self.chat.lines)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster("--profile", "bench", nodes=1, routers=1, edges=2) as running:
        yield running


async def test_every_message_once_in_order_and_none_lost(cluster: Cluster) -> None:
    chat = recorded_chat(SEED, MESSAGES, CHANNELS)
    for channel, members in chat.members.items():
        body = {"channel": channel, "members": [*members, "reader"]}
        cluster.rest("POST", "/v1/channels", body)
    doors, recording = Doors(cluster), Recording(chat)
    readers = _readers(doors, list(chat.members))
    senders = [Sender(doors, user, n, deadline_s=90) for n, user in enumerate(_people(chat))]
    for reader in readers:
        await reader.enter()

    began = time.monotonic()

    def all_read() -> bool:
        return recording.is_complete and all(
            stream.offset >= recording.heads[stream.channel]
            for reader in readers
            for stream in reader.streams.values()
        )

    async with asyncio.TaskGroup() as group:
        for reader in readers:
            group.create_task(reader.follow(all_read))
        for sender in senders:
            group.create_task(_play(sender, recording))
        group.create_task(_kill_everything(cluster, doors, recording))

    assert sum(reader.resumes for reader in readers) >= CHANNELS, "nobody was ever cut"
    seconds = time.monotonic() - began
    _check_streams(recording, readers)
    await _check_retries(doors, recording)
    await _check_pages(doors, recording)
    await close_all(*senders, *readers)
    print(
        f"seed {SEED}: {len(recording.acks)} of {MESSAGES} lines in {CHANNELS} channels were "
        f"acknowledged and read in {seconds:.1f} s, restart included; {recording.killed} processes "
        f"killed after {recording.acked_before} acknowledgements; each is there once; tried again: "
        f"{sum(s.retries for s in senders)} sends, {sum(r.resumes for r in readers)} subscriptions"
    )


def _people(chat: Chat) -> list[str]:
    return sorted({line.by for line in chat.lines})


def _readers(doors: Doors, channels: list[str]) -> list[Reader]:
    starts = range(0, len(channels), CHANNELS_PER_READER)
    return [
        Reader(doors, "reader", channels[start : start + CHANNELS_PER_READER], edge=n)
        for n, start in enumerate(starts)
    ]


async def _play(sender: Sender, recording: Recording) -> None:
    """All lines of one person, in order, each after the one before was acknowledged."""
    for line in recording.chat.lines:
        if line.by == sender.user:
            method, data = recording.request(line)
            recording.acknowledged(line, await sender.ask(method, **data))


async def _kill_everything(cluster: Cluster, doors: Doors, recording: Recording) -> None:
    await recording.half.wait()
    recording.killed = 1 + len(cluster.file.processes)
    recording.acked_before = len(recording.acks)
    await asyncio.to_thread(cluster.kill_all)
    assert not recording.is_complete, "nothing was left to be sent"
    await asyncio.to_thread(cluster.start)
    doors.refresh()


def _check_streams(recording: Recording, readers: list[Reader]) -> None:
    """Every line is in its channel's stream once, at the acknowledged seq, as it was written.

    That offsets are contiguous was checked while they were read.
    """
    seen: dict[str, dict[int, dict[str, Any]]] = {}
    for reader in readers:
        for channel, stream in reader.streams.items():
            seen[channel] = {event["seq"]: event for event in stream.events}
    by_cmid = [
        event["cmid"]
        for events in seen.values()
        for event in events.values()
        if event["t"] in ("message.created", "message.updated")
    ]
    assert len(by_cmid) == len(set(by_cmid)) == len(recording.chat.lines)
    for line in recording.chat.lines:
        event = seen[line.channel][recording.acks[line.number]["seq"]]
        assert event["cmid"] == recording.cmids[line.number]
        assert event["by"] == line.by
        # A resumed reader gets an edited message with its current text (contracts.md 6).
        assert event["text"] == line.text or event.get("edited"), line
    _check_order(recording)


def _check_order(recording: Recording) -> None:
    """What one person wrote in one channel stands there in the order of writing."""
    seqs: dict[tuple[str, str], list[int]] = {}
    for line in recording.chat.lines:
        seqs.setdefault((line.channel, line.by), []).append(recording.acks[line.number]["seq"])
    for places in seqs.values():
        assert all(before < after for before, after in pairwise(places))


async def _check_retries(doors: Doors, recording: Recording) -> None:
    """The same id again gives the original answer; for another request it is refused."""
    random = Random(SEED)
    lines = random.sample(list(recording.chat.lines), min(RETRIED, len(recording.chat.lines)))
    for edge, line in enumerate(lines):
        sender = Sender(doors, line.by, edge)
        method, data = recording.request(line)
        again, original = await sender.ask(method, **data), recording.acks[line.number]
        assert again["dup"] is True
        assert (again["seq"], again["id"]) == (original["seq"], original["id"])
        with pytest.raises(ReplyError) as refused:
            await sender.ask(method, **{**data, "text": "something else"})
        assert refused.value.code == CMID_REUSED
        await sender.close()


async def _check_pages(doors: Doors, recording: Recording) -> None:
    """Forward and backward pages give the same messages: all that were sent, as they are now."""
    random = Random(SEED + 1)
    client = await doors.enter("reader", 0)
    busiest = sorted(recording.chat.members)[:3]
    for channel in [*busiest, *random.sample(sorted(recording.chat.members), min(PAGED, CHANNELS))]:
        forward = await _pages(client, channel, is_forward=True)
        assert forward == await _pages(client, channel, is_forward=False)
        assert forward == _expected(recording, channel)
    await client.close()


async def _pages(client: Any, channel: str, *, is_forward: bool) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    place = {"after_seq": 0} if is_forward else {}
    while True:
        page = await client.rpc("history.get", channel=channel, limit=PAGE, **place)
        rows = [(message["id"], message["text"]) for message in page["messages"]]
        if not rows:
            return found
        seqs = [message["seq"] for message in page["messages"]]
        assert seqs == sorted(seqs)
        if is_forward:
            found, place = found + rows, {"after_seq": seqs[-1]}
        else:
            found, place = rows + found, {"before_seq": seqs[0]}


def _expected(recording: Recording, channel: str) -> list[tuple[str, str]]:
    """Ids and current texts, by seq of sending."""
    lines = [line for line in recording.chat.lines if line.channel == channel]
    texts: dict[str, str] = {}
    for line in sorted(lines, key=lambda line: recording.acks[line.number]["seq"]):
        texts[recording.acks[line.number]["id"]] = line.text
    return list(texts.items())
