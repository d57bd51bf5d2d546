"""The slot map and the only way to a new term."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.ring.map import (
    Leader,
    SlotMap,
    SlotRecord,
    next_leader,
    parse_slot_record,
    placed,
)

A1, A2, B1 = Leader("a", 1), Leader("a", 2), Leader("b", 2**64 - 1)


def test_the_stored_form() -> None:
    record = next_leader(placed(("s1", "s2")), B1)
    assert json.loads(record.to_json()) == {
        "term": 1,
        "leader": {"node": "b", "boot_id": 2**64 - 1},
        "members": ["s1", "s2"],
        "prev": ["s1", "s2"],
        "prev_term": 0,
        "activated": False,
        "learners": [],
    }
    assert parse_slot_record(record.to_json()) == record
    assert parse_slot_record(placed(("s",)).to_json()).leader is None


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"term":"x","leader":null,"members":[]}'])
def test_a_damaged_record_is_refused(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        parse_slot_record(data)


def test_a_lone_copy_is_activated_at_once() -> None:
    first = next_leader(placed(("s",)), A1)
    assert (first.term, first.leader, first.prev, first.activated) == (1, A1, ("s",), True)
    second = next_leader(first, A2)
    assert (second.term, second.leader, second.prev_term, second.activated) == (2, A2, 1, True)


def test_a_lone_copy_without_the_data_is_not_activated() -> None:
    """Moved from s to t and not yet fetched: `prev` must go on naming s, or s's log is lost."""
    moving = SlotRecord(term=4, leader=None, members=("t",), prev=("s",), prev_term=3)
    claimed = next_leader(next_leader(moving, B1), B1)
    assert (claimed.term, claimed.prev, claimed.prev_term) == (6, ("s",), 3)
    assert not claimed.activated


def test_prev_moves_from_an_activated_configuration() -> None:
    active = SlotRecord(
        term=7, leader=A1, members=("s", "t"), prev=("s",), prev_term=5, activated=True
    )
    claimed = next_leader(active, B1)
    assert (claimed.prev, claimed.prev_term, claimed.activated) == (("s", "t"), 7, False)


def test_learners_stay() -> None:
    record = SlotRecord(term=1, leader=A1, members=("s",), prev=("s",), learners=("t",))
    assert next_leader(record, B1).learners == ("t",)


def test_a_map_answers_who_leads() -> None:
    slots = SlotMap(4)
    assert slots.leader_of(0) is None
    assert slots.nodes_of((3, 0)) == ["", ""]
    assert not slots.complete()
    for slot, leader in enumerate((A1, A1, A2, B1)):
        assert slots.apply(slot, next_leader(placed((leader.node,)), leader), 10 + slot)
    assert slots.complete()
    assert slots.leader_of(3) == B1
    assert slots.nodes_of((3, 0, 3)) == ["b", "a", "b"]
    assert slots.slots_led_by("a") == [0, 1, 2]
    assert slots.slots_led_by("a", boot_id=2) == [2]
    assert slots.slots_led_by("nobody") == []
    assert (slots.revision, slots.revision_of(1), slots.term_of(1)) == (13, 11, 1)


def test_a_slot_without_leader_is_not_complete() -> None:
    slots = SlotMap(1)
    slots.apply(0, placed(("s",)), 1)
    assert not slots.complete()
    assert (slots.term_of(0), slots.revision_of(0)) == (0, 1)


def test_a_deleted_record_leaves_no_guard_behind() -> None:
    slots = SlotMap(1)
    slots.apply(0, placed(("s",)), 3)
    assert slots.apply(0, None, 4)
    assert slots.record_of(0) is None
    assert slots.revision_of(0) == 0
    assert not slots.apply(0, placed(("s",)), 3)


@pytest.mark.parametrize("slot", [-1, 4, 99])
def test_a_slot_outside_the_map_is_an_error(slot: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        SlotMap(4).apply(slot, placed(("s",)), 1)


@given(st.permutations(range(1, 9)))
def test_records_may_arrive_in_any_order(revisions: list[int]) -> None:
    slots = SlotMap(2)
    for revision in revisions:
        record = SlotRecord(term=revision, leader=A1, members=("s",))
        slots.apply(revision % 2, record, revision)
        assert not slots.apply(revision % 2, placed(("s",)), revision)
    assert (slots.term_of(0), slots.term_of(1), slots.revision) == (8, 7, 8)
