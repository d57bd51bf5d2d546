"""The heap of what falls due: order, bounds, retries; the slots are played by the test."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest

from node import keys
from node.due import (
    FAILING_MAX,
    IN_FLIGHT_MAX,
    LOOK_MS_MAX,
    PER_S_MAX,
    WINDOW,
    DueChange,
    Dues,
)


def key(at_ms: int, name: str = "n", slot: int = 1) -> bytes:
    return keys.due(slot, at_ms, "demo", "group:x", name)


class Board:
    """The committed index of some slots, and the heap over it; `mono` is the clock of the pace."""

    def __init__(self, slots: Sequence[int] = (1,)) -> None:
        self.stored: dict[int, set[bytes]] = {slot: set() for slot in slots}
        self.reads = 0
        self.dues = Dues(self._load)
        self.mono_ms = 1_000
        for slot in slots:
            self.dues.lead(slot)

    def _load(self, slot: int, after: bytes, limit: int) -> list[bytes]:
        self.reads += 1
        return sorted(k for k in self.stored[slot] if k > after)[:limit]

    def put(self, *new: bytes) -> None:
        for one in new:
            slot = keys.slot_of_meta(one)
            self.stored[slot].add(one)
            self.dues.change(slot, [DueChange(one, True)])

    def drop(self, *old: bytes) -> None:
        for one in old:
            slot = keys.slot_of_meta(one)
            self.stored[slot].discard(one)
            self.dues.change(slot, [DueChange(one, False)])

    def take(self, now_ms: int, **ahead: int) -> list[bytes]:
        slots = {int(name[1:]): log_ms for name, log_ms in ahead.items()}
        return self.dues.take(now_ms, self.mono_ms, slots)

    def run(self, now_ms: int) -> list[bytes]:
        """Everything that is due, each committed at once, however long the pace takes."""
        done: list[bytes] = []
        for _ in range(10_000):
            taken = self.take(now_ms)
            for one in taken:
                self.drop(one)
                self.dues.fired(one)
            done += taken
            self.mono_ms += 1_000
            if not taken and self.dues.look_in_ms(now_ms, self.mono_ms) > 20:
                return done
        raise AssertionError("it never ends")


def test_nothing_before_its_time_and_then_in_order() -> None:
    board = Board((1, 2))
    board.put(key(30), key(10, slot=2), key(20), key(20, "m"))
    assert board.take(9) == []
    assert board.take(20) == [key(10, slot=2), key(20, "m"), key(20)]
    assert board.take(20) == []
    assert board.dues.look_in_ms(20, board.mono_ms) == 10
    assert board.take(30) == [key(30)]


def test_what_is_taken_back_does_not_fall_due() -> None:
    board = Board()
    board.put(key(10), key(20))
    board.drop(key(10))
    assert board.take(100) == [key(20)]
    board.put(key(30))
    board.drop(key(30))
    board.put(key(30))
    assert board.take(100) == [key(30)], "set again"


def test_an_entry_that_sets_its_own_name_anew_is_not_forgotten() -> None:
    """Its deletion and the new row come before the answer."""
    board = Board()
    board.put(key(10))
    assert board.take(10) == [key(10)]
    board.dues.change(1, [DueChange(key(10), False), DueChange(key(10), True)])
    board.dues.fired(key(10))
    assert board.take(10) == [key(10)]


def test_a_leader_begins_with_what_is_stored_and_forgets_it_at_the_end() -> None:
    board = Board((1, 2))
    board.put(key(10), key(20), key(10, slot=2))
    assert len(board.take(10)) == 2
    board.dues.forget(1)
    board.dues.failed(key(10), board.mono_ms, 0.0)  # a late answer of the term that ended
    assert board.dues.late_ms(500) == 490, "that of slot 2 is under way"
    board.dues.lead(1)
    assert board.take(20) == [key(10), key(20)]
    other = Dues(lambda *_: [])
    other.change(1, [DueChange(key(10), True)])
    assert other.take(99, 0, {}) == [], "not led"


def test_a_wall_clock_that_was_set_back_holds_nothing_up() -> None:
    board = Board((1, 2))
    board.put(key(5_000), key(5_000, slot=2), key(6_000))
    assert board.take(1_000) == []
    assert board.take(1_000, s1=5_000) == [key(5_000)]
    assert board.take(5_000) == [key(5_000, slot=2)]


def test_a_backlog_leaves_at_a_bounded_rate() -> None:
    board = Board()
    names = [key(n, str(n)) for n in range(2_000)]
    board.put(*names)
    left: list[bytes] = []
    for _ in range(100):
        taken = board.take(10_000)
        left += taken
        for one in taken:
            board.drop(one)
            board.dues.fired(one)
        board.mono_ms += 10
    assert 0.9 * PER_S_MAX <= len(left) <= 1.2 * PER_S_MAX
    assert left == names[: len(left)]
    assert board.dues.look_in_ms(10_000, board.mono_ms) < 100


def test_no_more_than_so_many_are_under_way() -> None:
    board = Board()
    board.put(*(key(n, str(n)) for n in range(1_000)))
    taken: list[bytes] = []
    for _ in range(100):
        taken += board.take(10_000)
        board.mono_ms += 1_000
    assert len(taken) == IN_FLIGHT_MAX


def test_a_failure_is_tried_again_later_and_holds_nobody_up() -> None:
    board = Board()
    board.put(key(10), key(20))
    assert board.take(10) == [key(10)]
    board.dues.failed(key(10), board.mono_ms, 0.0)
    assert board.take(20) == [key(20)]
    board.mono_ms += 100
    assert board.take(20) == [key(10)]
    board.dues.failed(key(10), board.mono_ms, 0.0, retry_after_ms=700)
    board.mono_ms += 699
    assert board.take(20) == []
    assert board.dues.look_in_ms(20, board.mono_ms) == 1
    board.mono_ms += 1
    assert board.take(20) == [key(10)]
    board.drop(key(10))
    board.dues.fired(key(10))
    counts = board.dues.counts
    assert (counts.fired_total, counts.retried_total) == (1, 2)


def test_a_failure_that_is_taken_back_or_replaced_is_not_tried_again() -> None:
    board = Board()
    board.put(key(10), key(20))
    for one in board.take(20):
        board.dues.failed(one, board.mono_ms, 0.0)
    board.drop(key(10))
    board.dues.change(1, [DueChange(key(20), False), DueChange(key(20), True)])
    assert board.take(20) == [key(20)], "at once: it is another one now"
    board.mono_ms += 60_000
    assert board.take(20) == []


def test_failures_are_bounded() -> None:
    board = Board()
    board.put(*(key(n, str(n)) for n in range(FAILING_MAX + 200)))
    for _ in range(40):
        for one in board.take(10**6):
            board.dues.failed(one, board.mono_ms, 1.0)
        board.mono_ms += 90
    assert board.dues.counts.forgotten_total > 0
    assert len(board.dues) <= FAILING_MAX + 2 * WINDOW


def test_memory_is_bounded_and_the_rest_is_read_in_its_turn() -> None:
    board = Board()
    names = [key(n, str(n)) for n in range(5_000)]
    board.put(*reversed(names))
    assert len(board.dues) <= 2 * WINDOW
    assert board.dues.spilled_count == 1
    assert board.run(10_000) == names
    assert board.reads < 40
    assert (board.dues.spilled_count, len(board.dues)) == (0, 0)
    assert board.dues.counts.fired_total == 5_000


def test_waits() -> None:
    board = Board()
    assert board.dues.look_in_ms(0, 0) == LOOK_MS_MAX
    board.put(key(300))
    assert board.dues.look_in_ms(0, 0) == 300
    assert board.dues.late_ms(299) == 0
    assert board.dues.late_ms(350) == 50
    board.drop(key(300))
    assert board.dues.late_ms(350) == 0


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_each_falls_due_once(seed: int) -> None:
    """Random sets, withdrawals, failures and new terms over more keys than a window holds."""
    random = Random(seed)
    board = Board()
    new = [key(n * 7 % 5_000, f"a{n}") for n in range(random.randrange(900))]
    board.put(*new)
    expected, fired, now_ms = set(new), [], 0
    for step in range(random.randrange(1, 40)):
        act = random.choice(("set", "drop", "time", "term"))
        if act == "set":
            one = key(random.randrange(6_000), f"b{step}")
            board.put(one)
            expected.add(one)
        elif act == "drop" and board.stored[1]:
            one = random.choice(sorted(board.stored[1]))
            board.drop(one)
            expected.discard(one)
        elif act == "term":
            board.dues.forget(1)
            board.dues.lead(1)
        now_ms += random.randrange(700)
        board.mono_ms += 1_000
        for one in board.take(now_ms):
            assert keys.due_ms(one) <= now_ms
            if random.random() < 0.5:
                board.drop(one)
                board.dues.fired(one)
                fired.append(one)
            else:
                board.dues.failed(one, board.mono_ms, 0.0)
    board.mono_ms += 120_000
    fired += board.run(10_000)
    assert sorted(fired) == sorted(expected)
