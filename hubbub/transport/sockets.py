"""Raw ZeroMQ sockets in the event loop: drained without waiting, never blocked by a send.

Rules (dependencies.md 3.2; figures are CPU-us here):
1. A frame is one body: a ROUTER delivers identity and body (two plain `recv`, 2.0), a DEALER the
   body. An empty body is the other side's probe: it has just connected.
2. The file descriptor is edge-triggered and a send may swallow the edge. So a drain ends with
   nothing left, and is scheduled again after every send and whenever its budget stopped it.
3. The safety timer drains whatever rule 2 missed, and counts it: not 0 means a bug here or below.
4. A send takes the frame or says False. Nothing here queues; ZeroMQ's queues hold `hwm_frames`.
5. On tcp:// the key's name (ZAP user id) must be the one in the identity, for each frame.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import Final

import zmq

from hubbub.base.units import KIB
from hubbub.settings.schema import IPC_PATH_BYTES_MAX
from hubbub.transport.limits import LinkLimits

# What one drain may take before others get their turn: 256 KiB of small messages is about 10 ms.
_DRAIN_FRAMES_MAX: Final = 64
_DRAIN_BYTES_MAX: Final = 256 * KIB
# Above this ZeroMQ references the bytes instead of copying them: [M] 32 against 411 us at 256 KiB.
_ZERO_COPY_BYTES: Final = 128 * KIB
_RECONNECT_MS: Final = 50  # first pause; a restarted process is found again at once
_RECONNECT_MS_MAX: Final = 500  # a machine that stays away costs two attempts a second
_MONITOR_FRAMES_MAX: Final = 64

INPROC: Final = "inproc://"  # both ends in one process: see `transport.inproc`

Arrive = Callable[[bytes, bytes], None]  # identity (empty on a DEALER), body
Probe = Callable[[bytes], None]  # identity


class AddressError(ValueError):
    """An address that cannot be used; says why."""


def check_address(address: str) -> None:
    """Raises AddressError unless it is tcp://, inproc:// or a short enough ipc:// path."""
    if address.startswith("ipc://"):
        path = address.removeprefix("ipc://").encode()
        if not 0 < len(path) <= IPC_PATH_BYTES_MAX:
            raise AddressError(f"{address}: a socket path has 1 to {IPC_PATH_BYTES_MAX} bytes")
    elif address == INPROC or not address.startswith(("tcp://", INPROC)):
        raise AddressError(f"{address}: expected ipc://, tcp:// or inproc://")


def set_options(socket: zmq.Socket[bytes], limits: LinkLimits) -> None:
    """What every socket of a link has; before bind or connect."""
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDHWM, limits.hwm_frames)
    socket.setsockopt(zmq.RCVHWM, limits.hwm_frames)
    socket.setsockopt(zmq.MAXMSGSIZE, limits.frame_bytes_max)
    socket.setsockopt(zmq.HEARTBEAT_IVL, limits.heartbeat_ms)
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)


def set_router_options(socket: zmq.Socket[bytes]) -> None:
    """A full or unknown peer is an error, and a reconnect takes its identity over."""
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    socket.setsockopt(zmq.ROUTER_HANDOVER, 1)


def set_dealer_options(socket: zmq.Socket[bytes], identity: bytes) -> None:
    """Frames wait for no connection (IMMEDIATE), and each connection announces itself."""
    socket.setsockopt(zmq.ROUTING_ID, identity)
    socket.setsockopt(zmq.IMMEDIATE, 1)
    socket.setsockopt(zmq.PROBE_ROUTER, 1)
    socket.setsockopt(zmq.RECONNECT_IVL, _RECONNECT_MS)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, _RECONNECT_MS_MAX)


