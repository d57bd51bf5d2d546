"""What every coordinator must do (the semantics of etcd 3): one suite for all of them.

Waits have deadlines; nothing here asserts how long something took.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hubbub.coordinator.api import (
    TRANSACTION_OPS_MAX,
    Compacted,
    Coordinator,
    CoordinatorUnavailable,
    Delete,
    Guard,
    LeaseExpired,
    Put,
    Record,
    WatchEvent,
    prefix_end,
)

if TYPE_CHECKING:
    from tests.hubbub.coordinator.conftest import Store

DEADLINE_S = 20  # for what takes milliseconds: only a hang or a loss reaches it
WRITER = Path(__file__).with_name("writer.py")
ROOT = WRITER.parents[3]


async def put(coordinator: Coordinator, key: str, value: bytes = b"v", lease: int = 0) -> int:
    """Write one record; its revision."""
    result = await coordinator.transact([], [Put(key, value, lease)])
    assert result.succeeded
    return result.revision


async def collect(
    coordinator: Coordinator, prefix: str, start: int, count: int
) -> list[WatchEvent]:
    """The first `count` events of a watch, or more if they come in the same batch."""
    events: list[WatchEvent] = []
    async with asyncio.timeout(DEADLINE_S), _watching(coordinator, prefix, start) as batches:
        async for batch in batches:
            assert batch
            events += batch
            if len(events) >= count:
                break
    return events


@asynccontextmanager
async def _watching(
    coordinator: Coordinator, prefix: str, start: int
) -> AsyncIterator[AsyncIterator[list[WatchEvent]]]:
    """A watch that is closed at the end, as a loop that breaks off does only some time later."""
    watch = coordinator.watch(prefix, start)
    try:
        yield watch
    finally:
        if isinstance(watch, AsyncGenerator):
            await watch.aclose()


async def wait_gone(coordinator: Coordinator, key: str) -> None:
    """Wait until a key's delete is seen by a watch."""
    records, revision = await coordinator.range(key)
    if not records:
        return
    async with asyncio.timeout(DEADLINE_S), _watching(coordinator, key, revision + 1) as batches:
        async for batch in batches:
            if any(event.key == key and event.record is None for event in batch):
                return


