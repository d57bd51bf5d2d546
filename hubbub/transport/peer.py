"""The links of one process over ZeroMQ: one ROUTER that others dial, one DEALER a dialled peer.
On ipc:// the loop speaks its protocol itself; what joins roles of one process needs none.

Rules:
1. Everything runs in the loop's thread; there is no task, only callbacks: readers, one `call_soon`
   for what waits, one timer.
2. The one timer wakes for the earliest of: a gathered frame, a beat, a death, a safety drain.
3. A role has one `Peers`, and that one ZeroMQ context (I/O thread: with the first socket).
4. A connection that breaks is followed by knocks at the peer's address until the peer is heard, or
   down, or nobody listens there (`transport.knock`). Of a peer that dials us `address_of` tells it.
5. Addresses: ipc:// (the folder's rights are the protection; `transport.stream`), tcp:// with keys,
   never without (libzmq: `transport.sockets`), or inproc:// between the roles of one process,
   without ZeroMQ (`transport.inproc`).

Long because dialling, listening, losing and timing a peer share one set of links.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import zmq

from hubbub.base.units import MIB
from hubbub.transport.curve import Authenticator, Keys, KeysError
from hubbub.transport.inproc import InprocListener, InprocSocket
from hubbub.transport.knock import Knock
from hubbub.transport.limits import LinkLimits
from hubbub.transport.sockets import (
    INPROC,
    AddressError,
    DisconnectMonitor,
    FrameSocket,
    check_address,
    set_dealer_options,
    set_options,
    set_router_options,
)
from hubbub.transport.stream import StreamListener, StreamSocket
from hubbub.transport.table import Entry, Handler, LinkTable, MonotonicClock

__all__ = ["AddressError", "Handler", "Keys", "KeysError", "Peers"]

_SAFETY_BUSY_MS: Final = 50  # while frames came in the last second; a lost wake-up costs this much
_SAFETY_IDLE_MS: Final = 1_000  # beats find the rest; 50 ms here cost 3.6 % of a core in all
# More frames than this in a second are traffic; below are the beats of a quiet cluster.
_TRAFFIC_FRAMES: Final = 20
# A dialled peer that is down for this long gets a new socket: [M] after a failed handshake or a
# frame that it refused, libzmq's own reconnect has given up for ever and says nothing.
_REDIAL_MS: Final = 2_000
# For the last frames to be written after a close. A peer that does not read loses them anyway.
_CLOSE_LINGER_MS: Final = 100


_Socket: TypeAlias = FrameSocket | InprocSocket | StreamSocket
_IPC: Final = "ipc://"


class _Route:
    """How frames reach a peer: its socket, and on a ROUTER its identity."""

    __slots__ = ("address", "identity", "monitor", "socket", "used_ms")

    def __init__(self, socket: _Socket, identity: bytes = b"", address: str = "") -> None:
        self.socket = socket
        self.identity = identity
        self.address = address
        self.monitor: DisconnectMonitor | None = None
        self.used_ms = 0.0  # dialled, or last seen live

    def close(self, linger_ms: int = 0) -> None:
        if self.monitor is not None:
            self.monitor.close()
        self.socket.close(linger_ms)


class Peers(LinkTable[_Route]):
    """Connects, listens, and moves the frames of the table. Made inside a running loop."""

    def __init__(
        self,
        name: str,
        boot_id: int,
        generation: int,
        handler: Handler,
        clock: MonotonicClock,
        *,
        keys: Keys | None = None,
        window_bytes: int = 4 * MIB,
        limits: LinkLimits | None = None,
    ) -> None:
        """Args: clock: `hubbub.runtime.clock.Clock` or a fake. limits: win over window_bytes."""
        limits = limits or LinkLimits(window_bytes_max=window_bytes, ack_bytes=window_bytes // 8)
        super().__init__(name, boot_id, generation, handler, clock, limits)
        self._keys = keys
        self._loop = asyncio.get_running_loop()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._authenticator: Authenticator | None = None
        self._listeners: list[FrameSocket | InprocListener | StreamListener] = []
        self._by_identity: dict[bytes, Entry[_Route]] = {}
        self._knocks: dict[str, Knock] = {}  # by the peer's name
        self.address_of: Callable[[str], str] = lambda _: ""  # "": not known
        self._flush_handle: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ms = 0.0
        self._tick_ms = 0.0  # when the table wants its tick
        self._safety_ms = 0.0
        self._busy_until_ms = 0.0
        self._sampled = (0.0, 0)  # time, frames received: for the rate that is traffic
        self._closed = False
        self._arm(self._clock.monotonic_ms())

    def listen(self, address: str) -> str:
        """Bind a ROUTER; the address to dial, with the port that the kernel chose.

        Raises AddressError, KeysError (tcp:// without keys), OSError (in use).
        """
        check_address(address)
        if address.startswith(INPROC):
            made = InprocListener(address, self._loop, self._met, self._limits.hwm_frames)
            self._listeners.append(made)
            return address
        if address.startswith(_IPC):
            self._listeners.append(
                StreamListener(
                    address.removeprefix(_IPC),
                    self._loop,
                    self._limits,
                    self._heard,
                    self._stream_left,
                )
            )
            return address
        keys = self._keys_for(address)
        socket = self._context.socket(zmq.ROUTER)
        try:
            set_options(socket, self._limits)
            set_router_options(socket)
            self._authenticate(keys)
            keys.configure_server(socket)
            socket.bind(f"{address[:-2]}:*" if address.endswith(":0") else address)
        except BaseException:
            socket.close(linger=0)
            raise
        bound = str(socket.getsockopt(zmq.LAST_ENDPOINT).decode().rstrip("\0"))  # type: ignore[union-attr]
        listener: FrameSocket

        def arrive(identity: bytes, frame: bytes) -> None:
            entry = self._by_identity.get(identity) or self._identified(identity, listener)
            if entry is not None:
                self.arrived(entry, frame)

        def probe(identity: bytes) -> None:
            entry = self._by_identity.get(identity) or self._identified(identity, listener)
            if entry is not None:
                self._greet(entry)

        listener = FrameSocket(
            socket, self._loop, arrive, probe, check_names=True, refused=self._refuse
        )
        self._listeners.append(listener)
        return bound

    def dial(self, name: str, address: str) -> None:
        """Keep connected to a peer; another address replaces the connection (peer_down if live).

        Raises AddressError, KeysError (tcp:// without keys or without its public key).
        """
        check_address(address)
        if address.startswith("tcp://"):
            self._keys_for(address)
        known = self._entries.get(name)
        if known is not None and known.route is not None and known.dialled:
            if known.route.address == address:
                return
            known.route.close()
            if known.live:  # what is sent now must not reach whoever is there before its peer_up
                self._down(known)
        self._connect(name, address)

    def hangup(self, name: str) -> None:
        """Give a dialled peer up; peer_down if it was live."""
        entry = self._entries.get(name)
        if entry is not None and entry.dialled:
            if entry.route is not None:
                entry.route.close()
            self._forget(entry)

    def statistics(self) -> dict[str, Any]:
        """The table's, and how often a connection was refused for its key."""
        refused = self._authenticator.refused if self._authenticator is not None else 0
        return {**super().statistics(), "refused_keys": refused}

    async def close(self) -> None:
        """Send what waits to live peers, then close all sockets. May be called twice."""
        if self._closed:
            return
        for entry in list(self._entries.values()):
            if entry.live and entry.link.due_ms() is not None:
                self._send_frame(entry, self._clock.monotonic_ms())
        self._closed = True
        for handle in (self._flush_handle, self._timer):
            if handle is not None:
                handle.cancel()
        for knocking in self._knocks.values():
            knocking.close()
        for entry in self._entries.values():
            if entry.dialled and entry.route is not None:
                entry.route.close(_CLOSE_LINGER_MS)
        for listener in self._listeners:
            listener.close(_CLOSE_LINGER_MS)
        if self._authenticator is not None:
            self._authenticator.close()
        await asyncio.to_thread(self._context.term)  # waits for the lingering frames

    # --- sockets

    def _connect(self, name: str, address: str) -> None:
        identity = f"{self.name}.{self.boot_id}".encode()
        if address.startswith(INPROC):
            end = InprocSocket(self._loop, self._limits.hwm_frames)
            self._read(self._dialled(name, self._route_to(end, address)), end)
            end.connect(address, identity)
            return
        if address.startswith(_IPC):
            self._dial_stream(name, address, identity)
            return
        keys = self._keys_for(address)
        socket = self._context.socket(zmq.DEALER)
        try:
            set_options(socket, self._limits)
            set_dealer_options(socket, identity)
            keys.configure_client(socket, name)
        except BaseException:
            socket.close(linger=0)
            raise
        entry: Entry[_Route]

        def arrive(_identity: bytes, frame: bytes) -> None:
            self.arrived(entry, frame)

        route = self._route_to(FrameSocket(socket, self._loop, arrive), address)
        entry = self._dialled(name, route)
        route.monitor = DisconnectMonitor(socket, self._loop, lambda: self._disconnected(entry))
        socket.connect(address)

    def _dial_stream(self, name: str, address: str, identity: bytes) -> None:
        entry: Entry[_Route]

        def heard(_end: StreamSocket, _peer: bytes, frame: bytes) -> None:
            if frame:
                self.arrived(entry, frame)

        def left(end: StreamSocket, _peer: bytes) -> None:
            if entry.route is not None and entry.route.socket is end:  # not replaced meanwhile
                self._disconnected(entry)

        end = StreamSocket(self._loop, self._limits, heard, left)
        entry = self._dialled(name, self._route_to(end, address))
        end.dial(address.removeprefix(_IPC), identity)

    def _heard(self, end: StreamSocket, identity: bytes, frame: bytes) -> None:
        """Somebody who connected to our path said something; empty: his probe."""
        entry = self._by_identity.get(identity)
        if entry is None or entry.route is None or entry.route.socket is not end:
            entry = self._identified(identity, end)
            if entry is None:
                return
        if frame:
            self.arrived(entry, frame)
        else:
            self._greet(entry)

    def _stream_left(self, end: StreamSocket, identity: bytes) -> None:
        entry = self._by_identity.get(identity)
        if entry is not None and entry.route is not None and entry.route.socket is end:
            self._disconnected(entry)

    def _route_to(self, socket: _Socket, address: str) -> _Route:
        route = _Route(socket, address=address)
        route.used_ms = self._clock.monotonic_ms()
        return route

    def _met(self, identity: bytes, end: InprocSocket) -> None:
        """Somebody in this process dialled us."""
        entry = self._identified(identity, end)
        if entry is None:
            end.close()
            return
        self._read(entry, end)
        self._greet(entry)

    def _read(self, entry: Entry[_Route], end: InprocSocket) -> None:
        def left() -> None:
            if entry.route is not None and entry.route.socket is end:  # not replaced meanwhile
                self._disconnected(entry)

        end.arrive = lambda frame: self.arrived(entry, frame)
        end.left = left

    def _redial(self, now_ms: float) -> None:
        """A new socket for each dialled peer that has been down for too long."""
        for entry in list(self._entries.values()):
            route = entry.route
            if route is None or not entry.dialled:
                continue
            if entry.live:
                route.used_ms = now_ms
            elif now_ms - route.used_ms >= _REDIAL_MS:
                route.close()
                self._connect(entry.name, route.address)

    def _keys_for(self, address: str) -> Keys:
        if self._keys is None:
            raise KeysError(f"{address}: tcp:// needs keys")
        return self._keys

    def _authenticate(self, keys: Keys) -> None:
        if self._authenticator is None:
            self._authenticator = Authenticator(self._context, self._loop, keys, self._clock)

    def _identified(self, identity: bytes, listener: _Socket) -> Entry[_Route] | None:
        """The entry of an identity that is heard for the first time; None: refused."""
        name, _, boot = identity.decode("ascii", "replace").rpartition(".")
        if not name or not boot.isdecimal() or not 0 < int(boot) < 1 << 64:
            self._refuse(identity)
            return None
        known = self._entries.get(name)
        before = known.route if known is not None else None
        if before is not None:
            self._by_identity.pop(before.identity, None)
        entry = self._listened(name, int(boot), _Route(listener, identity))
        if entry is None:
            return None
        self._by_identity[identity] = entry
        old = before.socket if before is not None else None
        if isinstance(old, StreamSocket) and old is not listener:
            old.close()  # one connection a name: the newest
        return entry

    def _refuse(self, _identity: bytes) -> None:
        self.counts.refused_identity_total += 1

    def _disconnected(self, entry: Entry[_Route]) -> None:
        self._suspect(entry)
        self._arm(self._clock.monotonic_ms())
        if entry.suspect_ms is not None and not self._closed:
            self._knock(entry)

    def _knock(self, entry: Entry[_Route]) -> None:
        """Rule 4."""
        address = self.address_of(entry.name)
        if not address and entry.dialled and entry.route is not None:
            address = entry.route.address
        if entry.name in self._knocks:
            self._knocks.pop(entry.name).close()
        if not address or address.startswith(INPROC):
            return

        def refused() -> None:
            self._knocks.pop(entry.name, None)
            self._refused(entry)

        self._knocks[entry.name] = Knock(self._loop, address, refused)

    def _stop_knocking(self) -> None:
        """At peers that were heard again, or are down."""
        for name in list(self._knocks):
            if self._entries[name].suspect_ms is None:
                self._knocks.pop(name).close()

    # --- the table's needs

    def _transmit(self, entry: Entry[_Route], frame: bytes) -> bool:
        route = entry.route
        if route is None:
            return False
        if route.socket.send(route.identity, frame):
            return True
        if route.identity:  # unreachable or full for 1,000 frames: heard soon, or down
            self._suspect(entry)
            if entry.live and entry.name not in self._knocks:
                self._knock(entry)
        return False

    def _wake(self) -> None:
        if self._flush_handle is None and not self._closed:
            self._flush_handle = self._loop.call_soon(self._flush_now)

    def _flush_now(self) -> None:
        self._flush_handle = None
        due_ms = self.flush()
        if due_ms is not None and due_ms < self._timer_ms:
            self._set_timer(due_ms, self._clock.monotonic_ms())

    # --- the timer

    def _arm(self, now_ms: float) -> None:
        """Set the timer to the earliest of all that is due."""
        if self._closed:
            return
        self._tick_ms = self.tick()
        self._stop_knocking()
        self._set_timer(min(self._tick_ms, max(self._safety_ms, now_ms)), now_ms)

    def _set_timer(self, due_ms: float, now_ms: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_ms = due_ms
        self._timer = self._loop.call_later(max(0.0, due_ms - now_ms) / 1_000, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        now_ms = self._clock.monotonic_ms()
        if now_ms >= self._safety_ms:
            self._drain_for_safety(now_ms)
        flush_ms = self.flush()
        if now_ms >= self._tick_ms:
            self._redial(now_ms)
            self._tick_ms = self.tick()
            self._stop_knocking()
        due_ms = min(self._tick_ms, self._safety_ms)
        self._set_timer(due_ms if flush_ms is None else min(due_ms, flush_ms), now_ms)

    def _drain_for_safety(self, now_ms: float) -> None:
        """Rule 3 of `sockets`, at a pace that follows the traffic."""
        sockets = self._sockets()
        if not sockets:  # nothing can be lost on inproc:// links
            self._safety_ms = now_ms + _SAFETY_IDLE_MS
            return
        before = self.counts.frames_received_total
        for socket in sockets:
            self.counts.lost_wakeups_total += socket.drain_lost()
        since_ms, frames = self._sampled
        if now_ms - since_ms >= _SAFETY_IDLE_MS:
            if before - frames > _TRAFFIC_FRAMES * max(1, len(sockets)):
                self._busy_until_ms = now_ms + _SAFETY_IDLE_MS
            self._sampled = (now_ms, before)
        busy = now_ms < self._busy_until_ms
        self._safety_ms = now_ms + (_SAFETY_BUSY_MS if busy else _SAFETY_IDLE_MS)

    def _sockets(self) -> list[FrameSocket]:
        """Those that ZeroMQ has to wake us for."""
        dialled = [
            entry.route.socket
            for entry in self._entries.values()
            if entry.dialled and entry.route is not None
        ]
        return [s for s in (*self._listeners, *dialled) if isinstance(s, FrameSocket)]
