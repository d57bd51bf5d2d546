"""`POST /v1/guests`: by key, by anybody, and the tokens that come of it."""

from __future__ import annotations

import json
from typing import Any

import jwt
import msgspec
import pytest

from edge.dispatch import App
from hubbub.base.errors import RATE_LIMITED, Rejected
from hubbub.settings.app import AppSettings, Rate
from hubbub.wire.codec import encode_pack
from hubbub.wire.shapes import Kind, Outcome
from tests.edge.stage import SECRET, Ask
from tests.edge.web.rest import BY_KEY, Rest, serve

DAY_S = 86_400


def answered(rest: Rest, seconds: int = DAY_S) -> None:
    """The cluster makes guests for so long."""
    until_ms = rest.stage.clock.wall_ms() + seconds * 1_000
    reply = json.dumps({"guest_until_ms": until_ms}).encode()

    def answer(ask: Ask) -> None:
        assert ask.kind is Kind.SUBMIT
        ask.ok(encode_pack(Outcome(9, 1_760_000_000_000, "mid", reply=reply)))

    rest.answer = answer


def opened(rest: Rest, **changes: Any) -> None:
    app = rest.stage.apps["demo"]
    settings = msgspec.structs.replace(app.settings, guests="open", **changes)
    rest.stage.apps["demo"] = App(app.name, settings, app.id_secret)


def claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, SECRET, algorithms=["HS256"], options={"verify_iat": False})


async def test_a_key_makes_a_guest_and_further_tokens_for_him() -> None:
    async with serve() as rest:
        answered(rest)
        body = {"user": "g1", "name": "Gil", "data": {"a": 1}, "info": {"b": 2}, "x": 3}
        response, made = await rest.call("POST", "/v1/guests", json=body)
        assert response.status == 201, made
        assert (made["user"], made["ignored_fields"]) == ("g1", ["x"])
        assert made["token_ttl_s"] == DAY_S
        said = claims(made["token"])
        assert (said["sub"], said["guest"], said["info"]) == ("g1", True, {"b": 2})
        sent = json.loads(rest.submit.body)
        assert (sent["ttl_s"], sent["name"], sent["data"]) == (DAY_S, "Gil", {"a": 1})
        assert (rest.submit.tag, rest.submit.viewer.authority) == ("guest.create", "system")
        identity = rest.stage.auth.connection(made["token"])
        assert identity.guest

        answered(rest, 100)
        _, token = await rest.call("POST", "/v1/tokens", json={"user": "g1"})
        later = claims(token["token"])
        assert later["guest"]
        assert 98 <= later["exp"] - later["iat"] <= 100, "a token ends when the guest does"
        assert 98 <= token["ttl_s"] <= 100, "and says so"
        answered(rest, 0)
        response, refused = await rest.call("POST", "/v1/tokens", json={"user": "g1"})
        assert (response.status, refused["code"]) == (403, "guest_expired")


async def test_a_guest_asks_as_a_guest() -> None:
    async with serve() as rest:
        answered(rest)
        _, made = await rest.call("POST", "/v1/guests", json={})
        headers = {"Authorization": f"Bearer {made['token']}"}
        path = "/v1/channels/open:x/messages"
        await rest.call("POST", path, json={"text": "hi"}, headers=headers)
        assert (rest.submit.viewer.user, rest.submit.viewer.guest) == (made["user"], True)
        headers = {"Authorization": f"Bearer {rest.stage.token()}"}
        await rest.call("POST", path, json={"text": "hi"}, headers=headers)
        assert not rest.submit.viewer.guest
        response, body = await rest.call("POST", "/v1/guests", json={}, headers=headers)
        assert (response.status, body["code"]) == (403, "permission_denied")


async def test_the_same_key_is_the_same_guest() -> None:
    async with serve() as rest:
        answered(rest)
        users, cmids = [], []
        for key in ("one", "one", "two"):
            headers = {**BY_KEY, "Idempotency-Key": key}
            _, made = await rest.call("POST", "/v1/guests", json={}, headers=headers)
            users.append(made["user"])
            cmids.append(rest.submit.cmid)
        assert users[0] == users[1] != users[2]
        assert cmids[0] == cmids[1] != cmids[2]
        _, first = await rest.call("POST", "/v1/guests", json={})
        _, second = await rest.call("POST", "/v1/guests", json={})
        assert first["user"] != second["user"]


