"""A client of the Protobuf encoding from its field numbers alone, over the `websockets` library:
nothing of it is our code. Connects, and makes rpcs; pushes are dropped.

Source: Centrifuge client protocol v2 (messages and their field numbers).
"""

from __future__ import annotations

import asyncio
import json
from types import TracebackType
from typing import Any, Self

import websockets

from tests.support.client import ReplyError

DEADLINE_S = 10.0
_BYTES, _VARINT = 2, 0
_CONNECT, _RPC = 4, 13  # in a Command
_ERROR, _CONNECTED, _ANSWERED = 2, 5, 13  # in a Reply


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3 | _VARINT) + varint(value)
    return varint(number << 3 | _BYTES) + varint(len(value)) + value


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
        shift += 7


def fields(data: bytes) -> dict[int, Any]:
    """The last value of every field."""
    found: dict[int, Any] = {}
    at = 0
    while at < len(data):
        tag, at = read_varint(data, at)
        value: Any
        if tag & 7 == _VARINT:
            value, at = read_varint(data, at)
        else:
            assert tag & 7 == _BYTES, tag
            length, at = read_varint(data, at)
            value, at = data[at : at + length], at + length
        found[tag >> 3] = value
    return found


class ProtobufClient:
    """One connection. `connected`: the JSON of the connect's data."""

    def __init__(self, url: str, token: str, **data: Any) -> None:
        self._url = url.replace("http", "ws", 1) + "/connection/websocket?format=protobuf"
        self._token = token
        self._data = data
        self._next_id = 0
        self.connected: Any = None

    async def __aenter__(self) -> Self:
        self._socket = await websockets.connect(self._url, max_size=8 << 20)
        connect = field(1, self._token.encode())
        if self._data:
            connect += field(2, json.dumps(self._data).encode())
        result = fields((await self._ask(_CONNECT, connect))[_CONNECTED])
        self.connected = json.loads(result.get(5, b"null"))
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self._socket.close()

    async def rpc(self, method: str, **params: Any) -> Any:
        """The data of an rpc's answer. Raises ReplyError."""
        body = field(1, json.dumps(params).encode()) + field(2, method.encode())
        result = fields((await self._ask(_RPC, body))[_ANSWERED])
        return json.loads(result[1])

    async def _ask(self, kind: int, body: bytes) -> dict[int, Any]:
        self._next_id += 1
        command = field(1, self._next_id) + field(kind, body)
        await self._socket.send(varint(len(command)) + command)
        async with asyncio.timeout(DEADLINE_S):
            while True:
                frame = await self._socket.recv()
                assert isinstance(frame, bytes)
                if (reply := await self._find(frame)) is not None:
                    return reply

    async def _find(self, frame: bytes) -> dict[int, Any] | None:
        """The reply to the last command, if it is in the frame; pings are answered."""
        at, found = 0, None
        while at < len(frame):
            length, at = read_varint(frame, at)
            reply = fields(frame[at : at + length])
            at += length
            if not reply:
                await self._socket.send(varint(0))
            elif reply.get(1) == self._next_id:
                found = reply
        if found is not None and _ERROR in found:
            error = fields(found[_ERROR])
            message = error.get(2, b"").decode()
            raise ReplyError({"code": error[1], "message": message, "temporary": error.get(3)})
        return found
