"""inproc:// links: both ends in one process and one loop. A frame is handed over, not sent.

Rules:
1. An address is bound once in a process. Who connects before it is bound waits until it is.
2. A frame arrives in a later turn of the loop, in order: never inside the `send` that took it.
3. As on a socket, a send takes the frame or says False: nobody is there, or `frames_max` wait.
4. When one end closes, the other hears of it after the frames that were sent before.
5. There are no keys. A frame never leaves the memory of the process; whoever can read or forge it
   there can read the keys as well.

Not ZeroMQ's transport of the same name, which wakes the loop through a descriptor for each frame:
[M] four hops cost 110 CPU-us at 200/s and 42 at 2,000/s with it, 13 and 3 here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from hubbub.transport.sockets import AddressError

Accept = Callable[[bytes, "InprocSocket"], None]  # the dialler's identity, our end

_bound: Final[dict[str, InprocListener]] = {}
_early: Final[dict[str, list[tuple[bytes, InprocSocket]]]] = {}  # who waits for an address


class InprocSocket:
    """One end of a connection. `arrive` and `left` are set before anything can come."""

    __slots__ = ("_frames_max", "_loop", "_other", "_under_way", "arrive", "is_closed", "left")

    def __init__(self, loop: asyncio.AbstractEventLoop, frames_max: int) -> None:
        """Args: frames_max: what may be under way to this end."""
        self.arrive: Callable[[bytes], None]  # takes each frame
        self.left: Callable[[], None]  # called once if the other end closes first
        self.is_closed = False
        self._loop = loop
        self._frames_max = frames_max
        self._other: InprocSocket | None = None
        self._under_way = 0

    def connect(self, address: str, identity: bytes) -> None:
        """Meet whoever binds the address, now or later. Raises AddressError: in another loop."""
        listener = _bound.get(address)
        if listener is not None:
            listener.meet(identity, self)
            return
        waiting = [pair for pair in _early.get(address, ()) if not pair[1].is_closed]
        _early[address] = [*waiting, (identity, self)]

    def join(self, other: InprocSocket) -> None:
        """Make these two the ends of one connection."""
        self._other, other._other = other, self

    def send(self, _identity: bytes, frame: bytes) -> bool:
        """Hand a frame over. False: nobody is there, or too much is under way."""
        other = self._other
        if other is None or other._under_way >= other._frames_max:
            return False
        other._under_way += 1
        self._loop.call_soon(other._take, frame)
        return True

    def close(self, _linger_ms: int = 0) -> None:
        """Take nothing more. What was sent still arrives."""
        self.is_closed = True
        other, self._other = self._other, None
        if other is not None:
            self._loop.call_soon(other._leave)

    def shares(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether its frames arrive in this loop."""
        return self._loop is loop

    def _take(self, frame: bytes) -> None:
        self._under_way -= 1
        if not self.is_closed:
            self.arrive(frame)

    def _leave(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            self._other = None
            self.left()


class InprocListener:
    """A bound address and the connections that were made to it."""

    def __init__(
        self, address: str, loop: asyncio.AbstractEventLoop, accept: Accept, frames_max: int
    ) -> None:
        """Bind. Args: accept: sets what our end needs; called in a turn of the loop of its own.

        Raises AddressError if the address is bound, or awaited in another loop.
        """
        if address in _bound:
            raise AddressError(f"{address}: is bound already in this process")
        self._address = address
        self._loop = loop
        self._accept = accept
        self._frames_max = frames_max
        self._ends: list[InprocSocket] = []
        for identity, end in _early.pop(address, ()):
            if not end.is_closed:
                self.meet(identity, end)
        _bound[address] = self

    def meet(self, identity: bytes, end: InprocSocket) -> None:
        """Connect a dialler's end. Raises AddressError if it lives in another loop."""
        if not end.shares(self._loop):
            raise AddressError(f"{self._address}: is bound in another event loop")
        self._loop.call_soon(self._met, identity, end)

    def close(self, _linger_ms: int = 0) -> None:
        """Give the address back and close the connections. May be called twice."""
        if _bound.get(self._address) is self:
            del _bound[self._address]
        for end in self._ends:
            end.close()
        self._ends = []

    def _met(self, identity: bytes, theirs: InprocSocket) -> None:
        if theirs.is_closed:
            return
        if _bound.get(self._address) is not self:  # closed in the turn between
            theirs.connect(self._address, identity)
            return
        ours = InprocSocket(self._loop, self._frames_max)
        ours.join(theirs)
        self._ends = [*(end for end in self._ends if not end.is_closed), ours]
        self._accept(identity, ours)
