"""The coordinator is not on a message's way: while all of etcd is gone, nobody's send fails.

HUBBUB_AWAY_S (6) is how long it is gone; 60 is the long form.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from random import Random

import pytest

from tests.support.cluster import Cluster
from tests.support.etcd import Etcd
from tests.support.traffic import Traffic

AWAY_S = float(os.environ.get("HUBBUB_AWAY_S", "6"))  # longer than a lease
CHANNELS = SENDERS = 12
GAP_S = 0.1

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120 + 2 * AWAY_S)]


@pytest.fixture
def etcd() -> Iterator[Etcd]:
    with Etcd(3) as members:
        yield members


@pytest.fixture
def cluster(etcd: Etcd) -> Iterator[Cluster]:
    words = ("--profile", "bench", "--slots", "64", "--coordinator", etcd.place("chat"))
    with Cluster(*words, nodes=3, routers=2, edges=2, copies=3) as running:
        yield running


async def test_sends_go_on_without_it_and_failover_after_it(cluster: Cluster, etcd: Etcd) -> None:
    async with Traffic(cluster, "away", channels=CHANNELS, senders=SENDERS, gap_s=GAP_S) as traffic:

        async def take_it_away() -> None:
            await traffic.everybody_sent(5)
            for number in range(3):
                await asyncio.to_thread(etcd.pause, number)
            before = traffic.count
            await asyncio.sleep(AWAY_S)  # harm: how long it is gone
            assert traffic.count - before > SENDERS * AWAY_S / GAP_S / 4, "sends went on"
            slowest = traffic.slowest_s
            for number in range(3):
                etcd.go_on(number)
            await traffic.everybody_sent(30)
            print(
                f"slowest send while it was away {slowest:.2f} s, with its return "
                f"{traffic.slowest_s:.2f} s"
            )
            pid = cluster.kill("node-1")
            await asyncio.to_thread(cluster.wait_restarted, "node-1", pid)
            await traffic.everybody_sent(5)

        await traffic.run(take_it_away)
        findings = await traffic.check()
        assert findings.is_clean, (str(findings), findings.examples[:5])
        await traffic.check_retries(Random(1), 30)
        for reader in traffic.readers:
            assert reader.resumes == 0
