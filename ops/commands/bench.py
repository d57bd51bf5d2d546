"""`hubbub bench NAME`: what a unit of work costs, beside the reference server of the same run."""

from pathlib import Path

import click

from ops.answer import Exit, envelope, print_json, progress
from ops.cli import json_wanted, verb

NAMES = ("fanout", "rooms", "idle", "history", "connect", "bootstrap")


@verb("bench")
@click.argument("name", type=click.Choice([*NAMES, "all"]))
@click.option(
    "--shape", type=click.Choice(["single", "compact", "demo"]), default="single", show_default=True
)
@click.option("--copies", type=click.IntRange(1, 3), default=1, show_default=True)
@click.option("--rounds", type=click.IntRange(1, 20), default=3, show_default=True)
@click.option("--smoke", "is_smoke", is_flag=True, help="Tiny sizes: does it run at all?")
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the clusters keep their data while they run; decides which disk is measured.",
)
def bench(
    name: str, shape: str, copies: int, rounds: int, is_smoke: bool, folder: Path | None
) -> None:
    """Measure a cluster of its own against a bare reference server.

    Shapes: single = 1 edge, 1 router, 1 node; compact = the same in one process; demo = 2, 2 and 3.
    Both servers get the same load from this process, in alternating rounds. What a machine cannot
    follow is void, and the exit code 1; the rest is measured all the same.

    \b
    Example: hubbub bench fanout --rounds 3
             hubbub bench all --shape demo --json > result.json
    """
    # Everything below pulls in aiohttp and the event loop: only who measures pays for it.
    from ops.bench.machine import machine
    from ops.bench.report import as_data, as_text, lines_of
    from ops.bench.runner import Order, run

    names = NAMES if name == "all" else (name,)
    order = Order(names, shape, copies, rounds, is_smoke, folder)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    here = machine(folder)
    results = run(order, progress)
    lines = lines_of(results.measured, shape)
    if json_wanted():
        data = as_data(order, here, lines, results.void)
        print_json(envelope("hubbub.bench/1", "bench", data))
    else:
        print(as_text(order, here, lines, results.void))
    if results.void:
        raise SystemExit(Exit.FAILED)
