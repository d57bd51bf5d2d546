"""Bodies of link messages: numbers are fixed, garbage is refused."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.wire import shapes
from hubbub.wire.codec import decode_pack, encode_pack
from hubbub.wire.shapes import REQUESTS, Body, Kind, SignalKind, Status

BODIES = [
    shape
    for shape in vars(shapes).values()
    if isinstance(shape, type) and issubclass(shape, Body) and shape is not Body
]


def test_numbers_are_fixed() -> None:
    """Processes of two versions speak to one another."""
    assert {kind.name: kind.value for kind in Kind} | {} == {
        "SUBMIT": 1, "QUERY": 2, "SUBSCRIBE": 3, "HEADS": 4, "PRESENCE": 5, "QUERY_ANY": 6,
        "QUERIES": 7, "SEARCH": 8, "SUBMITS": 9, "RESULT": 10, "EVENT": 20, "SIGNAL": 21,
        "INTEREST_DELTA": 30, "INTEREST_FULL": 31, "INTEREST_PULL": 32, "BEAT": 40,
        "TO_PROCESS": 50, "FENCE": 60, "PROMISED": 61, "FETCH": 62, "TAIL": 63, "APPEND": 64,
        "APPENDED": 65, "NAK": 66, "STALE": 67, "RECALL": 68, "NODE_BEAT": 69, "OFFER": 70,
        "ASK": 71, "PART": 72, "CONFIRM": 73, "CONFIRMED": 74,
    }  # fmt: skip
    assert [status.value for status in Status] == [0, 1, 2, 3]
    assert [kind.value for kind in SignalKind] == [0, 1, 2, 3]
    assert all(kind < Kind.RESULT for kind in REQUESTS)
    assert all(0 < kind < 256 for kind in Kind)


@pytest.mark.parametrize("shape", BODIES, ids=lambda shape: shape.__name__)
def test_new_fields_have_defaults_at_the_end(shape: type[Body]) -> None:
    """Array-like: what an older process does not send must be the last ones."""
    fields = msgspec.structs.fields(shape)
    required = [field.required for field in fields]
    assert required == sorted(required, reverse=True)
    assert shape.__struct_config__.array_like


@given(st.binary(max_size=80), st.sampled_from(BODIES))
def test_garbage_is_a_body_or_refused(garbage: bytes, shape: type[Body]) -> None:
    try:
        body = decode_pack(garbage, shape)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return
    assert decode_pack(encode_pack(body), shape) == body
