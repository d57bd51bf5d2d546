"""Threads on real processes: replies from many at once, figures told once a second, pages.

Whole form: HUBBUB_REPLIES=2000 pytest this file.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Iterable
from contextlib import AsyncExitStack
from typing import Any

from tests.support.client import Client
from tests.support.cluster import Cluster
from tests.support.official import centrifuge, leave

REPLIES = int(os.environ.get("HUBBUB_REPLIES", "120"))
PEOPLE = [f"thr-{name}" for name in "abcdef"]


async def together(steps: Iterable[Coroutine[Any, Any, Any]]) -> list[Any]:
    """All at once; their results in order."""
    async with asyncio.TaskGroup() as tasks:
        started = [tasks.create_task(step) for step in steps]
    return [task.result() for task in started]


async def test_figures_of_a_thread_equal_its_replies(cluster: Cluster) -> None:
    channel = "group:threads"
    cluster.rest("POST", "/v1/channels", {"channel": channel, "members": PEOPLE})
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(Client(cluster.urls[n % 2], cluster.token(user)))
            for n, user in enumerate(PEOPLE)
        ]
        watcher = clients[0]
        await watcher.subscribe(channel)
        root = (await watcher.send(channel, "root"))["id"]
        answers: list[dict[str, Any]] = [{}] * REPLIES

        async def reply(number: int) -> None:
            for n in range(number, REPLIES, len(clients)):
                answers[n] = await clients[number].send(channel, f"reply {n}", thread=root)

        await together(reply(number) for number in range(len(clients)))
        gone = answers[::10]
        for answer in gone:
            number = answers.index(answer)
            await clients[number % len(clients)].rpc(
                "message.delete", channel=channel, id=answer["id"]
            )
        left = REPLIES - len(gone)

        def told() -> list[dict[str, Any]]:
            data = [pub["data"] for pub in watcher.publications(channel)]
            return [one for one in data if one["t"] == "thread.updated"]

        await watcher.wait_until(lambda: told() and told()[-1]["replies"] == left, "the figures")
        assert all(one["id"] == root for one in told())
        revs = [one["annotation_rev"] for one in told()]
        assert revs == sorted(set(revs)), "each signal says something newer"
        assert len(told()) <= REPLIES / 4, "not one a reply"
        assert not any(
            pub.get("offset")
            for pub in watcher.publications(channel)
            if pub["data"]["t"] == "thread.updated"
        )
        for client in clients[:2]:
            shown = await client.rpc("message.get", channel=channel, id=root)
            assert (shown["replies"], shown["annotation_rev"]) == (left, revs[-1])
        await _pages(clients[1], channel, root, answers, {answer["id"] for answer in gone})
        page = await clients[1].rpc("history.get", channel=channel)
        assert [m["id"] for m in page["messages"]] == [root], "replies stand in their thread"
        listed = cluster.rest("GET", f"/v1/channels/{channel}/threads")
        assert [line["root"]["id"] for line in listed["threads"]] == [root]
        head = await clients[1].rpc("user.channels")
        assert channel in {line["channel"] for line in head["channels"]}


async def _pages(
    client: Client, channel: str, root: str, answers: list[Any], gone: set[str]
) -> None:
    wanted = sorted(answers, key=lambda answer: answer["seq"])
    found: list[dict[str, Any]] = []
    after = 0
    while page := (
        await client.rpc("thread.get", channel=channel, id=root, after_seq=after, limit=50)
    )["messages"]:
        found += page
        after = page[-1]["seq"]
    assert [m["id"] for m in found] == [answer["id"] for answer in wanted]
    assert {m["id"] for m in found if m.get("deleted")} == gone


async def test_the_official_client_sees_a_thread_and_its_figures(cluster: Cluster) -> None:
    sdk = centrifuge()
    channel = "group:threads-sdk"
    cluster.rest("POST", "/v1/channels", {"channel": channel, "members": ["thr-sdk", "thr-own"]})
    seen: list[tuple[int, dict[str, Any]]] = []
    told = asyncio.Event()

    class Watch(sdk.SubscriptionEventHandler):  # type: ignore[name-defined, misc]
        async def on_publication(self, ctx: Any) -> None:
            seen.append((ctx.pub.offset, ctx.pub.data))
            if ctx.pub.data["t"] == "thread.updated":
                told.set()

    address = cluster.urls[1].replace("http", "ws", 1) + "/connection/websocket"
    token = await asyncio.to_thread(cluster.token, "thr-sdk")
    official = sdk.Client(address, token=token)
    subscription = official.new_subscription(channel, events=Watch())
    await official.connect()
    await subscription.subscribe()
    await official.ready(timeout=10)
    await subscription.ready(timeout=10)
    try:
        async with Client(cluster.urls[0], cluster.token("thr-own")) as own:
            root = await own.send(channel, "root")
            reply = await own.send(channel, "reply", thread=root["id"], also_in_channel=True)
            async with asyncio.timeout(10):
                await told.wait()
    finally:
        await leave(official)
    kinds = [data["t"] for _, data in seen]
    assert kinds == ["message.created", "message.created", "thread.created", "thread.updated"]
    offsets = [offset for offset, _ in seen]
    assert offsets == [root["seq"], reply["seq"], reply["seq"] + 1, 0]
    assert seen[1][1]["thread"] == root["id"]
    figures = seen[-1][1]
    assert (figures["id"], figures["replies"], figures["participants"]) == (
        root["id"],
        1,
        ["thr-own"],
    )
