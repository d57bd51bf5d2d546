"""The supervisor with real subprocesses that behave as told (fake_role.py)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ops.processes import SOURCE_ROOT

PROGRAM = Path(__file__).with_name("supervised.py")
DEADLINE_S = 20.0


class Supervised:
    """The program supervised.py, with what it printed."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(folder), *words],
            env={**os.environ, "PYTHONPATH": str(SOURCE_ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def next(self, word: str) -> Any:
        """The value of the program's next line, which must begin with `word`."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith(f"{word} "), (line, self.process.stderr)
        return json.loads(line.removeprefix(word))

    def events(self) -> list[dict[str, Any]]:
        text = (self.folder / "events.ndjson").read_text()
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Supervised]]:
    started: list[Supervised] = []

    def start(*words: str) -> Supervised:
        started.append(Supervised(tmp_path, *words))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.communicate()


def wait_gone(pids: list[int], seconds: float = 5.0) -> bool:
    """Whether all processes are gone before the deadline."""
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        if not any(is_running(pid) for pid in pids):
            return True
        time.sleep(0.02)
    return False


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_stops_edges_then_routers_then_nodes(supervise: Callable[..., Supervised]) -> None:
    one = supervise("node:node-1:good", "router:router-1:good", "edge:edge-1:good")
    pids = one.next("ready")
    assert set(pids) == {"node-1", "router-1", "edge-1"}
    one.process.send_signal(signal.SIGTERM)
    assert set(one.next("stopped").values()) == {-signal.SIGTERM}
    assert wait_gone(list(pids.values()))


def test_a_crash_is_repaired_and_said(supervise: Callable[..., Supervised]) -> None:
    one = supervise("node:node-1:good", "edge:edge-1:good")
    before = one.next("ready")
    os.kill(before["edge-1"], signal.SIGKILL)
    after = one.next("ready")
    assert after["node-1"] == before["node-1"]
    assert after["edge-1"] != before["edge-1"]
    one.process.send_signal(signal.SIGINT)
    one.next("stopped")
    _, err = one.process.communicate(timeout=DEADLINE_S)
    assert f"edge-1 (pid {before['edge-1']}) ended: killed by SIGKILL; starting it again" in err
    assert "edge-1 is ready again" in err
    ended = [event for event in one.events() if event["event"] == "process.ended"]
    assert [(e["name"], e["pid"], e["exit_code"]) for e in ended][:1] == [
        ("edge-1", before["edge-1"], -9)
    ]


def test_a_killed_supervisor_takes_its_children_down(supervise: Callable[..., Supervised]) -> None:
    one = supervise("node:node-1:good", "edge:edge-1:good", "edge:edge-2:stubborn")
    pids = list(one.next("ready").values())
    one.process.kill()
    assert wait_gone(pids)


def test_what_does_not_stop_is_killed_within_five_seconds(
    supervise: Callable[..., Supervised],
) -> None:
    one = supervise("node:node-1:stubborn", "router:router-1:stubborn", "edge:edge-1:stubborn")
    pids = list(one.next("ready").values())
    started_at = time.monotonic()
    one.process.send_signal(signal.SIGINT)
    assert set(one.next("stopped").values()) == {-signal.SIGKILL}
    one.process.wait(DEADLINE_S)
    assert time.monotonic() - started_at < 10.0  # 5 s are promised; a full machine takes longer
    assert wait_gone(pids)
    assert [e["name"] for e in one.events() if e["event"] == "process.killed"] == [
        "edge-1",
        "router-1",
        "node-1",
    ]


def test_a_second_stop_signal_kills_at_once(supervise: Callable[..., Supervised]) -> None:
    one = supervise("node:node-1:stubborn", "edge:edge-1:stubborn")
    one.next("ready")
    one.process.send_signal(signal.SIGINT)
    wait_for_events = time.monotonic() + DEADLINE_S
    while not any(e["event"] == "process.killed" for e in one.events()):
        assert time.monotonic() < wait_for_events
        one.process.send_signal(signal.SIGINT)
        time.sleep(0.02)
    assert set(one.next("stopped").values()) == {-signal.SIGKILL}


@pytest.mark.parametrize(
    ("behaviour", "words"), [("refuse", "exit code 5"), ("crash", "exit code 1")]
)
def test_a_start_that_cannot_succeed_fails_with_the_last_words(
    supervise: Callable[..., Supervised], behaviour: str, words: str
) -> None:
    one = supervise("edge:edge-1:good", f"node:node-1:{behaviour}")
    lines = one.next("failed")
    assert lines[0] == f"error: node-1 does not start ({words})"
    assert any(f"cannot run because the test says {behaviour}" in line for line in lines)
    one.process.wait(DEADLINE_S)
    starts = [e["pid"] for e in one.events() if e["event"] == "process.started"]
    assert len(starts) == (2 if behaviour == "refuse" else 3)  # a crash is tried twice
    assert wait_gone(starts)
