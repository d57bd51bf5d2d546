"""Which signs are ended when their user is put out."""

from __future__ import annotations

from edge.given import GIVEN_MS, SIGNS_MAX, GivenSigns
from hubbub.features.typing_signs import StartTyping, StopTyping
from hubbub.wire.shapes import Viewer

ANN, BOB = Viewer("ann", client="c1"), Viewer("bob", client="c2")


def start(channel: str, thread: str = "") -> StartTyping:
    return StartTyping(channel=channel, thread=thread, cmid="a")


def test_each_place_once_and_what_was_ended_not_again() -> None:
    given = GivenSigns()
    for now_ms in (0, 1):
        given.note("demo", ANN, start("group:x"), now_ms)
    given.note("demo", ANN, start("group:x", "m1"), 2)
    given.note("demo", ANN, start("group:y"), 3)
    given.note("demo", ANN, StopTyping(channel="group:y", cmid="b"), 4)
    given.note("demo", BOB, start("group:x"), 5)
    given.note("other", ANN, start("group:x"), 5)
    assert given.take("demo", "ann", 6) == [
        (StopTyping(channel="group:x"), ANN),
        (StopTyping(channel="group:x", thread="m1"), ANN),
    ]
    assert given.take("demo", "ann", 6) == []
    assert len(given.take("demo", "bob", 6)) == 1


def test_bounds() -> None:
    given = GivenSigns()
    given.note("demo", ANN, start("group:old"), 0)
    assert given.take("demo", "ann", GIVEN_MS) == [], "it has ended by itself"
    for n in range(SIGNS_MAX + 1):
        given.note("demo", ANN, start(f"group:{n}"), n)
    ended = [end.stream_key() for end, _ in given.take("demo", "ann", n)]
    assert ended == [f"group:{n}" for n in range(1, SIGNS_MAX + 1)]
