"""`hubbub.client` through real processes: sends offline, cuts, sync after an absence."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from hubbub.client.chat import Chat, connect
from hubbub.client.events import Invalid, Published
from hubbub.client.feeds import Feed
from hubbub.client.positions import Change
from hubbub.client.stores import FileStore, MemoryStore
from tests.support.cluster import Cluster

WAIT_S = 10


async def texts(feed: Feed, count: int) -> list[str]:
    """The next messages' texts."""
    found: list[str] = []
    async with asyncio.timeout(WAIT_S):
        async for event in feed:
            if isinstance(event, Published) and event.data["t"] == "message.created":
                found.append(event.data["text"])
            if len(found) == count:
                break
    return found


async def test_typed_calls_and_events(cluster: Cluster) -> None:
    tea = "group:sdk-tea"
    async with (
        connect(cluster.urls[0], cluster.token("sdk-ann"), name="test") as ann,
        connect(cluster.urls[::-1], cluster.token("sdk-ben")) as ben,
    ):
        await ann.call("channel.create", channel=tea, members=["sdk-ben"])
        async with ben.channel(tea).subscribe() as events:
            sent = await ann.channel(tea).send("The kettle is on")
            await ann.channel(tea).edit(sent["id"], "It boils")
            assert await texts(events, 1) == ["The kettle is on"]
        own = ben.channel(tea)
        assert (await own.react(sent["id"], "🫖"))["count"] == 1
        assert (await own.mark_read(sent["seq"]))["upto"] == sent["seq"]
        for _ in range(3):
            await own.typing()  # what is too often is left out
        [message] = (await own.history(limit=1))["messages"]
        assert (message["text"], message["reactions"]["🫖"]["count"]) == ("It boils", 1)
        assert {m["user"] async for m in own.members()} == {"sdk-ann", "sdk-ben"}
        paged = [m["user"] async for m in ann.rows("members.list", channel=tea, limit=1)]
        assert sorted(paged) == ["sdk-ann", "sdk-ben"]
        for n in range(3):
            await own.send(str(n))
        assert [m["text"] async for m in own.messages(limit=2)] == ["2", "1", "0", "It boils"]
        poll = await ann.verbs.poll.create(channel=tea, question="Sugar?", options=["yes", "no"])
        assert poll["seq"] == (await ann.verbs.channel.get(channel=tea))["head"]
        with pytest.raises(ValueError, match=r"message\.get is no list"):
            await anext(ann.rows("message.get"))
        with pytest.raises(Invalid) as refused:
            await own.delete("no id")
        assert refused.value.reason == "bad_request"
        assert (await ann.channel(tea).delete(sent["id"]))["seq"]


