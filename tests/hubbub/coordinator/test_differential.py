"""The same random operations on a store and on a model of a few lines: same results, same watches.

Every store runs the same seeds against the same model, so that the stores agree with each other as
well. Revisions are compared by their distance from the empty store's; the seed is in the message.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

import pytest

from hubbub.coordinator.api import (
    Coordinator,
    Delete,
    Guard,
    LeaseExpired,
    Op,
    Put,
    Record,
    WatchEvent,
)

if TYPE_CHECKING:
    from tests.hubbub.coordinator.conftest import Store

DEADLINE_S = 30
STEPS = 300
KEYS = ("/a", "/a/1", "/a/2", "/a\U0010ffff", "/b", "/b/1", "/c", "plain")
PREFIXES = ("", "/", "/a", "/a/", "/b", "/none")


@dataclass
class Model:
    """What a coordinator is, without time. Revisions begin at 0; leases are numbered from 1."""

    revision: int = 0
    records: dict[str, Record] = field(default_factory=dict)
    events: list[WatchEvent] = field(default_factory=list)
    leases: set[int] = field(default_factory=set)

    def transact(self, guards: Sequence[Guard], ops: Sequence[Op]) -> tuple[bool, int] | str:
        for guard in guards:
            held = self.records.get(guard.key)
            if (held.mod_revision if held else 0) != guard.mod_revision:
                return False, self.revision
        if any(isinstance(op, Put) and op.lease and op.lease not in self.leases for op in ops):
            return "lease expired"
        self._apply(ops)
        return True, self.revision

    def revoke(self, lease: int) -> str:
        if lease not in self.leases:
            return "lease expired"
        self.leases.discard(lease)
        self._apply([Delete(key) for key, held in self.records.items() if held.lease == lease])
        return "revoked"

    def range(self, prefix: str) -> tuple[list[Record], int]:
        found = sorted(key for key in self.records if key.startswith(prefix))
        return [self.records[key] for key in found], self.revision

    def _apply(self, ops: Sequence[Op]) -> None:
        writes = [op for op in ops if isinstance(op, Put) or op.key in self.records]
        if not writes:
            return
        self.revision += 1
        for op in writes:
            record = None
            if isinstance(op, Put):
                held = self.records.get(op.key)
                created = held.create_revision if held else self.revision
                record = Record(op.key, op.value, created, self.revision, op.lease)
                self.records[op.key] = record
            else:
                del self.records[op.key]
            self.events.append(WatchEvent(op.key, record, self.revision))


class Run:
    """One seed's operations, done to the model and to the store, each result compared at once."""

    def __init__(self, coordinator: Coordinator, base: int, seed: int) -> None:
        self.coordinator = coordinator
        self.base = base
        self.seed = seed
        self.random = Random(seed)
        self.model = Model()
        self.leases: dict[int, int] = {0: 0}  # the model's number → the store's id
        self.names: dict[int, int] = {0: 0}
        self.done: list[str] = []

    async def step(self) -> None:
        kind = self.random.choices(
            ("transact", "get", "range", "grant", "keepalive", "revoke"), (10, 3, 2, 1, 1, 1)
        )[0]
        expected, found = await getattr(self, f"_{kind}")()
        assert found == expected, self.story()

    def story(self) -> str:
        return f"seed {self.seed}, step {len(self.done)}: " + "; ".join(self.done[-5:])

    async def _transact(self) -> tuple[object, object]:
        guards = [
            self._guard(key) for key in self.random.sample(KEYS, self.random.choice((0, 1, 2)))
        ]
        ops = [self._op(key) for key in self.random.sample(KEYS, self.random.choice((0, 1, 1, 3)))]
        self.done.append(f"transact {guards} {ops}")
        expected = self.model.transact(guards, ops)
        try:
            result = await self.coordinator.transact(
                [Guard(g.key, g.mod_revision and g.mod_revision + self.base) for g in guards],
                [
                    Put(op.key, op.value, self.leases[op.lease]) if isinstance(op, Put) else op
                    for op in ops
                ],
            )
        except LeaseExpired:
            return expected, "lease expired"
        return expected, (result.succeeded, result.revision - self.base)

    async def _get(self) -> tuple[object, object]:
        key = self.random.choice(KEYS)
        self.done.append(f"get {key}")
        found = await self.coordinator.get(key)
        return self.model.records.get(key), self.plain(found)

    async def _range(self) -> tuple[object, object]:
        prefix = self.random.choice(PREFIXES)
        self.done.append(f"range {prefix}")
        records, revision = await self.coordinator.range(prefix)
        plain = [self.plain(record) for record in records], revision - self.base
        return self.model.range(prefix), plain

    async def _grant(self) -> tuple[object, object]:
        number = len(self.leases)
        self.done.append(f"grant {number}")
        lease = await self.coordinator.lease_grant(600_000)
        self.leases[number], self.names[lease] = lease, number
        self.model.leases.add(number)
        return number, len(self.names) - 1

    async def _keepalive(self) -> tuple[object, object]:
        number = self._some_lease()
        self.done.append(f"keepalive {number}")
        try:
            await self.coordinator.lease_keepalive(self.leases[number])
        except LeaseExpired:
            return number in self.model.leases, False
        return number in self.model.leases, True

    async def _revoke(self) -> tuple[object, object]:
        number = self._some_lease()
        self.done.append(f"revoke {number}")
        expected = self.model.revoke(number)
        try:
            await self.coordinator.lease_revoke(self.leases[number])
        except LeaseExpired:
            return expected, "lease expired"
        return expected, "revoked"

    def plain(self, record: Record | None) -> Record | None:
        """A record of the store's in the model's numbers."""
        if record is None:
            return None
        return Record(
            record.key,
            record.value,
            record.create_revision - self.base,
            record.mod_revision - self.base,
            self.names[record.lease],
        )

    async def watched(self, prefix: str, start: int) -> None:
        """From `start` on a watch says what the model remembers, and no more."""
        expected = [
            e for e in self.model.events if e.key.startswith(prefix) and e.revision >= start
        ]
        assert expected
        events: list[WatchEvent] = []
        watch = self.coordinator.watch(prefix, self.base + start)
        assert isinstance(watch, AsyncGenerator)
        async with asyncio.timeout(DEADLINE_S), aclosing(watch):
            while not events or events[-1].revision < expected[-1].revision + self.base:
                batch = await anext(watch)
                assert not events or batch[0].revision > events[-1].revision, self.story()
                events += batch
        found = [
            WatchEvent(event.key, self.plain(event.record), event.revision - self.base)
            for event in events
        ]
        order = {(event.revision, event.key): event for event in found}
        assert len(order) == len(found), (self.story(), prefix, start)
        assert [order[place] for place in sorted(order)] == sorted(
            expected, key=lambda event: (event.revision, event.key)
        ), (self.story(), prefix, start)

    def _some_lease(self) -> int:
        """One that was granted, or is over; 1 before there is any."""
        if len(self.leases) == 1:
            self.leases[1], self.names[(1 << 62) + 1] = (1 << 62) + 1, 1  # nobody granted it
        return self.random.randrange(1, len(self.leases))

    def _guard(self, key: str) -> Guard:
        """True two times of three, else of an older revision or of none."""
        held = self.model.records.get(key)
        right = held.mod_revision if held else 0
        if self.random.random() < 0.67:
            return Guard(key, right)
        return Guard(key, self.random.choice((0, max(right - 1, 1), self.model.revision + 5)))

    def _op(self, key: str) -> Op:
        if self.random.random() < 0.3:
            return Delete(key)
        lease = self._some_lease() if self.random.random() < 0.3 else 0
        return Put(key, self.random.randbytes(self.random.choice((0, 1, 40))), lease)


