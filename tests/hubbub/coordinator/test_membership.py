"""Places and plans in every coordinator: guarded, and seen by every view."""

from __future__ import annotations

import pytest

from hubbub.coordinator.api import Coordinator, Delete, Put
from hubbub.coordinator.cluster import ClusterView, create_cluster
from hubbub.coordinator.membership import (
    Changed,
    announce_storage,
    change,
    in_state,
    new_plan,
    put_plan,
    read_plan,
    read_storages,
)
from hubbub.coordinator.records import RebalanceRecord, StorageRecord, storage_key
from hubbub.ring.moves import unpack_targets

TARGETS = {slot: ("s1", "s2", "s3") for slot in range(16)}


def plan(state: str = "running") -> RebalanceRecord:
    made = new_plan("p1", TARGETS, 3, 7, 1_000, moves_per_node_max=2)
    return in_state(made, state, 2_000, 5) if state != "running" else made  # type: ignore[arg-type]


async def test_a_node_announces_its_place_and_keeps_its_state(coordinator: Coordinator) -> None:
    first = await announce_storage(coordinator, "s1", "node-1", "rack-1")
    assert first == StorageRecord(name="node-1", domain="rack-1")
    storages = await read_storages(coordinator)
    guard, put = storages.change("s1", "draining")
    await change(coordinator, [guard], [put])
    again = await announce_storage(coordinator, "s1", "node-1", "rack-2")
    assert again == StorageRecord(name="node-1", domain="rack-2", state="draining")
    assert await announce_storage(coordinator, "s1", "node-1", "rack-2") == again
    assert (await read_storages(coordinator)).records == {"s1": again}


async def test_a_place_that_changed_meanwhile_is_not_changed(coordinator: Coordinator) -> None:
    await announce_storage(coordinator, "s1", "node-1", "")
    storages = await read_storages(coordinator)
    await announce_storage(coordinator, "s1", "node-1", "elsewhere")
    for guard, op in (storages.change("s1", "leaving"), storages.remove("s1")):
        with pytest.raises(Changed):
            await change(coordinator, [guard], [op])
    guard, delete = (await read_storages(coordinator)).remove("s1")
    await change(coordinator, [guard], [delete])
    assert (await read_storages(coordinator)).records == {}


async def test_a_plan_and_what_led_to_it_are_written_together(coordinator: Coordinator) -> None:
    await announce_storage(coordinator, "s1", "node-1", "")
    assert await read_plan(coordinator) == (None, 0)
    storages = await read_storages(coordinator)
    await put_plan(coordinator, plan(), 0, [storages.change("s1", "draining")])
    written, revision = await read_plan(coordinator)
    assert written == plan()
    assert revision > 0
    assert (await read_storages(coordinator)).records["s1"].state == "draining"
    with pytest.raises(Changed):
        await put_plan(coordinator, plan(), 0)
    with pytest.raises(Changed):  # the place is another one by now
        await put_plan(coordinator, plan(), revision, [storages.change("s1", "active")])
    assert (await read_storages(coordinator)).records["s1"].state == "draining"
    await put_plan(coordinator, plan("paused"), revision)


def test_the_states_of_a_plan() -> None:
    assert (plan().since_ms, plan().since_left, plan().finished_ms) == (1_000, 7, 0)
    assert (plan("paused").since_left, plan("paused").finished_ms) == (7, 0)
    assert plan("done").finished_ms == plan("aborted").finished_ms == 2_000
    resumed = in_state(plan("paused"), "running", 3_000, 4)
    assert (resumed.since_ms, resumed.since_left) == (3_000, 4)
    assert unpack_targets(resumed.members, resumed.targets, 3) == list(TARGETS.values())


async def test_every_view_shows_places_and_the_plan(coordinator: Coordinator) -> None:
    await create_cluster(coordinator, 16)
    view = ClusterView(coordinator)
    await view.load()
    assert (view.storages, view.plan) == ({}, None)
    await announce_storage(coordinator, "s1", "node-1", "")
    await put_plan(coordinator, plan(), 0)
    told: list[tuple[str, str]] = []
    view.on_change(lambda kind, name: told.append((kind, name)))
    await view.load()
    assert view.storages == {"s1": StorageRecord(name="node-1")}
    assert view.plan == plan()
    assert sorted(told) == [("rebalance", "plan"), ("storage", "s1")]
    await coordinator.transact([], [Put(storage_key("s1"), b"not json")])
    await view.load()
    assert view.storages == {"s1": StorageRecord(name="node-1")}, "one bad key stops nobody"
    await coordinator.transact([], [Delete(storage_key("s1"))])
    await view.load()
    assert view.storages == {}
