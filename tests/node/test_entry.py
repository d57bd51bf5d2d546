"""Entries come back as they were, and garbage is told apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.wire.codec import encode_pack
from node.entry import BrokenChain, Entry, EntryKind, Origin, decode_logged

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
    assert decode_logged(b"8 bytes." + encode_pack(ENTRY)) == ENTRY


@given(st.binary(max_size=64))
def test_garbage_is_a_broken_chain(value: bytes) -> None:
    with pytest.raises(BrokenChain):
        decode_logged(value)
