"""The `hubbub` command with fake_process.py in place of every role: for tests of ops alone.

python hubbub_with_fakes.py ARGUMENTS…
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from ops import cli, plan

FAKE = Path(__file__).with_name("fake_process.py")


def fake_arguments(_role: str, config_path: Path) -> list[str]:
    return [sys.executable, str(FAKE), "--config", str(config_path)]


def fake_compact_arguments(config_paths: Mapping[str, Path]) -> list[str]:
    words = [word for path in config_paths.values() for word in ("--config", str(path))]
    return [sys.executable, str(FAKE), *words]


if __name__ == "__main__":
    setattr(plan, "role_arguments", fake_arguments)  # noqa: B010 - mypy refuses the assignment
    setattr(plan, "compact_arguments", fake_compact_arguments)  # noqa: B010
    cli.main(sys.argv[1:])
