"""What comes live is what the same viewer's queries answer: by role, by override, at every tier.

A table of facts that a capability hides in queries, each with the signs that tell it live. For
every row somebody has the right and somebody has not; both are connected, through two edges, while
the fact changes. There is no larger form.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from hubbub.base.errors import NOT_A_MEMBER, PERMISSION_DENIED
from ops.api import Rest
from tests.support import patience
from tests.support.apps import add_app, change_app
from tests.support.client import Client, ReplyError
from tests.support.cluster import Cluster

TOLD_S = 15.0
LARGE = 120  # members: more than receipts are told by name to


@dataclass(frozen=True)
class Place:
    """A channel of one tier: so many members beside those of the scene."""

    name: str
    members: int


SMALL = Place("group:lr-small", 0)
MEDIUM = Place("group:lr-medium", LARGE)


def told(client: Client, channel: str, kind: str) -> list[dict[str, Any]]:
    """The signs of a type that this connection got."""
    found = [push["data"] for push in client.publications(channel)]
    return [data for data in found if data.get("t") == kind]


async def sees(client: Client, channel: str, seq: int) -> bool:
    """Whether the query answers."""
    try:
        await client.rpc("receipts.get", channel=channel, seqs=[seq])
    except ReplyError as refusal:
        if refusal.code == PERMISSION_DENIED.code:
            return False
        raise
    return True


class Scene:
    """A channel with an owner, a moderator, a member and one who only reads messages."""

    def __init__(self, cluster: Cluster, place: Place, stack: AsyncExitStack) -> None:
        self.cluster, self.place, self._stack = cluster, place, stack
        self.channel = place.name
        self.path = f"/v1/channels/{self.channel}"
        self.clients: dict[str, Client] = {}
        self.seq = 0

    async def rest(self, method: str, path: str, body: Any = None) -> Any:
        return await patience.rest(self.cluster, method, self.path + path, body)

    def name(self, who: str) -> str:
        return f"{self.place.name[6:]}-{who}"

    async def open(self) -> None:
        people = [self.name(who) for who in ("owner", "mod", "ann", "bob", "reader")]
        crowd = [self.name(f"x{n}") for n in range(self.place.members)]
        new = {"channel": self.channel, "owner": people[0], "members": people[1:] + crowd}
        await patience.rest(self.cluster, "POST", "/v1/channels", new)
        role = {"role": "moderator"}
        await self.rest("PUT", f"/members/{self.name('mod')}", role)
        await self.say()
        for at, who in enumerate(("owner", "mod", "ann", "bob")):
            url = self.cluster.urls[at % 2]
            client = Client(url, self.cluster.token(self.name(who)))
            self.clients[who] = await self._stack.enter_async_context(client)
            await client.subscribe(self.channel)

    async def say(self) -> None:
        """A message that nobody has read; those who are here show it."""
        body = {"text": "hi", "user": self.name("owner")}
        self.seq = (await self.rest("POST", "/messages", body))["seq"]
        for client in self.clients.values():
            await client.rpc("receipts.watch", channel=self.channel, seqs=[self.seq])

    async def read(self) -> None:
        await self.rest("POST", "/read", {"upto": self.seq, "by": self.name("reader")})

    def hears(self, who: str) -> bool:
        """Whether it heard of the reading of the last message."""
        for data in told(self.clients[who], self.channel, "receipts.moved"):
            if data.get("read", {}).get(self.name("reader"), 0) >= self.seq:
                return True
        for data in told(self.clients[who], self.channel, "receipts.counted"):
            if any(row["seq"] == self.seq and row["read"] for row in data["receipts"]):
                return True
        return False

    def is_past(self, who: str) -> bool:
        """Whether it got a message behind that one."""
        pushes = self.clients[who].publications(self.channel)
        return any(push.get("offset", 0) > self.seq for push in pushes)

    async def check(self, path: str = "", deaf: frozenset[str] = frozenset()) -> None:
        """Rights change while a message is on all screens, and somebody reads it: who may see
        receipts hears of it; whoever may not hears nothing, until he may."""
        await self.say()
        if path:
            await self.rest("PUT", path, {"deny": ["see_receipts"]})
        may = {who: await sees(client, self.channel, self.seq) for who, client in self.all()}
        assert {who for who, is_allowed in may.items() if not is_allowed} == deaf
        await self.read()
        for who, client in self.all():
            if who not in deaf:
                await client.wait_until(partial(self.hears, who), f"{who} hears", TOLD_S)
        # What comes after the sign on the same streams came after it.
        await self.rest("POST", "/messages", {"text": "after", "user": self.name("owner")})
        for who, client in self.all():
            await client.wait_until(partial(self.is_past, who), f"{who}: after", TOLD_S)
        assert not [who for who in deaf if self.hears(who)]
        if path:
            await self.rest("PUT", path, {})
        for who in deaf:
            await self.clients[who].wait_until(partial(self.hears, who), f"{who} may", TOLD_S)

    def all(self) -> list[tuple[str, Client]]:
        return list(self.clients.items())


@asynccontextmanager
async def scene(cluster: Cluster, place: Place) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        made = Scene(cluster, place, stack)
        await made.open()
        yield made


# What is changed, and who may not see receipts while it is.
CHANGES = (
    ("/capabilities/member", {"ann", "bob"}),
    ("/capabilities/moderator", {"mod"}),
    ("/capabilities/owner", {"owner"}),
    ("/members/{ann}/capabilities", {"ann"}),
    ("/members/{mod}/capabilities", {"mod"}),
)


@pytest.mark.parametrize("place", [SMALL, MEDIUM], ids=["small", "medium"])
async def test_receipts_come_live_to_those_who_may_ask_for_them(
    cluster: Cluster, place: Place
) -> None:
    async with scene(cluster, place) as room:
        await room.check()
        for path, deaf in CHANGES:
            names = {who: room.name(who) for who in room.clients}
            await room.check(path.format_map(names), frozenset(deaf))
        await room.check()
        heard = told(room.clients["bob"], room.channel, "member.capabilities_changed")
        assert {data["user"] for data in heard} == {room.name("ann"), room.name("mod")}
        assert not any("grant" in data or "deny" in data for data in heard), "not for members"


async def test_how_many_are_here_comes_live_where_everybody_may_ask(cluster: Cluster) -> None:
    hall = "open:lr-hall"
    await patience.rest(cluster, "POST", "/v1/channels", {"channel": hall, "owner": "lr-host"})
    path = f"/v1/channels/{hall}/capabilities/none"
    await patience.rest(cluster, "PUT", path, {"deny": ["see_presence"]})

    def numbers(client: Client) -> list[int]:
        return [data["watchers"] for data in told(client, hall, "presence.counted")]

    async with AsyncExitStack() as stack:

        async def comes(user: str, edge: int) -> tuple[Client, dict[str, Any]]:
            client = Client(cluster.urls[edge], cluster.token(user))
            await stack.enter_async_context(client)
            return client, (await client.subscribe(hall))["data"]

        async def becomes(number: int) -> None:
            async with asyncio.timeout(TOLD_S):
                while (await host.rpc("presence.counts", channel=hall))["watchers"] != number:
                    pass

        host, _ = await comes("lr-host", 0)
        ann, _ = await comes("lr-ann", 1)
        await becomes(2)
        _, snapshot = await comes("lr-bob", 1)
        await becomes(3)  # an edge's next report: what is told of the one before was told by now
        assert "watchers" not in snapshot
        with pytest.raises(ReplyError) as refused:
            await ann.rpc("presence.counts", channel=hall)
        assert refused.value.code == NOT_A_MEMBER.code, "members may"
        assert numbers(ann) == numbers(host) == []
        await patience.rest(cluster, "PUT", path, {})
        _, snapshot = await comes("lr-cid", 0)
        assert snapshot["watchers"] == 3
        await ann.wait_until(lambda: numbers(ann)[-1:] == [4], "four", TOLD_S)


async def test_guests_are_told_what_the_app_lets_guests_see(cluster: Cluster) -> None:
    """No channel knows who is a guest: his session's edge does."""
    few = ["see", "read", "mark", "send"]
    record = await asyncio.to_thread(
        add_app, cluster, "lr-guests", changes={"guest_capabilities": few}
    )
    rest = Rest(cluster.urls[0], record.server_key)

    async def need(method: str, path: str, body: Any = None) -> Any:
        return await asyncio.to_thread(rest.need, method, path, body)

    token = (await need("POST", "/v1/tokens", {"user": "ann"}))["token"]
    guest = await need("POST", "/v1/guests", {"user": "gil", "ttl_s": 600})
    room = "group:lr-room"
    await need("POST", "/v1/channels", {"channel": room, "owner": "ann", "members": ["bob", "gil"]})
    url, other = cluster.urls[0], cluster.urls[1]
    async with Client(url, token) as ann, Client(other, guest["token"]) as gil:
        for client in (ann, gil):
            await client.subscribe(room)

        async def read() -> int:
            """The seq of a message that bob read."""
            made = await need(
                "POST", f"/v1/channels/{room}/messages", {"text": "hi", "user": "ann"}
            )
            mark = {"upto": made["seq"], "by": "bob"}
            await need("POST", f"/v1/channels/{room}/read", mark)
            return int(made["seq"])

        def heard(client: Client) -> list[int]:
            return [data["read"]["bob"] for data in told(client, room, "receipts.moved")]

        seq = await read()
        await ann.wait_until(lambda: heard(ann) == [seq], "ann hears", TOLD_S)
        assert not await sees(gil, room, seq)
        last = await read()
        await ann.wait_until(lambda: heard(ann) == [seq, last], "and again", TOLD_S)
        after = (await gil.send(room, "after"))["seq"]
        await gil.wait_until(
            lambda: any(push.get("offset") == after for push in gil.publications(room)),
            "after",
            TOLD_S,
        )
        assert heard(gil) == []
        changes = {"guest_capabilities": [*few, "see_receipts"]}
        await asyncio.to_thread(change_app, cluster, record, changes)
        async with asyncio.timeout(TOLD_S):
            while not heard(gil):
                last = await read()
                await ann.wait_until(lambda: heard(ann)[-1] == last, "ann hears", TOLD_S)  # noqa: B023
        assert await sees(gil, room, last)
