"""The power of one node's disk is cut, and of all: what was not synced is gone, nothing else.

Each node has an ext4 of its own (as root). A machine without power has no processes either: those
that use the disk are killed before it is back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack
from random import Random

import pytest

from hubbub.base.units import MIB
from tests.support.chaos.disks import FileDisk
from tests.support.chaos.signals import kill, paused
from tests.support.cluster import Cluster
from tests.support.harm import (
    NODES,
    ROUNDS,
    Silences,
    busiest,
    led_by,
    three_copies,
    traffic_of,
    wait_caught_up,
)

DISK_BYTES = 128 * MIB
RESTARTED_S = 90.0  # nobody can be answered while nobody runs

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120 + 90 * ROUNDS)]

Rig = tuple[Cluster, dict[str, FileDisk]]


@pytest.fixture
def rig() -> Iterator[Rig]:
    cluster = three_copies()
    folder = cluster.dir / "nodes"
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        disks = {name: stack.enter_context(FileDisk(DISK_BYTES)) for name in NODES}
        for name, disk in disks.items():
            (disk.path / "data").mkdir()
            (folder / name).symlink_to(disk.path / "data")
        stack.enter_context(cluster)
        yield cluster, disks


async def test_what_was_acknowledged_survives_the_power(rig: Rig) -> None:
    cluster, disks = rig
    one, every = Silences("power of a leader cut"), Silences("power of all cut")
    async with traffic_of(cluster, "power", deadline_s=RESTARTED_S) as traffic:

        async def cut() -> None:
            for _ in range(ROUNDS):
                await traffic.everybody_sent(10)
                victim = await busiest(cluster, traffic)
                orphans, pid = await led_by(cluster, traffic, victim), cluster.process(victim).pid
                began = time.monotonic()
                await asyncio.to_thread(_cut_one, cluster, disks[victim], pid)
                await asyncio.to_thread(cluster.wait_restarted, victim, pid)
                await traffic.everybody_sent(3)
                await wait_caught_up(cluster)
                one.add(traffic, orphans, began)

                await traffic.everybody_sent(10)
                began = time.monotonic()
                await asyncio.to_thread(_cut_all, cluster, disks)
                traffic.doors.refresh()
                await traffic.everybody_sent(3)
                await wait_caught_up(cluster)
                every.add(traffic, traffic.channels, began)

        await traffic.run(cut)
        findings = await traffic.check()
        print(f"\n{one}\n{every}\n{findings}")
        assert findings.is_clean, (str(findings), findings.examples[:5])
        await traffic.check_retries(Random(1), 50)


def _cut_one(cluster: Cluster, disk: FileDisk, pid: int) -> None:
    assert cluster.supervisor is not None
    with paused(cluster.supervisor.pid):  # nothing starts on a machine without power
        disk.cut_power()
        kill(pid)
        disk.restore_power()


def _cut_all(cluster: Cluster, disks: dict[str, FileDisk]) -> None:
    assert cluster.supervisor is not None
    cluster.supervisor.kill()  # else it would start what ends for want of a disk
    for disk in disks.values():
        disk.cut_power()
    cluster.kill_all()
    for disk in disks.values():
        disk.restore_power()
    cluster.start()
