"""Read and delivered counts at any size equal counting one by one, and cost two frames a second.

Whole form: HUBBUB_RECEIPTS_MEMBERS=5000 (default 240), of whom HUBBUB_RECEIPTS_CONNECTED=3000 (40)
are connected, HUBBUB_TEST_EDGES=3; of the frames: HUBBUB_RECEIPTS_LARGE=10000 members (130),
HUBBUB_RECEIPTS_SECONDS=30 (4). With pytest's `--timeout 1200`.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import pytest

from tests.support import patience
from tests.support.client import Client, ReplyError
from tests.support.cluster import Cluster

MEMBERS = int(os.environ.get("HUBBUB_RECEIPTS_MEMBERS", "240"))
SECONDS = float(os.environ.get("HUBBUB_RECEIPTS_SECONDS", "4"))
MESSAGES = 200
CONNECTED = int(os.environ.get("HUBBUB_RECEIPTS_CONNECTED", "40"))
LARGE = int(os.environ.get("HUBBUB_RECEIPTS_LARGE", "130"))
AT_ONCE = 40
FRAMES_PER_S = 2  # features.md 2.7: receipt traffic of one connection
TOLD_S = 15.0


class Model:
    """Who joined at which seq, and how far everybody has read and received."""

    def __init__(self) -> None:
        self.join: dict[str, int] = {}
        self.read: dict[str, int] = {}
        self.delivered: dict[str, int] = {}
        self.author: dict[int, str] = {}

    def receipt(self, seq: int) -> dict[str, int]:
        recipients = [u for u, at in self.join.items() if at <= seq and u != self.author[seq]]
        return {
            "seq": seq,
            "read": sum(self.read.get(user, 0) >= seq for user in recipients),
            "read_of": len(recipients),
            "delivered": sum(self.delivered.get(user, 0) >= seq for user in recipients),
            "delivered_of": len(recipients),
        }

    def marked(self, user: str, seq: int, *, is_read: bool) -> None:
        self.delivered[user] = max(seq, self.delivered.get(user, 0))
        if is_read:
            self.read[user] = max(seq, self.read.get(user, 0))

    def gone(self, user: str) -> None:
        for rows in (self.join, self.read, self.delivered):
            rows.pop(user, None)


class Room:
    """A channel under test and what should be true of it."""

    def __init__(self, cluster: Cluster, channel: str) -> None:
        self.cluster = cluster
        self.channel = channel
        self.path = f"/v1/channels/{channel}"
        self.model = Model()

    async def rest(self, method: str, path: str, body: Any = None) -> Any:
        return await patience.rest(self.cluster, method, self.path + path, body)

    async def open(self, members: list[str]) -> None:
        first = {"channel": self.channel, "members": members[:1_000]}
        await patience.rest(self.cluster, "POST", "/v1/channels", first)
        self.model.join = dict.fromkeys(members[:1_000], 1)
        for at in range(1_000, len(members), 1_000):
            await self.join(members[at : at + 1_000])

    async def join(self, users: list[str]) -> None:
        done = await self.rest("POST", "/members", {"users": users})
        self.model.join |= dict.fromkeys(users, done["seq"])

    async def leave(self, user: str) -> None:
        await self.rest("DELETE", f"/members/{user}")
        self.model.gone(user)

    async def send(self, user: str) -> int:
        done = await self.rest("POST", "/messages", {"text": "x", "user": user})
        self.model.author[done["seq"]] = user
        return int(done["seq"])

    async def mark(self, user: str, seq: int, *, is_read: bool) -> None:
        await self.rest("POST", "/read" if is_read else "/delivered", {"upto": seq, "by": user})
        self.model.marked(user, seq, is_read=is_read)


async def at_once(*calls: Any, limit: int = 16) -> None:
    """Calls, so many at a time."""
    gate = asyncio.Semaphore(limit)

    async def one(call: Any) -> None:
        async with gate:
            await call

    async with asyncio.TaskGroup() as group:
        for call in calls:
            group.create_task(one(call))


async def test_counts_equal_counting_while_members_come_and_go(cluster: Cluster) -> None:
    dice = random.Random(7)
    room = Room(cluster, "group:receipts-many")
    people = [f"rc-{n:05d}" for n in range(MEMBERS)]
    churn = [f"rc-guest-{n}" for n in range(20)]
    await room.open(people)
    await at_once(*(room.send(dice.choice(people[:9])) for _ in range(MESSAGES)))
    seqs = sorted(room.model.author)

    async def come_and_go() -> None:
        for user in churn:
            await room.join([user])
            await room.send(user)
            await room.mark(user, dice.choice(seqs), is_read=True)
            if dice.random() < 0.5:
                await room.leave(user)
        for user in dice.sample(people[CONNECTED:], 10):
            await room.leave(user)
            if dice.random() < 0.5:
                await room.join([user])

    quiet = set(people[CONNECTED:])
    marking = [dice.choice(people[CONNECTED:]) for _ in range(MEMBERS // 2)]
    async with AsyncExitStack() as stack:
        devices = {
            user: await patience.entered(cluster, user, n)
            for n, user in enumerate(people[:CONNECTED])
        }
        for device in devices.values():
            stack.push_async_callback(device.close)

        async def live(user: str) -> None:
            device, seq = devices[user], dice.choice(seqs)
            got = min(seq + dice.randrange(40), seqs[-1])
            marks = {room.channel: got}
            delivered = partial(device.rpc, "mark.delivered", marks=marks)
            assert await patience.rpc(delivered) == {}
            read = partial(device.rpc, "mark.read", channel=room.channel, upto=seq)
            assert (await patience.rpc(read))["upto"] >= seq
            room.model.marked(user, got, is_read=False)
            room.model.marked(user, seq, is_read=True)

        def of_quiet(user: str) -> Any:
            return room.mark(user, dice.choice(seqs), is_read=dice.random() < 0.7)

        await at_once(*(of_quiet(user) for user in marking))
        async with asyncio.TaskGroup() as group:
            group.create_task(come_and_go())
            group.create_task(at_once(*(live(user) for user in devices), limit=AT_ONCE))
        assert quiet
        seqs = sorted(room.model.author)
        probes = dice.sample(seqs, MESSAGES)
        watcher = devices[people[0]]
        for at in range(0, MESSAGES, 100):
            asked = sorted(probes[at : at + 100])
            get = partial(watcher.rpc, "receipts.get", channel=room.channel, seqs=asked)
            page = await patience.rpc(get)
            assert page["receipts"] == [room.model.receipt(seq) for seq in asked]
        text = ",".join(map(str, seqs[:3]))
        page = await room.rest("GET", f"/receipts?seqs={text}")
        assert page["receipts"] == [room.model.receipt(seq) for seq in seqs[:3]]
        await check_readers(room, watcher, seqs[len(seqs) // 2])


async def check_readers(room: Room, device: Client, seq: int) -> None:
    """The pages of readers name those whom the count counts."""
    for state, marks in (("read", room.model.read), ("delivered", room.model.delivered)):
        found: list[str] = []
        after = ""
        while True:
            wish = {"channel": room.channel, "seq": seq, "state": state, "after": after}
            page = await patience.rpc(partial(device.rpc, "receipts.readers", **wish, limit=50))
            found += [reader["user"] for reader in page["readers"]]
            after = page.get("next", "")
            if not after:
                break
        author = room.model.author[seq]
        assert found == sorted(
            user
            for user, join in room.model.join.items()
            if join <= seq and user != author and marks.get(user, 0) >= seq
        )


async def test_a_small_channel_hears_of_each_member_unless_he_hides(cluster: Cluster) -> None:
    room = Room(cluster, "group:receipts-few")
    await room.open(["rf-ann", "rf-bob", "rf-cid"])
    url, other = cluster.urls[0], cluster.urls[1]
    async with (
        Client(url, cluster.token("rf-ann")) as ann,
        Client(other, cluster.token("rf-bob")) as bob,
        Client(other, cluster.token("rf-cid")) as cid,
    ):
        await ann.subscribe(room.channel)
        seq = (await ann.send(room.channel, "hi"))["seq"]

        def told(name: str) -> dict[str, int]:
            found: dict[str, int] = {}
            for push in ann.publications(room.channel):
                if push["data"].get("t") == "receipts.moved":
                    found |= push["data"].get(name, {})
            return found

        await bob.rpc("mark.delivered", marks={room.channel: seq})
        await ann.wait_until(lambda: told("delivered") == {"rf-bob": seq}, "delivered", TOLD_S)
        await bob.rpc("mark.read", channel=room.channel, upto=seq)
        await ann.wait_until(lambda: told("read") == {"rf-bob": seq}, "read", TOLD_S)
        await cid.rpc("privacy.set", read=False, delivered=False)
        async with asyncio.timeout(TOLD_S):
            while True:
                (receipt,) = (await ann.rpc("receipts.get", channel=room.channel, seqs=[seq]))[
                    "receipts"
                ]
                if receipt["read_of"] == receipt["delivered_of"] == 1:
                    break
                await asyncio.sleep(0.05)
        await cid.rpc("mark.read", channel=room.channel, upto=seq)
        (receipt,) = (await ann.rpc("receipts.get", channel=room.channel, seqs=[seq]))["receipts"]
        assert receipt == {
            "seq": seq, "read": 1, "read_of": 1, "delivered": 1, "delivered_of": 1,
        }  # fmt: skip
        assert "rf-cid" not in told("read") | told("delivered")
        assert (await cid.rpc("unread.total"))["unread"] == 0
        with pytest.raises(ReplyError):
            await bob.rpc("receipts.get", channel="group:receipts-none", seqs=[1])


async def test_receipts_of_a_large_channel_cost_two_frames_a_second(cluster: Cluster) -> None:
    """Everybody reads each message at once, and sees the counts of what is on his screen."""
    room = Room(cluster, "group:receipts-frames")
    people = [f"rx-{n:04d}" for n in range(LARGE)]
    watching = people[:24]
    await room.open(people)
    async with AsyncExitStack() as stack:
        devices = {
            user: await patience.entered(cluster, user, n) for n, user in enumerate(watching)
        }
        for device in devices.values():
            stack.push_async_callback(device.close)
            await patience.rpc(partial(device.subscribe, room.channel))
        sent: list[int] = []
        ends = time.monotonic() + SECONDS
        started = time.monotonic()
        async with asyncio.TaskGroup() as group:
            while time.monotonic() < ends:
                sent.append(await room.send(people[-1]))
                for device in devices.values():
                    wish = {"channel": room.channel, "seqs": sent[-20:]}
                    await patience.rpc(partial(device.rpc, "receipts.watch", **wish))
                    marks = {room.channel: sent[-1]}
                    delivered = partial(device.rpc, "mark.delivered", marks=marks)
                    group.create_task(patience.rpc(delivered))
                    read = partial(device.rpc, "mark.read", channel=room.channel, upto=sent[-1])
                    group.create_task(patience.rpc(read))
                await asyncio.sleep(0.2)
        last = {"read": len(watching), "read_of": LARGE - 1}

        def shown(device: Client) -> dict[str, int]:
            found: dict[str, int] = {}
            for push in device.publications(room.channel):
                for receipt in push["data"].get("receipts", ()):
                    if receipt["seq"] == sent[-1]:
                        found = receipt
            return {name: found.get(name, 0) for name in last}

        for device in devices.values():
            await device.wait_until(
                lambda device=device: shown(device) == last, "the last counts", TOLD_S
            )
        elapsed = time.monotonic() - started
        most = 0.0
        for user, device in devices.items():
            # A new screen is answered at once, as its user asked: no traffic of marks.
            frames = sum(
                push["data"].get("t") == "heads" for push in device.publications(f"#{user}")
            ) + sum(
                push["data"].get("t", "").startswith("receipts.")
                for push in device.publications(room.channel)
            )
            assert frames - len(sent) <= FRAMES_PER_S * (elapsed + 2), user
            most = max(most, (frames - len(sent)) / elapsed)
        print(f"{LARGE} members, {len(sent)} messages: at most {most:.2f} frames a second")
