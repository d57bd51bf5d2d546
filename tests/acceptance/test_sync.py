"""Sync over devices: one call brings a device to the present, over several leaders.

The digest test starts a cluster of its own, whose node dies in the middle. HUBBUB_SYNC_OPERATIONS:
operations of device A while B is away, 150 by default; 500 is the whole form. HUBBUB_SYNC_SEED: of
the operations.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from hubbub.client.aio import Client as Sdk
from hubbub.client.aio import connected
from hubbub.client.events import Connected, Published, Reset
from tests.support.client import Client
from tests.support.cluster import Cluster
from tests.support.device import Device, differences
from tests.support.protobuf_client import ProtobufClient

DELTA_EVENTS_MAX = 300
OPERATIONS = int(os.environ.get("HUBBUB_SYNC_OPERATIONS", "150"))
SEED = int(os.environ.get("HUBBUB_SYNC_SEED", "7"))
CHANNELS = 20
LOUD = 2  # channels in which more happens than a delta holds


async def test_one_call_brings_each_channel_to_the_present(cluster: Cluster) -> None:
    """Delta, head with a gap, gone, and a channel that is new; 20 channels lie on three leaders."""
    ann, bob = "sync-ann", "sync-bob"
    channels = [f"group:sync-{number}" for number in range(20)]
    loud, left, fresh = channels[0], channels[1], "group:sync-fresh"
    token = cluster.token(bob)
    async with Client(cluster.urls[0], cluster.token(ann)) as a:
        for channel in channels:
            await a.rpc("channel.create", channel=channel, members=[bob])
            await a.send(channel, "first")
        async with Client(cluster.urls[1], token) as b:
            asked: dict[str, Any] = dict.fromkeys(channels, ("", 0))
            known = await b.rpc("sync", user=["", 0], channels=asked)
            assert known["more"] == []
            assert {c["state"] for c in known["channels"].values()} == {"head"}
            assert [e["t"] for e in known["channels"][loud]["events"]][-1] == "message.created"
        for channel in channels[2:]:
            await a.send(channel, f"news in {channel}")
        for number in range(DELTA_EVENTS_MAX + 1):
            await a.send(loud, f"loud {number}")
        await a.rpc("member.remove", channel=left, users=[bob])
        await a.rpc("channel.create", channel=fresh, members=[bob])
        await a.send(fresh, "come in")
    positions = {name: (c["epoch"], c["seq"]) for name, c in known["channels"].items()}
    own = (known["user"]["epoch"], known["user"]["seq"])
    body = {"user": own, "channels": positions}
    async with Client(cluster.urls[1], token) as b:
        now = await b.rpc("sync", **body)
        assert now["more"] == []
        found = now["channels"]
        assert found[left] == {"state": "gone", "reason": "channel_not_found"}
        assert found[loud]["state"] == "head"
        assert found[loud]["gap"] == [positions[loud][1] + 1, found[loud]["seq"] - 50]
        assert found[loud]["figures"]["unread"] == DELTA_EVENTS_MAX + 2
        for channel in channels[2:]:
            assert found[channel]["state"] == "delta"
            assert [e["text"] for e in found[channel]["events"]] == [f"news in {channel}"]
        assert now["user"]["state"] == "delta"
        assert now["user"]["listed"] == [fresh]
        assert found[fresh]["state"] == "head"
        assert found[fresh]["events"][-1]["text"] == "come in"
    # the same by REST, for a server key that asks for bob
    again = cluster.rest("POST", f"/v1/users/{bob}/sync", body)
    assert again["channels"][channels[2]] == found[channels[2]]
    assert again["channels"][left]["state"] == "gone"


# --- two devices of one user


@pytest.fixture(scope="module")
def own_cluster() -> Iterator[Cluster]:
    """One whose nodes may die."""
    with Cluster("--profile", "bench", nodes=3, routers=1, edges=2, copies=3) as running:
        yield running


class Live:
    """Device A on our own client: JSON, live publications, commands that survive a dead node."""

    def __init__(self, sdk: Sdk, device: Device) -> None:
        self.sdk = sdk
        self.device = device
        self.own: dict[str, list[str]] = {}  # ids of own messages that are alive
        self.is_up = asyncio.Event()
        self.told = asyncio.Event()

    async def rpc(self, method: str, **data: Any) -> Any:
        return await self.sdk.rpc(method, **data)

    async def follow(self) -> None:
        """Apply whatever comes."""
        own = f"#{self.device.user}"
        async for event in self.sdk:
            if isinstance(event, Connected):
                data: Any = event.data
                if "channels" in data:
                    epoch, seq = data["cursor"]
                    await self.device.bootstrap(data, (epoch, seq), self.rpc)
                self.is_up.set()
            elif isinstance(event, Published) and event.data is not None:
                self.published(own, event.channel, event.data)
            elif isinstance(event, Reset):
                raise AssertionError(event)

    def published(self, own: str, name: str, data: Any) -> None:
        """In order; what came while a sync was under way, and does not follow on it, the next one
        brings."""
        seq, channel = data.get("seq", 0), self.device.channels.get(name)
        if not seq:
            return
        if name == own and seq <= self.device.cursor[1] + 1:
            self.device.user_event(data)
            self.told.set()
        elif channel is not None and seq <= channel.seq + 1:
            channel.event(data)

    async def enter(self, name: str) -> None:
        """Open a channel and have all of it."""
        await self.sdk.subscribe(name)
        self.device.list.setdefault(name, {"state": "joined", "role": "member"})
        await self.device.sync(self.rpc)


class Play:
    """Random operations of A, among messages of somebody else."""

    def __init__(self, live: Live, other: Client, names: list[str], random: Random) -> None:
        self.live = live
        self.other = other
        self.random = random
        self.inside = list(names)
        self.outside: list[str] = []
        self.counts: dict[str, int] = {}

    async def step(self) -> None:
        kinds = (
            ["send"] * 5
            + ["react"] * 2
            + ["edit", "delete", "heard", "read", "mute", "set", "leave", "join", "draft"]
        )
        kind = self.random.choice(kinds)
        self.counts[kind] = self.counts.get(kind, 0) + 1
        name = self.random.choice(self.inside)
        mine = self.live.own.setdefault(name, [])
        number = self.random.randrange(10_000)
        sdk = self.live.sdk
        match kind:
            case "send":
                mine.append((await sdk.send(name, f"text {number}"))["id"])
            case "edit" if mine:
                id = self.random.choice(mine)
                await sdk.command("message.edit", channel=name, id=id, text=f"edit {number}")
            case "delete" if mine:
                id = mine.pop(self.random.randrange(len(mine)))
                await sdk.command("message.delete", channel=name, id=id)
            case "react" if mine:
                id, emoji = self.random.choice(mine), self.random.choice([":up:", ":down:"])
                verb = self.random.choice(["reaction.add", "reaction.add", "reaction.remove"])
                await sdk.command(verb, channel=name, id=id, emoji=emoji)
            case "heard":
                await self.other.send(name, f"other {number}")
            case "read":
                upto = self.random.randrange(1, 40)
                await sdk.command("mark.read", channel=name, upto=upto)
            case "mute":
                flags = {k: self.random.random() < 0.5 for k in ("muted", "favourite", "archived")}
                await sdk.command("channel.set_mine", channel=name, **flags)
            case "set":
                key = f"key-{number % 9}"
                value = None if number % 4 == 0 else number
                await sdk.command("settings.set", settings={key: value})
            case "draft" if number % 3:
                begun = {"text": f"draft {number}"}
                await sdk.command("draft.set", channel=name, message=begun)
            case "draft":
                await sdk.command("draft.clear", channel=name)
            case "leave" if len(self.inside) > LOUD + 8 and name not in self.loud:
                self.inside.remove(name)
                self.outside.append(name)
                self.live.own.pop(name, None)
                await sdk.command("member.leave", channel=name)
            case "join" if self.outside:
                name = self.outside.pop(0)
                self.inside.append(name)
                await sdk.command("member.join", channel=name)
                await self.listed(name)
                await self.live.enter(name)

    @property
    def loud(self) -> list[str]:
        return self.inside[:LOUD]

    async def listed(self, name: str) -> None:
        async with asyncio.timeout(10):
            while name not in self.live.device.list:
                self.live.told.clear()
                await self.live.told.wait()


async def shout(other: Client, name: str) -> None:
    """More than a delta holds."""
    for start in range(0, DELTA_EVENTS_MAX + 40, 20):
        async with asyncio.TaskGroup() as group:
            for n in range(20):
                group.create_task(other.send(name, f"loud {start + n}"))


@pytest.mark.parametrize("beyond", [False, True])
async def test_a_device_that_was_away_has_the_same_state(
    own_cluster: Cluster, beyond: bool
) -> None:
    cluster, random = own_cluster, Random(SEED)
    user, cat = f"twin-{beyond}".lower(), f"cat-{beyond}".lower()
    names = [f"group:twin-{beyond}-{n}".lower() for n in range(CHANNELS)]
    for name in names:
        body = {"channel": name, "members": [user, cat], "public": True}
        cluster.rest("POST", "/v1/channels", body)
    token = cluster.token(user)

    async def same_token() -> str:
        return token

    a, b = Device(user), Device(user)
    async with (
        asyncio.timeout(100),
        Client(cluster.urls[1], cluster.token(cat)) as other,
        connected([cluster.urls[0]], same_token) as sdk,
        asyncio.TaskGroup() as group,
    ):
        live = Live(sdk, a)
        following = group.create_task(live.follow())
        await live.is_up.wait()
        for name in names:
            await sdk.subscribe(name)
            await other.send(name, "before")
        await a.sync(live.rpc)
        async with ProtobufClient(cluster.urls[1], token, device="b") as proto:
            epoch, seq = proto.connected["cursor"]
            await b.bootstrap(proto.connected, (epoch, seq), proto.rpc)
            await b.sync(proto.rpc)
        play = Play(live, other, names, random)
        for number in range(OPERATIONS):
            if number == OPERATIONS // 2:
                cluster.kill(f"node-{random.randrange(1, 4)}")
            await play.step()
        if beyond:
            for name in play.loud:
                await shout(other, name)
        await a.sync(live.rpc)
        async with ProtobufClient(cluster.urls[0], token, device="b") as proto:
            await b.sync(proto.rpc)
        following.cancel()
    assert differences(b.state(), a.state()) == []
    assert b.digest() == a.digest()
    states = {name: state for name, state in b.states.items() if name in play.inside}
    away = {name for name, state in states.items() if state != "delta"}
    assert away == (set(play.loud) if beyond else set())
    assert {n for n, state in b.states.items() if state == "gone"} <= set(play.outside)
    assert sum(len(c.messages) for c in b.channels.values()) > CHANNELS
    assert b.drafts
