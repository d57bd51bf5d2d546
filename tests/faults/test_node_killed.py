"""A node dies under load and is started again: what was sent under one cmid is stored once.

While it is away its channels cannot be written; the senders go on asking under the same id. The
readers keep their connections and miss nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from random import Random

import pytest

from tests.support.cluster import Cluster
from tests.support.traffic import Traffic

SENDERS = 20
GAP_S = 0.1
CHANNELS = 20  # on two nodes: each leads about half of them
WRITABLE_WITHIN_S = 10.0  # after the kill: restart, recovery, interest, retries

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster("--profile", "bench", nodes=2, routers=2, edges=2) as running:
        yield running


async def test_sends_succeed_after_the_restart_and_nothing_is_lost(cluster: Cluster) -> None:
    async with Traffic(cluster, "node", channels=CHANNELS, senders=SENDERS, gap_s=GAP_S) as traffic:

        async def kill_in_turn() -> None:
            for name in ("node-1", "node-2", "node-1"):
                await traffic.sent_more(SENDERS * 10)
                pid = cluster.kill(name)
                killed_at = time.monotonic()
                await asyncio.to_thread(cluster.wait_restarted, name, pid)
                await traffic.everybody_sent(2)
                assert time.monotonic() - killed_at < WRITABLE_WITHIN_S
            await traffic.sent_more(SENDERS * 10)

        await traffic.run(kill_in_turn)
        findings = await traffic.check()
        assert findings.is_clean, (str(findings), findings.examples[:5])
        await traffic.check_retries(Random(1), 50)
        for reader in traffic.readers:
            assert reader.resumes == 0, "a node's restart is no business of a client's connection"
