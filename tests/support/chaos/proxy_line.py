"""One direction through the chaos proxy: the faults of the line, and the pump of a connection.

Rules:
1. Bytes of one direction of one connection never change or change places.
2. Nothing is buffered without bound. Held or delayed bytes: HELD_BYTES_MAX for each direction of a
   connection, then the pump stops reading, and the sender feels back-pressure.
3. An end of stream and a reset travel like bytes: they are delayed, held and swallowed.
4. A pump that lost bytes has a hole: from then on it passes nothing, and waits to be reset.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from enum import Enum
from math import inf
from random import Random
from typing import Any, Final, NamedTuple

from tests.support.chaos.proxy_orders import WayCounts

CHUNK_BYTES: Final = 64 * 1024
# Half hides less of a cut from the sender's own buffers; double would let more old bytes arrive at
# once after a heal.
HELD_BYTES_MAX: Final = 256 * 1024
SLICE_S: Final = 0.02  # a throttled line passes on this much at a time: smooth, and few wake-ups


class Cut(Enum):
    """What becomes of bytes."""

    NONE = "none"
    HOLD = "hold"
    SWALLOW = "swallow"


class Line:
    """One direction: its faults, its counters, and a bell for those who wait for a change."""

    def __init__(self) -> None:
        self.delay_s = 0.0
        self.jitter_s = 0.0
        self.bytes_per_s = inf
        self.cut = Cut.NONE
        self.passed = self.swallowed = self.held = 0
        self._free_at = 0.0  # when the throttled line has carried what it was given
        self._changed = asyncio.Event()

    @property
    def counts(self) -> WayCounts:
        return WayCounts(self.passed, self.swallowed, self.held)

    def change(self, **settings: Any) -> None:
        """Set attributes, and wake whoever waits under the old ones."""
        for name, value in settings.items():
            setattr(self, name, value)
        self._free_at = 0.0
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_changed(self, seconds: float) -> None:
        """Until a change, or until the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(None if seconds == inf else seconds):
                await self._changed.wait()

    async def wait_open(self) -> None:
        """Until it is not cut."""
        while self.cut is not Cut.NONE:
            await self.wait_changed(inf)

    def wait_s(self, came_at: float, draw: float, now: float) -> float:
        """How long what came then has still to wait. Args: draw: its jitter, -1 to 1."""
        if self.cut is Cut.HOLD:
            return inf
        return max(came_at + self.delay_s + self.jitter_s * draw, self._free_at) - now

    def slice_bytes(self) -> int:
        """How much may pass at once."""
        if self.bytes_per_s == inf:
            return CHUNK_BYTES
        return max(1, min(CHUNK_BYTES, int(self.bytes_per_s * SLICE_S)))

    def carry(self, count: int, now: float) -> None:
        """Note that so many bytes are passed on now."""
        self.passed += count
        if self.bytes_per_s != inf:
            self._free_at = max(now, self._free_at) + count / self.bytes_per_s


class ResetPassed(Exception):
    """A reset, or our order for one, has reached the connection."""


class _Piece(NamedTuple):
    """What was read at once; `data` is empty at the end of the stream, None for a reset."""

    came_at: float
    draw: float
    data: bytes | None


class Pump:
    """One direction of one connection: reads ahead within a bound, writes when the line allows."""

    def __init__(
        self,
        line: Line,
        random: Random,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
    ) -> None:
        self.has_hole = False
        self._line = line
        self._random = random
        self._source = source
        self._target = target
        self._pieces: deque[_Piece] = deque()
        self._held = 0
        self._came = asyncio.Event()
        self._room = asyncio.Event()

    async def read(self) -> None:
        """Take what comes, up to the bound, until its end."""
        while True:
            while self._held >= HELD_BYTES_MAX:
                self._room.clear()
                await self._room.wait()
            data: bytes | None
            try:
                data = await self._source.read(CHUNK_BYTES)
            except OSError:
                data = None
            now = asyncio.get_running_loop().time()
            self._pieces.append(_Piece(now, self._random.uniform(-1, 1), data))
            self._hold(len(data or b""))
            self._came.set()
            if not data:
                return

    async def write(self) -> None:
        """Pass on or swallow it all. Raises ResetPassed where a reset arrives."""
        while True:
            while not self._pieces:
                self._came.clear()
                await self._came.wait()
            piece = self._pieces.popleft()
            await self._pass_on(piece)
            if not piece.data:
                return

    def drop(self) -> None:
        """Forget what is held: the connection is over."""
        self._line.held -= self._held
        self._held = 0

    async def _pass_on(self, piece: _Piece) -> None:
        line, loop = self._line, asyncio.get_running_loop()
        rest = memoryview(piece.data or b"")
        while True:
            if line.cut is Cut.SWALLOW or self.has_hole:
                line.swallowed += len(rest)
                self._hold(-len(rest))
                self.has_hole = True
                return
            wait_s = line.wait_s(piece.came_at, piece.draw, loop.time())
            if wait_s > 0:
                await line.wait_changed(wait_s)
                continue
            if piece.data is None:
                raise ResetPassed
            part, rest = rest[: line.slice_bytes()], rest[line.slice_bytes() :]
            line.carry(len(part), loop.time())
            self._hold(-len(part))
            await self._send(part)
            if not rest:
                return

    async def _send(self, part: memoryview) -> None:
        """Write, and wait for the receiver; an empty part is the end of the stream."""
        try:
            if part:
                self._target.write(part)
                await self._target.drain()
            else:
                self._target.write_eof()
        except OSError:
            self.has_hole = True  # the receiver is gone: the way back will tell the sender

    def _hold(self, change: int) -> None:
        self._held += change
        self._line.held += change
        if self._held < HELD_BYTES_MAX:
            self._room.set()
