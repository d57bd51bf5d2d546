"""A slot's rows as of one moment, in parts, for a copy that lacks what the log has no more. Pure.

Rules (replication.md 2.6):
1. A snapshot holds everything that `apply` made and that an answer or a reader needs: rows, events,
   Forwards, answers, the slot's position. The log is not in it: its receiver begins behind it. What
   a copy promised is its own and stays.
2. Parts are read in the order of the ranges; a cursor says where the next one begins, so that the
   receiver asks for them one by one and holds one at a time.
3. A node keeps `SOURCES_MAX` snapshots open, the one that was asked least lately goes first: who
   asks for one that is gone gets a new one, from its start.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

from hubbub.base.units import KIB
from hubbub.wire.replication import Ask, Part, Terms
from node import keys
from node.store.api import DeleteRange, Family, Op, Snapshot

PART_BYTES_MAX: Final = 256 * KIB
_PAGE: Final = 500
Range: TypeAlias = tuple[Family, bytes, bytes]
Cursor: TypeAlias = tuple[int, bytes]  # number of the range, first key
Row: TypeAlias = tuple[int, bytes, bytes]  # family, key, value
START: Final[Cursor] = (0, b"")


# What the end of an installation writes: the slot's position and its terms.
_LAST: Final = (b"m", b"t", b"b")
SOURCES_MAX: Final = 4  # each holds back compaction; double lets more newcomers catch up at once
ASK_AGAIN_MS: Final = 1_000
SOURCE_LOST_MS: Final = 10_000


class Rows(NamedTuple):
    """Some rows, and where the next ones begin; None: those were the last."""

    rows: tuple[Row, ...]
    cursor: Cursor | None


def slot_ranges(slot: int, hours: range) -> list[Range]:
    """Where everything of a slot stands but its log. Args: hours: that answers are kept of."""
    start, end = keys.slot_range(slot)
    return [
        *((Family.META, *one) for one in keys.meta_ranges(slot)),
        (Family.CHAN, start, end),
        (Family.STATE, start, end),
        (Family.OUTBOX, start, end),
        *((Family.DEDUP, *keys.dedup_range(hour, slot)) for hour in hours),
    ]


def wipe(slot: int, hours: range) -> list[Op]:
    """Delete all of it, and the log."""
    ranges = [*slot_ranges(slot, hours), (Family.LOG, *keys.slot_range(slot))]
    return [DeleteRange(*one) for one in ranges]


def read_part(snapshot: Snapshot, ranges: list[Range], cursor: Cursor) -> Rows:
    """The rows from a cursor on, until PART_BYTES_MAX is passed. Raises StoreError."""
    number, key = cursor
    rows: list[Row] = []
    size = 0
    while number < len(ranges):
        family, start, end = ranges[number]
        page = snapshot.iterate(family, max(start, key), end, limit=_PAGE)
        for found, value in page:
            rows.append((family, found, value))
            size += len(found) + len(value)
            if size >= PART_BYTES_MAX:
                return Rows(tuple(rows), (number, found + b"\x00"))
        if len(page) < _PAGE:
            number, key = number + 1, b""
        else:
            key = page[-1][0] + b"\x00"
    return Rows(tuple(rows), None)


class _Source(NamedTuple):
    id: int
    snapshot: Snapshot
    ranges: list[Range]
    meta: bytes
    terms: Terms


class Sources:
    """Snapshots that are being sent, by (slot, receiver's storage id); shared by a node's slots."""

    def __init__(self, first_id: int) -> None:
        """Args: first_id: no other process start of this node uses ids from here on."""
        self._next_id = first_id
        self._open: dict[tuple[int, str], _Source] = {}  # the one asked last is the last

    def find(self, slot: int, ask: Ask) -> _Source | None:
        """The snapshot that is asked for, if it is open."""
        source = self._open.get((slot, ask.storage))
        return source if source is not None and source.id == ask.snapshot else None

    def open(
        self, slot: int, to: str, snapshot: Snapshot, meta: bytes, terms: Terms, hours: range
    ) -> _Source:
        """Keep a snapshot for a receiver, in place of an earlier one."""
        self._close((slot, to))
        while len(self._open) >= SOURCES_MAX:
            self._close(next(iter(self._open)))
        self._next_id += 1
        source = _Source(self._next_id, snapshot, slot_ranges(slot, hours), meta, terms)
        self._open[slot, to] = source
        return source

    def part(self, slot: int, storage: str, source: _Source, ask: Ask) -> Part:
        """What is asked for. Raises StoreError."""
        self._open[slot, ask.storage] = self._open.pop((slot, ask.storage))
        cursor = (ask.place, ask.key) if ask.snapshot == source.id else START
        rows, following = read_part(source.snapshot, source.ranges, cursor)
        if following is None:
            self._close((slot, ask.storage))
        place, key = following if following is not None else (-1, b"")
        return Part(storage, source.id, source.meta, source.terms, *cursor, rows, place, key)

    def _close(self, name: tuple[int, str]) -> None:
        source = self._open.pop(name, None)
        if source is not None:
            source.snapshot.close()


class Install:
    """A snapshot that is being received from one source."""

    def __init__(self, source: str, now_ms: int) -> None:
        self.source = source
        self.snapshot = 0
        self._cursor = START
        self._asked_ms = self._heard_ms = now_ms

    def ask(self, storage: str, now_ms: int) -> Ask:
        """What to ask the source now."""
        self._asked_ms = now_ms
        return Ask(storage, self.snapshot, *self._cursor)

    def is_due(self, now_ms: int) -> bool:
        """No answer came: ask again."""
        return now_ms - self._asked_ms >= ASK_AGAIN_MS

    def is_lost(self, now_ms: int) -> bool:
        """The source fell silent."""
        return now_ms - self._heard_ms >= SOURCE_LOST_MS

    def is_next(self, part: Part) -> bool:
        """It is what was asked for, or the first part of a newer snapshot."""
        begins = part.from_place, part.from_key
        if part.storage != self.source or part.snapshot < self.snapshot:
            return False
        return begins == (self._cursor if part.snapshot == self.snapshot else START)

    def is_new(self, part: Part) -> bool:
        """The source has begun anew: what was received before is of another moment."""
        return bool(self.snapshot) and part.snapshot != self.snapshot

    def take(self, part: Part, now_ms: int) -> list[Op]:
        """What to write; the slot's position and terms come last, by `Replica.finish_install`."""
        self.snapshot, self._heard_ms = part.snapshot, now_ms
        self._cursor = (max(0, part.place), part.key)
        return [
            (Family(family), key, value)
            for family, key, value in part.rows
            if family != Family.META or key[:1] not in _LAST
        ]
