"""What a benchmark is: its cases, how it prepares a server, how one round is measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ops.bench.client import Tally
from ops.bench.meter import Usage
from ops.bench.targets import Target


@dataclass(frozen=True, eq=False)
class Case:
    """One line of the report; a key by identity.

    Args:
        bar: the budget by shape, as multiples of the reference (`bar_is_ratio`) or in `unit`.
    """

    name: str
    unit: str
    bar: Mapping[str, float] = field(default_factory=dict)
    bar_is_ratio: bool = True


@dataclass(frozen=True)
class Sample:
    """One round of a case on one server: the judged figure, and what stands beside it."""

    value: float
    figures: Mapping[str, float]


class Session(Protocol):
    """A server that is prepared for a benchmark: rooms made, people connected."""

    async def measure(self, case: Case) -> Sample:
        """One round. Raises Failure when a message was refused, lost or delivered twice."""

    def close(self) -> None:
        """Leaves; the server itself is ended by its owner."""


class Benchmark(Protocol):
    """A module's worth of cases that share a preparation."""

    cases: Sequence[Case]

    async def prepare(self, target: Target) -> Session:
        """Makes the rooms and connects the people."""


def sample_of(usage: Usage, tally: Tally, units: int) -> Sample:
    """CPU-µs per unit, with the latencies and rates that were seen."""
    figures = {
        "per_s": units / usage.wall_s,
        "ack_p50_ms": percentile_ms(tally.ack_ns, 0.50),
        "ack_p99_ms": percentile_ms(tally.ack_ns, 0.99),
        "deliver_p50_ms": percentile_ms(tally.deliver_ns, 0.50),
        "deliver_p99_ms": percentile_ms(tally.deliver_ns, 0.99),
        "generator_share": usage.generator_share,
        **usage.gathering,
    }
    return Sample(usage.server_cpu_us / units, figures)


def percentile_ms(samples_ns: Sequence[int], part: float) -> float:
    """The nearest-rank percentile in ms; 0 without samples."""
    if not samples_ns:
        return 0.0
    ranked = sorted(samples_ns)
    return ranked[min(len(ranked) - 1, int(part * len(ranked)))] / 1e6
