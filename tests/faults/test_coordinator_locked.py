"""Nobody can write to the coordinator for longer than a lease lasts: chatting goes on.

Another process holds the write locks of its files, as a backup or a person with a shell may. What
every process then knows of the others is what they told each other. A node that dies meanwhile is
replaced once the coordinator is back. HUBBUB_LOCKED_S is how long it is away (5; 60 is the long
form, without a death).
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hubbub.coordinator.cluster import TTL_MS
from tests.support.cluster import Cluster
from tests.support.harm import (
    ROUNDS,
    Silences,
    ack_times,
    busiest,
    lasted,
    led_by,
    three_copies,
    traffic_of,
    wait_caught_up,
)

LOCKED_S = float(os.environ.get("HUBBUB_LOCKED_S", "5"))
KILLED_LOCKED_S = 4.0  # longer than a failover takes, and far from the end of a send's patience
LOCKER = """
import sqlite3, sys
held = [sqlite3.connect(path, isolation_level=None) for path in sys.argv[1:]]
for database in held:
    database.execute("PRAGMA busy_timeout = 10000")
    database.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120 + (60 + LOCKED_S) * ROUNDS)]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with three_copies() as running:
        yield running


async def test_a_coordinator_that_is_away_stops_no_message(cluster: Cluster) -> None:
    assert LOCKED_S * 1_000 > TTL_MS, "every lease is to end"
    away = Silences(f"coordinator locked for {LOCKED_S:.0f} s")
    killed = Silences(f"leader killed while it was locked for {KILLED_LOCKED_S:.0f} s")
    async with traffic_of(cluster, "locked") as traffic:

        async def lock() -> None:
            for _ in range(ROUNDS):
                await traffic.everybody_sent(10)
                began = time.monotonic()
                with _locked(cluster):
                    await lasted(began, LOCKED_S)
                    print(f"\nlocked: {ack_times(traffic, began, time.monotonic())}")
                await traffic.everybody_sent(20)
                away.add(traffic, traffic.channels, began)
                await wait_caught_up(cluster)

                victim = await busiest(cluster, traffic)
                orphans = await led_by(cluster, traffic, victim)
                with _locked(cluster):
                    began = time.monotonic()
                    pid = cluster.kill(victim)
                    await lasted(began, KILLED_LOCKED_S)
                await traffic.everybody_sent(3)
                killed.add(traffic, orphans, began)
                await asyncio.to_thread(cluster.wait_restarted, victim, pid)
                await wait_caught_up(cluster)

        await traffic.run(lock)
        findings = await traffic.check()
        print(f"{away}\n{killed}\n{findings}")
        assert findings.is_clean, (str(findings), findings.examples[:5])
        for reader in traffic.readers:
            assert reader.resumes == 0, "where the map is kept is no business of a connection"


@contextmanager
def _locked(cluster: Cluster) -> Iterator[None]:
    """Nobody writes to the coordinator's files inside, be it records or leases."""
    files = [cluster.dir / "coordinator.sqlite", *cluster.dir.glob("coordinator.sqlite.leases.*")]
    paths = [str(path) for path in files if not path.name.endswith(("-wal", "-shm"))]
    assert len(paths) == 2, paths
    words = [sys.executable, "-c", LOCKER, *paths]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as locker:
        assert locker.stdout is not None
        assert locker.stdout.readline() == b"locked\n"
        try:
            yield
        finally:
            locker.kill()
