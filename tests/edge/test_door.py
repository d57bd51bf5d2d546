"""The public port's first bytes: whatever they are, they are answered as aiohttp would."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from edge.connection import Peer
from edge.door import Doors, DoorSite
from edge.websocket import USER_AGENT_MAX
from tests.edge.test_handshake import START, head
from tests.edge.toy_host import ToyServer, serve

CONNECT = b'{"id":1,"connect":{}}'
MASK = b"\x01\x02\x03\x04"


def frame(payload: bytes) -> bytes:
    """A client's text frame."""
    masked = bytes(byte ^ MASK[at % 4] for at, byte in enumerate(payload))
    return bytes((0x81, 0x80 | len(payload))) + MASK + masked


@asynccontextmanager
async def socket_to(
    server: ToyServer,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        async with asyncio.timeout(5):
            yield reader, writer
    finally:
        writer.close()


async def ended(reader: asyncio.StreamReader) -> None:
    """The server closed or cut the connection."""
    async with asyncio.timeout(5):
        try:
            assert await reader.read(1) == b""
        except ConnectionResetError:
            pass


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - asked of the server's own state
            await asyncio.sleep(0.001)


async def answer(server: ToyServer, *pieces: bytes) -> bytes:
    """The head that is answered to these bytes, without its date and server."""
    async with socket_to(server) as (reader, writer):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
    return b"\r\n".join(line for line in lines if not line.startswith((b"Date:", b"Server:")))


REQUESTS = {
    "a handshake": head(),
    "with a subprotocol": head(START, "Sec-WebSocket-Protocol: centrifuge-json"),
    "with one of two": head(START, "Sec-WebSocket-Protocol: x, centrifuge-protobuf"),
    "of a page": head(START, "Origin: https://chat.example"),
    "of a foreign page": head(START, "Origin: https://evil.example"),
    "with a query": head("GET /connection/websocket?format=protobuf HTTP/1.1"),
    "of an old version": head(START, Sec_WebSocket_Version="8"),
    "without a key": head(START, Sec_WebSocket_Key=""),
    "a plain request": b"GET /connection/websocket HTTP/1.1\r\nHost: x\r\n\r\n",
    "another path": b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n",
    "another method": head("POST /connection/websocket HTTP/1.1"),
    "no HTTP": b"\x16\x03\x01\x02\x00\r\n\r\n",
    "a space before a colon": head().replace(b"Host:", b"Host :"),
    "two hosts": head(START, "Host: other"),
    "control characters": head(START, "X-Bad: \x00"),
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_the_answer_does_not_tell_who_gave_it(name: str) -> None:
    request = REQUESTS[name]
    origins = ("https://chat.example",)
    async with serve(origins=origins) as ours, serve(origins=origins, has_doors=False) as theirs:
        expected = await answer(theirs, request)
        assert await answer(ours, request) == expected
        if b"\r\n\r\n" in request[20:]:
            assert await answer(ours, request[:20], request[20:]) == expected


async def test_what_came_right_behind_the_handshake_is_not_lost() -> None:
    async with serve() as server, socket_to(server) as (reader, writer):
        writer.write(head() + frame(CONNECT))
        await reader.readuntil(b"\r\n\r\n")
        assert b'"connect":{' in await reader.read(1_000)


async def test_the_session_learns_who_came() -> None:
    async with serve() as server, socket_to(server) as (reader, writer):
        origin = "https://chat.example"
        writer.write(head(START, f"Origin: {origin}", "User-Agent: " + "z" * 500))
        await reader.readuntil(b"\r\n\r\n")
        [session] = server.host.sessions
        peer: Peer = session.peer
        assert (peer.remote, peer.origin, peer.transport) == ("127.0.0.1", origin, "websocket")
        assert peer.user_agent == "z" * USER_AGENT_MAX
        assert peer.application_pings


@pytest.mark.parametrize("start", [START, START.replace(" HTTP", "?a=b HTTP")])
async def test_a_proxy_says_who_came(start: str) -> None:
    async with serve() as server, socket_to(server) as (reader, writer):
        writer.write(head(start, "X-Forwarded-For: 198.51.100.1, 203.0.113.9"))
        await reader.readuntil(b"\r\n\r\n")
        [session] = server.host.sessions
        assert session.peer.remote == "203.0.113.9"


async def test_a_full_edge_refuses_before_the_handshake() -> None:
    async with serve() as server:
        server.host.is_full = True
        assert (await answer(server, head())).startswith(b"HTTP/1.1 503 ")


async def test_whoever_says_nothing_is_cut_off() -> None:
    async with serve(connect_deadline_s=0.05) as server, socket_to(server) as (reader, _):
        await ended(reader)


async def test_a_broken_protocol_costs_its_connection() -> None:
    class Broken(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            raise RuntimeError("a broken protocol")

    failures: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: failures.append(context))
    runner = web.AppRunner(web.Application())
    await runner.setup()
    async with serve() as server:
        doors = Doors(server.websocket, Broken, 5.0)
        await DoorSite(runner, doors, "127.0.0.1", 0, 16).start()
        reader, writer = await asyncio.open_connection("127.0.0.1", runner.addresses[0][1])
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await ended(reader)
        assert failures
        assert doors.silent == {}
        writer.close()
    await runner.cleanup()


async def test_silent_ones_end_with_the_server() -> None:
    runner = web.AppRunner(web.Application())
    await runner.setup()
    assert runner.server is not None
    async with serve() as server:
        doors = Doors(server.websocket, runner.server, 60.0)
        await DoorSite(runner, doors, "127.0.0.1", 0, 16).start()
        gone_reader, gone = await asyncio.open_connection("127.0.0.1", runner.addresses[0][1])
        reader, writer = await asyncio.open_connection("127.0.0.1", runner.addresses[0][1])
        gone.close()
        await until(lambda: len(doors.silent) == 1)
        doors.close()
        await ended(reader)
        assert doors.silent == {}
        writer.close()
        assert await gone_reader.read(1) == b""
    await runner.cleanup()
