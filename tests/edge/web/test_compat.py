"""The reference server's API, where an app switches it on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hubbub.base.errors import UNKNOWN_CHANNEL
from hubbub.settings.profiles import CENTRIFUGE_COMPAT
from hubbub.wire.shapes import Kind
from tests.edge.stage import SERVER_KEY
from tests.edge.web.rest import BODY_BYTES_MAX, Rest, serve
from tests.edge.web.test_api import check_problem

KEY = {"X-API-Key": SERVER_KEY}
ON: dict[str, Any] = {"compat_api": True, "namespaces": CENTRIFUGE_COMPAT.namespaces}


async def post(rest: Rest, path: str, body: Any, headers: dict[str, str] = KEY) -> tuple[Any, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await rest.call("POST", path, data=data, headers=headers)


async def test_publish() -> None:
    async with serve(**ON) as rest:
        response, body = await post(rest, "/api/publish", {"channel": "c", "data": {"n": 1.0}})
        assert (response.status, body) == (200, {"result": {}})
        assert (rest.asked[-1].kind, rest.asked[-1].key) == (Kind.SUBMIT, "c")
        assert (rest.submit.tag, rest.submit.viewer.authority) == ("event.publish", "server")
        assert json.loads(rest.submit.body)["data"] == {"n": 1.0}


async def test_history() -> None:
    async with serve(**ON) as rest:
        page = b'{"publications":[{"offset":1,"data":{"n":1.0}}],"offset":1,"epoch":"e"}'
        rest.answer = lambda ask: ask.ok(page)
        response, body = await post(rest, "/api/history", {"channel": "c", "limit": 5})
        assert (response.status, body) == (200, {"result": json.loads(page)})
        assert rest.query.name == "stream.history"
        assert json.loads(rest.query.args) == {"limit": 5, "subscribed": True}


@pytest.mark.parametrize("path", ["/api/publish", "/api/history"])
async def test_refusals(path: str) -> None:
    async with serve(**ON) as rest:
        request = {"channel": "c", "data": 1}
        for headers in ({}, {"X-API-Key": "wrong"}, {"Authorization": f"Bearer {SERVER_KEY}"}):
            response, body = await post(rest, path, request, headers)
            check_problem(response, body, 401, "unauthorized")
        for bad in (
            b"",
            b"{",
            b"[]",
            b"{}",
            b'{"channel":7,"data":1}',
            b'{"channel":"a b","data":1}',
        ):
            response, body = await post(rest, path, bad)
            check_problem(response, body, 400, "bad_request")
        response, body = await post(rest, path, b" " * (4 * BODY_BYTES_MAX))
        check_problem(response, body, 413, "too_large")
        assert rest.asked == []
        rest.answer = lambda ask: ask.rejected(UNKNOWN_CHANNEL)
        response, body = await post(rest, path, request)
        check_problem(response, body, 404, "unknown_channel")


@pytest.mark.parametrize("path", ["/api/publish", "/api/history"])
async def test_an_app_without_it_does_not_have_it(path: str) -> None:
    async with serve() as rest:
        response, body = await post(rest, path, {"channel": "raw:1", "data": 1})
        check_problem(response, body, 404, "not_available")
        assert rest.asked == []
