"""Every scenario runs; every bug has one, or a reason."""

from __future__ import annotations

import pytest

from tests.sim.scenarios.book import ELSEWHERE, PLAYS


@pytest.mark.parametrize("name", PLAYS)
def test_scenario(name: str) -> None:
    PLAYS[name].act()


def test_every_bug_has_a_scenario_or_a_reason() -> None:
    told = {bug for play in PLAYS.values() for bug in play.bugs}
    assert told | ELSEWHERE.keys() == set(range(1, 31))
    assert not told & ELSEWHERE.keys()


def test_every_scenario_tells_its_story() -> None:
    assert all(play.act.__doc__ for play in PLAYS.values())
