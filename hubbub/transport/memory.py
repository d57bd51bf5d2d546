"""The twin of `Peers` for tests: the same table and links, frames over a deterministic network.

Rules:
1. Nothing happens until `run`: then frames are delivered in sending order, one at a time, until all
   is quiet. `advance` moves the clock and runs what falls due on the way.
2. A frame is dropped only where a test says so: `drop` sees every frame; `cut` breaks a connection,
   which both sides can notice as they would on a socket.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, TypeAlias

from hubbub.base.units import MIB
from hubbub.transport.limits import LinkLimits
from hubbub.transport.table import Entry, Handler, LinkTable

Drop: TypeAlias = Callable[[str, str, bytes], bool]  # sender, receiver, frame → lose it
_TURNS_MAX = 1_000_000  # two parties that answer each other for ever are a bug, not a long test


class MemoryNetwork:
    """Connects the MemoryPeers of one test; is the clock of all of them."""

    def __init__(self) -> None:
        self.now_ms = 1_000_000
        self.drop: Drop = lambda _sender, _receiver, _frame: False
        self.frames = 0
        self._peers: list[MemoryPeers] = []
        self._listeners: dict[str, MemoryPeers] = {}
        self._queue: deque[Callable[[], None]] = deque()

    def monotonic_ms(self) -> int:
        """The network is the clock."""
        return self.now_ms

    def peers(self, name: str, boot_id: int, handler: Handler, **options: Any) -> MemoryPeers:
        """A process on this network. Options: generation, limits, window_bytes."""
        made = MemoryPeers(self, name, boot_id, handler, **options)
        self._peers.append(made)
        return made

    def run(self) -> None:
        """Deliver until nothing is under way; gathered frames stay until their time."""
        for _ in range(_TURNS_MAX):
            if self._queue:
                self._queue.popleft()()
            elif not any(peers.flush_if_woken() for peers in list(self._peers)):
                return
        raise AssertionError("the network does not become quiet")

    def advance(self, ms: int) -> None:
        """Let time pass, stopping at everything that falls due."""
        end_ms = self.now_ms + ms
        self.run()
        while True:
            due_ms = min((peers.due_ms for peers in self._peers), default=end_ms + 1)
            if due_ms > end_ms:
                break
            self.now_ms = max(self.now_ms, int(-(-due_ms // 1)))
            for peers in list(self._peers):
                peers.tick_if_due(self.now_ms)
            self.run()
        self.now_ms = end_ms

    def cut(self, dialler: str, listener: str) -> None:
        """Break a connection: frames under way are lost; it stays broken until `mend`."""
        self._dialler(dialler).cut(listener)

    def mend(self, dialler: str, listener: str) -> None:
        """The connection comes back, as ZeroMQ's reconnect does."""
        self._dialler(dialler).mend(listener)

    def _dialler(self, name: str) -> MemoryPeers:
        return next(peers for peers in reversed(self._peers) if peers.name == name)

    # --- for MemoryPeers

    def listen(self, address: str, peers: MemoryPeers) -> None:
        self._listeners[address] = peers

    def listener(self, address: str) -> MemoryPeers | None:
        return self._listeners.get(address)

    def later(self, step: Callable[[], None]) -> None:
        self._queue.append(step)

    def remove(self, peers: MemoryPeers) -> None:
        self._peers.remove(peers)
        self._listeners = {a: p for a, p in self._listeners.items() if p is not peers}


class Wire:
    """One connection between a dialler and whoever listens at an address."""

    def __init__(self, address: str, dialler: MemoryPeers) -> None:
        self.address = address
        self.dialler = dialler
        self.listener: MemoryPeers | None = None
        self.broken = False

    def other_end(self, peers: MemoryPeers) -> MemoryPeers | None:
        """Who gets what `peers` sends; None while broken."""
        if self.broken or self.listener is None or self.listener.closed or self.dialler.closed:
            return None
        return self.listener if peers is self.dialler else self.dialler


