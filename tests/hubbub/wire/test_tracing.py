"""An id at a body's end, and nothing where there is none."""

from __future__ import annotations

import pytest

from hubbub.wire.tracing import TRACE_BYTES_MAX, with_trace, without_trace


@pytest.mark.parametrize("body", [b"", b"x", b"body\x00\x05"])
@pytest.mark.parametrize("trace", ["req_1", "r" * TRACE_BYTES_MAX])
def test_what_is_put_behind_a_body_comes_off_again(body: bytes, trace: str) -> None:
    assert without_trace(with_trace(body, trace.encode())) == (body, trace)


@pytest.mark.parametrize("body", [b"", b"\x01", b"ab\x40"])
def test_what_is_malformed_has_no_id(body: bytes) -> None:
    assert without_trace(body) == (body, "")
