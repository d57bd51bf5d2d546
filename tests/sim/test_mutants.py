"""Every planted bug is found by what is written beside it: the score of the simulator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from node.replica import Replica
from tests.sim.mutants import MUTANTS, Mutant, is_caught
from tests.sim.planting import Edit, planted
from tests.sim.profiles import PROFILES
from tests.sim.run import run_seed
from tests.sim.scenarios.book import PLAYS

MUTANTS_MIN = 40


@pytest.fixture(scope="module")
def score() -> Iterator[Counter[bool]]:
    """What was caught and what survived; printed at the end."""
    found: Counter[bool] = Counter()
    yield found
    print(f"\n{found[True]} of {found.total()} mutants caught")


@pytest.mark.parametrize("one", MUTANTS, ids=lambda one: one.name)
def test_mutant(one: Mutant, score: Counter[bool]) -> None:
    caught = is_caught(one, one.caught)
    score[caught] += 1
    assert caught, f"{one.breaks}: {one.caught} does not find it any more"


def test_there_are_enough_of_the_product_itself() -> None:
    ours = [one for one in MUTANTS if not one.name.startswith(("twin:", "driver:"))]
    assert len(ours) >= MUTANTS_MIN
    assert len({one.name for one in MUTANTS}) == len(MUTANTS)


def test_what_catches_them_is_green_without_them() -> None:
    """Scenarios have their own tests; the seeds must pass as well, or they would prove nothing."""
    for by in sorted({one.caught for one in MUTANTS if ":" in one.caught}):
        profile, seed = by.split(":")
        assert profile in PROFILES
        assert not run_seed(int(seed), profile).rule, by
    assert {one.caught for one in MUTANTS if ":" not in one.caught} <= PLAYS.keys()


def test_every_bug_with_a_scenario_has_a_mutant_that_it_finds() -> None:
    finders = [PLAYS[one.caught] for one in MUTANTS if one.caught in PLAYS]
    told = {bug for play in PLAYS.values() for bug in play.bugs}
    assert told == {bug for play in finders for bug in play.bugs}


def test_a_planted_bug_is_taken_out_again() -> None:
    before = Replica.tick.__code__
    with planted([Edit(Replica.tick, "if not self.is_leading:", "if True:")]):
        assert Replica.tick.__code__ is not before
    assert Replica.tick.__code__ is before


@pytest.mark.parametrize("old", ["no such words", "self"])
def test_an_edit_that_does_not_apply_is_an_error(old: str) -> None:
    with (
        pytest.raises(ValueError, match="exactly one"),
        planted([Edit(Replica.tick, old, "pass")]),
    ):
        pass
