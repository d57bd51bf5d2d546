"""Seeds of every profile; one seed is one run, for ever.

HUBBUB_SIM_SEEDS is how many of each profile (12, some ten seconds in all).
"""

from __future__ import annotations

import os

import pytest

from tests.sim.profiles import PROFILES, draw
from tests.sim.run import Run, run_plan, run_seed
from tests.sim.shrink import shrink
from tests.sim.snapshots import small_parts
from tests.sim.totals import Totals

SEEDS = int(os.environ.get("HUBBUB_SIM_SEEDS", "12"))
EVENTS_MIN, ACKS_MIN = 2_000, 50  # a seed; a run with less proves little

pytestmark = pytest.mark.timeout(60 + 2 * SEEDS)


@pytest.mark.parametrize("profile", PROFILES)
def test_seeds(profile: str) -> None:
    totals = Totals()
    for seed in range(SEEDS):
        outcome = run_seed(seed, profile)
        totals.add(outcome)
        assert not outcome.rule, (
            f"{outcome.what}\nAgain: pytest tests/sim --seed {seed} --profile {profile}"
        )
    print(totals)
    assert totals.events >= EVENTS_MIN * totals.runs
    assert totals.acks >= ACKS_MIN * totals.runs


def test_the_seed(request: pytest.FixtureRequest) -> None:
    """The one of --seed, with its traceback; a failure is made small."""
    seed, profile = request.config.getoption("--seed"), request.config.getoption("--profile")
    plan = draw(seed, profile)
    print(plan.text())
    if run_plan(plan).rule:
        print("\nsmaller:", shrink(plan).text(), sep="\n")
    with small_parts():
        Run(plan).go()


@pytest.mark.parametrize("profile", ["swarm", "snapshots", "lying"])
def test_the_same_seed_is_the_same_run(profile: str) -> None:
    def chains() -> tuple[int, list[int]]:
        run = Run(draw(7, profile))
        with small_parts():
            run.go()
        return run.world.events, run.invariants.chains

    assert chains() == chains()


def test_profiles_do_what_they_are_named_for() -> None:
    """A profile that draws no snapshot, no power loss, no change of members tests nothing."""
    kinds = {
        "snapshots": "members",
        "terms": "arm",
        "storms": "members",
        "slow": "slow",
        "partitions": "split",
        "pauses": "pause",
        "power": "power",
        "rollback": "rollback",
        "lying": "crash",
    }
    for profile, kind in kinds.items():
        assert all(kind in {f.kind for f in draw(seed, profile).faults} for seed in range(20))
    installed = 0
    for seed in range(SEEDS):
        run = Run(draw(seed, "snapshots"))
        with small_parts():
            run.go()
        installed += sum(node.snapshots.installed for node in run.cluster.nodes)
    assert installed >= SEEDS
