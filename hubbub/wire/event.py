"""A published event as bytes: the row of the `chan` family and the body of an EVENT are the same.

Shape, big-endian:
  row  = u8 flags | u64 ts ms | u64 ref seq | u8 type length | u8 author length | u16 info length
       | type | author | info (JSON, may be empty) | data (JSON, exactly as delivered)
  body of an EVENT message = u64 seq | row
  body of a SIGNAL that becomes a publication = data; or 0 | u16 info length | info | data

So the node encodes an event once, and the log, the history and the fan-out copy those bytes.
`info` is the publisher's ClientInfo (raw namespaces), or with EVICTS the users that must leave.
`ref seq` is the seq of the message that an edit or delete changes, else 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Final, NamedTuple

CHANGED: Final = 1  # what it shows may be another by now: render it from the rows
COUNTABLE: Final = 2  # counts as unread for those who have not read it
TRANSIENT: Final = 4  # a raw event: not a chat message
EVICTS: Final = 8  # `info` is a JSON list of users whose sessions must leave the stream
LISTS: Final = 16  # on a user's stream: `info` is a JSON list of channels that joined his list
UNLISTS: Final = 32  # the same for channels that left it
THREADED: Final = 64  # a message that stands in a thread, and not in the channel
SIGNS_OUT: Final = 128  # on a user's stream: `info` is a JSON list of devices that are signed out
# Both at once, on a user's stream: `info` is a JSON list of users, each behind a + (from now on he
# blocks him) or a - (no more).
BLOCKS: Final = LISTS | UNLISTS

_HEAD: Final = Struct(">BQQBBH")
_KIND_AT: Final = _HEAD.size
_KIND_LENGTH_AT: Final = _KIND_AT - 4
_AUTHOR_LENGTH_AT: Final = _KIND_AT - 3
_INFO_LENGTH_AT: Final = _KIND_AT - 2
_unpack_head: Final = _HEAD.unpack_from  # a page decodes fifty rows
_SEQ: Final = Struct(">Q")
_TIME: Final = Struct(">Q")  # behind the flags
_BODY: Final = Struct(">QBQQBBH")  # seq, then _HEAD
_SIGNAL: Final = Struct(">BH")  # data is JSON, whose first byte is never 0
_new = tuple.__new__  # half the time of a NamedTuple's own constructor


class EventHead(NamedTuple):
    """What is known of an event without reading its data."""

    flags: int
    ts_ms: int
    ref_seq: int
    type: str
    by: str


class StoredEvent(NamedTuple):
    """One published event of a stream. `data` and `info` are JSON bytes."""

    seq: int
    head: EventHead
    info: bytes
    data: bytes


def encode_row(
    flags: int, ts_ms: int, ref_seq: int, type: str, by: str, data: bytes, info: bytes = b""
) -> bytes:
    """The row of an event. Type and author are at most 255 bytes each."""
    kind = type.encode()
    author = by.encode()
    head = _HEAD.pack(flags, ts_ms, ref_seq, len(kind), len(author), len(info))
    return b"".join((head, kind, author, info, data))


def decode_row(seq: int, row: bytes) -> StoredEvent:
    """The event of a row. Raises struct.error or UnicodeDecodeError for foreign bytes."""
    flags, ts_ms, ref_seq, kind_len, author_len, info_len = _unpack_head(row)
    author_at = _KIND_AT + kind_len
    info_at = author_at + author_len
    data_at = info_at + info_len
    kind, author = row[_KIND_AT:author_at].decode(), row[author_at:info_at].decode()
    head = _new(EventHead, (flags, ts_ms, ref_seq, kind, author))
    return _new(StoredEvent, (seq, head, row[info_at:data_at], row[data_at:]))


def time_of(row: bytes) -> int:
    """The ms of a row: a fifth of `decode_row`."""
    ms: int = _TIME.unpack_from(row, 1)[0]
    return ms


def plain_data(rows: Sequence[tuple[int, bytes]], type: bytes, unwanted: int) -> list[bytes | None]:
    """Of each (seq, row) its data if it is of this type and has none of these flags, else None.

    A page shows fifty rows and asks nothing else of nearly all of them: a tenth of `decode_row`.
    """
    size = len(type)
    info_at, tail_at = _INFO_LENGTH_AT, _KIND_AT + size
    return [
        row[tail_at + row[_AUTHOR_LENGTH_AT] + (row[info_at] << 8 | row[info_at + 1]) :]
        if row[_KIND_LENGTH_AT] == size and not row[0] & unwanted and row.startswith(type, _KIND_AT)
        else None
        for _, row in rows
    ]


def with_flags(row: bytes, flags: int) -> bytes:
    """The same row with other flags."""
    return bytes((flags,)) + row[1:]


def encode_event_body(seq: int, row: bytes) -> bytes:
    """The body of an EVENT message."""
    return _SEQ.pack(seq) + row


def decode_event_body(body: bytes) -> StoredEvent:
    """The event in an EVENT message's body. Raises as decode_row."""
    seq, flags, ts_ms, ref_seq, kind_length, author_length, info_length = _BODY.unpack_from(body)
    author_at = _BODY.size + kind_length
    info_at = author_at + author_length
    data_at = info_at + info_length
    kind, author = body[_BODY.size : author_at].decode(), body[author_at:info_at].decode()
    head = _new(EventHead, (flags, ts_ms, ref_seq, kind, author))
    return _new(StoredEvent, (seq, head, body[info_at:data_at], body[data_at:]))


def encode_signal(data: bytes, info: bytes) -> bytes:
    """The body of a SIGNAL that becomes a publication. `info`: the publisher's, or empty."""
    return _SIGNAL.pack(0, len(info)) + info + data if info else data


def decode_signal(body: bytes) -> tuple[bytes, bytes]:
    """(data, info) of such a body."""
    if body[:1] != b"\0":
        return body, b""
    start = _SIGNAL.size + _SIGNAL.unpack_from(body)[1]
    return body[start:], body[_SIGNAL.size : start]