async def test_what_was_written_offline_survives_the_program(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Nobody answers at first; the next program sends what the first left, once, in order."""
    den, wish = "group:sdk-den", [f"line {n}" for n in range(5)]
    store = FileStore(tmp_path / "outbox")
    await asyncio.to_thread(
        cluster.rest, "POST", "/v1/channels", {"channel": den, "owner": "sdk-off"}
    )
    async with connect("http://127.0.0.1:9", "no token", outbox=store) as chat:
        for text in wish:
            chat.channel(den).post(text)
        assert chat.unsent == len(wish)
    async with (
        connect(cluster.url, cluster.token("sdk-off")) as watcher,
        watcher.channel(den).subscribe() as events,
        connect(cluster.urls[1], cluster.token("sdk-off"), outbox=store) as chat,
    ):
        assert await texts(events, len(wish)) == wish
        async with asyncio.timeout(WAIT_S):
            await chat.channel(den).send("after")
        assert (chat.unsent, await texts(events, 1)) == (0, ["after"])
    assert store.load() == {"entries": []}


async def test_a_cut_loses_and_doubles_nothing(cluster: Cluster) -> None:
    hut = "group:sdk-hut"
    async with (
        connect(cluster.urls, cluster.token("sdk-cut")) as chat,
        connect(cluster.url, cluster.token("sdk-see")) as other,
    ):
        await chat.call("channel.create", channel=hut, members=["sdk-see"])
        async with other.channel(hut).subscribe() as events:
            for number in range(4):
                posts = [chat.channel(hut).post(f"{number}-{n}") for n in range(5)]
                _cut(chat if number % 2 else other)
                async with asyncio.timeout(WAIT_S):
                    for post in posts:
                        await post
            wanted = [f"{number}-{n}" for number in range(4) for n in range(5)]
            assert await texts(events, len(wanted)) == wanted
            seq = posts[-1].result()["seq"]
            async with asyncio.timeout(WAIT_S):  # what was handed on is acknowledged
                while True:
                    page = await chat.call("receipts.get", channel=hut, seqs=[seq])
                    if page["receipts"][0]["delivered"] == 1:
                        break


async def test_sync_after_an_absence_from_a_store(cluster: Cluster) -> None:
    first, second = "group:sdk-one", "group:sdk-two"
    store = MemoryStore()
    token = cluster.token("sdk-dev")
    async with connect(cluster.url, cluster.token("sdk-src")) as source:
        await source.call("channel.create", channel=first, members=["sdk-dev"])
        await source.channel(first).send("before")
        async with asyncio.timeout(WAIT_S):  # a list is a moment behind its channels
            while "before" not in said(await synced(cluster, token, store), first):
                pass
        assert not [c for c in await synced(cluster, token, store) if c.events]
        await source.channel(first).send("meanwhile")
        await source.call("channel.create", channel=second, members=["sdk-dev"])
        await source.channel(second).send("new here")
        changes = await synced(cluster, token, store)
        async with asyncio.timeout(WAIT_S):
            while not said(changes, second):
                changes += await synced(cluster, token, store)
        assert said(changes, first) == ["meanwhile"]
        assert said(changes, second) == ["new here"]


async def test_a_bot_takes_every_event_once_over_cuts_and_restarts(
    cluster: Cluster, tmp_path: Path
) -> None:
    """The loop of hubbub/client/README.md: `sync` at first, and whenever the bell rings."""
    room, store, taken = "group:sdk-bot", FileStore(tmp_path / "positions"), list[str]()
    token = cluster.token("sdk-bot")

    async def bot(until: str) -> None:
        seen = 0
        async with connect(cluster.urls, token) as chat, chat.channel(room).subscribe() as bell:
            while until not in taken:
                async for change in chat.sync(store):
                    if change.channel == room:
                        assert change.gap is None
                        taken.extend(said([change], room))
                        seen = change.position[1]
                if until in taken:
                    return
                if len(taken) % 2:
                    _cut(chat)
                async for event in bell:
                    if getattr(event, "offset", 0) > seen:
                        break

    wish = [str(n) for n in range(12)]
    async with connect(cluster.url, cluster.token("sdk-asks")) as chat, asyncio.timeout(3 * WAIT_S):
        await chat.call("channel.create", channel=room, members=["sdk-bot"])
        for start in (0, 4, 8):
            await chat.channel(room).send(wish[start])  # while there is no bot
            async with asyncio.TaskGroup() as group:
                group.create_task(bot(wish[start + 3]))
                for text in wish[start + 1 : start + 4]:
                    await chat.channel(room).typing()
                    await chat.channel(room).send(text)
    assert taken == wish


async def synced(cluster: Cluster, token: str, store: MemoryStore) -> list[Change]:
    """A device that comes, syncs and goes."""
    async with connect(cluster.urls[1], token) as device:
        return [change async for change in device.sync(store)]


def said(changes: list[Change], channel: str) -> list[str]:
    """What was written in a channel."""
    events: list[Any] = [e for c in changes if c.channel == channel for e in c.events]
    return [e["text"] for e in events if e["t"] == "message.created"]


def _cut(chat: Chat) -> None:
    """As a lost network does."""
    socket = chat._client._socket
    if socket is not None and (connection := socket._response.connection) is not None:
        transport = connection.transport
        assert transport is not None
        transport.abort()
