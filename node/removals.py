"""Copies that this node gave up: which, since when, and what deletes their rows. Sans-IO.

Rules (replication.md 2.7 step 5, bug 20, invariant I15):
1. A copy is given up when its slot's record is settled without it, at a term that is not below what
   the copy promised: then its members hold everything, and no later term asks this copy. (The
   change that excludes a copy makes it promise the very term of that record.)
2. No record, or one that is not settled, is no reason: what is not in the map stays on disk.
3. It must have been so for the whole grace, and still be so when the record is read anew from the
   coordinator, right before the rows are deleted.
4. Everything of the slot goes in one batch, but for the promise: who comes back must not vote
   twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from hubbub.ring.map import SlotRecord
from hubbub.ring.moves import is_held_by
from node import keys
from node.ready import Record
from node.replica import read_promise
from node.slot import SlotMeta, decode_meta
from node.snapshot import wipe
from node.store.api import Family, Store

# Above every token that a slot counts to: the writer reports it like any other.
REMOVED: Final = (1 << 63) - 1
# Range tombstones slow the reads of a family until it is compacted: not all of a node at once.
REMOVALS_MAX: Final = 64
_ROWS_MAX: Final = 1 << 17  # above the number of slots


def is_given_up(record: SlotRecord, storage: str, promised_term: int) -> bool:
    """Rule 1."""
    return record.term >= promised_term and not is_held_by(record, storage)


class Removals:
    """Since when copies are given up."""

    def __init__(self, storage: str, grace_ms: int) -> None:
        self._storage = storage
        self._grace_ms = grace_ms
        self._since: dict[int, int] = {}  # slot → ms

    @property
    def is_waiting(self) -> bool:
        """Copies are given up, and not for long enough."""
        return bool(self._since)

    def due(
        self,
        held: Iterable[int],
        record_of: Callable[[int], SlotRecord | None],
        now_ms: int,
    ) -> list[int]:
        """Slots whose rows may go, by what the map says. Args: held: slots with rows here."""
        before, self._since, found = self._since, {}, []
        for number in held:
            record = record_of(number)
            if record is None or not is_given_up(record, self._storage, 0):
                continue
            since_ms = self._since[number] = before.get(number, now_ms)
            if now_ms - since_ms >= self._grace_ms:
                found.append(number)
        return found[:REMOVALS_MAX]


def slots_with_rows(store: Store) -> set[int]:
    """Slots of which anything but a promise is stored."""
    rows = store.iterate(Family.META, *keys.slot_meta_range(), limit=_ROWS_MAX)
    found = {keys.slot_of_meta(key) for key, row in rows if decode_meta(row) != SlotMeta()}
    for family in (Family.LOG, Family.CHAN, Family.STATE, Family.OUTBOX):
        start, end = keys.slot_range(0)[0], keys.slot_range(keys.SLOTS_END - 1)[1]
        while rows := store.iterate(family, start, end, limit=1):
            number = keys.slot_of_row(rows[0][0])
            found.add(number)
            start = keys.slot_range(number)[1]
    return found


def promised_term(store: Store, number: int) -> int:
    """What the copy of a slot has promised."""
    return read_promise(store.get(Family.META, keys.promise(number))).term


def removal(store: Store, number: int) -> Record:
    """What deletes a slot. Hand it to the writer behind everything that the slot wrote itself.

    Its position is written as that of an empty slot: it supersedes what earlier records say.
    """
    ops = wipe(number, _dedup_hours(store))
    return Record(number, REMOVED, ops, SlotMeta().encode(), 0, lazy=True)


def _dedup_hours(store: Store) -> range:
    """From the first to the last hour of which answers are stored, of whatever slot."""
    span = keys.dedup(0, 0, b""), keys.dedup(keys.U32_MAX, 0, b"")
    first = store.iterate(Family.DEDUP, *span, limit=1)
    last = store.iterate(Family.DEDUP, *span, limit=1, reverse=True)
    if not first or not last:
        return range(0)
    return range(keys.dedup_hour(first[0][0]), keys.dedup_hour(last[0][0]) + 1)
