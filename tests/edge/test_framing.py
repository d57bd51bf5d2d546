"""Messages as each transport writes them."""

from __future__ import annotations

import pytest

from edge.framing import (
    SSE,
    STREAM_JSON,
    STREAM_PROTOBUF,
    WEBSOCKET_JSON,
    WEBSOCKET_PROTOBUF,
    Framing,
    websocket_close,
)


@pytest.mark.parametrize(
    ("framing", "messages", "wire"),
    [
        (WEBSOCKET_JSON, [b"{}"], b"\x81\x02{}"),
        (WEBSOCKET_JSON, [b"{}", b"{}"], b"\x81\x05{}\n{}"),
        (WEBSOCKET_PROTOBUF, [b"\x00", b"\x01a"], b"\x82\x03\x00\x01a"),
        (STREAM_JSON, [b"{}", b"{}"], b"{}\n{}\n"),
        (STREAM_PROTOBUF, [b"\x00", b"\x01a"], b"\x00\x01a"),
        (SSE, [b"{}", b"[]"], b"data: {}\n\ndata: []\n\n"),
    ],
)
def test_messages_on_the_wire(framing: Framing, messages: list[bytes], wire: bytes) -> None:
    assert framing.frame(messages) == wire


@pytest.mark.parametrize(
    ("length", "head"),
    [
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65_535, b"\x81\x7e\xff\xff"),
        (65_536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_the_three_lengths_of_a_frame(length: int, head: bytes) -> None:
    assert WEBSOCKET_JSON.frame([b"x" * length]) == head + b"x" * length


def test_a_close_frame_holds_at_most_125_bytes() -> None:
    assert websocket_close(3001, "shutdown") == b"\x88\x0a\x0b\xb9shutdown"
    frame = websocket_close(3501, "é" * 200)
    assert len(frame) <= 127
    frame[4:].decode()
