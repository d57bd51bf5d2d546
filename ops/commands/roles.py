"""`hubbub node|router|edge --config FILE`: one process, for deployments with their own supervisor.

The command replaces itself by the process, so that a service manager sees one pid and its signals
arrive directly.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from ops.cli import verb
from ops.processes import role_arguments, role_environment

CONFIG = click.option(
    "--config",
    "config_path",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The process's JSON file; `hubbub up` writes examples to DIR/run/config.",
)


def become(role: str, config_path: Path) -> None:
    """Replaces this process by one of `role`; never returns."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, role_arguments(role, config_path), role_environment())


@verb("node")
@CONFIG
def node(config_path: Path) -> None:
    """Run one storage node.

    \b
    Example: hubbub node --config /etc/hubbub/node-1.json
    """
    become("node", config_path)


@verb("router")
@CONFIG
def router(config_path: Path) -> None:
    """Run one router.

    \b
    Example: hubbub router --config /etc/hubbub/router-1.json
    """
    become("router", config_path)


@verb("edge")
@CONFIG
def edge(config_path: Path) -> None:
    """Run one edge.

    \b
    Example: hubbub edge --config /etc/hubbub/edge-1.json
    """
    become("edge", config_path)
