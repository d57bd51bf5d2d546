"""One process of a demo hangs and goes on; nothing but a demo is ever harmed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ops import cluster_file
from ops.answer import Exit
from ops.cli import cli
from ops.cluster_file import ClusterFile, ProcessEntry
from ops.demo.show import MARKER, write_marker
from ops.directory import Directory
from tests.support.cluster import wait_for


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def running_in(root: Path, pid: int) -> None:
    directory = Directory(root)
    directory.make()
    entry = ProcessEntry("node", "node-2", pid, "http://127.0.0.1:1", "http://127.0.0.1:1")
    cluster_file.write(directory.cluster_file, ClusterFile(1, "demo", "k", "t", [entry]))


def hubbub(*words: str) -> Result:
    return CliRunner().invoke(cli(), ["demo", *words])


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def test_break_stops_a_process_and_heal_lets_it_go_on(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    running_in(tmp_path, sleeper.pid)
    write_marker(tmp_path / MARKER, 1)
    broken = hubbub("break", "node-2", "--dir", str(tmp_path))
    assert broken.exit_code == Exit.DONE, broken.output
    assert "hubbub demo heal node-2" in broken.output
    wait_for(lambda: state(sleeper.pid) == "T", 5, lambda: state(sleeper.pid))
    healed = hubbub("heal", "node-2", "--dir", str(tmp_path), "--json")
    assert '"state":"healed"' in healed.output.replace(" ", "")
    wait_for(lambda: state(sleeper.pid) != "T", 5, lambda: state(sleeper.pid))
    unknown = hubbub("break", "node-9", "--dir", str(tmp_path))
    assert unknown.exit_code == Exit.NOT_FOUND


def test_only_a_demo_is_harmed(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    running_in(tmp_path, sleeper.pid)
    refused = hubbub("break", "node-2", "--dir", str(tmp_path))
    assert refused.exit_code == Exit.NOT_FOUND
    sleeper.send_signal(signal.SIGUSR1)  # a stopped process would not take it
    assert sleeper.wait(5) == -signal.SIGUSR1
