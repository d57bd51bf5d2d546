"""What an operator sees of a real cluster with three copies, while parts of it stop or die."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from ops.answer import Exit
from ops.api import call
from ops.directory import Directory
from ops.processes import SOURCE_ROOT
from ops.survey import Survey
from tests.support.cluster import Cluster, wait_for

SLOTS = 1024
SECONDS = 40.0
CHANNEL = "group:view"
OF_EVERY_PROCESS = ("map_revision",)
OF_NODES = (
    "node_slots_held",
    "node_slots_led",
    "node_slots_starting",
    "node_slots_recovering",
    "node_slots_failed",
    "node_slots_under_replicated",
    "node_follower_lag_entries_max",
    "node_apply_lag_entries_max",
    "node_nodes_unheard",
    "node_copies_failovers_total",
    "node_copies_elections_total",
    "node_copies_terms_begun_total",
    "node_fsync_seconds_count",
    "node_writer_batches_total",
)


class View:
    """The `hubbub` command on one running cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ops", *words, "--dir", str(self.cluster.dir)],
            cwd=SOURCE_ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def json(self, *words: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run(*words, "--json", "--timeout", "1").stdout)
        return found

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.json("status")["data"]
        return found

    def wait_healthy(self) -> None:
        wait_for(lambda: self.run("status").returncode == 0, SECONDS, lambda: str(self.status))

    def wait_without(self, name: str, state: str) -> dict[str, Any]:
        """Until every slot is served without a node, and is known to lack its copy."""
        last: dict[str, Any] = {}

        def is_without() -> bool:
            nonlocal last
            last = self.status
            node = next(one for one in last["nodes"] if one["name"] == name)
            is_served = last["slots_led"] == SLOTS and last["slots_under_replicated"] == SLOTS
            return node["state"] == state and len(node.get("suspected_by", ())) == 2 and is_served

        wait_for(is_without, SECONDS, lambda: json.dumps(last))
        return last

    def busiest(self) -> str:
        """The node that leads the most: its slots must be taken over."""
        return str(max(self.status["nodes"], key=lambda one: one["slots_led"])["name"])


@pytest.fixture(scope="module")
def running() -> Iterator[View]:
    with Cluster("--profile", "bench", nodes=3, routers=2, edges=1, copies=3) as cluster:
        yield View(cluster)


@pytest.fixture
def view(running: View) -> View:
    """Healthy, whatever another test did to it."""
    running.wait_healthy()
    return running


def test_a_node_that_stands_still_is_named_and_comes_back(view: View) -> None:
    assert view.run("ring", "check").returncode == Exit.DONE
    assert view.run("check", "replication").returncode == 0
    victim = view.busiest()
    view.cluster.kill(victim, signal.SIGSTOP)
    try:
        found = view.wait_without(victim, "silent")
        assert found["state"] == "degraded"
        assert found["slots_by_copies"] == {"2": SLOTS}
        assert found["slots_short"] == {"2": f"0-{SLOTS - 1}"}
        assert found["failovers_1h"]["from"].get(victim, 0) > 0
        status = view.run("status")
        assert status.returncode == Exit.UNHEALTHY
        assert "DEGRADED" in status.stdout
        assert f"{victim} (pid" in status.stdout
        assert f"{SLOTS} slots have 2 of 3 copies" in " ".join(status.stdout.split())
        warned = view.run("check", "replication", "--timeout", "1")
        assert (warned.returncode, victim in warned.stdout) == (1, True), warned.stdout
        assert view.run("check", "replication", "--critical", "0").returncode == 2
        assert view.run("check", "cluster").returncode == 1
        checked = view.json("ring", "check")
        assert checked["unreachable"] == [victim]
        (node,) = [one for one in checked["data"]["processes"] if one["map"] != "agrees"]
        assert (node["name"], node["map"]) == (victim, "no answer")
        located = view.json("ring", "locate", CHANNEL)
        copies = {copy["node"]: copy for copy in located["data"]["copies"]}
        assert located["data"]["is_served"]
        assert located["data"]["leader"] != victim
        assert (copies[victim]["state"], copies[victim]["applied"]) == ("silent", None)
    finally:
        view.cluster.kill(victim, signal.SIGCONT)
    view.wait_healthy()
    assert view.run("check", "replication").returncode == 0
    assert view.run("ring", "check").returncode == Exit.DONE


