"""Reads everything that this node holds once a week, before somebody needs it. Sans-IO but for the
store.

Rules (replication.md 2.12):
1. Slot after slot, each at its hour of the week; of one slot a page at a time, at most
   `bytes_per_s`, past the caches. Checksums are the store's: a damaged block raises.
2. The log is followed by its chain from its first entry to its last, so a row that is whole and
   wrong shows as well. Copies compare chains with every message: equal chains are equal logs.
3. What is damaged fails the slot here, which makes another copy lead it, and is told; it is
   never repaired by forgetting. Who holds the only copy goes on with what can be read.
4. Where it stands is stored with the slot that was read: a restart goes on there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from struct import Struct as Packed
from typing import Final

import msgspec

from hubbub.base.units import MIB
from hubbub.ring.hashing import chain as chain_of
from node import keys
from node.entry import CHAIN_BYTES
from node.slot import Slot
from node.snapshot import slot_ranges
from node.store.api import Family, Op, Store

BYTES_PER_S: Final = 5 * MIB
PAGE_ROWS: Final = 200  # some 64 KiB, half a millisecond: others wait for it
WEEK_MS: Final = 7 * 86_400_000
_CURSOR: Final = Packed(">HQ")


class ScrubCounts(msgspec.Struct):
    """What /metrics shows of it."""

    slots_total: int = 0
    bytes_total: int = 0
    damaged_total: int = 0


class Scrub:
    """Which slot is due, and the reading of it."""

    def __init__(
        self, store: Store, slots: Mapping[int, Slot], period_ms: int, now_ms: int
    ) -> None:
        """Args: slots: those held here, live. now_ms: wall clock. Raises StoreError."""
        self.counts = ScrubCounts()
        self._store = store
        self._slots = slots
        self._period_ms = period_ms
        row = store.get(Family.META, keys.SCRUBBED)
        self._last, self._at_ms = _CURSOR.unpack(row) if row is not None else (-1, now_ms)

    def due(self, now_ms: int) -> Slot | None:
        """The next slot once it is its turn. A clock that went back is no reason to wait."""
        held = sorted(self._slots)
        if not held or 0 <= now_ms - self._at_ms < self._period_ms // len(held):
            return None
        self._at_ms = now_ms
        self._last = next((number for number in held if number > self._last), held[0])
        return self._slots[self._last]

    def cursor(self) -> Op:
        """What to store once the slot is read."""
        return (Family.META, keys.SCRUBBED, _CURSOR.pack(self._last, self._at_ms))

    def read(self, slot: Slot, hours: range) -> Iterator[int]:
        """All pages of a slot: the bytes of each. Raises StoreError, DamagedLog."""
        for family, start, end in slot_ranges(slot.number, hours):
            yield from self._range(family, start, end)
        yield from self._log(slot)
        self.counts.slots_total += 1

    def _range(self, family: Family, start: bytes, end: bytes) -> Iterator[int]:
        while True:
            rows = self._store.scan(family, start, end, limit=PAGE_ROWS)
            yield self._counted(rows)
            if len(rows) < PAGE_ROWS:
                return
            start = rows[-1][0] + b"\x00"

    def _log(self, slot: Slot) -> Iterator[int]:
        log, number = slot.replica.log, slot.number
        index, chain = log.base, log.base_chain
        last = min(slot.applied, slot.replica.durable)  # what no leader cuts any more
        while index < last:
            start, end = keys.log(number, index + 1), keys.log(number, last + 1)
            rows = self._store.scan(Family.LOG, start, end, limit=PAGE_ROWS)
            if log.base > index:  # trimmed or replaced meanwhile: another time
                return
            if not rows:
                raise DamagedLog(f"entries {index + 1} to {last} are missing")
            for key, value in rows:
                at = keys.log_index(key)
                if at != index + 1 or chain_of(chain, value[CHAIN_BYTES:]) != keys.read_u64(value):
                    raise DamagedLog(f"entry {at} does not follow entry {index}")
                index, chain = at, keys.read_u64(value)
            yield self._counted(rows)

    def _counted(self, rows: list[tuple[bytes, bytes]]) -> int:
        size = sum(len(key) + len(value) for key, value in rows)
        self.counts.bytes_total += size
        return size


class DamagedLog(Exception):
    """A log that is readable and not what was written."""
