"""A minimal client connection for the demo's bot and its self-test: the public protocol, JSON.

It speaks what any outside program may speak (Centrifuge client protocol v2 over WebSocket) and
keeps no state over a lost connection: who needs that uses an official SDK.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp

from hubbub.base.ids import uuid7

ANSWER_S: Final = 5.0  # as the official SDKs


class ConnectionLost(Exception):
    """The edge has gone, closed the connection, or did not answer in time."""


class Refused(Exception):
    """The edge answered a command with an error."""


class Connection:
    """One connected user. Commands are answered in turn; pushes queue up for `next_push`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._last_id = 0
        self._pushes: asyncio.Queue[dict[str, Any]] = asyncio.Queue(maxsize=10_000)

    async def command(self, **request: Any) -> Any:
        """The result of one command. Raises Refused, ConnectionLost."""
        self._last_id += 1
        number = self._last_id
        await self._socket.send_str(json.dumps({"id": number, **request}, ensure_ascii=False))
        try:
            async with asyncio.timeout(ANSWER_S):
                while True:
                    for reply in await self._receive():
                        if reply.get("id") == number:
                            return _result(reply, next(iter(request)))
        except TimeoutError:
            raise ConnectionLost("no answer in time") from None

    async def rpc(self, method: str, **data: Any) -> Any:
        """The data of an rpc's result."""
        return (await self.command(rpc={"method": method, "data": data}))["data"]

    async def send(self, channel: str, text: str) -> Any:
        """message.send under a fresh cmid."""
        cmid = uuid7(time.time_ns() // 1_000_000, os.urandom(10))
        return await self.rpc("message.send", channel=channel, cmid=cmid, text=text)

    async def next_push(self) -> dict[str, Any]:
        """The next push, in order of arrival; waits for it. Raises ConnectionLost."""
        while self._pushes.empty():
            await self._receive()
        return self._pushes.get_nowait()

    async def _receive(self) -> list[dict[str, Any]]:
        """The replies of one frame; its pushes are queued and its ping is answered."""
        message = await self._socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise ConnectionLost(f"closed with {self._socket.close_code}")
        replies = []
        for line in message.data.rstrip("\n").split("\n"):  # not splitlines: texts hold U+2028
            reply = json.loads(line)
            if reply.get("id"):
                replies.append(reply)
            elif "push" in reply:
                self._queue(reply["push"])
            else:
                await self._socket.send_str("{}")
        return replies

    def _queue(self, push: dict[str, Any]) -> None:
        try:
            self._pushes.put_nowait(push)
        except asyncio.QueueFull:
            raise ConnectionLost("pushes were not read in time") from None


@asynccontextmanager
async def connect(url: str, token: str) -> AsyncIterator[tuple[Connection, dict[str, Any]]]:
    """A connected client and its connect result. `url`: an edge's, http://….

    Raises ConnectionLost if nobody answers, Refused if the token is not good.
    """
    address = url.replace("http", "ws", 1) + "/connection/websocket"
    async with aiohttp.ClientSession() as http:
        try:
            socket = await http.ws_connect(address, max_msg_size=8 << 20)
        except (aiohttp.ClientError, OSError) as error:
            raise ConnectionLost(str(error)) from None
        async with socket:
            connection = Connection(socket)
            yield connection, await connection.command(connect={"token": token, "name": "demo"})


def _result(reply: dict[str, Any], name: str) -> Any:
    if "error" in reply:
        raise Refused(f"{reply['error']['code']} {reply['error']['message']}")
    return reply[name]
