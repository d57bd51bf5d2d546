"""Answers: once, in time, with their details; and the ids that requests carry."""

from __future__ import annotations

from typing import Any

import pytest

from hubbub.base.errors import CHANNEL_NOT_FOUND
from hubbub.wire.codec import decode_pack, encode_json, encode_pack
from hubbub.wire.shapes import Kind, Refusal, Status
from hubbub.wire.tracing import SLOW_MS, TRACED, with_trace
from node import replies, service
from tests.node.bench import ROOM, Bench


def test_an_answer_after_its_deadline_is_not_sent() -> None:
    bench = Bench()
    late = bench.command(ROOM, "channel.create", {"channel": ROOM}, ms_left=100)
    bench.clock.advance(101)
    bench.settle()
    assert bench.answers(late) == []
    assert bench.service.intake.counts.late_total == 1
    in_time = bench.command(ROOM, "message.send", {"channel": ROOM, "text": "x"}, ms_left=100)
    bench.clock.advance(100)
    bench.settle()
    assert bench.answer(in_time).flags == Status.OK


def test_a_refusal_carries_its_details() -> None:
    bench = Bench()
    bench.create()
    refused = bench.command(ROOM, "message.send", {"channel": ROOM, "text": "x"}, user="eve")
    refusal = decode_pack(bench.answer(refused).body, Refusal)
    assert refusal.code == CHANNEL_NOT_FOUND.code
    old = bench.rig.command("message.send", {"channel": ROOM, "text": "x"})
    bench.clock.advance(25 * 3_600_000)
    answer = bench.answer(bench.ask(Kind.SUBMIT, ROOM, encode_pack(old)))
    details = decode_pack(answer.body, Refusal).details
    assert details == encode_json({"server_time_ms": bench.clock.wall_ms()})


class Noted:
    """A log that is looked at."""

    def __init__(self, lines: list[dict[str, Any]]) -> None:
        self.lines = lines

    def warning(self, event: str, **fields: Any) -> None:
        self.lines.append(fields)

    error = warning


def test_a_traced_request_is_answered_like_any_other_and_told_if_it_is_slow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines: list[dict[str, Any]] = []
    monkeypatch.setattr(replies, "_log", Noted(lines))
    bench = Bench()
    bench.create()
    submit = bench.rig.command("message.send", {"channel": ROOM, "text": "hi"})
    body = with_trace(encode_pack(submit), b"req_1")
    request = bench.ask(Kind.SUBMIT, ROOM, body, flags=TRACED)
    bench.settle()
    assert bench.answer(request).flags == Status.OK
    assert lines == [], "nobody hears of what is quick"
    again = bench.rig.command("message.send", {"channel": ROOM, "text": "ho"})
    body = with_trace(encode_pack(again), b"req_2")
    request = bench.ask(Kind.SUBMIT, ROOM, body, flags=TRACED)
    bench.clock.advance(SLOW_MS)
    bench.settle()
    assert bench.answer(request).flags == Status.OK
    assert lines == [{"request_id": "req_2", "status": "OK", "took_ms": SLOW_MS}]


def test_what_breaks_is_told_with_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[dict[str, Any]] = []
    monkeypatch.setattr(service, "_log", Noted(lines))
    bench = Bench()

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    bench.service._handlers[Kind.QUERY] = broken
    request = bench.ask(Kind.QUERY, ROOM, with_trace(b"", b"req_3"), flags=TRACED)
    assert bench.answer(request).flags == Status.REJECTED
    assert [line["request_id"] for line in lines] == ["req_3"]
    assert bench.service.replies._traces == {}
