"""The slot map: who leads a slot, who holds its copies, at which term. Explicit and versioned.

Rules:
1. The map in the coordinator is the truth; `placement` only proposes what is written there.
2. A slot's record is applied by its revision: an older one is ignored, so that a snapshot and a
   watch may overlap in any order.
3. Members are storage ids (a wiped disk is another member); a leader is a process: name, boot id.
4. `next_leader` is the only way to a new term (replication.md 2.3, step 1).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from hubbub.ring.hashing import SLOTS_MAX
from hubbub.wire.codec import decode_json, encode_json


class Leader(Struct, frozen=True):
    """The process that leads a slot: it never resumes a term under another boot id."""

    node: str
    boot_id: int


class SlotRecord(Struct, frozen=True, kw_only=True):
    """One slot as the coordinator stores it (JSON).

    `prev` are the members of the last activated configuration, `prev_term` the term it had then.
    Term 0 has no leader: the record was only placed.
    """

    term: int
    leader: Leader | None
    members: tuple[str, ...]
    prev: tuple[str, ...] = ()
    prev_term: int = 0
    activated: bool = False
    learners: tuple[str, ...] = ()

    def to_json(self) -> bytes:
        """The bytes that the coordinator stores."""
        return encode_json(self)


def parse_slot_record(data: bytes) -> SlotRecord:
    """The record in `data`. Raises msgspec.DecodeError if it is none."""
    return decode_json(data, SlotRecord)


def placed(members: tuple[str, ...]) -> SlotRecord:
    """The first record of a slot: placed on `members` and never led."""
    return SlotRecord(term=0, leader=None, members=members, prev=members)


def next_leader(
    record: SlotRecord, leader: Leader, members: tuple[str, ...] | None = None
) -> SlotRecord:
    """`record` one term later under `leader`, with other members if they are given.

    `prev` moves to the members of `record` only if they were activated or are the same: it must
    stay the last configuration that may have acknowledged anything, however many came after it.
    A lone copy whose data is its own needs no second agreement and is activated at once; one that
    must still fetch from other members is not: activating it would forget where the data is.
    """
    moves = record.activated or set(record.members) == set(record.prev)
    prev = record.members if moves else record.prev
    members = record.members if members is None else members
    return SlotRecord(
        term=record.term + 1,
        leader=leader,
        members=members,
        prev=prev,
        prev_term=record.term if moves else record.prev_term,
        activated=len(members) == 1 and members == prev,
        learners=tuple(name for name in record.learners if name not in members),
    )


def activated(record: SlotRecord) -> SlotRecord:
    """`record` whose members have agreed on everything that the earlier ones acknowledged."""
    return replace(record, activated=True)


class SlotMap:
    """Slot → record for a cluster of `slots` slots. `revision` is the newest one applied."""

    def __init__(self, slots: int) -> None:
        if not 1 <= slots <= SLOTS_MAX:
            raise ValueError(f"slots must be from 1 to {SLOTS_MAX}, not {slots}")
        self.slots = slots
        self.revision = 0
        self._records: list[SlotRecord | None] = [None] * slots
        self._revisions: list[int] = [0] * slots

    def apply(self, slot: int, record: SlotRecord | None, revision: int) -> bool:
        """Take a slot's record (None: deleted) as of `revision`. False if it was known already.

        Raises ValueError for a slot outside the map.
        """
        if not 0 <= slot < self.slots:
            raise ValueError(f"slot {slot} is outside a map of {self.slots}")
        if revision <= self._revisions[slot]:
            return False
        self._revisions[slot] = revision
        self._records[slot] = record
        self.revision = max(self.revision, revision)
        return True

    def record_of(self, slot: int) -> SlotRecord | None:
        """The slot's record, None while there is none."""
        return self._records[slot]

    def revision_of(self, slot: int) -> int:
        """The revision of the slot's last change: the guard of the next one. 0: no record yet."""
        return self._revisions[slot] if self._records[slot] is not None else 0

    def leader_of(self, slot: int) -> Leader | None:
        """The process that leads the slot, None while nobody does."""
        record = self._records[slot]
        return record.leader if record is not None else None

    def nodes_of(self, slots: Iterable[int]) -> list[str]:
        """The nodes that lead these slots, "" while nobody does: in one go, for first screens."""
        records = self._records
        return [
            record.leader.node
            if (record := records[slot]) is not None and record.leader is not None
            else ""
            for slot in slots
        ]

    def term_of(self, slot: int) -> int:
        """The slot's term, 0 while nobody ever led it."""
        record = self._records[slot]
        return record.term if record is not None else 0

    def slots_led_by(self, node: str, boot_id: int | None = None) -> list[int]:
        """The slots that `node` leads, ascending; with a boot id only those of that process."""
        return [
            slot
            for slot, record in self.items()
            if record.leader is not None
            and record.leader.node == node
            and boot_id in (None, record.leader.boot_id)
        ]

    def complete(self) -> bool:
        """Every slot has a leader."""
        return all(record is not None and record.leader is not None for record in self._records)

    def items(self) -> Iterator[tuple[int, SlotRecord]]:
        """(slot, record) of every slot that has one, ascending."""
        return ((slot, record) for slot, record in enumerate(self._records) if record is not None)
