"""The table of commands, and how a command is found, run and ended.

Rules:
1. A command's module is imported only when the command is called: `hubbub --help` opens no socket
   and imports nothing of the servers, so that it answers in a blink during an outage.
2. Every command takes `--json`, before or after its name.
3. A command ends by returning an exit code (None is 0) or by raising `Failure`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from hubbub import VERSION
from ops.answer import Exit, Failure, print_failure


@dataclass(frozen=True)
class Row:
    """Where a command lives; `attribute` is a `click.Command` in `module`."""

    module: str
    attribute: str
    summary: str


COMMANDS: dict[str, Row] = {
    "demo": Row("ops.commands.demo", "demo", "Start a seeded cluster on this machine to try it."),
    "up": Row("ops.commands.up", "up", "Start a cluster here and keep it running."),
    "down": Row("ops.commands.up", "down", "Stop the cluster that `up` runs in a directory."),
    "status": Row("ops.commands.status", "status", "Show every process of a running cluster."),
    "ring": Row("ops.commands.ring", "ring", "Show where slots are and whether all agree."),
    "check": Row("ops.commands.check", "check", "Check one thing, for a monitoring system."),
    "apps": Row("ops.commands.apps", "apps", "Make, list and delete apps and their keys."),
    "explain": Row("ops.commands.explain", "explain", "Say why: unread figures, permissions."),
    "nodes": Row("ops.commands.nodes", "nodes", "Add, drain and remove storage nodes."),
    "rebalance": Row("ops.commands.rebalance", "rebalance", "Move copies to where they should be."),
    "backup": Row("ops.commands.backup", "backup", "Make, list and verify backups."),
    "restore": Row("ops.commands.restore", "restore", "Make a new cluster from a backup."),
    "bench": Row("ops.commands.bench", "bench", "Measure what a unit of work costs here."),
    "node": Row("ops.commands.roles", "node", "Run one storage node from a config file."),
    "router": Row("ops.commands.roles", "router", "Run one router from a config file."),
    "edge": Row("ops.commands.roles", "edge", "Run one edge from a config file."),
    "compact": Row("ops.commands.roles", "compact", "Run one of each in one process."),
}


def load(row: Row) -> click.Command:
    """The command of a row, whose module is imported now."""
    command = getattr(importlib.import_module(row.module), row.attribute)
    assert isinstance(command, click.Command)
    return command


class Verb(click.Command):
    """A command with `--json`, whose failures end as `ops.answer` says."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(json_option())

    def invoke(self, ctx: click.Context) -> Any:
        try:
            ctx.exit(int(super().invoke(ctx) or Exit.DONE))
        except Failure as failure:
            print_failure(failure, as_json=wants_json(ctx))
            ctx.exit(int(failure.exit_code))


class Noun(click.Group):
    """A word with verbs of its own, as in `hubbub ring check`; each of them is a `Verb`.

    With `invoke_without_command` it is a command by itself as well. `elsewhere`: verbs in modules
    of their own, imported when they are called.
    """

    def __init__(
        self, *args: Any, elsewhere: Mapping[str, Row] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(json_option())
        self._elsewhere = elsewhere or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *self._elsewhere]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        row = self._elsewhere.get(cmd_name)
        return load(row) if row is not None else super().get_command(ctx, cmd_name)

    def verb(self, name: str, **attributes: Any) -> Callable[[Callable[..., Any]], click.Command]:
        """Adds a verb."""
        attributes.setdefault("cls", Verb)
        return self.command(name, **attributes)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            found = super().invoke(ctx)
            if ctx.invoked_subcommand is None:
                ctx.exit(int(found or Exit.DONE))
            return found
        except Failure as failure:
            print_failure(failure, as_json=wants_json(ctx))
            ctx.exit(int(failure.exit_code))


class LazyGroup(click.Group):
    """Finds its commands in `COMMANDS`; help is printed from the table alone."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        row = COMMANDS.get(cmd_name)
        if row is None:
            return None
        return load(row)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, row.summary) for name, row in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            ctx.fail(unknown_command(args[0]))
        return super().resolve_command(ctx, args)


def unknown_command(name: str) -> str:
    """What to say to a mistyped command: the nearest one, if any is near."""
    import difflib  # only a mistake pays for it

    near = difflib.get_close_matches(name, list(COMMANDS), n=1)
    return f"no command {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def json_option() -> click.Option:
    return click.Option(
        ["--json", "as_json"],
        is_flag=True,
        expose_value=False,
        callback=_remember_json,
        help="Answer as JSON on stdout.",
    )


def wants_json(ctx: click.Context) -> bool:
    """Whether `--json` was given, before or after the command's name."""
    return bool(ctx.find_root().meta.get("hubbub.json"))


def json_wanted() -> bool:
    """`wants_json` of the command that is running."""
    return wants_json(click.get_current_context())


def _remember_json(ctx: click.Context, _param: click.Parameter, value: bool) -> bool:
    if value:
        ctx.find_root().meta["hubbub.json"] = True
    return value


def print_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    print(f"hubbub {VERSION}")
    ctx.exit()


EPILOG = """\b
Examples:
  hubbub demo                      a cluster with people in it; Ctrl-C ends it
  hubbub up --dir data --port 0    your own cluster, on free ports
  hubbub status --dir data         what runs, and whether it is well
"""


def cli() -> LazyGroup:
    """The root command."""
    version = click.Option(
        ["--version"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=print_version,
        help="Print the version.",
    )
    return LazyGroup(
        name="hubbub",
        help="Hubbub: self-hosted chat. Starts clusters, watches them, answers questions.",
        epilog=EPILOG,
        params=[json_option(), version],
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        callback=lambda: None,
        invoke_without_command=False,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and ends the process with its exit code."""
    try:
        code = cli().main(args=arguments, prog_name="hubbub", standalone_mode=False)
        sys.exit(int(code or Exit.DONE))
    except click.ClickException as wrong:
        wrong.show()
        sys.exit(wrong.exit_code)
    except (click.Abort, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
        sys.exit(Exit.INTERRUPTED)


def verb(name: str, **attributes: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """`click.command` for a command of this table."""
    return click.command(name, cls=Verb, **attributes)


def noun(name: str, **attributes: Any) -> Callable[[Callable[..., Any]], Noun]:
    """`click.group` for a command of this table that has verbs."""
    return click.group(name, cls=Noun, **attributes)
