"""The one frame of every link: a header, then any number of messages. Pure bytes.

Shape, big-endian (contracts.md 5):
  frame   = u8 version | u8 flags | u16 count | u32 generation | u64 boot id | u64 n | u64 ack
            | messages
  message = u32 length of what follows | u8 type | u8 flags | u16 slot | u32 term | u64 request id
          | u16 milliseconds left | u8 app length | u16 key length | app | key | body

`n` numbers the frames of a link from 1; `ack` is the highest n seen from the peer. Milliseconds
left are re-based at each hop: no clock of another machine is ever compared. 0 = no deadline.
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError
from typing import Final, NamedTuple

VERSION: Final = 1
FRAME_HEAD: Final = Struct(">BBHIQQQ")
_LENGTH_BYTES: Final = 4
_HEAD: Final = Struct(">IBBHIQHBH")  # with the length
MESSAGE_HEAD_BYTES: Final = _HEAD.size
MESSAGES_MAX: Final = 0xFFFF
MS_LEFT_MAX: Final = 0xFFFF
_READDRESS: Final = Struct(">HIQH")  # slot, term, request id, ms left: offset 6


_new = tuple.__new__


class FrameError(Exception):
    """Bytes that are no frame of this version: the frame is dropped and counted."""


class FrameHead(NamedTuple):
    """The header of one frame."""

    flags: int
    message_count: int
    generation: int
    boot_id: int
    n: int
    ack: int


class Message(NamedTuple):
    """One message of a link. `raw` is the whole encoded message, so that relays copy bytes."""

    type: int
    flags: int
    slot: int
    term: int
    request_id: int
    ms_left: int
    app: str
    key: str
    body: bytes
    raw: bytes


def encode_message(
    type: int,
    body: bytes,
    *,
    slot: int = 0,
    term: int = 0,
    request_id: int = 0,
    ms_left: int = 0,
    app: str = "",
    key: str = "",
    flags: int = 0,
) -> bytes:
    """One message as bytes. Names are at most 255 (app) and 65,535 (key) bytes of UTF-8."""
    app_bytes = app.encode()
    key_bytes = key.encode()
    app_length = len(app_bytes)
    key_length = len(key_bytes)
    head = _HEAD.pack(
        MESSAGE_HEAD_BYTES - _LENGTH_BYTES + app_length + key_length + len(body),
        type,
        flags,
        slot,
        term,
        request_id,
        ms_left if ms_left < MS_LEFT_MAX else MS_LEFT_MAX,
        app_length,
        key_length,
    )
    return b"".join((head, app_bytes, key_bytes, body))


def readdress(raw: bytes, *, slot: int, term: int, request_id: int, ms_left: int) -> bytes:
    """The same message under another request id, term and deadline: what a relay sends on."""
    return raw[:6] + _READDRESS.pack(slot, term, request_id, min(ms_left, MS_LEFT_MAX)) + raw[22:]


def encode_frame(
    messages: list[bytes], *, generation: int, boot_id: int, n: int, ack: int, flags: int = 0
) -> bytes:
    """A frame of encoded messages (at most 65,535)."""
    head = FRAME_HEAD.pack(VERSION, flags, len(messages), generation, boot_id, n, ack)
    return b"".join([head, *messages])


def decode_frame(frame: bytes) -> tuple[FrameHead, list[Message]]:
    """The header and messages of a frame. Raises FrameError for anything malformed."""
    try:
        version, flags, count, generation, boot_id, n, ack = FRAME_HEAD.unpack_from(frame)
        if version != VERSION:
            raise FrameError(f"version {version}")
        messages: list[Message] = []
        at = FRAME_HEAD.size
        size = len(frame)
        unpack = _HEAD.unpack_from
        for _ in range(count):
            (length, kind, mflags, slot, term, request_id, ms_left, app_length, key_length) = (
                unpack(frame, at)
            )
            end = at + _LENGTH_BYTES + length
            if end > size:
                raise FrameError("truncated message")
            names = at + MESSAGE_HEAD_BYTES
            key_at = names + app_length
            body_at = key_at + key_length
            if body_at > end:
                raise FrameError("names exceed the message")
            # Half the time of Message(...), which goes through a function of Python's own.
            message = _new(
                Message,
                (
                    kind,
                    mflags,
                    slot,
                    term,
                    request_id,
                    ms_left,
                    frame[names:key_at].decode(),
                    frame[key_at:body_at].decode(),
                    frame[body_at:end],
                    frame[at:end],
                ),
            )
            messages.append(message)
            at = end
    except (StructError, UnicodeDecodeError) as error:
        raise FrameError(str(error)) from None
    if at != len(frame):
        raise FrameError("bytes behind the last message")
    return _new(FrameHead, (flags, count, generation, boot_id, n, ack)), messages
