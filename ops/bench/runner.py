"""Runs a benchmark: alternating rounds on Hubbub and on the reference, one preparation each."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from hubbub.runtime.process import loop_factory, raise_descriptor_limit
from ops.answer import Failure
from ops.bench.bootstrap import Bootstrap
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
    "bootstrap": lambda is_smoke: Bootstrap(is_smoke=is_smoke),
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


@dataclass(frozen=True)
class Results:
    """The cases that were measured, and what broke: benchmark (or case) → why it is void."""

    measured: list[Measured]
    void: dict[str, Failure]


def run(order: Order, tell: Callable[[str], None]) -> Results:
    """Runs the benchmarks one after the other, each with servers of its own.

    A server that does not start, refuses, loses or doubles a message makes its case void, and those
    of the same benchmark that would follow; the other benchmarks are measured all the same.
    """
    raise_descriptor_limit()
    results = Results([], {})
    for name in order.names:
        benchmark = BENCHMARKS[name](order.is_smoke)
        try:
            with ExitStack() as stack:
                tell(f"{name}: starts its servers")
                shape = SHAPES[order.shape]
                targets = [
                    stack.enter_context(hubbub(shape, order.folder, order.copies)),
                    stack.enter_context(reference()),
                ]
                loop = stack.enter_context(asyncio.Runner(loop_factory=loop_factory()))
                loop.run(measure(benchmark, targets, order.rounds, tell, results))
        except (Failure, ExceptionGroup) as error:  # a group: of connections opened side by side
            results.void[name] = first_failure(error)
            tell(f"{name}: void: {results.void[name].text}")
    return results


async def measure(
    benchmark: Benchmark,
    targets: Sequence[Target],
    rounds: int,
    tell: Callable[[str], None],
    results: Results,
) -> None:
    """All rounds of all cases; which target goes first changes from round to round.

    Raises Failure for the preparation; of a case it goes to `results.void`, and ends the rest.
    """
    with ExitStack() as stack:
        sessions: dict[str, Session] = {}
        for target in targets:
            tell(f"{target.name}: prepares")
            sessions[target.name] = await benchmark.prepare(target)
            stack.callback(sessions[target.name].close)
        for case in benchmark.cases:
            rows: dict[str, list[Sample]] = {target.name: [] for target in targets}
            for number in range(rounds):
                for name in list(sessions) if number % 2 == 0 else list(reversed(sessions)):
                    try:
                        sample = await sessions[name].measure(case)
                    except Failure as error:
                        results.void[case.name] = error
                        tell(f"{case.name}: void: {error.text}")
                        return
                    rows[name].append(sample)
                    tell(f"{case.name}: round {number + 1} {name} {sample.value:.4g}")
            results.measured.append(Measured(case, rows))


def first_failure(error: Failure | ExceptionGroup[Exception]) -> Failure:
    """The first Failure inside. Raises the error itself if there is none."""
    if isinstance(error, Failure):
        return error
    for inner in error.exceptions:
        if isinstance(inner, Failure | ExceptionGroup):
            return first_failure(inner)
    raise error
