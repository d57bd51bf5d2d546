"""Many seeds on all cores, one seed, or a script.

python -m tests.sim --seeds 0..3000                    the swarm profile
python -m tests.sim --profile all --minutes 5          all profiles, for a time
python -m tests.sim --profile terms --seeds 17 --shrink   a failing seed as a small script
python -m tests.sim --script FILE                      what a script says
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from time import monotonic
from typing import Final

from tests.sim.profiles import PROFILES, Plan, draw, parse
from tests.sim.run import Outcome, run_plan, run_seed
from tests.sim.shrink import shrink
from tests.sim.totals import Totals

EXAMPLES_MAX: Final = 5


def main(words: Sequence[str]) -> int:
    """The command; 1 if something is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seeds", default="", metavar="A..B", help="from A up to B; or one")
    parser.add_argument("--profile", default="swarm", choices=[*PROFILES, "all"])
    parser.add_argument("--minutes", type=float, default=0.0, help="stop after so long")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--shrink", action="store_true", help="print the first failure made small")
    parser.add_argument("--script", type=Path, help="run a plan that was printed")
    asked = parser.parse_args(words)
    if asked.script:
        return _one(parse(asked.script.read_text(encoding="utf-8")), is_shrunk=asked.shrink)
    first, last = _range(asked.seeds, is_endless=bool(asked.minutes))
    if last == first + 1 and asked.profile != "all":
        return _one(draw(first, asked.profile), is_shrunk=asked.shrink)
    names = list(PROFILES) if asked.profile == "all" else [asked.profile]
    totals = Totals()
    ends_at = monotonic() + 60.0 * asked.minutes if asked.minutes else float("inf")
    for outcome in _outcomes(_work(names, first, last, ends_at), asked.jobs):
        totals.add(outcome)
        if outcome.rule and len(totals.broken) <= EXAMPLES_MAX:
            print(f"{outcome.profile}:{outcome.seed} {outcome.what}\n", flush=True)
    print(totals)
    if totals.broken and asked.shrink:
        profile, seed = totals.broken[0]
        print(shrink(draw(seed, profile)).text())
    return int(bool(totals.broken))


def _range(text: str, *, is_endless: bool) -> tuple[int, int | None]:
    first, _, last = text.partition("..")
    if not text:
        return 0, None if is_endless else 1_000
    return int(first), int(last) if last else None if is_endless else int(first) + 1


def _work(
    names: list[str], first: int, last: int | None, ends_at: float
) -> Iterator[tuple[int, str]]:
    for seed in count(first):
        if seed == last:
            return
        for name in names:
            if monotonic() >= ends_at:
                return
            yield seed, name


def _outcomes(work: Iterator[tuple[int, str]], jobs: int) -> Iterator[Outcome]:
    if jobs == 1:
        yield from map(_seed, work)
        return
    with get_context("fork").Pool(jobs) as pool:
        # In small bites: imap would read all of an endless list of work ahead.
        while bite := [one for one, _ in zip(work, range(16 * jobs), strict=False)]:
            yield from pool.imap_unordered(_seed, bite, chunksize=4)


def _seed(one: tuple[int, str]) -> Outcome:
    return run_seed(*one)


def _one(plan: Plan, *, is_shrunk: bool) -> int:
    outcome = run_plan(plan)
    print(plan.text())
    print(outcome.what or f"clean: {outcome.events} events, {outcome.acks} acknowledgements")
    if outcome.rule and is_shrunk:
        print("\nsmaller:", shrink(plan).text(), sep="\n")
    return int(bool(outcome.rule))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
