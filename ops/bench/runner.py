"""Runs a benchmark: alternating rounds on Hubbub and on the reference, one preparation each."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from hubbub.runtime.process import loop_factory, raise_descriptor_limit
from ops.bench.cases import Benchmark, Case, Sample, Session
from ops.bench.connect import Connect
from ops.bench.fanout import Fanout
from ops.bench.history import History
from ops.bench.idle import Idle
from ops.bench.rooms import Rooms
from ops.bench.targets import SHAPES, Target, hubbub, reference

BENCHMARKS: Mapping[str, Callable[[bool], Benchmark]] = {
    "fanout": lambda is_smoke: Fanout(is_smoke=is_smoke),
    "rooms": lambda is_smoke: Rooms(is_smoke=is_smoke),
    "idle": lambda is_smoke: Idle(is_smoke=is_smoke),
    "history": lambda is_smoke: History(is_smoke=is_smoke),
    "connect": lambda is_smoke: Connect(is_smoke=is_smoke),
}


@dataclass(frozen=True)
class Order:
    """What to run. `folder` None: the system's folder for temporary files."""

    names: Sequence[str]
    shape: str
    copies: int
    rounds: int
    is_smoke: bool
    folder: Path | None


@dataclass(frozen=True)
class Measured:
    """All rounds of one case, by target: `rounds["hubbub"][0]` ran beside `["reference"][0]`."""

    case: Case
    rounds: Mapping[str, Sequence[Sample]]


def run(order: Order, tell: Callable[[str], None]) -> list[Measured]:
    """Runs the benchmarks one after the other, each with servers of its own.

    Raises Failure when a server does not start, refuses, loses or doubles a message.
    """
    raise_descriptor_limit()
    measured: list[Measured] = []
    for name in order.names:
        benchmark = BENCHMARKS[name](order.is_smoke)
        with ExitStack() as stack:
            tell(f"{name}: starts its servers")
            shape = SHAPES[order.shape]
            targets = [
                stack.enter_context(hubbub(shape, order.folder, order.copies)),
                stack.enter_context(reference()),
            ]
            loop = stack.enter_context(asyncio.Runner(loop_factory=loop_factory()))
            measured += loop.run(measure(benchmark, targets, order.rounds, tell))
    return measured


async def measure(
    benchmark: Benchmark, targets: Sequence[Target], rounds: int, tell: Callable[[str], None]
) -> list[Measured]:
    """All rounds of all cases; which target goes first changes from round to round."""
    results: dict[Case, dict[str, list[Sample]]] = {
        case: {target.name: [] for target in targets} for case in benchmark.cases
    }
    with ExitStack() as stack:
        sessions: dict[str, Session] = {}
        for target in targets:
            tell(f"{target.name}: prepares")
            sessions[target.name] = await benchmark.prepare(target)
            stack.callback(sessions[target.name].close)
        for number in range(rounds):
            turns = list(sessions) if number % 2 == 0 else list(reversed(sessions))
            for case in benchmark.cases:
                for name in turns:
                    sample = await sessions[name].measure(case)
                    results[case][name].append(sample)
                    tell(f"{case.name}: round {number + 1} {name} {sample.value:.4g}")
    return [Measured(case, rows) for case, rows in results.items()]
