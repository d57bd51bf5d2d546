"""Connect: the same people come in again each round."""

from __future__ import annotations

from ops.bench.connect import Connect
from ops.bench.targets import Target
from tests.ops.bench.conftest import one_round


async def test_connections_to_the_reference_cost_something(target: Target) -> None:
    sample = (await one_round(Connect(is_smoke=True), target))["connect-40"]
    assert sample.value > 10
    assert sample.figures["per_s"] > 10
