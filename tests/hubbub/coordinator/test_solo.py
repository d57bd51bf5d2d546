"""The embedded coordinator on a loop: what waits, what is shared, what it says when it cannot."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hubbub.coordinator.api import CoordinatorUnavailable, Put, WatchEvent
from hubbub.coordinator.solo import SoloCoordinator

DEADLINE_S = 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "solo.db"


@pytest.fixture
async def solo(path: Path) -> AsyncIterator[SoloCoordinator]:
    made = SoloCoordinator(path)
    yield made
    await made.close()


async def test_a_held_lock_is_unavailable_and_stops_nothing_else(
    path: Path, solo: SoloCoordinator
) -> None:
    """A stopped process may hold the lock for ever: writes say so, reads and leases go on."""
    await solo.transact([], [Put("/a", b"")])
    lease = await solo.lease_grant(60_000)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    ticks = 0
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(_unavailable(solo))
        while not writing.done():
            await asyncio.sleep(0.01)
            await solo.lease_keepalive(lease)
            ticks += 1
    assert "locked" in writing.result()
    assert ticks > 5  # the loop went on while the write waited
    assert await solo.get("/a") is not None
    holder.execute("ROLLBACK")
    holder.close()
    assert (await solo.transact([], [Put("/a", b"")])).succeeded
    assert solo.statistics().unavailable == 1


async def _unavailable(solo: SoloCoordinator) -> str:
    with pytest.raises(CoordinatorUnavailable) as caught:
        await solo.transact([], [Put("/b", b"")])
    return str(caught.value)


async def test_a_cancelled_call_leaves_it_usable(path: Path, solo: SoloCoordinator) -> None:
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await solo.transact([], [Put("/b", b"")])
    holder.execute("ROLLBACK")
    holder.close()
    async with asyncio.timeout(DEADLINE_S):
        assert (await solo.transact([], [Put("/a", b"")])).succeeded


async def test_a_closed_one_has_let_go_of_its_files(path: Path) -> None:
    """Whoever removes the directory next would find files that come and go."""
    solo = SoloCoordinator(path)
    await solo.transact([], [Put("/a", b"")])
    await solo.lease_grant(60_000)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await solo.transact([], [Put("/b", b"")])  # its thread still waits for the lock
    assert _open_files(path)
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(solo.close())
        await asyncio.sleep(0)
        holder.execute("ROLLBACK")
        holder.close()
    assert _open_files(path) == []


def _open_files(path: Path) -> list[str]:
    """Those of this process beside the coordinator's."""
    files = []
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            files.append(os.readlink(f"/proc/self/fd/{descriptor}"))
    return [name for name in files if name.startswith(str(path))]


async def test_a_lost_file_ends_the_watches_loudly(path: Path, solo: SoloCoordinator) -> None:
    await solo.transact([], [Put("/a", b"")])
    watch = solo.watch("/", 1)
    assert len(await anext(watch)) == 1
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("DROP TABLE history")
    db.close()
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(CoordinatorUnavailable, match="history"):
            await anext(watch)


async def test_an_idle_watch_sleeps(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One look for each sign of a change, not one after the other."""
    solo = SoloCoordinator(path)
    reads = 0
    real = solo._records.changes

    def counted(prefix: str, start: int) -> tuple[list[WatchEvent], int]:
        nonlocal reads
        reads += 1
        return real(prefix, start)

    monkeypatch.setattr(solo._records, "changes", counted)
    watch = solo.watch("/", 1)
    await solo.transact([], [Put("/a", b"")])
    await anext(watch)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await anext(watch)
    assert reads <= 4
    await solo.close()


async def test_statistics_count(path: Path, solo: SoloCoordinator) -> None:
    watch = solo.watch("/", 1)
    lease = await solo.lease_grant(50)
    await solo.transact([], [Put("/a", b"", lease)])
    async with asyncio.timeout(DEADLINE_S):
        async for events in watch:
            if events[-1].record is None:
                break
        assert solo.statistics().watches == 1
        await watch.aclose()  # type: ignore[attr-defined]
    found = solo.statistics()
    assert (found.watches, found.transactions, found.sweeps_failed) == (0, 1, 0)
    assert found.leases_swept == 1


async def test_leases_of_the_last_boot_are_gone_when_it_opens(path: Path) -> None:
    before = SoloCoordinator(path, boot_id="boot-1")
    lease = await before.lease_grant(3_600_000)
    await before.transact([], [Put("/nodes/n1", b"", lease)])
    await before.close()
    after = SoloCoordinator(path, boot_id="boot-2")
    assert await after.get("/nodes/n1") is None
    await after.close()


async def test_many_may_open_it_at_once(path: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        opening = [tasks.create_task(asyncio.to_thread(SoloCoordinator, path)) for _ in range(6)]
    opened = [task.result() for task in opening]
    for i, solo in enumerate(opened):
        assert (await solo.transact([], [Put(f"/{i}", b"")])).revision == i + 2
    for solo in opened:
        await solo.close()
