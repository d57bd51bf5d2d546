"""`python -m hubbub.runtime.compact --node FILE --router FILE --edge FILE`: one process for three.

Rules:
1. A role is the very same as in a process of its own: its `main` is found by name, as `python -m`
   finds it, gets its own config, and reaches the others over links (inproc:// ones, no sockets).
2. They share the loop, the signals, the lifeline and the end: what fails one of them ends all.
3. They start side by side and stop in the order of a cluster: edge, router, node.

Its worth is at low rates, where most of a message's cost is waking processes and threads (decision
record 0010). Its price: one core for all, and whatever stalls one role stalls the others.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from typing import Final

from hubbub.runtime.config import EXIT_USAGE, SettingsError, load
from hubbub.runtime.process import Process, run
from hubbub.runtime.tasks import failure_handler
from hubbub.settings.schema import CONFIG_OF_ROLE, ProcessConfig

NAME: Final = "compact"

Main = Callable[[Process], Awaitable[None]]


def whole_of(configs: Sequence[ProcessConfig]) -> ProcessConfig:
    """What the process itself is started with: the first role's say, and time for all to stop."""
    first = configs[0]
    return ProcessConfig(
        role="compact",
        name=NAME,
        coordinator=first.coordinator,
        log_level=first.log_level,
        log_file=first.log_file,
        lifeline_fd=first.lifeline_fd,
        stop_deadline_s=sum(config.stop_deadline_s for config in configs),
    )


def main_of(configs: Sequence[ProcessConfig]) -> Main:
    """A `main` that runs all of these roles, in the order of starting."""

    async def main(process: Process) -> None:
        # Imports first: a second without a turn of the loop would cost whoever registered already.
        mains = [import_module(f"{config.role}.app").main for config in configs]
        parts = [process.part(config) for config in configs]
        async with asyncio.TaskGroup() as group:
            for role_main, part in zip(mains, parts, strict=True):
                group.create_task(_run_part(role_main, part), name=part.config.role)

    return main


async def _run_part(main: Main, part: Process) -> None:
    failure_handler.set(part.fail)  # inherited by every task that this role starts
    await main(part)


def configs_of(arguments: Sequence[str]) -> list[ProcessConfig]:
    """The configs that a command line names, in the order of starting. Raises SettingsError."""
    parser = argparse.ArgumentParser(prog="python -m hubbub.runtime.compact")
    for role in CONFIG_OF_ROLE:
        parser.add_argument(
            f"--{role}", required=True, metavar="FILE", help=f"config of the {role}"
        )
    files = vars(parser.parse_args(arguments))
    return [load(kind, files[role]) for role, kind in CONFIG_OF_ROLE.items()]


def start(arguments: Sequence[str]) -> int:
    """Run to the end; the exit code."""
    try:
        configs = configs_of(arguments)
    except SettingsError as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_USAGE
    return run(main_of(configs), whole_of(configs))


if __name__ == "__main__":
    import hubbub.runtime.early  # noqa: F401 - before `main_of` imports the roles

    sys.exit(start(sys.argv[1:]))
