"""Two processes compare their maps by revision and digest."""

from __future__ import annotations

from random import Random

import pytest

from hubbub.ring.map import Leader, SlotMap, SlotRecord, activated, next_leader, placed
from hubbub.ring.report import MapReport, SlotWord

SLOTS = 16
LEADER = Leader("node-1", 7)
LED = next_leader(placed(("a", "b", "c")), LEADER)


def filled(order: list[int]) -> SlotMap:
    slot_map = SlotMap(SLOTS)
    for revision, slot in enumerate(order, 1):
        slot_map.apply(slot, LED, revision)
    return slot_map


def test_equal_maps_have_equal_digests_in_whatever_order_they_were_learnt() -> None:
    order = list(range(SLOTS))
    first = MapReport(filled(order))
    Random(1).shuffle(order)
    second = MapReport(filled(order))
    assert first.digest() == second.digest() != 0


def test_a_followed_map_and_a_fresh_one_agree() -> None:
    """Whoever followed every change and whoever read the result say the same."""
    slot_map = filled(list(range(SLOTS)))
    report = MapReport(slot_map)
    before = report.digest()
    slot_map.apply(3, next_leader(LED, Leader("node-2", 8)), 100)
    after = report.digest()
    assert before != after == MapReport(slot_map).digest()
    slot_map.apply(3, None, 101)
    assert report.digest() == MapReport(slot_map).digest()
    slot_map.apply(3, LED, 102)
    assert report.digest() == before


@pytest.mark.parametrize(
    "other",
    [
        next_leader(LED, LEADER),  # term
        next_leader(placed(("a", "b", "c")), Leader("node-1", 8)),  # boot id
        next_leader(placed(("a", "b", "c")), Leader("node-2", 7)),
        next_leader(placed(("a", "c", "b")), LEADER),  # the first member should lead
        placed(("a", "b", "c")),
        None,
    ],
)
def test_every_word_that_matters_is_in_the_digest(other: SlotRecord | None) -> None:
    one, two = SlotMap(SLOTS), SlotMap(SLOTS)
    one.apply(0, LED, 1)
    two.apply(0, other, 1)
    assert MapReport(one).digest() != MapReport(two).digest()


def test_the_same_record_in_another_slot_is_another_map() -> None:
    one, two = SlotMap(SLOTS), SlotMap(SLOTS)
    one.apply(0, LED, 1)
    two.apply(1, LED, 1)
    assert MapReport(one).digest() != MapReport(two).digest()


def test_what_nobody_routes_by_is_not_in_it() -> None:
    one, two = SlotMap(SLOTS), SlotMap(SLOTS)
    one.apply(0, LED, 1)
    two.apply(0, activated(LED), 2)
    assert MapReport(one).digest() == MapReport(two).digest()


def test_statistics_and_the_whole_map() -> None:
    slot_map = SlotMap(SLOTS)
    slot_map.apply(0, LED, 4)
    slot_map.apply(1, placed(("a",)), 5)
    report = MapReport(slot_map)
    told = report.statistics()
    assert (told.revision, told.slots, told.led, told.copies) == (5, SLOTS, 1, 3)
    assert told.digest == f"{report.digest():016x}"
    words = report.row("slots")
    assert words is not None
    assert words.revision == 5
    assert words.slots[:3] == [
        SlotWord(1, "node-1", ("a", "b", "c")),
        SlotWord(0, "", ("a",)),
        SlotWord(0, "", ()),
    ]
    assert len(words.slots) == SLOTS
    assert report.row("17") is None
