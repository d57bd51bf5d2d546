"""SSE, HTTP streaming and emulation over real sockets, with aiohttp's client."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from hubbub.base.errors import SHUTDOWN
from hubbub.base.units import KIB
from hubbub.wire.protobuf_fields import decode, decode_varint, delimited, encode
from tests.edge.toy_host import NODE, ToyServer, serve

CONNECT = json.dumps({"id": 1, "connect": {}})
BINARY = {"Content-Type": "application/octet-stream"}


class Stream:
    """An endless response, read message by message."""

    def __init__(self, server: ToyServer, http: aiohttp.ClientSession) -> None:
        self.server = server
        self.http = http
        self.response: aiohttp.ClientResponse
        self.session = ""

    async def open_json(self, body: str = CONNECT) -> Any:
        self.response = await self.http.post(self.server.url("/connection/http_stream"), data=body)
        assert self.response.status == 200
        reply = await self.next()
        self.session = reply.get("connect", {}).get("session", "")
        return reply

    async def open_events(self) -> Any:
        self.response = await self.http.get(
            self.server.url("/connection/sse"), params={"cf_connect": CONNECT}
        )
        assert self.response.headers["Content-Type"] == "text/event-stream"
        assert await self.response.content.readline() == b"\r\n"
        reply = await self.next_event()
        self.session = reply["connect"]["session"]
        return reply

    async def next(self) -> Any:
        line = await self.response.content.readline()
        assert line.endswith(b"\n"), "the response ended"
        return json.loads(line)

    async def next_event(self) -> Any:
        line = await self.response.content.readline()
        assert await self.response.content.readline() == b"\n"
        return json.loads(line.removeprefix(b"data: "))

    async def post(self, *commands: object, node: str = NODE) -> int:
        body = {
            "session": self.session,
            "node": node,
            "data": "\n".join(map(json.dumps, commands)),
        }
        async with self.http.post(self.server.url("/emulation"), json=body) as response:
            return response.status


async def test_http_streaming() -> None:
    async with serve() as server, aiohttp.ClientSession() as http:
        stream = Stream(server, http)
        reply = await stream.open_json()
        assert reply["connect"]["node"] == NODE
        assert len(stream.session) == 32
        assert stream.response.headers["X-Accel-Buffering"] == "no"
        assert "no-store" in stream.response.headers["Cache-Control"]
        status = await stream.post(
            {"id": 2, "subscribe": {"channel": "x"}}, {"id": 3, "rpc": {"method": "echo"}}
        )
        assert status == 204
        assert (await stream.next())["id"] == 2
        assert (await stream.next())["id"] == 3
        server.host.publish("x", b'{"n":1}')
        server.host.publish("x", b'{"n":2}')
        assert [(await stream.next())["push"]["pub"]["offset"] for _ in range(2)] == [1, 2]
        stream.response.close()
        async with asyncio.timeout(5):
            await server.host.idle.wait()
        assert server.endpoints.streams == {}


async def test_events() -> None:
    async with serve() as server, aiohttp.ClientSession() as http:
        stream = Stream(server, http)
        await stream.open_events()
        assert await stream.post({"id": 2, "subscribe": {"channel": "x"}}) == 204
        assert (await stream.next_event())["id"] == 2
        server.host.publish("x", b'{\n"n":1}'.replace(b"\n", b""))
        assert (await stream.next_event())["push"]["pub"]["data"] == {"n": 1}


async def test_events_may_be_asked_for_by_post() -> None:
    async with (
        serve() as server,
        aiohttp.ClientSession() as http,
        http.post(server.url("/connection/sse"), data=CONNECT) as response,
    ):
        assert await response.content.readline() == b"\r\n"
        assert b'"connect"' in await response.content.readline()


async def test_protobuf_streaming() -> None:
    async with serve() as server, aiohttp.ClientSession(headers=BINARY) as http:
        connect = delimited(encode("Command", {"id": 1, "connect": b""}))
        response = await http.post(server.url("/connection/http_stream"), data=connect)

        async def take() -> dict[str, Any]:
            head = await response.content.readexactly(1)
            while head[-1] >= 0x80:
                head += await response.content.readexactly(1)
            length, _ = decode_varint(head, 0, len(head))
            return decode("Reply", await response.content.readexactly(length))

        result = (await take())["connect"]
        rpc = encode("RPCRequest", {"data": b"[1]", "method": "echo"})
        request = {
            "node": result["node"],
            "session": result["session"],
            "data": delimited(encode("Command", {"id": 2, "rpc": rpc})),
        }
        body = encode("EmulationRequest", request)
        async with http.post(server.url("/emulation"), data=body) as posted:
            assert posted.status == 204
        assert await take() == {"id": 2, "rpc": {"data": b"[1]"}}
        response.close()


async def test_a_disconnect_is_pushed_and_ends_the_response() -> None:
    async with serve() as server, aiohttp.ClientSession() as http:
        stream = Stream(server, http)
        await stream.open_json()
        [session] = server.host.sessions
        session.close(SHUTDOWN)
        assert await stream.next() == {"push": {"disconnect": {"code": 3001, "reason": "shutdown"}}}
        assert await stream.response.content.read() == b""
        assert await stream.post({"id": 2, "rpc": {"method": "echo"}}) == 404


@pytest.mark.parametrize("body", ["", "nonsense", '{"id":1}'])
async def test_a_bad_first_command_ends_the_response(body: str) -> None:
    async with serve() as server, aiohttp.ClientSession() as http:
        stream = Stream(server, http)
        reply = await stream.open_json(body)
        assert reply == {"push": {"disconnect": {"code": 3501, "reason": "bad request"}}}
        assert await stream.response.content.read() == b""


async def test_bad_commands_by_post_end_that_stream_alone() -> None:
    async with serve() as server, aiohttp.ClientSession() as http:
        bad, good = Stream(server, http), Stream(server, http)
        await bad.open_json()
        await good.open_json()
        assert await bad.post("not a command") == 204
        assert (await bad.next())["push"]["disconnect"]["code"] == 3501
        assert await good.post({"id": 2, "rpc": {"method": "echo", "data": 1}}) == 204
        assert await good.next() == {"id": 2, "rpc": {"data": 1}}


async def test_posts_for_another_edge_are_forwarded() -> None:
    async with serve() as server, aiohttp.ClientSession() as http:
        stream = Stream(server, http)
        stream.session = "their-session"
        assert await stream.post({"id": 9, "rpc": {"method": "m"}}, node="edge-2.1") == 204
        [(node, session, data)] = server.forwarded
        assert (node, session) == ("edge-2.1", "their-session")
        assert json.loads(data) == {"id": 9, "rpc": {"method": "m"}}
        assert await stream.post({"id": 9, "rpc": {"method": "m"}}, node="edge-9.9") == 404
        assert await stream.post({"id": 9, "rpc": {"method": "m"}}) == 404


async def test_commands_that_another_edge_forwards_are_delivered() -> None:
    async with serve() as server, aiohttp.ClientSession() as http:
        stream = Stream(server, http)
        await stream.open_json()
        command = b'{"id":2,"rpc":{"method":"echo","data":2}}'
        assert server.endpoints.deliver(stream.session, command)
        assert await stream.next() == {"id": 2, "rpc": {"data": 2}}
        assert not server.endpoints.deliver("nobody", command)


@pytest.mark.parametrize(
    "body", [b"", b"nonsense", b"[]", b'{"session":"s","node":"n"}', b'{"session":1}', b"\xff"]
)
async def test_what_is_no_emulation_request_gets_400(body: bytes) -> None:
    async with (
        serve() as server,
        aiohttp.ClientSession(skip_auto_headers=["Content-Type"]) as http,
        http.post(server.url("/emulation"), data=body) as response,
    ):
        assert response.status == 400


async def test_a_damaged_binary_emulation_request_gets_400() -> None:
    async with (
        serve() as server,
        aiohttp.ClientSession(headers=BINARY) as http,
        http.post(server.url("/emulation"), data=b"\x0a\xff") as response,
    ):
        assert response.status == 400


async def test_bodies_are_bounded() -> None:
    async with serve(frame_bytes_max=4 * KIB) as server, aiohttp.ClientSession() as http:
        stream = Stream(server, http)
        await stream.open_json()
        assert await stream.post({"id": 2, "rpc": {"method": "x" * 5_000}}) == 413
        for path in ("/connection/http_stream", "/connection/sse"):
            async with http.post(server.url(path), data=b"x" * 5_000) as response:
                assert response.status == 413


async def test_paused_streams_keep_what_is_posted_up_to_the_bound() -> None:
    async with serve(frame_bytes_max=4 * KIB) as server, aiohttp.ClientSession() as http:
        stream = Stream(server, http)
        await stream.open_json()
        [session] = server.host.sessions
        session.outgoing.connection.pause_reading()
        large = {"id": 2, "rpc": {"method": "echo", "data": "x" * 3_000}}
        assert await stream.post(large) == 204
        assert await stream.post(large) == 404
        session.outgoing.connection.resume_reading()
        assert (await stream.next())["id"] == 2
        assert await stream.post(large) == 204
        assert (await stream.next())["id"] == 2


async def test_pages_of_allowed_origins_get_their_headers() -> None:
    page = "https://chat.example.org"
    async with (
        serve(origins=(page,)) as server,
        aiohttp.ClientSession(headers={"Origin": page}) as http,
    ):
        for path in ("/connection/http_stream", "/connection/sse", "/emulation"):
            asked = {"Access-Control-Request-Headers": "content-type"}
            async with http.options(server.url(path), headers=asked) as response:
                assert response.status == 204
                assert response.headers["Access-Control-Allow-Origin"] == page
                assert response.headers["Access-Control-Allow-Headers"] == "content-type"
        stream = Stream(server, http)
        await stream.open_json()
        assert stream.response.headers["Access-Control-Allow-Origin"] == page
        stream.response.close()
        foreign = {"Origin": "https://evil.example.org"}
        for path in ("/connection/http_stream", "/connection/sse", "/emulation"):
            async with http.post(server.url(path), headers=foreign, data=CONNECT) as response:
                assert response.status == 403


async def test_a_full_edge_answers_503() -> None:
    async with serve() as server, aiohttp.ClientSession() as http:
        server.host.is_full = True
        async with http.post(server.url("/connection/http_stream"), data=CONNECT) as response:
            assert response.status == 503
        assert server.endpoints.streams == {}
