"""What a request asks of the cluster bears its id, also behind the first answer."""

from __future__ import annotations

from edge.tracing import TRACE, trace_of
from hubbub.wire.shapes import Kind, Status
from hubbub.wire.tracing import TRACE_BYTES_MAX, TRACED, without_trace
from tests.edge.routers import Stage


def test_a_traced_request_bears_its_id_and_its_next_steps_do() -> None:
    stage = Stage("r1")
    router = stage.carrier("group:x")
    steps: list[bytes] = []

    def next_step(status: Status, body: bytes) -> None:
        steps.append(TRACE.get())
        if len(steps) < 3:
            stage.uplink.request(Kind.QUERY, "demo", "group:x", b"next", next_step)

    token = TRACE.set(trace_of("req_1"))
    stage.uplink.request(Kind.QUERY, "demo", "group:x", b"first", next_step)
    TRACE.reset(token)
    stage.uplink.request(Kind.QUERY, "demo", "group:x", b"plain", lambda *_: None)
    stage.run(100)
    traced, plain = router.requests
    assert (traced.flags, without_trace(traced.body)) == (TRACED, (b"first", "req_1"))
    assert (plain.flags, plain.body) == (0, b"plain")
    for number in range(2):
        router.result(router.requests[-1 if number else 0], Status.OK, b"")
        stage.run(100)
    assert steps == [b"req_1", b"req_1"]
    assert without_trace(router.requests[2].body) == (b"next", "req_1")
    assert TRACE.get() == b""


def test_an_id_has_a_length() -> None:
    assert trace_of("x" * 100) == b"x" * TRACE_BYTES_MAX
    assert trace_of("é\udcff")
