"""A long channel: every page leads to the same messages, from any seq and any time, whichever way
one reads; what is gone is named. (What retention takes is named in test_channel_data.)

Whole form: HUBBUB_HISTORY_MESSAGES=1000000 HUBBUB_HISTORY_JUMPS=1000 (600 and 40 by default),
with pytest's `--timeout 3600`. Prints how long the jumps took.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random
from typing import Any

from tests.support.client import Client, new_cmid
from tests.support.cluster import Cluster
from tests.support.patience import rpc

MESSAGES = int(os.environ.get("HUBBUB_HISTORY_MESSAGES", "600"))
JUMPS = int(os.environ.get("HUBBUB_HISTORY_JUMPS", "40"))
PAGE = 200
UNDER_WAY = 128
ROOM = "group:long-room"
USER = "long-ann"

Page = Callable[..., Awaitable[dict[str, Any]]]


async def filled(cluster: Cluster) -> dict[int, str]:
    """The channel's messages, seq → id: sent by one connection, many under way."""
    body = {"channel": ROOM, "owner": USER, "members": ["long-ben"]}
    await asyncio.to_thread(cluster.rest, "POST", "/v1/channels", body)
    found = dict[int, str]()
    numbers = iter(range(MESSAGES))
    async with Client(cluster.urls[0], cluster.token(USER)) as ann:

        async def sender() -> None:
            for n in numbers:
                cmid = new_cmid()
                sent = await rpc(partial(ann.send, ROOM, f"message {n}", cmid=cmid))
                found[sent["seq"]] = sent["id"]

        async with asyncio.TaskGroup() as senders:
            for _ in range(UNDER_WAY):
                senders.create_task(sender())
    assert len(found) == MESSAGES
    return found


def ids(messages: list[dict[str, Any]]) -> list[tuple[int, str]]:
    return [(message["seq"], message["id"]) for message in messages]


async def test_a_long_channel_is_the_same_from_everywhere(cluster: Cluster) -> None:
    sent = sorted((await filled(cluster)).items())
    async with Client(cluster.urls[1], cluster.token(USER)) as ann:

        async def page(**words: Any) -> dict[str, Any]:
            answer: dict[str, Any] = await ann.rpc("history.get", channel=ROOM, **words)
            return answer

        assert await walk(page, "after_seq") == sent
        assert (await walk(page, "before_seq"))[::-1] == sent
        await jump_about(page, sent)
        await truncation_is_named(ann, page, sent)


async def walk(page: Page, word: str) -> list[tuple[int, str]]:
    """Everything, page by page, in the order of reading."""
    found: list[tuple[int, str]] = []
    place: dict[str, int] = {"after_seq": 0} if word == "after_seq" else {}
    while messages := ids((await page(limit=PAGE, **place))["messages"]):
        found += messages if word == "after_seq" else messages[::-1]
        place = {word: found[-1][0]}
    return found


async def jump_about(page: Page, sent: list[tuple[int, str]]) -> None:
    """Random places by seq and by time; each page is that part of the whole."""
    dice, took_ms = Random(3), list[float]()
    index = {seq: n for n, (seq, _) in enumerate(sent)}
    by_time = dict[int, Any]()
    for n in range(JUMPS):
        seq, _ = dice.choice(sent)
        began = time.perf_counter()
        if n % 2 and by_time:
            at = dice.choice(list(by_time))
            messages = (await page(at=by_time[at], limit=20))["messages"]
            took_ms.append((time.perf_counter() - began) * 1_000)
            first = index[messages[0]["seq"]]
            assert messages[0]["ts"] == by_time[at]
            assert first == 0 or await earlier(page, sent[first - 1][0], by_time[at])
        else:
            messages = (await page(around_seq=seq, limit=20))["messages"]
            took_ms.append((time.perf_counter() - began) * 1_000)
            first = index[messages[0]["seq"]]
            assert seq in {message["seq"] for message in messages}
            by_time[seq] = next(m["ts"] for m in messages if m["seq"] == seq)
        assert ids(messages) == sent[first : first + len(messages)]
        assert len(messages) == 20 or messages[-1]["seq"] == sent[-1][0] or first == 0
    ranked = sorted(took_ms)
    print(
        f"{len(sent)} messages, {JUMPS} jumps: p50 {ranked[len(ranked) // 2]:.1f} ms, "
        f"p99 {ranked[int(len(ranked) * 0.99)]:.1f} ms"
    )


async def earlier(page: Page, seq: int, ts: Any) -> bool:
    """The message at this seq is older than that: the jump found the first of its time."""
    [message] = (await page(before_seq=seq + 1, limit=1))["messages"]
    return bool(message["ts"] < ts)


async def truncation_is_named(ann: Client, page: Page, sent: list[tuple[int, str]]) -> None:
    """The first half goes; the pages say so, and the other half is what it was."""
    middle, _ = sent[len(sent) // 2]
    await ann.rpc("channel.truncate", channel=ROOM, before_seq=middle)
    first = await page(after_seq=0, limit=1)
    [gone] = first["removed"]
    assert (gone["from"], gone["to"], gone["why"]) == (1, middle - 1, "truncated")
    assert await walk(page, "after_seq") == sent[len(sent) // 2 :]


async def test_newcomers_hear_nothing_of_what_was_before_them(cluster: Cluster) -> None:
    """Where history begins with the join an edit of an older message would tell it: live, in what
    was missed, in the protocol's own history and by sync it is hidden."""
    room, ann, ben, eve = "group:newcomers", "new-ann", "new-ben", "new-eve"
    async with (
        Client(cluster.urls[0], cluster.token(ann)) as a,
        Client(cluster.urls[1], cluster.token(ben)) as b,
    ):
        await a.rpc("channel.create", channel=room, members=[ben], history="from_join")
        old = await a.send(room, "the old secret")
        members = {"users": [eve]}
        await asyncio.to_thread(cluster.rest, "POST", f"/v1/channels/{room}/members", members)
        await b.subscribe(room)
        async with Client(cluster.urls[1], cluster.token(eve)) as e:
            began = await e.subscribe(room)
            new = await a.send(room, "for everybody")
            for id, text in ((old["id"], "the old secret, again"), (new["id"], "for all")):
                await a.rpc("message.edit", channel=room, id=id, text=text)
            live = [one["data"] for one in await e.wait_publications(room, 3)]
            assert [one["t"] for one in live] == [
                "message.created",
                "message.hidden",
                "message.updated",
            ]
            assert set(live[1]) == {"t", "seq", "id", "ts"}
            assert "again" in str(await b.wait_publications(room, 3)), "he was there"
            epoch = began["epoch"]
            raw = await e.command(history={"channel": room, "limit": 100})
            synced = await e.rpc("sync", channels={room: [epoch, began["offset"]]})
            receipts = await e.rpc("receipts.get", channel=room, ids=[old["id"], new["id"]])
            assert [one["seq"] for one in receipts["receipts"]] == [new["seq"]]
        async with Client(cluster.urls[0], cluster.token(eve)) as e:
            missed = await e.subscribe(room, recover=True, offset=began["offset"], epoch=epoch)
            assert missed["recovered"]
    for told in (raw, synced, missed):
        assert "for all" in str(told)
        assert "secret" not in str(told)
