"""Every process dies at the same moment, the supervisor first: after the restart nothing is lost.

HUBBUB_ROUNDS is how often.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from random import Random

import pytest

from tests.support.cluster import Cluster
from tests.support.harm import CHANNELS, ROUNDS, Silences, three_copies, traffic_of

# Nobody can be answered while nobody runs: here a send may wait as long as a start may take.
RESTARTED_S = 90.0

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120 + 60 * ROUNDS)]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with three_copies() as running:
        yield running


async def test_all_killed_at_once_lose_nothing(cluster: Cluster) -> None:
    silences, starts_s = Silences("all killed and started again"), list[float]()
    async with traffic_of(cluster, "all", deadline_s=RESTARTED_S) as traffic:

        async def kill_all() -> None:
            for _ in range(ROUNDS):
                await traffic.sent_more(CHANNELS * 10)
                killed_at = time.monotonic()
                await asyncio.to_thread(cluster.kill_all)
                started_at = time.monotonic()
                await asyncio.to_thread(cluster.start)
                starts_s.append(time.monotonic() - started_at)
                traffic.doors.refresh()
                await traffic.everybody_sent(3)
                silences.add(traffic, traffic.channels, killed_at)

        await traffic.run(kill_all)
        findings = await traffic.check()
        print(f"\n{silences}; ready after {max(starts_s):.1f} s at most; {findings}")
        assert findings.is_clean, (str(findings), findings.examples[:5])
        await traffic.check_retries(Random(1), 50)
