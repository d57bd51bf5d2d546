"""Rows of published events."""

from __future__ import annotations

from struct import error as StructError

from hypothesis import given
from hypothesis import strategies as st

from hubbub.wire.event import (
    CHANGED,
    COUNTABLE,
    EVICTS,
    LISTS,
    TRANSIENT,
    UNLISTS,
    EventHead,
    StoredEvent,
    decode_event_body,
    decode_row,
    decode_signal,
    encode_event_body,
    encode_row,
    encode_signal,
    plain_data,
    with_flags,
)

u8, u64 = st.integers(0, 255), st.integers(0, 2**64 - 1)
short = st.text(max_size=60)


@given(u8, u64, u64, short, short, st.binary(max_size=200), st.binary(max_size=100), u64)
def test_there_and_back(
    flags: int, ts: int, ref: int, kind: str, by: str, data: bytes, info: bytes, seq: int
) -> None:
    row = encode_row(flags, ts, ref, kind, by, data, info)
    stored = StoredEvent(seq, EventHead(flags, ts, ref, kind, by), info, data)
    assert decode_row(seq, row) == stored
    assert decode_event_body(encode_event_body(seq, row)) == stored
    changed = decode_row(seq, with_flags(row, flags ^ CHANGED))
    assert changed.head.flags == flags ^ CHANGED
    assert changed._replace(head=stored.head) == stored


rows = st.tuples(u8, st.sampled_from(["a", "ab", "abc", "é"]), short, st.binary(max_size=300))


@given(st.lists(rows, max_size=8), st.sampled_from(["a", "ab", "é"]), u8)
def test_plain_data_is_that_of_the_rows_without_the_flags(
    made: list[tuple[int, str, str, bytes]], kind: str, unwanted: int
) -> None:
    stored = [
        (seq, encode_row(flags, 1, 2, type, by, b"{%d}" % seq, info))
        for seq, (flags, type, by, info) in enumerate(made)
    ]
    events = [decode_row(seq, row) for seq, row in stored]
    assert plain_data(stored, kind.encode(), unwanted) == [
        event.data if event.head.type == kind and not event.head.flags & unwanted else None
        for event in events
    ]


@given(st.binary(max_size=100))
def test_garbage_parses_or_raises_what_is_documented(garbage: bytes) -> None:
    for read in (decode_event_body, lambda row: decode_row(1, row)):
        try:
            read(garbage)
        except (StructError, UnicodeDecodeError):
            pass


@given(st.sampled_from([b"{}", b"0", b'"x"', b" null"]), st.binary(max_size=300))
def test_a_signal_there_and_back(data: bytes, info: bytes) -> None:
    body = encode_signal(data, info)
    assert decode_signal(body) == (data, info)
    assert info or body == data


def test_flags_are_distinct_bits() -> None:
    flags = (CHANGED, COUNTABLE, TRANSIENT, EVICTS, LISTS, UNLISTS)
    assert sum(flags) == 0b111111
