"""What is checked before a cluster starts, each with its cure in one line."""

from __future__ import annotations

import resource
import shutil
from pathlib import Path
from typing import Final

from ops.answer import Failure

DISK_FREE_BYTES_MIN: Final = 500 * 1024 * 1024
OPEN_FILES_WANTED: Final = 65_536  # 19,000 connections of an edge and the files of a node fit
OPEN_FILES_MIN: Final = 4_096


def raise_open_files() -> list[str]:
    """Raises the soft limit of open files as far as allowed; warnings if that is not far.

    Children inherit it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES_WANTED if hard == resource.RLIM_INFINITY else min(OPEN_FILES_WANTED, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    if wanted < OPEN_FILES_MIN:
        return [f"only {wanted} open files allowed (ulimit -Hn): enough for a few hundred clients"]
    return []


def check_disk(root: Path) -> None:
    """Raises Failure if the disk under `root` is nearly full."""
    existing = next(path for path in (root.absolute(), *root.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < DISK_FREE_BYTES_MIN:
        raise Failure(
            f"{free >> 20} MB free under {existing}, {DISK_FREE_BYTES_MIN >> 20} MB are needed",
            cause=["a node that cannot write refuses messages"],
            tries=["hubbub up --dir A_DIRECTORY_ON_ANOTHER_DISK"],
        )
