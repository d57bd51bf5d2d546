"""Forwards: in order, at least once, one under way a pair, gone when answered."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from node.engine import OutboxRow, QueuedForward
from node.outbox import QUEUED_MAX, SILENCE_MS, Outbox

ROW = OutboxRow("demo", "#bob", "tag", "alice", b"{}")


def forward(n: int, target: int = 2, source: int = 1) -> QueuedForward:
    return QueuedForward(source, target, n, ROW)


def ns(forwards: list[QueuedForward]) -> list[tuple[int, int]]:
    return [(f.target, f.n) for f in forwards]


def nothing(*_: int) -> list[QueuedForward]:
    return []


def test_one_is_under_way_a_pair_and_pairs_do_not_wait_for_each_other() -> None:
    outbox = Outbox(nothing)
    assert ns(outbox.add([forward(1), forward(2), forward(1, target=3)], 0)) == [(2, 1), (3, 1)]
    assert outbox.add([forward(3)], 0) == []
    assert ns(outbox.finished(forward(1), 0)) == [(2, 2)]
    assert ns(outbox.finished(forward(2), 0)) == [(2, 3)]
    assert outbox.finished(forward(3), 0) == []
    assert len(outbox) == 1


def test_a_failure_is_tried_again_later_and_nothing_overtakes_it() -> None:
    outbox = Outbox(nothing)
    outbox.add([forward(1), forward(2)], 0)
    outbox.failed(forward(1), 0, random=1.0)
    assert outbox.tick(0, 1.0) == []
    assert ns(outbox.tick(100, 1.0)) == [(2, 1)]
    outbox.failed(forward(1), 100, random=1.0)
    assert outbox.tick(150, 1.0) == []
    assert ns(outbox.tick(5_000, 1.0)) == [(2, 1)]


def test_silence_is_a_failure() -> None:
    outbox = Outbox(nothing)
    outbox.add([forward(1)], 0)
    assert outbox.tick(SILENCE_MS - 1, 0.0) == []
    assert ns(outbox.tick(SILENCE_MS, 0.0)) == [(2, 1)]


def test_a_late_answer_to_an_earlier_one_changes_nothing() -> None:
    outbox = Outbox(nothing)
    outbox.add([forward(1), forward(2)], 0)
    outbox.finished(forward(1), 0)
    assert outbox.finished(forward(1), 0) == []
    outbox.failed(forward(1), 0, 0.0)
    assert outbox.tick(100, 0.0) == []


def test_finished_rows_are_named_once_by_the_highest_number() -> None:
    outbox = Outbox(nothing)
    outbox.add([forward(1), forward(2), forward(7, target=3), forward(9, source=5)], 0)
    outbox.finished(forward(1), 0)
    outbox.finished(forward(2), 0, is_dropped=True)
    outbox.finished(forward(7, target=3), 0)
    assert outbox.take_finished() == {1: [(2, 2), (3, 7)]}
    assert outbox.take_finished() == {}
    assert outbox.counts.dropped_total == 1
    assert len(outbox) == 1
    outbox.forget(5)
    assert len(outbox) == 0


@given(st.integers(0, 3 * QUEUED_MAX), st.integers(0, 50))
def test_what_does_not_fit_in_memory_is_read_in_its_turn(count: int, more: int) -> None:
    stored: list[QueuedForward] = []

    def load(source: int, target: int, above: int, limit: int) -> list[QueuedForward]:
        return [f for f in stored if f.n > above][:limit]

    outbox = Outbox(load)
    stored += [forward(n) for n in range(1, count + 1)]
    leaving = outbox.add(list(stored), 0)
    late = [forward(n) for n in range(count + 1, count + more + 1)]
    stored += late
    leaving += outbox.add(late, 0)
    arrived = []
    while leaving:
        (one,) = leaving
        arrived.append(one.n)
        leaving = outbox.finished(one, 0)
    assert arrived == list(range(1, count + more + 1))
