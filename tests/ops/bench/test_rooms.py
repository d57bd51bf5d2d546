"""Small rooms: messages at a rate, each to four."""

from __future__ import annotations

from ops.bench.rooms import FULL, Rooms
from ops.bench.targets import Target
from tests.ops.bench.conftest import one_round


async def test_a_second_of_small_rooms_on_the_reference(target: Target) -> None:
    sample = (await one_round(Rooms(is_smoke=True), target))["rooms-100"]
    assert sample.value > 0
    assert sample.figures["per_s"] <= 110
    assert 0 < sample.figures["deliver_p50_ms"] <= sample.figures["deliver_p99_ms"]


def test_the_rates_are_those_of_the_budget() -> None:
    assert [plan.per_s for plan in FULL.values()] == [200, 2_000]
