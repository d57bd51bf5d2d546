"""What a new connection of the public port is: its first bytes decide.

Rules:
1. A plain WebSocket handshake (`handshake.plain_head`) is answered here. Of everything else aiohttp
   gets every byte, as if it had been there from the start; also of a handshake to be refused.
2. Whoever says nothing for `deadline_s` is cut off: one timer for all of them.
3. [M] aiohttp's way to a WebSocket costs 90 us of CPU more: its request, parser and task.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import cast

from aiohttp import web

from edge.websocket import WebSocketEndpoint


class Doors:
    """The protocol factory of the public port. Args: http: makes aiohttp's protocol."""

    def __init__(
        self,
        websocket: WebSocketEndpoint,
        http: Callable[[], asyncio.Protocol],
        deadline_s: float,
    ) -> None:
        self.websocket = websocket
        self.http = http
        self.silent: dict[Door, float] = {}  # → when it came; the oldest is the first
        self._deadline_s = deadline_s
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self) -> Door:
        """The protocol of one connection, until it speaks."""
        return Door(self)

    def came(self, door: Door) -> None:
        """A connection that has not spoken yet."""
        self.silent[door] = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self._deadline_s, self._sweep)

    def close(self) -> None:
        """End the silent ones."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for door in list(self.silent):
            door.abort()

    def _sweep(self) -> None:
        self._timer = None
        latest = self._loop.time() - self._deadline_s
        for door, since in list(self.silent.items()):
            if since > latest:
                self._timer = self._loop.call_at(since + self._deadline_s, self._sweep)
                return
            door.abort()


class Door(asyncio.Protocol):
    """A connection that has not spoken yet."""

    __slots__ = ("_doors", "_transport")

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody came."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._doors.came(self)

    def data_received(self, data: bytes) -> None:
        """The first bytes: from here on the connection is somebody else's."""
        transport, self._transport = self._transport, None
        assert transport is not None
        del self._doors.silent[self]
        try:
            websocket = self._doors.websocket.accept(data, transport)
            protocol = websocket or self._doors.http()
            transport.set_protocol(protocol)
            protocol.connection_made(transport)
            if websocket is None:
                protocol.data_received(data)
        except BaseException:
            transport.abort()  # nobody else would
            raise

    def connection_lost(self, exc: BaseException | None) -> None:
        """It went without a word."""
        self._transport = None
        self._doors.silent.pop(self, None)

    def abort(self) -> None:
        """End it at once."""
        if self._transport is not None:
            self._transport.abort()


class DoorSite(web.BaseSite):
    """The listening socket of an aiohttp runner, with doors before aiohttp's own protocol."""

    __slots__ = ("_doors", "_host", "_port")

    def __init__(
        self, runner: web.AppRunner, doors: Doors, host: str, port: int, backlog: int
    ) -> None:
        super().__init__(runner, backlog=backlog)
        self._doors = doors
        self._host = host
        self._port = port

    @property
    def name(self) -> str:
        """Where it listens."""
        return f"http://{self._host}:{self._port}"

    async def start(self) -> None:
        """Bind and listen. Raises OSError."""
        await super().start()
        server = await asyncio.get_running_loop().create_server(
            self._doors, self._host, self._port, backlog=self._backlog
        )
        self._server = server
        for listening in server.sockets:  # accepted ones inherit it: no call for each of them
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
