"""Read marks through real processes: gathered by the edge, kept by the log, told to all devices."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.client import Client, ReplyError
from tests.support.cluster import Cluster

ROOM = "group:marks"
TOLD_S = 15.0


def figures(client: Client, user: str) -> list[dict[str, Any]]:
    """What the heads said of the room, so far."""
    heads = [p["data"]["heads"] for p in client.publications(f"#{user}") if "heads" in p["data"]]
    return [head[ROOM] for head in heads if ROOM in head]


async def test_a_mark_on_one_device_clears_the_badge_of_the_other(cluster: Cluster) -> None:
    members = ["mark-ann", "mark-bob"]
    cluster.rest("POST", "/v1/channels", {"channel": ROOM, "members": members})
    tokens = {user: cluster.token(user) for user in (*members, "mark-eve")}
    url = cluster.url
    async with (
        Client(url, tokens["mark-ann"]) as phone,
        Client(url, tokens["mark-ann"]) as laptop,
        Client(url, tokens["mark-bob"]) as bob,
        Client(url, tokens["mark-eve"]) as eve,
    ):
        await laptop.rpc("screen.set", channels=[ROOM])
        sent = [await bob.send(ROOM, f"{n}") for n in range(3)]
        last = sent[-1]["seq"]
        await laptop.wait_until(
            lambda: any(f["seq"] == last and f["unread"] == 3 for f in figures(laptop, "mark-ann")),
            "three unread messages",
        )
        first, second, at_bob = await at_once(
            phone.rpc("mark.read", channel=ROOM, upto=last - 1),
            phone.rpc("mark.read", channel=ROOM, upto=last + 100),
            bob.rpc("mark.read", channel=ROOM, upto=last - 2),
        )
        assert (first, second, at_bob) == ({"upto": last}, {"upto": last}, {"upto": last - 2})
        for device in (laptop, phone):
            await device.wait_until(
                lambda device=device: figures(device, "mark-ann")[-1].get("unread") == 0,
                "nothing unread",
                TOLD_S,
            )
            assert figures(device, "mark-ann")[-1]["mark"] == last
        with pytest.raises(ReplyError) as refused:
            await eve.rpc("mark.read", channel=ROOM, upto=1)
        assert refused.value.code == 405  # to a stranger it does not exist
        with pytest.raises(ReplyError) as refused:
            await eve.rpc("mark.read", channel="group:no-such-room", upto=1)
        assert refused.value.code == 405
    async with Client(cluster.urls[1], tokens["mark-ann"]) as tablet:
        assert tablet.connected["data"]["heads"][ROOM]["unread"] == 0  # with the first screen


async def at_once(*calls: Any) -> list[Any]:
    """The answers of calls made at once."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(call) for call in calls]
    return [task.result() for task in tasks]
