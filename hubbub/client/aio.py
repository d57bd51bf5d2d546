"""The client core on asyncio, over aiohttp's WebSocket: `async with connected(…) as client`.

Rules:
1. One task drives the core (orders, deadlines); one more serves each connection (dial, read).
2. Events are queued for `async for`. While many are unread, no more is read from the socket: a
   program that is too slow is cut by the server (3008), and resumes.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import cycle
from random import random
from typing import Final

import aiohttp

from hubbub.base.errors import CMID_CLOCK
from hubbub.base.ids import uuid7
from hubbub.client.core import Core, socket_url
from hubbub.client.events import (
    Answered,
    Closed,
    Dial,
    Ended,
    Event,
    Failed,
    HangUp,
    Json,
    NoAnswer,
    Refused,
    Renew,
    Stopped,
    Subscribed,
    Write,
)

UNREAD_MAX: Final = 10_000
MESSAGE_BYTES_MAX: Final = 8 << 20  # a recovery is at most 768 KiB; a page of history less than 8
CLOSE_S: Final = 0.5  # for the peer's goodbye; it may be gone
Token = Callable[[], Awaitable[str]]


class _NoToken(Exception):
    """The token function has none now."""


@asynccontextmanager
async def connected(urls: Sequence[str], token: Token, *, name: str = "") -> AsyncIterator[Client]:
    """A client that connects, and connects again, until the block is left.

    Args: urls: of the edges, `http://…`, tried in turn. token(): a fresh one for each connection,
        and when one runs out; if it raises, it is asked again later.
    """
    failure: Exception | None = None
    sockets = [socket_url(url) for url in urls]
    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as group:
        client = Client(http, group, sockets, token, name)
        try:
            yield client
        except Exception as raised:  # noqa: BLE001 - boundary: raised below, outside of the group
            failure = raised
        finally:
            client.close()
    if failure is not None:
        raise failure


class Client:
    """Made by `connected`. Iterating gives the events, and ends when the client has stopped."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        group: asyncio.TaskGroup,
        sockets: Sequence[str],
        token: Token,
        name: str,
    ) -> None:
        self._http = http
        self._group = group
        self._addresses = cycle(sockets)
        self._token = token
        self._ahead_ms = 0  # the server's clock, of ours
        self._core = Core(random=random, new_cmid=self.new_cmid, name=name)
        self._waiting: dict[int, asyncio.Future[Json]] = {}
        self._entering: dict[str, list[asyncio.Future[Subscribed]]] = {}
        self._events: deque[Event] = deque()
        self._frames: deque[str] = deque()  # for the socket that is open
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._wake = asyncio.Event()
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._line: asyncio.Task[None] | None = None
        self._stopped: Stopped | None = None
        self._core.start(_now_ms())
        self._driver = group.create_task(self._drive(), name="client.drive")

    # --- the program's side

    async def rpc(self, method: str, **data: Json) -> Json:
        """A question, asked once. Raises Refused, NoAnswer (5 s, or the connection was lost)."""
        return await self._ask(method, data, repeats=False)

    async def read(self, method: str, **data: Json) -> Json:
        """A question, asked again until it is answered. Raises Refused, NoAnswer (15 s)."""
        return await self._ask(method, data, repeats=True, is_read=True)

    async def command(self, method: str, **data: Json) -> Json:
        """A command, repeated under one cmid until it is answered. Raises Refused, NoAnswer (15 s).

        Cancellation: it is not repeated any more; it may have happened.
        """
        try:
            return await self._ask(method, data, repeats=True)
        except Refused as refused:
            if "cmid" in data or not self.learned(refused):
                raise
        return await self._ask(method, data, repeats=True)

    def new_cmid(self) -> str:
        """An id for a command, by the server's clock where ours was wrong."""
        return uuid7(_unix_ms() + self._ahead_ms, os.urandom(10))

    def learned(self, refused: Refused) -> bool:
        """Whether a refusal says for the first time that our clock is wrong: another id will do."""
        server_ms = refused.details.get("server_time_ms")
        if refused.code != CMID_CLOCK.code or self._ahead_ms or not isinstance(server_ms, int):
            return False
        self._ahead_ms = server_ms - _unix_ms()
        return True

    async def send(self, channel: str, text: str, **more: Json) -> Json:
        """message.send: {seq, id, ts, dup}."""
        return await self.command("message.send", channel=channel, text=text, **more)

    async def subscribe(self, channel: str) -> Subscribed:
        """Follow a channel over all cuts; its publications are events. Raises Refused, Closed."""
        future: asyncio.Future[Subscribed] = asyncio.get_running_loop().create_future()
        self._entering.setdefault(channel, []).append(future)
        self._core.subscribe(channel, _now_ms())
        self._wake.set()
        return await future

    def unsubscribe(self, channel: str) -> None:
        """Follow a channel no longer."""
        self._core.unsubscribe(channel, _now_ms())
        self._wake.set()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        """The next event. Raises StopAsyncIteration at the end."""
        while not self._events:
            if self._stopped is not None:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        event = self._events.popleft()
        self._room.set()
        return event

    @property
    def stopped(self) -> Stopped | None:
        """Why it is over; None while it is not."""
        return self._stopped

    def close(self) -> None:
        """Ends everything at once; `connected` calls it."""
        self._core.stop()
        self._obey()
        self._driver.cancel()

    # --- driving the core

    async def _ask(
        self, method: str, data: dict[str, Json], *, repeats: bool, is_read: bool = False
    ) -> Json:
        number = self._core.request(method, data, _now_ms(), repeats=repeats, is_read=is_read)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._wake.set()
        try:
            return await future
        finally:
            self._waiting.pop(number, None)
            self._core.forget(number)

    async def _drive(self) -> None:
        while self._stopped is None:
            self._core.tick(_now_ms())
            self._obey()
            while self._frames:
                await self._write(self._frames.popleft())
            due_ms = self._core.next_ms()
            delay_s = None if due_ms is None else max(0, due_ms - _now_ms()) / 1_000
            try:
                async with asyncio.timeout(delay_s):
                    await self._wake.wait()
            except TimeoutError:
                continue
            self._wake.clear()

    def _obey(self) -> None:
        """Take the core's outputs; what is to be written is left to the driver."""
        for output in self._core.take():
            match output:
                case Write(text):
                    self._frames.append(text)
                case Dial():
                    self._line = self._group.create_task(self._serve(), name="client.line")
                case Renew():
                    self._group.create_task(self._renew(), name="client.renew")
                case HangUp():
                    self._hang_up()
                case Answered(number, data):
                    self._settle(self._waiting.get(number), data)
                case Failed(number, error):
                    self._settle(self._waiting.get(number), error)
                case _:
                    self._tell(output)

    def _tell(self, event: Event) -> None:
        match event:
            case Subscribed(channel=channel):
                for future in self._entering.pop(channel, ()):
                    self._settle(future, event)
            case Ended(channel, error):
                for future in self._entering.pop(channel, ()):
                    self._settle(future, error)
            case Stopped(code, reason):
                self._stopped = event
                for future in [f for waiting in self._entering.values() for f in waiting]:
                    self._settle(future, Closed(f"{code} {reason}"))
        self._events.append(event)
        self._arrived.set()

    def _settle(self, future: asyncio.Future[Json] | None, value: object) -> None:
        if future is None or future.done():
            return
        if isinstance(value, Refused | NoAnswer | Closed):
            future.set_exception(value)
        else:
            future.set_result(value)

    async def _write(self, text: str) -> None:
        if self._socket is None:
            return
        try:
            await self._socket.send_str(text)
        except (aiohttp.ClientError, OSError):
            pass  # its reader hears of it and tells the core

    # --- one connection

    def _hang_up(self) -> None:
        line, self._line, self._socket = self._line, None, None
        self._frames.clear()
        if line is not None:
            line.cancel()

    async def _serve(self) -> None:
        """Dial and read until the connection ends, however it does."""
        code, reason = 0, ""
        try:
            token = await self._fresh()
            async with self._http.ws_connect(
                next(self._addresses),
                max_msg_size=MESSAGE_BYTES_MAX,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S),
            ) as socket:
                self._socket = socket
                self._core.opened(token, _now_ms())
                self._wake.set()
                code, reason = await self._read(socket)
        except (aiohttp.ClientError, OSError, _NoToken) as failure:
            reason = f"{type(failure).__name__}: {failure}"
        if self._line is asyncio.current_task():
            self._line = self._socket = None
            self._frames.clear()
            self._core.lost(code, reason, _now_ms())
            self._wake.set()

    async def _fresh(self) -> str:
        """A token. Raises _NoToken: whatever the program's function raised, it is asked again."""
        try:
            return await self._token()
        except Exception as failure:
            raise _NoToken(f"{type(failure).__name__}: {failure}") from failure

    async def _renew(self) -> None:
        try:
            self._core.renewed(await self._fresh(), _now_ms())
        except _NoToken:
            self._core.not_renewed(_now_ms())
        self._wake.set()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> tuple[int, str]:
        """Until its end: the close code, or 0, and the reason, which may say when to come back."""
        while True:
            message = await socket.receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                code = socket.close_code or 0
                is_said = message.type is aiohttp.WSMsgType.CLOSE and message.extra
                return code, str(message.extra) if is_said else f"closed with {code}"
            self._core.received(message.data.encode(), _now_ms())
            self._obey()  # at once: the next frame is read only if there is room for its events
            self._wake.set()
            while len(self._events) >= UNREAD_MAX:
                self._room.clear()
                await self._room.wait()


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def _unix_ms() -> int:
    return time.time_ns() // 1_000_000
