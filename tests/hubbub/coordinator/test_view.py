"""A process's picture of the cluster: whole, in order, and through trouble."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from hubbub.coordinator.api import (
    Coordinator,
    CoordinatorUnavailable,
    Delete,
    Put,
    Record,
    WatchEvent,
)
from hubbub.coordinator.cluster import (
    AppRecord,
    ClusterMissing,
    ClusterView,
    ProcessRecord,
    claim_slots,
    create_app,
    create_cluster,
    place_slots,
    register,
    slot_key,
)
from hubbub.ring.map import Leader

if TYPE_CHECKING:
    from tests.hubbub.coordinator.conftest import Store

DEADLINE_S = 20
PLAN = {slot: ("s1",) for slot in range(16)}


@asynccontextmanager
async def following(coordinator: Coordinator) -> AsyncIterator[ClusterView]:
    """A loaded view that follows while the block runs."""
    view = ClusterView(coordinator)
    await view.load()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(view.follow())
        try:
            yield view
        finally:
            task.cancel()


async def wait_until(view: ClusterView, condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        await view.wait_until(condition)


async def test_there_must_be_a_cluster(coordinator: Coordinator) -> None:
    with pytest.raises(ClusterMissing):
        await ClusterView(coordinator).load()


def test_an_unloaded_view_is_a_mistake(coordinator: Coordinator) -> None:
    with pytest.raises(AssertionError, match="load"):
        _ = ClusterView(coordinator).cluster
    with pytest.raises(AssertionError, match="load"):
        _ = ClusterView(coordinator).slot_map


async def test_load_reads_everything(coordinator: Coordinator) -> None:
    cluster = await create_cluster(coordinator, 16)
    await place_slots(coordinator, PLAN)
    app = AppRecord(app="demo", id_secret="a", token_secret="b", server_key="c")
    await create_app(coordinator, app)
    records = {
        role: ProcessRecord(name=f"{role}-1", role=role, boot_id=i)  # type: ignore[arg-type]
        for i, role in enumerate(("node", "router", "edge"))
    }
    for record in records.values():
        await register(coordinator, record)
    view = ClusterView(coordinator)
    told: list[tuple[str, str]] = []
    view.on_change(lambda kind, name: told.append((kind, name)))
    await view.load()
    assert view.cluster == cluster
    assert view.apps == {"demo": app}
    assert (view.nodes, view.routers, view.edges) == tuple(
        {record.name: record} for record in records.values()
    )
    assert [record.members for _, record in view.slot_map.items()] == [("s1",)] * 16
    assert view.revision == (await coordinator.range(""))[1]
    assert told[0] == ("cluster", cluster.id)
    assert set(told[1:]) == {
        ("app", "demo"),
        ("node", "node-1"),
        ("router", "router-1"),
        ("edge", "edge-1"),
        *(("slot", str(slot)) for slot in range(16)),
    }


async def test_it_follows_what_others_do(store: Store) -> None:
    writing, watching = store.open(), store.open()
    await create_cluster(writing, 16)
    async with following(watching) as view:
        slot_map = view.slot_map
        await place_slots(writing, PLAN)
        await claim_slots(writing, view, "n1", 7, range(16), member="s1")
        await wait_until(view, slot_map.complete)
        assert view.slot_map is slot_map
        assert slot_map.leader_of(15) == Leader("n1", 7)
        registration = await register(
            writing, ProcessRecord(name="r1", role="router", boot_id=3), ttl_ms=60_000
        )
        await wait_until(view, lambda: "r1" in view.routers)
        await registration.release()
        await wait_until(view, lambda: not view.routers)


async def test_a_dead_process_leaves_the_picture(store: Store) -> None:
    writing, watching = store.open(), store.open()
    await create_cluster(writing, 16)
    async with following(watching) as view:
        told: list[tuple[str, str]] = []
        view.on_change(lambda kind, name: told.append((kind, name)))
        await register(
            writing, ProcessRecord(name="n1", role="node", boot_id=3), ttl_ms=store.ttl_ms
        )
        await wait_until(view, lambda: len(told) == 2)
        assert told == [("node", "n1")] * 2
        assert view.nodes == {}


async def test_a_batch_is_applied_whole_before_anyone_is_told(coordinator: Coordinator) -> None:
    await create_cluster(coordinator, 16)
    async with following(coordinator) as view:
        seen: list[int] = []
        view.on_change(lambda kind, name: seen.append(len(list(view.slot_map.items()))))
        await place_slots(coordinator, PLAN)
        await wait_until(view, lambda: len(seen) == 16)
        assert seen == [16] * 16


async def test_an_unchanged_record_is_not_told(coordinator: Coordinator) -> None:
    await create_cluster(coordinator, 16)
    record = ProcessRecord(name="n1", role="node", boot_id=3)
    await register(coordinator, record)
    async with following(coordinator) as view:
        told: list[tuple[str, str]] = []
        view.on_change(lambda kind, name: told.append((kind, name)))
        await register(coordinator, record)
        await register(coordinator, ProcessRecord(name="n2", role="node", boot_id=4))
        await wait_until(view, lambda: "n2" in view.nodes)
        assert told == [("node", "n2")]


async def test_what_cannot_be_read_is_counted_and_left_out(coordinator: Coordinator) -> None:
    await create_cluster(coordinator, 16)
    await register(coordinator, ProcessRecord(name="good", role="node", boot_id=3))
    bad = [
        Put("/nodes/bad", b"\xff not json"),
        Put("/slots/00099", b"{}"),
        Put("/slots/none", b"{}"),
        Put("/apps/x", b'{"app":1}'),
    ]
    await coordinator.transact([], [*bad, Put("/else/where", b"ignored"), Put("/nodes/", b"")])
    async with following(coordinator) as view:
        assert view.statistics().unreadable == len(bad)
        assert list(view.nodes) == ["good"]
        await coordinator.transact([], [Put("/nodes/good", b"[]")])
        await wait_until(view, lambda: view.statistics().unreadable == len(bad) + 1)
        assert view.nodes["good"].boot_id == 3  # as it was
        await coordinator.transact([], [Delete("/nodes/good"), Delete("/nodes/bad")])
        await wait_until(view, lambda: not view.nodes)


async def test_a_view_that_slept_too_long_reads_everything_again(store: Store) -> None:
    """Its place in the history is gone: it must see deletes too, not only what is there."""
    writing, sleeping = store.open(), _Trouble(store.open())
    await create_cluster(writing, 16)
    gone = await register(writing, ProcessRecord(name="gone", role="node", boot_id=1))
    await place_slots(writing, {0: ("s1",), 1: ("s1",)})
    sleeping.hold()
    async with following(sleeping) as view:
        told: list[tuple[str, str]] = []
        view.on_change(lambda kind, name: told.append((kind, name)))
        await gone.release()
        await coordinator_change(writing)
        await store.compact()
        sleeping.wake()
        await wait_until(view, lambda: "new" in view.nodes)
        assert list(view.nodes) == ["new"]
        assert view.statistics().reloads == 1
        assert sorted(told) == [("node", "gone"), ("node", "new"), ("slot", "1")]
        assert view.slot_map.record_of(1) is None
        await writing.transact([], [Delete("/nodes/new")])
        await wait_until(view, lambda: not view.nodes)


async def coordinator_change(coordinator: Coordinator) -> None:
    """One process comes, one slot's record goes."""
    await register(coordinator, ProcessRecord(name="new", role="node", boot_id=2))
    await coordinator.transact([], [Delete(slot_key(1))])