@contextmanager
def writer(store: Store, *args: object) -> Iterator[subprocess.Popen[str]]:
    """A process that uses the store; killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, str(WRITER), store.url, *map(str, args)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


class TestRecords:
    async def test_an_empty_store_has_a_revision(self, coordinator: Coordinator) -> None:
        records, revision = await coordinator.range("")
        assert records == []
        assert revision >= 1
        assert await coordinator.range("") == ([], revision)

    async def test_a_missing_key_is_none(self, coordinator: Coordinator) -> None:
        assert await coordinator.get("/nothing") is None

    async def test_the_first_write_has_the_next_revision(
        self, coordinator: Coordinator, base: int
    ) -> None:
        assert await put(coordinator, "/a", b"1") == base + 1
        assert await coordinator.get("/a") == Record("/a", b"1", base + 1, base + 1)

    async def test_a_write_keeps_the_create_revision(
        self, coordinator: Coordinator, base: int
    ) -> None:
        await put(coordinator, "/a", b"1")
        await put(coordinator, "/b")
        await put(coordinator, "/a", b"2")
        assert await coordinator.get("/a") == Record("/a", b"2", base + 1, base + 3)

    async def test_a_record_made_again_is_a_new_one(
        self, coordinator: Coordinator, base: int
    ) -> None:
        await put(coordinator, "/a")
        await coordinator.transact([], [Delete("/a")])
        assert await coordinator.get("/a") is None
        await put(coordinator, "/a")
        assert await coordinator.get("/a") == Record("/a", b"v", base + 3, base + 3)

    async def test_the_same_value_is_a_new_revision(self, coordinator: Coordinator) -> None:
        assert await put(coordinator, "/a", b"1") < await put(coordinator, "/a", b"1")

    async def test_values_are_any_bytes(self, coordinator: Coordinator) -> None:
        for value in (b"", bytes(range(256)), b"x" * 1_000_000):
            await put(coordinator, "/a", value)
            found = await coordinator.get("/a")
            assert found is not None
            assert found.value == value

    async def test_a_range_is_sorted_and_true_at_its_revision(
        self, coordinator: Coordinator, base: int
    ) -> None:
        for key in ("/b/2", "/b/10", "/a", "/b/1", "/c"):
            await put(coordinator, key)
        records, revision = await coordinator.range("/b/")
        assert [record.key for record in records] == ["/b/1", "/b/10", "/b/2"]
        assert revision == base + 5

    async def test_a_range_is_never_half_a_transaction(self, store: Store) -> None:
        writing, reading = store.open(), store.open()
        seen: list[int] = []

        async def write() -> None:
            for n in range(50):
                await writing.transact([], [Put("/x/a", b"%d" % n), Put("/x/b", b"%d" % n)])

        async with asyncio.TaskGroup() as tasks:
            writer_task = tasks.create_task(write())
            while not writer_task.done():
                records, revision = await reading.range("/x/")
                assert len(records) in (0, 2)
                assert len({record.value for record in records}) <= 1
                assert len({record.mod_revision for record in records}) <= 1
                assert all(record.mod_revision <= revision for record in records)
                assert not seen or revision >= seen[-1]
                seen.append(revision)
        assert len(set(seen)) > 1

    async def test_what_was_answered_is_read_by_everybody(self, store: Store) -> None:
        writing, reading = store.open(), store.open()
        for n in range(20):
            revision = await put(writing, "/a", b"%d" % n)
            assert await reading.get("/a") == Record("/a", b"%d" % n, revision - n, revision)
            assert (await reading.range("/a"))[1] >= revision

    async def test_a_prefix_is_no_folder(self, coordinator: Coordinator) -> None:
        for key in ("/a", "/ab", "/a/x", "/aÿ", "/a\U0010ffff", "/b", "a"):
            await put(coordinator, key)
        found = [record.key for record in (await coordinator.range("/a"))[0]]
        assert found == ["/a", "/a/x", "/ab", "/aÿ", "/a\U0010ffff"]
        assert len((await coordinator.range(""))[0]) == 7

    def test_the_end_of_a_prefix(self) -> None:
        assert prefix_end(b"/a") == b"/b"
        assert prefix_end(b"/a\xff\xff") == b"/b"
        assert prefix_end(b"") is None
        assert prefix_end(b"\xff") is None


class TestTransactions:
    async def test_all_writes_share_one_revision(self, coordinator: Coordinator, base: int) -> None:
        await put(coordinator, "/old")
        result = await coordinator.transact([], [Put("/a", b""), Put("/b", b""), Delete("/old")])
        assert (result.succeeded, result.revision) == (True, base + 2)
        records, revision = await coordinator.range("/")
        assert [(r.key, r.mod_revision) for r in records] == [("/a", base + 2), ("/b", base + 2)]
        assert revision == base + 2

    async def test_a_guard_compares_the_mod_revision(self, coordinator: Coordinator) -> None:
        revision = await put(coordinator, "/a")
        assert (await coordinator.transact([Guard("/a", revision)], [Put("/a", b"2")])).succeeded
        stale = await coordinator.transact([Guard("/a", revision)], [Put("/a", b"3")])
        assert (stale.succeeded, stale.revision) == (False, revision + 1)
        found = await coordinator.get("/a")
        assert found is not None
        assert found.value == b"2"

    async def test_guard_zero_means_absent(self, coordinator: Coordinator) -> None:
        assert (await coordinator.transact([Guard("/a", 0)], [Put("/a", b"1")])).succeeded
        assert not (await coordinator.transact([Guard("/a", 0)], [Put("/a", b"2")])).succeeded
        await coordinator.transact([], [Delete("/a")])
        assert (await coordinator.transact([Guard("/a", 0)], [Put("/a", b"3")])).succeeded

    async def test_a_guard_on_an_absent_key_fails(self, coordinator: Coordinator) -> None:
        assert not (await coordinator.transact([Guard("/a", 1)], [Put("/a", b"1")])).succeeded

    async def test_one_false_guard_stops_everything(self, coordinator: Coordinator) -> None:
        revision = await put(coordinator, "/a")
        guards = [Guard("/a", revision), Guard("/b", 7)]
        result = await coordinator.transact(guards, [Put("/a", b"x"), Put("/c", b"x")])
        assert (result.succeeded, result.revision) == (False, revision)
        assert await coordinator.range("/") == (
            [Record("/a", b"v", revision, revision)],
            revision,
        )

    async def test_guards_alone_only_compare(self, coordinator: Coordinator) -> None:
        revision = await put(coordinator, "/a")
        result = await coordinator.transact([Guard("/a", revision)], [])
        assert (result.succeeded, result.revision) == (True, revision)

    async def test_deleting_nothing_is_no_revision(
        self, coordinator: Coordinator, base: int
    ) -> None:
        result = await coordinator.transact([], [Delete("/a")])
        assert (result.succeeded, result.revision) == (True, base)

    async def test_a_key_is_written_once(self, coordinator: Coordinator, base: int) -> None:
        for second in (Put("/a", b"2"), Delete("/a")):
            with pytest.raises(ValueError, match="at most once"):
                await coordinator.transact([], [Put("/a", b"1"), second])
        assert await coordinator.range("/") == ([], base)

    async def test_an_empty_key_is_refused(self, coordinator: Coordinator) -> None:
        with pytest.raises(ValueError, match="at least one"):
            await coordinator.transact([], [Put("", b"")])

    async def test_size_is_bounded_as_in_etcd(self, coordinator: Coordinator) -> None:
        ops = [Put(f"/{i:03d}", b"") for i in range(TRANSACTION_OPS_MAX + 1)]
        guards = [Guard(op.key, 0) for op in ops]
        with pytest.raises(ValueError, match="at most 128"):
            await coordinator.transact([], ops)
        with pytest.raises(ValueError, match="at most 128"):
            await coordinator.transact(guards, [])
        assert (await coordinator.transact(guards[:-1], ops[:-1])).succeeded

    async def test_a_guard_is_not_fooled_by_a_record_made_again(
        self, coordinator: Coordinator
    ) -> None:
        revision = await put(coordinator, "/a", b"same")
        await coordinator.transact([], [Delete("/a")])
        await put(coordinator, "/a", b"same")
        assert not (await coordinator.transact([Guard("/a", revision)], [Delete("/a")])).succeeded
        assert await coordinator.get("/a") is not None

    async def test_a_delete_is_guarded_too(self, coordinator: Coordinator) -> None:
        revision = await put(coordinator, "/a")
        assert not (await coordinator.transact([Guard("/a", 0)], [Delete("/a")])).succeeded
        assert (await coordinator.transact([Guard("/a", revision)], [Delete("/a")])).succeeded
        assert await coordinator.get("/a") is None

    async def test_after_a_lost_answer_a_guarded_retry_writes_once(self, store: Store) -> None:
        """The caller never heard of the first try, which may be done, or still be on its way."""
        coordinator = store.open()
        start = (await coordinator.range(""))[1]
        steps = 30
        for i in range(steps):
            async with asyncio.TaskGroup() as tasks:
                first = tasks.create_task(_set_to(coordinator, i))
                for _ in range(i):
                    await asyncio.sleep(0)
                first.cancel()
            while not await _set_to(coordinator, i):
                pass
        events = await collect(coordinator, "/a", start, steps)
        assert [event.record and event.record.value for event in events] == [
            b"%d" % i for i in range(steps)
        ]

    async def test_of_many_swaps_at_once_one_wins(self, store: Store) -> None:
        connections = [store.open() for _ in range(8)]
        won = []

        async def swap(coordinator: Coordinator, i: int) -> None:
            if (await coordinator.transact([Guard("/a", 0)], [Put("/a", b"%d" % i)])).succeeded:
                won.append(i)

        async with asyncio.TaskGroup() as tasks:
            for i, connection in enumerate(connections * 3):
                tasks.create_task(swap(connection, i))
        assert len(won) == 1
        found = await connections[0].get("/a")
        assert found is not None
        assert found.value == b"%d" % won[0]


async def _set_to(coordinator: Coordinator, value: int) -> bool:
    """Write this value unless it is there; whether it is there now."""
    found = await coordinator.get("/a")
    if found is not None and found.value == b"%d" % value:
        return True
    guard = Guard("/a", found.mod_revision if found is not None else 0)
    return (await coordinator.transact([guard], [Put("/a", b"%d" % value)])).succeeded


class TestLeases:
    async def test_a_record_names_its_lease(self, coordinator: Coordinator) -> None:
        lease = await coordinator.lease_grant(60_000)
        assert lease > 0
        revision = await put(coordinator, "/a", lease=lease)
        assert await coordinator.get("/a") == Record("/a", b"v", revision, revision, lease)

    async def test_leases_differ(self, coordinator: Coordinator) -> None:
        leases = {await coordinator.lease_grant(60_000) for _ in range(10)}
        assert len(leases) == 10

    async def test_a_lease_needs_time(self, coordinator: Coordinator) -> None:
        with pytest.raises(ValueError, match="ttl_ms"):
            await coordinator.lease_grant(0)

    async def test_an_unknown_lease_writes_nothing(
        self, coordinator: Coordinator, base: int
    ) -> None:
        with pytest.raises(LeaseExpired):
            await coordinator.transact([], [Put("/a", b""), Put("/b", b"", lease=12345)])
        assert await coordinator.range("/") == ([], base)

    async def test_another_process_sees_an_expiry_as_deletes_of_one_revision(
        self, store: Store
    ) -> None:
        owner, other = store.open(), store.open()
        lease = await owner.lease_grant(store.ttl_ms)
        for key in ("/a", "/b", "/c"):
            revision = await put(owner, key, lease=lease)
        await put(owner, "/other")
        events = await collect(other, "/", revision, 5)
        assert [event.key for event in events[:2]] == ["/c", "/other"]
        assert {(event.key, event.record) for event in events[2:]} == {
            ("/a", None),
            ("/b", None),
            ("/c", None),
        }
        assert len({event.revision for event in events[2:]}) == 1
        assert events[2].revision > events[1].revision
        assert [record.key for record in (await owner.range("/"))[0]] == ["/other"]

    async def test_keepalive_keeps_it(self, store: Store) -> None:
        """Two leases of one length; the one that is kept outlives the other's whole life again."""
        coordinator = store.open()
        ttl_ms = max(2_000, store.ttl_ms)
        kept, left = await coordinator.lease_grant(ttl_ms), await coordinator.lease_grant(ttl_ms)
        await put(coordinator, "/kept", lease=kept)
        await put(coordinator, "/left", lease=left)
        async with asyncio.TaskGroup() as tasks:
            gone = tasks.create_task(wait_gone(coordinator, "/left"))
            while not gone.done():
                await coordinator.lease_keepalive(kept)
                await asyncio.sleep(ttl_ms / 10_000)
        await coordinator.lease_keepalive(kept)
        assert await coordinator.get("/kept") is not None

    async def test_revoke_deletes_at_once(self, coordinator: Coordinator, base: int) -> None:
        lease = await coordinator.lease_grant(60_000)
        await put(coordinator, "/a", lease=lease)
        await put(coordinator, "/b", lease=lease)
        await coordinator.lease_revoke(lease)
        assert await coordinator.range("/") == ([], base + 3)
        with pytest.raises(LeaseExpired):
            await coordinator.lease_keepalive(lease)

    async def test_a_write_without_lease_detaches(self, coordinator: Coordinator) -> None:
        lease = await coordinator.lease_grant(60_000)
        await put(coordinator, "/a", lease=lease)
        await put(coordinator, "/a", b"2")
        await coordinator.lease_revoke(lease)
        found = await coordinator.get("/a")
        assert found is not None
        assert found.lease == 0

    async def test_a_record_follows_its_last_lease(self, coordinator: Coordinator) -> None:
        first = await coordinator.lease_grant(60_000)
        second = await coordinator.lease_grant(60_000)
        await put(coordinator, "/a", lease=first)
        await put(coordinator, "/a", lease=second)
        await coordinator.lease_revoke(first)
        assert await coordinator.get("/a") is not None
        await coordinator.lease_revoke(second)
        assert await coordinator.get("/a") is None

    async def test_a_leased_record_may_be_deleted_before(self, coordinator: Coordinator) -> None:
        lease = await coordinator.lease_grant(60_000)
        await put(coordinator, "/a", lease=lease)
        await coordinator.transact([], [Delete("/a")])
        revision = await put(coordinator, "/a")
        await coordinator.lease_revoke(lease)
        assert await coordinator.range("/") == ([Record("/a", b"v", revision, revision)], revision)

    async def test_it_lives_for_as_long_as_its_holder_counts(self, store: Store) -> None:
        """A holder that counted from the answer would trust a lease that is over already."""
        coordinator = store.open()
        loop = asyncio.get_running_loop()
        ttl_ms = max(1_000, store.ttl_ms)
        lease = await coordinator.lease_grant(ttl_ms)
        await put(coordinator, "/a", lease=lease)
        asked = loop.time()
        await coordinator.lease_keepalive(lease)
        while True:
            found = await coordinator.get("/a")
            if loop.time() >= asked + ttl_ms / 1_000:
                break
            assert found is not None
        await wait_gone(coordinator, "/a")

    async def test_it_ends_while_its_holder_is_away_and_never_comes_back(
        self, store: Store
    ) -> None:
        holder, other = store.open(), store.open()
        lease = await holder.lease_grant(store.ttl_ms)
        await put(holder, "/a", lease=lease)
        await holder.close()
        await wait_gone(other, "/a")
        back = store.open()
        with pytest.raises(LeaseExpired):
            await back.lease_keepalive(lease)
        with pytest.raises(LeaseExpired):
            await put(back, "/a", lease=lease)
        with pytest.raises(LeaseExpired):
            await back.lease_revoke(lease)
        assert await back.get("/a") is None

    async def test_only_the_lease_that_is_over_is_named(self, coordinator: Coordinator) -> None:
        alive, over = await coordinator.lease_grant(60_000), await coordinator.lease_grant(60_000)
        await coordinator.lease_revoke(over)
        ops = [Put("/a", b"", lease=alive), Put("/b", b"", lease=over)]
        with pytest.raises(LeaseExpired) as caught:
            await coordinator.transact([], ops)
        assert caught.value.lease == over
        assert (await coordinator.range("/"))[0] == []

    async def test_a_lease_belongs_to_the_store_not_to_a_connection(self, store: Store) -> None:
        first, second = store.open(), store.open()
        lease = await first.lease_grant(60_000)
        await put(first, "/a", lease=lease)
        await first.close()
        await second.lease_keepalive(lease)
        assert await second.get("/a") is not None
        await second.lease_revoke(lease)
        assert await second.get("/a") is None


