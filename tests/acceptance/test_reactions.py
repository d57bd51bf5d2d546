"""Reactions on real processes: numbered in small channels, told once a second in large ones.

Whole form: HUBBUB_REACTIONS=5000 pytest this file.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Iterable
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.client import Client, ReplyError
from tests.support.cluster import Cluster

REACTIONS = int(os.environ.get("HUBBUB_REACTIONS", "150"))
KINDS = ["👍", "🎉", ":parrot:"]


async def together(steps: Iterable[Coroutine[Any, Any, Any]]) -> list[Any]:
    """All at once; their results in order."""
    async with asyncio.TaskGroup() as tasks:
        started = [tasks.create_task(step) for step in steps]
    return [task.result() for task in started]


async def test_in_a_small_channel_they_are_events_with_offsets(cluster: Cluster) -> None:
    channel = "group:react-small"
    cluster.rest("POST", "/v1/channels", {"channel": channel, "members": ["re-a", "re-b"]})
    async with (
        Client(cluster.urls[0], cluster.token("re-a")) as a,
        Client(cluster.urls[1], cluster.token("re-b")) as b,
    ):
        await b.subscribe(channel)
        sent = await a.send(channel, "hi")
        added = await a.rpc("reaction.add", channel=channel, id=sent["id"], emoji="👍")
        assert (added["count"], added["seq"]) == (1, sent["seq"] + 1)
        again = await a.rpc("reaction.add", channel=channel, id=sent["id"], emoji="👍")
        assert again["count"] == 1
        path = f"/v1/channels/{channel}/messages/{sent['id']}/reactions"
        put = cluster.rest("PUT", f"{path}/{quote('👍')}", {"by": "re-b"})
        assert put["count"] == 2
        await a.rpc("reaction.remove", channel=channel, id=sent["id"], emoji="👍")
        pubs = await b.wait_publications(channel, 4)
        data = [pub["data"] for pub in pubs]
        assert [one["t"] for one in data] == [
            "message.created",
            "reaction.added",
            "reaction.added",
            "reaction.removed",
        ]
        assert [one["count"] for one in data[1:]] == [1, 2, 1]
        assert [pub["offset"] for pub in pubs] == [sent["seq"] + n for n in range(4)]
        page = await b.rpc("history.get", channel=channel)
        assert page["messages"][0]["reactions"] == {"👍": {"count": 1, "me": True}}
        listed = cluster.rest("GET", path)
        assert [row["user"] for row in listed["reactors"]] == ["re-b"]
        with pytest.raises(ReplyError) as refused:
            await a.rpc("reaction.add", channel=channel, id=sent["id"], emoji="not one")
        assert refused.value.code == 107


async def test_in_an_open_channel_counters_are_told(cluster: Cluster) -> None:
    """Everybody at once; the last signal and every page have the brute-force counts."""
    channel = "open:react-large"
    cluster.rest("POST", "/v1/channels", {"channel": channel, "owner": "re-owner"})
    users = [f"re-{n}" for n in range(10)]
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(Client(cluster.urls[n % 2], cluster.token(user)))
            for n, user in enumerate(users)
        ]
        await clients[0].subscribe(channel)
        sent = await clients[1].send(channel, "hi")
        chosen: set[tuple[str, str]] = set()

        async def react(number: int) -> None:
            client, user = clients[number], users[number]
            for step in range(REACTIONS // len(clients)):
                kind = KINDS[(step + number) % len(KINDS)]
                verb = "remove" if (user, kind) in chosen else "add"
                await client.rpc(f"reaction.{verb}", channel=channel, id=sent["id"], emoji=kind)
                (chosen.add if verb == "add" else chosen.discard)((user, kind))

        await together(react(number) for number in range(len(clients)))
        counts = {kind: sum(own == kind for _, own in chosen) for kind in KINDS}
        counts = {kind: count for kind, count in counts.items() if count}

        def told() -> list[dict[str, Any]]:
            data = [pub["data"] for pub in clients[0].publications(channel)]
            return [one for one in data if one["t"] == "reaction.counted"]

        page = await clients[2].rpc("history.get", channel=channel)
        shown = page["messages"][-1]
        # By the revision: the counts alone may have stood like this in between.
        await clients[0].wait_until(
            lambda: told() and told()[-1]["annotation_rev"] == shown["annotation_rev"],
            "the counters",
        )
        assert told()[-1]["reactions"] == counts
        assert len(told()) <= REACTIONS / 4, "not one a reaction"
        numbered = [pub["offset"] for pub in clients[0].publications(channel) if "offset" in pub]
        assert numbered == [sent["seq"]], "reactions take no offset"
        assert {kind: row["count"] for kind, row in shown["reactions"].items()} == counts
        mine = {kind for kind, row in shown["reactions"].items() if row.get("me")}
        assert mine == {kind for user, kind in chosen if user == users[2]}
