"""Which places for copies there are, and which plan moves copies between them: guarded writes.

Rules:
1. Everything is a compare-and-swap: a step that was decided on what is no longer true is refused
   with `Changed`, and whoever decided it looks again.
2. A place's state and the plan that follows from it are written together: no node ever sees a place
   that is draining and a plan that still fills it.
3. A plan is replaced as a whole; leaders act on the targets of whatever plan there is, so that
   a plan may be replaced at any moment, also while copies are under way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from hubbub.coordinator.api import Coordinator, CoordinatorError, Delete, Guard, Op, Put
from hubbub.coordinator.records import (
    REBALANCE_KEY,
    STORAGE_PREFIX,
    RebalanceRecord,
    RebalanceState,
    StorageRecord,
    storage_key,
)
from hubbub.ring.moves import HolderState, Targets, pack_targets
from hubbub.wire.codec import decode_json, encode_json

# Tries of a write that only races with itself: more means that two fight.
_ROUNDS_MAX = 5


class Changed(CoordinatorError):
    """Somebody changed the same records meanwhile: look again, then decide again."""


class Storages:
    """The places as of one look, each with the revision that guards its next change."""

    def __init__(self, records: Mapping[str, StorageRecord], revisions: Mapping[str, int]) -> None:
        self.records = dict(records)
        self._revisions = dict(revisions)

    def change(self, storage_id: str, state: HolderState) -> tuple[Guard, Put]:
        """The guarded write of another state."""
        record = replace(self.records[storage_id], state=state)
        return self._guard(storage_id), Put(storage_key(storage_id), encode_json(record))

    def remove(self, storage_id: str) -> tuple[Guard, Delete]:
        """The guarded end of a place."""
        return self._guard(storage_id), Delete(storage_key(storage_id))

    def _guard(self, storage_id: str) -> Guard:
        return Guard(storage_key(storage_id), self._revisions[storage_id])


async def read_storages(coordinator: Coordinator) -> Storages:
    """All places that are known."""
    found, _ = await coordinator.range(STORAGE_PREFIX)
    ids = [record.key.removeprefix(STORAGE_PREFIX) for record in found]
    records = [decode_json(record.value, StorageRecord) for record in found]
    return Storages(
        dict(zip(ids, records, strict=True)),
        dict(zip(ids, (record.mod_revision for record in found), strict=True)),
    )


async def announce_storage(
    coordinator: Coordinator, storage_id: str, name: str, domain: str
) -> StorageRecord:
    """A node says where its copies are; its state stays what it was, at first active.

    Raises CoordinatorError if others change the same record again and again.
    """
    key = storage_key(storage_id)
    for _ in range(_ROUNDS_MAX):
        found = await coordinator.get(key)
        known = decode_json(found.value, StorageRecord) if found is not None else None
        state: HolderState = known.state if known is not None else "active"
        wanted = StorageRecord(name=name, domain=domain, state=state)
        if wanted == known:
            return wanted
        guard = Guard(key, found.mod_revision if found is not None else 0)
        if (await coordinator.transact([guard], [Put(key, encode_json(wanted))])).succeeded:
            return wanted
    raise CoordinatorError(f"{key} is written by others as well")


async def read_plan(coordinator: Coordinator) -> tuple[RebalanceRecord | None, int]:
    """The plan and the revision that guards its next change; (None, 0) if there is none."""
    found = await coordinator.get(REBALANCE_KEY)
    if found is None:
        return None, 0
    return decode_json(found.value, RebalanceRecord), found.mod_revision


def new_plan(
    plan_id: str,
    targets: Targets,
    copies: int,
    moves: int,
    now_ms: int,
    *,
    moves_per_node_max: int,
) -> RebalanceRecord:
    """A plan that runs. Args: moves: copies that must be made for it. now_ms: wall clock."""
    members, packed = pack_targets(targets, copies)
    return RebalanceRecord(
        id=plan_id,
        state="running",
        members=members,
        targets=packed,
        copies=copies,
        moves=moves,
        created_ms=now_ms,
        since_ms=now_ms,
        since_left=moves,
        moves_per_node_max=moves_per_node_max,
    )


async def put_plan(
    coordinator: Coordinator,
    plan: RebalanceRecord,
    revision: int,
    with_changes: Sequence[tuple[Guard, Op]] = (),
) -> None:
    """Write a plan over the one of `revision` (0: none), together with what led to it.

    Raises Changed.
    """
    guards = [Guard(REBALANCE_KEY, revision), *(guard for guard, _ in with_changes)]
    ops: list[Op] = [Put(REBALANCE_KEY, encode_json(plan)), *(op for _, op in with_changes)]
    await change(coordinator, guards, ops)


async def change(coordinator: Coordinator, guards: Sequence[Guard], ops: Sequence[Op]) -> None:
    """One transaction. Raises Changed."""
    if not (await coordinator.transact(guards, ops)).succeeded:
        raise Changed("the cluster changed meanwhile")


def in_state(
    plan: RebalanceRecord, state: RebalanceState, now_ms: int, left: int
) -> RebalanceRecord:
    """The same plan in another state. Args: left: copies still to be made."""
    if state == "running":
        return replace(plan, state=state, since_ms=now_ms, since_left=left)
    return replace(plan, state=state, finished_ms=now_ms if state in ("aborted", "done") else 0)
