"""Several steps, one reply: answers and refusals go back into the errand."""

from __future__ import annotations

from typing import Any

from edge.dispatch import App
from edge.errands import AGAIN_MS, DEADLINE_MS, HEADS_AT_ONCE, STEPS_MAX, Errands
from hubbub.base.errors import INTERNAL, PROMOTED, UNKNOWN_OUTCOME, ErrorCode, Rejected
from hubbub.features.contract import (
    Errand,
    HeadsCall,
    Nothing,
    QueryCall,
    SearchCall,
    SearchFound,
    Steps,
)
from hubbub.settings.app import AppSettings
from hubbub.wire.search import Criteria
from hubbub.wire.shapes import HeadRow, Viewer
from tests.support.clock import FakeClock

APP = App("demo", AppSettings(), b"secret")
ANN = Viewer(user="ann")


class Stage:
    """Errands whose questions wait for the test."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.asked: list[tuple[str, Any]] = []
        self.questions: list[Any] = []
        self.replies: list[tuple[Rejected | None, bytes]] = []
        self.errands = Errands(
            self.turned,
            lambda *q: self.questions.append(q),
            lambda *q: self.questions.append(q),
            self.slot_of,
            self.clock.monotonic_ms,
        )

    def turned(self, action: Any, app: App, viewer: Viewer, reply: Any) -> None:
        if action.key == "bad":
            raise Rejected(PROMOTED)
        self.asked.append((action.key, reply))

    def slot_of(self, app: str, key: str) -> int:
        return len(key)

    def start(self, steps: Any) -> None:
        self.errands.start(
            Errand(steps), APP, ANN, lambda refusal, data: self.replies.append((refusal, data))
        )

    def refused(self) -> ErrorCode:
        [(refusal, data)] = self.replies
        assert refusal is not None
        assert data == b""
        return refusal.error


def look(key: str) -> QueryCall:
    return QueryCall(key, "look", Nothing())


def test_each_answer_leads_to_the_next_step_and_the_last_is_the_reply() -> None:
    def steps() -> Steps:
        first = yield look("a")
        second = yield look(first.decode())
        return first + second

    stage = Stage()
    stage.start(steps)
    [(key, reply)] = stage.asked
    assert key == "a"
    reply(None, b"b")
    assert stage.replies == []
    assert stage.asked[1][0] == "b"
    stage.asked[1][1](None, b"c")
    assert stage.replies == [(None, b"bc")]


def test_a_search_is_a_step() -> None:
    call = SearchCall(("a",), Criteria("tea"), ANN, None, 5)

    def steps() -> Steps:
        found: SearchFound = yield call
        return b"%d" % found.indexed_to_ms

    stage = Stage()
    asked: list[Any] = []
    stage.errands.search = lambda *question: asked.append(question)
    stage.start(steps)
    [(asked_for, app, done)] = asked
    assert (asked_for, app) == (call, "demo")
    done(None, SearchFound((), None, 7, False))
    assert stage.replies == [(None, b"7")]
    stage.replies.clear()
    stage.start(steps)
    asked[1][2](Rejected(INTERNAL), None)
    assert stage.refused() is INTERNAL


def test_a_refusal_is_the_errands_to_handle() -> None:
    refused: list[ErrorCode] = []

    def steps() -> Steps:
        for key in ("bad", "a"):
            try:
                yield look(key)
            except Rejected as refusal:
                refused.append(refusal.error)
        return b"{}"

    stage = Stage()
    stage.start(steps)
    stage.asked[0][1](Rejected(INTERNAL), b"")
    assert stage.replies == [(None, b"{}")]
    assert refused == [PROMOTED, INTERNAL]


def test_what_it_does_not_handle_is_the_reply() -> None:
    def steps() -> Steps:
        return (yield look("bad"))

    stage = Stage()
    stage.start(steps)
    assert stage.refused() is PROMOTED


def test_heads_come_from_all_leaders_before_it_goes_on() -> None:
    def steps() -> Steps:
        rows = yield HeadsCall(["a", "b", "a"], user="ann")
        return b",".join(b"%s:%d" % (key.encode(), row.seq) for key, row in sorted(rows.items()))

    stage = Stage()
    stage.start(steps)
    [(asks, answered, _)] = stage.questions
    assert [(ask.key, ask.slot, ask.users, ask.preview) for ask in asks] == [
        ("a", 1, ("ann",), False),
        ("b", 1, ("ann",), False),
    ]
    answered([(asks[1], HeadRow("demo", "b", True, seq=2))])
    assert stage.replies == []
    answered([])
    answered([(asks[0], HeadRow("demo", "a", True, seq=1))])
    assert stage.replies == [(None, b"a:1,b:2")]


def test_half_a_list_is_no_list() -> None:
    def steps() -> Steps:
        yield HeadsCall(["a", "b"])
        return b"{}"

    stage = Stage()
    stage.start(steps)
    [(asks, answered, failed)] = stage.questions
    failed([("demo", "a")])
    answered([(asks[1], HeadRow("demo", "b", True))])
    assert stage.replies == []
    stage.clock.advance(AGAIN_MS)
    stage.errands.tick()
    assert stage.refused() is INTERNAL
    stage.errands.tick()
    assert len(stage.replies) == 1


def test_heads_of_a_leader_that_goes_are_asked_again() -> None:
    def steps() -> Steps:
        rows = yield HeadsCall(["a", "b"])
        return b",".join(b"%s:%d" % (key.encode(), row.seq) for key, row in sorted(rows.items()))

    stage = Stage()
    stage.start(steps)
    asks, answered, failed = stage.questions.pop()
    answered([(asks[1], HeadRow("demo", "b", True, seq=2))])
    for _ in range(3):
        failed([("demo", "a")])
        assert stage.questions == []
        stage.clock.advance(1_000)
        stage.errands.tick()
        again, answered, failed = stage.questions.pop()
        assert [ask.key for ask in again] == ["a"]
    answered([(again[0], HeadRow("demo", "a", True, seq=1))])
    assert stage.replies == [(None, b"a:1,b:2")]


def test_many_heads_are_asked_for_in_portions() -> None:
    def steps() -> Steps:
        rows = yield HeadsCall([f"c{n}" for n in range(HEADS_AT_ONCE + 2)])
        return b"%d" % len(rows)

    stage = Stage()
    stage.start(steps)
    asks, answered, failed = stage.questions.pop()
    assert len(asks) == HEADS_AT_ONCE
    failed([("demo", "c0")])
    answered([(ask, HeadRow("demo", ask.key, True)) for ask in asks[1:]])
    others, answered, _ = stage.questions.pop()
    assert [ask.key for ask in others] == [f"c{HEADS_AT_ONCE}", f"c{HEADS_AT_ONCE + 1}"]
    answered([(ask, HeadRow("demo", ask.key, True)) for ask in others])
    assert stage.replies == stage.questions == []
    stage.errands.tick()
    [again], answered, _ = stage.questions.pop()
    answered([(again, HeadRow("demo", again.key, True))])
    assert (again.key, stage.replies) == ("c0", [(None, b"%d" % (HEADS_AT_ONCE + 2))])


def test_portions_end_with_the_errand() -> None:
    def steps() -> Steps:
        yield HeadsCall([f"c{n}" for n in range(HEADS_AT_ONCE + 1)])
        return b"{}"

    stage = Stage()
    stage.start(steps)
    asks, answered, _ = stage.questions.pop()
    stage.clock.advance(DEADLINE_MS)
    answered([(ask, HeadRow("demo", ask.key, True)) for ask in asks])
    assert (stage.refused(), stage.questions) == (INTERNAL, [])


def test_the_newest_are_asked_for_again() -> None:
    def steps() -> Steps:
        rows = yield HeadsCall(["a", "b"], best=1)
        return ",".join(rows).encode()

    stage = Stage()
    stage.start(steps)
    stage.questions.pop()[-1](None)
    assert stage.replies == []
    stage.errands.tick()
    stage.questions.pop()[-1]([HeadRow("demo", "b", True)])
    assert stage.replies == [(None, b"b")]


def test_the_newest_of_many_are_asked_for_as_one() -> None:
    def steps() -> Steps:
        rows = yield HeadsCall(["a", "b", "c"], best=2, after=(-5, "x"))
        return ",".join(rows).encode()

    stage = Stage()
    stage.start(steps)
    [(app, keys, best, after, done)] = stage.questions
    assert (app, keys, best, after) == ("demo", ["a", "b", "c"], 2, (-5, "x"))
    done([HeadRow("demo", "b", True), HeadRow("demo", "a", True)])
    assert stage.replies == [(None, b"b,a")]
    failed = Stage()
    failed.start(steps)
    failed.questions[0][-1](None)
    failed.clock.advance(AGAIN_MS)
    failed.errands.tick()
    assert failed.refused() is INTERNAL


def test_no_heads_are_no_question() -> None:
    def steps() -> Steps:
        assert (yield HeadsCall(())) == {}
        return b"{}"

    stage = Stage()
    stage.start(steps)
    assert stage.replies == [(None, b"{}")]
    assert stage.questions == []


def test_an_errand_has_an_end() -> None:
    def steps() -> Steps:
        while True:
            yield look("a")

    stage = Stage()
    stage.start(steps)
    for n in range(STEPS_MAX):
        assert stage.replies == []
        stage.asked[n][1](None, b"")
    assert stage.refused() is UNKNOWN_OUTCOME
    late = Stage()
    late.start(steps)
    late.clock.advance(DEADLINE_MS)
    late.asked[0][1](None, b"")
    assert late.refused() is UNKNOWN_OUTCOME
