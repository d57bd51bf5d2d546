"""`hubbub up`, `status` and `down` with the real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.api import call
from ops.processes import SOURCE_ROOT
from tests.support.client import Client
from tests.support.cluster import Cluster, wait_for


def hubbub(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ops", *words],
        cwd=SOURCE_ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def own() -> Iterator[Cluster]:
    """A cluster that the test may break: 2 nodes, 1 router, 2 edges."""
    with Cluster(nodes=2, routers=1, edges=2) as running:
        yield running


def test_every_process_answers_its_admin_server(cluster: Cluster) -> None:
    for entry in cluster.file.processes:
        for path in ("/healthz", "/readyz", "/metrics"):
            assert call("GET", entry.admin_url + path).status == 200, (entry.name, path)
    for url in cluster.urls:
        assert call("GET", f"{url}/readyz").status == 200


def test_status_of_a_healthy_cluster(cluster: Cluster) -> None:
    done = hubbub("status", "--dir", str(cluster.dir), "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["data"]["state"] == "healthy"
    assert answer["data"]["slots_led"] == 1024
    assert answer["unreachable"] == []


async def test_a_message_survives_the_crash_of_every_process(own: Cluster) -> None:
    own.rest("POST", "/v1/channels", {"channel": "group:x", "members": ["ann", "bob"]})
    token = own.token("ann")
    async with Client(own.url, token) as ann:
        before = await ann.send("group:x", "before the crash")
    own.kill_all()
    own.start()
    async with Client(own.urls[1], own.token("bob")) as bob:
        page = await bob.rpc("history.get", channel="group:x", before_seq=1 << 40, limit=10)
    assert [m["text"] for m in page["messages"] if m["seq"] == before["seq"]] == [
        "before the crash"
    ]


@pytest.mark.parametrize("name", ["edge-2", "router-1", "node-2"])
def test_a_killed_process_is_started_again_and_said_so(own: Cluster, name: str) -> None:
    ports = own.urls
    old = own.kill(name)
    own.wait_restarted(name, old)
    assert own.urls == ports
    assert f"{name} (pid {old}) ended: killed by SIGKILL; starting it again" in own.said()
    wait_for(
        lambda: hubbub("status", "--dir", str(own.dir)).returncode == 0,
        20,
        lambda: hubbub("status", "--dir", str(own.dir)).stdout,
    )
    assert own.token("ann")


def test_down_ends_everything_within_five_seconds(own: Cluster) -> None:
    pids = [entry.pid for entry in own.file.processes]
    supervisor = own.supervisor
    assert supervisor is not None
    began_at = time.monotonic()
    assert hubbub("down", "--dir", str(own.dir)).returncode == 0
    assert supervisor.wait(10) == 0
    assert time.monotonic() - began_at < 5.5  # the promise, and the start of the command
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    killed = [event for event in own.events() if event["event"] == "process.killed"]
    assert killed == [], own.said()
    ended = {e["name"]: e["exit_code"] for e in own.events() if e["event"] == "process.ended"}
    assert ended == {}  # stopping as asked is no crash


def test_a_killed_supervisor_leaves_nobody_behind(own: Cluster) -> None:
    pids = [entry.pid for entry in own.file.processes]
    assert own.supervisor is not None
    os.kill(own.supervisor.pid, signal.SIGKILL)
    wait_for(
        lambda: not any(map(own._is_ours, pids)),
        5,
        lambda: str([pid for pid in pids if own._is_ours(pid)]),
    )
    own.halt()
    own.start()
    assert own.token("ann")


async def test_tcp_links_are_encrypted_and_carry_messages() -> None:
    with Cluster("--link", "tcp", nodes=1, routers=1, edges=1) as tcp:
        tcp.rest("POST", "/v1/channels", {"channel": "group:x", "members": ["ann"]})
        async with Client(tcp.url, tcp.token("ann")) as ann:
            await ann.subscribe("group:x")
            sent = await ann.send("group:x", "over tcp")
            (push,) = await ann.wait_publications("group:x", 1)
        assert push["offset"] == sent["seq"]
