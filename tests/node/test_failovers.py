"""Which terms count as failovers, and how they add up to events."""

from __future__ import annotations

from hubbub.base.units import HOUR_MS
from hubbub.ring.map import Leader
from node.failovers import EVENTS_MAX, GATHER_MS, Failover, Failovers

ME = Leader("node-1", 11)
EARLIER_ME = Leader("node-1", 10)
OTHER = Leader("node-2", 20)


def test_slots_of_a_dead_node_are_one_event() -> None:
    found = Failovers()
    for slot in range(3):
        found.tried(slot, 5, OTHER, ME, 1_000)
    assert all(found.began(slot, 5, 1_200 + slot * 100) for slot in range(3))
    assert found.last_hour(2_400) == (Failover("node-2", 3, 1_000, 400),)


def test_a_first_term_a_restart_and_a_handed_over_slot_are_none() -> None:
    found = Failovers()
    found.tried(0, 1, None, ME, 0)
    found.tried(1, 2, EARLIER_ME, ME, 0)
    assert not found.began(0, 1, 10)
    assert not found.began(1, 2, 10)
    assert not found.began(2, 9, 10), "somebody gave it to us"
    assert found.last_hour(10) == ()


def test_a_try_that_was_lost_leaves_nothing_behind() -> None:
    found = Failovers()
    found.tried(0, 5, OTHER, ME, 0)
    assert not found.began(0, 6, 10), "the term that began is another one"
    found.tried(1, 5, OTHER, ME, 0)
    found.tried(1, 8, EARLIER_ME, ME, 50)
    assert not found.began(1, 8, 60)


def test_the_time_is_counted_from_the_first_try_of_a_term() -> None:
    found = Failovers()
    found.tried(0, 5, OTHER, ME, 100)
    found.tried(0, 5, OTHER, ME, 1_100)  # the coordinator was away
    found.tried(0, 6, ME, ME, 2_100)  # term 5 was written, and never began
    assert found.began(0, 6, 2_300)
    found.tried(1, 3, OTHER, ME, 0)
    found.tried(1, 4, OTHER, ME, 2_000)  # another term of the other node in between
    assert found.began(1, 4, 2_300)
    assert found.last_hour(2_300) == (Failover("node-2", 2, 0, 2_200),)


def test_events_part_by_node_and_by_time_and_go_after_an_hour() -> None:
    found = Failovers()
    third = Leader("node-3", 30)
    for slot, (leader, at_ms) in enumerate(
        [(OTHER, 0), (third, 1), (OTHER, 2), (OTHER, 3 + GATHER_MS)]
    ):
        found.tried(slot, 2, leader, ME, at_ms)
        assert found.began(slot, 2, at_ms)
    now_ms = 3 + GATHER_MS
    assert [event.node for event in found.last_hour(now_ms)] == [
        "node-2",
        "node-2",
        "node-3",
        "node-2",
    ]
    assert [event.ago_ms for event in found.last_hour(HOUR_MS + 2)] == [
        HOUR_MS - 1 - GATHER_MS,
        HOUR_MS,
    ]
    assert found.last_hour(2 * HOUR_MS) == ()


def test_the_memory_is_bounded_and_the_oldest_goes() -> None:
    found = Failovers()
    for number in range(EVENTS_MAX + 10):
        found.tried(0, number + 2, Leader(f"other-{number}", 1), ME, number)
        assert found.began(0, number + 2, number)
    events = found.last_hour(EVENTS_MAX + 9)
    assert len(events) == EVENTS_MAX
    assert events[0].node == f"other-{EVENTS_MAX + 9}"
