"""The load generator's WebSocket connections: cheap, so that it is the servers that are measured.

Rules:
1. An answer is searched, not parsed: publications are counted by `dialects.MARK`, replies are found
   by the `{"id":` at the start of a line. Only a reply that somebody awaits is copied.
2. Frames are masked with zeros (RFC 6455 section 5.3 lets the client choose), which leaves the
   payload as it is. No extension is offered, so nothing arrives compressed or fragmented.
3. What breaks is counted in the `Tally` and never retried: a benchmark with errors is void.
"""

import asyncio
import base64
import os
import time
from array import array
from collections.abc import Iterable
from typing import cast
from urllib.parse import urlsplit

from ops.answer import Failure
from ops.bench.dialects import MARK, PREVIEW, STAMP_DIGITS, Dialect, cmid_of, stamped_text

_PONG = b"\x81\x82\x00\x00\x00\x00{}"
_PING = b"{}"
_REPLY = b'{"id":'
_ERROR = b'"error"'
_OPCODE_CLOSE = 0x8
_FRAME_SHORT = 126
_EXPECTED_MAX = 1_000_000  # requests that one connection numbers; the second half of a cmid
REPLY_TIMEOUT_S = 30.0


class Tally:
    """What a group of connections has seen. Latencies are in ns, one number a sample."""

    def __init__(self) -> None:
        self.sent = 0
        self.acked = 0
        self.delivered = 0
        self.errors: list[str] = []
        self.ack_ns = array("q")
        self.deliver_ns = array("q")
        self.changed = asyncio.Event()

    def failed(self, what: str) -> None:
        """Notes an error; the first few are enough to understand it."""
        if len(self.errors) < 10:
            self.errors.append(what)
        self.changed.set()

    def forget(self) -> None:
        """Starts over: what was counted while warming up is not a result."""
        self.sent = self.acked = self.delivered = 0
        del self.ack_ns[:], self.deliver_ns[:]


