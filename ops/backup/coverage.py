"""Which copy of each slot belongs into a backup, and which nodes have them. Pure.

Rules:
1. Whatever was acknowledged is on a majority of the slot's members. So a copy is as good as
   acknowledged if it is the newest (highest last term, then highest last index) among so many
   members that every majority has one of them: n - majority + 1. With fewer, the slot is
   not covered, however many copies there are.
2. That holds for every set of members that may have acknowledged something: those of the record,
   and the ones before as long as the new ones are not activated; in the records as they were before
   the nodes froze and as they were after.
3. Of equally new copies, those on nodes that are needed anyway are taken: a whole database is
   copied for one slot.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hubbub.coordinator.backups import SlotCopy
from hubbub.ring.map import SlotRecord


@dataclass(frozen=True)
class Frozen:
    """What one node has frozen: its whole copies by slot."""

    storage_id: str
    copies: Mapping[int, SlotCopy]


@dataclass(frozen=True)
class Coverage:
    """`chosen`: slot → storage id. `uncovered`: slot → why not."""

    chosen: dict[int, str]
    uncovered: dict[int, str]

    @property
    def storage_ids(self) -> set[str]:
        """Whose databases are needed."""
        return set(self.chosen.values())


def cover(
    slots: int, maps: Sequence[Mapping[int, SlotRecord]], frozen: Sequence[Frozen]
) -> Coverage:
    """Choose. Args: maps: the slots' records, each as of one moment (rule 2)."""
    best: dict[int, list[str]] = {}
    uncovered: dict[int, str] = {}
    for slot in range(slots):
        why = _missing([records.get(slot) for records in maps], slot, frozen)
        if why:
            uncovered[slot] = why
        else:
            best[slot] = _newest(slot, frozen)
    return Coverage(_choose(best), uncovered)


def _missing(records: Iterable[SlotRecord | None], slot: int, frozen: Sequence[Frozen]) -> str:
    """Why a slot is not covered; empty if it is."""
    have = {one.storage_id for one in frozen if slot in one.copies}
    if not have:
        return "no copy"
    for record in records:
        if record is None:
            return "it has no record"
        sets = [record.members] if record.activated else [record.members, record.prev]
        for members in filter(None, sets):
            needed = len(members) - len(members) // 2  # n - majority + 1
            found = sum(storage in have for storage in members)
            if found < needed:
                return f"{found} of {len(members)} copies, {needed} are needed"
    return ""


def _newest(slot: int, frozen: Sequence[Frozen]) -> list[str]:
    ends = {
        one.storage_id: (one.copies[slot].last_term, one.copies[slot].last_index)
        for one in frozen
        if slot in one.copies
    }
    newest = max(ends.values())
    return [storage for storage, end in ends.items() if end == newest]


def _choose(best: Mapping[int, Sequence[str]]) -> dict[int, str]:
    """Rule 3, greedily: the node that has most of what is left, until nothing is left."""
    chosen: dict[int, str] = {}
    left = dict(best)
    while left:
        counts = Counter(storage for storages in left.values() for storage in storages)
        taken = min(counts, key=lambda storage: (-counts[storage], storage))
        for slot in [slot for slot, storages in left.items() if taken in storages]:
            chosen[slot] = taken
            del left[slot]
    return dict(sorted(chosen.items()))
