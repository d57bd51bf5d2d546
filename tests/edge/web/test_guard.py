"""Every answer names its request and tells what is left of a limit, also to whom we do not know."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from typing import Any

import pytest

from edge.web.app_rows import APP_ROWS
from hubbub.features.registry import REGISTRY
from hubbub.settings.app import OFF, Rate
from tests.edge.stage import EdgeStage
from tests.edge.web.rest import BODY_BYTES_MAX, BY_KEY, api_of, serve

ROUTES = [*REGISTRY.routes, *api_of(EdgeStage()).own_rows()]
SEND = "/v1/channels/group:x/messages"
STRANGE: dict[str, str] = {"X-Request-Id": "mine-1"}


@pytest.mark.parametrize(
    ("method", "path", "status", "given"),
    [
        ("GET", SEND, 401, {}),
        ("GET", SEND, 401, {"Authorization": "Bearer wrong"}),
        ("GET", "/v1/nothing", 404, {}),
        ("GET", "/v1/channels/", 404, {}),
        ("GET", "/nothing", 404, {"Accept": "*/*"}),
        ("DELETE", "/v1/tokens", 405, {}),
        ("POST", "/v1/guests", 413, {"Content-Length": "99999999"}),
        ("OPTIONS", "/v1/tokens", 204, {}),
    ],
)
async def test_whom_we_do_not_know_hears_what_everybody_hears(
    method: str, path: str, status: int, given: dict[str, str]
) -> None:
    async with serve(rest_per_address=Rate(1.0, 5), guests="open") as rest:
        big = b"x" * (BODY_BYTES_MAX + 1) if status == 413 else None
        sent = {**STRANGE, **given}
        sent.pop("Content-Length", "")
        response, body = await rest.call(method, path, headers=sent, data=big)
        assert response.status == status, body
        left = 4 if status >= 400 else 5
        assert response.headers["RateLimit-Policy"] == '"address-rest";q=5;w=5'
        assert response.headers["RateLimit"] == f'"address-rest";r={left};t={5 - left}'
        assert response.headers["X-Request-Id"] == "mine-1"
        if status >= 400:
            assert response.content_type == "application/problem+json"
            assert body["instance"] == f"{path}#mine-1"
            assert ("WWW-Authenticate" in response.headers) == (status == 401)


async def test_an_address_that_is_refused_too_often_waits() -> None:
    async with serve(rest_per_address=Rate(1.0, 2)) as rest:
        for status in (401, 404, 429, 429):
            path = SEND if status == 401 else "/v1/nothing"
            response, body = await rest.call("GET", path, headers={})
            assert response.status == status
        assert (body["code"], body["scope"], body["bucket"]) == ("rate_limited", "address", "rest")
        assert response.headers["Retry-After"] == "2"
        response, _ = await rest.call("GET", SEND)
        assert response.status == 200, "who says who he is has limits of his own"
        rest.stage.clock.advance(2_000)
        response, _ = await rest.call("GET", SEND, headers={})
        assert response.status == 401


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (
            b"GET /v1/limits HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 70_000,
            431,
            "headers_too_large",
        ),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: x", 431, "headers_too_large"),
        (b"GET /v1/limits HTTP/1.1\r\nHost: x\r\nContent-Length: -1", 400, "bad_request"),
        (b"\x16\x03\x01 hello", 400, "bad_request"),
    ],
)
async def test_what_is_no_request_gets_a_problem_too(sent: bytes, status: int, code: str) -> None:
    async with serve() as rest:
        port = rest.session._base_url.port  # type: ignore[union-attr]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent + b"\r\n\r\n")
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        body = json.loads(await reader.read())
        writer.close()
        assert f" {status} " in head.splitlines()[0]
        for name in ("X-Request-Id: req_", 'RateLimit: "address-rest";', "RateLimit-Policy: "):
            assert name in head
        assert "Content-Type: application/problem+json" in head
        assert (body["status"], body["code"]) == (status, code)


async def test_each_route_counts_and_passes_again_after_retry_after() -> None:
    """N are allowed, the next one is 429 with its headers, and after Retry-After it passes."""
    async with serve(rest_per_user=Rate(0.5, 2), rest_per_key=Rate(0.5, 2), guests="open") as rest:
        # What is behind the door is no matter here.
        rest.stage.dispatch.route = lambda *asked: asked[-1](None, b"{}")  # type: ignore[method-assign]
        wrong = []
        for row in ROUTES:
            path = re.sub(r"{\w+}", "ann", row.path.replace("{channel}", "group:tea"))
            body = {} if row.method in ("POST", "PUT", "PATCH") else None

            async def status(path: str = path, body: Any = body, row: Any = row) -> int:
                response, _ = await rest.call(row.method, path, json=body)
                said = response.headers
                if response.status == 429:
                    assert said["RateLimit"] == '"key-rest";r=0;t=3', row.path
                    assert said["Retry-After"] == said["X-RateLimit-Reset-After"] == "3"
                else:
                    assert said["RateLimit-Policy"] == '"key-rest";q=2;w=4', row.path
                return response.status

            found = [await status() for _ in range(3)]
            rest.stage.clock.advance(3_000)
            found.append(await status())
            rest.stage.clock.advance(10_000)
            if [one == 429 for one in found] != [False, False, True, False]:
                wrong.append((row.method, row.path, found))
        assert wrong == []
    assert set(APP_ROWS) < set(ROUTES), "the operator's own, too"


async def test_without_limits_there_is_nothing_to_tell() -> None:
    async with serve(rest_per_address=OFF, rest_per_key=OFF) as rest:
        for headers in ({}, BY_KEY):
            response, _ = await rest.call("GET", SEND, headers=headers)
            assert not [name for name in response.headers if "RateLimit" in name]
            assert response.headers["X-Request-Id"].startswith("req_")


async def test_an_id_that_is_none_is_replaced() -> None:
    async with serve() as rest:
        for given in ("", "é", "a" * 500):
            response, _ = await rest.call("GET", SEND, headers={**BY_KEY, "X-Request-Id": given})
            said = response.headers["X-Request-Id"]
            assert said == "a" * 64 if given.startswith("a") else said.startswith("req_")


async def test_methods_and_slashes() -> None:
    async with serve() as rest:
        response, body = await rest.call("HEAD", SEND)
        assert (response.status, body) == (200, None)
        assert int(response.headers["Content-Length"]) > 0
        response, _ = await rest.call("OPTIONS", SEND)
        assert (response.status, response.headers["Allow"]) == (204, "GET, HEAD, POST")
        response, body = await rest.call("GET", SEND + "/")
        assert (response.status, body["nearest"]) == (404, SEND)
        for method in ("GET", "DELETE"):
            path = SEND + ("" if method == "GET" else "/abc")
            response, body = await rest.call(method, path, json={"by": "ann"})
            assert (response.status, body["code"]) == (400, "bad_request")
            assert "query" in body["detail"]
        response, body = await rest.call("GET", SEND + "?limit=1&limit=2")
        assert body["errors"] == [{"pointer": "#/limit", "detail": "limit is given twice"}]


async def test_a_page_that_is_not_there_is_a_page_for_browsers() -> None:
    async with serve() as rest:
        response, _ = await rest.call("GET", "/nothing", headers={"Accept": "text/html"})
        assert (response.status, response.content_type) == (404, "text/plain")


async def test_a_page_of_an_allowed_origin_may_ask_and_read() -> None:
    there = "https://shop.example.org"
    async with serve(origins=(there,)) as rest:
        asked = {"Origin": there, "Access-Control-Request-Method": "POST"}
        response, _ = await rest.call("OPTIONS", SEND, headers=asked)
        assert response.status == 204
        allowed = {k: v for k, v in response.headers.items() if k.startswith("Access-Control")}
        assert allowed["Access-Control-Allow-Origin"] == there
        assert allowed["Access-Control-Allow-Methods"] == "GET, HEAD, POST"
        assert {"Authorization", "Content-Type", "Idempotency-Key"} <= set(
            allowed["Access-Control-Allow-Headers"].split(", ")
        )
        for path, status in ((SEND, 200), ("/v1/nothing", 404), ("/v1/channels/", 404)):
            response, _ = await rest.call("GET", path, headers={**BY_KEY, "Origin": there})
            assert response.status == status
            assert response.headers["Access-Control-Allow-Origin"] == there
            shown = response.headers["Access-Control-Expose-Headers"].split(", ")
            assert {"Retry-After", "RateLimit", "X-Request-Id", "Link"} <= set(shown)
            assert "Origin" in response.headers["Vary"]
        for other in ("https://evil.example.org", "null"):
            given = {**BY_KEY, "Origin": other}
            response, _ = await rest.call("GET", SEND, headers=given)
            assert "Access-Control-Allow-Origin" not in response.headers
        response, _ = await rest.call("GET", SEND)  # no browser's
        assert not [k for k in response.headers if k.startswith("Access-Control")]


@pytest.mark.parametrize("path", [SEND, "/emulation"])
async def test_a_body_that_trickles_in_is_cut(path: str, caplog: pytest.LogCaptureFixture) -> None:
    """It held its connection and its task for as long as it liked."""
    async with serve(body_s=0.05) as rest:
        port = rest.session._base_url.port  # type: ignore[union-attr]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        headers = "".join(f"{name}: {value}\r\n" for name, value in BY_KEY.items())
        writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\n{headers}".encode())
        writer.write(b'Content-Length: 40\r\n\r\n{"by":')
        async with asyncio.timeout(5):
            answer = await reader.read()  # and it ends with that
        writer.close()
        assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert not [row for row in caplog.records if row.levelname == "ERROR"], caplog.text


@pytest.mark.parametrize(
    "sent", [b"GET /v1/limits HT", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"]
)
async def test_a_connection_without_a_whole_head_ends(sent: bytes) -> None:
    """Of the first request, or of the next one. aiohttp waits for an hour."""
    async with serve(idle_s=0.05) as rest:
        port = rest.session._base_url.port  # type: ignore[union-attr]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        async with asyncio.timeout(5):
            assert (await reader.read() == b"") == sent.endswith(b"HT")
        writer.close()


@pytest.mark.parametrize(
    ("encoding", "status", "code"),
    [
        ("br", 415, "unsupported_media_type"),
        ("zstd", 415, "unsupported_media_type"),
        ("compress", 415, "unsupported_media_type"),
        ("gzip, br", 415, "unsupported_media_type"),
        ("gzip", 400, "bad_request"),
        ("deflate", 400, "bad_request"),
    ],
)
async def test_a_body_that_cannot_be_unpacked_is_its_senders_mistake(
    encoding: str, status: int, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve() as rest:
        sent = {**BY_KEY, "Content-Encoding": encoding}
        body = b'{"by":"ann","text":"not packed at all"}'
        response, found = await rest.call("POST", SEND, headers=sent, data=body)
        assert (response.status, found["code"], found["retryable"]) == (status, code, False)
        assert "gzip" in found["detail"] or encoding in found["detail"]
        response, _ = await rest.call("GET", SEND)
        assert response.status == 200
    assert not [row for row in caplog.records if row.levelname == "ERROR"], caplog.text


async def test_a_packed_body_is_unpacked() -> None:
    async with serve() as rest:
        sent = {**BY_KEY, "Content-Encoding": "gzip"}
        body = gzip.compress(b'{"by":"ann","text":"packed"}')
        response, _ = await rest.call("POST", SEND, headers=sent, data=body)
        assert response.status == 201
        assert json.loads(rest.submit.body)["text"] == "packed"
        bomb = gzip.compress(b'{"by":"ann","text":"' + b"a" * 50_000_000 + b'"}')
        response, found = await rest.call("POST", SEND, headers=sent, data=bomb)
        assert (response.status, found["code"]) == (413, "too_large")
