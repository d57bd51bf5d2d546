"""Keys sort as what they stand for, and ranges hold what they should and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node import keys

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
NUMBER = st.integers(0, 2**63 - 1)
PAIRS = st.one_of(
    st.tuples(TEXT, NUMBER), st.tuples(NUMBER, TEXT), st.tuples(TEXT, TEXT, NUMBER), TEXT, NUMBER
)


@given(PAIRS)
def test_row_keys_come_back(key: keys.RowKey) -> None:
    assert keys.parse_row_suffix(keys.row_suffix(key)) == key


@given(st.lists(TEXT, max_size=5))
def test_many_texts_come_back(texts: list[str]) -> None:
    assert keys.parse_text_suffixes([keys.row_suffix(text) for text in texts]) == texts


@given(
    st.one_of(
        st.lists(TEXT | st.sampled_from(["\x00", "a\x00b", "\x00\xff"]), max_size=5),
        st.lists(NUMBER, max_size=5),
        st.lists(st.tuples(TEXT, NUMBER), max_size=5),
    )
)
def test_many_row_keys_are_the_same_as_one_by_one(row_keys: list[Any]) -> None:
    assert keys.row_suffixes(row_keys) == [keys.row_suffix(key) for key in row_keys]


@given(TEXT, st.lists(TEXT, max_size=3))
def test_prefixes_of_many_streams(app: str, names: list[str]) -> None:
    one_by_one = [keys.stream_prefix(3, app, name) for name in names]
    assert keys.stream_prefixes(3, app, names) == one_by_one


@given(st.one_of(*(st.tuples(s, s) for s in (TEXT, NUMBER, st.tuples(TEXT, NUMBER, TEXT)))))
def test_row_keys_sort_by_their_parts(pair: tuple[Any, Any]) -> None:
    one, two = pair
    as_bytes = keys.row_suffix(one), keys.row_suffix(two)
    assert (one < two) == (as_bytes[0] < as_bytes[1])
    assert (one == two) == (as_bytes[0] == as_bytes[1])


@pytest.mark.parametrize("key", [1.5, b"x", None, ("a", None)])
def test_other_row_keys_are_a_bug(key: Any) -> None:
    with pytest.raises(TypeError):
        keys.row_suffix(key)


@given(
    st.tuples(st.integers(0, 16_383), TEXT, TEXT),
    st.tuples(st.integers(0, 16_383), TEXT, TEXT),
    NUMBER,
)
def test_streams_never_overlap(
    one: tuple[int, str, str], two: tuple[int, str, str], seq: int
) -> None:
    prefix, other = keys.stream_prefix(*one), keys.stream_prefix(*two)
    inside = other + keys.pack_u64(seq)
    assert (prefix <= inside < keys.prefix_end(prefix)) == (one == two)
    assert keys.seq_of(inside) == seq


def test_ranges_of_a_slot() -> None:
    assert keys.log(3, 2**64 - 1) < keys.log(4, 0)
    assert keys.outbox(3, 7, 2**64 - 1) < keys.outbox(3, 8, 0) < keys.outbox(4, 0, 0)
    assert keys.parse_outbox(keys.outbox(3, 7, 9)) == (3, 7, 9)
    start, end = keys.dedup_range(100, 5)
    inside = keys.dedup(100, 5, b"\xff" * keys.DIGEST_BYTES)
    assert start <= keys.dedup(100, 5, b"\x00" * keys.DIGEST_BYTES) < inside < end
    assert end < keys.dedup(100, 6, b"") < keys.dedup(101, 0, b"")


def test_digests_tell_apart_who_asks_where() -> None:
    ids = {
        keys.dedup_digest(*parts)
        for parts in [
            ("a", "u", "k", "c"),
            ("b", "u", "k", "c"),
            ("a", "k", "u", "c"),
            ("a", "u", "k", "d"),
        ]
    }
    assert len(ids) == 4


def test_rows_of_meta_have_names_of_their_own() -> None:
    prefix = keys.stream_prefix(1, "a", "b")
    names = [
        keys.DATABASE,
        keys.slot_meta(1),
        keys.stream_meta(prefix),
        keys.forward_count(1, 2),
        keys.seen(1, 2, b"12345678"),
    ]
    assert len({name[:1] for name in names}) == len(names)
