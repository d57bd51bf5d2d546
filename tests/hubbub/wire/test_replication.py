"""What copies say to one another: numbers are fixed, round trips are whole, garbage is refused."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.wire.codec import decode_pack, encode_pack
from hubbub.wire.replication import (
    KIND_OF,
    SHAPE_OF,
    Append,
    Appended,
    Ask,
    Confirm,
    Confirmed,
    Fence,
    Fetch,
    Nak,
    NodeBeat,
    Offer,
    Part,
    Promised,
    Recall,
    Stale,
    Tail,
)
from hubbub.wire.shapes import Body, Kind

U64_MAX = (1 << 64) - 1
TERMS = ((1, 1), (7, 400))
ENTRIES = ((7, bytes(8) + b"one"), (8, bytes(8) + bytes(300)))

SAMPLES = [
    Fence("disk-1", U64_MAX),
    Promised("disk-1", 5, 7, 400, ok=True),
    Promised("disk-1", 0, 0, 0, ok=False),
    Fetch("disk-1", 5, 400, TERMS),
    Tail("disk-1", 5, 399, U64_MAX, ENTRIES, 401),
    Append("disk-1", 5, 399, 1, 390, ENTRIES),
    Append("disk-1", 5, 0, 0, 0, ()),
    Appended("disk-1", 401, ok=True),
    Nak("disk-1", 400, TERMS),
    Nak("disk-1", 0, ()),
    Stale("disk-1", 8),
    Recall("disk-1", 5, 400),
    Offer("disk-1", 5, 300, U64_MAX),
    Ask("disk-1", 0, 0, b""),
    Part("disk-1", 9, b"meta", TERMS, 0, b"", ((3, b"key", b"value"),), -1, b""),
    Confirm("disk-1", 5, U64_MAX),
    Confirmed("disk-1", U64_MAX),
    NodeBeat(5, 1, 0, ("node-2",), ((3, 7, 400),), 1_500, is_gray=True),
]


@pytest.mark.parametrize("body", SAMPLES, ids=lambda body: type(body).__name__)
def test_a_round_trip(body: Body) -> None:
    assert decode_pack(encode_pack(body), type(body)) == body


def test_every_kind_has_a_shape_and_every_shape_a_sample() -> None:
    assert {type(body) for body in SAMPLES} == {*SHAPE_OF.values(), NodeBeat}
    assert {shape: kind for kind, shape in SHAPE_OF.items()} == KIND_OF
    assert all(kind in {*Kind} for kind in SHAPE_OF)


def test_numbers_are_fixed() -> None:
    """Processes of two versions speak to one another."""
    numbers = {shape.__name__: int(kind) for kind, shape in SHAPE_OF.items()}
    assert numbers == {
        "Fence": 60, "Promised": 61, "Fetch": 62, "Tail": 63, "Append": 64, "Appended": 65,
        "Nak": 66, "Stale": 67, "Recall": 68, "Offer": 70, "Ask": 71, "Part": 72,
        "Confirm": 73, "Confirmed": 74,
    }  # fmt: skip
    assert int(Kind.NODE_BEAT) == 69


@pytest.mark.parametrize(
    ("shape", "values"),
    [
        (Fence, ["disk-1", -1]),
        (Fence, ["disk-1"]),
        (Fence, [b"disk-1", 1]),
        (Fence, {"storage": "disk-1", "boot_id": 1}),
        (Promised, ["disk-1", 5, 7, 400, 1]),
        (Promised, ["disk-1", 5, 7, -400, True]),
        (Appended, ["disk-1", 1.5, True]),
        (Appended, ["disk-1", 1 << 64, True]),
        (Append, ["disk-1", 5, 399, 1, 390, [[7]]]),
        (Append, ["disk-1", 5, 399, 1, 390, [[7, "text"]]]),
        (Append, ["disk-1", 5, 399, 1, 390, [[-7, b"x"]]]),
        (Nak, ["disk-1", 400, [[1, 1, 1]]]),
        (Nak, ["disk-1", 400, None]),
        (Tail, ["disk-1", 5, 399, 1, [], -1]),
    ],
)
def test_what_is_malformed_is_refused(shape: type[Body], values: object) -> None:
    with pytest.raises((msgspec.ValidationError, msgspec.EncodeError, OverflowError)):
        decode_pack(encode_pack(values), shape)


@given(st.binary(max_size=120), st.sampled_from([*SHAPE_OF.values()]))
def test_garbage_is_a_body_or_refused(garbage: bytes, shape: type[Body]) -> None:
    try:
        body = decode_pack(garbage, shape)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return
    assert decode_pack(encode_pack(body), shape) == body


@given(st.data(), st.sampled_from(SAMPLES))
def test_a_damaged_body_is_another_one_or_refused(data: st.DataObject, sample: Body) -> None:
    """Cut anywhere, or with any byte changed."""
    whole = encode_pack(sample)
    at = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255))
    with pytest.raises(msgspec.DecodeError):
        decode_pack(whole[:at], type(sample))
    try:
        decode_pack(whole[:at] + bytes((byte,)) + whole[at + 1 :], type(sample))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
