"""Users through real processes: deactivated and banned from the app, on every edge."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from hubbub.base.errors import CLOSE_BANNED, CLOSE_DEACTIVATED, USER_BANNED, USER_DEACTIVATED
from ops.api import Rest
from tests.support.client import Client, ReplyError, new_cmid
from tests.support.cluster import Cluster, wait_for

ROOM = "group:users-room"
TOLD = {
    "deactivate": ["user.deactivated", "user.reactivated"],
    "ban": ["user.banned", "user.unbanned"],
}


@pytest.mark.parametrize(
    ("act", "undo", "close", "refusal"),
    [
        ("deactivate", "reactivate", CLOSE_DEACTIVATED, USER_DEACTIVATED),
        ("ban", "unban", CLOSE_BANNED, USER_BANNED),
    ],
)
async def test_out_on_every_edge_and_in_again(
    cluster: Cluster, act: str, undo: str, close: Any, refusal: Any
) -> None:
    user, room = f"users-{act}", f"{ROOM}-{act}"
    cluster.rest("PUT", f"/v1/users/{user}", {"name": "Bob"})
    cluster.rest("POST", "/v1/channels", {"channel": room, "owner": "users-o", "members": [user]})
    token = cluster.token(user)
    rests = [Rest(url, token) for url in cluster.urls]
    send = ("POST", f"/v1/channels/{room}/messages")
    async with Client(cluster.urls[0], token) as one, Client(cluster.urls[1], token) as two:
        await one.rpc("message.send", channel=room, text="in", cmid=new_cmid())
        with pytest.raises(ReplyError):
            await one.rpc(f"user.{act}", user=user)
        began = time.monotonic()
        await asyncio.to_thread(cluster.rest, "POST", f"/v1/users/{user}/{act}", {"reason": "x"})
        for client in (one, two):
            assert (await client.wait_closed()).code == close.code
        assert time.monotonic() - began < 2
    for url, rest in zip(cluster.urls, rests, strict=True):
        with pytest.raises(ReplyError) as refused:
            async with Client(url, token):
                pass
        assert refused.value.code == refusal.code
        answer = rest.call(*send, {"text": "out"})
        assert (answer.status, answer.body["code"]) == (403, refusal.name)
        acted = Rest(url, cluster.server_key).call(*send, {"text": "out", "by": user})
        assert (acted.status, acted.body["code"]) == (403, refusal.name)
        new = Rest(url, cluster.server_key).call("POST", "/v1/tokens", {"user": user})
        assert (new.status, new.body["code"]) == (403, refusal.name)
    assert cluster.rest("GET", f"/v1/users/{user}/state")["reason"] == "x"
    assert cluster.rest("GET", f"/v1/users/{user}")["name"] == "Bob"
    members = cluster.rest("GET", f"/v1/channels/{room}/members")["members"]
    assert user in [member["user"] for member in members]
    cluster.rest("POST", f"/v1/users/{user}/{undo}", {})
    for rest in rests:
        wait_for(lambda r=rest: r.call(*send, {"text": "again"}).status == 201, 5.0, lambda: "out")
    async with Client(cluster.urls[1], token) as back:
        page = await back.rpc("history.get", channel=room)
        texts = [message.get("text") for message in page["messages"]]
        assert "in" in texts
        assert "out" not in texts
        wanted = TOLD[act]

        async def heard() -> list[str]:
            page = await back.command(history={"channel": f"#{user}", "limit": 100})
            types = [publication["data"]["t"] for publication in page["publications"]]
            return [name for name in types if name in wanted]

        ends = time.monotonic() + 5
        while await heard() != wanted:
            assert time.monotonic() < ends, await heard()
            await asyncio.sleep(0.05)


async def test_a_ban_ends_by_itself(cluster: Cluster) -> None:
    user = "users-timed"
    token = cluster.token(user)
    until = int(time.time() * 1_000) + 2_500
    cluster.rest("POST", f"/v1/users/{user}/ban", {"until": until})
    rests = [Rest(url, token) for url in cluster.urls]
    for rest in rests:
        wait_for(lambda r=rest: r.call("GET", f"/v1/users/{user}").status == 403, 2.0, lambda: "in")
    for rest in rests:
        wait_for(
            lambda r=rest: r.call("GET", f"/v1/users/{user}").status == 200, 6.0, lambda: "out"
        )
    assert time.time() * 1_000 >= until
    async with Client(cluster.urls[0], token):
        pass
    assert cluster.rest("GET", f"/v1/users/{user}/state") == {"user": user}