class FrameSocket:
    """One ROUTER or DEALER, read by the loop."""

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        loop: asyncio.AbstractEventLoop,
        arrive: Arrive,
        probe: Probe | None = None,
        *,
        check_names: bool = False,
        refused: Callable[[bytes], None] | None = None,
    ) -> None:
        """Args: probe: given for a ROUTER only. check_names: rule 5; `refused` hears of misses."""
        self._socket = socket
        self._loop = loop
        self._arrive = arrive
        self._probe = probe
        self._check_names = check_names
        self._refused = refused
        self._take = self._take_dealer if probe is None else self._take_router
        self._draining_soon: asyncio.Handle | None = None
        self._closed = False
        self._poll = select.poll()
        self._poll.register(socket.fileno(), select.POLLIN)
        loop.add_reader(socket.fileno(), self.drain)
        self.drain_soon()  # what came before add_reader made its edge already

    def send(self, identity: bytes, frame: bytes) -> bool:
        """Hand a frame over. False: the queue is full or nobody is connected."""
        socket = self._socket
        try:
            if identity:
                socket.send(identity, zmq.SNDMORE | zmq.NOBLOCK)
            socket.send(frame, zmq.NOBLOCK, copy=len(frame) < _ZERO_COPY_BYTES)
        except zmq.Again:
            sent = False
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            sent = False
        else:
            sent = True
        if self._draining_soon is None:
            self._draining_soon = self._loop.call_soon(self._drain_if_ready)
        return sent

    def drain(self) -> int:
        """Take frames until none is left or the budget ends; how many."""
        frames = size = 0
        try:
            while frames < _DRAIN_FRAMES_MAX and size < _DRAIN_BYTES_MAX and not self._closed:
                size += self._take()
                frames += 1
        except zmq.Again:
            return frames
        except BaseException:
            self.drain_soon()  # the edge is used up: the frames behind this one must not wait
            raise
        self.drain_soon()
        return frames

    def drain_lost(self) -> int:
        """What lies there although the loop was not told: frames whose wake-up was lost."""
        if self._draining_soon is not None or self._poll.poll(0):
            return 0  # the loop was told, and is on its way
        return self.drain()

    def drain_soon(self) -> None:
        """Drain in the loop's next turn."""
        if self._draining_soon is None and not self._closed:
            self._draining_soon = self._loop.call_soon(self._drain_now)

    def close(self, linger_ms: int = 0) -> None:
        """Stop reading and close; what still waits to be written has `linger_ms` for it."""
        if self._closed:
            return
        self._closed = True
        if self._draining_soon is not None:
            self._draining_soon.cancel()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close(linger=linger_ms)

    def _drain_now(self) -> None:
        self._draining_soon = None
        self.drain()

    def _drain_if_ready(self) -> None:
        """After a send: asking for EVENTS (2.0) is cheaper than a `recv` that fails (4.3)."""
        self._draining_soon = None
        if not self._closed and int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            self.drain()

    def _take_dealer(self) -> int:
        body = self._socket.recv(zmq.NOBLOCK)
        if body:
            self._arrive(b"", body)
        return len(body)

    def _take_router(self) -> int:
        identity = self._socket.recv(zmq.NOBLOCK)
        if self._check_names:
            body = self._named_body(identity)
            if body is None:
                return 0
        else:
            body = self._socket.recv(zmq.NOBLOCK)
        if body:
            self._arrive(identity, body)
        elif self._probe is not None:
            self._probe(identity)
        return len(body)

    def _named_body(self, identity: bytes) -> bytes | None:
        frame = self._socket.recv(zmq.NOBLOCK, copy=False)
        if identity.rpartition(b".")[0] == user_id(frame):
            return frame.bytes
        if self._refused is not None:
            self._refused(identity)
        return None


def user_id(frame: zmq.Frame) -> bytes:
    """The name that the peer's key was accepted under; empty if there was no check."""
    try:
        value = frame.get("User-Id")
    except zmq.ZMQError:
        return b""
    return value.encode() if isinstance(value, str) else b""


class DisconnectMonitor:
    """Calls `disconnected` when a DEALER's connection breaks."""

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        loop: asyncio.AbstractEventLoop,
        disconnected: Callable[[], None],
    ) -> None:
        self._watched = socket
        self._loop = loop
        self._disconnected = disconnected
        self._events: zmq.Socket[bytes] = socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        loop.add_reader(self._events.fileno(), self.drain)
        loop.call_soon(self.drain)

    def drain(self) -> None:
        """Each event is two parts; which one is known: only disconnects were asked for."""
        if self._events.closed:
            return
        for _ in range(_MONITOR_FRAMES_MAX):
            try:
                self._events.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._disconnected()
        self._loop.call_soon(self.drain)

    def close(self) -> None:
        """Before the watched socket is closed."""
        if not self._events.closed:
            self._loop.remove_reader(self._events.fileno())
            self._watched.disable_monitor()
            self._events.close(linger=0)  # disable_monitor leaves it open: term() would wait for it