class TestWatch:
    async def test_the_past_comes_first(self, coordinator: Coordinator, base: int) -> None:
        for i in range(5):
            await put(coordinator, "/a", b"%d" % i)
        events = await collect(coordinator, "/", base + 2, 4)
        assert [event.record and event.record.value for event in events] == [
            b"1",
            b"2",
            b"3",
            b"4",
        ]
        assert [event.revision for event in events] == [base + n for n in (2, 3, 4, 5)]

    async def test_an_event_is_the_whole_record(self, coordinator: Coordinator, base: int) -> None:
        lease = await coordinator.lease_grant(60_000)
        await put(coordinator, "/a", b"1")
        await put(coordinator, "/a", b"2", lease)
        await coordinator.transact([], [Delete("/a")])
        first = base + 1
        assert await collect(coordinator, "/", first, 3) == [
            WatchEvent("/a", Record("/a", b"1", first, first), first),
            WatchEvent("/a", Record("/a", b"2", first, first + 1, lease), first + 1),
            WatchEvent("/a", None, first + 2),
        ]

    async def test_a_record_made_again_is_new_to_a_watch_too(
        self, coordinator: Coordinator, base: int
    ) -> None:
        await put(coordinator, "/a", b"1")
        await coordinator.transact([], [Delete("/a")])
        await put(coordinator, "/a", b"2")
        events = await collect(coordinator, "/", base + 1, 3)
        assert [event.record and event.record.create_revision for event in events] == [
            base + 1,
            None,
            base + 3,
        ]

    async def test_a_replay_is_what_was_seen_live(self, store: Store, base: int) -> None:
        watching, writing = store.open(), store.open()
        async with asyncio.TaskGroup() as tasks:
            live = tasks.create_task(collect(watching, "/", base + 1, 40))
            for n in range(10):
                await put(writing, "/a", b"%d" % n)
                await writing.transact([], [Put("/b", b""), Put(f"/c/{n}", b"")])
                await writing.transact([], [Delete("/b")])
        everything = await collect(watching, "/", base, 40)
        assert sorted(everything, key=_place) == sorted(live.result(), key=_place)
        for skipped in (1, 7, 29):
            later = await collect(watching, "/", base + 1 + skipped, 1)
            assert later[0].revision == base + 1 + skipped
            assert all(event in everything for event in later)

    async def test_thousands_of_changes_are_caught_up_with(self, store: Store, base: int) -> None:
        """More than one batch of either store: etcd's has a thousand revisions, solo's events."""
        each = 150
        connections = [store.open() for _ in range(7)]

        async def write(coordinator: Coordinator, name: int) -> None:
            for n in range(each):
                await coordinator.transact([], [Put(f"/{name}", b"%d" % n), Put("/last", b"")])

        async with asyncio.TaskGroup() as tasks:
            for name, connection in enumerate(connections):
                tasks.create_task(write(connection, name))
        number = len(connections) * each
        events = await collect(connections[0], "/", base, 2 * number)
        assert [event.revision for event in events] == [
            base + 1 + n for n in range(number) for _ in range(2)
        ]

    async def test_only_its_prefix(self, coordinator: Coordinator, base: int) -> None:
        for key in ("/a/1", "/b/1", "/a", "/a/2"):
            await put(coordinator, key)
        events = await collect(coordinator, "/a/", base, 2)
        assert [event.key for event in events] == ["/a/1", "/a/2"]

    async def test_changes_of_other_connections_arrive_live(self, store: Store) -> None:
        watching, writing = store.open(), store.open()
        _, revision = await watching.range("/")
        async with asyncio.TaskGroup() as tasks:
            seen = tasks.create_task(collect(watching, "/", revision + 1, 30))
            for i in range(30):
                await put(writing, f"/{i:02d}")
        assert [event.key for event in seen.result()] == [f"/{i:02d}" for i in range(30)]

    async def test_own_changes_arrive_too(self, coordinator: Coordinator, base: int) -> None:
        async with asyncio.TaskGroup() as tasks:
            seen = tasks.create_task(collect(coordinator, "/", base + 1, 2))
            await put(coordinator, "/a")
            await put(coordinator, "/b")
        assert [event.key for event in seen.result()] == ["/a", "/b"]

    async def test_many_watches_of_one_connection(
        self, coordinator: Coordinator, base: int
    ) -> None:
        start = base + 1
        async with asyncio.TaskGroup() as tasks:
            seen = [tasks.create_task(collect(coordinator, f"/{i}/", start, 3)) for i in range(8)]
            for n in range(3):
                for i in range(8):
                    await put(coordinator, f"/{i}/{n}")
        for i, task in enumerate(seen):
            assert [event.key for event in task.result()] == [f"/{i}/{n}" for n in range(3)]

    async def test_a_revision_is_never_split(self, coordinator: Coordinator, base: int) -> None:
        for n in range(20):
            await coordinator.transact([], [Put(f"/{i:03d}", b"%d" % n) for i in range(120)])
        revisions: list[int] = []
        async with asyncio.timeout(DEADLINE_S), _watching(coordinator, "/", base) as batches:
            async for batch in batches:
                new = [event.revision for event in batch]
                assert new == sorted(new)
                assert not revisions or new[0] > revisions[-1]
                assert all(new.count(revision) == 120 for revision in set(new))
                revisions += new
                if len(revisions) == 20 * 120:
                    break
        assert sorted(set(revisions)) == list(range(base + 1, base + 21))

    async def test_a_failed_transaction_is_no_event(
        self, coordinator: Coordinator, base: int
    ) -> None:
        await put(coordinator, "/a")
        await coordinator.transact([Guard("/a", base + 99)], [Put("/no", b"")])
        await coordinator.transact([], [Delete("/nothing")])
        await put(coordinator, "/b")
        events = await collect(coordinator, "/", base, 2)
        assert [(event.key, event.revision) for event in events] == [
            ("/a", base + 1),
            ("/b", base + 2),
        ]

    async def test_a_start_in_the_future_waits_for_it(
        self, coordinator: Coordinator, base: int
    ) -> None:
        async with asyncio.TaskGroup() as tasks:
            seen = tasks.create_task(collect(coordinator, "/", base + 3, 1))
            for key in ("/2", "/3", "/4"):
                await put(coordinator, key)
        assert [event.key for event in seen.result()] == ["/4"]

    async def test_a_start_below_one_is_a_mistake(self, coordinator: Coordinator) -> None:
        with pytest.raises(ValueError, match="from_revision"):
            await collect(coordinator, "/", 0, 1)

    async def test_it_goes_on_where_it_was_after_a_reopen(self, store: Store, base: int) -> None:
        first = store.open()
        for i in range(3):
            await put(first, f"/{i}")
        seen = await collect(first, "/", base, 3)
        await first.close()
        between = store.open()
        await put(between, "/3")
        await between.close()
        again = store.open()
        events = await collect(again, "/", seen[-1].revision + 1, 1)
        assert [event.key for event in events] == ["/3"]

    async def test_range_then_watch_misses_and_doubles_nothing(self, store: Store) -> None:
        writing = store.open()

        async def follow(reader: Coordinator) -> dict[str, bytes]:
            records, revision = await reader.range("/n/")
            state = {record.key: record.value for record in records}
            async with (
                asyncio.timeout(DEADLINE_S),
                _watching(reader, "/n/", revision + 1) as batches,
            ):
                while len(state) < 60:
                    for event in await anext(batches):
                        assert event.record is not None
                        assert event.key not in state
                        state[event.key] = event.record.value
            return state

        async with asyncio.TaskGroup() as tasks:
            followers = [tasks.create_task(follow(store.open())) for _ in range(3)]
            for i in range(60):
                await put(writing, f"/n/{i:02d}", b"%d" % i)
        for follower in followers:
            assert follower.result() == {f"/n/{i:02d}": b"%d" % i for i in range(60)}

    async def test_what_is_forgotten_is_said(self, store: Store) -> None:
        coordinator = store.open()
        early = await put(coordinator, "/early")
        current = await store.compact()
        with pytest.raises(Compacted) as caught:
            await collect(coordinator, "/", early, 1)
        start = caught.value.compact_revision
        assert early < start <= current
        events = await collect(coordinator, "/", start, current - start + 1)
        assert [event.revision for event in events] == list(range(start, current + 1))
        assert await coordinator.get("/early") is not None

    async def test_forgetting_takes_no_record(self, store: Store) -> None:
        coordinator = store.open()
        revision = await put(coordinator, "/early", b"kept")
        await store.compact()
        again = store.open()
        assert await again.get("/early") == Record("/early", b"kept", revision, revision)

    async def test_a_cancelled_watch_leaves_the_others_alone(
        self, coordinator: Coordinator, base: int
    ) -> None:
        async with asyncio.TaskGroup() as tasks:
            cancelled = tasks.create_task(collect(coordinator, "/", base + 1, 1))
            other = tasks.create_task(collect(coordinator, "/", base + 1, 1))
            await asyncio.sleep(0)
            cancelled.cancel()
            await put(coordinator, "/a")
        assert cancelled.cancelled()
        assert [event.key for event in other.result()] == ["/a"]


