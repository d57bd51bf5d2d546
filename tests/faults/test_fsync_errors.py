"""A sync fails with an input/output error: the node ends, and starts again with what it has.

After a failed sync nobody knows what is on the disk, and the next one would succeed: so nothing is
retried, and nothing that waited is acknowledged. HUBBUB_ROUNDS is how often.
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
    ROUNDS,
    Disks,
    Silences,
    busiest,
    led_by,
    make_follower,
    stay_follower,
    three_copies_on_disks,
    traffic_of,
    wait_caught_up,
)
from tests.support.traffic import Traffic

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120 + 60 * ROUNDS)]


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Cluster, Disks]]:
    stay_follower(monkeypatch)
    with three_copies_on_disks(tmp_path, monkeypatch) as running:
        yield running


async def test_a_node_whose_disk_fails_ends_and_comes_back(rig: tuple[Cluster, Disks]) -> None:
    cluster, disks = rig
    leaders, followers = Silences("sync of a leader failed"), Silences("sync of a follower failed")
    async with traffic_of(cluster, "eio") as traffic:

        async def fail() -> None:
            for _ in range(ROUNDS):
                await traffic.everybody_sent(10)
                victim = await busiest(cluster, traffic)
                orphans = await led_by(cluster, traffic, victim)
                leaders.add(traffic, orphans, await _fail(cluster, traffic, disks, victim))
                await make_follower(cluster, traffic, victim)
                began = await _fail(cluster, traffic, disks, victim)
                followers.add(traffic, traffic.channels, began)

        await traffic.run(fail)
        findings = await traffic.check()
        print(f"\n{leaders}\n{followers}\n{findings}")
        assert findings.is_clean, (str(findings), findings.examples[:5])
        for reader in traffic.readers:
            assert reader.resumes == 0, "a node's disk is no business of a client's connection"


async def _fail(cluster: Cluster, traffic: Traffic, disks: Disks, victim: str) -> float:
    """One failed sync, and everything that follows; when it was ordered."""
    pid, failed = cluster.process(victim).pid, disks[victim].counts.failed_syncs
    began = time.monotonic()
    disks[victim].fail_next()
    await asyncio.to_thread(cluster.wait_restarted, victim, pid)
    assert disks[victim].counts.failed_syncs == failed + 1, "nothing is synced again"
    ends = [event for event in cluster.events() if event["event"] == "process.ended"]
    assert (ends[-1]["pid"], ends[-1]["exit_code"]) == (pid, EXIT_DISK_FAILED)
    await traffic.everybody_sent(3)
    await wait_caught_up(cluster)
    return began
