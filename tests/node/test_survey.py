"""What a database is said to have is what is in its rows."""

from __future__ import annotations

import msgspec
import pytest

from node import keys
from node.entry import BrokenChain
from node.store.api import Family
from node.store.memory import MemoryStore
from node.survey import check, compare, look, survey
from tests.node.rig import SLOTS, Rig

ROOM = "group:x"


def filled(count: int = 20) -> Rig:
    rig = Rig()
    rig.create(ROOM)
    for number in range(count):
        rig.send(ROOM, f"message {number}")
    return rig


def test_every_slot_stands_where_it_stands() -> None:
    rig = filled()
    found = survey(rig.store, range(SLOTS))
    assert [copy.slot for copy in found] == list(range(SLOTS))
    slot = rig.slot(ROOM)
    copy = found[slot.number]
    assert (copy.applied, copy.last_index) == (slot.applied, slot.last_index)
    assert copy.applied >= 21
    assert (copy.chain, copy.last_chain) == (slot.meta.chain, slot.replica.log.last_chain)
    assert copy.incarnation == slot.epoch
    assert (copy.last_term, copy.promised) == (1, 1)
    for one in found:
        assert check(rig.store, one) == one.last_index


def test_an_empty_database_has_nothing() -> None:
    assert survey(MemoryStore(), range(SLOTS)) == []


def test_a_copy_that_forgot_something_is_none() -> None:
    """It once had more than it has, and counts again when it has that again."""
    rig = filled()
    slot = rig.slot(ROOM)
    slot.replica._write_promise(slot.replica.promise._replace(recall=99))
    rig.obey(slot._ready())
    rig.settle()
    assert look(rig.store, slot.number) is None


def test_another_position_is_told() -> None:
    rig = filled()
    copy = look(rig.store, rig.slot(ROOM).number)
    assert copy is not None
    compare(rig.store, copy)
    for field in ("applied", "chain", "last_index", "last_chain", "incarnation", "promised"):
        other = "00" if field == "incarnation" else getattr(copy, field) + 1
        with pytest.raises(BrokenChain, match=f"slot {copy.slot}"):
            compare(rig.store, msgspec.structs.replace(copy, **{field: other}))


@pytest.mark.parametrize("kind", ["changed", "missing"])
def test_an_entry_that_does_not_follow_is_told(kind: str) -> None:
    rig = filled()
    number = rig.slot(ROOM).number
    copy = look(rig.store, number)
    assert copy is not None
    assert check(rig.store, copy) == copy.last_index
    key = keys.log(number, 7)
    row = rig.store.get(Family.LOG, key)
    assert row is not None
    changed = None if kind == "missing" else row[:-1] + bytes([row[-1] ^ 1])
    rig.store.write([(Family.LOG, key, changed)])
    compare(rig.store, copy)  # its ends are what they were
    with pytest.raises(BrokenChain):
        check(rig.store, copy)
