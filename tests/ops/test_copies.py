"""What nodes tell of their copies, added up."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.standing import ShortSlots as ShortTold
from node.standing import StandingStatistics
from ops.copies import (
    FailoverTold,
    NodeCopies,
    ShortSlots,
    added_up,
    ranges,
    some,
    told_copies,
    told_short,
)


def test_what_a_node_tells_is_understood() -> None:
    """Both sides have their own shapes: here they meet."""
    told = StandingStatistics(
        storage="disk-1", held=4, led=2, failures={3: "gone"}, short={2: 1}, unheard=("node-2",)
    )
    plain = msgspec.to_builtins(told, str_keys=True)
    found = told_copies({"copies": plain, "more": 1})
    assert found is not None
    assert (found.held, found.led, found.failures, found.short) == (4, 2, {3: "gone"}, {2: 1})
    assert found.unheard == ("node-2",)
    shared = set(StandingStatistics.__struct_fields__) & set(NodeCopies.__struct_fields__)
    assert shared == set(NodeCopies.__struct_fields__), "a name that the node does not have"
    row = msgspec.to_builtins(ShortTold({2: [5, 6]}), str_keys=True)
    assert told_short(row).by_copies == {2: [5, 6]}


@pytest.mark.parametrize("told", [None, [], {}, {"copies": None}, {"copies": {"led": "many"}}, 7])
def test_what_is_not_understood_is_not_told(told: Any) -> None:
    assert told_copies(told) is None
    assert told_short(told) == ShortSlots()


def test_copies_of_all_slots() -> None:
    told = {
        "node-1": NodeCopies(led=10, short={2: 3}, follower_lag_max=7),
        "node-3": NodeCopies(led=4, failed=1, apply_lag_max=9),
    }
    short = [ShortSlots({2: [1, 2, 3]}), ShortSlots()]
    found = added_up(3, told, short=short, untold_led=2)
    assert found.by_copies == {2: 3, 3: 13}
    assert (found.short, found.fewest, found.lag_max, found.failed) == (3, 2, 9, 1)
    assert found.short_slots == {2: [1, 2, 3]}
    assert not found.is_whole
    assert found.data()["slots_short"] == {"2": "1-3"}


def test_a_slot_with_fewer_members_than_wanted_counts_once() -> None:
    told = {"node-1": NodeCopies(led=4, short={1: 1})}
    found = added_up(3, told, short=[ShortSlots({1: [0]})], thin={0: 2, 1: 2})
    assert found.by_copies == {1: 1, 2: 1, 3: 2}
    assert found.short_slots == {1: [0], 2: [1]}


def test_nobody_tells_anything() -> None:
    found = added_up(3, {})
    assert (found.by_copies, found.short, found.fewest, found.lag_max) == ({}, 0, 3, 0)
    assert found.is_whole


def test_who_is_suspected_by_whom_unless_it_left() -> None:
    told = {
        "node-1": NodeCopies(unheard=("node-2", "node-9")),
        "node-3": NodeCopies(unheard=("node-2",)),
    }
    found = added_up(3, told, nodes={"node-1", "node-2", "node-3"})
    assert found.suspected == {"node-2": ["node-1", "node-3"]}
    assert not found.is_whole


def test_failovers_of_the_last_hour() -> None:
    told = {
        "node-1": NodeCopies(failovers=(FailoverTold("node-2", 170, 42_000, 300),)),
        "node-3": NodeCopies(
            failovers=(
                FailoverTold("node-2", 171, 41_000, 900),
                FailoverTold("node-1", 3, 99_000, 1),
            )
        ),
    }
    assert added_up(3, told).data()["failovers_1h"] == {
        "slots": 344,
        "from": {"node-1": 3, "node-2": 341},
        "last_ago_s": 41.0,
        "took_s_max": 0.9,
    }


@given(st.sets(st.integers(0, 300)))
def test_ranges_name_each_number_once(numbers: set[int]) -> None:
    found: list[int] = []
    for part in filter(None, ranges(list(numbers)).split(",")):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    assert found == sorted(numbers)


def test_some_ranges_and_how_many_more() -> None:
    assert some([], 10) == ""
    assert some([1, 2, 3], 10) == "1-3"
    assert some([1, 3, 5, 7, 8, 9], 5) == "1,3,5 and 3 more"
