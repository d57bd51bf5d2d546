"""Slot records are written in batches; whoever was faster keeps what it wrote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from hubbub.coordinator.api import CoordinatorUnavailable, Guard, Op, Put, TransactionResult
from hubbub.coordinator.records import slot_key
from hubbub.coordinator.solo import SoloCoordinator
from hubbub.ring.map import Leader, next_leader, parse_slot_record, placed
from node import campaign
from node.campaign import Campaign
from node.elections import Takeover

SLOTS = 150  # three transactions
ME, OTHER = Leader("node-1", 1), Leader("node-2", 2)
NEW = placed(("a", "b", "c"))


class Away(SoloCoordinator):
    """A coordinator that does not answer the first times."""

    failures = 0

    async def transact(self, guards: Sequence[Guard], ops: Sequence[Op]) -> TransactionResult:
        if self.failures:
            self.failures -= 1
            raise CoordinatorUnavailable("away")
        return await super().transact(guards, ops)


async def revisions(coordinator: SoloCoordinator) -> dict[int, int]:
    """Every slot placed, one later than the other."""
    for slot in range(SLOTS):
        await coordinator.transact([], [Put(slot_key(slot), NEW.to_json())])
    records, _ = await coordinator.range("/slots/")
    return {int(record.key[-5:]): record.mod_revision for record in records}


def takeovers(known: dict[int, int]) -> list[Takeover]:
    return [Takeover(slot, next_leader(NEW, ME), revision) for slot, revision in known.items()]


async def test_one_lost_slot_costs_no_other(tmp_path: Path) -> None:
    coordinator = SoloCoordinator(tmp_path / "c.db")
    written: dict[int, int] = {}
    try:
        known = await revisions(coordinator)
        theirs = next_leader(NEW, OTHER).to_json()
        await coordinator.transact([], [Put(slot_key(77), theirs)])
        lost = await Campaign(coordinator, lambda one, at: written.update({one.slot: at})).write(
            takeovers(known)
        )
        assert [one.slot for one in lost] == [77]
        records, _ = await coordinator.range("/slots/")
        for record in records:
            slot, leader = int(record.key[-5:]), parse_slot_record(record.value).leader
            assert leader == (OTHER if slot == 77 else ME)
            assert written.get(slot) == (None if slot == 77 else record.mod_revision)
    finally:
        await coordinator.close()


async def test_losing_everything_costs_one_look(tmp_path: Path) -> None:
    coordinator = Away(tmp_path / "c.db")
    try:
        known = await revisions(coordinator)
        for slot in range(SLOTS):
            theirs = next_leader(NEW, OTHER).to_json()
            await coordinator.transact([], [Put(slot_key(slot), theirs)])
        before = coordinator.statistics().transactions
        lost = await Campaign(coordinator, lambda *_: None).write(takeovers(known))
        assert len(lost) == SLOTS
        assert coordinator.statistics().transactions == before + 1
    finally:
        await coordinator.close()


async def test_the_first_slots_begin_before_the_next_are_written(tmp_path: Path) -> None:
    coordinator = SoloCoordinator(tmp_path / "c.db")
    written: list[int] = []
    looked: list[int] = []
    beginning: set[int] = set()

    def on_written(one: Takeover, _: int) -> None:
        written.append(one.slot)
        beginning.add(one.slot)

    def is_beginning(slot: int) -> bool:
        looked.append(len(written))
        beginning.discard(slot)  # the next look finds it begun
        return slot in beginning or looked.count(len(written)) == 1

    try:
        known = await revisions(coordinator)
        order = sorted(known, reverse=True)
        sut = Campaign(coordinator, on_written, is_beginning)
        await sut.take_over([takeovers(known)[slot] for slot in order])
        assert written == order, "they are written in the order in which they were asked for"
        assert sorted(set(looked)) == [64, 128], "no batch waits for nothing"
        assert looked.count(64) > 64, "it was not begun at the first look"
    finally:
        await coordinator.close()


async def test_a_slot_that_never_begins_does_not_hold_up_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign, "BEGUN_S", 0.001)
    coordinator = SoloCoordinator(tmp_path / "c.db")
    written: list[int] = []
    try:
        known = await revisions(coordinator)
        sut = Campaign(coordinator, lambda one, _: written.append(one.slot), lambda _: True)
        await sut.take_over(takeovers(known))
        assert len(written) == SLOTS
    finally:
        await coordinator.close()


async def test_takeovers_wait_for_the_next_look_while_the_coordinator_is_away(
    tmp_path: Path,
) -> None:
    coordinator = Away(tmp_path / "c.db")
    written: list[int] = []
    try:
        known = await revisions(coordinator)
        coordinator.failures = 1
        sut = Campaign(coordinator, lambda one, _: written.append(one.slot))
        await sut.take_over(takeovers(known))
        assert written == []
        await sut.take_over(takeovers(known))
        assert sorted(written) == list(range(SLOTS))
    finally:
        await coordinator.close()


async def test_an_activation_is_tried_until_it_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign, "RETRY_S", 0.001)
    coordinator = Away(tmp_path / "c.db")
    written: list[int] = []
    lost: list[str] = []
    try:
        known = await revisions(coordinator)
        coordinator.failures = 3
        sut = Campaign(coordinator, lambda one, _: written.append(one.slot))
        proposal = takeovers(known)[4]
        await sut.activate(proposal, lambda: True, lambda: lost.append("x"))
        assert (written, lost) == ([4], [])
        await sut.activate(proposal, lambda: True, lambda: lost.append("late"))
        assert (written, lost) == ([4], ["late"])
        coordinator.failures = 10**6
        wanted = iter([True, True, False])
        await sut.activate(proposal, lambda: next(wanted), lambda: lost.append("never"))
        assert lost == ["late"]
    finally:
        await coordinator.close()
