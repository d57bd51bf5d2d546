"""An edge for the client's adapters: real WebSockets on loopback, scripted answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Script = Callable[[dict[str, Any]], list[dict[str, Any]] | int]  # replies, or a close code


class Server:
    """A WebSocket on loopback. `script` answers everything but `connect`."""

    def __init__(self, script: Script, **connect: Any) -> None:
        self.script = script
        self.connect = {"client": "c", "data": "hello", **connect}
        self.url = ""
        self.tokens: list[str] = []
        self.open = 0
        self.sockets: list[web.WebSocketResponse] = []
        self._closed = asyncio.Event()

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.open += 1
        self.sockets.append(socket)
        async for message in socket:
            for line in message.data.split("\n"):
                await self._command(socket, json.loads(line))
        self.open -= 1
        self._closed.set()
        return socket

    async def all_closed(self) -> None:
        """Waits until nobody is connected."""
        async with asyncio.timeout(5):
            while self.open:
                self._closed.clear()
                await self._closed.wait()

    async def _command(self, socket: web.WebSocketResponse, command: dict[str, Any]) -> None:
        if "connect" in command:
            self.tokens.append(command["connect"]["token"])
            replies: list[dict[str, Any]] | int = [{"connect": self.connect}]
        else:
            replies = self.script(command)
        if isinstance(replies, int):
            await socket.close(code=replies)
            return
        lines = [r if "push" in r else {"id": command["id"], **r} for r in replies]
        if lines:
            await socket.send_str("\n".join(json.dumps(line, ensure_ascii=False) for line in lines))


@asynccontextmanager
async def serve(script: Script, **connect: Any) -> AsyncIterator[Server]:
    server = Server(script, **connect)
    app = web.Application()
    app.router.add_get("/connection/websocket", server.socket)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


def echo(command: dict[str, Any]) -> list[dict[str, Any]] | int:
    """Rpcs give their data back; `refuse` is refused, `close` closes with its code."""
    if "subscribe" in command:
        return [{"subscribe": {"recoverable": True, "epoch": "e"}}, publication(1)]
    rpc = command["rpc"]
    if rpc["method"] == "refuse":
        return [{"error": {"code": 103, "message": "permission denied"}}]
    if rpc["method"] == "close":
        return int(rpc["data"]["code"])
    return [{"rpc": {"data": rpc["data"]}}]


def publication(offset: int) -> dict[str, Any]:
    odd = "line\u2028separator and next\u0085line"  # splitlines would cut here
    return {"push": {"channel": "group:x", "pub": {"data": odd, "offset": offset}}}
