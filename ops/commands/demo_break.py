"""`hubbub demo break NAME` and `heal`: harm one process of the demo, and watch the chat go on.

A broken process is stopped (SIGSTOP), not killed: the supervisor would start it again at once. To
the others it is as if its machine had gone away. Only a demo is harmed.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Final

import click

from ops import cluster_file
from ops.answer import Exit, Failure, envelope, print_json
from ops.cli import json_wanted, verb
from ops.cluster_file import ProcessEntry
from ops.commands.demo import DEFAULT_DIR
from ops.demo.show import MARKER, read_marker
from ops.directory import Directory

DIRECTORY: Final = click.option(
    "--dir",
    "root",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEFAULT_DIR,
    show_default=True,
    help="Where the demo runs.",
)


@verb("break")
@click.argument("name")
@DIRECTORY
def break_(name: str, root: Path) -> Exit:
    """Let a process of the running demo hang, as if its machine had gone away.

    With three copies the chat goes on: within a second the others lead what it led.

    \b
    Example: hubbub demo break node-2
    """
    entry = _find(name, root)
    os.kill(entry.pid, signal.SIGSTOP)
    return _tell(entry, "broken", f"{name} hangs now; keep chatting. hubbub demo heal {name}")


@verb("heal")
@click.argument("name")
@DIRECTORY
def heal(name: str, root: Path) -> Exit:
    """Let a broken process of the demo go on: it catches up by itself.

    \b
    Example: hubbub demo heal node-2
    """
    entry = _find(name, root)
    os.kill(entry.pid, signal.SIGCONT)
    return _tell(entry, "healed", f"{name} is back, and catches up")


def _find(name: str, root: Path) -> ProcessEntry:
    """A process of the demo in a directory. Raises Failure."""
    if read_marker(root / MARKER).get("made_by") != "hubbub demo":
        raise Failure(
            f"{root} holds no demo; other clusters are not harmed",
            exit_code=Exit.NOT_FOUND,
            tries=["hubbub demo", "hubbub demo break NAME --dir DIRECTORY"],
        )
    processes = cluster_file.read(Directory(root).cluster_file).processes
    for entry in processes:
        if entry.name == name:
            return entry
    raise Failure(
        f"the demo has no process {name!r}",
        exit_code=Exit.NOT_FOUND,
        cause=["it has " + " ".join(entry.name for entry in processes)],
    )


def _tell(entry: ProcessEntry, state: str, text: str) -> Exit:
    if json_wanted():
        data = {"name": entry.name, "pid": entry.pid, "state": state}
        print_json(envelope("hubbub.demo_break/1", "demo", data))
    else:
        print(text)
    return Exit.DONE
