"""Idle: memory of connections that do nothing."""

from __future__ import annotations

from ops.bench.idle import Idle
from ops.bench.targets import Target
from tests.ops.bench.conftest import one_round


async def test_a_joined_connection_of_the_reference_costs_some_kib(target: Target) -> None:
    sample = (await one_round(Idle(is_smoke=True), target))["idle-80"]
    assert 1 < sample.value < 100
    assert sample.figures["total_pss_mib"] > 10