async def test_it_goes_on_after_the_coordinator_was_away(store: Store) -> None:
    writing, troubled = store.open(), _Trouble(store.open())
    await create_cluster(writing, 16)
    troubled.failures = 2
    async with following(troubled) as view:
        await register(writing, ProcessRecord(name="n1", role="node", boot_id=2))
        await wait_until(view, lambda: "n1" in view.nodes)
        found = view.statistics()
        assert (found.unavailable, found.reloads) == (2, 0)


async def test_it_outlives_an_outage_while_it_reads_everything_again(store: Store) -> None:
    """History was cut and the store went away just then: that ended the process once."""
    writing, troubled = store.open(), _Trouble(store.open())
    await create_cluster(writing, 16)
    troubled.hold()
    async with following(troubled) as view:
        await register(writing, ProcessRecord(name="n1", role="node", boot_id=2))
        await store.compact()
        troubled.range_failures = 1
        troubled.wake()
        await wait_until(view, lambda: "n1" in view.nodes)
        assert troubled.range_failures == 0
        assert view.statistics().reloads == 2


async def test_the_number_of_slots_is_fixed(coordinator: Coordinator) -> None:
    await create_cluster(coordinator, 16)
    view = ClusterView(coordinator)
    await view.load()
    data = b'{"id":"x","slots":32,"seed":1,"generation":1}'
    await coordinator.transact([], [Put("/cluster", data)])
    with pytest.raises(Exception, match="slots of a cluster cannot change"):
        async with asyncio.timeout(DEADLINE_S):
            await view.follow()


async def test_a_new_generation_is_heard(coordinator: Coordinator) -> None:
    cluster = await create_cluster(coordinator, 16)
    async with following(coordinator) as view:
        data = b'{"id":"%s","slots":16,"seed":%d,"generation":2}' % (
            cluster.id.encode(),
            cluster.seed,
        )
        await coordinator.transact([], [Put("/cluster", data)])
        await wait_until(view, lambda: view.cluster.generation == 2)


class _Trouble:
    """A real coordinator whose watch fails a few times first, or starts only when told."""

    def __init__(self, real: Coordinator) -> None:
        self._real = real
        self._awake = asyncio.Event()
        self._awake.set()
        self.failures = self.range_failures = 0

        self.get = real.get
        self.transact = real.transact
        self.lease_grant = real.lease_grant
        self.lease_keepalive = real.lease_keepalive
        self.lease_revoke = real.lease_revoke
        self.close = real.close

    def hold(self) -> None:
        self._awake.clear()

    def wake(self) -> None:
        self._awake.set()

    async def range(self, prefix: str) -> tuple[list[Record], int]:
        if self.range_failures:
            self.range_failures -= 1
            raise CoordinatorUnavailable("away")
        return await self._real.range(prefix)

    async def watch(self, prefix: str, from_revision: int) -> AsyncIterator[list[WatchEvent]]:
        if self.failures:
            self.failures -= 1
            raise CoordinatorUnavailable("away")
        await self._awake.wait()
        async for events in self._real.watch(prefix, from_revision):
            yield events