def _place(event: WatchEvent) -> tuple[int, str]:
    """Where an event belongs: stores differ in the order of keys within one revision."""
    return event.revision, event.key


class TestClose:
    async def test_a_closed_one_answers_nothing(self, coordinator: Coordinator) -> None:
        await coordinator.close()
        await coordinator.close()
        with pytest.raises(CoordinatorUnavailable):
            await coordinator.get("/a")
        with pytest.raises(CoordinatorUnavailable):
            await put(coordinator, "/a")
        with pytest.raises(CoordinatorUnavailable):
            await coordinator.lease_grant(1_000)

    async def test_it_ends_a_running_watch(self, coordinator: Coordinator, base: int) -> None:
        """A watch that ends in silence would leave a process with yesterday's map for ever."""
        watch = coordinator.watch("/", base)
        await put(coordinator, "/a")
        assert len(await anext(watch)) == 1
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(_next_error(watch))
            await asyncio.sleep(0)
            await coordinator.close()
        assert isinstance(waiting.result(), CoordinatorUnavailable)

    async def test_everything_is_there_after_a_reopen(self, store: Store, base: int) -> None:
        first = store.open()
        await put(first, "/a", b"1")
        await put(first, "/b", b"2")
        await first.transact([], [Delete("/b")])
        await put(first, "/a", b"3")
        before = await first.range("/")
        await first.close()
        again = store.open()
        kept = Record("/a", b"3", base + 1, base + 4)
        assert await again.range("/") == before == ([kept], base + 4)
        assert await put(again, "/c") == base + 5


