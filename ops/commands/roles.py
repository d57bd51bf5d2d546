"""`hubbub node|router|edge --config FILE`: one process, for deployments with their own supervisor.
`hubbub compact --node FILE --router FILE --edge FILE`: one process for all three.

The command replaces itself by the process, so that a service manager sees one pid and its signals
arrive directly.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from ops.cli import verb
from ops.processes import compact_arguments, role_arguments, role_environment

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
CONFIG = click.option(
    "--config",
    "config_path",
    required=True,
    type=FILE,
    help="The process's JSON file; `hubbub up` writes examples to DIR/run/config.",
)


def become(arguments: list[str]) -> None:
    """Replaces this process by that of a command line; never returns."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, arguments, role_environment())


@verb("node")
@CONFIG
def node(config_path: Path) -> None:
    """Run one storage node.

    \b
    Example: hubbub node --config /etc/hubbub/node-1.json
    """
    become(role_arguments("node", config_path))


@verb("router")
@CONFIG
def router(config_path: Path) -> None:
    """Run one router.

    \b
    Example: hubbub router --config /etc/hubbub/router-1.json
    """
    become(role_arguments("router", config_path))


@verb("edge")
@CONFIG
def edge(config_path: Path) -> None:
    """Run one edge.

    \b
    Example: hubbub edge --config /etc/hubbub/edge-1.json
    """
    become(role_arguments("edge", config_path))


@verb("compact")
@click.option("--node", required=True, type=FILE, help="The node's JSON file.")
@click.option("--router", required=True, type=FILE, help="The router's.")
@click.option("--edge", required=True, type=FILE, help="The edge's.")
def compact(**config_paths: Path) -> None:
    """Run one node, one router and one edge in one process.

    Their links are inproc:// addresses; `hubbub up --compact` writes such files to DIR/run/config.

    \b
    Example: hubbub compact --node node-1.json --router router-1.json --edge edge-1.json
    """
    become(compact_arguments(config_paths))
