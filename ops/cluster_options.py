"""The options of every command that asks a cluster: which one, and how long to wait."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from ops.answer import Exit, Failure
from ops.directory import Directory

LOOKED_FOR: Final = (".hubbub", ".hubbub-demo")
TIMEOUT_S: Final = 2.0  # a busy process answers in milliseconds; half calls a loaded machine dead


def cluster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--dir` and `--timeout`: `root`, which goes to `directory_of`, and `timeout_s`."""
    add_dir = click.option(
        "--dir",
        "root",
        type=click.Path(file_okay=False, path_type=Path),
        help="The cluster's directory; else ./.hubbub or ./.hubbub-demo.",
    )
    add_timeout = click.option(
        "--timeout",
        "timeout_s",
        type=click.FloatRange(0.1, 60),
        default=TIMEOUT_S,
        show_default=True,
        help="Seconds that a process may take to answer.",
    )
    return add_dir(add_timeout(command))


def directory_of(root: Path | None) -> Directory:
    """The directory that was given, else that of the cluster that runs in the current folder.

    Raises Failure(NOT_FOUND) if none is in sight.
    """
    for path in (root,) if root is not None else map(Path, LOOKED_FOR):
        directory = Directory(path)
        if root is not None or directory.cluster_file.exists():
            return directory
    raise Failure(
        "no cluster runs in " + " or ".join(f"./{name}" for name in LOOKED_FOR),
        exit_code=Exit.NOT_FOUND,
        tries=["hubbub status --dir DIRECTORY", "hubbub demo"],
    )
