"""What is noted is told once."""

from __future__ import annotations

from node.pulses import NOTED_PER_STREAM_MAX, STREAMS_MAX, Pulses

ROOM = ("demo", "group:x")


def test_however_often_it_changed_it_is_told_once() -> None:
    pulses = Pulses()
    for _ in range(3):
        pulses.note(ROOM, [("threads", 7), ("reactions", 7)])
    assert pulses.take() == {ROOM: (("threads", 7), ("reactions", 7))}
    assert pulses.take() == {}


def test_it_is_bounded_and_counts_what_it_drops() -> None:
    pulses = Pulses()
    pulses.note(ROOM, [("threads", n) for n in range(NOTED_PER_STREAM_MAX + 5)])
    pulses.note(ROOM, [("threads", 0)])
    assert pulses.statistics().dropped == 5
    for n in range(STREAMS_MAX + 3):
        pulses.note(("demo", f"group:{n}"), [("threads", 1)])
    assert pulses.statistics().streams == STREAMS_MAX
    assert pulses.statistics().dropped == 5 + 4
