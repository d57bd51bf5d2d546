"""Presence over two edges: merged over devices, softened by a grace, shown to those who may see
it, bounded by the screen.

HUBBUB_PRESENCE_USERS=2000 is the whole form of the tunnel; they go through it in waves of
HUBBUB_PRESENCE_WAVE (all at once by default), each within the grace. This process holds a socket of
each: below `ulimit -n`. With pytest's `--timeout 1200`.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import pytest

from ops.api import Rest
from tests.support.client import Client, ReplyError, new_cmid
from tests.support.cluster import Cluster
from tests.support.official import centrifuge, leave

USERS = int(os.environ.get("HUBBUB_PRESENCE_USERS", "60"))
WAVE = int(os.environ.get("HUBBUB_PRESENCE_WAVE", "0")) or USERS
SCREEN = 199  # and one who really goes
GONE_S = 30.0  # the grace, another one where the leader is new, and what telling takes
TOLD_S = 15.0

Step = Callable[[str, int], Coroutine[Any, Any, None]]


def pushed(client: Client) -> list[dict[str, Any]]:
    """What the client was told of others, push by push."""
    found = [push["pub"] for push in client.pushes if "pub" in push]
    told = [pub for pub in found if pub["data"].get("t") == "presence"]
    assert not any(pub.get("offset") for pub in told)
    return [pub["data"]["users"] for pub in told]


def last(client: Client, user: str) -> str:
    """How the client was told last that this one is; empty: never."""
    states: list[str] = [users[user]["state"] for users in pushed(client) if user in users]
    return states[-1] if states else ""


async def becomes(client: Client, user: str, state: str, seconds: float = TOLD_S) -> None:
    await client.wait_until(lambda: last(client, user) == state, f"{user} {state}", seconds)


def people(cluster: Cluster, *users: str, edge: int = 0) -> list[Client]:
    return [Client(cluster.urls[edge], cluster.token(user)) for user in users]


async def test_one_user_over_two_devices_on_two_edges(cluster: Cluster) -> None:
    [ann] = people(cluster, "pr-ann")
    [phone], [laptop] = people(cluster, "pr-bob"), people(cluster, "pr-bob", edge=1)
    [other] = people(cluster, "pr-unwatched", edge=1)
    offline = {"users": {"pr-bob": {"state": "offline"}}}
    async with ann:
        assert await ann.rpc("presence.watch", users=["pr-bob"]) == offline
        async with phone:
            await becomes(ann, "pr-bob", "online")
            async with laptop, other:
                assert (await laptop.rpc("sessions.list"))["sessions"][1]["client"]
                assert await phone.rpc("presence.set", idle=True) == {}
                await laptop.rpc("presence.set", idle=True)
                await becomes(ann, "pr-bob", "away")
                await phone.rpc("presence.set", idle=False)
                await becomes(ann, "pr-bob", "online")
                await phone.rpc("presence.set", idle=True)
                await becomes(ann, "pr-bob", "away")
                await laptop.rpc("presence.set", state="busy", idle=False)
                await becomes(ann, "pr-bob", "busy")
                assert (await ann.rpc("presence.get", users=["pr-unwatched"]))["users"] == {
                    "pr-unwatched": {"state": "online"}
                }
            seen = await asyncio.to_thread(cluster.rest, "GET", "/v1/presence?users=pr-bob")
            assert seen == {"users": {"pr-bob": {"state": "busy"}}}
            path = "/v1/users/pr-bob/presence"
            await asyncio.to_thread(cluster.rest, "PUT", path, {"state": "online"})
            await becomes(ann, "pr-bob", "away")
        assert {user for users in pushed(ann) for user in users} == {"pr-bob"}
        assert await ann.rpc("presence.watch", users=[]) == {"users": {}}


async def test_a_tunnel_is_no_going_and_a_going_is_one(cluster: Cluster) -> None:
    names = [f"pr-flap-{n}" for n in range(USERS)]
    screens = [names[start : start + SCREEN] for start in range(0, USERS, SCREEN)]
    tokens: dict[str, str] = {}
    inside: dict[str, Client] = {}

    async def enter(name: str, edge: int) -> None:
        if name not in tokens:
            tokens[name] = await asyncio.to_thread(cluster.token, name)
        inside[name] = await Client(cluster.urls[edge], tokens[name]).__aenter__()

    async def tunnel(name: str, edge: int) -> None:
        client = inside[name]
        client.cut()
        await asyncio.sleep(3.0)  # harm: three seconds without a network
        await enter(name, 1 - edge)
        await client.close()

    async def all_of(wave: list[tuple[str, int]], step: Step) -> None:
        async with asyncio.TaskGroup() as group:
            for name, edge in wave:
                group.create_task(step(name, edge))

    def waves(size: int) -> list[list[tuple[str, int]]]:
        numbered = [(name, n % 2) for n, name in enumerate(names)]
        return [numbered[start : start + size] for start in range(0, USERS, size)]

    async def close_all() -> None:
        for client in inside.values():
            await client.close()

    async with AsyncExitStack() as stack:
        stack.push_async_callback(close_all)
        await enter("pr-leaver", 0)
        for wave in waves(20):
            await all_of(wave, enter)
        watchers = [
            await stack.enter_async_context(Client(cluster.urls[1], cluster.token(f"pr-watch-{n}")))
            for n in range(len(screens))
        ]
        for watcher, screen in zip(watchers, screens, strict=True):
            found = (await watcher.rpc("presence.watch", users=[*screen, "pr-leaver"]))["users"]
            assert all(one == {"state": "online"} for one in found.values()), found
        before = [len(pushed(watcher)) for watcher in watchers]
        for wave in waves(WAVE)[:-1]:
            await all_of(wave, tunnel)
        async with asyncio.TaskGroup() as group:
            group.create_task(all_of(waves(WAVE)[-1], tunnel))
            inside["pr-leaver"].cut()
            for watcher in watchers:
                await becomes(watcher, "pr-leaver", "offline", GONE_S)
        for watcher, count in zip(watchers, before, strict=True):
            [told] = pushed(watcher)[count:]
            assert set(told) == {"pr-leaver"}, "nobody else came or went"
            assert told["pr-leaver"]["last_seen"]


def same(answer: Any, *names: str) -> str:
    """Bytes of an answer or a push, without the user's own name and times."""
    text = json.dumps(answer)
    for name in names:
        text = text.replace(name, "<name>")
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "<time>", text)


