"""Message ids and UUIDv7."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.base.errors import BAD_REQUEST, ErrorCode, Rejected
from hubbub.base.ids import MESSAGE_ID_LENGTH, SEQ_MAX, message_id, message_seq, uuid7, uuid7_ms

times = st.integers(0, 2**48 - 1)
seqs = st.integers(1, SEQ_MAX)


@given(times, seqs, st.binary(max_size=100), st.binary(max_size=100))
def test_a_message_id_decodes_to_its_seq(ts: int, seq: int, stream: bytes, secret: bytes) -> None:
    mid = message_id(ts, seq, stream, secret)
    assert len(mid) == MESSAGE_ID_LENGTH
    assert mid == mid.lower()
    assert message_seq(mid) == seq


@given(st.lists(st.tuples(times, seqs), min_size=2, max_size=20, unique=True))
def test_ids_sort_by_time_then_seq(places: list[tuple[int, int]]) -> None:
    """Plain base32 does not: its digits stand behind its letters."""
    places.sort()
    ids = [message_id(ts, seq, b"s", b"k") for ts, seq in places]
    assert ids == sorted(ids)


def test_an_id_depends_on_secret_and_stream() -> None:
    one = message_id(1, 1, b"a", b"k")
    assert len({one, message_id(1, 1, b"b", b"k"), message_id(1, 1, b"a", b"l")}) == 3


def refusal_of(read: Callable[[str], int], text: str, limit: int) -> ErrorCode | None:
    """The code with which a text is refused, None for one that is read."""
    try:
        assert 0 <= read(text) < limit
    except Rejected as refusal:
        return refusal.error
    return None


@given(st.text(max_size=40) | st.from_regex(r"\A[0-9a-zé]{26}\Z"))
def test_any_text_is_an_id_or_refused(text: str) -> None:
    assert refusal_of(message_seq, text, SEQ_MAX + 1) in (None, BAD_REQUEST)


@given(times, st.binary(min_size=10, max_size=16))
def test_uuid7(ts: int, entropy: bytes) -> None:
    cmid = uuid7(ts, entropy)
    parsed = UUID(cmid)
    assert (parsed.version, parsed.variant) == (7, "specified in RFC 4122")
    assert str(parsed) == cmid
    assert uuid7_ms(cmid) == ts


@given(st.text(max_size=40) | st.from_regex(r"\A[0-9a-g+_ -]{8}-.{4}-7.{3}-.{4}-.{12}\Z"))
def test_any_text_is_a_uuid7_or_refused(text: str) -> None:
    assert refusal_of(uuid7_ms, text, 2**48) in (None, BAD_REQUEST)


@pytest.mark.parametrize("other", ["", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "7" * 36])
def test_other_uuids_are_refused(other: str) -> None:
    with pytest.raises(Rejected):
        uuid7_ms(other)
