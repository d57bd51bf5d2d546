"""A cluster directory under the `hubbub` command, with fakes for processes (fake_process.py)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ops import cluster_file
from ops.processes import SOURCE_ROOT

PROGRAM = Path(__file__).with_name("hubbub_with_fakes.py")
DEADLINE_S = 20.0


class Fake:
    """A cluster directory with the `hubbub` command over fakes."""

    def __init__(self, root: Path) -> None:
        self.dir = root / "d"
        self.ups: list[subprocess.Popen[str]] = []

    def hubbub(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs one command on the directory."""
        return self.hubbub_in(Path.cwd(), words[0], "--dir", str(self.dir), *words[1:])

    def hubbub_in(self, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs one command, as it is, in a folder."""
        return subprocess.run(
            [sys.executable, str(PROGRAM), *words],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(SOURCE_ROOT)},
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )

    def up(self, *words: str) -> dict[str, Any]:
        """Starts `up` and returns the JSON that it prints when it is ready."""
        command = [sys.executable, str(PROGRAM), "up", "--dir", str(self.dir), "--port", "0"]
        process = subprocess.Popen(
            [*command, "--json", *words],
            env={**os.environ, "PYTHONPATH": str(SOURCE_ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.ups.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise AssertionError(process.communicate(timeout=DEADLINE_S)[1])
        answer: dict[str, Any] = json.loads(line)
        assert answer["schema"] == "hubbub.up/1", answer
        return answer

    @property
    def file(self) -> cluster_file.ClusterFile:
        return cluster_file.read(self.dir / "run" / "cluster.json")

    def pid(self, name: str) -> int:
        return next(p.pid for p in self.file.processes if p.name == name)

    def wait(self, condition: Callable[[], bool]) -> None:
        ends_at = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < ends_at
            time.sleep(0.03)


def is_running(pid: int) -> bool:
    """Neither gone nor a zombie that nobody has collected yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
