"""A small client of the Centrifuge JSON protocol for tests: raw frames, nothing hidden.

Rules: every wait has a deadline; pushes are kept in the order they came; nothing reconnects by
itself. A test that wants a comfortable client uses an official SDK.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from types import TracebackType
from typing import Any, Self

import aiohttp

from hubbub.base.ids import uuid7
from tests.support.documented import misfit, undocumented

DEADLINE_S = 10.0


class ReplyError(Exception):
    """The server answered a command with an error."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error['code']}: {error['message']}")
        self.code: int = error["code"]
        self.message: str = error["message"]
        self.temporary = bool(error.get("temporary"))


class Closed(Exception):
    """The server closed the connection."""

    def __init__(self, code: int | None, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


def new_cmid() -> str:
    """A fresh client message id."""
    return uuid7(int(time.time() * 1000), os.urandom(10))


class Client:
    """One WebSocket connection. `async with Client(url, token) as client: …` connects.

    Args: url: of an edge, as `http://127.0.0.1:8080`.
    """

    def __init__(self, url: str, token: str = "", **connect: Any) -> None:
        self._url = url.replace("http", "ws", 1) + "/connection/websocket"
        self._connect = {**({"token": token} if token else {}), **connect}
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._last_id = 0
        self._arrived = asyncio.Event()
        self.connected: dict[str, Any] = {}
        self.pushes: list[dict[str, Any]] = []
        self.undocumented: set[str] = set()
        self.closed: Closed | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        try:
            self.connected = await self.command(connect=self._connect)
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.close()
        assert _error is not None or not self.undocumented, self.undocumented

    async def open(self) -> None:
        """Opens the socket without connecting the client."""
        self._http = aiohttp.ClientSession()
        try:
            self._socket = await self._http.ws_connect(self._url, max_msg_size=8 << 20)
        except BaseException:
            await self._http.close()
            raise
        self._reader = asyncio.get_running_loop().create_task(self._read())

    async def close(self) -> None:
        self._reader.cancel()
        try:
            await self._socket.close()
        finally:
            await self._http.close()

    def cut(self) -> None:
        """Drops the connection without a word, as a lost network does."""
        self._reader.cancel()
        connection = self._socket._response.connection
        assert connection is not None
        assert connection.transport is not None
        connection.transport.abort()

    # --- commands

    async def command(self, **request: Any) -> Any:
        """Sends one command and returns its result. Raises ReplyError or Closed."""
        self._last_id += 1
        reply = await self._exchange(self._last_id, {"id": self._last_id, **request})
        if "error" in reply:
            raise ReplyError(reply["error"])
        return reply[next(iter(request))]

    async def rpc(self, method: str, **data: Any) -> Any:
        """The `data` of an rpc's result."""
        answer = (await self.command(rpc={"method": method, "data": data}))["data"]
        if what := misfit(f"{method}.answer", answer):
            self.undocumented.add(what)
        return answer

    async def send(self, channel: str, text: str, *, cmid: str = "", **more: Any) -> Any:
        """message.send with a fresh cmid unless one is given."""
        cmid = cmid or new_cmid()
        return await self.rpc("message.send", channel=channel, cmid=cmid, text=text, **more)

    async def subscribe(self, channel: str, **options: Any) -> dict[str, Any]:
        """The subscribe result; to recover pass `recover=True, offset=…, epoch=…`."""
        result: dict[str, Any] = await self.command(subscribe={"channel": channel, **options})
        for publication in result.get("publications", ()):
            self._look(channel, publication)
        return result

    def _look(self, channel: str, publication: dict[str, Any]) -> None:
        if what := undocumented(channel, publication.get("data")):
            self.undocumented.add(what)

    async def send_raw(self, frame: str | bytes) -> None:
        """Any frame, well formed or not."""
        if isinstance(frame, bytes):
            await self._socket.send_bytes(frame)
        else:
            await self._socket.send_str(frame)

    # --- what arrives

    def publications(self, channel: str) -> list[dict[str, Any]]:
        """Publications of a channel so far, in order of arrival."""
        return [
            push["pub"] for push in self.pushes if push.get("channel") == channel and "pub" in push
        ]

    async def wait_publications(
        self, channel: str, count: int, *, seconds: float = DEADLINE_S
    ) -> list[dict[str, Any]]:
        """Waits until `count` publications of the channel arrived."""
        await self.wait_until(
            lambda: len(self.publications(channel)) >= count,
            f"{count} publications of {channel}",
            seconds,
        )
        return self.publications(channel)

    async def wait_until(
        self, condition: Any, what: str = "a push", seconds: float = DEADLINE_S
    ) -> None:
        """Waits until `condition()` holds. Raises AssertionError that says what arrived."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    if self.closed:
                        raise self.closed
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            raise AssertionError(
                f"{what}: not within {seconds} s; last pushes {self.pushes[-5:]}"
            ) from None

    async def wait_closed(self, *, seconds: float = DEADLINE_S) -> Closed:
        """Waits until the server has closed the connection."""
        async with asyncio.timeout(seconds):
            while self.closed is None:
                self._arrived.clear()
                await self._arrived.wait()
        return self.closed

    async def _exchange(self, number: int, command: dict[str, Any]) -> dict[str, Any]:
        if self.closed:
            raise self.closed
        future = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            await self._socket.send_str(json.dumps(command, ensure_ascii=False))
            async with asyncio.timeout(DEADLINE_S):
                reply: dict[str, Any] = await future
                return reply
        finally:
            self._waiting.pop(number, None)

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                break
            for line in message.data.split("\n"):
                if line:
                    await self._take(json.loads(line))
            self._arrived.set()
        reason = getattr(self._socket, "close_reason", None) or ""
        self.closed = Closed(self._socket.close_code, str(reason))
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(self.closed)
        self._arrived.set()

    async def _take(self, reply: dict[str, Any]) -> None:
        if reply.get("id"):
            future = self._waiting.get(reply["id"])
            if future is not None and not future.done():
                future.set_result(reply)
        elif "push" in reply:
            push = reply["push"]
            self.pushes.append(push)
            if "pub" in push:
                self._look(push["channel"], push["pub"])
        else:
            await self._socket.send_str("{}")  # a ping is answered by a pong
