"""Nodes come, go and die while people chat: copies move, and nobody who chats notices.

Short form by default; HUBBUB_MOVE_SLOTS=1024 HUBBUB_MOVE_SENDERS=50 is the long one. With `-rP`
pytest shows the figures of a run.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from random import Random
from statistics import median
from typing import Any

import pytest

from hubbub.ring.moves import is_held_by
from node.removals import slots_with_rows
from node.store.rocks import RocksStore
from ops.api import call
from ops.processes import SOURCE_ROOT
from tests.support.cluster import Cluster, wait_for
from tests.support.harm import Silences, wait_leads_nothing
from tests.support.leaders import leaders_of, view_of
from tests.support.traffic import Traffic

SLOTS = int(os.environ.get("HUBBUB_MOVE_SLOTS", "64"))
SENDERS = int(os.environ.get("HUBBUB_MOVE_SENDERS", "16"))
CHANNELS = 2 * SENDERS
GAP_S = 0.05
GRACE_S = 3.0
COMMAND_S = 60.0 + SLOTS  # a command that watches a plan until it is over

pytestmark = [pytest.mark.alone, pytest.mark.faults, pytest.mark.timeout(180 + 6 * SLOTS)]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setenv("HUBBUB_COPY_GRACE_S", str(GRACE_S))
    monkeypatch.setenv("HUBBUB_LEADER_RETURN_S", "1")
    words = ("--profile", "bench", "--slots", str(SLOTS))
    with Cluster(*words, nodes=3, routers=1, edges=2, copies=3) as running:
        yield running


async def test_three_to_five_to_three_without_a_failed_send(cluster: Cluster) -> None:
    async with Traffic(cluster, "move", channels=CHANNELS, senders=SENDERS, gap_s=GAP_S) as traffic:

        async def come_and_go() -> None:
            await traffic.everybody_sent(2)
            await hubbub(cluster, "nodes", "add", "--count", "2")
            await hubbub(cluster, "rebalance", "start")
            await balanced(cluster, 5)
            await given_up(cluster)
            await traffic.everybody_sent(2)
            await hubbub(cluster, "nodes", "drain", "node-4", "node-5")
            await hubbub(cluster, "nodes", "remove", "node-4", "node-5")
            await balanced(cluster, 3)
            await traffic.everybody_sent(2)

        await traffic.run(come_and_go)
        report = await traffic.check()
        print(figures(traffic, str(report)))
        assert report.is_clean, str(report)
        await traffic.check_retries(Random(1), 50)
        for reader in traffic.readers:
            assert reader.resumes == 0, "a move is no business of a client's connection"
    assert {entry.name for entry in cluster.of_role("node")} == {"node-1", "node-2", "node-3"}


async def test_a_planned_hand_over_is_hardly_noticed(cluster: Cluster) -> None:
    """How long a channel takes no message while its leader moves: its sender's own gap included
    (silent), and from a send to its acknowledgement (waited)."""
    gap_s = 2 * GAP_S  # the machine is to have room: what waits is to wait for the new leader
    silences, waits_ms = Silences("leader handed over as planned"), list[float]()
    async with Traffic(
        cluster, "hand", channels=24, senders=24, gap_s=gap_s, roams=False
    ) as traffic:

        async def move_leaders() -> None:
            await hubbub(cluster, "nodes", "add")
            for words, is_over in (
                (("rebalance", "start"), balanced(cluster, 4)),
                (("nodes", "drain", "node-4"), wait_leads_nothing(cluster, "node-4", COMMAND_S)),
            ):
                await traffic.everybody_sent(5)
                before, began = await leaders_of(cluster, traffic.channels), time.monotonic()
                await hubbub(cluster, *words)
                await is_over
                await traffic.everybody_sent(5)
                after = await leaders_of(cluster, traffic.channels)
                moved = [name for name in before if after[name] != before[name]]
                assert moved, "there was nothing to see"
                silences.add(traffic, moved, began)
                waits_ms.extend(_longest_waits_ms(traffic, moved, began))

        await traffic.run(move_leaders)
        report = await traffic.check()
        waited = f"waited {median(waits_ms):.0f} ms (median), {max(waits_ms):.0f} ms (longest)"
        print(figures(traffic, str(report)), f"{silences}; {waited}", sep="\n")
        assert report.is_clean, str(report)
        assert not any(sender.retries for sender in traffic.senders), "nobody had to ask again"


def _longest_waits_ms(traffic: Traffic, channels: list[str], since: float) -> list[float]:
    waits_ms = dict.fromkeys(channels, 0.0)
    for sent, _ in traffic.acked:
        if sent.channel in waits_ms and sent.ended_at >= since:
            took_ms = (sent.ended_at - sent.sent_at) * 1_000
            waits_ms[sent.channel] = max(waits_ms[sent.channel], took_ms)
    return list(waits_ms.values())


async def test_a_plan_outlives_nodes_that_are_killed(cluster: Cluster) -> None:
    async with Traffic(cluster, "kill", channels=CHANNELS, senders=SENDERS, gap_s=GAP_S) as traffic:

        async def kill_in_the_middle() -> None:
            await hubbub(cluster, "nodes", "add")
            await hubbub(cluster, "rebalance", "start", "--no-wait")
            standing = await moved_more(cluster)
            assert standing["state"] == "running", "it would be too late to kill anybody"
            victims = ("node-4", "node-1")  # where copies are made, and who makes them
            pids = {victim: cluster.kill(victim) for victim in victims}
            for victim, pid in pids.items():
                await asyncio.to_thread(cluster.wait_restarted, victim, pid)
            over = await hubbub(cluster, "rebalance", "status", "--wait")
            assert over["plan"]["state"] == "done"
            await balanced(cluster, 4)
            await traffic.everybody_sent(2)
            await given_up(cluster)

        await traffic.run(kill_in_the_middle)
        report = await traffic.check()
        print(figures(traffic, str(report)))
        assert report.is_clean, str(report)
    await check_disks(cluster)
    cluster.words = ["--port", "0"]  # the nodes that there are now, without being told
    cluster.start()
    assert len(cluster.of_role("node")) == 4


def figures(traffic: Traffic, report: str) -> str:
    """What a run was like for those who sent."""
    again = sum(sender.retries for sender in traffic.senders)
    return f"{SLOTS} slots: {report}; asked again: {again}; slowest {traffic.slowest_s:.2f} s"


async def hubbub(cluster: Cluster, noun: str, verb: str, *words: str) -> dict[str, Any]:
    """Runs a command on the cluster; the data of its answer."""

    def run() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ops", noun, verb, "--json", "--dir", str(cluster.dir)]
        return subprocess.run(
            [*command, *words],
            cwd=SOURCE_ROOT,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )

    done = await asyncio.to_thread(run)
    assert done.returncode == 0, f"{noun} {verb}: {done.stdout}{done.stderr}\n{cluster.said()}"
    data: dict[str, Any] = json.loads(done.stdout)["data"]
    return data


async def moved_more(cluster: Cluster) -> dict[str, Any]:
    """Waits until some more copies were made; the plan then."""
    before = None
    async with asyncio.timeout(COMMAND_S):
        while True:
            plan: dict[str, Any] = (await hubbub(cluster, "rebalance", "status"))["plan"]
            if before is None:
                before = plan["moved"]
            if plan["moved"] >= before + 2 or plan["state"] != "running":
                return plan


async def balanced(cluster: Cluster, count: int) -> None:
    """Waits until every node has its share, of copies and of leaders."""
    async with asyncio.timeout(COMMAND_S):
        while True:
            rows = (await hubbub(cluster, "nodes", "list"))["nodes"]
            shares = [is_even(rows, "copies", 3 * SLOTS), is_even(rows, "leads", SLOTS)]
            if len(rows) == count and all(shares):
                return


def is_even(rows: list[dict[str, Any]], what: str, total: int) -> bool:
    mean = total / len(rows)
    slack = max(mean * 0.05, 1 if mean < 20 else 0)
    return all(mean - slack <= row[what] <= mean + slack for row in rows)


async def given_up(cluster: Cluster) -> None:
    """Waits until every node has forgotten the slots that it gave up."""

    def held() -> dict[str, int]:
        return {entry.name: gauge(entry.url, "slots_held") for entry in cluster.of_role("node")}

    view = await view_of(cluster)
    wanted = Counter(
        {
            name: sum(is_held_by(r, node.storage_id) for _, r in view.slot_map.items())
            for name, node in view.nodes.items()
        }
    )
    await asyncio.to_thread(
        wait_for,
        lambda: held() == wanted,
        GRACE_S + 30,
        lambda: f"{held()} is not {wanted}",
    )


def gauge(url: str, name: str) -> int:
    body = call("GET", f"{url}/metrics").body
    line = next(line for line in body.splitlines() if line.startswith(f"hubbub_node_{name} "))
    return int(float(line.split()[1]))


async def check_disks(cluster: Cluster) -> None:
    """A node's database has rows of the slots that it holds, and of no other one."""
    view = await view_of(cluster)
    ids = {name: node.storage_id for name, node in view.nodes.items()}
    await asyncio.to_thread(cluster.halt)
    assert len(ids) == 4
    for name, storage in ids.items():
        held = {n for n, record in view.slot_map.items() if is_held_by(record, storage)}
        store = RocksStore(str(cluster.dir / "nodes" / name / "db"))
        try:
            assert slots_with_rows(store) == held
        finally:
            store.close()
        assert 0 < len(held) < SLOTS
