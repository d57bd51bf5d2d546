"""Targets, the moves between, and the steps of one slot."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbub.ring.map import Leader, SlotRecord, activated, next_leader, placed
from hubbub.ring.moves import (
    Change,
    Holder,
    HolderState,
    Move,
    Pace,
    deviation,
    is_done,
    is_held_by,
    is_settled,
    members_after,
    members_of,
    moves_between,
    next_change,
    pace,
    pack_targets,
    plan_targets,
    unpack_targets,
)
from hubbub.ring.placement import PlacementError

ANN = Leader("ann", 1)
Plan = dict[int, tuple[str, ...]]


def holders(count: int, *, draining: tuple[int, ...] = ()) -> list[Holder]:
    """Each in a domain of its own."""
    states: list[HolderState] = ["draining" if i in draining else "active" for i in range(count)]
    return [Holder(f"s{i}", f"d{i}", state) for i, state in enumerate(states)]


def held(plan: Plan) -> Counter[str]:
    return Counter(name for members in plan.values() for name in members)


# --- targets and moves


@settings(max_examples=40)
@given(st.integers(3, 6), st.integers(1, 3), st.sampled_from([64, 256]), st.integers(1, 3))
def test_newcomers_get_their_share_by_the_fewest_moves(
    count: int, more: int, slots: int, copies: int
) -> None:
    before = plan_targets(holders(count), slots, copies, {})
    after = plan_targets(holders(count + more), slots, copies, before)
    moves, mean = moves_between(before, after), slots * copies / (count + more)
    newcomers = {f"s{i}" for i in range(count, count + more)}
    assert {move.target for move in moves} <= newcomers, "nothing moves between those in place"
    assert len(moves) <= more * mean
    slack = max(mean * 0.05, 0 if mean >= 20 else 1)
    for holder in holders(count + more):
        assert mean - slack <= held(after)[holder.storage] <= mean + slack
    if mean >= 20:
        assert deviation(held(after), [h.storage for h in holders(count + more)]) <= 0.05


@settings(max_examples=40)
@given(st.integers(4, 7), st.sampled_from([64, 256]), st.integers(1, 3), st.integers(0, 6))
def test_who_drains_gives_up_everything_and_only_that_moves(
    count: int, slots: int, copies: int, gone: int
) -> None:
    gone %= count
    before = plan_targets(holders(count), slots, copies, {})
    after = plan_targets(holders(count, draining=(gone,)), slots, copies, before)
    moves = moves_between(before, after)
    assert held(after)[f"s{gone}"] == 0
    assert len(moves) == held(before)[f"s{gone}"]
    assert {move.source for move in moves} <= {f"s{gone}"}


@settings(max_examples=30)
@given(st.lists(st.integers(1, 3), min_size=3, max_size=5), st.integers(1, 3))
def test_copies_never_share_a_domain(sizes: list[int], copies: int) -> None:
    nodes = [Holder(f"d{d}n{i}", f"d{d}") for d, size in enumerate(sizes) for i in range(size)]
    domain = {holder.storage: holder.domain for holder in nodes}
    before = plan_targets(nodes, 64, copies, {})
    after = plan_targets([*nodes, Holder("new", "elsewhere")], 64, copies, before)
    domain["new"] = "elsewhere"
    for members in after.values():
        assert len({domain[name] for name in members}) == len(members) == copies


def test_too_few_places_are_refused() -> None:
    with pytest.raises(PlacementError, match="3 copies need 3 nodes, there are 2"):
        plan_targets(holders(3, draining=(0,)), 16, 3, {})


def test_one_domain_is_refused_unless_it_is_waived() -> None:
    here = [Holder(f"s{i}", "here") for i in range(3)]
    with pytest.raises(PlacementError, match="failure domains"):
        plan_targets(here, 16, 3, {})
    assert held(plan_targets(here, 16, 3, {}, allow_same_domain=True))["s0"] == 16


def test_moves_pair_who_comes_with_who_goes() -> None:
    before, after = {0: ("a", "b"), 1: ("a",)}, {0: ("c", "b"), 1: ("a", "d")}
    assert moves_between(before, after) == [Move(0, "a", "c"), Move(1, "", "d")]
    assert moves_between(after, after) == []
    assert moves_between({}, {0: ("a",)}) == [Move(0, "", "a")]


# --- the steps of one slot


@settings(max_examples=200)
@given(st.permutations("abcdefg"), st.integers(1, 4), st.permutations("abcdefg"), st.integers(1, 4))
def test_steps_lead_to_the_target_one_exchange_at_a_time(
    before: list[str], count: int, after: list[str], wanted: int
) -> None:
    members, target = tuple(before[:count]), tuple(after[:wanted])
    leader = members[0]
    for _ in range(10):
        change = next_change(members, target, leader.__eq__)
        if change is None:
            break
        step = members_after(members, change, target)
        assert len({*members} - {*step}) <= 1 or not change.newcomers
        assert len(step) >= min(len(members), len(target))
        if leader not in step:  # it leaves last
            assert not {*members} - {*target} - {leader} - {*change.leavers}
            leader = step[0]
        members = step
    assert members == target or set(members) == set(target)
    assert members_after(members, Change((), ()), target) == target


def test_who_joins_and_who_leaves() -> None:
    def dear(name: str) -> int:
        return name == "a"

    assert next_change("abc", "bcd", dear) == Change(("d",), ("a",))
    assert next_change("abc", "ade", dear) == Change(("d",), ("b",))
    assert next_change("a", "abc", dear) == Change(("b", "c"), ())
    assert next_change("abc", "b", dear) == Change((), ("c", "a"))
    assert next_change("abc", "cab", dear) is None
    assert members_after("abc", Change(("d",), ("b",)), ("d", "a", "e")) == ("d", "a", "c")


# --- records


def record_of(*members: str) -> SlotRecord:
    return next_leader(placed(members), ANN)


def test_a_record_is_settled_when_nobody_else_is_asked() -> None:
    record = record_of("a", "b", "c")
    assert is_settled(record)
    assert is_done(record, ("a", "b", "c"))
    assert not is_done(record, ("b", "a", "c"))
    moved = next_leader(record, ANN, ("b", "c", "d"))
    assert not is_settled(moved)
    assert not is_done(moved, ("b", "c", "d"))
    assert is_settled(activated(moved))
    assert is_done(activated(moved), ("b", "c", "d"))


def test_a_copy_is_held_until_the_others_are_activated() -> None:
    record = record_of("a", "b", "c")
    moved = next_leader(record, ANN, ("b", "c", "d"))
    assert is_held_by(record, "a")
    assert is_held_by(moved, "a"), "it may be asked for what was acknowledged"
    assert not is_held_by(activated(moved), "a")
    assert not is_held_by(next_leader(activated(moved), ANN), "a")
    twice = next_leader(moved, ANN, ("c", "d", "e"))  # the first change was never activated
    assert is_held_by(twice, "a")
    assert is_held_by(twice, "b")
    learning = SlotRecord(term=1, leader=ANN, members=("b",), prev=("b",), learners=("a",))
    assert is_held_by(learning, "a")


def test_members_are_read_from_records() -> None:
    assert members_of([(3, record_of("a", "b"))]) == {3: ("a", "b")}


# --- progress


def test_pace_and_time_left() -> None:
    assert pace(10, 5, 2_000) == Pace(5.0, 1.0)
    assert pace(0, 5, 2_000) == Pace(0.0, None)
    assert pace(0, 0, 0) == Pace(0.0, 0.0)


def test_deviation_is_the_worst_node() -> None:
    assert deviation({"a": 90, "b": 110}, ["a", "b"]) == pytest.approx(0.1)
    assert deviation({"a": 10}, ["a", "b"]) == pytest.approx(1.0)
    assert deviation({}, ["a"]) == 0.0
    assert deviation({"a": 1}, []) == 0.0


# --- the bytes of a plan


@settings(max_examples=60)
@given(st.lists(st.permutations("abcde"), min_size=1, max_size=40), st.integers(1, 4))
def test_targets_survive_packing(rows: list[list[str]], copies: int) -> None:
    targets = {slot: tuple(row[: 1 + slot % copies]) for slot, row in enumerate(rows)}
    members, data = pack_targets(targets, copies)
    assert unpack_targets(members, data, copies) == list(targets.values())


def test_the_largest_plan_fits_into_a_value() -> None:
    targets = {slot: ("a" * 36, "b" * 36, "c" * 36) for slot in range(16_384)}
    _, data = pack_targets(targets, 3)
    assert len(data) * 4 / 3 < 1.5 * 1024 * 1024 / 4


@pytest.mark.parametrize("data", [b"\0", b"\0\0\0", b"\0\7\0\0"])
def test_damaged_targets_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="targets of a plan"):
        unpack_targets(("a", "b"), data, 2)


def test_too_many_members_are_refused() -> None:
    with pytest.raises(ValueError, match="at most"):
        pack_targets({slot: (f"s{slot}",) for slot in range(65_535)}, 1)
