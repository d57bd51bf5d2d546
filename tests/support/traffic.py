"""Steady traffic through a cluster that is being harmed; an independent check of what it kept.

Rules: a sender retries one message under its cmid until it is acknowledged, so what was sent is
what must be stored, once; a failed send fails the test. What the cluster kept is read from its log
by a client that was not there; what readers saw live is compared with it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from types import TracebackType
from typing import Any, Self

from ops.api import Rest
from tests.support.client import Client, new_cmid
from tests.support.cluster import Cluster
from tests.support.steadfast import Doors, Reader, Sender, close_all

PAGE = 300
CREATED = "message.created"
TEXT = "under load"
CAUGHT_UP_S = 60.0


@dataclass
class Findings:
    """What is wrong with the log of all channels; all zero or it is a defect."""

    acknowledged: int = 0
    stored: int = 0
    lost: int = 0  # acknowledged, not in the log (or not at the seq of its acknowledgement)
    doubled: int = 0  # one cmid at two places
    reordered: int = 0  # later at a lower seq than what the same user sent before
    gaps: int = 0  # seqs that are not contiguous
    unsent: int = 0  # in the log though nobody sent it
    slowest_s: float = 0.0  # send to acknowledgement, retries included
    examples: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.acknowledged} acknowledged, {self.stored} stored, lost {self.lost}, "
            f"doubled {self.doubled}, reordered {self.reordered}, gaps {self.gaps}, "
            f"unsent {self.unsent}; slowest send {self.slowest_s:.1f} s"
        )

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.reordered or self.gaps or self.unsent)


class Traffic:
    """Users who send into channels, one after another, and readers of all of them.

    Args: gap_s: of one sender, between two sends. deadline_s: of one send, retries included.
    """

    def __init__(
        self,
        cluster: Cluster,
        prefix: str,
        *,
        channels: int,
        senders: int,
        gap_s: float,
        readers: int = 2,
        deadline_s: float = 15.0,
    ) -> None:
        self.doors = Doors(cluster)
        self.channels = [f"group:{prefix}-{n}" for n in range(channels)]
        users = [f"{prefix}-sender-{n}" for n in range(senders)]
        _create(cluster, self.channels, [*users, "reader"])
        self._arrived = asyncio.Event()
        self.readers = [
            Reader(self.doors, "reader", self.channels, n, self._arrived) for n in range(readers)
        ]
        self.senders = [Sender(self.doors, user, n, deadline_s) for n, user in enumerate(users)]
        # By channel and user, in the order of sending: (cmid, acknowledgement).
        self.acked: dict[str, dict[str, list[tuple[str, dict[str, Any]]]]] = {
            channel: {user: [] for user in users} for channel in self.channels
        }
        self.heads = dict.fromkeys(self.channels, 0)  # the highest acknowledged seq of each
        self.count = 0
        self.slowest_s = 0.0
        self._gap_s = gap_s
        self._progress = asyncio.Event()
        self._over = asyncio.Event()
        self._is_sent = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await close_all(*self.readers, *self.senders)

    async def run(self, harm: Callable[[], Awaitable[None]]) -> None:
        """Sends while `harm()` runs; returns when the readers have read all that was sent."""
        for reader in self.readers:
            await reader.enter()
        async with asyncio.TaskGroup() as reading:
            for reader in self.readers:
                reading.create_task(reader.follow(self._is_read))
            async with asyncio.TaskGroup() as sending:
                for number, sender in enumerate(self.senders):
                    sending.create_task(self._send(number, sender))
                sending.create_task(self._harm(harm))
            self._is_sent = True
            await self.read_up_to(self.heads, CAUGHT_UP_S)

    async def sent_more(self, count: int) -> None:
        """Waits until that many more messages are acknowledged."""
        target = self.count + count
        while self.count < target:
            self._progress.clear()
            await self._progress.wait()

    async def everybody_sent(self, times: int) -> None:
        """Waits until every sender has had that many more acknowledgements."""
        targets = [sender.answered + times for sender in self.senders]
        while any(s.answered < target for s, target in zip(self.senders, targets, strict=True)):
            self._progress.clear()
            await self._progress.wait()

    async def read_up_to(self, heads: Mapping[str, int], within_s: float) -> float:
        """Waits until every reader has read these; how long it took. Raises TimeoutError."""
        began = time.monotonic()
        async with asyncio.timeout(within_s):
            while not self._has_read(heads):
                self._arrived.clear()
                await self._arrived.wait()
        return time.monotonic() - began

    async def check(self) -> Findings:
        """Reads every channel's log anew and compares; AssertionError if a reader differs."""
        findings = Findings(slowest_s=self.slowest_s)
        client = await self.doors.enter("reader", 0)
        try:
            for channel in self.channels:
                events = await _log_of(client, channel)
                compare(channel, self.acked[channel], events, findings)
                for reader in self.readers:
                    _same_as_log(reader, channel, events)
        finally:
            await client.close()
        return findings

    async def check_retries(self, random: Random, count: int) -> None:
        """The same request again, under the same id, has the answer that it had."""
        asked = [
            (sender, channel, cmid, ack)
            for sender in self.senders
            for channel, users in self.acked.items()
            for cmid, ack in users[sender.user]
        ]
        for sender, channel, cmid, ack in random.sample(asked, min(count, len(asked))):
            again = await sender.ask("message.send", cmid=cmid, channel=channel, text=TEXT)
            assert again["dup"] is True
            assert (again["seq"], again["id"]) == (ack["seq"], ack["id"])

    # ---

    async def _harm(self, harm: Callable[[], Awaitable[None]]) -> None:
        try:
            await harm()
        finally:
            self._over.set()

    async def _send(self, number: int, sender: Sender) -> None:
        while not self._over.is_set():
            channel = self.channels[number % len(self.channels)]
            started, cmid = time.monotonic(), new_cmid()
            ack = await sender.ask("message.send", cmid=cmid, channel=channel, text=TEXT)
            self.acked[channel][sender.user].append((cmid, ack))
            self.heads[channel] = max(self.heads[channel], ack["seq"])
            self.slowest_s = max(self.slowest_s, time.monotonic() - started)
            self.count += 1
            self._progress.set()
            number += 1
            await asyncio.sleep(max(0.0, self._gap_s - (time.monotonic() - started)))

    def _is_read(self) -> bool:
        return self._is_sent and self._has_read(self.heads)

    def _has_read(self, heads: Mapping[str, int]) -> bool:
        return all(
            stream.offset >= heads[channel]
            for reader in self.readers
            for channel, stream in reader.streams.items()
        )


