"""Copies that are given up: when their rows may go, and that all of them do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hubbub.ring.map import Leader, SlotRecord, activated, next_leader, placed
from node import keys
from node.removals import (
    REMOVALS_MAX,
    REMOVED,
    Removals,
    is_given_up,
    promised_term,
    removal,
    slots_with_rows,
)
from node.slot import Slot, SlotMeta
from node.store.api import Family, Store
from node.store.memory import MemoryStore
from node.store.rocks import RocksStore
from tests.node.rig import Rig, write_records

ANN, BOB = Leader("ann", 1), Leader("bob", 2)
GRACE_MS = 600_000


def led(term: int, *members: str) -> SlotRecord:
    return SlotRecord(term=term, leader=ANN, members=members, prev=members)


def moved(term: int) -> SlotRecord:
    """From a, b, c to b, c, d; not activated."""
    return next_leader(led(term - 1, "a", "b", "c"), BOB, ("b", "c", "d"))


# --- when


def test_only_a_settled_record_gives_a_copy_up() -> None:
    assert not is_given_up(led(5, "a", "b", "c"), "a", 5)
    assert not is_given_up(moved(6), "a", 6)
    assert is_given_up(activated(moved(6)), "a", 6)
    assert is_given_up(next_leader(activated(moved(6)), ANN), "a", 6)


def test_a_copy_that_promised_a_later_term_is_not_given_up() -> None:
    """The map is older than what the copy knows: it lags, or the coordinator went back in time."""
    assert not is_given_up(activated(moved(6)), "a", 7)


def test_a_learner_is_not_given_up() -> None:
    record = SlotRecord(term=3, leader=ANN, members=("b",), prev=("b",), learners=("a",))
    assert not is_given_up(record, "a", 3)


def test_the_grace_is_over_only_if_nothing_came_between() -> None:
    removals = Removals("a", GRACE_MS)
    records: dict[int, SlotRecord | None] = {7: activated(moved(6))}
    assert removals.due([7], records.get, 0) == []
    assert removals.due([7], records.get, GRACE_MS - 1) == []
    assert removals.due([7], records.get, GRACE_MS) == [7]
    records[7] = led(7, "a", "b", "c")
    assert removals.due([7], records.get, GRACE_MS + 1) == []
    records[7] = activated(moved(8))
    assert removals.due([7], records.get, 2 * GRACE_MS) == []
    assert removals.due([7], records.get, 3 * GRACE_MS) == [7]


def test_what_is_not_in_the_map_stays() -> None:
    """Bug 20: a map without the slot is a reason for nothing."""
    removals = Removals("a", GRACE_MS)
    for now_ms in range(0, 5 * GRACE_MS, GRACE_MS):
        assert removals.due([7], lambda _: None, now_ms) == []


def test_not_everything_goes_at_once() -> None:
    removals = Removals("a", 0)
    due = removals.due(range(1_000), lambda _: activated(moved(6)), 0)
    assert due == list(range(REMOVALS_MAX))


# --- what


@pytest.fixture(params=["memory", "rocks"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else RocksStore(str(tmp_path / "db"))
    yield made
    made.close()


@pytest.fixture
def rig(store: Store) -> Rig:
    """Two channels and their members' streams, in several slots."""
    made = Rig(store)
    for key in ("group:x", "group:y"):
        made.create(key, members=("bob", "carol"))
        for text in "abc":
            made.send(key, text)
    assert made.slot("group:x").number != made.slot("group:y").number
    return made


def rows_of(rig: Rig, number: int) -> list[tuple[Family, bytes]]:
    """Keys of a slot, in every family; answers by the slot in their key."""
    start, end = keys.slot_range(number)
    found = []
    for family, rows in rig.dump().items():
        for key, _ in rows:
            if family is Family.META:
                is_its = start <= key[1:] < end and key[:1] not in (b"c", b"g")
            elif family is Family.DEDUP:
                is_its = start <= key[4:] < end
            else:
                is_its = start <= key < end
            if is_its:
                found.append((family, key))
    return found


def test_everything_of_the_slot_goes_but_its_promise(rig: Rig) -> None:
    number, other = rig.slot("group:x").number, rig.slot("group:y").number
    before, families = rows_of(rig, other), {family for family, _ in rows_of(rig, number)}
    assert families >= {Family.META, Family.LOG, Family.CHAN, Family.STATE, Family.DEDUP}
    promised = promised_term(rig.store, number)
    assert number in slots_with_rows(rig.store)
    ((slot, token),) = write_records(rig.store, [removal(rig.store, number)])
    assert (slot, token) == (number, REMOVED)
    left = rows_of(rig, number)
    assert left == [(Family.META, keys.slot_meta(number)), (Family.META, keys.promise(number))]
    assert promised_term(rig.store, number) == promised > 0
    assert rows_of(rig, other) == before
    assert number not in slots_with_rows(rig.store)
    assert other in slots_with_rows(rig.store)


def test_what_the_slot_wrote_in_the_same_batch_goes_too(rig: Rig) -> None:
    slot = rig.slot("group:x")
    rig.submit("group:x", rig.command("message.send", {"channel": "group:x", "text": "late"}))
    assert rig.waiting
    write_records(rig.store, [*rig.waiting, removal(rig.store, slot.number)])
    assert slot.number not in slots_with_rows(rig.store)


def test_a_copy_that_comes_back_begins_empty_and_keeps_its_promise(rig: Rig) -> None:
    number = rig.slot("group:x").number
    write_records(rig.store, [removal(rig.store, number)])
    rig.context.caches.clear()
    again = Slot(number, rig.context)
    assert again.meta == SlotMeta()
    assert (again.applied, again.last_index, again.term) == (0, 0, 1)
    record = next_leader(placed((rig.copy.storage,)), rig.copy.leader)
    again.follow(record, 99, rig.now)
    assert not again.is_active, "it promised that term, and resumes none"


def test_a_slot_that_only_received_rows_is_seen(rig: Rig) -> None:
    """A copy that was being made when its node died has neither a position nor a log."""
    number = max(rig.slots) + 1
    assert number not in slots_with_rows(rig.store)
    rig.store.write([(Family.STATE, keys.slot_range(number)[0] + b"row", b"x")])
    assert number in slots_with_rows(rig.store)


def test_an_empty_database_has_nothing() -> None:
    assert slots_with_rows(MemoryStore()) == set()
    assert removal(MemoryStore(), 3).slot == 3
