"""One batch at a time, durable before it is told, and never retried."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hubbub.wire.codec import decode_pack
from node.ready import Record
from node.store.acked import AckedMap
from node.store.api import Family, Op, StoreError
from node.store.memory import MemoryStore
from node.writer import THREADED_BATCHES, Token, Writer, WriterLimits

DEADLINE_S = 10


class GatedStore(MemoryStore):
    """A disk whose syncs wait for a gate, and fail when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.error = ""
        self.batches: list[int] = []
        self.synced = 0

    def write(self, ops: Sequence[Op]) -> int:
        if self.error == "write":
            raise StoreError("IO error: write")
        self.batches.append(len(ops))
        return super().write(ops)

    def sync(self) -> None:
        assert self.gate.wait(DEADLINE_S)
        if self.error == "sync":
            raise StoreError("IO error: fdatasync")
        self.synced = self.latest_sequence()
        super().sync()


class Desk:
    """A writer with a note of what it reported."""

    def __init__(self, tmp_path: Path, **limits: float) -> None:
        self.store = GatedStore()
        self.acked = AckedMap(str(tmp_path / "acked.map"))
        self.told: list[Token] = []
        self.failures: list[StoreError] = []
        self.news = asyncio.Event()
        self.writer = Writer(
            self.store,
            self.acked,
            WriterLimits(**{"sync_in_place_ms": 0.0, **limits}),  # type: ignore[arg-type]
            self.persisted,
            self.failed,
        )

    def persisted(self, tokens: list[Token]) -> None:
        assert self.acked.highest == self.store.synced, "acked.map before the slots"
        self.told += tokens
        self.news.set()

    def failed(self, error: StoreError) -> None:
        self.failures.append(error)
        self.news.set()

    async def wait(self) -> None:
        async with asyncio.timeout(DEADLINE_S):
            await self.news.wait()
        self.news.clear()


def record(slot: int, index: int, byte_count: int = 100) -> Record:
    key = b"%d.%d" % (slot, index)
    return Record(slot, index, [(Family.LOG, key, b"v")], b"meta %d" % index, byte_count)