def compare(
    channel: str,
    sent: Mapping[str, Sequence[tuple[str, dict[str, Any]]]],
    events: Sequence[dict[str, Any]],
    findings: Findings,
) -> None:
    """Adds to `findings` what one channel's log has against its acknowledgements.

    Args: sent: by user, in the order of sending: (cmid, acknowledgement). events: the whole log.
    """
    created = [(event["cmid"], event["seq"]) for event in events if event["t"] == CREATED]
    place, times = dict(created), Counter(cmid for cmid, _ in created)
    findings.stored += len(place)
    findings.doubled += sum(count - 1 for count in times.values())
    findings.gaps += sum(b != a + 1 for a, b in pairwise([0, *(event["seq"] for event in events)]))
    findings.unsent += len(place.keys() - {cmid for acks in sent.values() for cmid, _ in acks})
    for acks in sent.values():
        findings.acknowledged += len(acks)
        for cmid, ack in acks:
            if place.get(cmid) != ack["seq"]:
                findings.lost += 1
                findings.examples.append(f"{channel}: {cmid} {ack} is at {place.get(cmid)}")
        stored = [place[cmid] for cmid, _ in acks if cmid in place]
        findings.reordered += sum(before >= after for before, after in pairwise(stored))


def _create(cluster: Cluster, channels: Sequence[str], members: list[str]) -> None:
    rest = Rest(cluster.url, cluster.server_key)
    for channel in channels:
        rest.need("POST", "/v1/channels", {"channel": channel, "members": members})


async def _log_of(client: Client, channel: str) -> list[dict[str, Any]]:
    """All events of a channel, in the order of its log, by the protocol's own history."""
    events: list[dict[str, Any]] = []
    top = await client.subscribe(channel, recoverable=True, positioned=True)
    since = {"offset": 0, "epoch": top["epoch"]}
    while since["offset"] < top["offset"]:
        page = await client.command(history={"channel": channel, "since": since, "limit": PAGE})
        publications = page["publications"]
        assert publications, f"{channel}: nothing after {since} although it ends at {top['offset']}"
        events += [
            {**publication["data"], "seq": publication["offset"]} for publication in publications
        ]
        since["offset"] = publications[-1]["offset"]
    return events


def _same_as_log(reader: Reader, channel: str, events: list[dict[str, Any]]) -> None:
    """What a reader saw is the log from where it began. Contiguity was checked while it read."""
    seen = [(event["seq"], event.get("id")) for event in reader.streams[channel].events]
    log = {event["seq"]: event.get("id") for event in events}
    assert seen == [(seq, log.get(seq)) for seq, _ in seen], f"{channel}: {reader.user} differs"
