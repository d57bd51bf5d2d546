"""What falls due in the slots that this node leads: one heap by time, bounded. Pure.

Rules:
1. The rows are the truth (`hubbub.features.due`). Here are index keys of committed rows only, and
   what is proposed here the slot looks up again: a row that is gone in the meantime does nothing.
2. Of each slot the earliest `WINDOW` are in memory. Up to its `horizon` a slot's window is whole;
   what lies behind is read from the store once most of the window is done.
3. Time is the slot's log time: the wall clock, or the slot's last entry where that is later (the
   clock was set back). So an entry is never older than what it was due for, and nothing waits for
   a clock to catch up.
4. In order of time; at most `PER_S_MAX` a second with `IN_FLIGHT_MAX` under way, so that a backlog
   leaves room for people. What was refused for the moment, or broke, is tried again, later each
   time, and holds nobody up.
5. Who leads no more forgets: the next leader finds the rows that are still there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple

import msgspec

from hubbub.base.backoff import full_jitter_ms
from node import keys

# Of one slot. A thousand led slots hold 256,000 keys of some 150 bytes; half means twice the reads
# of a backlog, each of one page.
WINDOW: Final = 256
_REFILL: Final = WINDOW // 4
# Of one node. A send costs as much as a proposal: double would take half of what a core can do.
PER_S_MAX: Final = 500
_BURST: Final = 50
IN_FLIGHT_MAX: Final = 200
# What a feature's bug keeps from succeeding stays in the store, and in memory up to this many a
# slot; the rest waits for the next leader, which may have better code.
FAILING_MAX: Final = 1_000
LOOK_MS_MAX: Final = 1_000  # a wall clock that jumps ahead is noticed within this
_BUSY_MS: Final = 20  # until the next look while there is more than may leave
_RETRY_MS_MIN: Final = 100
_RETRY_MS_MAX: Final = 60_000
_STALE_MAX: Final = 1_000  # heap entries of keys that were taken back, beyond the living ones

# (slot, after this key, limit) → committed index keys, ascending
Load = Callable[[int, bytes, int], Sequence[bytes]]


class DueChange(NamedTuple):
    """What an entry does to the index: a key that stands from now on, or does not any more."""

    key: bytes
    is_set: bool


class DueCounts(msgspec.Struct):
    """What /metrics shows of it."""

    set_total: int = 0
    fired_total: int = 0
    refused_total: int = 0  # `decide` refused for good; the row is gone as well
    gone_total: int = 0  # taken back, or done by an earlier proposal
    retried_total: int = 0
    forgotten_total: int = 0  # more failures in a slot than FAILING_MAX


class _Window:
    """The earliest keys of one slot."""

    __slots__ = ("failing", "horizon", "waiting")

    def __init__(self) -> None:
        self.waiting: set[bytes] = set()
        self.failing: dict[bytes, int] = {}  # key → how often; they wait in `Dues._retries`
        self.horizon: bytes | None = b""  # None: everything is here


class Dues:
    """What falls due in all slots that this node leads."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._windows: dict[int, _Window] = {}
        self._heap: list[tuple[int, bytes]] = []  # (due ms, key); some are stale
        self._retries: list[tuple[int, bytes]] = []  # (monotonic ms, key); some are stale
        self._in_flight: set[bytes] = set()
        self._tokens = float(_BURST)
        self._filled_ms = 0
        self.counts = DueCounts()

    # --- what there is

    def lead(self, slot: int) -> None:
        """A term began here: read what comes first."""
        window = self._windows[slot] = _Window()
        self._refill(slot, window)

    def forget(self, slot: int) -> None:
        """The slot is not led here any more."""
        self._windows.pop(slot, None)
        self._in_flight = {key for key in self._in_flight if keys.slot_of_meta(key) != slot}

    def change(self, slot: int, changes: Iterable[DueChange]) -> None:
        """Committed changes, in order."""
        window = self._windows.get(slot)
        if window is None:
            return
        for key, is_set in changes:
            if is_set:
                self.counts.set_total += 1
                self._add(slot, window, key)
            else:
                window.waiting.discard(key)
                window.failing.pop(key, None)
                self._in_flight.discard(key)  # the entry that is committed may set it anew
        self._refill(slot, window)

    def _add(self, slot: int, window: _Window, key: bytes) -> None:
        if window.horizon is not None and key > window.horizon:
            return  # it is read when its turn comes
        self._wait(window, key)
        if len(window.waiting) > 2 * WINDOW:
            kept = sorted(window.waiting)[:WINDOW]
            window.waiting, window.horizon = set(kept), kept[-1]
        self._sweep()

    def _refill(self, slot: int, window: _Window) -> None:
        while len(window.waiting) < _REFILL and window.horizon is not None:
            found = self._load(slot, window.horizon, WINDOW)
            window.horizon = found[-1] if len(found) == WINDOW else None
            for key in found:
                self._wait(window, key)

    def _wait(self, window: _Window, key: bytes) -> None:
        if not (key in window.waiting or key in window.failing or key in self._in_flight):
            window.waiting.add(key)
            heappush(self._heap, (keys.due_ms(key), key))

    def _sweep(self) -> None:
        """Drop stale entries of the heap once they are many."""
        if len(self._heap) <= _STALE_MAX:
            return
        living = sum(len(window.waiting) for window in self._windows.values())
        if len(self._heap) > 2 * living + _STALE_MAX:
            self._heap = [row for row in self._heap if self._is_waiting(row[1])]
            heapify(self._heap)

    def _is_waiting(self, key: bytes) -> bool:
        window = self._windows.get(keys.slot_of_meta(key))
        return window is not None and key in window.waiting

    # --- what is to be proposed

    def take(self, wall_ms: int, mono_ms: int, ahead: Mapping[int, int]) -> list[bytes]:
        """Keys to propose now, in order. Args: ahead: slot → log time, where that is later than
        the wall clock."""
        self._fill_tokens(mono_ms)
        taken: list[bytes] = []
        while self._heap and self._heap[0][0] <= wall_ms and self._has_room:
            self._take_waiting(heappop(self._heap)[1], taken)
        for slot, log_ms in ahead.items():
            window = self._windows.get(slot)
            for key in sorted(window.waiting) if window is not None else ():
                if keys.due_ms(key) > log_ms or not self._has_room:
                    break
                self._take_waiting(key, taken)
        while self._retries and self._retries[0][0] <= mono_ms and self._has_room:
            _, key = heappop(self._retries)
            window = self._windows.get(keys.slot_of_meta(key))
            if window is not None and key in window.failing and key not in self._in_flight:
                self._depart(key, taken)
        return taken

    def _take_waiting(self, key: bytes, taken: list[bytes]) -> None:
        slot = keys.slot_of_meta(key)
        window = self._windows.get(slot)
        if window is None or key not in window.waiting:
            return
        window.waiting.discard(key)
        self._depart(key, taken)
        self._refill(slot, window)

    def _depart(self, key: bytes, taken: list[bytes]) -> None:
        self._in_flight.add(key)
        self._tokens -= 1
        taken.append(key)

    @property
    def _has_room(self) -> bool:
        return self._tokens >= 1 and len(self._in_flight) < IN_FLIGHT_MAX

    def _fill_tokens(self, mono_ms: int) -> None:
        gained = (mono_ms - self._filled_ms) * PER_S_MAX / 1_000
        self._tokens = min(float(_BURST), self._tokens + gained)
        self._filled_ms = mono_ms

    def look_in_ms(self, wall_ms: int, mono_ms: int) -> int:
        """When to take again, at the latest; whatever changes in between may be earlier."""
        waits = [LOOK_MS_MAX]
        if self._heap:
            waits.append(self._heap[0][0] - wall_ms)
        if self._retries:
            waits.append(self._retries[0][0] - mono_ms)
        wait_ms = min(waits)
        return _BUSY_MS if wait_ms <= 0 else wait_ms

    # --- what became of it

    def fired(self, key: bytes, *, is_refused: bool = False, is_gone: bool = False) -> None:
        """Its entry is committed, or its row was not there any more."""
        self.counts.gone_total += is_gone
        self.counts.refused_total += is_refused
        self.counts.fired_total += not is_gone and not is_refused
        if is_gone:
            self._in_flight.discard(key)
            window = self._windows.get(keys.slot_of_meta(key))
            if window is not None:
                window.failing.pop(key, None)

    def failed(self, key: bytes, mono_ms: int, random: float, *, retry_after_ms: int = 0) -> None:
        """Not now: try again later."""
        window = self._windows.get(keys.slot_of_meta(key))
        if window is None or key not in self._in_flight:
            return
        self._in_flight.discard(key)
        attempt = window.failing.get(key, 0)
        if not attempt and len(window.failing) >= FAILING_MAX:
            self.counts.forgotten_total += 1
            return
        window.failing[key] = attempt + 1
        self.counts.retried_total += 1
        wait_ms = full_jitter_ms(
            attempt, base_ms=_RETRY_MS_MIN, max_ms=_RETRY_MS_MAX, random=random
        )
        wait_ms = min(max(wait_ms, retry_after_ms), _RETRY_MS_MAX)
        heappush(self._retries, (mono_ms + wait_ms, key))

    # --- what is told of it

    def __len__(self) -> int:
        """Keys in memory, those under way included."""
        windows = self._windows.values()
        waiting = sum(len(window.waiting) + len(window.failing) for window in windows)
        return waiting + sum(not self._is_failing(key) for key in self._in_flight)

    def _is_failing(self, key: bytes) -> bool:
        window = self._windows.get(keys.slot_of_meta(key))
        return window is not None and key in window.failing

    @property
    def spilled_count(self) -> int:
        """Slots with more in the store than in memory."""
        return sum(window.horizon is not None for window in self._windows.values())

    def late_ms(self, wall_ms: int) -> int:
        """How long the earliest one has been due already."""
        late = [keys.due_ms(key) for window in self._windows.values() for key in window.failing]
        late += [keys.due_ms(key) for key in self._in_flight]
        late += [due_ms for due_ms, key in self._heap[:1] if self._is_waiting(key)]
        return max(0, wall_ms - min(late, default=wall_ms))
