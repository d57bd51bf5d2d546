"""Enough of an edge for the demo's own parts: REST that remembers, and scripted WebSockets.

`channels` holds the messages by channel; a POST under a known Idempotency-Key stores nothing twice.
`script` decides what a WebSocket answers: command → frames to send, or None to close.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Script = Callable[[dict[str, Any]], list[str] | None]


class FakeEdge:
    """Started by `serve`; `url` is where it listens."""

    def __init__(self, script: Script = lambda _command: None) -> None:
        self.script = script
        self.url = ""
        self.requests: list[tuple[str, str, Any]] = []
        self.channels: dict[str, list[dict[str, Any]]] = {}
        self.keys: set[str] = set()
        self.refuse: list[web.Response] = []  # answered first, one each

    async def rest(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.requests.append((request.method, request.path, body))
        if self.refuse:
            return self.refuse.pop(0)
        key = request.headers.get("Idempotency-Key", "")
        is_new = key not in self.keys
        self.keys.add(key)
        if request.path == "/v1/tokens":
            return web.json_response({"token": f"token of {body['user']}"})
        if request.path == "/v1/channels":
            name = body.get("channel") or "dm:" + "-".join(sorted(body["members"]))
            return web.json_response({"channel": name, "created": is_new}, status=201)
        if request.path.endswith("/messages") and is_new:
            self.channels.setdefault(request.match_info["tail"].split("/")[1], []).append(body)
        # As the server: the same answer under the same key.
        return web.json_response({"seq": 1, "id": f"m{zlib.crc32(key.encode())}"}, status=201)

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            frames = self.script(json.loads(message.data))
            if frames is None:
                break
            for frame in frames:
                await socket.send_str(frame)
        await socket.close()
        return socket


@asynccontextmanager
async def serve(edge: FakeEdge) -> AsyncIterator[FakeEdge]:
    """Serves it on a free port."""
    app = web.Application()
    app.router.add_get("/connection/websocket", edge.socket)
    app.router.add_route("*", "/v1/{tail:.*}", edge.rest)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    edge.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield edge
    finally:
        await runner.cleanup()
