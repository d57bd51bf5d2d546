"""A socket taken out of aiohttp's hands."""

from __future__ import annotations

import asyncio

from aiohttp import web

from edge.takeover import GoneResponse, take_over


class Echo(asyncio.Protocol):
    """Says hello, repeats what it hears, and tells when it ends."""

    def __init__(self, greeting: bytes = b"hello\n") -> None:
        self.greeting = greeting
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self.greeting:
            raise RuntimeError("a broken protocol")
        self.transport = transport
        self.transport.write(self.greeting)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)  # type: ignore[attr-defined]

    def connection_lost(self, exc: BaseException | None) -> None:
        self.lost.set()


async def _serve(protocol: Echo) -> tuple[web.AppRunner, int]:
    async def handle(request: web.Request) -> web.StreamResponse:
        assert take_over(request, protocol) is not None
        assert take_over(request, protocol) is None
        return GoneResponse()

    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, runner.addresses[0][1]


async def test_the_socket_is_ours_and_aiohttp_forgets_it() -> None:
    protocol = Echo()
    runner, port = await _serve(protocol)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nearly\n"
    )
    async with asyncio.timeout(5):
        assert await reader.readline() == b"hello\n"
        assert await reader.readline() == b"early\n"
        writer.write(b"later\n")
        assert await reader.readline() == b"later\n"
    assert runner.server is not None
    assert runner.server.connections == []
    writer.close()
    await writer.wait_closed()
    async with asyncio.timeout(5):
        await protocol.lost.wait()
    await runner.cleanup()


async def test_a_protocol_that_fails_does_not_leave_a_socket_behind() -> None:
    runner, port = await _serve(Echo(b""))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(5):
        try:
            assert await reader.read() == b""
        except ConnectionResetError:
            pass
    writer.close()
    await runner.cleanup()
