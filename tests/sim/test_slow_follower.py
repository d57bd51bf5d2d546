"""One slow copy costs little: the majority decides, and the slow one is not waited for.

In the time of the simulation, where nothing but the protocol takes any.
"""

from __future__ import annotations

from statistics import quantiles

from tests.sim.profiles import CHAOS_MS, Fault, Plan
from tests.sim.run import Run
from tests.sim.snapshots import small_parts

SEEDS = range(5)
SLOW_MS = 500  # a sync of the slow copy's disk; that of the others takes 2
FOLLOWER = "1"  # node 0 leads first
DEARER_MAX = 1.2


def took_ms(faults: list[Fault]) -> list[float]:
    """From the first try of a message to its acknowledgement, over some seeds."""
    took: list[float] = []
    for seed in SEEDS:
        plan = Plan(seed, think_ms=20.0, faults=list(faults))
        run = Run(plan)
        with small_parts():
            run.go()
        took += [m.acked - m.sent for m in run.history if 500 < m.sent < CHAOS_MS - 500]
    return took


def test_a_slow_follower_is_not_waited_for() -> None:
    usual = took_ms([])
    slowed = took_ms([Fault(200, "slow", (FOLLOWER, str(SLOW_MS), str(CHAOS_MS)))])
    assert min(len(usual), len(slowed)) > 1_000
    for place, name in ((49, "p50"), (98, "p99")):
        before, beside = (quantiles(took, n=100)[place] for took in (usual, slowed))
        print(f"acknowledged within {before:.1f} ms ({name}), beside a slow follower {beside:.1f}")
        assert beside <= DEARER_MAX * before


def test_slow_disks_of_all_would_be_seen() -> None:
    """The measure itself: where everybody is slow nobody is acknowledged soon."""
    all_slow = [Fault(200, "slow", (str(n), str(SLOW_MS), str(CHAOS_MS))) for n in range(3)]
    usual, slowed = (quantiles(took_ms(faults), n=100)[49] for faults in ([], all_slow))
    assert slowed > DEARER_MAX * usual
