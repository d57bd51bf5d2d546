"""Frames of a link: there and back, and every kind of damage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.wire.frame import (
    FRAME_HEAD,
    MS_LEFT_MAX,
    VERSION,
    FrameError,
    FrameHead,
    decode_frame,
    encode_frame,
    encode_message,
    readdress,
)

u8, u16, u32, u64 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32, 64))
names = st.text(max_size=40).filter(lambda text: text.isascii() or text.isprintable())
messages = st.builds(
    encode_message,
    u8,
    st.binary(max_size=50),
    slot=u16,
    term=u32,
    request_id=u64,
    ms_left=st.integers(0, 10**6),
    app=names,
    key=names,
    flags=u8,
)


@given(st.lists(messages, max_size=5), u32, u64, u64, u64, u8)
def test_there_and_back(
    encoded: list[bytes], generation: int, boot_id: int, n: int, ack: int, flags: int
) -> None:
    frame = encode_frame(encoded, generation=generation, boot_id=boot_id, n=n, ack=ack, flags=flags)
    head, decoded = decode_frame(frame)
    assert head == FrameHead(flags, len(encoded), generation, boot_id, n, ack)
    assert [message.raw for message in decoded] == encoded
    for message in decoded:
        again = encode_message(
            message.type,
            message.body,
            slot=message.slot,
            term=message.term,
            request_id=message.request_id,
            ms_left=message.ms_left,
            app=message.app,
            key=message.key,
            flags=message.flags,
        )
        assert again == message.raw


@given(messages, u16, u32, u64, st.integers(0, 10**6))
def test_a_relay_readdresses_and_changes_nothing_else(
    raw: bytes, slot: int, term: int, request_id: int, ms_left: int
) -> None:
    one = frame_of(raw)
    sent = readdress(raw, slot=slot, term=term, request_id=request_id, ms_left=ms_left)
    two = frame_of(sent)
    assert (two.slot, two.term, two.request_id) == (slot, term, request_id)
    assert two.ms_left == min(ms_left, MS_LEFT_MAX)
    assert (two.type, two.flags, two.app, two.key, two.body) == (
        (one.type, one.flags, one.app, one.key, one.body)
    )


def frame_of(raw: bytes):  # type: ignore[no-untyped-def]
    """The message of a frame with this one."""
    return decode_frame(encode_frame([raw], generation=0, boot_id=0, n=1, ack=0))[1][0]


@given(st.binary(max_size=300))
def test_garbage_parses_or_raises_frame_error(garbage: bytes) -> None:
    head = FRAME_HEAD.pack(VERSION, 0, 1, 0, 0, 0, 0)
    for frame in (garbage, head + garbage):
        try:
            decode_frame(frame)
        except FrameError:
            pass


@given(st.lists(messages, min_size=1, max_size=3), st.data())
def test_a_cut_frame_is_refused(encoded: list[bytes], draw: st.DataObject) -> None:
    frame = encode_frame(encoded, generation=1, boot_id=2, n=3, ack=4)
    cut = draw.draw(st.integers(0, len(frame) - 1))
    with pytest.raises(FrameError):
        decode_frame(frame[:cut])
    with pytest.raises(FrameError):
        decode_frame(frame + b"\0")


@given(st.lists(messages, min_size=1, max_size=3), st.data())
def test_a_flipped_bit_parses_or_raises_frame_error(
    encoded: list[bytes], draw: st.DataObject
) -> None:
    frame = bytearray(encode_frame(encoded, generation=1, boot_id=2, n=3, ack=4))
    bit = draw.draw(st.integers(0, len(frame) * 8 - 1))
    frame[bit // 8] ^= 1 << bit % 8
    try:
        decode_frame(bytes(frame))
    except FrameError:
        pass


def test_another_version_is_refused() -> None:
    frame = bytearray(encode_frame([], generation=0, boot_id=0, n=0, ack=0))
    frame[0] = VERSION + 1
    with pytest.raises(FrameError, match="version"):
        decode_frame(bytes(frame))
