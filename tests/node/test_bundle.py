"""Commands that come in one request: in order, in one go, and what a retry finds."""

from __future__ import annotations

from typing import Any

import pytest

from hubbub.base.errors import INTERNAL, OVERLOADED
from hubbub.wire.codec import decode_pack, encode_pack
from hubbub.wire.shapes import (
    Kind,
    Outcome,
    Refusal,
    Status,
    Submit,
    Submits,
    SubmitsAnswer,
)
from node.slot import PENDING_ENTRIES_MAX
from node.store.api import StoreError
from tests.node.bench import ROOM, Bench


def say(bench: Bench, text: str, **more: str) -> Submit:
    return bench.rig.command("message.send", {"channel": ROOM, "text": text}, **more)


def ask(bench: Bench, *commands: Submit, **more: int) -> int:
    return bench.ask(Kind.SUBMITS, ROOM, encode_pack(Submits(commands)), **more)


def rows(bench: Bench, request: int) -> list[Any]:
    """Each command's answer: an Outcome, or the refusal's code."""
    message = bench.answer(request)
    assert message.flags == Status.OK
    return [
        decode_pack(row.body, Outcome)
        if row.status is Status.OK
        else decode_pack(row.body, Refusal).code
        for row in decode_pack(message.body, SubmitsAnswer).rows
    ]


def seqs(bench: Bench, request: int) -> list[tuple[int, bool]]:
    return [(row.seq, row.dup) for row in rows(bench, request)]


def test_they_are_answered_together_once_all_are_on_disk() -> None:
    bench = Bench()
    bench.create()
    bench.want(ROOM)
    bench.out.clear()
    request = ask(bench, *(say(bench, text) for text in "abc"))
    assert bench.out == []
    bench.settle()
    assert [m.type for m in bench.out] == [Kind.EVENT] * 3 + [Kind.RESULT]
    assert seqs(bench, request) == [(2, False), (3, False), (4, False)]


def test_nothing_runs_behind_one_that_is_refused() -> None:
    bench = Bench()
    bench.create()
    commands = say(bench, "a"), say(bench, "b", user="eve"), say(bench, "c")
    request = ask(bench, *commands)
    bench.settle()
    done, refusal = rows(bench, request)
    assert (done.seq, isinstance(refusal, int)) == (2, True)
    rest = ask(bench, commands[2])
    bench.settle()
    assert seqs(bench, rest) == [(3, False)], "it had not run"


def test_a_retry_finds_what_was_stored_and_goes_on_from_there() -> None:
    """As at a new leader, whose log has the first part of what the old one took."""
    bench = Bench()
    bench.create()
    commands = [say(bench, text) for text in "abcd"]
    ask(bench, *commands[:2])
    bench.settle()
    again = ask(bench, *commands)
    bench.settle()
    assert seqs(bench, again) == [(2, True), (3, True), (4, False), (5, False)]


def test_a_retry_of_what_is_pending_waits_for_the_same_entries() -> None:
    bench = Bench()
    bench.create()
    commands = [say(bench, text) for text in "ab"]
    first, again = ask(bench, *commands), ask(bench, *commands)
    assert bench.answers(again) == []
    bench.settle()
    assert seqs(bench, first) == [(2, False), (3, False)]
    assert seqs(bench, again) == [(2, True), (3, True)]


def test_a_leader_that_steps_down_says_unknown_once_for_all() -> None:
    bench = Bench()
    bench.create()
    request = ask(bench, *(say(bench, text) for text in "abc"))
    bench.service.fail()
    message = bench.answer(request)
    assert (message.flags, message.body) == (Status.UNKNOWN, b"")


def test_where_there_is_no_room_the_rest_is_not_tried() -> None:
    bench = Bench()
    bench.create()
    filler = [say(bench, f"{n}", authority="server") for n in range(PENDING_ENTRIES_MAX - 1)]
    ask(bench, *filler)
    request = ask(bench, *(say(bench, text, authority="server") for text in "abc"))
    bench.settle()
    done, refusal = rows(bench, request)
    assert (done.seq, refusal) == (PENDING_ENTRIES_MAX + 1, OVERLOADED.code)


@pytest.mark.parametrize("failure", [RuntimeError("a bug"), StoreError("unreadable")])
def test_what_breaks_breaks_alone(failure: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    bench.create()
    commands = [say(bench, text) for text in "abc"]
    engine = bench.rig.engine
    run = type(engine).run

    def broken(
        self: Any, overlay: Any, at: Any, app: str, key: str, submit: Submit, *more: Any
    ) -> Any:
        if submit == commands[1]:
            raise failure
        return run(self, overlay, at, app, key, submit, *more)

    monkeypatch.setattr(type(engine), "run", broken)
    request = ask(bench, *commands)
    bench.settle()
    assert seqs(bench, request) == [(2, False)], "the first, and no word of the others"
    alone = ask(bench, *commands[1:])
    assert bench.answer(alone).flags == Status.REJECTED
    assert decode_pack(bench.answer(alone).body, Refusal).code == INTERNAL.code


def test_who_came_too_late_or_asks_for_nothing_stores_nothing() -> None:
    bench = Bench()
    bench.create()
    empty = ask(bench)
    assert bench.answer(empty).flags == Status.REJECTED
    late = ask(bench, say(bench, "a"), ms_left=10)
    bench.clock.advance(11)
    bench.settle()
    assert bench.answers(late) == []
    assert bench.service.intake.counts.late_total == 1
