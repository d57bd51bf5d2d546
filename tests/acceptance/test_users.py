"""Users through real processes: deactivated and banned from the app, on every edge."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from hubbub.base.errors import CLOSE_BANNED, CLOSE_DEACTIVATED, USER_BANNED, USER_DEACTIVATED
from ops.api import Rest
from tests.support.client import Client, ReplyError, new_cmid
from tests.support.cluster import AT_ONCE_S, Cluster, wait_for

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
    owned = {"channel": f"{room}-owned", "owner": user, "members": [f"{user}-heir"]}
    cluster.rest("POST", "/v1/channels", owned)
    token, heir = cluster.token(user), Rest(cluster.url, cluster.token(f"{user}-heir"))
    rests = [Rest(url, token) for url in cluster.urls]
    send = ("POST", f"/v1/channels/{room}/messages")
    eye = Client(cluster.urls[1], cluster.token("users-o"))
    async with eye, Client(cluster.urls[0], token) as one, Client(cluster.urls[1], token) as two:
        seen = await eye.rpc("presence.watch", users=[user])
        assert seen["users"][user] == {"state": "online"}
        await one.rpc("message.send", channel=room, text="in", cmid=new_cmid())
        await eye.subscribe(room)
        assert (await one.rpc("typing.start", channel=room))["shown"]
        with pytest.raises(ReplyError):
            await one.rpc(f"user.{act}", user=user)
        began = time.monotonic()
        await asyncio.to_thread(cluster.rest, "POST", f"/v1/users/{user}/{act}", {"reason": "x"})
        for client in (one, two):
            assert (await client.wait_closed()).code == close.code
        await eye.wait_until(lambda: last(eye, user) == "offline", "he is still shown")
        assert time.monotonic() - began < AT_ONCE_S
        await eye.wait_until(lambda: "typing.stopped" in heard_in(eye, room), "he types no more")
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
    roles(cluster, owned["channel"], {user: "owner", f"{user}-heir": "owner"})
    leave = ("POST", f"/v1/channels/{owned['channel']}/leave")
    assert heir.call(*leave, {}).body["code"] == "last_owner"
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
    wait_for(lambda: heir.call(*leave, {}).status == 200, 5.0, lambda: "nobody owns it")


def heard_in(client: Client, channel: str) -> list[str]:
    """The types of what a client was told in a channel."""
    return [pub["data"]["t"] for pub in client.publications(channel)]


def last(client: Client, user: str) -> str:
    """How the client was told last that this one is; empty: never."""
    told = [push["pub"]["data"] for push in client.pushes if "pub" in push]
    states = [data["users"][user]["state"] for data in told if data.get("t") == "presence"]
    return states[-1] if states else ""


def roles(cluster: Cluster, channel: str, wanted: dict[str, str]) -> None:
    """Wait until the members' roles are these."""

    def found() -> dict[str, str]:
        members = cluster.rest("GET", f"/v1/channels/{channel}/members")["members"]
        return {member["user"]: member["role"] for member in members}

    wait_for(lambda: found() == wanted, 5.0, lambda: str(found()))


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