class MemoryPeers(LinkTable[Wire]):
    """Has the methods of `Peers`."""

    def __init__(
        self,
        network: MemoryNetwork,
        name: str,
        boot_id: int,
        handler: Handler,
        *,
        generation: int = 1,
        window_bytes: int = 4 * MIB,
        limits: LinkLimits | None = None,
    ) -> None:
        limits = limits or LinkLimits(window_bytes_max=window_bytes, ack_bytes=window_bytes // 8)
        super().__init__(name, boot_id, generation, handler, network, limits)
        self._network = network
        self.closed = False
        self._woken = False
        self._flush_ms: float | None = None
        self._tick_ms: float = network.now_ms

    def listen(self, address: str) -> str:
        """Be found at an address; diallers that wait for it connect."""
        self._network.listen(address, self)
        return address

    def dial(self, name: str, address: str) -> None:
        """Connect, now or when somebody listens there (looked for with every beat)."""
        known = self._entries.get(name)
        if known is not None and known.dialled and known.route is not None:
            if known.route.address == address:
                return
            known.route.broken = True
        entry = self._dialled(name, Wire(address, self))
        self._network.later(lambda: self._try_connect(entry))

    def hangup(self, name: str) -> None:
        """Give a dialled peer up."""
        entry = self._entries.get(name)
        if entry is not None and entry.dialled:
            if entry.route is not None:
                entry.route.broken = True
            self._forget(entry)

    def kill(self) -> None:
        """End without a word, as kill -9 does; diallers notice the broken connection."""
        self.closed = True
        self._network.remove(self)

    async def close(self) -> None:
        """As `kill`, after what waits was handed over."""
        self.flush()
        self._network.run()
        if not self.closed:
            self.kill()

    def cut(self, listener: str) -> None:
        """See MemoryNetwork.cut."""
        entry = self._entries[listener]
        assert entry.route is not None
        entry.route.broken = True
        self._suspect(entry)
        self._tick_ms = self.tick()

    def mend(self, listener: str) -> None:
        """See MemoryNetwork.mend."""
        entry = self._entries[listener]
        assert entry.route is not None
        entry.route.broken = False
        entry.route.listener = None
        self._network.later(lambda: self._try_connect(entry))

    # --- for the network

    @property
    def due_ms(self) -> float:
        """When `tick_if_due` has something to do."""
        return self._tick_ms if self._flush_ms is None else min(self._tick_ms, self._flush_ms)

    def tick_if_due(self, now_ms: float) -> None:
        """What the timer of `Peers` does."""
        if self.closed or now_ms < self.due_ms:
            return
        self._flush_ms = self.flush()
        if now_ms >= self._tick_ms:
            for entry in list(self._entries.values()):
                self._look_after(entry)
            self._tick_ms = self.tick()

    def flush_if_woken(self) -> bool:
        """The end of the loop's turn."""
        if not self._woken or self.closed:
            return False
        self._woken = False
        self._flush_ms = self.flush()
        return True

    # ---

    def _look_after(self, entry: Entry[Wire]) -> None:
        """A dialler reconnects by itself and notices a listener that is gone."""
        wire = entry.route
        if wire is None or not entry.dialled or wire.broken:
            return
        if wire.listener is not None and wire.listener.closed:
            self._suspect(entry)
            wire.listener = None
        if wire.listener is None:
            self._try_connect(entry)

    def _try_connect(self, entry: Entry[Wire]) -> None:
        wire = entry.route
        if wire is None or wire.broken or self.closed:
            return
        wire.listener = self._network.listener(wire.address)
        if wire.listener is not None:
            wire.listener._connected(self, wire)

    def _connected(self, dialler: MemoryPeers, wire: Wire) -> None:
        entry = self._listened(dialler.name, dialler.boot_id, wire)
        if entry is not None:
            self._greet(entry)

    def _transmit(self, entry: Entry[Wire], frame: bytes) -> bool:
        wire = entry.route
        target = wire.other_end(self) if wire is not None else None
        if wire is None or target is None:
            if not entry.dialled:
                self._suspect(entry)
            return False
        self._network.frames += 1
        self._network.later(lambda: self._deliver(wire, target, frame))
        return True

    def _deliver(self, wire: Wire, target: MemoryPeers, frame: bytes) -> None:
        if wire.other_end(self) is not target or self._network.drop(self.name, target.name, frame):
            return
        if target is wire.dialler:
            entry = next((e for e in target._entries.values() if e.route is wire), None)
        else:
            entry = target._listened(self.name, self.boot_id, wire)
        if entry is not None:
            target.arrived(entry, frame)

    def _wake(self) -> None:
        self._woken = True
