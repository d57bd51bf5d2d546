"""What waits for an answer: how many commands before no more are read, what until the connect."""

from __future__ import annotations

from edge.client_context import context_of
from hubbub.wire.shapes import Kind
from tests.edge.stage import (
    IN_FLIGHT_MAX,
    EdgeStage,
    Person,
)

ROOM = "group:x"


def test_too_many_unanswered_commands_pause_the_reading() -> None:
    stage = EdgeStage()
    ann = stage.person()
    rpc = {"rpc": {"method": "message.send", "data": {"channel": ROOM, "text": "hi"}}}
    for _ in range(IN_FLIGHT_MAX):
        assert not ann.paused
        ann.send(rpc)
    assert ann.paused
    ann.resume_reading()  # as a transport does that was full and drained
    ann.send(rpc)
    assert ann.paused
    stage.take(Kind.SUBMIT).unknown()
    assert ann.paused
    stage.take(Kind.SUBMIT).unknown()
    assert not ann.paused


def test_steps_wait_for_the_connect_and_then_no_more() -> None:
    stage = EdgeStage()
    ann = Person(stage)
    ann.send({"connect": {"token": stage.token()}})
    context = context_of(ann.session)
    done: list[int] = []
    context.once_answered(lambda: done.append(1))
    assert done == []
    stage.take(Kind.SUBSCRIBE).subscribed()
    assert done == [1]
    context.once_answered(lambda: done.append(2))
    assert done == [1, 2]
    assert context.answer_given() == []
