"""Fan-out: every member gets every message; the loop is as wide as the plan says."""

from __future__ import annotations

from ops.bench.fanout import FULL, Fanout, Plan
from ops.bench.targets import Target
from tests.ops.bench.conftest import one_round


async def test_both_loops_run_on_the_reference(target: Target) -> None:
    samples = await one_round(Fanout(is_smoke=True), target)
    closed, steady = samples["fanout-10"], samples["fanout-20-steady"]
    assert closed.value > 0
    assert closed.figures["ack_p50_ms"] > 0
    # 50 messages to 20 members at 2,000 deliveries a second take half a second.
    assert steady.figures["per_s"] <= 2_100


def test_the_window_is_that_of_the_budget() -> None:
    assert [Plan(members, 1).outstanding for members in (100, 200, 201, 1_000)] == [32, 32, 8, 8]
    assert {plan.members for plan in FULL.values()} == {100, 1_000}
