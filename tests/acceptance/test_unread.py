"""Unread and mention figures of one user's devices equal the definition, whoever did what where.

Whole form: HUBBUB_UNREAD_OPERATIONS=10000 (default 140).
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from typing import Any

from tests.support.client import Client, new_cmid
from tests.support.cluster import Cluster

OPERATIONS = int(os.environ.get("HUBBUB_UNREAD_OPERATIONS", "140"))
ROUND = max(20, OPERATIONS // 60)  # operations between two comparisons
ROOM = "group:unread-room"
USER, OTHERS = "ur-ann", ("ur-bob", "ur-cid")
TOLD_S = 15.0


class Model:
    """The definition: what every message is, where the mark stands, how often it moved back."""

    def __init__(self) -> None:
        self.head = 1
        self.mark = 1
        self.rev = 0
        # seq → [author, id, alive, counts, names the user]
        self.messages: dict[int, list[Any]] = {}

    def figures(self) -> dict[str, int]:
        unread = [
            named
            for seq, (author, _, alive, counts, named) in self.messages.items()
            if seq > self.mark and author != USER and alive and counts
        ]
        return {
            "seq": self.head,
            "unread": len(unread),
            "mentions": sum(unread),
            "mark": self.mark,
            "rev": self.rev,
        }

    def read(self, upto: int, rev: int) -> None:
        if rev >= self.rev:
            self.mark = max(self.mark, min(upto, self.head))

    def moved_back(self, since: int) -> None:
        self.mark, self.rev = max(since - 1, 1), self.rev + 1


class Device:
    """One device of the user: on line with a client, or off line with marks that wait."""

    def __init__(self, cluster: Cluster, number: int) -> None:
        self.url = cluster.urls[number % len(cluster.urls)]
        self.token = cluster.token(USER)
        self.client: Client | None = None
        self.waiting: list[tuple[int, int]] = []  # (upto, revision), made off line
        self.rev = 0

    async def go_on(self) -> Client:
        self.client = Client(self.url, self.token)
        await self.client.__aenter__()
        await self.client.rpc("screen.set", channels=[ROOM])
        return self.client

    async def go_off(self) -> None:
        if self.client is not None:
            await self.client.close()
        self.client = None

    def figures(self) -> dict[str, int]:
        """What it was told last."""
        assert self.client is not None
        found: dict[str, int] = {}
        for push in self.client.publications(f"#{USER}"):
            row = push["data"].get("heads", {}).get(ROOM)
            if row is not None and "unread" in row:
                found = row
        return {name: found.get(name, -1) for name in ("seq", "unread", "mentions", "mark", "rev")}


def explained(cluster: Cluster) -> dict[str, int]:
    """What `hubbub explain unread` says; it fails if its messages do not add up to that."""
    words = ["explain", "unread", ROOM, USER, "--json", "--dir", str(cluster.dir)]
    done = subprocess.run(
        [sys.executable, "-m", "ops", *words],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    data = json.loads(done.stdout)["data"]
    assert data["agrees"]
    return {name: data[name] for name in ("unread", "mentions")}


async def at_once(*calls: Any) -> None:
    async with asyncio.TaskGroup() as group:
        for call in calls:
            group.create_task(call)


async def test_three_devices_always_agree_with_the_definition(cluster: Cluster) -> None:
    dice, model = random.Random(11), Model()
    cluster.rest("POST", "/v1/channels", {"channel": ROOM, "members": [USER, *OTHERS]})
    devices = [Device(cluster, number) for number in range(3)]
    done = 0
    try:
        await at_once(*(device.go_on() for device in devices))
        while done < OPERATIONS:
            done += await one_round(cluster, devices, model, dice)
            await compare(devices, model)
        assert explained(cluster) == {
            name: model.figures()[name] for name in ("unread", "mentions")
        }
    finally:
        for device in devices:
            await device.go_off()


async def one_round(
    cluster: Cluster, devices: list[Device], model: Model, dice: random.Random
) -> int:
    """Messages, then marks of all devices at once (they merge), then perhaps one back."""
    count = ROUND
    for _ in range(ROUND // 2):
        await post(cluster, devices, model, dice)
    marks: list[Any] = []
    for device in devices:
        for _ in range(max(1, ROUND // 8)):
            upto = dice.randint(1, model.head)
            if device.client is None:
                device.waiting.append((upto, device.rev))
                continue
            rev = dice.choice((-1, model.rev))
            marks.append(device.client.rpc("mark.read", channel=ROOM, upto=upto, rev=rev))
            model.read(upto, model.rev)
    await at_once(*marks)
    online = [device for device in devices if device.client is not None]
    if dice.random() < 0.6:
        since = dice.randint(1, model.head)
        client = dice.choice(online).client
        assert client is not None
        model.moved_back(since)
        answer = await client.rpc("mark.unread", channel=ROOM, since=since)
        assert answer == {"upto": model.mark, "rev": model.rev}
    await change_places(devices, model, dice)
    return count


async def post(cluster: Cluster, devices: list[Device], model: Model, dice: random.Random) -> None:
    """Somebody sends, or deletes one of his."""
    alive = [seq for seq, row in model.messages.items() if row[2]]
    path = f"/v1/channels/{ROOM}/messages"
    if alive and dice.random() < 0.2:
        seq = dice.choice(alive)
        ident = model.messages[seq][1]
        answer = await asyncio.to_thread(cluster.rest, "DELETE", f"{path}/{ident}")
        model.messages[seq][2] = False
        model.head = answer["seq"]
        return
    author = dice.choice((*OTHERS, *OTHERS, USER))
    body = {"text": "x", "user": author}
    kind = dice.random()
    if kind < 0.2:
        body["mentions"] = [USER]
    elif kind < 0.3:
        body["mention_all"] = True
    silent = dice.random() < 0.15
    if silent:
        body["silent"] = True
    answer = await asyncio.to_thread(cluster.rest, "POST", path, body)
    model.head = answer["seq"]
    model.messages[model.head] = [author, answer["id"], True, not silent, kind < 0.3]


async def change_places(devices: list[Device], model: Model, dice: random.Random) -> None:
    """Some device comes back and sends what it marked meanwhile; another one goes."""
    for device in devices:
        if device.client is None and dice.random() < 0.7:
            client = await device.go_on()
            for upto, rev in device.waiting:
                model.read(upto, rev)
            sent = (
                client.rpc("mark.read", channel=ROOM, upto=upto, rev=rev)
                for upto, rev in device.waiting
            )
            await at_once(*sent)
            device.waiting = []
        device.rev = model.rev
    online = [device for device in devices if device.client is not None]
    if len(online) > 1 and dice.random() < 0.4:
        await dice.choice(online).go_off()


async def compare(devices: list[Device], model: Model) -> None:
    expected = model.figures()
    for device in devices:
        if device.client is None:
            continue
        try:
            await device.client.wait_until(
                lambda device=device: device.figures() == expected, "the figures", TOLD_S
            )
        except (AssertionError, TimeoutError) as error:
            raise AssertionError((device.figures(), expected)) from error
        total = await device.client.rpc("unread.total")
        assert (total["unread"], total["mentions"]) == (expected["unread"], expected["mentions"])


async def test_the_badge_and_all_read_over_many_channels(cluster: Cluster) -> None:
    user, author = "ub-ann", "ub-bob"
    rooms = [f"group:unread-badge-{n}" for n in range(12)]
    for room in rooms:
        cluster.rest("POST", "/v1/channels", {"channel": room, "members": [user, author]})
        for text in ("one", "two"):
            message = {"text": text, "user": author, "mentions": [user]}
            cluster.rest("POST", f"/v1/channels/{room}/messages", message)
    async with (
        Client(cluster.urls[0], cluster.token(user)) as phone,
        Client(cluster.urls[1], cluster.token(user)) as laptop,
    ):
        async with asyncio.timeout(TOLD_S):  # the list is a projection
            while True:
                if (await phone.rpc("unread.total"))["channels"] == len(rooms):
                    break
                await asyncio.sleep(0.05)
        total = await phone.rpc("unread.total")
        threads = {"threads_unread": 0, "threads_mentions": 0}
        assert total == {"unread": 24, "mentions": 24, "channels": 12} | threads
        assert cluster.rest("GET", f"/v1/users/{user}/unread") == total
        why = cluster.rest("GET", f"/v1/channels/{rooms[0]}/unread/{user}")
        assert [m["why"] for m in why["messages"]] == ["mention", "mention"]

        def unread_at_laptop() -> dict[str, int]:
            found: dict[str, int] = {}
            for push in laptop.publications(f"#{user}"):
                for room, row in push["data"].get("heads", {}).items():
                    found[room] = row.get("unread", found.get(room, -1))
            return found

        def rooms_heard() -> set[str]:
            pushes = laptop.publications(f"#{user}")
            rows = [item for push in pushes for item in push["data"].get("heads", {}).items()]
            return {room for room, row in rows if row["seq"] >= 4}

        for room in rooms:  # whoever hears of these also hears of marks
            body = {"text": "three", "user": author}
            cluster.rest("POST", f"/v1/channels/{room}/messages", body)
        await laptop.wait_until(lambda: rooms_heard() == {*rooms}, "all rooms", TOLD_S)
        assert await phone.rpc("mark.all_read") == {"channels": 12}
        assert (await laptop.rpc("unread.total"))["unread"] == 0
        await laptop.wait_until(
            lambda: unread_at_laptop() == dict.fromkeys(rooms, 0), "all read there, too", TOLD_S
        )


async def test_here_names_who_is_online_over_socket_and_rest(cluster: Cluster) -> None:
    room, author, there, hidden, away = "group:unread-here", "uh-ann", "uh-bob", "uh-cid", "uh-dan"
    members = [author, there, hidden, away]
    cluster.rest("POST", "/v1/channels", {"channel": room, "members": members})

    def mentions(user: str) -> int:
        path = f"/v1/channels/{room}/unread/{user}"
        return int(cluster.rest("GET", path)["mentions"])

    cluster.rest("PUT", f"/v1/users/{hidden}/presence", {"state": "invisible"})
    async with (
        Client(cluster.urls[0], cluster.token(author)) as ann,
        Client(cluster.urls[1], cluster.token(there)),
        Client(cluster.urls[1], cluster.token(hidden)),
    ):
        async with asyncio.timeout(TOLD_S):  # his edge tells his leader
            while True:
                if (await ann.rpc("presence.counts", channel=room))["online"] == 2:
                    break
                await asyncio.sleep(0.05)
        cmid = new_cmid()
        first = await ann.send(room, "lunch?", mention_here=True, cmid=cmid)
        again = await ann.send(room, "lunch?", mention_here=True, cmid=cmid)
        assert (again["seq"], again["dup"]) == (first["seq"], True)
        assert [mentions(user) for user in members] == [0, 1, 0, 0]
        body = {"text": "now", "by": author, "mention_here": True}
        cluster.rest("POST", f"/v1/channels/{room}/messages", body)
        assert [mentions(user) for user in members] == [0, 2, 0, 0]


async def test_threads_have_figures_of_their_own_and_all_read_clears_them(
    cluster: Cluster,
) -> None:
    room, user, author = "group:unread-threads", "ut-ann", "ut-bob"
    cluster.rest("POST", "/v1/channels", {"channel": room, "members": [user, author]})
    path = f"/v1/channels/{room}"

    def send(by: str, **more: Any) -> Any:
        return cluster.rest("POST", f"{path}/messages", {"text": "x", "user": by, **more})

    roots = [send(user)["id"] for _ in range(2)]
    seqs = [send(author, thread=root)["seq"] for root in roots for _ in range(2)]
    async with Client(cluster.url, cluster.token(user)) as phone:

        async def left() -> tuple[int, int]:
            total = await phone.rpc("unread.total")
            return total["unread"], total["threads_unread"]

        async with asyncio.timeout(TOLD_S):  # the list is a projection
            while True:
                if await left() == (0, 4):
                    break
                await asyncio.sleep(0.05)
        page = await phone.rpc("thread.unread", channel=room)
        assert [(t["id"], t["unread"]) for t in page["threads"]] == [(r, 2) for r in roots[::-1]]
        read = await phone.rpc("thread.read", channel=room, id=roots[0], upto=seqs[0])
        assert read == {"moved": 1}
        assert await left() == (0, 3)
        assert await phone.rpc("mark.all_read") == {"channels": 1}
        assert await left() == (0, 0)
