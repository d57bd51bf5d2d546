"""How a process of the cluster is called: its command line and its environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

ROLES = ("node", "router", "edge")
COMPACT = "hubbub.runtime.compact"  # one of each in one process

SOURCE_ROOT = Path(__file__).resolve().parent.parent


def role_arguments(role: str, config_path: Path) -> list[str]:
    """The command line of one process.

    `-P` keeps the current directory off the module path: a folder called `node` or `edge` there
    would otherwise run instead of ours.
    """
    return [sys.executable, "-P", "-m", role, "--config", str(config_path)]


def compact_arguments(config_paths: Mapping[str, Path]) -> list[str]:
    """The command line of one process for all roles; `config_paths`: by role."""
    words = [word for role in ROLES for word in (f"--{role}", str(config_paths[role]))]
    return [sys.executable, "-P", "-m", COMPACT, *words]


def role_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of one process; run from a source tree, the tree is put on its path."""
    result = dict(environment)
    if (SOURCE_ROOT / "pyproject.toml").exists():
        paths = [str(SOURCE_ROOT), *filter(None, [environment.get("PYTHONPATH")])]
        result["PYTHONPATH"] = os.pathsep.join(paths)
    return result
