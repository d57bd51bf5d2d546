"""ipc:// links: ZeroMQ's protocol on a Unix socket that the loop itself reads and writes.

Rules:
1. On the wire this is ZeroMQ (`transport.zmtp`); a libzmq socket may be the other end. What is
   missing is libzmq's I/O thread: a frame leaves within `send` and arrives in the loop's turn, one
   wake-up a hop instead of three. [M] ping-pong of 300 bytes at 200/s: 460 instead of 1,000 CPU-us.
2. As on any socket of a link, a send takes the frame or says False: nobody is connected, or
   `frames_max` or `frame_bytes_max` bytes wait that the kernel did not take.
3. A dialler connects again for as long as it is open; its first message on each connection is an
   empty one, the probe.
4. `left` is called once for each connection that was up and broke, never from inside a `send`.
5. Reading is level-triggered and takes at most READ_BYTES a turn: nothing can be overlooked, and
   the others get theirs.
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from hubbub.base.units import KIB
from hubbub.transport import zmtp
from hubbub.transport.limits import LinkLimits

READ_BYTES: Final = 256 * KIB
_JOIN_BYTES: Final = (
    32 * KIB
)  # up to here copying head and frame together is cheaper than two parts
_BACKLOG: Final = 128  # connections that wait for accept
_RECONNECT_S: Final = 0.05  # first pause; a restarted process is found again at once
_RECONNECT_S_MAX: Final = 0.5
_HANDSHAKE_S: Final = 5.0  # a process that is busy starting may take a second

Heard = Callable[["StreamSocket", bytes, bytes], None]  # end, identity of its peer, frame

_buffer: Final = memoryview(bytearray(READ_BYTES))  # of whoever reads just now


class StreamSocket:
    """One connection, or a dialler that makes one after the other. `send` as FrameSocket."""

    __slots__ = (
        "_address",
        "_handle",
        "_heard",
        "_identity",
        "_left",
        "_limits",
        "_loop",
        "_parser",
        "_pause_s",
        "_peer",
        "_socket",
        "_waiting",
        "_waiting_bytes",
        "is_closed",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        limits: LinkLimits,
        heard: Heard,
        left: Callable[[StreamSocket, bytes], None],
    ) -> None:
        """Args: heard: takes each message; an empty one is a probe. left: end, peer's identity."""
        self.is_closed = False
        self._loop = loop
        self._limits = limits
        self._heard = heard
        self._left = left
        self._address = b""  # of a dialler
        self._identity = b""
        self._pause_s = _RECONNECT_S
        self._handle: asyncio.Handle | None = None  # the next attempt, or the handshake's deadline
        self._socket: socket.socket | None = None
        self._parser = zmtp.Parser(0)
        self._peer: bytes | None = None  # its identity, once the handshake is done
        self._waiting: deque[memoryview] = deque()
        self._waiting_bytes = 0

    # --- for the links

    def dial(self, path: str, identity: bytes) -> None:
        """Keep connected to whoever binds the path."""
        self._address, self._identity = path.encode(), identity
        self._connect()

    def accepted(self, connection: socket.socket) -> None:
        """This is a listener's end of a new connection."""
        self._begin(connection, b"ROUTER")

    def send(self, _identity: bytes, frame: bytes) -> bool:
        """Hand a frame over. False: nobody is there, or too much waits."""
        if self._peer is None:
            return False
        limits = self._limits
        if self._waiting:
            if (
                len(self._waiting) >= limits.hwm_frames
                or self._waiting_bytes >= limits.frame_bytes_max
            ):
                return False
            self._wait(memoryview(zmtp.message_head(len(frame)) + frame))
            return True
        return self._write(zmtp.message_head(len(frame)), frame)

    def close(self, linger_ms: int = 0) -> None:
        """Stop, and close; what still waits to be written has `linger_ms` for it."""
        if self.is_closed:
            return
        self.is_closed = True
        connection = self._end()
        if connection is not None:
            if self._waiting and linger_ms:
                with suppress(OSError):  # the peer does not read
                    connection.settimeout(linger_ms / 1_000)
                    connection.sendall(b"".join(self._waiting))
            connection.close()

    # --- connecting

    def _connect(self) -> None:
        self._handle = None
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            connection.connect(self._address)
        except OSError:  # nobody is there, or too many came at once
            connection.close()
            self._connect_later()
            return
        self._begin(connection, b"DEALER")

    def _connect_later(self) -> None:
        if self._address and not self.is_closed:
            self._handle = self._loop.call_later(self._pause_s, self._connect)
            self._pause_s = min(2 * self._pause_s, _RECONNECT_S_MAX)

    def _begin(self, connection: socket.socket, socket_type: bytes) -> None:
        self._socket = connection
        self._parser = zmtp.Parser(self._limits.frame_bytes_max)
        self._handle = self._loop.call_later(_HANDSHAKE_S, self._lost)
        self._loop.add_reader(connection.fileno(), self._read)
        self._write(b"", zmtp.GREETING + zmtp.ready(socket_type, self._identity))

    def _end(self) -> socket.socket | None:
        """The connection, read and written no more; not closed yet."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        connection, self._socket = self._socket, None
        if connection is not None:
            self._loop.remove_reader(connection.fileno())
            self._loop.remove_writer(connection.fileno())
        self._peer = None
        return connection

    def _lost(self) -> None:
        """The connection broke, or its peer is none of ours."""
        peer, connection = self._peer, self._end()
        if connection is None:
            return
        connection.close()
        self._waiting.clear()
        self._waiting_bytes = 0
        self.is_closed = not self._address
        self._connect_later()
        if peer is not None:
            self._left(self, peer)

    # --- reading

    def _read(self) -> None:
        assert self._socket is not None
        try:
            count = self._socket.recv_into(_buffer)
        except BlockingIOError:
            return
        except OSError:
            count = 0
        if not count:
            self._lost()
            return
        self._parser.feed(bytes(_buffer[:count]))
        self._take()

    def _take(self) -> None:
        """Everything that was read; a handler that breaks loses only its own frame."""
        parser = self._parser
        try:
            while (got := parser.next()) is not None:
                if isinstance(got, bytes):
                    if self._peer is None:
                        raise zmtp.ZmtpError("a message before READY")
                    self._heard(self, self._peer, got)
                else:
                    self._command(got)
                if self._parser is not parser or self._socket is None:
                    return  # it was closed meanwhile
        except zmtp.ZmtpError:
            self._lost()
        except BaseException:
            self._loop.call_soon(self._take_rest, parser)
            raise

    def _take_rest(self, parser: zmtp.Parser) -> None:
        if self._parser is parser and self._socket is not None:
            self._take()

    def _command(self, command: zmtp.Command) -> None:
        if command.name == b"PING":
            self._write(b"", zmtp.pong(command.data))
        elif command.name == b"ERROR":
            raise zmtp.ZmtpError("the peer refuses us")
        elif command.name == b"READY":
            if self._peer is not None:
                raise zmtp.ZmtpError("a second READY")
            self._met(zmtp.properties(command.data).get("identity", b""))

    def _met(self, peer: bytes) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._peer = peer
        if self._address:
            self._pause_s = _RECONNECT_S
            self.send(b"", b"")  # the probe

    # --- writing

    def _write(self, head: bytes, body: bytes) -> bool:
        """Write at once what the kernel takes; the rest waits. False: the connection is gone."""
        connection = self._socket
        if connection is None:
            return False
        if self._waiting:
            self._wait(memoryview(head + body))
            return True
        try:
            if len(body) <= _JOIN_BYTES:
                sent = connection.send(head + body)
            else:
                sent = connection.sendmsg((head, body))
        except BlockingIOError:
            sent = 0
        except OSError:
            self._loop.call_soon(self._lost)  # rule 4
            return False
        if sent < len(head) + len(body):
            self._wait(memoryview(head + body)[sent:])
            self._loop.add_writer(connection.fileno(), self._write_more)
        return True

    def _wait(self, data: memoryview) -> None:
        self._waiting.append(data)
        self._waiting_bytes += len(data)

    def _write_more(self) -> None:
        assert self._socket is not None
        waiting = self._waiting
        try:
            while waiting:
                sent = self._socket.send(waiting[0])
                self._waiting_bytes -= sent
                if sent < len(waiting[0]):
                    waiting[0] = waiting[0][sent:]
                    return
                waiting.popleft()
        except BlockingIOError:
            return
        except OSError:
            self._lost()
            return
        self._loop.remove_writer(self._socket.fileno())


class StreamListener:
    """A bound path and the connections that were made to it."""

    def __init__(
        self,
        path: str,
        loop: asyncio.AbstractEventLoop,
        limits: LinkLimits,
        heard: Heard,
        left: Callable[[StreamSocket, bytes], None],
    ) -> None:
        """Bind; a socket file that lies there belongs to a process that is gone. Raises OSError."""
        self._path = path
        self._loop = loop
        self._limits = limits
        self._heard = heard
        self._left = left
        self._ends: set[StreamSocket] = set()
        self._is_closed = False
        with suppress(FileNotFoundError):
            if stat.S_ISSOCK(os.stat(path).st_mode):
                os.unlink(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.bind(path)
            self._socket.listen(_BACKLOG)
        except BaseException:
            self._socket.close()
            raise
        self._inode = os.stat(path).st_ino
        self._socket.setblocking(False)
        loop.add_reader(self._socket.fileno(), self._accept)

    def close(self, linger_ms: int = 0) -> None:
        """Give the path back and close the connections. May be called twice."""
        if self._is_closed:
            return
        self._is_closed = True
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        with suppress(OSError):  # another process may have taken it over
            if os.stat(self._path).st_ino == self._inode:
                os.unlink(self._path)
        for end in self._ends:
            end.close(linger_ms)
        self._ends.clear()

    def _accept(self) -> None:
        try:
            connection, _ = self._socket.accept()
        except BlockingIOError:  # it is gone again
            return
        except OSError:  # descriptors ran out: it waits, and we do not turn in circles meanwhile
            self._loop.remove_reader(self._socket.fileno())
            self._loop.call_later(_RECONNECT_S_MAX, self._accept_again)
            return
        connection.setblocking(False)
        self._ends = {end for end in self._ends if not end.is_closed}
        end = StreamSocket(self._loop, self._limits, self._heard, self._left)
        self._ends.add(end)
        end.accepted(connection)

    def _accept_again(self) -> None:
        if not self._is_closed:
            self._loop.add_reader(self._socket.fileno(), self._accept)