async def listed(client: Client, room: str, users: set[str]) -> None:
    """The protocol's own lists and numbers."""
    found = await client.command(presence={"channel": room})
    assert {one["user"] for one in found["presence"].values()} == users
    stats = await client.command(presence_stats={"channel": room})
    assert (stats["num_clients"], stats["num_users"]) == (len(users), len(users))


async def no_traces(eye: Client, hides: Client, room: str) -> None:
    """Nobody learns what an invisible member has got, has read, or begins to write."""
    sent = await eye.rpc("message.send", channel=room, text="anybody?", cmid=new_cmid())
    await hides.wait_until(lambda: len(hides.publications(room)) > 0)
    await hides.rpc("mark.delivered", marks={room: sent["seq"]})
    await hides.rpc("mark.read", channel=room, upto=sent["seq"])
    assert (await hides.rpc("typing.start", channel=room))["shown"] is False
    [receipt] = (await eye.rpc("receipts.get", channel=room, seqs=[sent["seq"]]))["receipts"]
    counts = {name: receipt[name] for name in ("read", "read_of", "delivered", "delivered_of")}
    assert counts == {"read": 0, "read_of": 2, "delivered": 0, "delivered_of": 2}
    told = [pub["data"]["t"] for pub in eye.publications(room)]
    assert not [name for name in told if name.startswith(("typing", "receipts"))]


