"""A router dies under load: no send fails, no event is missing, with one router left or none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.support.cluster import Cluster
from tests.support.traffic import Traffic

SENDERS = 20
GAP_S = 0.1  # of one sender: 200 messages a second in all
CHANNELS = 10

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]


@pytest.fixture(params=[2, 1], ids=["one-left", "none-left"])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with Cluster("--profile", "bench", nodes=1, routers=request.param, edges=2) as running:
        yield running


async def test_no_send_fails_and_nothing_is_missed(cluster: Cluster) -> None:
    async with Traffic(
        cluster, "router", channels=CHANNELS, senders=SENDERS, gap_s=GAP_S
    ) as traffic:

        async def kill_in_turn() -> None:
            for name in [entry.name for entry in cluster.of_role("router")]:
                await traffic.sent_more(SENDERS * 10)
                pid = cluster.kill(name)
                await asyncio.to_thread(cluster.wait_restarted, name, pid)
            await traffic.sent_more(SENDERS * 10)

        await traffic.run(kill_in_turn)
        findings = await traffic.check()
        assert findings.is_clean, (str(findings), findings.examples[:5])
        for reader in traffic.readers:
            assert reader.resumes == 0, "a router's death is no business of a client's connection"
