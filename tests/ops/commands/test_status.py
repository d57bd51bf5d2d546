"""`status`, with fakes for processes."""

from __future__ import annotations

import json
import os
import signal

from ops.answer import Exit
from tests.ops.fake_cluster import Fake


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


def test_status_finds_the_cluster_of_the_current_folder(fake: Fake) -> None:
    nothing = fake.hubbub_in(fake.dir.parent, "status")
    assert nothing.returncode == Exit.NOT_FOUND
    assert "./.hubbub or ./.hubbub-demo" in nothing.stderr
    fake.up("--slots", "16")
    fake.dir.rename(fake.dir.parent / ".hubbub")
    assert "HEALTHY" in fake.hubbub_in(fake.dir.parent, "status").stdout


def test_status_of_a_cluster_whose_processes_are_all_gone(fake: Fake) -> None:
    """What is left after a power cut: cluster.json and nobody."""
    fake.up("--slots", "16")
    kept = (fake.dir / "run" / "cluster.json").read_text()
    fake.hubbub("down")
    (fake.dir / "run" / "cluster.json").write_text(kept)
    status = fake.hubbub("status", "--json")
    answer = json.loads(status.stdout)
    assert status.returncode == Exit.UNHEALTHY
    assert answer["data"]["state"] == "down"
    assert sorted(answer["unreachable"]) == ["edge-1", "node-1", "router-1"]
