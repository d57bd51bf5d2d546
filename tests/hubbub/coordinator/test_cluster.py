"""Making a cluster, registering, claiming slots: repeated, raced, and over a lost lease."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hubbub.coordinator.api import Coordinator, CoordinatorError, Put
from hubbub.coordinator.cluster import (
    AppRecord,
    ClusterView,
    NameTaken,
    ProcessRecord,
    claim_slots,
    create_app,
    create_cluster,
    place_slots,
    register,
    slot_key,
)
from hubbub.coordinator.open import open_coordinator
from hubbub.ring.map import Leader, SlotRecord, parse_slot_record

if TYPE_CHECKING:
    from tests.hubbub.coordinator.conftest import Store

DEADLINE_S = 20
SLOTS = 256


def node(name: str = "n1", boot_id: int = 1) -> ProcessRecord:
    return ProcessRecord(name=name, role="node", boot_id=boot_id, address=f"ipc:///{name}")


async def loaded(coordinator: Coordinator) -> ClusterView:
    view = ClusterView(coordinator)
    await view.load()
    return view


async def cluster_of_two(coordinator: Coordinator) -> ClusterView:
    """Slots dealt out over the copies s1 and s2, led by nobody."""
    await create_cluster(coordinator, SLOTS)
    await place_slots(coordinator, {slot: (f"s{slot % 2 + 1}",) for slot in range(SLOTS)})
    return await loaded(coordinator)


async def test_a_cluster_is_made_once(store: Store) -> None:
    connections = [store.open() for _ in range(4)]
    made = []

    async def create(coordinator: Coordinator) -> None:
        made.append(await create_cluster(coordinator, 1024))

    async with asyncio.TaskGroup() as tasks:
        for connection in connections:
            tasks.create_task(create(connection))
    assert len(made) == 4
    assert len(set(made)) == 1
    assert made[0].slots == 1024
    assert await create_cluster(connections[0], 64) == made[0]  # as it is, whatever was asked


async def test_clusters_differ(tmp_path: Path) -> None:
    made = []
    for name in ("a", "b"):
        coordinator = open_coordinator(f"solo:{tmp_path / name}")
        made.append(await create_cluster(coordinator, 64))
        await coordinator.close()
    assert made[0].id != made[1].id
    assert made[0].seed != made[1].seed


async def test_a_wrong_number_of_slots_is_refused(coordinator: Coordinator) -> None:
    with pytest.raises(ValueError, match="power of two"):
        await create_cluster(coordinator, 100)
    assert await coordinator.get("/cluster") is None


async def test_an_app_keeps_its_first_secrets(coordinator: Coordinator) -> None:
    first = AppRecord(app="demo", id_secret="a", token_secret="b", server_key="c")
    other = AppRecord(app="demo", id_secret="x", token_secret="y", server_key="z")
    assert await create_app(coordinator, first) == first
    assert await create_app(coordinator, other) == first


async def test_slots_are_placed_once_and_the_rest_later(coordinator: Coordinator) -> None:
    """Whoever made the cluster may have died half way."""
    half = {slot: ("s1",) for slot in range(0, SLOTS, 3)}
    assert await place_slots(coordinator, half) == sorted(half)
    plan = {slot: ("s2", "s3") for slot in range(SLOTS)}
    assert await place_slots(coordinator, plan) == [s for s in range(SLOTS) if s not in half]
    assert await place_slots(coordinator, plan) == []
    records, _ = await coordinator.range("/slots/")
    members = [parse_slot_record(record.value).members for record in records]
    assert members == [half.get(slot, plan[slot]) for slot in range(SLOTS)]


async def test_a_node_claims_what_it_holds_first(coordinator: Coordinator) -> None:
    view = await cluster_of_two(coordinator)
    claimed = await claim_slots(coordinator, view, "n1", 7, range(SLOTS), member="s1")
    assert sorted(claimed) == list(range(0, SLOTS, 2))
    for record in claimed.values():
        assert record == SlotRecord(
            term=1, leader=Leader("n1", 7), members=("s1",), prev=("s1",), activated=True
        )
    view = await loaded(coordinator)
    assert view.slot_map.slots_led_by("n1", 7) == sorted(claimed)
    assert not view.slot_map.complete()
    revisions = {view.slot_map.revision_of(slot) for slot in claimed}
    assert len(revisions) == SLOTS // 64  # transactions of 64 slots, claimed or not


async def test_claiming_again_changes_nothing(coordinator: Coordinator) -> None:
    view = await cluster_of_two(coordinator)
    first = await claim_slots(coordinator, view, "n1", 7, range(SLOTS), member="s1")
    view = await loaded(coordinator)
    assert await claim_slots(coordinator, view, "n1", 7, range(SLOTS), member="s1") == first
    assert (await coordinator.range(""))[1] == view.revision


async def test_a_restarted_node_takes_the_next_term(coordinator: Coordinator) -> None:
    view = await cluster_of_two(coordinator)
    await claim_slots(coordinator, view, "n1", 7, [0], member="s1")
    view = await loaded(coordinator)
    again = await claim_slots(coordinator, view, "n1", 8, [0], member="s1")
    assert (again[0].term, again[0].prev_term) == (2, 1)
    assert again[0].leader == Leader("n1", 8)


async def test_an_old_picture_is_no_hindrance(coordinator: Coordinator) -> None:
    view = await cluster_of_two(coordinator)
    await claim_slots(coordinator, view, "n1", 7, range(SLOTS), member="s1")
    claimed = await claim_slots(coordinator, view, "n1", 8, range(SLOTS), member="s1")
    assert {record.term for record in claimed.values()} == {2}


async def test_slots_that_moved_away_meanwhile_are_left_alone(coordinator: Coordinator) -> None:
    view = await cluster_of_two(coordinator)
    moved = SlotRecord(term=5, leader=Leader("n2", 1), members=("s2", "s1"))
    await coordinator.transact([], [Put(slot_key(0), moved.to_json())])
    claimed = await claim_slots(coordinator, view, "n1", 7, [0, 2], member="s1")
    assert sorted(claimed) == [2]
    found = await coordinator.get(slot_key(0))
    assert found is not None
    assert parse_slot_record(found.value) == moved


async def test_a_wiped_node_claims_nothing(coordinator: Coordinator) -> None:
    """Its storage id is new: an empty directory must not pass for the slot's data."""
    view = await cluster_of_two(coordinator)
    assert await claim_slots(coordinator, view, "n1", 7, range(SLOTS), member="s9") == {}


