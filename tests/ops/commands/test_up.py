"""`up` and `down`, with fakes for processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

from ops.answer import Exit
from ops.processes import SOURCE_ROOT
from tests.ops.fake_cluster import DEADLINE_S, PROGRAM, Fake, is_running


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


def test_what_is_fixed_cannot_be_asked_otherwise(fake: Fake) -> None:
    fake.up("--nodes", "2", "--slots", "16", "--profile", "centrifuge-compat")
    assert fake.file.token_secret == "secret"
    fake.hubbub("down")
    fixed = {"--nodes": "3", "--copies": "2", "--slots": "32", "--app": "b", "--profile": "bench"}
    for words in fixed.items():
        refused = fake.hubbub("up", "--port", "0", *words)
        assert refused.returncode == Exit.CONFLICT, words
        assert words[0] in refused.stderr
    for words in (("--slots", "48"), ("--profile", "none")):
        assert fake.hubbub("up", "--port", "0", *words).returncode == Exit.USAGE, words
    fake.up("--nodes", "2")
    assert len([p for p in fake.file.processes if p.role == "node"]) == 2


def test_a_port_in_use_is_named_with_its_holder(fake: Fake) -> None:
    fake.up("--slots", "16")
    port = fake.file.processes[0].url.rsplit(":", 1)[1]
    other = Fake(fake.dir.parent / "other")
    refused = other.hubbub("up", "--port", port)
    assert refused.returncode == Exit.FAILED
    assert f"port {port} is in use by pid {fake.pid('edge-1')}" in refused.stderr


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


def test_a_compact_cluster_is_one_process_and_then_three_on_the_same_data(fake: Fake) -> None:
    ready = fake.up("--compact", "--slots", "16")
    assert ready["data"]["process_count"] == 2
    before = fake.file
    assert [p.name for p in before.processes] == ["edge-1", "router-1", "node-1"]
    assert len({p.pid for p in before.processes}) == 1
    assert len({p.admin_url for p in before.processes}) == 3
    status = fake.hubbub("status")
    assert status.returncode == Exit.DONE, status.stdout
    os.kill(before.processes[0].pid, signal.SIGKILL)
    fake.wait(lambda: fake.pid("node-1") != before.processes[0].pid)
    assert len({p.pid for p in fake.file.processes}) == 1
    assert fake.hubbub("down").returncode == Exit.DONE
    assert not any(map(is_running, [before.processes[0].pid]))
    apart = fake.up()
    assert apart["data"]["process_count"] == 4
    assert apart["data"]["urls"] == ready["data"]["urls"]
    assert fake.file.server_key == before.server_key


def test_compact_is_for_one_of_each(fake: Fake) -> None:
    asked = (("--nodes", "3"), ("--routers", "2"), ("--edges", "2"), ("--copies", "3"))
    for words in (*asked, ("--link", "tcp")):
        refused = fake.hubbub("up", "--port", "0", "--compact", *words)
        assert refused.returncode == Exit.USAGE, words
        assert f"{words[0]} {words[1]}" in refused.stderr
    assert not fake.dir.exists()
    fake.up("--nodes", "2", "--slots", "16")
    fake.hubbub("down")
    refused = fake.hubbub("up", "--port", "0", "--compact")
    assert refused.returncode == Exit.CONFLICT
    assert "2 nodes" in refused.stderr
