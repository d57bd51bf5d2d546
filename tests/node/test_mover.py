"""Moves and deletions over a real coordinator; the other nodes are a table."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from hubbub.coordinator.api import CoordinatorUnavailable, Put, Record
from hubbub.coordinator.cluster import ClusterView, create_cluster, place_slots, register
from hubbub.coordinator.membership import announce_storage, new_plan, put_plan, read_plan
from hubbub.coordinator.records import ProcessRecord, slot_key, storage_key
from hubbub.coordinator.solo import SoloCoordinator
from hubbub.ring.map import SlotRecord, activated, next_leader, parse_slot_record
from node.campaign import Campaign
from node.elections import Takeover
from node.mover import Mover
from node.moves import HEALTHY_MS
from node.ready import Ready
from node.ready import Record as LogRecord
from node.removals import REMOVED, slots_with_rows
from node.slot import Now, Slot
from tests.node.rig import SLOTS, Rig, write_records
from tests.support.clock import FakeClock

DEADLINE_S = 10.0
SLOT = 5


class Store(SoloCoordinator):
    """A coordinator that may be away."""

    is_away = False

    async def get(self, key: str) -> Record | None:
        if self.is_away:
            raise CoordinatorUnavailable("away")
        return await super().get(key)


class Party:
    """One node with real slots, `rig`, and others that only stand in the records."""

    def __init__(self, folder: Path) -> None:
        self.rig = Rig()
        self.me = self.rig.copy
        self.coordinator = Store(folder / "c.db")
        self.view = ClusterView(self.coordinator)
        self.clock = FakeClock()
        self.campaign = Campaign(self.coordinator, self._written)
        self.forgotten: list[str] = []
        self.followed: list[int] = []
        self.nudged: list[str] = []
        self.caches_cleared = 0
        self.resumed = 0
        self.waiting: list[LogRecord] = []
        self.mover = Mover(
            self.me,
            self.rig.slots,
            self.view,
            self.coordinator,
            self.campaign,
            self,
            self.rig.store,
            self,
            self.clock,
            healthy_ms=HEALTHY_MS,
            grace_ms=0,
            forget_rows=self._forget_rows,
            follow=self._follow,
            resume=self._resume,
        )

    async def prepare(self) -> None:
        """Every slot placed on, and led by, this node; another node is there as well."""
        await create_cluster(self.coordinator, SLOTS)
        await place_slots(self.coordinator, dict.fromkeys(range(SLOTS), (self.me.storage,)))
        for name, storage, boot in (("rig", "rig", self.me.leader.boot_id), ("other", "s2", 7)):
            await announce_storage(self.coordinator, storage, name, name)
            record = ProcessRecord(name=name, role="node", boot_id=boot, storage_id=storage)
            await register(self.coordinator, record, 60_000)
        await self.view.load()
        for slot in range(SLOTS):
            record = self.view.slot_map.record_of(slot)
            assert record is not None
            await self.put(slot, next_leader(record, self.me.leader))
        self.mover.load()
        await self.look()

    async def put(self, slot: int, record: SlotRecord) -> None:
        await self.coordinator.transact([], [Put(slot_key(slot), record.to_json())])

    async def look(self) -> None:
        """What the watch would bring."""
        await self.view.load()
        for slot, record in self.view.slot_map.items():
            if slot in self.rig.slots:
                log = self.rig.slots[slot].replica
                log.revision, log.record = self.view.slot_map.revision_of(slot), record
            self.mover.slot_changed(slot)
        self.mover.changed("storage")
        self.mover.changed("rebalance")

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                self.clock.advance(100)
                await asyncio.sleep(0.01)

    def _written(self, written: Takeover, revision: int) -> None:
        self.view.slot_map.apply(written.slot, written.record, revision)
        log = self.rig.slots[written.slot].replica
        log.revision, log.record = revision, written.record
        self.mover.slot_changed(written.slot)

    def _forget_rows(self) -> None:
        self.caches_cleared += 1

    def _resume(self) -> None:
        self.resumed += 1

    def _follow(self, number: int) -> None:
        self.followed.append(number)

    # --- the other nodes, and the writer

    def run(self, slot: Slot, step: Callable[..., Ready], *arguments: Any) -> None:
        assert step == slot.peer_up
        self.nudged.append(arguments[0])
        assert isinstance(arguments[1], Now)

    def storages_heard(self) -> frozenset[str]:
        return frozenset({"rig", "s2"})

    def storages_crowded(self) -> frozenset[str]:
        return frozenset()

    def storages_gray(self) -> frozenset[str]:
        return frozenset()

    def forget(self, name: str) -> None:
        self.forgotten.append(name)

    def submit(self, records: Sequence[LogRecord]) -> None:
        self.waiting += records


@pytest.fixture
async def party(tmp_path: Path) -> AsyncIterator[Party]:
    made = Party(tmp_path)
    await made.prepare()
    tasks = [asyncio.ensure_future(made.mover.run())]  # noqa: TID251 - the node supervises these
    tasks.append(asyncio.ensure_future(made.mover.remove_for_ever()))  # noqa: TID251
    yield made
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await made.coordinator.close()


async def start(party: Party, target: tuple[str, ...]) -> None:
    targets = {slot: ("rig",) for slot in range(SLOTS)} | {SLOT: target}
    _, revision = await read_plan(party.coordinator)
    plan = new_plan("p", targets, len(target), 1, 0, moves_per_node_max=2)
    await put_plan(party.coordinator, plan, revision)
    await party.look()


async def test_a_step_is_written_and_followed(party: Party) -> None:
    await start(party, ("rig", "s2"))
    await party.until(lambda: party.view.slot_map.record_of(SLOT).learners == ("s2",))  # type: ignore[union-attr]
    found = await party.coordinator.get(slot_key(SLOT))
    assert found is not None
    assert parse_slot_record(found.value).learners == ("s2",)
    await party.until(lambda: "s2" in party.nudged)


async def test_a_plan_that_is_carried_out_is_said_to_be(party: Party) -> None:
    await start(party, ("rig",))
    async with asyncio.timeout(DEADLINE_S):
        while True:
            plan, _ = await read_plan(party.coordinator)
            assert plan is not None
            if plan.state == "done":
                break
            await asyncio.sleep(0.01)
    assert plan.finished_ms == party.clock.wall_ms()


async def test_a_node_whose_place_is_gone_is_forgotten(party: Party) -> None:
    assert party.forgotten == []
    found = await party.coordinator.get(storage_key("s2"))
    assert found is not None
    await party.coordinator.transact([], [Put(storage_key("s2"), b"{}")])  # unreadable: it stays
    await party.look()
    assert party.forgotten == []
    party.view.storages.pop("s2")
    party.mover.changed("storage")
    assert party.forgotten == ["other"]


def given_up(party: Party, term: int) -> SlotRecord:
    """Moved to the other node, and activated there."""
    record = SlotRecord(term=term, leader=party.me.leader, members=("rig",), prev=("rig",))
    return activated(next_leader(record, party.me.leader, ("s2",)))


async def test_rows_go_once_the_coordinator_says_so_anew(party: Party) -> None:
    await party.put(SLOT, given_up(party, 9))
    await party.look()
    await party.until(lambda: bool(party.waiting))
    (record,) = party.waiting
    assert (record.slot, record.token) == (SLOT, REMOVED)
    assert SLOT not in party.rig.slots
    assert party.mover.is_leaving(SLOT)
    assert party.caches_cleared == 1
    assert SLOT in slots_with_rows(party.rig.store), "not before the writer has written"
    write_records(party.rig.store, party.waiting)
    party.mover.removed(SLOT)
    assert not party.mover.is_leaving(SLOT)
    assert party.followed == [SLOT]
    assert SLOT not in slots_with_rows(party.rig.store)


async def test_a_stale_map_deletes_nothing(party: Party) -> None:
    """Bug 20: the map of this process says that the copy is given up, the coordinator does not."""
    other = 6
    revision = party.view.slot_map.revision + 1
    party.view.slot_map.apply(SLOT, given_up(party, 9), revision)
    party.mover.slot_changed(SLOT)
    await party.put(other, given_up(party, 9))
    record = party.view.slot_map
    record.apply(other, given_up(party, 9), revision + 1)
    party.mover.slot_changed(other)
    await party.until(lambda: bool(party.waiting))  # both were looked at, in order
    assert [one.slot for one in party.waiting] == [other]
    assert SLOT in party.rig.slots


async def test_nothing_is_deleted_while_the_coordinator_is_away(party: Party) -> None:
    party.coordinator.is_away = True
    await party.put(SLOT, given_up(party, 9))
    await party.look()
    looked = 0

    async def get(key: str) -> Record | None:
        nonlocal looked
        looked += 1
        raise CoordinatorUnavailable("away")

    party.coordinator.get = get  # type: ignore[method-assign]
    await party.until(lambda: looked >= 2)
    assert not party.waiting
    assert SLOT in party.rig.slots


async def test_rows_that_an_earlier_process_left_go_as_well(party: Party) -> None:
    party.rig.slots.pop(SLOT)  # a start holds no slot that was given up
    await party.put(SLOT, given_up(party, 9))
    await party.look()
    await party.until(lambda: bool(party.waiting))
    assert party.waiting[0].slot == SLOT
