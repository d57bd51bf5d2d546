"""`hubbub up --compact`: node, router and edge in one process, through its public doors."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.answer import Exit
from ops.api import call
from ops.processes import SOURCE_ROOT
from tests.support.client import Client, Closed, new_cmid
from tests.support.cluster import Cluster, wait_for

ROOM = "group:tea"
NAMES = {"node-1", "router-1", "edge-1"}
BEFORE, BESIDE = 20, 2_000  # messages before the kill, and at most while it comes


@pytest.fixture
def compact() -> Iterator[Cluster]:
    """A compact cluster that the test may break."""
    with Cluster("--compact", "--profile", "bench") as running:  # without limits of pace
        yield running


def pid_of(cluster: Cluster) -> int:
    """The one process."""
    (pid,) = {entry.pid for entry in cluster.file.processes}
    return pid


def hubbub(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ops", *words],
        cwd=SOURCE_ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def history(cluster: Cluster, user: str) -> list[tuple[int, str]]:
    """(seq, text) of every message of the room, oldest first."""
    async with Client(cluster.url, cluster.token(user)) as client:
        page = await client.rpc("history.get", channel=ROOM, before_seq=1 << 40, limit=100)
        found = page["messages"]
        while len(page["messages"]) == 100:
            page = await client.rpc(
                "history.get", channel=ROOM, before_seq=min(m["seq"] for m in found), limit=100
            )
            found += page["messages"]
    return sorted((message["seq"], message["text"]) for message in found)


async def send_until_cut(client: Client) -> tuple[dict[int, str], dict[str, str]]:
    """Sends until the connection breaks: seq → text of what was stored, cmid → text of all."""
    acknowledged: dict[int, str] = {}
    asked: dict[str, str] = {}
    try:
        for number in range(BESIDE):
            cmid = new_cmid()
            asked[cmid] = f"while it comes {number}"
            sent = await client.send(ROOM, asked[cmid], cmid=cmid)
            acknowledged[sent["seq"]] = asked[cmid]
    except (Closed, ConnectionError, TimeoutError):
        pass  # the kill
    return acknowledged, asked


async def test_two_chat_and_kill_9_loses_and_doubles_nothing(compact: Cluster) -> None:
    compact.rest("POST", "/v1/channels", {"channel": ROOM, "members": ["ann", "ben"]})
    async with (
        Client(compact.url, compact.token("ann")) as ann,
        Client(compact.url, compact.token("ben")) as ben,
    ):
        position = await ben.subscribe(ROOM, recoverable=True)
        told = {}
        for number in range(BEFORE):
            told[(await ann.send(ROOM, f"before {number}"))["seq"]] = f"before {number}"
        heard = await ben.wait_publications(ROOM, BEFORE)
        assert [pub["offset"] for pub in heard] == sorted(told)
        async with asyncio.TaskGroup() as group:
            sending = group.create_task(send_until_cut(ann))
            await ben.wait_publications(ROOM, BEFORE + 3)
            pid = pid_of(compact)
            os.kill(pid, signal.SIGKILL)
        acknowledged, asked = sending.result()
    assert len(acknowledged) < BESIDE, "the kill came too late to prove anything"
    await asyncio.to_thread(compact.wait_restarted, "node-1", pid)
    async with Client(compact.url, compact.token("ann")) as ann:
        for cmid, text in asked.items():
            acknowledged[(await ann.send(ROOM, text, cmid=cmid))["seq"]] = text
    told |= acknowledged
    assert await history(compact, "ben") == sorted(told.items())
    assert len(set(told.values())) == BEFORE + len(asked)
    async with Client(compact.url, compact.token("ben")) as ben:
        missed = await ben.subscribe(
            ROOM, recover=True, offset=heard[-1]["offset"], epoch=position["epoch"]
        )
    assert missed["recovered"]
    offsets = [publication["offset"] for publication in missed["publications"]]
    assert offsets == sorted(seq for seq in told if seq > heard[-1]["offset"])


def test_it_looks_like_a_cluster_of_three(compact: Cluster) -> None:
    pid = pid_of(compact)
    assert {entry.name for entry in compact.file.processes} == NAMES
    for entry in compact.file.processes:
        for path in ("/healthz", "/readyz", "/metrics"):
            assert call("GET", entry.admin_url + path).status == 200, (entry.name, path)
    status = hubbub("status", "--dir", str(compact.dir), "--json")
    assert status.returncode == Exit.DONE, status.stdout
    data = json.loads(status.stdout)["data"]
    rows = [row for role in ("nodes", "routers", "edges") for row in data[role]]
    assert {row["name"] for row in rows} == NAMES
    assert {row["pid"] for row in rows} == {pid}
    assert {row["state"] for row in rows} == {"ready"}


def test_down_ends_all_of_it_in_order(compact: Cluster) -> None:
    pid, supervisor = pid_of(compact), compact.supervisor
    assert supervisor is not None
    assert hubbub("down", "--dir", str(compact.dir)).returncode == Exit.DONE
    assert supervisor.wait(10) == Exit.DONE
    assert not Path(f"/proc/{pid}").exists()
    killed = [event for event in compact.events() if event["event"] == "process.killed"]
    assert killed == [], compact.said()
    last = json.loads((compact.dir / "run/logs/compact.log").read_text().splitlines()[-1])
    assert (last["event"], last["exit_code"]) == ("process.stopped", 0)


def test_a_killed_supervisor_leaves_nobody_behind(compact: Cluster) -> None:
    pid, supervisor = pid_of(compact), compact.supervisor
    assert supervisor is not None
    supervisor.kill()
    wait_for(lambda: not compact._is_ours(pid), 10, compact.said)
    compact.halt()
    compact.start()
    assert compact.token("ann")


def test_a_node_whose_database_is_gone_keeps_all_of_it_down(compact: Cluster) -> None:
    compact.halt()
    shutil.rmtree(compact.dir / "nodes" / "node-1" / "db")
    with pytest.raises(AssertionError, match=r"^up ended with 1:") as refused:
        compact.start()
    said = str(refused.value).rpartition("compact does not start")[2]
    assert "exit code 5" in said
    assert "database is gone" in said


async def test_the_same_data_together_apart_and_together_again() -> None:
    with Cluster() as cluster:  # three processes first
        cluster.rest("POST", "/v1/channels", {"channel": ROOM, "members": ["ann", "ben"]})
        texts: list[str] = []
        for words in (["--compact"], [], ["--compact"]):
            async with Client(cluster.url, cluster.token("ann")) as ann:
                texts.append(f"message {len(texts)}")
                await ann.send(ROOM, texts[-1])
            cluster.halt()
            cluster.start(*words)
            assert len({e.pid for e in cluster.file.processes}) == (1 if words else 3)
            assert [text for _, text in await history(cluster, "ben")] == texts
