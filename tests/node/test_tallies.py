"""Signs that are counted: each user once, for as long as he says; told when the number changes."""

from __future__ import annotations

import pytest

from node import tallies as tallies_module
from node.tallies import AGAIN_MS, Tallies

ROOM = ("demo", "group:x")
OTHER = ("demo", "group:y")


def test_each_user_counts_once_until_his_time_is_over_or_he_stops() -> None:
    tallies = Tallies()
    for user, now_ms in (("ann", 0), ("ben", 100), ("ann", 3_000), ("cid", 3_000)):
        tallies.note(ROOM, user, 6_000, now_ms)
    assert tallies.tick(3_000) == [(ROOM, 3)]
    assert tallies.tick(4_000) == [], "nothing changed"
    tallies.note(ROOM, "cid", 0, 4_000)
    tallies.note(ROOM, "nobody", 0, 4_000)
    assert tallies.tick(4_000) == [(ROOM, 2)]
    assert tallies.tick(6_100) == [(ROOM, 1)]
    assert tallies.tick(9_000) == [(ROOM, 0)]
    assert tallies.tick(10_000) == []
    assert tallies.streams() == []


def test_a_number_that_stands_is_told_again() -> None:
    tallies = Tallies()
    told = []
    for now_ms in range(0, 2 * AGAIN_MS + 1, 1_000):
        tallies.note(ROOM, "ann", 6_000, now_ms)
        told += [now_ms for _ in tallies.tick(now_ms)]
    assert told == [0, AGAIN_MS, 2 * AGAIN_MS]


def test_what_came_and_went_between_two_ticks_is_not_told() -> None:
    tallies = Tallies()
    tallies.note(ROOM, "ann", 6_000, 0)
    tallies.note(ROOM, "ann", 0, 10)
    tallies.note(OTHER, "ann", 0, 10)
    assert tallies.streams() == [ROOM]
    assert tallies.tick(2 * AGAIN_MS) == []
    assert tallies.streams() == []


def test_it_is_bounded_and_forgets_what_is_led_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tallies_module, "STREAMS_MAX", 1)
    monkeypatch.setattr(tallies_module, "USERS_MAX", 2)
    tallies = Tallies()
    for user in ("ann", "ben", "cid", "ann"):
        tallies.note(ROOM, user, 6_000, 0)
    tallies.note(OTHER, "ann", 6_000, 0)
    assert tallies.tick(0) == [(ROOM, 2)]
    tallies.forget([ROOM, OTHER])
    assert tallies.tick(9_000) == []
    tallies.note(OTHER, "ann", 6_000, 9_000)
    assert tallies.tick(9_000) == [(OTHER, 1)]


def test_who_counts_is_known_where_somebody_may_have_to_stop() -> None:
    tallies = Tallies()
    tallies.note(ROOM, "ann", 6_000, 0)
    for name in (ROOM, OTHER):
        tallies.stir(name)
    assert tallies.take_stirred() == {ROOM}
    assert tallies.take_stirred() == set()
    assert (tallies.users(ROOM), tallies.users(OTHER)) == (["ann"], [])