async def test_a_slot_that_was_never_placed_goes_to_the_claimant(
    coordinator: Coordinator,
) -> None:
    await create_cluster(coordinator, 16)
    view = await loaded(coordinator)
    claimed = await claim_slots(coordinator, view, "n1", 7, range(16))
    assert {record.members for record in claimed.values()} == {("n1",)}
    assert (await loaded(coordinator)).slot_map.complete()


async def test_of_two_that_claim_the_same_each_slot_has_one_leader(store: Store) -> None:
    """Two processes of one node (the old one not dead yet): terms tell them apart."""
    first = store.open()
    second = store.open()
    view = await cluster_of_two(first)
    results: list[dict[int, SlotRecord]] = []

    async def claim(coordinator: Coordinator, boot_id: int) -> None:
        try:
            results.append(
                await claim_slots(coordinator, view, "n1", boot_id, range(SLOTS), member="s1")
            )
        except CoordinatorError:
            results.append({})  # lost too often: allowed, and the other one has them

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(claim(first, 1))
        tasks.create_task(claim(second, 2))
    final = (await loaded(first)).slot_map
    for slot in range(0, SLOTS, 2):
        record = final.record_of(slot)
        assert record is not None
        said = [result[slot] for result in results if slot in result]
        assert record in said
        assert len({r.term for r in said}) == len(said)  # never the same term twice


async def test_a_process_registers_and_goes(coordinator: Coordinator) -> None:
    await create_cluster(coordinator, 16)
    registration = await register(coordinator, node())
    assert (await loaded(coordinator)).nodes == {"n1": node()}
    await registration.release()
    await registration.release()
    assert (await loaded(coordinator)).nodes == {}


async def test_a_restart_takes_its_name_over(coordinator: Coordinator) -> None:
    await create_cluster(coordinator, 16)
    old = await register(coordinator, node(boot_id=1))
    await register(coordinator, node(boot_id=2))
    await old.release()
    assert (await loaded(coordinator)).nodes["n1"].boot_id == 2


async def test_a_lost_lease_is_made_good(store: Store) -> None:
    """Suspended for longer than the lease: the record went, and comes again."""
    coordinator, other = store.open(), store.open()
    await create_cluster(coordinator, 16)
    registration = await register(coordinator, node(), ttl_ms=300)
    lost = registration.lease
    await other.lease_revoke(lost)
    view = await loaded(other)
    assert view.nodes == {}
    async with asyncio.TaskGroup() as tasks:
        background = [
            tasks.create_task(registration.keep()),
            tasks.create_task(view.follow()),
        ]
        async with asyncio.timeout(DEADLINE_S):
            await view.wait_until(lambda: bool(view.nodes))
        for task in background:
            task.cancel()
    assert registration.lease != lost
    assert (await loaded(other)).nodes == {"n1": node()}


async def test_a_zombie_steps_down(store: Store) -> None:
    """Its lease ended and a younger process took the name: it must not take it back."""
    coordinator, other = store.open(), store.open()
    await create_cluster(coordinator, 16)
    zombie = await register(coordinator, node(boot_id=1), ttl_ms=300)
    await other.lease_revoke(zombie.lease)
    await register(other, node(boot_id=2))
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(NameTaken):
            await zombie.keep()
    assert (await loaded(other)).nodes["n1"].boot_id == 2


async def test_keep_survives_an_absent_coordinator(store: Store) -> None:
    coordinator = store.open()
    await create_cluster(coordinator, 16)
    registration = await register(coordinator, node(), ttl_ms=60)
    await coordinator.close()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):  # several rounds, each of them unavailable
            await registration.keep()
