"""Many queries at once: batches, leaders that move, room, deadlines."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from edge import reading
from edge.reading import ANSWER_MS, READINGS_MAX, Readings
from hubbub.base.errors import INTERNAL, NOT_A_MEMBER, OVERLOADED, Rejected
from hubbub.features.contract import Nothing, QueryCall, Reads
from hubbub.wire.codec import decode_pack, encode_pack
from hubbub.wire.shapes import (
    Json,
    Kind,
    Queries,
    QueriesAnswer,
    QueryAnswer,
    Refusal,
    Status,
    Viewer,
)
from tests.support.clock import FakeClock

ANN = Viewer("ann")
Done = Callable[[Status, bytes], None]


class Batch:
    """One request of the edge; answered by the test."""

    def __init__(self, slot: int, body: bytes, done: Done) -> None:
        self.slot = slot
        self.queries = decode_pack(body, Queries)
        self._done = done

    @property
    def keys(self) -> list[str]:
        return [ask.key for ask in self.queries.asks]

    def answer(self, *rows: QueryAnswer) -> None:
        self._done(Status.OK, encode_pack(QueriesAnswer(rows)))

    def all_ok(self) -> None:
        self.answer(*(ok(key) for key in self.keys))

    def end(self, status: Status, body: bytes = b"") -> None:
        self._done(status, body)


class Stage:
    """Streams `1`, `2` … stand in slots of that number; `leaders` says who leads."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.leaders: dict[int, str] = {}
        self.batches: list[Batch] = []
        self.replies: list[Any] = []
        self.readings = Readings(
            self._request,
            lambda _, key: int(key),
            lambda slot: self.leaders.get(slot, "node-1"),
            self.clock.monotonic_ms,
        )

    def _request(
        self, kind: Kind, app: str, key: str, body: bytes, done: Done, *, slot: int = -1
    ) -> None:
        assert (kind, app, key) == (Kind.QUERIES, "demo", "")
        self.batches.append(Batch(slot, body, done))

    def read(self, *keys: int, bytes_max: int = 1_000, then: Any = None) -> None:
        calls = tuple(QueryCall(str(key), "toy.look", Nothing()) for key in keys)
        reads = Reads(calls, then or seen, bytes_max=bytes_max)
        self.readings.start(reads, "demo", ANN, self._reply)

    def _reply(self, refusal: Rejected | None, data: bytes) -> None:
        self.replies.append(refusal or json.loads(data))

    def take(self) -> list[Batch]:
        taken, self.batches = self.batches, []
        return taken

    def later(self, ms: int = 100) -> None:
        self.clock.advance(ms)
        self.readings.tick()


def ok(key: str) -> QueryAnswer:
    return QueryAnswer(Status.OK, b'{"key":"%b"}' % key.encode())


def seen(answers: Sequence[Json | Rejected | None]) -> Json:
    """What each call got, as JSON."""
    rows = [a.error.name if isinstance(a, Rejected) else a and json.loads(a) for a in answers]
    return json.dumps(rows).encode()


def test_each_leader_gets_one_batch_and_the_answers_keep_their_order() -> None:
    stage = Stage()
    stage.leaders = {1: "a", 2: "b", 3: "a"}
    stage.read(1, 2, 3)
    first, second = stage.take()
    assert (first.keys, second.keys) == (["1", "3"], ["2"])
    assert first.queries.viewer == ANN
    second.all_ok()
    assert stage.replies == []
    first.all_ok()
    assert stage.replies == [[{"key": "1"}, {"key": "2"}, {"key": "3"}]]


def test_a_refusal_concerns_its_call_alone() -> None:
    stage = Stage()
    stage.read(1, 2)
    [batch] = stage.take()
    refusal = encode_pack(Refusal(NOT_A_MEMBER.code, "no"))
    batch.answer(QueryAnswer(Status.REJECTED, refusal), ok("2"))
    assert stage.replies == [["not_a_member", {"key": "2"}]]


def test_large_reads_go_batch_by_batch_until_the_room_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "ASKS_MAX", 2)
    stage = Stage()
    stage.read(1, 2, 3, 4, 5, bytes_max=40)
    [batch] = stage.take()
    assert batch.keys == ["1", "2"]
    batch.all_ok()
    [batch] = stage.take()
    assert (batch.keys, batch.queries.bytes_max) == (["3", "4"], 18)
    batch.answer(ok("3"), QueryAnswer(Status.UNKNOWN))
    [batch] = stage.take()
    batch.all_ok()
    assert stage.replies == [[{"key": "1"}, {"key": "2"}, {"key": "3"}, None, {"key": "5"}]]


def test_without_room_nothing_more_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "ASKS_MAX", 1)
    stage = Stage()
    stage.read(1, 2, 3, bytes_max=1)
    stage.take()[0].all_ok()
    assert stage.take() == []
    assert stage.replies == [[{"key": "1"}, None, None]]


@pytest.mark.parametrize("lost", [True, False])
def test_what_moved_or_got_no_answer_is_asked_again(lost: bool) -> None:
    stage = Stage()
    stage.read(1, 2)
    [batch] = stage.take()
    if lost:
        batch.end(Status.UNKNOWN)
    else:
        batch.answer(ok("1"), QueryAnswer(Status.REDIRECT))
    assert stage.take() == []
    stage.leaders[2] = "b"
    stage.later()
    again = stage.take()
    assert [b.keys for b in again] == ([["1"], ["2"]] if lost else [["2"]])
    for batch in again:
        batch.all_ok()
    assert stage.replies == [[{"key": "1"}, {"key": "2"}]]
    stage.later()
    assert stage.take() == []


def test_nobody_waits_for_ever() -> None:
    stage = Stage()
    stage.read(1, 2)
    stage.take()[0].answer(ok("1"), QueryAnswer(Status.REDIRECT))
    stage.later(ANSWER_MS)
    assert stage.replies == [[{"key": "1"}, INTERNAL.name]]

    stage.read(3)
    lost = stage.take()[0]
    stage.later(ANSWER_MS)
    assert len(stage.replies) == 1, "its answer may still come"
    stage.later(ANSWER_MS)
    assert stage.replies[1] == [INTERNAL.name]
    lost.all_ok()
    assert len(stage.replies) == 2


def test_a_next_round_may_follow() -> None:
    stage = Stage()

    def second(answers: Sequence[Json | Rejected | None]) -> Reads:
        assert len(answers) == 1
        call = QueryCall("7", "toy.look", Nothing())
        return Reads((call,), seen, viewer=Viewer("bob"))

    stage.read(1, then=second)
    stage.take()[0].all_ok()
    [batch] = stage.take()
    assert batch.queries.viewer == Viewer("bob")
    batch.all_ok()
    assert stage.replies == [[{"key": "7"}]]


def test_what_breaks_is_an_error_and_too_many_are_refused() -> None:
    stage = Stage()

    def breaks(_: Any) -> Json:
        raise ZeroDivisionError

    stage.read(1, then=breaks)
    with pytest.raises(ZeroDivisionError):
        stage.take()[0].all_ok()
    assert stage.replies[0].error is INTERNAL
    for _ in range(READINGS_MAX + 1):
        stage.read(1)
    assert stage.replies[1].error is OVERLOADED
    assert len(stage.take()) == READINGS_MAX


def test_nothing_to_ask_is_answered_at_once() -> None:
    stage = Stage()
    stage.read()
    assert stage.replies == [[]]
