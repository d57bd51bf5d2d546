"""REST over a real server on loopback: who asks, what is merged, how refusals look."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import jwt
import pytest

from edge.web import guard
from edge.web.idempotency import idempotency_cmid
from hubbub.base.errors import CHANNEL_NOT_FOUND, OVERLOADED, RATE_LIMITED, all_errors
from hubbub.features.registry import REGISTRY
from hubbub.settings.app import OFF, Rate
from hubbub.wire.codec import decode_pack, dump_json, encode_pack
from hubbub.wire.shapes import (
    CommandAnswer,
    Kind,
    Outcome,
    Queries,
    QueriesAnswer,
    Query,
    QueryAnswer,
    Refusal,
    Status,
    Submit,
    Submits,
    SubmitsAnswer,
)
from tests.edge.stage import SECRET, Ask
from tests.edge.web.rest import BODY_BYTES_MAX, BY_KEY, Rest, serve

CODES = {row.name for row in all_errors()}
SEND = "/v1/channels/group:x/messages"


def check_problem(response: Any, body: Any, status: int, code: str) -> None:
    """The one shape of every refusal."""
    assert response.status == status, body
    assert response.content_type == "application/problem+json"
    assert body["code"] == code
    assert code in CODES
    assert body["status"] == status
    assert body["type"] == f"/docs/errors#{code}"
    assert {"title", "detail", "retryable"} <= set(body)
    assert body["request_id"] == response.headers["X-Request-Id"]


async def test_a_server_key_sends_as_a_user() -> None:
    async with serve() as rest:
        message = {"by": "ann", "text": "hi", "data": {"n": [1.0, 1e2]}}
        response, body = await rest.call("POST", SEND, json=message)
        assert response.status == 201
        assert body.items() >= {"seq": 9, "id": "mid", "dup": False}.items()
        assert "ignored_fields" not in body
        assert rest.asked[-1].key == "group:x"
        assert (rest.submit.viewer.user, rest.submit.viewer.authority) == ("ann", "server")
        assert json.loads(rest.submit.body)["data"] == {"n": [1.0, 1e2]}


async def test_what_existed_already_is_answered_with_200() -> None:
    """A dm is opened as often as somebody asks: only the first time it is created."""
    async with serve() as rest:
        for created, status in ((True, 201), (False, 200)):
            told = dump_json({"channel": "dm:x", "created": created})
            rest.answer = lambda ask, told=told: ask.ok(
                encode_pack(Outcome(1, 1_760_000_000_000, "mid", reply=told))
            )
            pair = {"kind": "dm", "members": ["ann", "bob"]}
            response, body = await rest.call("POST", "/v1/channels", json=pair)
            assert (response.status, body["created"]) == (status, created)


async def test_custom_data_stays_as_written_but_for_line_breaks() -> None:
    async with serve() as rest:
        raw = b'{"by":"ann","text":"hi",\r\n "data": {"n":\n1.50, "big": 123456789012345678901}}'
        response, _ = await rest.call("POST", SEND, data=raw)
        assert response.status == 201
        assert b'{"n":1.50, "big": 123456789012345678901}' in rest.submit.body
        assert b"\n" not in rest.submit.body


async def test_a_user_asks_with_his_token() -> None:
    async with serve() as rest:
        token = rest.stage.token("ann", info={"name": "Ann"})
        headers = {"Authorization": f"Bearer {token}"}
        response, _ = await rest.call("POST", SEND, json={"text": "hi"}, headers=headers)
        assert response.status == 201
        viewer = rest.submit.viewer
        assert (viewer.user, viewer.authority) == ("ann", "client")
        assert json.loads(viewer.info)["conn_info"] == {"name": "Ann"}
        response, body = await rest.call(
            "POST", SEND, json={"by": "bob", "text": ""}, headers=headers
        )
        check_problem(response, body, 403, "permission_denied")


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer wrong", "Basic abc", "Bearer a.b.c", "Bearer", "Bearer Sch\u00fcssel"],
)
async def test_strangers(authorization: str) -> None:
    async with serve() as rest:
        headers = {"Authorization": authorization} if authorization else {}
        for method, path in (("POST", SEND), ("GET", SEND), ("POST", "/v1/tokens")):
            response, body = await rest.call(method, path, headers=headers)
            check_problem(response, body, 401, "unauthorized")
        assert rest.asked == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/users/ann/sync", {"channels": {"group:x": ["", 0]}}),
        ("GET", "/v1/channels/group:x/threads/unread?by=ann", None),
    ],
)
async def test_a_server_key_reads_for_a_user_without_whom_he_blocks(
    method: str, path: str, body: Any
) -> None:
    async with serve(blocked=None) as rest:
        said = {"by": "bob", "text": "rude"}

        def answer(ask: Ask) -> None:
            if ask.kind is Kind.QUERIES:
                row = QueryAnswer(Status.OK, dump_json({"found": [said]}))
                ask.ok(encode_pack(QueriesAnswer((row,))))
            else:
                ask.ok(dump_json({"blocks": [{"user": "bob", "since": ""}]}))

        rest.answer = answer
        response, found = await rest.call(method, path, json=body)
        assert response.status == 200, found
        asked, read = rest.asked
        query = decode_pack(asked.body, Query)
        assert (query.name, query.viewer.user, asked.key) == ("block.list", "ann", "#ann")
        viewer = decode_pack(read.body, Queries).viewer
        assert (viewer.user, viewer.authority, viewer.blocks) == ("ann", "client", ("bob",))
        assert "rude" not in json.dumps(found)
        response, found = await rest.call("POST", "/v1/users/a%20b/sync", json={"channels": {}})
        check_problem(response, found, 400, "bad_request")


async def test_an_expired_token_says_so() -> None:
    async with serve() as rest:
        token = rest.stage.token(exp=rest.stage.clock.wall_ms() // 1_000 - 10)
        response, body = await rest.call("GET", SEND, headers={"Authorization": f"Bearer {token}"})
        check_problem(response, body, 401, "token_expired")


async def test_query_parameters_become_the_shape() -> None:
    async with serve() as rest:
        response, body = await rest.call("GET", SEND, params={"after_seq": "5", "limit": "2"})
        assert response.status == 200
        assert body == {"found": True, "has_more": False}
        args = json.loads(rest.query.args)
        assert (args["channel"], args["after_seq"], args["limit"]) == ("group:x", 5, 2)


async def test_a_word_is_a_boolean_where_the_shape_has_one() -> None:
    async with serve() as rest:
        for word, value in (("true", True), ("false", False)):
            response, _ = await rest.call("GET", SEND, params={"replies": word})
            assert response.status == 200
            assert json.loads(rest.query.args).get("replies", False) is value
        odd = {"replies": "yes", "limit": "1e1", "after_seq": "9" * 20, "by": "a b"}
        response, body = await rest.call("GET", SEND, params=odd)
        check_problem(response, body, 400, "bad_request")
        said = {row["pointer"]: row["detail"] for row in body["errors"]}
        assert said["#/replies"] == "must be true or false"
        assert said["#/limit"] == said["#/after_seq"] == "must be a whole number"


@pytest.mark.parametrize("limit", ["\u00b2", "--5", "5.5", "x", "9" * 40, "", "\u0663"])
async def test_a_number_that_is_none_is_a_bad_request(limit: str) -> None:
    async with serve() as rest:
        response, body = await rest.call("GET", SEND, params={"limit": limit})
        check_problem(response, body, 400, "bad_request")


async def test_a_user_id_of_digits_stays_a_string() -> None:
    async with serve() as rest:
        response, _ = await rest.call("GET", "/v1/users/42")
        assert response.status == 200
        assert rest.asked[-1].key == "#42"


async def test_unknown_fields_are_named() -> None:
    async with serve() as rest:
        response, body = await rest.call(
            "POST", SEND, json={"by": "ann", "text": "hi", "colour": 1}, params={"fast": "1"}
        )
        assert response.status == 201
        assert body["ignored_fields"] == ["colour", "fast"]
        _, body = await rest.call("GET", SEND, params={"limt": "5"})
        assert body["ignored_fields"] == ["limt"]


async def test_the_path_wins_over_the_body() -> None:
    async with serve() as rest:
        await rest.call("POST", SEND, json={"by": "ann", "text": "hi", "channel": "group:other"})
        assert rest.asked[-1].key == "group:x"


async def test_an_idempotency_key_is_the_commands_id() -> None:
    async with serve() as rest:
        ids = []
        for key in ("order 7", "order 7", "order 8", "caf\u00e9"):
            headers = BY_KEY | {"Idempotency-Key": key}
            await rest.call("POST", SEND, json={"by": "ann", "text": "hi"}, headers=headers)
            ids.append(rest.submit.cmid)
            assert json.loads(rest.submit.body)["cmid"] == ids[-1]
        assert ids[0] == ids[1]
        assert len(set(ids)) == 3
        assert all(id.startswith("key:") for id in ids)
        headers = BY_KEY | {"Idempotency-Key": "k" * 256}
        response, body = await rest.call("POST", SEND, json={"text": "hi"}, headers=headers)
        check_problem(response, body, 400, "bad_request")


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b"7", b'"x"', b'{"text": NaN}', b'{"text":"\xff"}', b"[" * 3_000, b'{"text":7}'],
)
async def test_bodies_that_are_none(body: bytes) -> None:
    async with serve() as rest:
        response, answer = await rest.call("POST", SEND, data=body)
        check_problem(response, answer, 400, "bad_request")
        assert rest.asked == []


async def test_bodies_that_say_they_are_something_else() -> None:
    async with serve() as rest:
        for media, status in (
            ("image/png", 415),
            ("multipart/form-data", 415),
            ("text/plain", 201),
        ):
            headers = BY_KEY | {"Content-Type": media}
            response, body = await rest.call("POST", SEND, data=b'{"text":"x"}', headers=headers)
            assert response.status == status
            if status == 415:
                check_problem(response, body, 415, "unsupported_media_type")


@pytest.mark.parametrize("path", [SEND, "/v1/tokens", "/demo/token"])
@pytest.mark.parametrize("chunked", [False, True])
async def test_bodies_that_are_too_large(path: str, chunked: bool) -> None:
    async def pieces() -> Any:
        for _ in range(4):
            yield b" " * BODY_BYTES_MAX

    async with serve() as rest:
        data = pieces() if chunked else b" " * (4 * BODY_BYTES_MAX)
        response, body = await rest.call("POST", path, data=data)
        check_problem(response, body, 413, "too_large")
        assert body["limit_bytes"] == BODY_BYTES_MAX


async def test_routes_that_do_not_exist() -> None:
    async with serve() as rest:
        for method, path in (("GET", "/v1/nothing"), ("PATCH", "/v1/nothing"), ("GET", "/v1/")):
            response, body = await rest.call(method, path)
            check_problem(response, body, 404, "method_not_found")


async def test_a_path_says_which_methods_it_knows() -> None:
    async with serve() as rest:
        for method, path, allow in (
            ("GET", "/v1/tokens", "POST"),
            ("PUT", SEND, "GET, HEAD, POST"),
            ("TRACE", "/v1/channels/group:x", "DELETE, GET, HEAD, PATCH"),
        ):
            response, body = await rest.call(method, path)
            check_problem(response, body, 405, "method_not_allowed")
            assert response.headers["Allow"] == allow


async def test_what_the_cluster_refuses_keeps_its_details() -> None:
    async with serve() as rest:
        rest.answer = lambda ask: ask.rejected(
            RATE_LIMITED, "5 messages a second", retry_after_ms=1_600, scope="user-send", burst=5
        )
        response, body = await rest.call("POST", SEND, json={"by": "ann", "text": "hi"})
        check_problem(response, body, 429, "rate_limited")
        assert (body["retryable"], body["retry_after_ms"]) == (True, 1_600)
        assert response.headers["Retry-After"] == "2"
        assert response.headers["RateLimit-Policy"] == '"user-send";q=5;w=1'
        assert response.headers["X-RateLimit-Scope"] == "user-send"
        assert response.headers["RateLimit"] == '"user-send";r=0;t=2'
        rest.answer = lambda ask: ask.rejected(CHANNEL_NOT_FOUND)
        response, body = await rest.call("GET", "/v1/channels/group:x")
        check_problem(response, body, 404, "channel_not_found")
        rest.answer = Ask.unknown
        response, body = await rest.call("POST", SEND, json={"by": "ann", "text": "hi"})
        check_problem(response, body, 503, "unknown_outcome")
        assert body["retryable"]


async def test_a_bug_of_ours_is_a_problem_as_well() -> None:
    async with serve() as rest:

        def breaks(_: Ask) -> None:
            raise KeyError("a bug")

        rest.answer = breaks
        response, body = await rest.call("GET", SEND)
        check_problem(response, body, 503, "internal")
        assert "bug" not in json.dumps(body)


async def test_every_route_refuses_rubbish_with_a_problem() -> None:
    async with serve(rest_per_address=OFF) as rest:
        for row in REGISTRY.routes:
            path = row.path.replace("{channel}", "a b").replace("{user}", "a,b")
            path = re.sub(r"{\w+}", "no-id", path)
            response, body = await rest.call(row.method, path, data=b'{"text":[],"members":7}')
            if response.status >= 400:
                check_problem(response, body, response.status, body["code"])
                assert response.status < 500
            response, body = await rest.call(row.method, path, headers={})
            check_problem(response, body, 401, "unauthorized")


async def test_request_ids_are_echoed_or_made() -> None:
    async with serve() as rest:
        response, _ = await rest.call("GET", SEND, headers=BY_KEY | {"X-Request-Id": "mine-7"})
        assert response.headers["X-Request-Id"] == "mine-7"
        response, _ = await rest.call("GET", SEND, headers=BY_KEY | {"X-Request-Id": "y" * 200})
        assert response.headers["X-Request-Id"] == "y" * 64
        response, _ = await rest.call("GET", SEND)
        assert response.headers["X-Request-Id"].startswith("req_")


# --- limits


async def test_every_answer_tells_what_is_left() -> None:
    async with serve(rest_per_user=Rate(1.0, 3), rest_per_key=Rate(10.0, 20)) as rest:
        token = {"Authorization": f"Bearer {rest.stage.token('ann')}"}
        for left in (2, 1, 0):
            response, _ = await rest.call("GET", SEND, headers=token)
            assert response.status == 200
            assert response.headers["RateLimit-Policy"] == '"user-rest";q=3;w=3'
            assert response.headers["RateLimit"] == f'"user-rest";r={left};t={3 - left}'
            assert {n: v for n, v in response.headers.items() if n.startswith("X-RateLimit")} == {
                "X-RateLimit-Limit": "3",
                "X-RateLimit-Remaining": str(left),
                "X-RateLimit-Reset-After": str(3 - left),
                "X-RateLimit-Bucket": "rest",
                "X-RateLimit-Scope": "user",
            }
        response, body = await rest.call("GET", SEND, headers=token)
        check_problem(response, body, 429, "rate_limited")
        assert response.headers["Retry-After"] == "2"  # a millisecond over, in whole seconds
        assert response.headers["X-RateLimit-Remaining"] == "0"
        rest.stage.clock.advance(2_000)
        response, _ = await rest.call("GET", "/v1/channels/@x", headers=token)
        assert response.headers["X-RateLimit-Remaining"] == "1", "a refusal tells it as well"
        response, _ = await rest.call("GET", SEND)
        assert response.headers["X-RateLimit-Scope"] == "key"


async def test_the_limits_are_told() -> None:
    async with serve(rest_per_user=Rate(1.0, 3), send_per_user=Rate(0, 0)) as rest:
        token = {"Authorization": f"Bearer {rest.stage.token('ann')}"}
        response, body = await rest.call("GET", "/v1/limits?x=1", headers=token)
        assert response.status == 200
        assert body["ignored_fields"] == ["x"]
        mine = {"bucket": "rest", "scope": "user", "policy": "user-rest", "per_s": 1.0, "burst": 3}
        mine |= {"remaining": 2, "reset_ms": 1_000}
        assert mine in body["limits"]
        theirs = next(row for row in body["limits"] if row["scope"] == "key")
        assert "remaining" not in theirs
        assert all(row["bucket"] != "user" for row in body["limits"]), "one that is off"
        response, body = await rest.call("GET", "/v1/limits", headers={})
        check_problem(response, body, 401, "unauthorized")


# --- many in one


async def test_a_batch_answers_each_operation_as_if_it_had_come_alone() -> None:
    async with serve() as rest:
        operations = [
            {
                "method": "POST",
                "path": SEND,
                "body": {"by": "ann", "text": "1", "colour": 1},
                "idempotency_key": "one",
            },
            {"method": "GET", "path": "/v1/users/a%20b"},
            {"method": "GET", "path": SEND + "?limit=2"},
            {"method": "GET", "path": "/v1/nothing"},
            {"method": "PUT", "path": SEND},
            {"method": "POST", "path": "/v1/batch", "body": {"operations": []}},
            {"method": "POST", "path": SEND, "body": {"by": "ann", "text": 7}},
            {"method": "POST", "path": "/v1/channels", "body": {"channel": "group:x"}},
        ]
        response, body = await rest.call("POST", "/v1/batch", json={"operations": operations})
        assert response.status == 200, body
        results = body["results"]
        assert [row["status"] for row in results] == [201, 400, 200, 404, 405, 404, 400, 201]
        assert results[0]["body"]["ignored_fields"] == ["colour"]
        assert results[2]["body"] == {"found": True, "has_more": False}
        for row in results:
            if row["status"] >= 400:
                assert row["body"]["request_id"] == response.headers["X-Request-Id"]
                assert row["body"]["code"] in CODES
        sent = decode_pack(rest.asked[0].body, Submit)
        assert sent.cmid == idempotency_cmid("one")


def messages_of(*rows: tuple[str, str]) -> list[dict[str, Any]]:
    return [
        {"method": "POST", "path": f"/v1/channels/{c}/messages", "body": {"text": text}}
        for c, text in rows
    ]


async def test_a_batch_keeps_the_order_of_a_channel() -> None:
    """What a channel is sent leaves together; what is read of it leaves after the answer, other
    channels do not wait."""
    async with serve() as rest:
        asked: asyncio.Queue[Ask] = asyncio.Queue()
        rest.answer = asked.put_nowait
        operations = messages_of(("group:a", "1"), ("group:a", "2"), ("group:b", "3"))
        operations.append({"method": "GET", "path": "/v1/channels/group:a/messages"})
        async with asyncio.TaskGroup() as group:
            batch = rest.call("POST", "/v1/batch", json={"operations": operations})
            task = group.create_task(batch)
            first, other = await asked.get(), await asked.get()
            assert (first.kind, first.key) == (Kind.SUBMITS, "group:a")
            sent = decode_pack(first.body, Submits).commands
            assert [json.loads(one.body)["text"] for one in sent] == ["1", "2"]
            assert (other.kind, other.key) == (Kind.SUBMIT, "group:b")
            other.ok(encode_pack(Outcome(3, 1_760_000_000_000, "b")))
            assert asked.empty()
            done = encode_pack(Outcome(2, 1_760_000_000_000, "a"))
            refused = encode_pack(Refusal(OVERLOADED.code, ""))
            rows = CommandAnswer(Status.OK, done), CommandAnswer(Status.REJECTED, refused)
            first.ok(encode_pack(SubmitsAnswer(rows)))
            read = await asked.get()
            assert (read.kind, read.key) == (Kind.QUERY, "group:a")
            read.ok(b'{"messages":[]}')
        _, body = task.result()
        assert [row["status"] for row in body["results"]] == [201, 503, 201, 200]
        assert body["results"][1]["body"]["code"] == "overloaded"


async def test_behind_an_unknown_outcome_a_batch_runs_nothing_of_that_channel() -> None:
    """Sent again under the same keys, all of it is in order, whatever became of the first."""
    async with serve() as rest:
        asked: asyncio.Queue[Ask] = asyncio.Queue()
        rest.answer = asked.put_nowait
        operations = messages_of(("group:a", "1"), ("group:b", "2"))
        operations.append({"method": "GET", "path": "/v1/channels/group:a/messages"})
        operations += messages_of(("group:a", "3"))
        async with asyncio.TaskGroup() as group:
            batch = rest.call("POST", "/v1/batch", json={"operations": operations})
            task = group.create_task(batch)
            first, other = await asked.get(), await asked.get()
            first.unknown()
            other.ok(encode_pack(Outcome(3, 1_760_000_000_000, "b")))
        _, body = task.result()
        assert [row["status"] for row in body["results"]] == [503, 201, 503, 503]
        assert body["results"][3]["body"]["code"] == "unknown_outcome"
        assert asked.empty()


@pytest.mark.parametrize("count", [0, 101])
async def test_a_batch_has_1_to_100_operations(count: int) -> None:
    async with serve() as rest:
        one = {"method": "GET", "path": "/"}
        response, body = await rest.call("POST", "/v1/batch", json={"operations": [one] * count})
        check_problem(response, body, 400, "bad_request")
        assert rest.asked == []


async def test_each_operation_of_a_batch_counts() -> None:
    async with serve(rest_per_key=Rate(1.0, 3)) as rest:
        one = {"method": "GET", "path": "/v1/users/ann"}
        response, body = await rest.call("POST", "/v1/batch", json={"operations": [one] * 5})
        assert [row["status"] for row in body["results"]] == [200, 200, 200, 429, 429]
        assert body["results"][3]["body"]["retry_after_ms"] > 0
        assert response.headers["X-RateLimit-Remaining"] == "0"


# --- tokens


async def claims_of(rest: Rest, **wanted: Any) -> dict[str, Any]:
    response, body = await rest.call("POST", "/v1/tokens", json={"user": "ann", **wanted})
    assert response.status == 200, body
    return jwt.decode(body["token"], SECRET, algorithms=["HS256"], options={"verify_iat": False})


async def test_a_token_makes_its_user_and_carries_what_was_wished() -> None:
    async with serve() as rest:
        claims = await claims_of(rest, ttl_s=60, info={"name": "Ann"})
        assert (claims["sub"], claims["info"]) == ("ann", {"name": "Ann"})
        assert 59 <= claims["exp"] - claims["iat"] <= 60
        _, body = await rest.call("POST", "/v1/tokens", json={"user": "ann", "ttl_s": 60})
        assert body["ttl_s"] == 60
        assert claims["jti"] != (await claims_of(rest))["jti"], "each can be revoked by itself"
        assert (rest.submit.tag, rest.submit.viewer.authority) == ("user.ensure", "system")
        assert rest.asked[-1].key == "#ann"
        assert "info" not in await claims_of(rest)
        response, body = await rest.call("POST", "/v1/tokens", json={"user": "ann", "x": 1})
        assert response.status == 200
        assert body["ignored_fields"] == ["x"]
        assert rest.stage.auth.connection(body["token"]).user == "ann"


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, ["#/user"]),
        ({"user": "a b"}, ["#/user"]),
        ({"user": ""}, ["#/user"]),
        ({"user": "ann", "ttl_s": 0}, ["#/ttl_s"]),
        ({"user": "ann", "ttl_s": 10**9}, ["#/ttl_s"]),
        ({"user": "a b", "ttl_s": 0}, ["#/ttl_s", "#/user"]),
    ],
)
async def test_tokens_that_cannot_be(body: dict[str, Any], wrong: list[str]) -> None:
    async with serve() as rest:
        response, answer = await rest.call("POST", "/v1/tokens", json=body)
        check_problem(response, answer, 400, "bad_request")
        assert [row["pointer"] for row in answer["errors"]] == wrong


async def test_a_user_cannot_make_tokens() -> None:
    async with serve() as rest:
        headers = {"Authorization": f"Bearer {rest.stage.token()}"}
        response, body = await rest.call(
            "POST", "/v1/tokens", json={"user": "bob"}, headers=headers
        )
        check_problem(response, body, 403, "permission_denied")
        assert rest.asked == []


# --- request ids


async def test_what_was_not_answered_is_in_the_log_with_its_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines: list[dict[str, Any]] = []

    class Log:
        def warning(self, event: str, **fields: Any) -> None:
            lines.append({"event": event, **fields})

    monkeypatch.setattr(guard, "_log", Log())
    async with serve() as rest:
        headers = {**BY_KEY, "X-Request-Id": "my-own"}
        await rest.call("POST", SEND, json={"text": "hi"}, headers=headers)
        assert lines == [], "nobody hears of what is quick and answered"
        rest.answer = lambda ask: ask.unknown()
        response, body = await rest.call("POST", SEND, json={"text": "hi"}, headers=headers)
        check_problem(response, body, 503, "unknown_outcome")
        assert (response.headers["X-Request-Id"], body["request_id"]) == ("my-own", "my-own")
        [line] = lines
        assert (line["event"], line["status"]) == ("rest.unanswered", 503)
        assert (line["request_id"], line["route"]) == ("my-own", "/v1/channels/{channel}/messages")


# --- what stands beside /v1


@pytest.mark.parametrize("path", ["/nothing", "/static/nothing.js", "/v2/users"])
async def test_an_unknown_path_is_a_problem_for_whoever_takes_json(path: str) -> None:
    async with serve() as rest:
        response, body = await rest.call("GET", path, headers={"Accept": "application/json"})
        check_problem(response, body, 404, "method_not_found")
        response, _ = await rest.call("GET", path, headers={"Accept": "text/html"})
        assert (response.status, response.content_type) == (404, "text/plain")
        headers = {"Accept": "application/problem+json"}
        response, body = await rest.call("POST", "/healthz", headers=headers)
        check_problem(response, body, 405, "method_not_allowed")
        assert "GET" in response.headers["Allow"]


async def test_health_readiness_metrics() -> None:
    async with serve() as rest:
        response, body = await rest.call("GET", "/healthz", headers={})
        assert (response.status, body) == (200, {"alive": True})
        response, body = await rest.call("GET", "/readyz", headers={})
        assert (response.status, body) == (200, {"ready": True, "reasons": []})
        rest.reasons.append("no_router")
        response, body = await rest.call("GET", "/readyz", headers={})
        assert (response.status, body) == (503, {"ready": False, "reasons": ["no_router"]})
        response, body = await rest.call("GET", "/metrics", headers={})
        assert response.status == 200
        assert "# TYPE" in body
        through = {"X-Forwarded-For": "203.0.113.7"}  # a proxy on this machine
        response, body = await rest.call("GET", "/metrics", headers=through)
        check_problem(response, body, 401, "unauthorized")


async def test_the_demos_sign_in() -> None:
    async with serve() as rest:
        _, body = await rest.call("GET", "/demo/people", headers={})
        assert {"user": "alice", "name": "Alice Moreau"} in body["people"]
        _, body = await rest.call("POST", "/demo/token", json={"user": "alice"}, headers={})
        assert rest.stage.auth.connection(body["token"]).user == "alice"
        response, body = await rest.call("POST", "/demo/token", json={"user": "root"}, headers={})
        check_problem(response, body, 404, "not_found")
