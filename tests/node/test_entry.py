"""Entries come back as they were, and a changed one does not continue the chain."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.entry import BrokenChain, Entry, EntryKind, Origin, decode_entry, encode_entry

ENTRY = Entry(
    index=7,
    term=3,
    kind=EntryKind.COMMAND,
    ts_ms=1_700_000_000_000,
    app="demo",
    key="group:x",
    seq=4,
    by="alice",
    cmid="c",
    request_hash=2**64 - 1,
    origin=Origin(5, b"12345678", 9),
    reply=b'{"a":1}',
    events=(("message.created", b'{"text":"hi"}'), ("x", b"{}")),
)


def test_an_entry_comes_back() -> None:
    value, chain = encode_entry(ENTRY, 11)
    assert decode_entry(value, 11) == (ENTRY, chain)
    assert decode_entry(value, None) == (ENTRY, chain)


def test_the_chain_depends_on_what_came_before() -> None:
    assert encode_entry(ENTRY, 11)[1] != encode_entry(ENTRY, 12)[1]
    with pytest.raises(BrokenChain):
        decode_entry(encode_entry(ENTRY, 11)[0], 12)


@given(st.data())
def test_any_flipped_bit_is_noticed(data: st.DataObject) -> None:
    value = bytearray(encode_entry(ENTRY, 11)[0])
    value[data.draw(st.integers(0, len(value) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(BrokenChain):
        decode_entry(bytes(value), 11)


@given(st.binary(max_size=64))
def test_garbage_is_a_broken_chain(value: bytes) -> None:
    with pytest.raises(BrokenChain):
        decode_entry(value, 1)