async def test_invisible_is_offline_to_everybody_else(cluster: Cluster) -> None:
    hidden, gone, room = "pr-hides", "pr-leaves", "group:pr-room"
    members = [hidden, gone, "pr-eye"]
    body = {"channel": room, "owner": "pr-eye", "members": members}
    await asyncio.to_thread(cluster.rest, "POST", "/v1/channels", body)
    [eye] = people(cluster, "pr-eye", edge=1)
    user = Rest(cluster.urls[0], cluster.token("pr-eye"))
    [hides], [leaves] = people(cluster, hidden), people(cluster, gone)
    async with eye, hides:
        async with leaves:
            answer = await eye.rpc("presence.watch", users=[hidden, gone])
            for name, now in answer["users"].items():
                if now["state"] == "offline":  # his edge had not said it yet
                    await becomes(eye, name, "online")
            await hides.rpc("presence.set", state="invisible")
            await eye.subscribe(room)
            await hides.subscribe(room)
            await listed(eye, room, {"pr-eye"})
        for name in (hidden, gone):
            await becomes(eye, name, "offline", GONE_S)
        await listed(eye, room, {"pr-eye"})
        await listed(hides, room, {"pr-eye"})
        seen: dict[str, list[str]] = {}
        for name in (hidden, gone):
            pushes = [users[name] for users in pushed(eye) if name in users]
            answers = [
                await eye.rpc("presence.get", users=[name]),
                await eye.rpc("presence.watch", users=[name]),
                await asyncio.to_thread(user.need, "GET", f"/v1/presence?users={name}"),
                await asyncio.to_thread(user.need, "GET", f"/v1/users/{name}/presence"),
                await asyncio.to_thread(cluster.rest, "GET", f"/v1/users/{name}/presence"),
            ]
            seen[name] = [same(one, name) for one in [pushes[-1], *answers]]
        assert seen[hidden] == seen[gone]
        assert '"last_seen": "<time>"' in seen[hidden][0]
        assert await eye.rpc("presence.counts", channel=room) == {"online": 1, "users": ["pr-eye"]}
        await no_traces(eye, hides, room)
        own = await hides.rpc("presence.get", users=[hidden])
        assert own["users"][hidden]["choice"] == "invisible"
        await eye.rpc("presence.watch", users=[hidden])
        await hides.rpc("presence.set", state="online")
        await becomes(eye, hidden, "online")


async def test_who_shows_himself_to_nobody_sees_nobody(cluster: Cluster) -> None:
    names = ["pr-open", "pr-shy", "pr-friend"]
    body = {"channel": "group:pr-pair", "owner": "pr-shy", "members": ["pr-shy", "pr-friend"]}
    await asyncio.to_thread(cluster.rest, "POST", "/v1/channels", body)
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(client) for client in people(cluster, *names)]
        opens, shy, friend = clients
        offline, online = {"state": "offline"}, {"state": "online"}

        async def seen(client: Client, user: str) -> Any:
            return (await client.rpc("presence.get", users=[user]))["users"][user]

        async def all_see(*wanted: Any) -> None:
            pairs = [(opens, "pr-shy"), (shy, "pr-open"), (friend, "pr-shy"), (shy, "pr-friend")]
            found: list[Any] = []
            for _ in range(100):
                found = [await seen(*pair) for pair in pairs]
                if found == list(wanted):
                    return
                await asyncio.sleep(0.05)
            raise AssertionError(found)

        await all_see(online, online, online, online)
        for client, other in ((opens, "pr-shy"), (friend, "pr-shy"), (shy, "pr-open")):
            await client.rpc("presence.watch", users=[other])
        await shy.rpc("privacy.set", presence="nobody")
        await all_see(offline, offline, offline, offline)
        for client, other in ((opens, "pr-shy"), (friend, "pr-shy"), (shy, "pr-open")):
            await becomes(client, other, "offline")
        await shy.rpc("privacy.set", presence="contacts")
        await all_see(offline, offline, online, online)
        await becomes(friend, "pr-shy", "online")
        path = "/v1/channels/group:pr-pair/members/pr-friend"
        await asyncio.to_thread(cluster.rest, "DELETE", path)
        await all_see(offline, offline, offline, offline)
        await becomes(friend, "pr-shy", "offline")
        assert last(opens, "pr-shy") == last(shy, "pr-open") == "offline"


