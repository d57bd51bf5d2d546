"""How many commands may wait for an answer before no more are read."""

from __future__ import annotations

from hubbub.wire.shapes import Kind
from tests.edge.stage import (
    IN_FLIGHT_MAX,
    EdgeStage,
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
