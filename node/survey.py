"""What a database has of each slot, read from its rows alone: a live one, a checkpoint, a backup.

Rules:
1. Nothing is changed, and nothing is believed: `check` reads every entry that the log still has and
   computes its chain, from the first one on if none was dropped yet.
2. A copy whose log once had more than it has (`recall`) is no copy: it must not be counted.
"""

from __future__ import annotations

from collections.abc import Iterable

from hubbub.coordinator.backups import SlotCopy
from node import keys
from node.entry import BrokenChain
from node.replica import read_promise
from node.slot import SlotMeta, decode_meta
from node.slot_log import SlotLog
from node.store.api import Family, Store


def survey(store: Store, slots: Iterable[int]) -> list[SlotCopy]:
    """The slots of which the database has a whole copy. Raises StoreError, BrokenChain."""
    found = (look(store, slot) for slot in slots)
    return [copy for copy in found if copy is not None]


def look(store: Store, slot: int) -> SlotCopy | None:
    """One slot; None if there is nothing of it, or not everything that there was (rule 2)."""
    row = store.get(Family.META, keys.slot_meta(slot))
    promise = read_promise(store.get(Family.META, keys.promise(slot)))
    log = SlotLog(slot, store)
    if promise.recall or (row is None and not log.last_index and not promise.term):
        return None
    meta = SlotMeta() if row is None else decode_meta(row)
    return SlotCopy(
        slot=slot,
        applied=meta.applied,
        chain=meta.chain,
        ts_ms=meta.ts_ms,
        incarnation=meta.incarnation.hex(),
        last_index=log.last_index,
        last_term=log.last_term,
        last_chain=log.last_chain,
        promised=promise.term,
    )


def compare(store: Store, wanted: SlotCopy) -> None:
    """The slot stands where it is said to stand. Raises BrokenChain, StoreError."""
    found = look(store, wanted.slot)
    if found != wanted:
        raise BrokenChain(f"slot {wanted.slot}: expected {wanted}, found {found}")


def check(store: Store, wanted: SlotCopy) -> int:
    """`compare`, and every entry of the log follows from the one before it; how many there are.

    Raises BrokenChain, StoreError.
    """
    compare(store, wanted)
    log = SlotLog(wanted.slot, store)
    log.verify(log.base, log.base_chain)
    if wanted.applied and log.chain_at(wanted.applied) != wanted.chain:
        raise BrokenChain(f"slot {wanted.slot}: entry {wanted.applied} is not what was applied")
    return log.last_index - log.base
