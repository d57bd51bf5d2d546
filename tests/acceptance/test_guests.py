"""Guests on real processes: made by key, less rights on every edge, converted with their history.

There is no larger form.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hubbub.base.errors import PERMISSION_DENIED
from ops.api import Rest
from tests.support.client import Client, ReplyError, new_cmid
from tests.support.cluster import Cluster, wait_for

HALL = "open:guests-hall"


async def test_a_guest_talks_and_becomes_a_full_user(cluster: Cluster) -> None:
    cluster.rest("POST", "/v1/channels", {"channel": HALL, "owner": "guests-o"})
    made = cluster.rest("POST", "/v1/guests", {"name": "Gil", "ttl_s": 600})
    user, token = made["user"], made["token"]
    assert cluster.rest("GET", f"/v1/users/{user}")["guest_until"] == made["guest_until"]
    new = {"channel": f"group:{user}", "owner": user}
    async with Client(cluster.urls[0], token) as client:
        await client.rpc("message.send", channel=HALL, text="first", cmid=new_cmid())
        for verb, params in (
            ("channel.create", new),
            ("user.query", {"prefix": "guests"}),
            ("channel.open", {"with": "guests-o"}),
            ("guest.convert", {"user": user}),
        ):
            with pytest.raises(ReplyError) as refused:
                await client.rpc(verb, **params)
            assert refused.value.code == PERMISSION_DENIED.code, verb
    rest = Rest(cluster.urls[1], token)
    assert rest.call("POST", f"/v1/channels/{HALL}/messages", {"text": "second"}).status == 201
    assert rest.call("POST", "/v1/channels", new).status == 403
    found = {"guest": True, "prefix": user}
    await asyncio.to_thread(
        wait_for,
        lambda: len(cluster.rest("POST", "/v1/users/query", found)["users"]) == 1,
        10.0,
        lambda: "no line",
    )

    cluster.rest("POST", f"/v1/users/{user}/convert", {"name": "Gil Full"})
    profile: dict[str, Any] = cluster.rest("GET", f"/v1/users/{user}")
    assert profile["name"] == "Gil Full"
    assert "guest_until" not in profile
    assert rest.call("POST", "/v1/channels", new).status == 403, "the old token is a guest's"
    full = Rest(cluster.urls[1], cluster.token(user))
    assert full.call("POST", "/v1/channels", new).status == 201
    page = full.need("GET", f"/v1/channels/{HALL}/messages")
    said = [row["text"] for row in page["messages"] if row.get("by") == user]
    assert said == ["first", "second"]


def test_an_expired_guest_gets_no_token(cluster: Cluster) -> None:
    made = cluster.rest("POST", "/v1/guests", {"ttl_s": 1})
    server = Rest(cluster.url, cluster.server_key)
    ask = ("POST", "/v1/tokens", {"user": made["user"]})
    wait_for(lambda: server.call(*ask).status == 403, 10.0, lambda: "still a guest")
    assert server.call(*ask).body["code"] == "guest_expired"
    guest = Rest(cluster.url, made["token"])
    wait_for(lambda: guest.call("GET", "/v1/limits").status == 401, 10.0, lambda: "still in")
    cluster.rest("POST", f"/v1/users/{made['user']}/convert")
    assert server.call(*ask).status == 200


def test_when_his_time_is_over_he_is_a_member_of_nothing(cluster: Cluster) -> None:
    user = cluster.rest("POST", "/v1/guests", {"ttl_s": 3})["user"]
    group, owned = "group:guests-a", "group:guests-b"
    for channel, owner in ((group, "guests-o"), (owned, user)):
        people = [one for one in (user, "guests-o") if one != owner]
        new = {"channel": channel, "owner": owner, "members": people}
        cluster.rest("POST", "/v1/channels", new)
    said = {"text": "still here", "user": user}
    cluster.rest("POST", f"/v1/channels/{group}/messages", said)

    def members(channel: str) -> dict[str, str]:
        rows = cluster.rest("GET", f"/v1/channels/{channel}/members")["members"]
        return {row["user"]: row["role"] for row in rows}

    for channel in (group, owned):
        wait_for(
            lambda channel=channel: members(channel) == {"guests-o": "owner"},  # type: ignore[misc]
            20.0,
            lambda channel=channel: f"{channel}: {members(channel)}",  # type: ignore[misc]
        )
        assert cluster.rest("GET", f"/v1/channels/{channel}")["members"] == 1
    page = cluster.rest("GET", f"/v1/channels/{group}/messages")["messages"]
    assert [row["text"] for row in page if row.get("by") == user] == ["still here"]


def test_no_guest_is_made_of_somebody_who_has_channels(cluster: Cluster) -> None:
    new = {"channel": "group:guests-c", "owner": "guests-o", "members": ["guests-known"]}
    cluster.rest("POST", "/v1/channels", new)
    server = Rest(cluster.url, cluster.server_key)
    listed = ("GET", "/v1/users/guests-known/channels")
    wait_for(lambda: bool(server.call(*listed).body.get("channels")), 10.0, lambda: "no list")
    answer = server.call("POST", "/v1/guests", {"user": "guests-known", "ttl_s": 60})
    assert (answer.status, answer.body["code"]) == (409, "conflict")
