"""Which node leads which channel of a running cluster, by its coordinator."""

from __future__ import annotations

from collections.abc import Iterable

from hubbub.coordinator.cluster import ClusterView
from hubbub.coordinator.open import open_coordinator
from hubbub.ring.hashing import slot_of
from tests.support.cluster import Cluster


async def view_of(cluster: Cluster) -> ClusterView:
    """The map and the processes as they are now."""
    coordinator = open_coordinator(f"solo:{cluster.dir / 'coordinator.sqlite'}")
    try:
        view = ClusterView(coordinator)
        await view.load()
        return view
    finally:
        await coordinator.close()


async def leaders_of(cluster: Cluster, channels: Iterable[str]) -> dict[str, str]:
    """Channel → name of the node that leads its slot."""
    view = await view_of(cluster)
    record = view.cluster
    found = {}
    for channel in channels:
        leader = view.slot_map.leader_of(
            slot_of(cluster.file.app, channel, record.slots, record.seed)
        )
        found[channel] = leader.node if leader is not None else ""
    return found
