"""A disk that takes half a second for each sync: not felt from a follower; a leader has to go.

The node lives and answers all the while (gray failure): nobody suspects it, it judges itself.
HUBBUB_BLOCK_S is how long the sends are measured, with the fault and without it (4).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster import Cluster
from tests.support.harm import (
    NODES,
    Disks,
    Silences,
    ack_times,
    busiest,
    lasted,
    led_by,
    make_follower,
    stay_follower,
    three_copies_on_disks,
    traffic_of,
    wait_caught_up,
    wait_leads_nothing,
)
from tests.support.traffic import Traffic

BLOCK_S = float(os.environ.get("HUBBUB_BLOCK_S", "4"))
SLOW_MS = 500
GIVEN_UP_S = 30.0  # a leadership: the goal is 10 s, which a busy machine may miss

pytestmark = [pytest.mark.alone, pytest.mark.faults, pytest.mark.timeout(180 + 4 * BLOCK_S)]


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Cluster, Disks]]:
    stay_follower(monkeypatch)
    with three_copies_on_disks(tmp_path, monkeypatch) as running:
        yield running


async def test_a_slow_follower_is_not_felt_and_a_slow_leader_goes(
    rig: tuple[Cluster, Disks],
) -> None:
    cluster, disks = rig
    leaders = Silences(f"leader whose syncs take {SLOW_MS} ms")
    async with traffic_of(cluster, "slow") as traffic:

        async def slow_down() -> None:
            await traffic.everybody_sent(10)
            victim = NODES[-1]
            await make_follower(cluster, traffic, victim)
            print(f"\nsound disks: {await _block(traffic)}")
            disks[victim].delay_ms(SLOW_MS)
            print(f"follower's syncs take {SLOW_MS} ms: {await _block(traffic)}")
            disks[victim].heal()
            await wait_caught_up(cluster)

            victim = await busiest(cluster, traffic)
            orphans = await led_by(cluster, traffic, victim)
            began = time.monotonic()
            disks[victim].delay_ms(SLOW_MS)
            took_s = await wait_leads_nothing(cluster, victim, GIVEN_UP_S)
            print(f"leader's syncs take {SLOW_MS} ms: it led nothing any more after {took_s:.1f} s")
            print(f"until then: {ack_times(traffic, began, began + took_s)}")
            print(f"from then on: {await _block(traffic)}")
            leaders.add(traffic, orphans, began)
            assert not await led_by(cluster, traffic, victim), "it is not to come back as it is"
            disks[victim].heal()
            await traffic.everybody_sent(3)
            await wait_caught_up(cluster)

        await traffic.run(slow_down)
        findings = await traffic.check()
        print(f"{leaders}\n{findings}")
        assert findings.is_clean, (str(findings), findings.examples[:5])
        for reader in traffic.readers:
            assert reader.resumes == 0, "a node's disk is no business of a client's connection"


async def _block(traffic: Traffic) -> str:
    """Sends of a while."""
    began = time.monotonic()
    await lasted(began, BLOCK_S)
    await traffic.everybody_sent(1)
    return ack_times(traffic, began, began + BLOCK_S)
