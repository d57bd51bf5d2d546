"""Who tries to lead what, and when."""

from __future__ import annotations

from collections.abc import Callable

from hubbub.ring.map import Leader, SlotRecord, next_leader, placed
from node.elections import AGAIN_MS, STAGGER_MS, Elections, Living

MEMBERS = ("a", "b", "c")
LEADERS = {name: Leader(f"node-{name}", ord(name)) for name in MEMBERS}
LED_BY_A = next_leader(placed(MEMBERS), LEADERS["a"])


def living(*alive: str, condemned: str = "") -> Living:
    processes = frozenset((LEADERS[name].node, LEADERS[name].boot_id) for name in alive)
    return Living(frozenset(alive), processes, frozenset(f"node-{name}" for name in condemned))


def nobody(_: int) -> bool:
    return False


def tries(
    elections: Elections,
    record: SlotRecord,
    now: Living,
    now_ms: int,
    is_leading: Callable[[int], bool] = nobody,
) -> list[SlotRecord]:
    found = elections.wanted([(5, record, 9)], now, is_leading, now_ms)
    assert all((one.slot, one.revision) == (5, 9) for one in found)
    return [one.record for one in found]


def test_the_first_member_begins_a_new_slot_at_once() -> None:
    first, second = (Elections(name, LEADERS[name]) for name in "ab")
    new, all_live = placed(MEMBERS), living(*MEMBERS)
    assert tries(first, new, all_live, 0) == [LED_BY_A]
    assert tries(second, new, all_live, 0) == []
    assert tries(second, new, all_live, STAGGER_MS) == [next_leader(new, LEADERS["b"])]


def test_a_live_leader_is_left_alone() -> None:
    second = Elections("b", LEADERS["b"])
    assert tries(second, LED_BY_A, living(*MEMBERS), 10_000) == []
    assert not second.is_waiting


def test_a_condemned_leader_is_replaced_by_the_first_that_lives() -> None:
    now = living("b", "c", condemned="a")
    assert tries(Elections("b", LEADERS["b"]), LED_BY_A, now, 0)[0].leader == LEADERS["b"]
    third = Elections("c", LEADERS["c"])
    assert tries(third, LED_BY_A, now, 0) == []
    assert third.is_waiting


def test_a_process_that_is_registered_no_more_leads_nothing() -> None:
    second, gone = Elections("b", LEADERS["b"]), living("b", "c")
    assert tries(second, LED_BY_A, gone, 0) == []  # it may be starting again
    assert tries(second, LED_BY_A, gone, STAGGER_MS)


def test_an_earlier_process_of_this_node_leads_nothing() -> None:
    again = Elections("a", Leader("node-a", 1_000))
    assert tries(again, LED_BY_A, living("b", "c"), 0)


def test_who_stepped_down_tries_again_and_who_leads_does_not() -> None:
    first = Elections("a", LEADERS["a"])
    assert tries(first, LED_BY_A, living(*MEMBERS), 0, lambda _: True) == []
    assert tries(first, LED_BY_A, living(*MEMBERS), 0)[0].term == 2


def test_a_try_is_not_repeated_at_once() -> None:
    first = Elections("a", LEADERS["a"])
    assert tries(first, LED_BY_A, living(*MEMBERS), 0)
    assert tries(first, LED_BY_A, living(*MEMBERS), AGAIN_MS - 1) == []
    assert tries(first, LED_BY_A, living(*MEMBERS), AGAIN_MS)


def test_a_slot_that_is_held_no_more_is_waited_for_no_more() -> None:
    third = Elections("c", LEADERS["c"])
    assert tries(third, LED_BY_A, living("b", "c", condemned="a"), 0) == []
    assert third.is_waiting
    assert third.wanted([], living("b", "c", condemned="a"), nobody, 1) == []
    assert not third.is_waiting


def test_without_a_majority_of_either_configuration_nobody_tries() -> None:
    alone = Elections("b", LEADERS["b"])
    assert tries(alone, LED_BY_A, living("b", condemned="ac"), 99_999) == []
    moved = SlotRecord(term=4, leader=LEADERS["a"], members=("b",), prev=MEMBERS)
    assert tries(alone, moved, living("b", condemned="ac"), 99_999) == []


def test_who_is_no_member_never_tries() -> None:
    assert tries(Elections("d", Leader("node-d", 4)), LED_BY_A, living("b", "c"), 99_999) == []


def gray(*names: str, me: str) -> Living:
    """All live, these are gray; as the node `me` sees it."""
    replaced = () if me in names else names
    return living(*MEMBERS)._replace(
        gray=frozenset(names), replaced=frozenset(f"node-{name}" for name in replaced)
    )


def test_a_gray_leader_is_replaced_by_the_first_that_is_well() -> None:
    second, third = Elections("b", LEADERS["b"]), Elections("c", LEADERS["c"])
    assert tries(second, LED_BY_A, gray("a", me="b"), 0)[0].leader == LEADERS["b"]
    assert tries(third, LED_BY_A, gray("a", me="c"), 0) == []
    assert tries(third, LED_BY_A, gray("a", me="c"), STAGGER_MS)[0].leader == LEADERS["c"]


def test_a_gray_leader_leads_on_until_then() -> None:
    first = Elections("a", LEADERS["a"])
    assert tries(first, LED_BY_A, gray("a", me="a"), 99_999, lambda _: True) == []


def test_who_is_gray_replaces_nobody_who_is_gray_too() -> None:
    second = Elections("b", LEADERS["b"])
    assert tries(second, LED_BY_A, gray("a", "b", me="b"), 99_999) == []


def test_a_gray_node_comes_last_and_does_come() -> None:
    new = placed(MEMBERS)
    first, second = (Elections(name, LEADERS[name]) for name in "ab")
    now = gray("a", me="a")
    assert tries(first, new, now, 0) == []
    assert tries(second, new, gray("a", me="b"), 0), "the next one is the first now"
    assert tries(first, new, now, 2 * STAGGER_MS - 1) == []
    assert tries(first, new, now, 2 * STAGGER_MS)


def test_where_all_that_live_are_gray_nobody_waits_for_a_better_one() -> None:
    second, third = Elections("b", LEADERS["b"]), Elections("c", LEADERS["c"])
    now = living("b", "c", condemned="a")._replace(gray=frozenset("bc"))
    assert tries(second, LED_BY_A, now, 0)
    assert tries(third, LED_BY_A, now, 0) == []
    assert tries(third, LED_BY_A, now, STAGGER_MS)


def test_its_own_slots_are_no_exception_for_a_gray_node() -> None:
    again = Elections("a", Leader("node-a", 1_000))
    assert tries(again, LED_BY_A, gray("a", me="a"), 0) == []


def test_a_copy_that_is_not_whole_names_another_one() -> None:
    named = Elections("a", LEADERS["a"])
    now = living(*MEMBERS)._replace(leaders={name: LEADERS[name] for name in "bc"})
    found = named.wanted([(5, LED_BY_A, 9)], now, nobody, 0, nobody)  # nobody: not whole either
    assert [one.record.leader for one in found] == [LEADERS["b"]]
    second = Elections("b", LEADERS["b"])
    gone = living("b", "c", condemned="a")._replace(leaders={"c": LEADERS["c"]})
    assert second.wanted([(5, LED_BY_A, 9)], gone, nobody, 0, nobody) == []
