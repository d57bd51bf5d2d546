"""Sums of what an app has."""

from __future__ import annotations

from hubbub.model.usage import Growth, Usage


def test_growth_is_added_and_taken_away_by_kind() -> None:
    some, more = Growth(users=2), Growth(users=1, channels=5)
    assert some.plus(more) == Growth(3, 5)
    assert some.plus(more).minus(some) == more
    assert Growth().minus(more) == Growth(-1, -5)


def test_what_nobody_has_told_is_not_complete() -> None:
    assert not Usage().complete
