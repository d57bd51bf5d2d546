"""Signs by name: kept for as long as they say, of a bounded number."""

from __future__ import annotations

import pytest

from node import signs as signs_module
from node.signs import Signs

ROOM = ("demo", "group:x")
OTHER = ("demo", "group:y")


def test_a_sign_holds_until_its_time_is_over_or_it_is_taken_back() -> None:
    signs = Signs()
    signs.note(ROOM, ("ann", ""), 6_000, 0)
    signs.note(ROOM, ("ann", "thread"), 6_000, 1_000)
    signs.note(ROOM, ("ben", ""), 6_000, 1_000)
    signs.note(ROOM, ("ben", ""), 0, 2_000)
    signs.note(ROOM, ("nobody", ""), 0, 2_000)
    assert signs.of(ROOM, 5_999) == [("ann", ""), ("ann", "thread")]
    assert signs.of(ROOM, 6_000) == [("ann", "thread")]
    signs.note(ROOM, ("ann", "thread"), 6_000, 6_000)
    signs.tick(11_999)
    assert signs.of(ROOM, 11_999) == [("ann", "thread")]
    signs.tick(12_000)
    assert signs.streams() == []


def test_it_is_bounded_and_forgets_what_is_led_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signs_module, "SIGNS_MAX", 2)
    signs = Signs()
    for name, user in ((ROOM, "ann"), (OTHER, "ann"), (OTHER, "ben"), (ROOM, "ann")):
        signs.note(name, (user, ""), 6_000, 0)
    assert (signs.of(ROOM, 0), signs.of(OTHER, 0)) == ([("ann", "")], [("ann", "")])
    signs.forget([OTHER, ("demo", "group:z")])
    signs.note(ROOM, ("cid", ""), 6_000, 0)
    assert signs.of(ROOM, 0) == [("ann", ""), ("cid", "")]
    assert signs.of(OTHER, 0) == []
