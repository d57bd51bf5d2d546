"""With three copies a dead node is replaced by its peers: within seconds, and nothing is lost.

Two edges carry the traffic. HUBBUB_KILLS (3) is how often a leader dies; 200 is the long form.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from random import Random
from statistics import median, quantiles

import pytest

from tests.support.cluster import Cluster
from tests.support.leaders import leaders_of
from tests.support.traffic import Traffic

KILLS = int(os.environ.get("HUBBUB_KILLS", "3"))
CHANNELS = SENDERS = 24
GAP_S = 0.05
FAILOVER_S = 15.0  # a send has failed after this; how long it took is reported

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120 + 20 * KILLS)]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster("--profile", "bench", nodes=3, routers=2, edges=2, copies=3) as running:
        yield running


async def test_the_others_go_on_and_nothing_is_lost(cluster: Cluster) -> None:
    random, silences = Random(1), list[float]()
    async with Traffic(
        cluster, "leader", channels=CHANNELS, senders=SENDERS, gap_s=GAP_S
    ) as traffic:

        async def kill_leaders() -> None:
            for _ in range(KILLS):
                await traffic.sent_more(SENDERS * 5)
                leaders = await leaders_of(cluster, traffic.channels)
                victim = random.choice(sorted(set(leaders.values())))
                pid = cluster.kill(victim)
                killed_at = time.monotonic()
                await asyncio.to_thread(cluster.wait_restarted, victim, pid)
                await traffic.everybody_sent(2)
                orphans = [channel for channel, leader in leaders.items() if leader == victim]
                silences.extend(traffic.silence_s(channel, killed_at) for channel in orphans)
            await traffic.sent_more(SENDERS * 5)

        await traffic.run(kill_leaders)
        findings = await traffic.check()
        p99 = quantiles(silences, n=100)[98]
        print(
            f"{KILLS} kills, {len(silences)} orphaned channels, silent for {median(silences):.2f} s"
            f" (median), {p99:.2f} s (p99), {max(silences):.2f} s (longest); {findings}"
        )
        assert findings.is_clean, (str(findings), findings.examples[:5])
        assert max(silences) < FAILOVER_S
        await traffic.check_retries(random, 50)
        for reader in traffic.readers:
            assert reader.resumes == 0, "a node's death is no business of a client's connection"
