"""What a process tells of its slot map, so that two processes can be compared. Pure.

Rules:
1. Two maps agree if every slot has the same term, leader and members, whatever their revisions: a
   map that was read whole and one that was followed change by change have the same digest.
2. The digest does not depend on the order of changes, and asking again costs only what changed.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from msgspec import Struct

from hubbub.ring.map import SlotMap, SlotRecord

_DIGEST_BYTES: Final = 8  # another map passes once in 2^64; nothing rests on it but a warning


class MapStatistics(Struct, frozen=True):
    """The map in one line. `digest`: 16 hex digits; `led`: slots with a leader.

    `copies`: the most members that a slot has.
    """

    revision: int
    digest: str
    slots: int
    led: int
    copies: int


class SlotWord(Struct, frozen=True, array_like=True):
    """One slot as a process knows it; term 0 and no leader if it knows nothing."""

    term: int
    leader: str
    members: tuple[str, ...]


class MapWords(Struct, frozen=True):
    """The whole map; the slot's number is its place in the list."""

    revision: int
    slots: list[SlotWord]


class MapReport:
    """Reads a map that somebody else keeps up to date."""

    def __init__(self, slot_map: SlotMap) -> None:
        self._map = slot_map
        self._seen: list[SlotRecord | None] = [None] * slot_map.slots
        self._hashes = [0] * slot_map.slots
        self._digest = 0

    def statistics(self) -> MapStatistics:
        """Revision and digest as of now."""
        digest = self.digest()
        records = [record for record in self._seen if record is not None]
        return MapStatistics(
            self._map.revision,
            f"{digest:016x}",
            self._map.slots,
            led=sum(record.leader is not None for record in records),
            copies=max((len(record.members) for record in records), default=0),
        )

    def digest(self) -> int:
        """u64 over (slot, term, leader, members) of all slots; 0 for an empty map."""
        for slot, seen in enumerate(self._seen):
            record = self._map.record_of(slot)
            if record is not seen:
                changed = _hash(slot, record)
                self._digest ^= self._hashes[slot] ^ changed
                self._seen[slot], self._hashes[slot] = record, changed
        return self._digest

    def row(self, name: str) -> MapWords | None:
        """The whole map under the name `slots`, else None."""
        if name != "slots":
            return None
        words = [_word(self._map.record_of(slot)) for slot in range(self._map.slots)]
        return MapWords(self._map.revision, words)


def _word(record: SlotRecord | None) -> SlotWord:
    if record is None:
        return SlotWord(0, "", ())
    return SlotWord(record.term, record.leader.node if record.leader else "", record.members)


def _hash(slot: int, record: SlotRecord | None) -> int:
    if record is None:
        return 0
    leader = f"{record.leader.node}.{record.leader.boot_id}" if record.leader else ""
    text = f"{slot} {record.term} {leader} {' '.join(record.members)}"
    return int.from_bytes(blake2b(text.encode(), digest_size=_DIGEST_BYTES).digest(), "big")