async def test_what_a_screen_costs_is_bounded(cluster: Cluster) -> None:
    [ann], [bob] = people(cluster, "pr-bound"), people(cluster, "pr-bounded", edge=1)
    async with ann:
        with pytest.raises(ReplyError, match="too_many"):
            await ann.rpc("presence.watch", users=[f"pr-u{n}" for n in range(201)])
        crowd = [f"pr-u{n}" for n in range(199)]
        answer = await ann.rpc("presence.watch", users=[*crowd, "pr-bounded"])
        assert len(answer["users"]) == 200
        async with bob:
            await becomes(ann, "pr-bounded", "online")
            began, first = time.monotonic(), len(pushed(ann))
            for n in range(20):
                await bob.rpc("presence.set", state=("busy", "away")[n % 2])
            await bob.rpc("presence.set", state="online")
            await ann.rpc("presence.watch", users=crowd)
            before = len(pushed(ann))
            assert before - first <= 1 + time.monotonic() - began, "one a second"
            await bob.rpc("presence.set", state="busy")
            await ann.rpc("presence.watch", users=[*crowd[:-1], "pr-bounded"])
            await bob.rpc("presence.set", state="away")
            await becomes(ann, "pr-bounded", "away")
            assert len(pushed(ann)) == before + 1, "nothing while he was not on the screen"


async def test_a_large_room_has_a_number(cluster: Cluster) -> None:
    hall = "open:pr-hall"
    body = {"channel": hall, "owner": "pr-host"}
    await asyncio.to_thread(cluster.rest, "POST", "/v1/channels", body)

    def counted(client: Client) -> list[int]:
        pubs = [pub for pub in client.publications(hall) if pub["data"]["t"] == "presence.counted"]
        assert not any(pub.get("offset") for pub in pubs)
        return [pub["data"]["watchers"] for pub in pubs]

    async with AsyncExitStack() as stack:
        guests = [
            await stack.enter_async_context(client)
            for edge in (0, 1)
            for client in people(cluster, "pr-g1", "pr-g2", "pr-g3", edge=edge)
        ]
        for guest in guests:
            await guest.subscribe(hall)
        await guests[0].wait_until(lambda: counted(guests[0])[-1:] == [6], "six", TOLD_S)
        path = f"/v1/channels/{hall}/presence"
        assert await asyncio.to_thread(cluster.rest, "GET", path) == {"watchers": 6}
        await guests[5].command(unsubscribe={"channel": hall})
        await guests[0].wait_until(lambda: counted(guests[0])[-1] == 5, "five", TOLD_S)
        assert await guests[1].rpc("presence.counts", channel=hall) == {"watchers": 5}
        assert (await guests[5].subscribe(hall))["data"]["watchers"] == 5, "before this one"


async def test_the_official_client_hears_of_it(cluster: Cluster) -> None:
    library = centrifuge()
    heard: asyncio.Queue[Any] = asyncio.Queue()

    class Events(library.ClientEventHandler):  # type: ignore[misc, name-defined]
        async def on_publication(self, ctx: Any) -> None:
            if ctx.pub.data.get("t") == "presence":
                heard.put_nowait(ctx.pub.data["users"])

    url = cluster.urls[0].replace("http", "ws", 1) + "/connection/websocket"
    client = library.Client(url, token=cluster.token("pr-official"), events=Events())
    await client.connect()
    try:
        answer = await client.rpc("presence.watch", {"users": ["pr-other"]})
        assert answer.data == {"users": {"pr-other": {"state": "offline"}}}
        [other] = people(cluster, "pr-other", edge=1)
        async with other, asyncio.timeout(TOLD_S):
            assert await heard.get() == {"pr-other": {"state": "online"}}
    finally:
        await leave(client)
