"""Channels on real processes: one id a pair, one order for all, promotion in place, lists.

Whole form: HUBBUB_MEMBERS=10000 HUBBUB_MESSAGES=2000 HUBBUB_READERS=200 HUBBUB_PROVERS=10000
HUBBUB_TEST_EDGES=3 pytest --timeout 1200 this file.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import pytest

from tests.support import patience
from tests.support.client import Client, ReplyError, new_cmid
from tests.support.cluster import Cluster
from tests.support.device import BLOCK_SEQS, VERIFIED_MAX, Channel
from tests.support.official import centrifuge, leave

MEMBERS = int(os.environ.get("HUBBUB_MEMBERS", "300"))
MESSAGES = int(os.environ.get("HUBBUB_MESSAGES", "200"))
SENDERS = 50
READERS = int(os.environ.get("HUBBUB_READERS", "20"))
PROVERS = int(os.environ.get("HUBBUB_PROVERS", "20"))  # of the others
AT_ONCE = 16  # members who prove what they would read, side by side


async def history(client: Client, channel: str, *, page: int = 200) -> list[dict[str, Any]]:
    """Every message that a user may read, page by page."""
    found: list[dict[str, Any]] = []
    after = 0
    while True:
        wish = {"channel": channel, "after_seq": after, "limit": page}
        got = (await patience.rpc(partial(client.rpc, "history.get", **wish)))["messages"]
        if not got:
            return found
        found += got
        after = got[-1]["seq"]


async def eventually(look: Any, seconds: float = 10.0) -> Any:
    """What `look()` gives, once it is true: projections are at most a second behind."""
    async with asyncio.timeout(seconds):
        while not (found := await look()):  # noqa: ASYNC110 - a cluster tells nobody
            await asyncio.sleep(0.05)
    return found


async def test_a_pair_that_opens_at_once_from_both_sides_has_one_channel(cluster: Cluster) -> None:
    async with (
        Client(cluster.urls[0], cluster.token("pair-a")) as a,
        Client(cluster.urls[1], cluster.token("pair-b")) as b,
        asyncio.TaskGroup() as tasks,
    ):
        asked = [
            tasks.create_task(client.rpc("channel.open", **{"with": other}))
            for client, other in ((a, "pair-b"), (b, "pair-a"))
            for _ in range(5)
        ]
    answers = [task.result() for task in asked]
    assert len({answer["channel"] for answer in answers}) == 1
    assert sum(answer["created"] for answer in answers) == 1


async def test_members_of_a_growing_group_read_the_same_order(cluster: Cluster) -> None:
    group = "group:growing"
    senders = [f"grow-s{n}" for n in range(SENDERS)]
    cluster.rest("POST", "/v1/channels", {"channel": group, "members": senders[:2]})
    cluster.rest("POST", f"/v1/channels/{group}/members", {"users": senders[2:]})
    joined = asyncio.Event()

    async def grow() -> None:
        members = [f"grow-m{n}" for n in range(MEMBERS - SENDERS)]
        for start in range(0, len(members), 25):
            users = members[start : start + 25]
            await patience.rest(cluster, "POST", f"/v1/channels/{group}/members", {"users": users})
        joined.set()

    sent: dict[int, str] = {}

    async def send(client: Client, n: int) -> None:
        for m in range(max(1, MESSAGES // SENDERS)):
            text = f"{n}:{m}"
            cmid = new_cmid()

            def send_it(text: str = text, cmid: str = cmid) -> Awaitable[Any]:
                return client.send(group, text, cmid=cmid)

            answer, again = await patience.rpc(send_it), await patience.rpc(send_it)
            assert (again["seq"], again["dup"]) == (answer["seq"], True)
            sent[answer["seq"]] = text

    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                Client(url_of(cluster, n), await asyncio.to_thread(cluster.token, user))
            )
            for n, user in enumerate(senders)
        ]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(grow())
            for n, client in enumerate(clients):
                tasks.create_task(send(client, n))
        assert joined.is_set()
        expected = sorted(sent.items())
        members = [f"grow-m{n}" for n in range(MEMBERS - SENDERS)]
        readers = members[:: max(1, len(members) // READERS)][:READERS]
        for n, user in enumerate(readers):
            async with Client(url_of(cluster, n), cluster.token(user)) as reader:
                read = await history(reader, group)
                assert [(m["seq"], m["text"]) for m in read] == expected
                info = await reader.rpc("channel.get", channel=group)
        others = sorted({*members} - {*readers})
        await prove_the_same(cluster, group, read, others[:PROVERS])
    assert info["members"] == MEMBERS
    assert info["guarantees"]["tier"] == "medium"
    changes = [e for e in await _events(cluster, group) if e["t"] == "channel.tier_changed"]
    assert [(e["guarantees"]["tier"], e["members"] > 100) for e in changes] == [("medium", True)]
    numbers = [e["seq"] for e in await _events(cluster, group)]
    assert numbers == list(range(1, info["head"] + 1))


def url_of(cluster: Cluster, number: int) -> str:
    return cluster.urls[number % len(cluster.urls)]


async def prove_the_same(
    cluster: Cluster, group: str, read: list[dict[str, Any]], users: list[str]
) -> None:
    """For each of these members every block of the channel has the hash of what was read."""
    cache = Channel("")
    for message in read:
        cache.message(message)
    numbers = range(read[-1]["seq"] // BLOCK_SEQS + 1)
    asked = [
        {str(n): cache.block(n) for n in numbers[start : start + VERIFIED_MAX]}
        for start in range(0, len(numbers), VERIFIED_MAX)
    ]
    path, gate = f"/v1/channels/{group}/verify", asyncio.Semaphore(AT_ONCE)

    async def verify(number: int, user: str) -> None:
        async with gate:
            for blocks in asked:
                body = {"by": user, "blocks": blocks}
                edge = number % len(cluster.urls)
                answer = await patience.rest(cluster, "POST", path, body, edge=edge)
                assert answer["differing"] == {}, (user, answer)

    async with asyncio.TaskGroup() as tasks:
        for number, user in enumerate(users):
            tasks.create_task(verify(number, user))


async def test_promotion_under_load_keeps_id_seq_and_subscribers(cluster: Cluster) -> None:
    sdk = centrifuge()
    seen: list[tuple[int, str]] = []
    lost: list[str] = []
    done = asyncio.Event()

    class Watch(sdk.SubscriptionEventHandler):  # type: ignore[name-defined, misc]
        async def on_publication(self, ctx: Any) -> None:
            seen.append((ctx.pub.offset, ctx.pub.data["t"]))
            if ctx.pub.data.get("text") == "the end":
                done.set()

        async def on_subscribing(self, ctx: Any) -> None:
            if len(seen) > 0:
                lost.append(str(ctx.reason))

        async def on_unsubscribed(self, ctx: Any) -> None:
            lost.append(str(ctx.reason))

    token = await asyncio.to_thread(cluster.token, "prom-b")
    address = cluster.urls[1].replace("http", "ws", 1) + "/connection/websocket"
    async with (
        Client(cluster.urls[0], cluster.token("prom-a")) as a,
        Client(cluster.urls[1], cluster.token("prom-b")) as b,
        Client(cluster.urls[0], cluster.token("prom-new")) as newcomer,
    ):
        channel = (await a.rpc("channel.open", **{"with": "prom-b"}))["channel"]
        official = sdk.Client(address, token=token)
        await official.connect()
        subscription = official.new_subscription(channel, events=Watch())
        await subscription.subscribe()
        await eventually(lambda: _is(str(subscription.state.value) == "subscribed"))
        stop = asyncio.Event()
        sent: dict[int, str] = {}

        async def talk(client: Client, name: str) -> None:
            n = 0
            while not stop.is_set() or n < 20:
                answer = await client.send(channel, f"{name} {n}")
                sent[answer["seq"]] = f"{name} {n}"
                n += 1

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(talk(a, "a"))
            tasks.create_task(talk(b, "b"))
            await eventually(lambda: _is(len(sent) > 5))
            group = await a.rpc("channel.promote", channel=channel, kind="group")
            await a.rpc("member.invite", channel=channel, user="prom-new")
            joined = (await newcomer.rpc("member.join", channel=channel))["seq"]
            before_open = len(sent)
            await eventually(lambda: _is(len(sent) > before_open + 5))
            opened = await a.rpc("channel.promote", channel=channel, kind="open")
            stop.set()
        last = await a.send(channel, "the end")
        async with asyncio.timeout(10):
            await done.wait()
        assert lost == []
        await leave(official)

        assert [offset for offset, _ in seen] == list(range(seen[0][0], last["seq"] + 1))
        kinds = [kind for _, kind in seen]
        assert kinds.count("channel.promoted") == 2
        whole = {m["seq"]: m["text"] for m in await history(b, channel)}
        assert whole == sent | {last["seq"]: "the end"}
        late = {m["seq"] for m in await history(newcomer, channel)}
        assert late == {seq for seq in whole if seq > joined}
        with pytest.raises(ReplyError) as caught:
            await a.rpc("channel.promote", channel=channel, kind="group")
        assert caught.value.code in (103, 409)
        async with Client(cluster.urls[0], cluster.token("prom-guest")) as guest:
            read = [m["seq"] for m in await history(guest, channel)]
            assert read == sorted(seq for seq in whole if seq > opened["seq"])
            got = await guest.subscribe(channel, recover=True, offset=1, epoch="")
            assert got.get("recovered", False) is False
        assert group["seq"] < joined < opened["seq"]
        fresh = await b.rpc("channel.open", **{"with": "prom-a"})
        assert fresh["channel"] != channel
        assert (await a.rpc("channel.open", **{"with": "prom-b"}))["channel"] == fresh["channel"]
        info = await b.rpc("channel.get", channel=channel)
        assert (info["kind"], info["guarantees"]["presence"]) == ("open", "count")

        async def listed() -> bool:
            rows = (await b.rpc("user.channels"))["channels"]
            return {r["channel"]: r["kind"] for r in rows}.get(channel) == "open"

        await eventually(listed)


async def test_own_list_directory_and_requests(cluster: Cluster) -> None:
    names = {f"group:list-{n}": f"Listed {n}" for n in range(5)}
    async with (
        Client(cluster.urls[0], cluster.token("list-ann")) as ann,
        Client(cluster.urls[1], cluster.token("list-ann")) as tablet,
        Client(cluster.urls[1], cluster.token("list-bob")) as bob,
    ):
        for channel, name in names.items():
            body = {"channel": channel, "name": name, "public": True, "approval": True}
            body |= {"owner": "list-ann", "data": {"n": int(name[-1]), "topic": "x"}}
            await asyncio.to_thread(cluster.rest, "POST", "/v1/channels", body)
        for n in (3, 1, 4, 0, 2):
            await ann.send(f"group:list-{n}", f"message {n}")

        async def all_there() -> bool:
            return len((await ann.rpc("user.channels"))["channels"]) == 5

        await eventually(all_there)

        async def query(**words: Any) -> list[int]:
            page = await ann.rpc("channel.query", **words)
            return [int(row["channel"][-1]) for row in page["channels"]]

        assert await query() == [2, 0, 4, 1, 3]
        assert await query(sort="name", prefix="listed") == [0, 1, 2, 3, 4]
        assert await query(data={"n": 4, "topic": "x"}) == [4]
        assert await query(unread=True) == []
        first = await ann.rpc("channel.query", limit=2)
        assert [row["head"]["preview"]["text"] for row in first["channels"]] == [
            "message 2",
            "message 0",
        ]
        assert first["channels"][0]["info"]["name"] == "Listed 2"
        assert await query(limit=2, cursor=first["next"]) == [4, 1]

        await ann.rpc("channel.set_mine", channel="group:list-2", hidden="until_message")
        await ann.rpc("channel.set_mine", channel="group:list-0", favourite=True, muted=True)
        await tablet.wait_until(
            lambda: (
                {p["data"]["t"] for p in tablet.publications("#list-ann")}
                >= {"channel.hidden", "channel.muted", "channel.sorted"}
            ),
            "the other device's settings",
        )
        assert await query() == [0, 4, 1, 3]
        assert await query(favourite=True) == await query(muted=True) == [0]
        await ann.send("group:list-2", "again")
        assert await query() == [2, 0, 4, 1, 3]

        async def in_directory() -> bool:
            page = await bob.rpc("directory.list", prefix="Listed")
            return [row["name"] for row in page["channels"]] == sorted(names.values())

        await eventually(in_directory)
        with pytest.raises(ReplyError):
            await bob.rpc("member.join", channel="group:list-1")
        await bob.rpc("member.request_join", channel="group:list-1", text="let me in")
        waiting = await ann.rpc("join_requests.list", channel="group:list-1")
        assert [(r["user"], r["text"]) for r in waiting["requests"]] == [("list-bob", "let me in")]
        await ann.rpc("member.accept_request", channel="group:list-1", user="list-bob")
        assert [m["text"] for m in await history(bob, "group:list-1")] == ["message 1"]
        await ann.rpc("channel.archive", channel="group:list-1")
        with pytest.raises(ReplyError, match="channel_archived"):
            await bob.send("group:list-1", "too late")

        async def unlisted() -> bool:
            page = await bob.rpc("directory.list", prefix="Listed")
            return "group:list-1" not in {row["channel"] for row in page["channels"]}

        await eventually(unlisted)
        shared = cluster.rest(
            "POST", "/v1/channels/query", {"user": "list-ann", "member": "list-bob"}
        )
        assert [row["channel"] for row in shared["channels"]] == ["group:list-1"]


async def _events(cluster: Cluster, channel: str) -> list[dict[str, Any]]:
    """Every event of a stream, read as its owner's client would recover it."""
    found: list[dict[str, Any]] = []
    async with Client(cluster.url, cluster.token("grow-s0")) as client:
        start = await client.subscribe(channel)
        since = {"offset": 0, "epoch": start["epoch"]}
        while True:
            page = await client.command(history={"channel": channel, "limit": 300, "since": since})
            publications: Sequence[dict[str, Any]] = page.get("publications", [])
            if not publications:
                return found
            found += [p["data"] for p in publications]
            since["offset"] = publications[-1]["offset"]


async def _is(condition: bool) -> bool:
    return condition
