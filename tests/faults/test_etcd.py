"""Three etcd members under guarded writes and watches: killed, stopped, cut off, without a quorum.

What must hold: a write that was answered is there, each change reaches every watch once and in
order, nothing goes back, and whoever cannot answer says so instead of waiting in silence.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from hubbub.coordinator.api import Coordinator, CoordinatorUnavailable, Guard, Put
from hubbub.coordinator.cluster import (
    ClusterView,
    ProcessRecord,
    claim_slots,
    create_cluster,
    place_slots,
    register,
)
from hubbub.coordinator.etcd import CALL_S, EtcdCoordinator
from tests.support.etcd import Etcd
from tests.support.etcd_peers import EtcdPeers

DEADLINE_S = 60
MEMBERS = 3
WRITERS = 3
PROGRESS_S = 1.0

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]


class Stage:
    """The members, and connections to them that are closed at the end."""

    def __init__(self, etcd: Etcd, stack: AsyncExitStack) -> None:
        self.etcd = etcd
        self._stack = stack

    def open(self, *indexes: int, call_s: float = CALL_S) -> EtcdCoordinator:
        """A connection to these members, in this order."""
        urls = [self.etcd.urls[index] for index in indexes]
        made = EtcdCoordinator(urls, "faults", call_s=call_s, progress_s=PROGRESS_S)
        self._stack.push_async_callback(made.close)
        return made

    async def leader(self) -> int:
        return await asyncio.to_thread(self.etcd.leader)

    async def do(self, harm: Callable[[int], None], index: int) -> None:
        """Something of `Etcd` that may block."""
        await asyncio.to_thread(harm, index)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        etcd = Etcd(MEMBERS)
        stack.callback(etcd.stop)
        await asyncio.to_thread(etcd.start)
        yield Stage(etcd, stack)


def led_by(leader: int) -> list[int]:
    """All members, the leader first: what is done to it is felt."""
    return [leader, *(index for index in range(MEMBERS) if index != leader)]


class Load:
    """Writers that count up, each step guarded, and a watch that must see each step once."""

    def __init__(self, writers: Sequence[Coordinator], watching: Coordinator) -> None:
        self.steps = [0] * len(writers)
        self.seen: dict[str, list[int]] = {}
        self.revisions: list[int] = []
        self.unavailable = 0
        self._writers = writers
        self._watching = watching
        self._stopped = False

    async def run(self, harm: Callable[[], Awaitable[None]]) -> None:
        """Write and watch while harm is done, and until the watch has seen all of it."""
        revision = (await self._watching.range(""))[1]
        async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
            following = tasks.create_task(self._follow(revision))
            writing = [tasks.create_task(self._write(i)) for i in range(len(self._writers))]
            await self.more(20)
            await harm()
            await self.more(20)
            self._stopped = True
            await _until(lambda: all(task.done() for task in writing))
            await _until(self.has_seen_all)
            following.cancel()
        for i, steps in enumerate(self.steps):
            assert self.seen[f"/writer/{i}"] == list(range(1, steps + 1))
        assert self.revisions == sorted(self.revisions)

    async def more(self, steps: int) -> None:
        """Until every writer got further by so many steps."""
        aims = [step + steps for step in self.steps]
        await _until(lambda: all(s >= aim for s, aim in zip(self.steps, aims, strict=True)))

    def has_seen_all(self) -> bool:
        return all(
            self.seen.get(f"/writer/{i}", [0])[-1] >= steps for i, steps in enumerate(self.steps)
        )

    async def _write(self, number: int) -> None:
        coordinator, key = self._writers[number], f"/writer/{number}"
        while not self._stopped:
            try:
                found = await coordinator.get(key)
                step = int(found.value) if found is not None else 0
                # One that was not answered may have been done: then its value is there.
                assert step in (self.steps[number], self.steps[number] + 1)
                self.steps[number] = step
                guard = Guard(key, found.mod_revision if found is not None else 0)
                if (await coordinator.transact([guard], [Put(key, b"%d" % (step + 1))])).succeeded:
                    self.steps[number] = step + 1
            except CoordinatorUnavailable:
                self.unavailable += 1
                await asyncio.sleep(0.02)
        await self._settle(number)

    async def _settle(self, number: int) -> None:
        """What the last write came to, if it was not answered."""
        while True:
            try:
                found = await self._writers[number].get(f"/writer/{number}")
            except CoordinatorUnavailable:
                continue
            assert found is not None
            assert int(found.value) >= self.steps[number]  # what was answered is there
            self.steps[number] = int(found.value)
            return

    async def _follow(self, revision: int) -> None:
        while True:
            try:
                async for events in self._watching.watch("/writer/", revision + 1):
                    for event in events:
                        assert event.record is not None
                        self.seen.setdefault(event.key, []).append(int(event.record.value))
                        self.revisions.append(event.revision)
                    revision = events[-1].revision
            except CoordinatorUnavailable:
                await asyncio.sleep(0.05)


async def test_the_leader_is_killed(stage: Stage) -> None:
    order = led_by(await stage.leader())
    watching = stage.open(*order)
    load = Load([stage.open(*order) for _ in range(WRITERS)], watching)

    async def harm() -> None:
        await stage.do(stage.etcd.kill, order[0])
        await load.more(50)

    await load.run(harm)
    assert await stage.leader() != order[0]
    assert watching.statistics().rewatches >= 1


async def test_every_member_is_killed_in_turn(stage: Stage) -> None:
    load = Load([stage.open(i, *led_by(i)) for i in range(WRITERS)], stage.open(*range(MEMBERS)))

    async def harm() -> None:
        for index in range(MEMBERS):
            await stage.do(stage.etcd.kill, index)
            await load.more(20)
            await stage.do(stage.etcd.restart, index)

    await load.run(harm)


@pytest.mark.parametrize("is_leader", [True, False], ids=["leader", "follower"])
async def test_the_member_of_a_watch_stands_still(stage: Stage, is_leader: bool) -> None:
    """Its connection stays open and says nothing: only the deadline tells."""
    order = led_by(await stage.leader())
    stopped = order[0] if is_leader else order[1]
    others = [index for index in order if index != stopped]
    watching = stage.open(stopped, *others)
    load = Load([stage.open(*others) for _ in range(WRITERS)], watching)

    async def harm() -> None:
        seen = len(load.revisions)
        await stage.do(stage.etcd.pause, stopped)
        await load.more(50)
        await _until(lambda: len(load.revisions) > seen + 50)  # while the member stands still
        await stage.do(stage.etcd.go_on, stopped)

    await load.run(harm)
    assert watching.statistics().rewatches >= 1


async def test_without_a_quorum_everything_is_unavailable_and_comes_back(stage: Stage) -> None:
    coordinator = stage.open(*range(MEMBERS), call_s=1.0)
    lease = await coordinator.lease_grant(120_000)
    start = (await coordinator.transact([], [Put("/a", b"1", lease)])).revision
    watch = coordinator.watch("/", start)
    assert len(await anext(watch)) == 1
    for index in (1, 2):
        await stage.do(stage.etcd.pause, index)
    calls: list[Coroutine[Any, Any, object]] = [
        coordinator.get("/a"),
        coordinator.range("/"),
        coordinator.transact([], [Put("/b", b"")]),
        coordinator.lease_grant(1_000),
        anext(watch),
        _keep(coordinator, lease),
    ]
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
        for call in calls:
            tasks.create_task(_is_unavailable(call))
    for index in (1, 2):
        await stage.do(stage.etcd.go_on, index)
    async with asyncio.timeout(DEADLINE_S):
        record = await _when_available(lambda: coordinator.get("/a"))
        await _when_available(lambda: coordinator.lease_keepalive(lease))
        await _when_available(lambda: coordinator.transact([], [Put("/c", b"")]))
        keys = [event.key async for event in _changes(coordinator, start, "/c")]
    assert record is not None
    assert record.mod_revision == start
    assert keys in (["/a", "/c"], ["/a", "/b", "/c"])  # that write's outcome was unknown


async def test_a_minority_member_that_is_cut_off_holds_nobody(stage: Stage) -> None:
    """The clients still reach it. What it knows is old, and it must not be believed."""
    async with _peers(stage) as peers:
        cut_off = (await stage.leader() + 1) % MEMBERS
        others = [index for index in range(MEMBERS) if index != cut_off]
        alone = stage.open(cut_off, call_s=1.0)
        load = Load(
            [stage.open(cut_off, *others) for _ in range(WRITERS)], stage.open(cut_off, *others)
        )

        async def harm() -> None:
            await alone.get("/writer/0")
            watch = alone.watch("/", 1 + (await alone.range("/"))[1])
            peers.isolate(cut_off)
            await load.more(50)
            for call in (alone.get("/writer/0"), alone.transact([], [Put("/lost", b"")])):
                await _is_unavailable(call)
            await _ends_unavailable(watch)
            assert peers.cut > 0
            peers.heal()

        await load.run(harm)
        record = await _when_available(lambda: alone.get("/writer/0"))
        assert record is not None
        assert int(record.value) == load.steps[0]


async def test_the_leader_is_cut_off(stage: Stage) -> None:
    """For a moment it takes itself for the leader still: what it answers must be true even so."""
    async with _peers(stage) as peers:
        order = led_by(await stage.leader())
        load = Load([stage.open(*order) for _ in range(WRITERS)], stage.open(*order))

        async def harm() -> None:
            peers.isolate(order[0])
            await load.more(50)
            assert await stage.leader() is not None
            peers.heal()
            await load.more(20)

        await load.run(harm)


async def test_a_lease_outlives_the_leader(stage: Stage) -> None:
    """A process that beats is never taken for dead because of an election, nor is its picture."""
    order = led_by(await stage.leader())
    coordinator, other = stage.open(*order), stage.open(*order)
    await create_cluster(coordinator, 256)
    await place_slots(coordinator, {slot: ("s1",) for slot in range(256)})
    registration = await register(coordinator, ProcessRecord(name="n1", role="node", boot_id=1))
    view = ClusterView(other)
    await view.load()
    went: list[str] = []
    view.on_change(lambda kind, name: went.append(name) if name not in view.nodes else None)
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(registration.keep()), tasks.create_task(view.follow())]
        await stage.do(stage.etcd.kill, order[0])
        claimed = await _when_available(
            lambda: claim_slots(coordinator, view, "n1", 1, range(256), member="s1")
        )
        await view.wait_until(lambda: len(view.slot_map.slots_led_by("n1", 1)) == 256)
        lease = registration.lease
        for _ in range(3):  # beats after the election
            await _when_available(lambda: coordinator.lease_keepalive(lease))
        await stage.do(stage.etcd.restart, order[0])
        for task in running:
            task.cancel()
    assert len(claimed) == 256
    assert registration.renewals == 0
    assert "n1" in view.nodes
    assert [name for name in went if name == "n1"] == []


@asynccontextmanager
async def _peers(stage: Stage) -> AsyncIterator[EtcdPeers]:
    """The stage's etcd replaced by one whose members can be cut off."""
    async with EtcdPeers(MEMBERS) as peers:
        stage.etcd.stop()
        stage.etcd = peers.etcd
        try:
            await asyncio.to_thread(peers.etcd.start)
            yield peers
        finally:
            await asyncio.to_thread(peers.etcd.stop)


async def _changes(coordinator: Coordinator, start: int, last: str) -> AsyncIterator[Any]:
    async for events in coordinator.watch("/", start):
        for event in events:
            yield event
            if event.key == last:
                return


async def _is_unavailable(call: Awaitable[object]) -> None:
    with pytest.raises(CoordinatorUnavailable):
        await call


async def _keep(coordinator: Coordinator, lease: int) -> None:
    """Renew for ever: a leader asks nobody for that, until it knows that it leads no longer."""
    while True:
        await coordinator.lease_keepalive(lease)
        await asyncio.sleep(0.05)


async def _ends_unavailable(watch: AsyncIterator[object]) -> None:
    with pytest.raises(CoordinatorUnavailable):
        await _drain(watch)


async def _drain(watch: AsyncIterator[object]) -> None:
    async for _ in watch:
        pass


async def _until(condition: Callable[[], bool]) -> None:
    """Within the deadline of whoever waits."""
    while True:
        if condition():
            return
        await asyncio.sleep(0.01)


async def _when_available(call: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                return await call()
            except CoordinatorUnavailable:
                await asyncio.sleep(0.05)
