"""Hashes are stored and compared between versions: their values are fixed here."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.ring.hashing import (
    chain,
    key_hash,
    rendezvous,
    request_hash,
    ring_point,
    slot_of,
    slots_of,
)

names = st.lists(st.text("abcdef0123", min_size=1), min_size=1, max_size=8, unique=True)


def test_values_never_change() -> None:
    """Stored chains, request hashes and slots would be lost with another function or seed."""
    assert {
        "slot": slot_of("demo", "group:x", 1024, 7),
        "slot of 16384": slot_of("demo", "group:x", 16_384, 7),
        "unicode": slot_of("démo", "grüp:ö", 1024, 0xFFFFFFFF),
        "key": key_hash("demo", "group:x"),
        "chain": chain(0, b"entry"),
        "request": request_hash("message.send", b'{"text":"hi"}'),
        "ring": ring_point("n1#0"),
        "rendezvous": rendezvous(5, ["r1", "r2", "r3"]),
    } == VALUES


VALUES = {
    "slot": 453,
    "slot of 16384": 14789,
    "unicode": 649,
    "key": 3827918174534679991,
    "chain": 17029714985313833118,
    "request": 3484441245687679687,
    "ring": 5274960125634077699,
    "rendezvous": ["r3", "r2", "r1"],
}


@given(st.text(), st.text(), st.integers(0, 14), st.integers(0, 2**32 - 1))
def test_a_slot_is_within_the_map(app: str, key: str, bits: int, seed: int) -> None:
    app, key = app.encode(errors="replace").decode(), key.encode(errors="replace").decode()
    slot = slot_of(app, key, 1 << bits, seed)
    assert 0 <= slot < 1 << bits
    assert slots_of(app, [key, key], 1 << bits, seed) == [slot, slot]


def test_a_slot_of_twice_the_slots_is_the_same_or_the_upper_half() -> None:
    """Low bits: a map of twice the size splits each slot in two."""
    for i in range(200):
        assert slot_of("a", f"k{i}", 2048, 1) % 1024 == slot_of("a", f"k{i}", 1024, 1)


def test_slots_are_even() -> None:
    counts = Counter(slot_of("demo", f"group:{i}", 64, 3) for i in range(64_000))
    assert len(counts) == 64
    assert 850 < min(counts.values()) <= max(counts.values()) < 1150


@pytest.mark.parametrize("slots", [0, -16, 3, 1000])
def test_slots_are_a_power_of_two(slots: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        slot_of("demo", "x", slots, 0)
    with pytest.raises(ValueError, match="power of two"):
        slots_of("demo", ["x"], slots, 0)


def test_app_and_key_do_not_run_together() -> None:
    assert key_hash("ab", "c") != key_hash("a", "bc")
    assert request_hash("ab", b"c") != request_hash("a", b"bc")
    spread = {(slot_of("ab", "c", 16_384, s), slot_of("a", "bc", 16_384, s)) for s in range(20)}
    assert any(left != right for left, right in spread)


@given(st.integers(0, 2**64 - 1), st.binary())
def test_a_chain_depends_on_all_before_it(previous: int, entry: bytes) -> None:
    value = chain(previous, entry)
    assert 0 <= value < 2**64
    assert value != chain(previous ^ 1, entry)
    assert value != chain(previous, entry + b"\0")


@given(st.binary(min_size=1), st.data())
def test_a_chain_sees_one_flipped_bit(entry: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(entry) * 8 - 1))
    flipped = bytearray(entry)
    flipped[at // 8] ^= 1 << at % 8
    assert chain(9, entry) != chain(9, bytes(flipped))


@given(st.integers(0, 16_383), names)
def test_rendezvous_orders_all_names_whatever_their_order(slot: int, names: list[str]) -> None:
    order = rendezvous(slot, names)
    assert sorted(order) == sorted(names)
    assert rendezvous(slot, names[::-1]) == order
    gone = order[0]
    assert rendezvous(slot, [n for n in names if n != gone]) == order[1:]


def test_rendezvous_shares_the_slots_evenly() -> None:
    counts = Counter(rendezvous(slot, ["r1", "r2", "r3", "r4"])[0] for slot in range(4096))
    assert 900 < min(counts.values()) <= max(counts.values()) < 1150


def test_the_callers_list_is_its_own() -> None:
    rendezvous(1, ["a", "b"]).clear()
    assert sorted(rendezvous(1, ["a", "b"])) == ["a", "b"]
