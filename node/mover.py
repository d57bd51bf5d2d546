"""Drives `moves` and `removals`: the map and the clock in, slot records and deletions out.

Rules:
1. No decision about a slot is made here. What was written is followed at once, as every change of
   the map is; the write of a record is answered whatever became of it.
2. A slot whose rows are being deleted does not exist here: no message reaches it, and the map's
   word on it is taken once the deletion is on disk.
3. While the coordinator is away nothing is moved and nothing is deleted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Never, Protocol

import msgspec

from hubbub.coordinator.api import Coordinator, CoordinatorUnavailable
from hubbub.coordinator.cluster import ClusterView, Kind
from hubbub.coordinator.membership import Changed, in_state, put_plan, read_plan
from hubbub.coordinator.records import slot_key
from hubbub.ring.map import Leader, SlotRecord, parse_slot_record
from hubbub.runtime.clock import Clock
from hubbub.runtime.logs import get_logger
from hubbub.runtime.tasks import supervise
from node.campaign import Campaign
from node.elections import Takeover
from node.moves import LOOK_MS, Finish, Moves, Nudge, Peer
from node.ready import Ready, Record
from node.removals import Removals, is_given_up, promised_term, removal, slots_with_rows
from node.replica import Copy
from node.slot import Now, Slot
from node.store.api import Store, StoreError

_IDLE_S: Final = 1.0  # what the map or the plan says wakes it at once
_PAUSED_S: Final = 0.005  # whoever waits for a paused slot waits for an fsync, not for this
# Grace periods are minutes; a look at 16,384 slots takes some 8 ms.
_REMOVALS_S: Final = 10.0
_log = get_logger()


class Contacts(Protocol):
    """What this needs of the other nodes (`node.copies`)."""

    def run(self, slot: Slot, step: Callable[..., Ready], *arguments: Any) -> None: ...
    def storages_heard(self) -> frozenset[str]: ...
    def storages_gray(self) -> frozenset[str]: ...
    def storages_crowded(self) -> frozenset[str]: ...
    def forget(self, name: str) -> None: ...


class Sink(Protocol):
    """What this needs of the writer."""

    def submit(self, records: Sequence[Record]) -> None: ...


class MoverCounts(msgspec.Struct):
    """What /metrics shows of deletions."""

    slots_removed_total: int = 0


class Mover:
    """The node's part in moving copies. `load` once, then `run` and `remove_for_ever`."""

    def __init__(
        self,
        me: Copy,
        slots: dict[int, Slot],
        view: ClusterView,
        coordinator: Coordinator,
        campaign: Campaign,
        contacts: Contacts,
        store: Store,
        writer: Sink,
        clock: Clock,
        *,
        healthy_ms: int,
        grace_ms: int,
        forget_rows: Callable[[], None],
        follow: Callable[[int], None],
        resume: Callable[[], None],
    ) -> None:
        """Args: slots: those held here, live. grace_ms: how long rows of a copy that was given up
        stay. forget_rows: what is cached of rows may be wrong. follow: take the map's word on a
        slot. resume: slots that were paused may go on.
        """
        self.moves = Moves(me, healthy_ms=healthy_ms)
        self.counts = MoverCounts()
        self._me = me
        self._slots = slots
        self._view = view
        self._coordinator = coordinator
        self._campaign = campaign
        self._contacts = contacts
        self._store = store
        self._writer = writer
        self._clock = clock
        self._removals = Removals(me.storage, grace_ms)
        self._removals_s = min(_REMOVALS_S, max(grace_ms, 100) / 3_000)
        self._forget_rows = forget_rows
        self._follow = follow
        self._resume = resume
        self._stored: set[int] = set()  # slots with rows on disk when the process began
        self._leaving: set[int] = set()  # being deleted
        self._peers: tuple[Mapping[str, Peer], str] = {}, ""
        self._names: set[str] = set()  # of nodes with a place
        self._news = asyncio.Event()

    def load(self) -> None:
        """What is on disk, and the plan. Raises StoreError."""
        self._stored = slots_with_rows(self._store)
        self._forget_removed()
        self._take_plan()

    # --- what is known

    def changed(self, kind: Kind) -> None:
        """The cluster's places or its plan changed."""
        self._news.set()
        if kind == "rebalance":
            self._take_plan()
        elif kind == "storage":
            self._forget_removed()

    def slot_changed(self, number: int) -> None:
        """A slot's record changed, and was followed."""
        self._news.set()
        self.moves.slot_changed(number, self._view.slot_map.record_of(number))

    def is_leaving(self, number: int) -> bool:
        """Rule 2."""
        return number in self._leaving

    def removed(self, number: int) -> None:
        """The rows of a slot are gone from the disk."""
        self._leaving.discard(number)
        self._stored.discard(number)
        self.counts.slots_removed_total += 1
        _log.info("slot.removed", slot=number)
        self._follow(number)

    def _take_plan(self) -> None:
        plan = self._view.plan
        try:
            self.moves.plan_changed(plan)
        except ValueError as error:
            _log.error("rebalance.unreadable", reason=str(error))

    def _forget_removed(self) -> None:
        """A node whose place is gone is no node of the cluster any more, and no suspect."""
        names = {record.name for record in self._view.storages.values()}
        for name in self._names - names:
            self._contacts.forget(name)
        self._names = names

    # --- moves

    async def run(self) -> Never:
        """Take every step, for ever."""
        while True:
            self._news.clear()
            self._tick()
            pause_s = self._pause_s()
            if pause_s < _IDLE_S:
                await asyncio.sleep(pause_s)
                continue
            try:
                async with asyncio.timeout(pause_s):
                    await self._news.wait()
            except TimeoutError:
                pass

    def _pause_s(self) -> float:
        if self.moves.paused:
            return _PAUSED_S
        return LOOK_MS / 1_000 if self.moves.is_busy else _IDLE_S

    def _tick(self) -> None:
        now_ms = self._clock.monotonic_ms()
        self._look_at_peers(now_ms)
        writes: list[Takeover] = []
        for step in self.moves.tick(self._slots, self._view.slot_map.items, now_ms):
            if isinstance(step, Takeover):
                writes.append(step)
            elif isinstance(step, Nudge):
                self._nudge(step)
            else:
                supervise("rebalance", self._finish(step))
        if writes:
            supervise("moves", self._write(writes))
        self._resume()

    def _look_at_peers(self, now_ms: int) -> None:
        heard, me = self._contacts.storages_heard(), self._me
        gray, crowded = self._contacts.storages_gray(), self._contacts.storages_crowded()
        places = self._view.storages
        peers = {
            record.storage_id: Peer(
                Leader(record.name, record.boot_id),
                places[record.storage_id].state if record.storage_id in places else "active",
                record.storage_id in gray,
                record.storage_id not in crowded,
            )
            for record in self._view.nodes.values()
            if record.storage_id in heard and record.storage_id != me.storage
        }
        own = places[me.storage].state if me.storage in places else "active"
        peers[me.storage] = Peer(me.leader, own)
        if (peers, own) != self._peers:
            self._peers = peers, own
            self.moves.peers_changed(peers, own, now_ms)

    def _nudge(self, nudge: Nudge) -> None:
        slot = self._slots.get(nudge.slot)
        if slot is not None:
            self._contacts.run(slot, slot.peer_up, nudge.storage, self._now())

    async def _write(self, writes: list[Takeover]) -> None:
        lost: Sequence[Takeover] = writes
        try:
            lost = await self._campaign.write(writes)
        except CoordinatorUnavailable as error:
            _log.warning("moves.coordinator_away", slots=len(writes), error=str(error))
        finally:
            now_ms = self._clock.monotonic_ms()
            for write in writes:
                self.moves.answered(write.slot, now_ms, is_written=write not in lost)
            self._resume()

    async def _finish(self, finish: Finish) -> None:
        """Say that a plan is over. Whoever is later finds it said."""
        try:
            plan, revision = await read_plan(self._coordinator)
            if plan is None or plan.id != finish.id:
                return
            if plan.state == ("running" if finish.state == "done" else "aborting"):
                over = in_state(plan, finish.state, self._clock.wall_ms(), 0)
                await put_plan(self._coordinator, over, revision)
                _log.info("rebalance.over", plan=plan.id, state=finish.state)
        except (Changed, CoordinatorUnavailable) as error:
            _log.info("rebalance.not_said", plan=finish.id, reason=str(error))

    # --- removals

    async def remove_for_ever(self) -> Never:
        """Delete what is given up for long enough, for ever."""
        looked_at: tuple[int, set[int]] | None = None
        while True:
            await asyncio.sleep(self._removals_s)
            held = (self._stored | self._slots.keys()) - self._leaving
            looks_at = self._view.slot_map.revision, held
            if looks_at == looked_at and not self._removals.is_waiting:
                continue
            looked_at = looks_at
            now_ms = self._clock.monotonic_ms()
            due = self._removals.due(sorted(held), self._view.slot_map.record_of, now_ms)
            for number in due:
                await self._remove(number)

    async def _remove(self, number: int) -> None:
        """Read the record anew, and delete the rows if it says the same."""
        try:
            found = await self._coordinator.get(slot_key(number))
        except CoordinatorUnavailable:
            return
        if found is None or not self._is_given_up(number, parse_slot_record(found.value)):
            return
        try:
            record = removal(self._store, number)
        except StoreError as error:
            _log.error("slot.not_removed", slot=number, error=str(error))
            return
        self._leaving.add(number)
        self._slots.pop(number, None)
        self._forget_rows()
        self._writer.submit([record])

    def _is_given_up(self, number: int, record: SlotRecord) -> bool:
        slot = self._slots.get(number)
        if slot is not None:
            return is_given_up(record, self._me.storage, slot.replica.promise.term)
        return is_given_up(record, self._me.storage, promised_term(self._store, number))

    def _now(self) -> Now:
        return Now(self._clock.wall_ms(), self._clock.monotonic_ms())
