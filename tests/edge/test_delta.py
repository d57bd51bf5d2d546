"""Fossil deltas against a decoder of our own, written from the format's description."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from edge.delta import TARGET_BYTES_MAX, make_delta

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~"


def apply_delta(source: bytes, delta: bytes) -> bytes:
    """The target; AssertionError for a delta that is not well formed."""
    head, rest = delta.split(b"\n", 1)
    target = b""
    while True:
        digits = 0
        while chr(rest[digits]) in DIGITS:
            digits += 1
        number, sign, rest = value(rest[:digits]), rest[digits : digits + 1], rest[digits + 1 :]
        if sign == b"@":
            offset, rest = rest.split(b",", 1)
            start = value(offset)
            assert start + number <= len(source)
            target += source[start : start + number]
        elif sign == b":":
            target += rest[:number]
            rest = rest[number:]
        else:
            assert (sign, rest) == (b";", b"")
            assert number == checksum(target)
            assert value(head) == len(target)
            return target


def value(digits: bytes) -> int:
    number = 0
    for digit in digits.decode():
        number = number * 64 + DIGITS.index(digit)
    return number


def checksum(data: bytes) -> int:
    data += bytes(-len(data) % 4)
    words = [int.from_bytes(data[at : at + 4], "big") for at in range(0, len(data), 4)]
    return sum(words) % 2**32


def test_two_small_changes_still_make_a_small_delta() -> None:
    source = json.dumps({"left": 1, "text": "same " * 40, "right": 2}).encode()
    target = json.dumps({"left": 7, "text": "same " * 40, "right": 9}).encode()
    delta = make_delta(source, target)
    assert delta is not None
    assert len(delta) < 60
    assert apply_delta(source, delta) == target


def test_a_known_delta() -> None:
    source = b"0123456789abcdef" * 2
    assert make_delta(source, source) == b"W\nW@0,25u_;"
    assert apply_delta(source, b"W\nW@0,25u_;") == source


def test_unrelated_texts_are_sent_whole() -> None:
    assert make_delta(b"a" * 200, bytes(range(33, 120)) * 2) is None
    assert make_delta(b"", b"some text that is long enough") is None
    assert make_delta(b"x", b"x") is None


def test_a_large_target_is_not_scanned() -> None:
    text = b"x" * (TARGET_BYTES_MAX + 1)
    assert make_delta(text, text) is None


pieces = st.lists(
    st.sampled_from(
        ["hello world, how are you? ", "é", "日本語のテキスト", "🙂🙃", "x", '{"n":', "0" * 20]
    ),
    max_size=30,
).map(lambda parts: "".join(parts).encode())


@given(pieces, pieces)
def test_a_delta_of_texts_is_text_and_comes_back(source: bytes, target: bytes) -> None:
    delta = make_delta(source, target)
    if delta is not None:
        assert len(delta) < len(target)
        delta.decode()
        assert apply_delta(source, delta) == target


@given(st.binary(max_size=400), st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=9))))
def test_edits_of_any_bytes_come_back(source: bytes, edits: list[tuple[int, bytes]]) -> None:
    target = source
    for at, insert in edits:
        target = target[:at] + insert + target[at + 2 :]
    delta = make_delta(source, target)
    if delta is not None:
        assert apply_delta(source, delta) == target
