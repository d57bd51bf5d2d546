"""Sanctions and freezing as people meet them, with the official Python SDK on one side.

Small: one channel of a few people. There is no larger form.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ops.api import Rest
from tests.support.client import Client, ReplyError
from tests.support.cluster import Cluster, wait_for
from tests.support.official import centrifuge, leave


def ended(sdk: Any) -> tuple[Any, asyncio.Future[int]]:
    """(handlers for a subscription, the code with which it ends)."""
    code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    class Ended(sdk.SubscriptionEventHandler):  # type: ignore[misc]
        async def on_unsubscribed(self, ctx: Any) -> None:
            if not code.done():
                code.set_result(ctx.code)

    return Ended(), code


def test_a_ban_ends_subscriptions_on_every_edge_and_is_over_in_time(cluster: Cluster) -> None:
    """Open channel: nobody there has a row; bob listens through both edges."""
    room = "open:sanction-hall"
    cluster.rest("POST", "/v1/channels", {"channel": room, "owner": "sanction-mod"})
    mod = Rest(cluster.url, cluster.token("sanction-mod"))
    bob = cluster.token("sanction-bob")

    sdk = centrifuge()

    async def banned() -> None:
        clients = []
        try:
            ends = []
            for url in cluster.urls:
                socket = url.replace("http", "ws", 1) + "/connection/websocket"
                clients.append(sdk.Client(socket, token=bob))
                await clients[-1].connect()
                handlers, code = ended(sdk)
                subscription = clients[-1].new_subscription(room, events=handlers)
                await subscription.subscribe()
                await subscription.ready()
                ends.append((code, subscription))
            body = {"for_s": 5, "reason": "shouting"}
            path = f"/v1/channels/{room}/bans/sanction-bob"
            await asyncio.to_thread(mod.need, "PUT", path, body)
            async with asyncio.timeout(5.0):
                for code, subscription in ends:
                    assert await code == 2100
                    assert subscription.state is sdk.SubscriptionState.UNSUBSCRIBED
            async with Client(cluster.urls[0], bob) as again:
                with pytest.raises(ReplyError) as caught:
                    await again.subscribe(room)
                assert caught.value.code == 423
        finally:
            for client in clients:
                await leave(client)

    asyncio.run(banned())
    own = Rest(cluster.url, bob)
    answer = own.call("POST", f"/v1/channels/{room}/messages", {"text": "let me in"})
    assert (answer.status, answer.body["code"]) == (403, "banned")
    assert answer.body["reason"] == "shouting"
    page = mod.need("GET", f"/v1/channels/{room}/bans")
    assert [row["user"] for row in page["sanctions"]] == ["sanction-bob"]
    wait_for(
        lambda: own.call("POST", f"/v1/channels/{room}/messages", {"text": "again"}).status == 201,
        10.0,
        lambda: "the ban does not end",
    )
    assert mod.need("GET", f"/v1/channels/{room}/bans")["sanctions"] == []


def test_mute_freeze_and_slow_mode(cluster: Cluster) -> None:
    """Said on one edge, felt on the other; the events reach whoever listens."""
    room = "group:sanction-room"
    people = [f"sanction-{name}" for name in ("ann", "ben", "cat")]
    cluster.rest("POST", "/v1/channels", {"channel": room, "owner": people[0], "members": people})
    tokens = [cluster.token(user) for user in people]

    async def refused(client: Client, **more: Any) -> ReplyError:
        with pytest.raises(ReplyError) as caught:
            await client.send(room, "hm", **more)
        return caught.value

    async def play() -> list[str]:
        async with (
            Client(cluster.urls[0], tokens[0]) as ann,
            Client(cluster.urls[1], tokens[1]) as ben,
            Client(cluster.urls[1], tokens[2]) as cat,
        ):
            await cat.subscribe(room)
            await ann.rpc("member.mute", channel=room, user=people[1])
            assert (await refused(ben)).code == 424
            await ann.rpc("member.unmute", channel=room, user=people[1])
            await ben.send(room, "thanks")
            await ann.rpc("channel.freeze", channel=room)
            assert (await refused(ben)).code == 425
            await ann.send(room, "only me now")
            await ann.rpc("channel.unfreeze", channel=room)
            await ann.rpc("channel.set_slow_mode", channel=room, seconds=3600)
            for _ in range(2):
                await ann.send(room, "staff is exempt")
            await ben.send(room, "one")
            waiting = await refused(ben)
            assert waiting.code == 429
            assert not waiting.temporary, "a client must not wait and hang"
            assert '"bucket":"slow_mode"' in waiting.message
            assert '"retry_after_ms":3' in waiting.message
            await cat.send(room, "my own wait")
            pubs = await cat.wait_publications(room, 11)
            return [pub["data"]["t"] for pub in pubs]

    told = asyncio.run(play())
    assert told == [
        "member.muted",
        "member.unmuted",
        "message.created",
        "channel.frozen",
        "message.created",
        "channel.unfrozen",
        "channel.slow_mode_changed",
        *["message.created"] * 4,
    ]
    answer = Rest(cluster.url, tokens[1]).call(
        "POST", f"/v1/channels/{room}/messages", {"text": "over REST"}
    )
    assert answer.status == 429
    assert 0 < answer.body["retry_after_ms"] <= 3_600_000