class Connection(asyncio.Protocol):
    """One client of the server. `times_deliveries` samples every publication that it gets."""

    def __init__(
        self, dialect: Dialect, tally: Tally, number: int, *, times_deliveries: bool
    ) -> None:
        self._dialect = dialect
        self._tally = tally
        self._number = number
        self._times_deliveries = times_deliveries
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._upgraded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._next_id = 1
        self._sent_ns: dict[int, int] = {}
        self._awaited: dict[int, asyncio.Future[bytes]] = {}
        self._closing = False

    # --- opening and closing

    async def open(self, url: str) -> None:
        """Connects and upgrades. Raises Failure when the server refuses."""
        parts = urlsplit(url)
        assert parts.hostname is not None
        key = base64.b64encode(os.urandom(16)).decode()
        head = (
            f"GET {self._dialect.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(REPLY_TIMEOUT_S):
            await loop.create_connection(lambda: self, parts.hostname, parts.port or 80)
            assert self._transport is not None
            self._transport.write(head.encode())
            await self._upgraded

    async def enter(self, user: str, channel: str, now_s: int) -> None:
        """Logs in and joins the channel."""
        count = self._dialect.replies_to_enter
        waits = [self._await_reply(self._take_id()) for _ in range(count)]
        self._write(self._dialect.enter(user, channel, now_s))
        async with asyncio.timeout(REPLY_TIMEOUT_S):
            for wait in waits:
                await wait

    def close(self) -> None:
        """Closes without a handshake; the server sees the end of the stream."""
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    # --- asking

    def send(self, channel: str, due_ns: int) -> None:
        """Sends a message that was due at `due_ns`; its ack and deliveries are timed from then."""
        request_id = self._take_id()
        self._sent_ns[request_id] = due_ns
        self._tally.sent += 1
        cmid = cmid_of(time.time_ns() // 1_000_000, self._number, request_id)
        self._write(self._dialect.send(request_id, channel, cmid, stamped_text(due_ns)))

    async def page(self, channel: str, before_seq: int, limit: int) -> bytes:
        """One page of history, as the reply's bytes. Raises Failure on an error reply."""
        request_id = self._take_id()
        wait = self._await_reply(request_id)
        self._write(self._dialect.page(request_id, channel, before_seq, limit))
        async with asyncio.timeout(REPLY_TIMEOUT_S):
            return await wait

    def _take_id(self) -> int:
        assert self._next_id < _EXPECTED_MAX
        self._next_id += 1
        return self._next_id - 1

    def _await_reply(self, request_id: int) -> asyncio.Future[bytes]:
        wait = asyncio.get_running_loop().create_future()
        self._awaited[request_id] = wait
        return wait

    def _write(self, payload: bytes) -> None:
        assert self._transport is not None
        length = len(payload)
        if length < _FRAME_SHORT:
            head = bytes((0x81, 0x80 | length))
        else:
            head = b"\x81\xfe" + length.to_bytes(2, "big")
        self._transport.write(head + b"\x00\x00\x00\x00" + payload)

    # --- what arrives

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of asyncio's without being of its class.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        lost = Failure(f"connection lost: {exc}")
        if not self._upgraded.done():
            self._upgraded.set_exception(lost)
        for wait in self._awaited.values():
            if not wait.done():
                wait.set_exception(lost)
        if not self._closing:
            self._tally.failed(str(lost))

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        if not self._upgraded.done():
            data = self._upgrade(data)
        position, end = 0, len(data)
        while end - position >= 2:
            start, length = position + 2, data[position + 1]
            if length >= _FRAME_SHORT:
                start += 2 if length == _FRAME_SHORT else 8
                if start > end:
                    break
                length = int.from_bytes(data[position + 2 : start], "big")
            if start + length > end:
                break
            self._receive(data[position] & 0xF, data, start, start + length)
            position = start + length
        self._rest = data[position:]

    def _upgrade(self, data: bytes) -> bytes:
        head, blank, rest = data.partition(b"\r\n\r\n")
        if not blank:
            self._rest = data
            return b""
        if head.startswith(b"HTTP/1.1 101"):
            self._upgraded.set_result(None)
        else:
            self._upgraded.set_exception(Failure(f"no WebSocket: {head[:80]!r}"))
        return rest

    def _receive(self, opcode: int, data: bytes, start: int, stop: int) -> None:
        """One frame; the payload is data[start:stop]."""
        if opcode == _OPCODE_CLOSE:
            self._tally.failed(f"closed by the server: {data[start:stop]!r}")
            return
        if data.find(PREVIEW, start, stop) >= 0:  # rare: after a connect, of what came before
            lines = data[start:stop].split(b"\n")
            data = b"\n".join(line for line in lines if PREVIEW not in line)
            start, stop = 0, len(data)
        count = data.count(MARK, start, stop)
        if count:
            self._tally.delivered += count
            if self._times_deliveries:
                self._time_deliveries(data, start, stop)
        if (self._sent_ns or self._awaited) and data.find(_REPLY, start, stop) >= 0:
            self._find_replies(data, start, stop)
        if data.find(_PING, start, stop) >= 0 and _PING in data[start:stop].split(b"\n"):
            assert self._transport is not None
            self._transport.write(_PONG)
        self._tally.changed.set()

    def _time_deliveries(self, data: bytes, start: int, stop: int) -> None:
        now, times = time.monotonic_ns(), self._tally.deliver_ns
        place = data.find(MARK, start, stop)
        while place >= 0:
            stamp = place + len(MARK)
            times.append(now - int(data[stamp : stamp + STAMP_DIGITS]))
            place = data.find(MARK, stamp, stop)

    def _find_replies(self, data: bytes, start: int, stop: int) -> None:
        place = start
        while place < stop:
            line_end = data.find(b"\n", place, stop)
            line_end = stop if line_end < 0 else line_end
            if data.startswith(_REPLY, place):
                self._reply(data, place, line_end)
            place = line_end + 1

    def _reply(self, data: bytes, start: int, stop: int) -> None:
        digits = data.find(b",", start, stop)
        request_id = int(data[start + len(_REPLY) : digits])
        is_error = data.startswith(_ERROR, digits + 1)
        if is_error:
            self._tally.failed(data[start:stop].decode())
        due_ns = self._sent_ns.pop(request_id, 0)
        if due_ns and not is_error:
            self._tally.acked += 1
            self._tally.ack_ns.append(time.monotonic_ns() - due_ns)
        wait = self._awaited.pop(request_id, None)
        if wait is not None and not wait.done():
            if is_error:
                wait.set_exception(Failure(data[start:stop].decode()))
            else:
                wait.set_result(data[start:stop])


def close_all(connections: Iterable[Connection]) -> None:
    """Closes them all, at once."""
    for connection in connections:
        connection.close()
