"""Slots are read in time; what is read is noted, what cannot be read is told."""

from __future__ import annotations

import asyncio

import pytest

from hubbub.runtime.tasks import supervise
from node import keys
from node.ready import Record
from node.scrubbing import Scrubbing
from node.slot import Slot
from node.store.api import Family, StoreError
from tests.node.rig import SLOTS, Rig
from tests.support.clock import FakeClock

PERIOD_MS = 864  # one slot every 54 ms
DEADLINE_S = 10.0


class Reading:
    """A node's scrub, and what it says."""

    def __init__(self) -> None:
        self.rig = Rig()
        self.rig.create("group:x", members=("bob",))
        self.rig.settle()
        self.clock = FakeClock()
        self.noted: asyncio.Queue[Record] = asyncio.Queue()
        self.told: asyncio.Queue[tuple[Slot, StoreError]] = asyncio.Queue()
        self.scrubbing = Scrubbing(
            self.rig.store,
            self.rig.slots,
            self.clock,
            submit=self._note,
            unreadable=lambda slot, error: self.told.put_nowait((slot, error)),
            days=PERIOD_MS / 86_400_000,
            slot_count=SLOTS,
        )

    def _note(self, records: list[Record]) -> None:
        for record in records:
            self.noted.put_nowait(record)


async def test_a_slot_that_was_read_is_noted_and_the_next_waits_for_its_turn() -> None:
    reading = Reading()
    task = supervise("scrub", reading.scrubbing.run())
    try:
        for number in sorted(reading.rig.slots)[:2]:
            assert reading.noted.empty()
            reading.clock.advance(PERIOD_MS // SLOTS)
            async with asyncio.timeout(DEADLINE_S):
                record = await reading.noted.get()
            assert record.slot == number
            assert [key for _, key, _ in record.ops] == [keys.SCRUBBED]
    finally:
        task.cancel()
    assert reading.scrubbing.counts.slots_total == 2


async def test_a_slot_that_cannot_be_read_is_told_and_the_rest_goes_on() -> None:
    reading = Reading()
    rig = reading.rig
    bad = rig.engine.target_of("demo", "group:x")
    rig.store.write([(Family.LOG, keys.log(bad, rig.slots[bad].last_index), None)])
    task = supervise("scrub", reading.scrubbing.run())
    try:
        for number in sorted(rig.slots):
            reading.clock.advance(PERIOD_MS // SLOTS)
            async with asyncio.timeout(DEADLINE_S):
                if number == bad:
                    slot, error = await reading.told.get()
                    assert slot is rig.slots[bad]
                    assert "scrub" in str(error)
                else:
                    assert (await reading.noted.get()).slot == number
    finally:
        task.cancel()
    assert reading.scrubbing.counts.damaged_total == 1
    with pytest.raises(asyncio.CancelledError):
        await task
