"""Everything is read once a week, and what is not what was written is found."""

from __future__ import annotations

import pytest

from node import keys
from node.scrub import DamagedLog, Scrub
from node.store.api import Family, StoreError
from tests.node.rig import APP, Rig

ROOM = "group:x"
PERIOD_MS = 1_000_000


def written(messages: int = 30) -> tuple[Rig, Scrub, int]:
    """A rig whose rows are all in the store, and a scrub of it."""
    rig = Rig()
    rig.create(ROOM, members=("bob",))
    for n in range(messages):
        rig.send(ROOM, f"text {n}")
    rig.settle()
    number = rig.engine.target_of(APP, ROOM)
    return rig, Scrub(rig.store, rig.slots, PERIOD_MS, now_ms=0), number


def test_slots_are_read_one_after_the_other_each_once_in_the_period() -> None:
    rig, scrub, _ = written(1)
    step_ms = PERIOD_MS // len(rig.slots)
    assert scrub.due(step_ms - 1) is None, "a start is no reason to read"
    seen = []
    for turn in range(1, len(rig.slots) + 2):
        slot = scrub.due(turn * step_ms)
        assert slot is not None
        assert scrub.due(turn * step_ms) is None
        seen.append(slot.number)
    assert seen[:-1] == sorted(rig.slots)
    assert seen[-1] == seen[0]


def test_a_restart_goes_on_where_it_stood() -> None:
    rig, scrub, _ = written(1)
    step_ms = PERIOD_MS // len(rig.slots)
    first = scrub.due(step_ms)
    rig.store.write([scrub.cursor()])
    again = Scrub(rig.store, rig.slots, PERIOD_MS, now_ms=5 * step_ms)
    assert again.due(step_ms + 1) is None
    second = again.due(2 * step_ms)
    assert first is not None
    assert second is not None
    assert second.number == sorted(rig.slots)[1]


def test_a_whole_slot_is_read_to_its_last_entry() -> None:
    rig, scrub, number = written()
    slot = rig.slots[number]
    sizes = list(scrub.read(slot, slot.hours()))
    assert sum(sizes) == scrub.counts.bytes_total > 5_000
    assert (scrub.counts.slots_total, scrub.counts.damaged_total) == (1, 0)


@pytest.mark.parametrize("harm", ["flipped", "missing", "swapped", "last"])
def test_a_log_that_is_not_what_was_written_is_found(harm: str) -> None:
    """A store whose checksums are right may hold the wrong rows all the same."""
    rig, scrub, number = written()
    slot, name = rig.slots[number], keys.log(number, 7)
    value = rig.store.get(Family.LOG, name)
    assert value is not None
    if harm == "flipped":
        rig.store.write([(Family.LOG, name, value[:-1] + bytes([value[-1] ^ 1]))])
    elif harm == "missing":
        rig.store.write([(Family.LOG, name, None)])
    elif harm == "swapped":
        rig.store.write([(Family.LOG, keys.log(number, 8), value)])
    else:
        rig.store.write([(Family.LOG, keys.log(number, slot.last_index), None)])
    with pytest.raises(DamagedLog, match="entr"):
        list(scrub.read(slot, slot.hours()))
    assert scrub.counts.slots_total == 0


def test_what_the_store_cannot_read_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    rig, scrub, number = written(1)
    slot = rig.slots[number]

    def damaged(*_: object, **__: object) -> None:
        raise StoreError("Corruption: block checksum mismatch")

    monkeypatch.setattr(rig.store, "scan", damaged)
    with pytest.raises(StoreError, match="Corruption"):
        list(scrub.read(slot, slot.hours()))
