"""The figures of faults: silences are the longest ones, and a stale head is found."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.support.harm import Heads, Silences, ack_times
from tests.support.history import Operation, Outcome, View

CHANNEL = "group:x"


def traffic(*acks: tuple[float, float, int]) -> Any:
    """Traffic that had these acknowledgements: sent at, ended at, seq."""
    acked: list[tuple[Operation, dict[str, Any]]] = [
        (Operation("ann", CHANNEL, f"{seq}", sent, Outcome.ACKED, ended, seq), {})
        for sent, ended, seq in acks
    ]
    at = [ended for _, ended, _ in acks]
    return SimpleNamespace(channels=[CHANNEL], acked=acked, acked_at={CHANNEL: at})


def told(*acked_at: float, since: float) -> str:
    silences = Silences("a fault")
    silences.add(traffic(*((at, at, n) for n, at in enumerate(acked_at))), [CHANNEL], since)
    return str(silences)


def test_a_silence_begins_with_the_last_acknowledgement_before_it() -> None:
    assert "2.50 s (longest)" in told(1.0, 2.0, 4.5, 5.0, since=2.1)


def test_an_answer_that_was_under_way_when_the_fault_began_does_not_end_it() -> None:
    assert "3.00 s (longest)" in told(1.0, 2.2, 5.2, 5.3, since=2.1)


def test_a_channel_that_was_never_written_again_is_silent_for_ever() -> None:
    assert "inf s (longest)" in told(1.0, 2.0, since=2.1)
    assert str(Silences("a fault")) == "a fault: no channel was concerned"


def test_acknowledgement_times_are_those_of_sends_in_the_stretch() -> None:
    sends = traffic((0.0, 9.0, 1), (1.0, 1.01, 2), (1.5, 1.51, 3), (3.0, 9.0, 4))
    assert ack_times(sends, 1.0, 3.0).startswith("acks p50 10 ms")


def test_a_head_that_lacks_what_anybody_was_told_before_is_stale() -> None:
    heads = Heads(traffic((0.0, 1.0, 5), (1.0, 2.0, 6)), 0)

    def answer(head: int, asked_at: float) -> View:
        return View("heads 0", CHANNEL, (), upto=head, is_whole=False, asked_at=asked_at)

    heads.views = [answer(5, 1.5), answer(5, 2.0), answer(6, 2.1), answer(0, 0.5)]
    assert heads.stale() == []
    heads.views.append(answer(5, 2.1))
    assert heads.stale() == [f"{CHANNEL}: 5, and 6 was acknowledged"]
