"""What processes do with the coordinator: make a cluster, register, claim slots, watch it all.

Rules:
1. Everything here may be repeated and raced: each step is guarded, and the one that came first is
   taken over by the others.
2. Nothing here makes tasks: the caller supervises `keep` and `follow`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Never, TypeVar

from hubbub.coordinator.api import (
    Coordinator,
    CoordinatorError,
    CoordinatorUnavailable,
    Guard,
    LeaseExpired,
    Put,
    Record,
)
from hubbub.coordinator.records import (
    CLUSTER_KEY,
    SLOTS_PREFIX,
    AppRecord,
    ClusterRecord,
    ProcessRecord,
    Role,
    SigningKey,
    app_key,
    process_key,
    slot_key,
)
from hubbub.coordinator.view import ClusterMissing, ClusterView, Kind
from hubbub.ring.map import Leader, SlotRecord, next_leader, parse_slot_record, placed
from hubbub.wire.codec import decode_json, encode_json

__all__ = [
    "CLUSTER_KEY",
    "AppRecord",
    "ClusterMissing",
    "ClusterRecord",
    "ClusterView",
    "Kind",
    "NameTaken",
    "ProcessRecord",
    "Registration",
    "Role",
    "SigningKey",
    "app_key",
    "claim_slots",
    "create_app",
    "create_cluster",
    "place_slots",
    "process_key",
    "register",
    "slot_key",
]

T = TypeVar("T")

# A dead process is noticed after this. Half would take a stalled disk for a death; double would
# make every failover as much longer.
TTL_MS: Final = 3_000
# Slots of one transaction: half of what etcd takes, so that guards and more keys fit beside them.
SLOTS_PER_TRANSACTION: Final = 64
# Each try loses only to somebody who won: more rounds than this mean that two fight.
_CLAIM_ROUNDS_MAX: Final = 5


class NameTaken(CoordinatorError):
    """Another process registered under this name while our lease was over: step down."""


async def create_cluster(coordinator: Coordinator, slots: int) -> ClusterRecord:
    """The cluster's record, made with a new id and seed if there is none yet.

    An existing one is returned as it is: compare its `slots`. Raises ValueError for a bad number.
    """
    new = ClusterRecord(secrets.token_hex(8), slots, secrets.randbits(32))
    return await _put_if_absent(coordinator, CLUSTER_KEY, new)


async def create_app(coordinator: Coordinator, record: AppRecord) -> AppRecord:
    """The app's record, `record` if there was none yet."""
    return await _put_if_absent(coordinator, app_key(record.app), record)


async def place_slots(coordinator: Coordinator, plan: Mapping[int, Sequence[str]]) -> list[int]:
    """Write the first record of each slot that has none, without a leader; the slots written.

    Args: plan: slot → members (storage ids), the leader first, as `placement.propose` answers.
    """
    written: list[int] = []
    for batch in _batches(sorted(plan)):
        missing = batch
        while missing:
            guards = [Guard(slot_key(slot), 0) for slot in missing]
            puts = [Put(slot_key(s), placed(tuple(plan[s])).to_json()) for s in missing]
            if (await coordinator.transact(guards, puts)).succeeded:
                written += missing
                break
            present = await _slot_records(coordinator)
            missing = [slot for slot in missing if slot not in present]
    return written


async def claim_slots(
    coordinator: Coordinator,
    view: ClusterView,
    node: str,
    boot_id: int,
    slots_to_lead: Iterable[int],
    *,
    member: str | None = None,
) -> dict[int, SlotRecord]:
    """Lead these slots, each at its next term; the records by slot, also of those led already.

    Args: member: this node's storage id, its name unless given. Only slots whose first member it
        is are claimed; a slot without a record is placed on it.
    Order: transactions of SLOTS_PER_TRANSACTION; the view hears of them through its watch.
    Raises CoordinatorError if others change the same slots again and again.
    """
    claimant = _Claimant(coordinator, Leader(node, boot_id), member or node)
    known = {
        slot: (record, view.slot_map.revision_of(slot)) for slot, record in view.slot_map.items()
    }
    claimed: dict[int, SlotRecord] = {}
    for batch in _batches(sorted(set(slots_to_lead))):
        for _ in range(_CLAIM_ROUNDS_MAX):
            taken = await claimant.claim(batch, known)
            if taken is not None:
                claimed |= taken
                break
            known = await _slot_records(coordinator)
        else:
            raise CoordinatorError(f"slots {batch[0]} to {batch[-1]} are claimed by others as well")
    return claimed


