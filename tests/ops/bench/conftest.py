"""The reference server, one for all tests of a module, and a round on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ops.bench.cases import Benchmark, Sample
from ops.bench.targets import Target, reference


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    """A running reference server."""
    with reference() as running:
        yield running


async def one_round(benchmark: Benchmark, target: Target) -> dict[str, Sample]:
    """Prepares the target and measures every case once."""
    session = await benchmark.prepare(target)
    try:
        return {case.name: await session.measure(case) for case in benchmark.cases}
    finally:
        session.close()