async def test_without_a_key_only_where_the_app_is_open() -> None:
    async with serve() as rest:
        answered(rest)
        for body in ({}, {"app": "demo"}, {"app": "nowhere"}):
            response, refused = await rest.call("POST", "/v1/guests", json=body, headers={})
            assert (response.status, refused["code"]) == (401, "unauthorized")
        opened(rest, guest_ttl_s=600)
        answered(rest, 600)
        response, made = await rest.call("POST", "/v1/guests", json={"name": "Gil"}, headers={})
        assert response.status == 201, made
        assert claims(made["token"])["guest"]
        for wrong in ({"user": "ann"}, {"info": {"role": "boss"}}):
            response, refused = await rest.call("POST", "/v1/guests", json=wrong, headers={})
            assert (response.status, refused["code"]) == (403, "permission_denied")
        for ttl_s in (601, -1):
            wrong_time = {"ttl_s": ttl_s}
            response, _ = await rest.call("POST", "/v1/guests", json=wrong_time, headers={})
            assert response.status == 400


async def test_a_time_must_be_one() -> None:
    async with serve() as rest:
        answered(rest)
        for wrong in ({"ttl_s": -1}, {"ttl_s": -1, "token_ttl_s": 5}, {"token_ttl_s": -5}):
            response, refused = await rest.call("POST", "/v1/guests", json=wrong)
            assert (response.status, refused["code"]) == (400, "bad_request"), wrong
            pointers = {row["pointer"] for row in refused["errors"]}
            assert pointers == {f"#/{next(name for name in wrong if wrong[name] < 0)}"}
        response, refused = await rest.call("POST", "/v1/guests", json={"user": "a b"})
        assert [row["pointer"] for row in refused["errors"]] == ["#/user"]
        for token_ttl_s, seconds in ((60, 60), (0, DAY_S), (2 * DAY_S, DAY_S)):
            body = {"token_ttl_s": token_ttl_s}
            _, made = await rest.call("POST", "/v1/guests", json=body)
            assert made["token_ttl_s"] == seconds


async def test_behind_a_proxy_each_address_is_counted_by_itself() -> None:
    async with serve() as rest:
        answered(rest)
        opened(rest, guests_per_address=Rate(0.01, 1))

        async def made_by(said: str) -> int:
            headers = {"X-Forwarded-For": said}
            return (await rest.call("POST", "/v1/guests", json={}, headers=headers))[0].status

        assert [await made_by("203.0.113.1"), await made_by("1.1.1.1, 203.0.113.1")] == [201, 429]
        assert [await made_by("2001:db8::1"), await made_by("2001:db8::2")] == [201, 429]
        assert [await made_by("junk"), await made_by("127.0.0.1")] == [201, 429], "as one"


async def test_an_address_is_counted_and_nobody_is_nobody() -> None:
    settings = AppSettings(guests="nobody")
    async with serve() as rest:
        limits, now_ms = rest.stage.dispatch.limits, rest.stage.clock.wall_ms()
        counted = msgspec.structs.replace(settings, guests_per_address=Rate(0.1, 1))
        limits.guest("demo", "10.0.0.1", counted, now_ms)
        with pytest.raises(Rejected) as refusal:
            limits.guest("demo", "10.0.0.1", counted, now_ms)
        assert refusal.value.error is RATE_LIMITED
        limits.guest("demo", "10.0.0.2", counted, now_ms)
        limits.guest("other", "10.0.0.1", counted, now_ms)
        assert limits.rejected["guest"] == 1
        app = rest.stage.apps["demo"]
        rest.stage.apps["demo"] = App(app.name, settings, app.id_secret)
        response, refused = await rest.call("POST", "/v1/guests", json={})
        assert (response.status, refused["code"]) == (404, "not_available")
