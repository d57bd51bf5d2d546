"""The wheel: never early, at most a turn late, one entry an item."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.timers import TURN_MS, Timers


class Item:
    def __init__(self, deadline_ms: int) -> None:
        self.deadline_ms = deadline_ms
        self.turn = 0


@given(st.lists(st.integers(1, 20_000), max_size=30), st.lists(st.integers(1, 3_000), max_size=20))
def test_items_are_due_once_and_in_time(deadlines: list[int], steps: list[int]) -> None:
    timers: Timers[Item] = Timers(0)
    waiting = [Item(deadline) for deadline in deadlines]
    for item in waiting:
        timers.schedule(item)
    now = 0
    for step in [*steps, 30_000]:
        now += step
        for item in timers.advance(now):
            assert item.deadline_ms <= now
            waiting.remove(item)
        assert all(item.deadline_ms > now - 2 * TURN_MS for item in waiting)
    assert waiting == []
    assert len(timers) == 0


def test_a_nearer_deadline_counts_and_the_old_entry_is_passed_over() -> None:
    timers: Timers[Item] = Timers(0)
    item = Item(10_000)
    timers.schedule(item)
    item.deadline_ms = 1_000
    timers.schedule(item)
    assert timers.advance(1_500) == [item]
    assert timers.advance(11_000) == []


def test_a_farther_deadline_costs_one_look() -> None:
    timers: Timers[Item] = Timers(0)
    item = Item(1_000)
    timers.schedule(item)
    item.deadline_ms = 5_000
    timers.schedule(item)
    assert timers.advance(2_000) == []
    assert timers.advance(5_500) == [item]


def test_an_item_without_deadline_is_let_go() -> None:
    timers: Timers[Item] = Timers(0)
    item = Item(1_000)
    timers.schedule(item)
    item.deadline_ms = 0
    assert timers.advance(5_000) == []
    assert len(timers) == 0
