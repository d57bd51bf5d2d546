"""With three copies a dead node is replaced by its peers: within seconds, and nothing is lost.

Two edges carry the traffic; who sends in batches finds his messages in his order. HUBBUB_KILLS (3)
is how often a leader dies; 200 is the long form.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from random import Random

import pytest

from tests.support.batches import batches_of
from tests.support.cluster import Cluster
from tests.support.harm import CHANNELS, Silences, three_copies, traffic_of
from tests.support.leaders import leaders_of

KILLS = int(os.environ.get("HUBBUB_KILLS", "3"))

pytestmark = [pytest.mark.alone, pytest.mark.faults, pytest.mark.timeout(120 + 20 * KILLS)]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with three_copies() as running:
        yield running


async def test_the_others_go_on_and_nothing_is_lost(cluster: Cluster) -> None:
    random, silences = Random(1), Silences(f"leader killed {KILLS} times")
    async with traffic_of(cluster, "leader") as traffic:

        async def kill_leaders() -> None:
            for _ in range(KILLS):
                await traffic.sent_more(CHANNELS * 5)
                leaders = await leaders_of(cluster, traffic.channels)
                victim = random.choice(sorted(set(leaders.values())))
                pid = cluster.kill(victim)
                killed_at = time.monotonic()
                await asyncio.to_thread(cluster.wait_restarted, victim, pid)
                await traffic.everybody_sent(2)
                orphans = [channel for channel, leader in leaders.items() if leader == victim]
                silences.add(traffic, orphans, killed_at)
            await traffic.sent_more(CHANNELS * 5)

        async with batches_of(cluster, "killed", lambda: traffic.sent_more(CHANNELS)) as batches:
            await traffic.run(kill_leaders)
            print(f"\n{batches.stored} of each channel by batch, {batches.repeated} sent again")
        findings = await traffic.check()
        print(f"\n{silences}; {findings}")
        assert findings.is_clean, (str(findings), findings.examples[:5])
        await traffic.check_retries(random, 50)
        for reader in traffic.readers:
            assert reader.resumes == 0, "a node's death is no business of a client's connection"
