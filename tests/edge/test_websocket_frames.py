"""Client frames, in whatever pieces they arrive."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.websocket_frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    MESSAGE_TOO_BIG,
    PING,
    PROTOCOL_ERROR,
    TEXT,
    FrameError,
    FrameParser,
    closing_code,
)

MASK = b"\x11\x22\x33\x44"


def frame(opcode: int, payload: bytes, *, final: bool = True, mask: bytes = MASK) -> bytes:
    """As a client sends it."""
    length = len(payload)
    if length < 126:
        head = bytes((opcode | final << 7, 0x80 | length))
    elif length < 1 << 16:
        head = bytes((opcode | final << 7, 0x80 | 126)) + length.to_bytes(2, "big")
    else:
        head = bytes((opcode | final << 7, 0x80 | 127)) + length.to_bytes(8, "big")
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def messages(parser: FrameParser, *chunks: bytes) -> list[tuple[int, bytes]]:
    found = []
    for chunk in chunks:
        parser.feed(chunk)
        while (message := parser.next_message()) is not None:
            found.append(message)
    return found


@pytest.mark.parametrize("length", [0, 1, 3, 125, 126, 127, 65_535, 65_536, 100_001])
def test_lengths(length: int) -> None:
    payload = bytes(at % 251 for at in range(length))
    assert messages(FrameParser(1 << 20), frame(BINARY, payload)) == [(BINARY, payload)]


def test_fragments_with_a_ping_between() -> None:
    wire = (
        frame(TEXT, b"one ", final=False)
        + frame(PING, b"!")
        + frame(CONTINUATION, b"two ", final=False)
        + frame(CONTINUATION, b"three")
        + frame(TEXT, b"next")
    )
    assert messages(FrameParser(1 << 20), wire) == [
        (PING, b"!"),
        (TEXT, b"one two three"),
        (TEXT, b"next"),
    ]


@given(
    st.lists(st.tuples(st.sampled_from([TEXT, BINARY, PING, CLOSE]), st.binary(max_size=125))),
    st.lists(st.integers(1, 40)),
)
def test_any_split_gives_the_same_messages(sent: list[tuple[int, bytes]], cuts: list[int]) -> None:
    wire = b"".join(frame(opcode, payload) for opcode, payload in sent)
    chunks = []
    for cut in cuts:
        chunks.append(wire[:cut])
        wire = wire[cut:]
    assert messages(FrameParser(1 << 20), *chunks, wire) == sent


def test_a_reader_that_stops_finds_the_rest_later() -> None:
    parser = FrameParser(1 << 20)
    parser.feed(frame(TEXT, b"a") + frame(TEXT, b"b") + frame(TEXT, b"c")[:4])
    assert parser.next_message() == (TEXT, b"a")
    parser.feed(frame(TEXT, b"c")[4:])
    assert parser.next_message() == (TEXT, b"b")
    assert parser.next_message() == (TEXT, b"c")
    assert parser.next_message() is None


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (b"\x81\x02{}    ", PROTOCOL_ERROR),  # no mask
        (b"\xc1\x80" + MASK, PROTOCOL_ERROR),  # compressed, which was not agreed
        (b"\x83\x80" + MASK, PROTOCOL_ERROR),  # an opcode that does not exist
        (b"\x8b\x80" + MASK, PROTOCOL_ERROR),
        (b"\x09\x80" + MASK, PROTOCOL_ERROR),  # a fragmented ping
        (b"\x89\xfe\x00\x7e" + MASK, PROTOCOL_ERROR),  # a long ping
        (frame(CONTINUATION, b"x"), PROTOCOL_ERROR),
        (frame(TEXT, b"x", final=False) + frame(TEXT, b"y"), PROTOCOL_ERROR),
        (b"\x81\xfe\x04\x01" + MASK, MESSAGE_TOO_BIG),  # declared, not yet sent
        (b"\x81\xff" + b"\xff" * 8 + MASK, MESSAGE_TOO_BIG),
        (
            frame(TEXT, b"x" * 1_000, final=False) + frame(CONTINUATION, b"y" * 25),
            MESSAGE_TOO_BIG,
        ),
    ],
)
def test_what_the_protocol_forbids(wire: bytes, code: int) -> None:
    with pytest.raises(FrameError) as caught:
        messages(FrameParser(1_024), wire)
    assert caught.value.code == code


@given(st.lists(st.binary(max_size=60)))
def test_any_bytes_are_frames_or_an_error(chunks: list[bytes]) -> None:
    parser = FrameParser(1_024)
    try:
        found = messages(parser, *chunks)
    except FrameError:
        return
    assert all(len(payload) <= 1_024 for _, payload in found)


def test_a_close_is_answered_with_a_code_that_may_be_sent() -> None:
    """1005 means that there was none, and no frame may say so; it was sent back as it came."""
    assert closing_code(b"") == 1000
    for code in (1000, 1001, 1003, 1007, 1011, 3000, 3501, 4999):
        assert closing_code(code.to_bytes(2, "big") + b"bye") == code
    for code in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65_535):
        assert closing_code(code.to_bytes(2, "big")) == PROTOCOL_ERROR
    assert closing_code(b"x") == PROTOCOL_ERROR
