"""A sample: units, latencies, percentiles."""

from __future__ import annotations

from random import Random

import pytest

from ops.bench.cases import percentile_ms, sample_of
from ops.bench.client import Tally
from ops.bench.meter import Usage


def test_percentiles_are_of_the_nearest_rank() -> None:
    values = list(range(1_000_000, 101_000_000, 1_000_000))
    Random(3).shuffle(values)
    assert percentile_ms(values, 0.50) == 51.0
    assert percentile_ms(values, 0.99) == 100.0
    assert percentile_ms([], 0.5) == 0.0


async def test_a_sample_is_cpu_per_unit_with_what_was_seen() -> None:
    tally = Tally()
    tally.ack_ns.extend([2_000_000, 4_000_000, 6_000_000])
    usage = Usage(wall_s=2.0, server_cpu_us=500.0, generator_share=0.25, gathering={"x": 3.0})
    sample = sample_of(usage, tally, 100)
    assert sample.value == 5.0
    assert sample.figures["per_s"] == 50.0
    assert sample.figures["ack_p50_ms"] == pytest.approx(4.0)
    assert sample.figures["generator_share"] == 0.25
    assert sample.figures["x"] == 3.0