class _Claimant:
    """Who claims: the process and the copy that it holds."""

    def __init__(self, coordinator: Coordinator, leader: Leader, member: str) -> None:
        self._coordinator = coordinator
        self._leader = leader
        self._member = member

    async def claim(
        self, slots: Sequence[int], known: Mapping[int, tuple[SlotRecord, int]]
    ) -> dict[int, SlotRecord] | None:
        """All that are ours to claim in one transaction; None if `known` is out of date."""
        ours: dict[int, SlotRecord] = {}
        guards: list[Guard] = []
        puts: list[Put] = []
        for slot in slots:
            record, revision = known.get(slot, (placed((self._member,)), 0))
            if record.members[:1] != (self._member,):
                continue
            if record.leader == self._leader:
                ours[slot] = record
                continue
            ours[slot] = next_leader(record, self._leader)
            guards.append(Guard(slot_key(slot), revision))
            puts.append(Put(slot_key(slot), ours[slot].to_json()))
        if puts and not (await self._coordinator.transact(guards, puts)).succeeded:
            return None
        return ours


async def register(
    coordinator: Coordinator, record: ProcessRecord, ttl_ms: int = TTL_MS
) -> Registration:
    """Say that this process is alive, in place of an earlier one of the same name.

    Run the result's `keep` for as long as it lives.
    """
    lease = await coordinator.lease_grant(ttl_ms)
    registration = Registration(coordinator, record, ttl_ms, lease)
    await coordinator.transact([], [registration.put()])
    return registration


class Registration:
    """A process's record and the lease it lives by. `renewals` counts leases that were lost."""

    def __init__(
        self, coordinator: Coordinator, record: ProcessRecord, ttl_ms: int, lease: int
    ) -> None:
        self.record = record
        self.lease = lease
        self.renewals = 0
        self._coordinator = coordinator
        self._ttl_ms = ttl_ms
        self._key = process_key(record.role, record.name)

    async def keep(self) -> Never:
        """Keep the lease, and register anew where it was lost.

        Raises NameTaken if a younger process of this name registered meanwhile. While the
        coordinator is away it tries on.
        """
        while True:
            await asyncio.sleep(self._ttl_ms / 3_000)
            try:
                await self._coordinator.lease_keepalive(self.lease)
            except LeaseExpired:
                await self._register_again()
            except CoordinatorUnavailable:
                continue

    async def release(self) -> None:
        """Say at once that this process is going."""
        try:
            await self._coordinator.lease_revoke(self.lease)
        except LeaseExpired:
            pass  # the record is gone, or a younger process's

    def put(self) -> Put:
        """The write that registers."""
        return Put(self._key, encode_json(self.record), self.lease)

    async def _register_again(self) -> None:
        try:
            self.lease = await self._coordinator.lease_grant(self._ttl_ms)
            found = await self._coordinator.get(self._key)
            if found is not None and self._is_another(found):
                raise NameTaken(f"{self._key} is another process's now")
            guard = Guard(self._key, found.mod_revision if found is not None else 0)
            # Not succeeded: somebody registered or the old record went; the next round looks again.
            if (await self._coordinator.transact([guard], [self.put()])).succeeded:
                self.renewals += 1
            else:
                await self._coordinator.lease_revoke(self.lease)
        except (LeaseExpired, CoordinatorUnavailable):
            return

    def _is_another(self, found: Record) -> bool:
        return decode_json(found.value, ProcessRecord).boot_id != self.record.boot_id


async def _put_if_absent(coordinator: Coordinator, key: str, value: T) -> T:
    while True:
        found = await coordinator.get(key)
        if found is not None:
            return decode_json(found.value, type(value))
        if (await coordinator.transact([Guard(key, 0)], [Put(key, encode_json(value))])).succeeded:
            return value


async def _slot_records(coordinator: Coordinator) -> dict[int, tuple[SlotRecord, int]]:
    """Slot → (record, mod_revision) of all that there are now."""
    records, _ = await coordinator.range(SLOTS_PREFIX)
    return {
        int(record.key.removeprefix(SLOTS_PREFIX)): (
            parse_slot_record(record.value),
            record.mod_revision,
        )
        for record in records
    }


def _batches(slots: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(slots), SLOTS_PER_TRANSACTION):
        yield slots[start : start + SLOTS_PER_TRANSACTION]
