"""A node stands still and goes on (SIGSTOP, SIGCONT), as a machine that swaps or is moved.

While it stands the others take over what it led; when it goes on it believes nothing of what it
knew: it commits nothing and answers nothing that is older than what others have acknowledged. A
node that leads nothing is not missed. HUBBUB_PAUSE_S is how long (4; 10 is the long form).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from tests.support.chaos.signals import paused
from tests.support.cluster import Cluster
from tests.support.harm import (
    CHANNELS,
    ROUNDS,
    TAKEN_OVER_S,
    Silences,
    ack_times,
    asking,
    busiest,
    lasted,
    led_by,
    stay_follower,
    three_copies,
    traffic_of,
    wait_caught_up,
    wait_leads_nothing,
)
from tests.support.traffic import Traffic

PAUSE_S = float(os.environ.get("HUBBUB_PAUSE_S", "4"))

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120 + (60 + 4 * PAUSE_S) * ROUNDS)]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    stay_follower(monkeypatch)
    with three_copies() as running:
        yield running


async def test_a_paused_node_commits_nothing_and_answers_nothing_stale(cluster: Cluster) -> None:
    leaders = Silences(f"leader paused for {PAUSE_S:.0f} s")
    followers = Silences(f"follower paused for {PAUSE_S:.0f} s")
    async with traffic_of(cluster, "pause") as traffic:

        async def pause() -> None:
            for _ in range(ROUNDS):
                await traffic.everybody_sent(10)
                victim = await busiest(cluster, traffic)
                orphans = await led_by(cluster, traffic, victim)
                began = await _pause(cluster, traffic, victim)
                leaders.add(traffic, orphans, began)
                print(f"\nall copies are there {await wait_caught_up(cluster):.1f} s later")
                calm = time.monotonic()
                await traffic.everybody_sent(20)
                print(f"before: {ack_times(traffic, calm, time.monotonic())}")
                assert not await led_by(cluster, traffic, victim), "it only follows now"
                began = await _pause(cluster, traffic, victim)
                followers.add(traffic, traffic.channels, began)
                print(f"follower paused: {ack_times(traffic, began, began + PAUSE_S)}")
                await wait_caught_up(cluster)

        async with asking(traffic) as heads:
            await traffic.run(pause)
        findings = await traffic.check(view for session in heads for view in session.views)
        asked = sum(len(session.views) for session in heads)
        print(f"{leaders}\n{followers}\n{asked} heads asked for; {findings}")
        assert findings.is_clean, (str(findings), findings.examples[:5])
        assert asked > CHANNELS
        for session in heads:
            assert not session.stale(), session.stale()[:5]
        for reader in traffic.readers:
            assert reader.resumes == 0, "a node's pause is no business of a client's connection"


async def _pause(cluster: Cluster, traffic: Traffic, victim: str) -> float:
    """Until everybody has sent during it and after it; when it began."""
    with paused(cluster.process(victim).pid):
        began = time.monotonic()
        await wait_leads_nothing(cluster, victim, TAKEN_OVER_S)
        await traffic.everybody_sent(3)
        await lasted(began, PAUSE_S)
    await traffic.everybody_sent(5)
    return began
