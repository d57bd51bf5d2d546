"""`hubbub rebalance`: what it plans, says and refuses; tests/faults carries plans out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from hubbub.coordinator.membership import announce_storage
from ops.answer import Exit
from ops.commands.rebalance import bar
from ops.directory import Directory
from ops.membership import Membership
from ops.processes import SOURCE_ROOT
from tests.ops.fake_cluster import DEADLINE_S, PROGRAM, Fake


def rebalance(fake: Fake, verb: str, *words: str) -> subprocess.CompletedProcess[str]:
    return fake.hubbub_in(Path.cwd(), "rebalance", verb, "--dir", str(fake.dir), *words)


def data(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == Exit.DONE, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["data"]
    return found


def four_nodes(fake: Fake) -> None:
    """Three with everything, one with nothing; fakes move nothing."""
    fake.up("--nodes", "3", "--copies", "3", "--slots", "64")
    fake.hubbub_in(Path.cwd(), "nodes", "add", "--dir", str(fake.dir))
    with Membership.open(Directory(fake.dir)) as cluster:
        for name, storage in cluster.local.items():
            cluster.run(announce_storage(cluster.coordinator, storage, name, "here"))


def test_a_plan_is_shown_started_paused_and_aborted(fake: Fake) -> None:
    four_nodes(fake)
    moves = data(rebalance(fake, "plan", "--json"))["moves"]
    assert 0.95 * 48 <= moves <= 1.05 * 48
    shown = rebalance(fake, "plan")
    assert shown.stdout.startswith(f"plan   {moves} copies to make   node-1>node-4: ")
    assert "one loss takes all copies" in shown.stdout
    assert data(rebalance(fake, "status", "--json")).keys() == {"nodes", "worst_balance"}
    started = data(rebalance(fake, "start", "--no-wait", "--moves-per-node", "7", "--json"))
    assert started["plan"] | {"id": ""} == {
        "id": "",
        "state": "running",
        "moves": moves,
        "moved": 0,
        "left": moves,
        "under_way": 0,
        "leaders_astray": 0,
        "moves_per_s": 0.0,
        "left_s": None,
    }
    assert f"0/{moves} copies" in rebalance(fake, "status").stdout
    assert data(rebalance(fake, "pause", "--json"))["plan"]["state"] == "paused"
    assert rebalance(fake, "pause").returncode == Exit.CONFLICT
    assert rebalance(fake, "status", "--wait").returncode == Exit.DONE, "a paused one never ends"
    assert data(rebalance(fake, "resume", "--json"))["plan"]["state"] == "running"
    assert data(rebalance(fake, "abort", "--json"))["plan"]["state"] == "aborting"
    assert rebalance(fake, "resume").returncode == Exit.CONFLICT
    again = data(rebalance(fake, "start", "--no-wait", "--json"))["plan"]
    assert (again["state"], again["id"] != started["plan"]["id"]) == ("running", True)


def test_ctrl_c_ends_the_watching_and_not_the_plan(fake: Fake) -> None:
    four_nodes(fake)
    command = [sys.executable, str(PROGRAM), "rebalance", "start", "--dir", str(fake.dir)]
    with subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": str(SOURCE_ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as watching:
        try:
            assert watching.stderr is not None
            while "moving" not in watching.stderr.readline():  # fakes never get any further
                assert watching.poll() is None
            watching.send_signal(signal.SIGINT)
            _, errors = watching.communicate(timeout=DEADLINE_S)
        finally:
            watching.kill()
    assert watching.returncode == Exit.INTERRUPTED
    assert "the nodes go on" in errors
    assert data(rebalance(fake, "status", "--json"))["plan"]["state"] == "running"


def test_nothing_to_move_writes_nothing(fake: Fake) -> None:
    fake.up("--nodes", "3", "--copies", "3", "--slots", "64")
    done = rebalance(fake, "start")
    assert (done.returncode, done.stdout) == (Exit.DONE, "every copy is where it should be\n")
    assert "never was a plan" in rebalance(fake, "status").stdout


def test_what_if_a_node_were_gone(fake: Fake) -> None:
    four_nodes(fake)
    without = data(rebalance(fake, "plan", "--without", "node-1", "--json"))
    assert without["moves"] == 64
    assert "node-1" not in without["after"]
    refused = rebalance(fake, "plan", "--without", "node-1", "--without", "node-4")
    assert refused.returncode == Exit.CONFLICT
    assert "3 copies need 3 nodes, there are 2" in refused.stderr
    assert "hubbub nodes add" in refused.stderr
    assert rebalance(fake, "plan", "--without", "node-9").returncode == Exit.NOT_FOUND


def test_more_copies_are_a_plan_too(fake: Fake) -> None:
    fake.up("--nodes", "3", "--copies", "1", "--slots", "64")
    plan = data(rebalance(fake, "plan", "--copies", "3", "--json"))
    assert (plan["moves"], plan["copies"]) == (128, 3)
    assert rebalance(fake, "plan", "--copies", "4").returncode == Exit.CONFLICT


def test_there_must_be_a_cluster(fake: Fake) -> None:
    missing = rebalance(fake, "status")
    assert missing.returncode == Exit.NOT_FOUND
    nowhere = fake.hubbub_in(fake.dir.parent, "rebalance", "status")
    assert nowhere.returncode == Exit.NOT_FOUND
    assert "--coordinator URL" in nowhere.stderr


def test_progress_is_one_line(fake: Fake) -> None:
    four_nodes(fake)
    rebalance(fake, "start", "--no-wait")
    with Membership.open(Directory(fake.dir)) as cluster:
        standing = cluster.standing()
    assert standing is not None
    moves = standing.plan.moves
    assert bar(standing) == f"moving  [{'-' * 28}]  0/{moves} copies   0.0/s   ETA -"


def test_help_shows_examples(fake: Fake) -> None:
    for verb in ("plan", "start", "pause", "resume", "abort", "status"):
        helped = rebalance(fake, verb, "--help")
        assert f"hubbub rebalance {verb}" in helped.stdout
        assert "Example" in helped.stdout
