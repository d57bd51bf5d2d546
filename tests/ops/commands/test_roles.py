"""`hubbub node|router|edge|compact`: the command becomes the process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ops.answer import Exit
from ops.processes import ROLES, SOURCE_ROOT

# Stands in for the module that python would run, and says what it was called with.
STAND_IN = "import os, sys\nprint(os.getpid(), *sys.argv[1:])\n"


@pytest.mark.parametrize("role", ROLES)
def test_the_process_keeps_the_pid_and_gets_the_config(role: str, tmp_path: Path) -> None:
    package = tmp_path / "path" / role
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(STAND_IN)
    config = tmp_path / "config.json"
    config.write_text("{}")
    program = "from ops import processes, cli; import pathlib, sys; "
    program += f"processes.SOURCE_ROOT = pathlib.Path({str(tmp_path)!r}); cli.main()"
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path / 'path'}:{SOURCE_ROOT}"}
    with subprocess.Popen(
        [sys.executable, "-c", program, role, "--config", str(config)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        said, _ = process.communicate(timeout=20)
        assert said.split() == [str(process.pid), "--config", str(config)]


def test_a_compact_process_keeps_the_pid_and_gets_three_configs(tmp_path: Path) -> None:
    configs = [tmp_path / f"{role}.json" for role in ROLES]
    for config in configs:
        config.write_text("{}")
    stand_in = tmp_path / "stand_in.py"
    stand_in.write_text(STAND_IN)
    program = "from ops import processes, cli; processes.COMPACT = 'stand_in'; cli.main()"
    words = [
        word for role, path in zip(ROLES, configs, strict=True) for word in (f"--{role}", path)
    ]
    with subprocess.Popen(
        [sys.executable, "-c", program, "compact", *map(str, words)],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{SOURCE_ROOT}"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        said, _ = process.communicate(timeout=20)
        assert said.split() == [str(process.pid), *map(str, words)]


@pytest.mark.parametrize("role", ROLES)
def test_a_missing_config_is_a_usage_error(role: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ops", role, "--config", "no-such-file.json"],
        cwd=SOURCE_ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == Exit.USAGE
    assert "no-such-file.json" in done.stderr