def test_a_killed_node_is_down_until_it_is_started_again(view: View) -> None:
    supervisor = view.cluster.supervisor
    assert supervisor is not None
    victim = view.busiest()
    supervisor.send_signal(signal.SIGSTOP)  # it would start the node at once
    try:
        pid = view.cluster.kill(victim)
        found = view.wait_without(victim, "down")
        assert found["state"] == "degraded"
        status = view.run("status")
        assert status.returncode == Exit.UNHEALTHY
        assert f"{victim} is down" in status.stdout
    finally:
        supervisor.send_signal(signal.SIGCONT)
    view.cluster.wait_restarted(victim, pid)
    view.wait_healthy()
    assert view.status["slots_by_copies"] == {"3": SLOTS}


def test_a_router_that_stood_still_while_the_map_changed(view: View) -> None:
    router, victim = "router-2", view.busiest()
    before = view.status["map_revision"]
    view.cluster.kill(router, signal.SIGSTOP)
    try:
        pid = view.cluster.kill(victim)
        view.cluster.wait_restarted(victim, pid)
        # Others lead its slots now, or it does in a new term: both change the map.
        wait_for(lambda: view.status["map_revision"] > before, SECONDS, lambda: str(view.status))
        checked = view.run("ring", "check", "--timeout", "1")
        assert checked.returncode in (Exit.PARTIAL, Exit.UNHEALTHY)
        (line,) = [line for line in checked.stdout.splitlines() if line.startswith(router)]
        assert "no answer" in line
    finally:
        view.cluster.kill(router, signal.SIGCONT)
    wait_for(
        lambda: view.run("ring", "check").returncode == Exit.DONE,
        SECONDS,
        lambda: view.run("ring", "check").stdout,
    )
    told = {one["name"]: one for one in view.json("ring", "check")["data"]["processes"]}
    assert told[router]["map"] == "agrees"


def test_where_a_channel_is_and_how_far_its_copies_are(view: View) -> None:
    cluster = view.cluster
    cluster.rest("POST", "/v1/channels", {"channel": CHANNEL, "members": ["ann"]})
    for text in ("one", "two"):
        cluster.rest("POST", f"/v1/channels/{CHANNEL}/messages", {"by": "ann", "text": text})

    def copies() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = view.json("ring", "locate", CHANNEL)["data"]["copies"]
        return found

    # Followers learn from the next beat what is committed.
    wait_for(
        lambda: (
            {(copy["applied"], copy["lag"]) for copy in copies()}
            == {(copies()[0]["last_index"], 0)}
        ),
        SECONDS,
        lambda: str(copies()),
    )
    assert copies()[0]["last_index"] >= 3
    assert sorted(copy["role"] for copy in copies()) == ["follower", "follower", "leader"]
    shown = view.json("ring", "show")["data"]["nodes"]
    assert sum(node["leads"] for node in shown) == SLOTS
    assert {node["holds"] for node in shown} == {SLOTS}


def test_every_process_exposes_what_the_views_read(view: View) -> None:
    with Survey(Directory(view.cluster.dir), 5.0) as survey:
        known = survey.known
    assert len(known) == 6
    for entry in known:
        text = str(call("GET", f"{entry.admin_url}/metrics").body)
        names = OF_EVERY_PROCESS + (OF_NODES if entry.role == "node" else ())
        missing = [name for name in names if f"\nhubbub_{name} " not in text]
        assert missing == [], entry.name
        told = call("GET", f"{entry.admin_url}/statistics").body
        assert told["map"]["slots"] == SLOTS
        assert len(told["map"]["digest"]) == 16
        assert ("copies" in told) == (entry.role == "node")
    for name in ("cluster", "lag", "disk", "coordinator", "edges", "fsync", "ring"):
        checked = view.run("check", name)
        assert checked.returncode in (0, 1), checked.stdout
        assert " | " in checked.stdout