@pytest.mark.parametrize("seed", range(1, 6))
async def test_a_store_does_what_the_model_does(store: Store, base: int, seed: int) -> None:
    run = Run(store.open(), base, seed)
    async with asyncio.TaskGroup() as tasks:
        await _steps(run, STEPS // 2)
        live = run.model.revision + 1
        # One that follows while it happens, beside those below that read it all afterwards.
        following = tasks.create_task(_collect(store.open(), base + live, seed))
        await _steps(run, STEPS // 2)
        await run.coordinator.transact([], [Put("/end", b"")])
        run.model.transact([], [Put("/end", b"")])
    assert len({step.split()[0] for step in run.done}) == 6  # every kind came up
    expected = [e for e in run.model.events if e.revision >= live]
    assert sorted((e.revision - base, e.key) for e in following.result()) == sorted(
        (e.revision, e.key) for e in expected
    ), run.story()
    last = run.model.revision
    async with asyncio.TaskGroup() as tasks:
        for prefix in ("", "/", "/a", "/a/", "/b"):
            for start in (1, last // 3, live):
                tasks.create_task(run.watched(prefix, start))


async def _steps(run: Run, count: int) -> None:
    for _ in range(count):
        await run.step()


async def _collect(coordinator: Coordinator, start: int, seed: int) -> list[WatchEvent]:
    """What a watch of everything says until /end is written."""
    events: list[WatchEvent] = []
    try:
        async with asyncio.timeout(DEADLINE_S):
            async for batch in coordinator.watch("", start):
                events += batch
                if batch[-1].key == "/end":
                    break
    except TimeoutError:
        pytest.fail(f"seed {seed}: the watch saw {len(events)} changes and no end")
    return events
