"""The disk of one node is full, and of all: when there is room they come back, and nothing is lost.

Full is what a node is told when it writes; its log says so, and it starts anew until there is room.
While one is full the others go on. HUBBUB_ROUNDS is how often.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.app import EXIT_DISK_FAILED
from tests.support.cluster import Cluster
from tests.support.harm import (
    NODES,
    ROUNDS,
    TAKEN_OVER_S,
    Disks,
    Silences,
    busiest,
    lasted,
    led_by,
    three_copies_on_disks,
    traffic_of,
    wait_caught_up,
    wait_leads_nothing,
)

FULL_S = 4.0
ROOM_BYTES = 16 * 1024  # some batches
EMPTIED_S = 60.0  # while all are full nobody can be answered

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120 + 60 * ROUNDS)]


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Cluster, Disks]]:
    with three_copies_on_disks(tmp_path, monkeypatch) as running:
        yield running


async def test_the_others_go_on_and_it_comes_back_when_there_is_room(
    rig: tuple[Cluster, Disks],
) -> None:
    cluster, disks = rig
    silences = Silences(f"disk of a leader full for {FULL_S:.0f} s")
    async with traffic_of(cluster, "full") as traffic:

        async def fill() -> None:
            for _ in range(ROUNDS):
                await traffic.everybody_sent(10)
                victim = await busiest(cluster, traffic)
                orphans = await led_by(cluster, traffic, victim)
                pid = cluster.process(victim).pid
                began = time.monotonic()
                disks[victim].fill(ROOM_BYTES)
                await wait_leads_nothing(cluster, victim, TAKEN_OVER_S)
                await traffic.everybody_sent(3)
                await lasted(began, FULL_S)
                assert disks[victim].counts.failed_writes
                ends = {e["pid"]: e.get("exit_code") for e in cluster.events()}
                assert ends[pid] == EXIT_DISK_FAILED
                log = cluster.dir / "run" / "logs" / f"{victim}.log"
                assert "No space left on device" in log.read_text()
                disks[victim].heal()
                await asyncio.to_thread(cluster.wait_restarted, victim, pid)
                await wait_caught_up(cluster)
                await traffic.everybody_sent(3)
                silences.add(traffic, orphans, began)

        await traffic.run(fill)
        findings = await traffic.check()
        print(f"\n{silences}; {findings}")
        assert findings.is_clean, (str(findings), findings.examples[:5])
        for reader in traffic.readers:
            assert reader.resumes == 0, "a node's disk is no business of a client's connection"


async def test_nothing_is_lost_while_all_are_full(rig: tuple[Cluster, Disks]) -> None:
    cluster, disks = rig
    silences = Silences(f"disks of all full for {FULL_S:.0f} s")
    async with traffic_of(cluster, "all-full", deadline_s=EMPTIED_S) as traffic:

        async def fill() -> None:
            for _ in range(ROUNDS):
                await traffic.everybody_sent(10)
                pids = {name: cluster.process(name).pid for name in NODES}
                began = time.monotonic()
                for disk in disks.values():
                    disk.fill(ROOM_BYTES)
                await lasted(began, FULL_S)
                ends = {e["pid"]: e.get("exit_code") for e in cluster.events()}
                assert [ends[pid] for pid in pids.values()] == [EXIT_DISK_FAILED] * len(pids)
                for disk in disks.values():
                    disk.heal()
                for name, pid in pids.items():
                    await asyncio.to_thread(cluster.wait_restarted, name, pid)
                await traffic.everybody_sent(3)
                await wait_caught_up(cluster)
                silences.add(traffic, traffic.channels, began)

        await traffic.run(fill)
        findings = await traffic.check()
        print(f"\n{silences}; {findings}")
        assert findings.is_clean, (str(findings), findings.examples[:5])