async def _next_error(watch: AsyncIterator[list[WatchEvent]]) -> BaseException | None:
    try:
        async with asyncio.timeout(DEADLINE_S):
            await anext(watch)
    except CoordinatorUnavailable as error:
        return error
    return None


class TestProcesses:
    async def test_no_update_of_many_processes_is_lost(self, store: Store, base: int) -> None:
        each = 40
        with (
            writer(store, "count", "a", each) as a,
            writer(store, "count", "b", each) as b,
            writer(store, "count", "c", each) as c,
        ):
            for process in (a, b, c):
                out, _ = await asyncio.to_thread(process.communicate, timeout=DEADLINE_S * 3)
                assert process.returncode == 0
                assert out.split() == [str(i) for i in range(each)]
        coordinator = store.open()
        found = await coordinator.get("/counter")
        assert found is not None
        assert int(found.value) == 3 * each
        assert found.mod_revision == base + 3 * each  # one revision for each success, none besides
        assert len((await coordinator.range("/done/"))[0]) == 3 * each

    async def test_a_killed_writer_loses_nothing_acknowledged(self, store: Store) -> None:
        """Two write, one is killed in the middle: the other goes on, and every word was kept."""
        with writer(store, "count", "a", 1_000_000) as a, writer(store, "count", "b", 150) as b:
            assert a.stdout is not None
            acknowledged = [await asyncio.to_thread(a.stdout.readline) for _ in range(60)]
            a.send_signal(signal.SIGKILL)
            acknowledged += (await asyncio.to_thread(a.stdout.read)).splitlines()
            await asyncio.to_thread(b.wait, DEADLINE_S * 3)
            assert b.returncode == 0
        coordinator = store.open()
        done = [record.key for record in (await coordinator.range("/done/"))[0]]
        of_a = [key for key in done if key.startswith("/done/a/")]
        known = len([line for line in acknowledged if line.strip()])
        assert known >= 60
        assert of_a == [f"/done/a/{i:06d}" for i in range(len(of_a))]
        assert known <= len(of_a) <= known + 1  # at most the one whose answer was not printed
        found = await coordinator.get("/counter")
        assert found is not None
        assert int(found.value) == len(done) == len(of_a) + 150
        assert await put(coordinator, "/after") > found.mod_revision

    async def test_the_death_of_a_process_is_an_event(self, store: Store) -> None:
        coordinator = store.open()
        with writer(store, "lease", "a", max(1_000, store.ttl_ms)) as process:
            assert process.stdout is not None
            assert await asyncio.to_thread(process.stdout.readline) == "ready\n"
            assert await coordinator.get("/alive/a") is not None
            process.send_signal(signal.SIGKILL)
            await wait_gone(coordinator, "/alive/a")
        assert await coordinator.get("/alive/a") is None

    async def test_a_watch_sees_all_that_other_processes_write(
        self, store: Store, base: int
    ) -> None:
        coordinator = store.open()
        with writer(store, "count", "a", 50), writer(store, "count", "b", 50):
            events = await collect(coordinator, "/done/", base, 100)
        assert len({event.key for event in events}) == len(events) == 100
        counter = await collect(coordinator, "/counter", base, 100)
        values = [int(event.record.value) for event in counter if event.record]
        assert values == list(range(1, 101))
