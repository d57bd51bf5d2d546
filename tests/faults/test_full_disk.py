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
FILLED_S = 30.0  # until writes have used up that room on a majority of the disks
LATE_S = 1.0  # an acknowledgement may be on its way when its node ends
MAJORITY = len(NODES) // 2 + 1
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
                assert _ended(cluster, {victim: pid}) == [victim]
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
                while len(_ended(cluster, pids)) < MAJORITY:
                    assert time.monotonic() < began + FILLED_S
                    await asyncio.sleep(0.1)
                await asyncio.sleep(LATE_S)
                acknowledged = len(traffic.acked)
                await asyncio.sleep(FULL_S)
                assert len(traffic.acked) == acknowledged, "nobody is left to say so"
                ended = _ended(cluster, pids)  # who was left alone had perhaps nothing to write
                for disk in disks.values():
                    disk.heal()
                for name in ended:
                    await asyncio.to_thread(cluster.wait_restarted, name, pids[name])
                await traffic.everybody_sent(3)
                await wait_caught_up(cluster)
                silences.add(traffic, traffic.channels, began)

        await traffic.run(fill)
        findings = await traffic.check()
        print(f"\n{silences}; {findings}")
        assert findings.is_clean, (str(findings), findings.examples[:5])


def _ended(cluster: Cluster, pids: dict[str, int]) -> list[str]:
    """Whose process has ended, and each of them because of its disk."""
    codes = {event["pid"]: event.get("exit_code") for event in cluster.events()}
    ended = [name for name, pid in pids.items() if codes[pid] is not None]
    assert all(codes[pids[name]] == EXIT_DISK_FAILED for name in ended), codes
    return ended
