"""The network between nodes is cut, in whole and in part, one way and both: and heals by itself.

Each node and each router is a host of its own. While a cut lasts, a majority goes on, and who is
without one acknowledges nothing. Once the cut is over, everybody is in step again without a word
from anybody. HUBBUB_CUT_S is how long a cut lasts (3).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

import pytest

from tests.support.chaos.hosts import HostCluster
from tests.support.chaos.netns import Network
from tests.support.harm import (
    CHANNELS,
    NODES,
    ROUNDS,
    SHAPE,
    TAKEN_OVER_S,
    Silences,
    asking,
    busiest,
    lasted,
    led_by,
    stay_follower,
    traffic_of,
    wait_caught_up,
    wait_leads_nothing,
)
from tests.support.traffic import Traffic

CUT_S = float(os.environ.get("HUBBUB_CUT_S", "3"))
ROUTERS = ("router-1", "router-2")
Cut = Callable[[Network, str, list[str]], None]  # of a leader, from its peers

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120 + (90 + 10 * CUT_S) * ROUNDS)]


def from_its_peers(network: Network, leader: str, peers: list[str]) -> None:
    network.split([leader], peers)


def from_everybody(network: Network, leader: str, peers: list[str]) -> None:
    network.split([leader], [*peers, *ROUTERS])


def mute(network: Network, leader: str, peers: list[str]) -> None:
    for peer in peers:
        network.cut(leader, peer)


def deaf(network: Network, leader: str, peers: list[str]) -> None:
    for peer in peers:
        network.cut(peer, leader)


def from_one_peer(network: Network, leader: str, peers: list[str]) -> None:
    network.split([leader], peers[:1])


REPLACED: list[tuple[str, Cut]] = [
    ("leader without its peers", from_its_peers),
    ("leader alone", from_everybody),
    ("leader that nobody hears", mute),
    ("leader that hears nobody", deaf),
]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[HostCluster]:
    stay_follower(monkeypatch)
    with HostCluster("--profile", "bench", **SHAPE) as running:
        yield running


async def test_a_cut_costs_nothing_but_time(cluster: HostCluster) -> None:
    silences = {name: Silences(name) for name, _ in REPLACED}
    between = Silences("link between two nodes")
    async with traffic_of(cluster, "cut") as traffic:

        async def cut() -> None:
            for _ in range(ROUNDS):
                for name, harm in REPLACED:
                    await _replaced(cluster, traffic, harm, silences[name])
                await _not_replaced(cluster, traffic, between)

        async with asking(traffic) as heads:
            await traffic.run(cut)
        findings = await traffic.check(view for session in heads for view in session.views)
        asked = sum(len(session.views) for session in heads)
        stale = [story for session in heads for story in session.stale()]
        print(*silences.values(), between, findings, sep="\n")
        print(f"of {asked} heads {len(stale)} were older than what somebody had acknowledged")
        assert findings.is_clean, (str(findings), findings.examples[:5])
        assert asked > CHANNELS
        for reader in traffic.readers:
            assert reader.resumes == 0, "a cut between nodes is no business of a connection"


async def _replaced(cluster: HostCluster, traffic: Traffic, harm: Cut, silences: Silences) -> None:
    """The leader's slots are led by others while it is cut off."""
    await traffic.everybody_sent(5)
    leader = await busiest(cluster, traffic)
    orphans = await led_by(cluster, traffic, leader)
    began = time.monotonic()
    harm(cluster.network, leader, [name for name in NODES if name != leader])
    await wait_leads_nothing(cluster, leader, TAKEN_OVER_S)
    await _heal(cluster, traffic, began)
    silences.add(traffic, orphans, began)


async def _not_replaced(cluster: HostCluster, traffic: Traffic, silences: Silences) -> None:
    """Two nodes that do not reach each other both reach the third: nobody has to go."""
    await traffic.everybody_sent(5)
    leader = await busiest(cluster, traffic)
    before = await led_by(cluster, traffic, leader)
    began = time.monotonic()
    peers = [name for name in NODES if name != leader]
    from_one_peer(cluster.network, leader, peers)
    await lasted(began, CUT_S)
    assert cluster.network.dropped(leader, peers[0]), "nothing was cut"
    await _heal(cluster, traffic, began)
    silences.add(traffic, traffic.channels, began)
    assert await led_by(cluster, traffic, leader) == before


async def _heal(cluster: HostCluster, traffic: Traffic, began: float) -> None:
    await traffic.everybody_sent(3)
    await lasted(began, CUT_S)
    cluster.network.heal()
    await wait_caught_up(cluster)
    await traffic.everybody_sent(3)