async def test_a_record_is_told_after_its_sync(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.store.gate.clear()
    desk.writer.submit([record(1, 1)])
    for _ in range(20):
        await asyncio.sleep(0)
    assert desk.store.batches
    assert not desk.told
    assert desk.acked.highest == 0
    desk.store.gate.set()
    await desk.wait()
    assert desk.told == [(1, 1)]
    await desk.writer.close()


async def test_a_sync_that_hangs_is_known_while_it_hangs(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert desk.writer.syncing_ms() == 0
    desk.store.gate.clear()
    desk.writer.submit([record(1, 1)])
    async with asyncio.timeout(DEADLINE_S):
        while desk.writer.syncing_ms() < 2:  # noqa: ASYNC110 - a clock has no event
            await asyncio.sleep(0)
    desk.store.gate.set()
    await desk.wait()
    assert desk.writer.syncing_ms() == 0
    await desk.writer.close()


async def test_what_comes_during_a_sync_is_one_batch(tmp_path: Path) -> None:
    desk = Desk(tmp_path, gather_ms=0)
    desk.store.gate.clear()
    desk.writer.submit([record(1, 1)])
    await asyncio.sleep(0)
    for index in range(2, 12):
        desk.writer.submit([record(1, index), record(2, index)])
    desk.store.gate.set()
    await desk.wait()
    await desk.writer.close()
    assert desk.told == [(1, 1), (1, 11), (2, 11)]
    assert desk.store.batches == [2, 22]  # 20 rows of the log, one meta a slot
    assert desk.store.get(Family.META, b"m\x00\x01") == b"meta 11"
    assert (desk.writer.counts.records_total, desk.writer.counts.batches_total) == (21, 2)


async def test_batches_are_bounded(tmp_path: Path) -> None:
    desk = Desk(tmp_path, gather_ms=0, batch_records_max=3, batch_bytes_max=1_000)
    desk.writer.submit([record(1, index) for index in range(1, 8)])
    desk.writer.submit([record(2, 1, 900), record(2, 2, 900), record(2, 3)])
    await desk.writer.close()
    assert desk.store.batches == [4, 4, 4, 3]  # the third is full by its bytes
    assert desk.told == [(1, 3), (1, 6), (1, 7), (2, 1), (2, 3)]


async def test_close_writes_what_waits(tmp_path: Path) -> None:
    desk = Desk(tmp_path, gather_ms=60_000)
    desk.writer.submit([record(1, 1)])
    await desk.wait()
    desk.writer.submit([record(1, 2)])  # busy: this one gathers for a minute
    await desk.writer.close()
    assert desk.told == [(1, 1), (1, 2)]


async def test_64_kib_do_not_gather(tmp_path: Path) -> None:
    desk = Desk(tmp_path, gather_ms=60_000, gather_bytes=1_000)
    desk.writer.submit([record(1, 1)])
    await desk.wait()
    desk.writer.submit([record(1, 2)])
    desk.writer.submit([record(1, 3, 1_000)])
    await desk.wait()
    assert desk.told == [(1, 1), (1, 3)]
    await desk.writer.close()


@pytest.mark.parametrize("error", ["write", "sync"])
async def test_a_failed_disk_is_final(tmp_path: Path, error: str) -> None:
    desk = Desk(tmp_path, gather_ms=0)
    desk.store.error = error
    desk.writer.submit([record(1, 1)])
    await desk.wait()
    desk.store.error = ""
    desk.writer.submit([record(1, 2)])
    await desk.writer.close()
    assert (desk.told, len(desk.failures), desk.acked.highest) == ([], 1, 0)


class TimedStore(GatedStore):
    """A disk whose syncs say in which thread they ran; it is its own clock."""

    def __init__(self) -> None:
        super().__init__()
        self.took_s = 0.0
        self.now_s = 0.0
        self.threads: list[str] = []

    def sync(self) -> None:
        self.threads.append(threading.current_thread().name)
        self.now_s += self.took_s
        super().sync()


async def test_a_fast_disk_is_synced_in_place_and_a_slow_one_by_the_thread(tmp_path: Path) -> None:
    desk = Desk(tmp_path, sync_in_place_ms=5.0)
    store = desk.store = TimedStore()
    limits = WriterLimits(sync_in_place_ms=5.0)
    desk.writer = Writer(
        store, desk.acked, limits, desk.persisted, desk.failed, now_s=lambda: store.now_s
    )
    desk.writer.submit([record(1, 1)])
    await desk.wait()
    store.took_s = 0.012  # a batch in place notices
    desk.writer.submit([record(1, 2)])
    await desk.wait()
    for index in range(3, 6):
        desk.writer.submit([record(1, index)])
        await desk.wait()
    store.took_s = 0.0
    assert store.threads[:2] == ["MainThread"] * 2
    assert store.threads[2:] == ["writer"] * 3
    for index in range(6, 6 + THREADED_BATCHES):
        desk.writer.submit([record(1, index)])
        await desk.wait()
    assert store.threads[-1] == "MainThread"  # tried again
    assert desk.told == [(1, index) for index in range(1, 6 + THREADED_BATCHES)]
    await desk.writer.close()


async def test_lazy_records_wait_for_company_and_keep_their_place(tmp_path: Path) -> None:
    desk = Desk(tmp_path, lazy_ms=60_000)
    lazy = msgspec.structs.replace(record(1, 1), lazy=True)
    desk.writer.submit([lazy])
    for _ in range(50):
        await asyncio.sleep(0)
    assert desk.store.batches == []
    desk.writer.submit([record(2, 1)])
    await desk.wait()
    assert sorted(desk.told) == [(1, 1), (2, 1)]
    assert len(desk.store.batches) == 1
    await desk.writer.close()


async def test_lazy_records_go_alone_after_a_while(tmp_path: Path) -> None:
    desk = Desk(tmp_path, lazy_ms=10)
    desk.writer.submit([msgspec.structs.replace(record(1, 1), lazy=True)])
    await desk.wait()
    assert desk.told == [(1, 1)]
    await desk.writer.close()


async def test_a_checkpoint_is_made_between_two_batches(tmp_path: Path) -> None:
    desk = Desk(tmp_path, gather_ms=0)
    desk.store.gate.clear()
    desk.writer.submit([record(1, 1)])
    await asyncio.sleep(0)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(desk.writer.checkpoint(str(tmp_path / "copy")))
        await asyncio.sleep(0)
        desk.writer.submit([record(1, 2)])
        assert not (tmp_path / "copy").exists(), "a sync is under way"
        desk.store.gate.set()
    rows = decode_pack((tmp_path / "copy" / "rows.msgpack").read_bytes(), dict[int, Any])
    assert len(rows[Family.LOG]) == 1, "what came meanwhile waits for its turn"
    async with asyncio.timeout(DEADLINE_S):
        while desk.told != [(1, 1), (1, 2)]:
            await desk.wait()
    await desk.writer.close()


async def test_a_checkpoint_on_a_failed_disk_is_an_error(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.store.error = "sync"
    desk.writer.submit([record(1, 1)])
    await desk.wait()
    with pytest.raises(StoreError, match="failed"):
        await desk.writer.checkpoint(str(tmp_path / "copy"))
    await desk.writer.close()
