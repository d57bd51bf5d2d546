"""`up`, `status` and `down` with fake processes: everything of ops that needs no real server."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ops import cluster_file
from ops.answer import Exit
from ops.processes import SOURCE_ROOT

PROGRAM = Path(__file__).with_name("hubbub_with_fakes.py")
DEADLINE_S = 20.0


class Fake:
    """A cluster directory with the `hubbub` command over fakes."""

    def __init__(self, root: Path) -> None:
        self.dir = root / "d"
        self.ups: list[subprocess.Popen[str]] = []

    def hubbub(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(PROGRAM), words[0], "--dir", str(self.dir), *words[1:]],
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


@pytest.fixture
def fake() -> Iterator[Fake]:
    root = Path(tempfile.mkdtemp(prefix="hub-", dir="/tmp"))
    one = Fake(root)
    yield one
    for process in one.ups:
        process.kill()  # its children leave with it
        process.communicate()
    shutil.rmtree(root, ignore_errors=True)


def is_running(pid: int) -> bool:
    """Neither gone nor a zombie that nobody has collected yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_from_up_over_status_to_down(fake: Fake) -> None:
    ready = fake.up("--nodes", "3", "--routers", "2", "--edges", "2", "--slots", "64")
    assert ready["data"]["process_count"] == 8
    assert ready["data"]["urls"] == [p.url for p in fake.file.processes if p.role == "edge"]
    assert fake.file.supervisor_pid == fake.ups[0].pid
    assert len(fake.file.token_secret) >= 32
    status = fake.hubbub("status", "--json")
    assert status.returncode == Exit.DONE, status.stderr
    data = json.loads(status.stdout)["data"]
    assert (data["state"], data["slots"], data["slots_led"]) == ("healthy", 64, 64)
    assert sorted(node["slots_led"] for node in data["nodes"]) == [21, 21, 22]
    assert "HEALTHY" in fake.hubbub("status").stdout
    pids = [process.pid for process in fake.file.processes]
    second = fake.hubbub("up", "--port", "0")
    assert second.returncode == Exit.CONFLICT
    assert str(fake.ups[0].pid) in second.stderr
    assert fake.hubbub("down").returncode == Exit.DONE
    assert fake.ups[0].wait(DEADLINE_S) == Exit.DONE
    assert not any(map(is_running, pids))
    assert not (fake.dir / "run" / "cluster.json").exists()
    assert fake.hubbub("status").returncode == Exit.NOT_FOUND
    assert fake.hubbub("down").returncode == Exit.NOT_FOUND


def test_a_crashed_process_comes_back_and_the_file_says_so(fake: Fake) -> None:
    fake.up("--edges", "2", "--slots", "16")
    old, port = fake.pid("edge-2"), fake.file.processes
    os.kill(old, signal.SIGKILL)
    fake.wait(lambda: fake.pid("edge-2") != old)
    assert [p.url for p in port if p.role == "edge"] == [
        p.url for p in fake.file.processes if p.role == "edge"
    ]
    assert fake.hubbub("status").returncode == Exit.DONE


def test_status_with_one_process_silent_is_a_partial_answer(fake: Fake) -> None:
    fake.up("--edges", "2", "--slots", "16")
    pid = fake.pid("edge-2")
    os.kill(pid, signal.SIGSTOP)
    try:
        status = fake.hubbub("status", "--json", "--timeout", "0.5")
    finally:
        os.kill(pid, signal.SIGCONT)
    answer = json.loads(status.stdout)
    assert status.returncode == Exit.UNHEALTHY
    assert answer["unreachable"] == ["edge-2"]
    assert answer["data"]["state"] == "degraded"
    assert [edge["state"] for edge in answer["data"]["edges"]] == ["ready", "silent"]
    assert "runs but does not answer" in answer["warnings"][0]


def test_after_a_killed_supervisor_the_next_up_works_on_the_same_data(fake: Fake) -> None:
    fake.up("--slots", "16")
    before = fake.file
    fake.ups[0].kill()
    fake.ups[0].wait()
    status = fake.hubbub("status", "--json")
    assert status.returncode == Exit.UNHEALTHY
    assert json.loads(status.stdout)["data"]["supervisor_runs"] is False
    fake.up()
    assert fake.file.supervisor_pid == fake.ups[1].pid
    assert not any(is_running(process.pid) for process in before.processes)
    assert (fake.file.server_key, fake.file.token_secret) == (
        before.server_key,
        before.token_secret,
    )
    assert [p.url for p in fake.file.processes if p.role == "edge"] == [
        p.url for p in before.processes if p.role == "edge"
    ]


def test_what_is_fixed_cannot_be_asked_otherwise(fake: Fake) -> None:
    fake.up("--nodes", "2", "--slots", "16", "--profile", "centrifuge-compat")
    assert fake.file.token_secret == "secret"
    fake.hubbub("down")
    for words in (("--nodes", "3"), ("--slots", "32"), ("--app", "b"), ("--profile", "bench")):
        refused = fake.hubbub("up", "--port", "0", *words)
        assert refused.returncode == Exit.CONFLICT, words
        assert words[0] in refused.stderr
    for words in (("--slots", "48"), ("--profile", "none"), ("--copies", "2")):
        assert fake.hubbub("up", "--port", "0", *words).returncode == Exit.USAGE, words
    fake.up("--nodes", "2")
    assert len([p for p in fake.file.processes if p.role == "node"]) == 2


def test_an_emptied_node_is_not_taken_for_the_one_with_the_data(fake: Fake) -> None:
    fake.up("--nodes", "2", "--slots", "16")
    fake.hubbub("down")
    shutil.rmtree(fake.dir / "nodes" / "node-2")
    refused = fake.hubbub("up", "--port", "0")
    assert refused.returncode == Exit.FAILED
    assert "the data of node-2 is not in" in refused.stderr


def test_a_port_in_use_is_named_with_its_holder(fake: Fake) -> None:
    fake.up("--slots", "16")
    port = fake.file.processes[0].url.rsplit(":", 1)[1]
    other = Fake(fake.dir.parent / "other")
    refused = other.hubbub("up", "--port", port)
    assert refused.returncode == Exit.FAILED
    assert f"port {port} is in use by pid {fake.pid('edge-1')}" in refused.stderr


def test_tcp_links_get_keys_and_the_configs_name_them(fake: Fake) -> None:
    fake.up("--slots", "16", "--link", "tcp")
    config = json.loads((fake.dir / "run" / "config" / "router-1.json").read_text())
    assert config["listen"].startswith("tcp://127.0.0.1:")
    assert (Path(config["keys_dir"]) / "router-1.secret").stat().st_mode & 0o777 == 0o600
    assert {path.stem for path in (Path(config["keys_dir"]) / "public").iterdir()} == {
        "node-1",
        "router-1",
        "edge-1",
    }


def test_an_early_ctrl_c_leaves_nothing_behind(fake: Fake) -> None:
    command = [sys.executable, str(PROGRAM), "up", "--dir", str(fake.dir), "--port", "0"]
    process = subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": str(SOURCE_ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    fake.ups.append(process)
    events = fake.dir / "run" / "events.ndjson"
    fake.wait(lambda: events.exists() and "process.started" in events.read_text())
    process.send_signal(signal.SIGINT)
    assert process.wait(DEADLINE_S) in (Exit.INTERRUPTED, Exit.DONE)
    started = [json.loads(line) for line in events.read_text().splitlines()]
    assert not any(is_running(event["pid"]) for event in started)
