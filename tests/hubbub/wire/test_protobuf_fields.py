"""Varints, unknown fields, wrong wire types and truncation: the codec under the messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.base.errors import BAD_PROTOCOL, CloseCode, RemoteProtocolError
from hubbub.wire.protobuf_fields import (
    MESSAGES,
    decode,
    decode_varint,
    delimited,
    encode,
    encode_varint,
    field_bytes,
)


@given(st.integers(0, 2**64 - 1))
def test_a_varint_comes_back(value: int) -> None:
    raw = encode_varint(value)
    assert decode_varint(raw, 0, len(raw)) == (value, len(raw))


def test_varints_as_the_format_names_them() -> None:
    assert encode_varint(0) == b"\x00"
    assert encode_varint(150) == b"\x96\x01"
    assert encode_varint(300) == b"\xac\x02"
    assert encode_varint(-1) == b"\xff" * 9 + b"\x01"


@pytest.mark.parametrize("raw", [b"", b"\x80", b"\xff" * 10, b"\xff" * 11 + b"\x01"])
def test_a_varint_that_does_not_end(raw: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode_varint(raw, 0, len(raw))
    assert caught.value.close is BAD_PROTOCOL


@pytest.mark.parametrize(
    ("message", "values"),
    [
        ("Error", {"code": 103, "message": "no", "temporary": True}),
        ("Push", {"id": 300, "channel": "c"}),
        ("HistoryRequest", {"channel": "c", "limit": -5, "reverse": True}),
        ("SubscribeRequest", {"channel": "c", "offset": 2**64 - 1, "flag": -1}),
        ("ConnectRequest", {"headers": {"a": "b", "é": ""}}),
    ],
)
def test_fields_come_back(message: str, values: dict[str, object]) -> None:
    assert decode(message, encode(message, values)) == values


def test_zero_values_are_left_out_and_empty_messages_are_not() -> None:
    assert encode("Error", {"code": 0, "message": "", "temporary": False}) == b""
    assert encode("Reply", {"unsubscribe": b""}) == b"\x3a\x00"


def test_embedded_messages_and_maps_of_messages() -> None:
    row = encode("SubscribeRequest", {"recover": True, "offset": 4})
    raw = encode("ConnectRequest", {"token": "t", "subs": {"#ann": row}})
    assert decode("ConnectRequest", raw) == {
        "token": "t",
        "subs": {"#ann": {"recover": True, "offset": 4}},
    }


def test_an_embedded_message_that_comes_twice_is_merged() -> None:
    raw = field_bytes(8, encode("StreamPosition", {"offset": 1, "epoch": "a"}))
    raw += field_bytes(8, encode("StreamPosition", {"offset": 2}))
    assert decode("HistoryRequest", raw) == {"since": {"offset": 2, "epoch": "a"}}


def test_unknown_fields_of_every_wire_type_are_ignored() -> None:
    unknown = (
        encode_varint(100 << 3)
        + encode_varint(7)
        + encode_varint(101 << 3 | 1)
        + bytes(8)
        + field_bytes(102, b"anything")
        + encode_varint(103 << 3 | 5)
        + bytes(4)
    )
    known = encode("Error", {"code": 5})
    assert decode("Error", unknown + known + unknown) == {"code": 5}


def test_a_known_field_of_another_wire_type_is_ignored() -> None:
    assert decode("Error", field_bytes(1, b"x") + encode_varint(2 << 3) + b"\x01") == {}


def test_the_last_scalar_wins() -> None:
    assert decode("Error", encode("Error", {"code": 1}) + encode("Error", {"code": 2})) == {
        "code": 2
    }


@pytest.mark.parametrize(
    "raw",
    [
        b"\x08",  # a tag without its value
        b"\x12\x05ab",  # a field longer than the message
        b"\x12\x01\xff",  # a string that is no UTF-8
        b"\x09\x00",  # a truncated fixed64
        b"\x0d\x00",  # a truncated fixed32
        b"\x0b",  # a group
        b"\x0f\x00",  # no wire type
        b"\x00\x00",  # field number 0
    ],
)
def test_malformed_messages(raw: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode("Error", raw)
    assert caught.value.close is BAD_PROTOCOL


def close_of(message: str, raw: bytes) -> CloseCode | None:
    """What the bytes close their connection with; None if they are a message."""
    try:
        decode(message, raw)
    except RemoteProtocolError as error:
        return error.close
    return None


@given(st.sampled_from(sorted(MESSAGES)), st.binary(max_size=200))
def test_any_bytes_decode_or_break_the_protocol(message: str, raw: bytes) -> None:
    assert close_of(message, raw) in (None, BAD_PROTOCOL)


def test_a_delimited_message_carries_its_length() -> None:
    assert delimited(b"") == b"\x00"
    assert delimited(b"x" * 200) == b"\xc8\x01" + b"x" * 200
