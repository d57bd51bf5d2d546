"""Bits rot on one node's disk while it is down: it refuses, says the cure, and is not missed.

The supervisor stands still meanwhile, so that nothing starts the node before its time. What the
other two acknowledge while it is away is there once it is well again.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from node.app import EXIT_STORE_REFUSED
from tests.support.chaos.rot import Damage, rot_table, rot_wal
from tests.support.chaos.signals import paused
from tests.support.cluster import Cluster, wait_for
from tests.support.harm import (
    TAKEN_OVER_S,
    Silences,
    busiest,
    led_by,
    three_copies,
    traffic_of,
    wait_caught_up,
    wait_leads_nothing,
)
from tests.support.processes import process
from tests.support.traffic import Traffic

DOWN_S = 10.0
CURE = ("move it aside", "rebuilt from its peers")

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with three_copies() as running:
        yield running


def rot_largest_table(folder: Path, _seed: int) -> Damage:
    """One bit of what a start reads: the entries of the log are most of what there is."""
    largest = max(folder.rglob("*.sst"), key=lambda path: path.stat().st_size)
    for seed in range(1_000):
        damage = rot_table(folder, seed)
        if damage.file == largest:
            return damage
        damage.undo()
    raise AssertionError("no seed hits it")


@pytest.mark.parametrize(
    ("number", "rot"),
    [
        pytest.param(signal.SIGKILL, rot_wal, id="log"),
        pytest.param(signal.SIGTERM, rot_largest_table, id="table"),
    ],
)
async def test_a_damaged_copy_is_refused_and_not_missed(
    cluster: Cluster, number: signal.Signals, rot: Callable[[Path, int], Damage]
) -> None:
    silences = Silences("leader damaged while it was down")
    async with traffic_of(cluster, "rot") as traffic:
        damages: list[Damage] = []

        async def damage() -> None:
            await traffic.everybody_sent(15)
            victim = await busiest(cluster, traffic)
            orphans = await led_by(cluster, traffic, victim)
            began = time.monotonic()
            damages.append(await _rot_while_down(cluster, victim, number, rot))
            print(f"\n{damages[0]}")
            await wait_leads_nothing(cluster, victim, TAKEN_OVER_S)
            await asyncio.to_thread(_wait_refused, cluster, victim)
            await traffic.everybody_sent(10)
            silences.add(traffic, orphans, began)

        await traffic.run(damage)
        await _check(traffic, "two of three")
        print(silences)
        cluster.halt()
        damages[0].undo()
        await asyncio.to_thread(cluster.start)
        traffic.doors.refresh()
        await wait_caught_up(cluster)
        await _check(traffic, "all three again")


async def _rot_while_down(
    cluster: Cluster, victim: str, number: int, rot: Callable[[Path, int], Damage]
) -> Damage:
    assert cluster.supervisor is not None
    with paused(cluster.supervisor.pid):
        gone = process(cluster.process(victim).pid)
        os.kill(gone.pid, number)
        await asyncio.to_thread(wait_for, lambda: not gone.is_alive, DOWN_S, lambda: "it stays")
        return await asyncio.to_thread(rot, cluster.dir / "nodes" / victim, 1)


def _wait_refused(cluster: Cluster, victim: str) -> None:
    """It was started again, found the damage, said what to do about it, and is left alone."""

    def ends() -> list[int]:
        return [
            event["exit_code"]
            for event in cluster.events()
            if event["event"] == "process.ended" and event["name"] == victim
        ]

    wait_for(lambda: EXIT_STORE_REFUSED in ends(), TAKEN_OVER_S, cluster.said)
    log = (cluster.dir / "run" / "logs" / f"{victim}.log").read_text()
    assert all(words in log for words in CURE), log[-2_000:]


async def _check(traffic: Traffic, who: str) -> None:
    findings = await traffic.check()
    print(f"{who}: {findings}")
    assert findings.is_clean, (str(findings), findings.examples[:5])
