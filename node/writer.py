"""The one writer of the node: everything that all slots have, one batch, one sync.

Rules (contracts.md 3 and 5):
1. Order: write the batch, sync it, raise `acked.map`, only then tell the slots.
2. One batch is under way at a time; while its sync runs, the next one gathers by itself.
3. Idle, a record leaves at once. Busy (records come at least twice in `gather_ms`), it waits until
   `gather_ms` after the last batch began, or until `gather_bytes` have come together.
4. Lazy records alone wait for company, at most `lazy_ms`; the order stays that of their arrival.
5. The write happens in the loop's thread: it holds the interpreter's lock anywhere. The sync
   does not, and runs in the thread, so that a slow disk stops nobody; on a disk that syncs faster
   than two threads can hand over to each other, it runs in place (decision record 0006).
6. An error of either is final: nothing is retried, nothing more is acknowledged. After a failed
   fsync the kernel may have dropped what was dirty, and the second one would succeed.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from time import perf_counter
from typing import Final

import msgspec

from hubbub.base.units import KIB, MIB
from node import keys
from node.ready import Record
from node.store.acked import AckedMap
from node.store.api import Family, Op, Store, StoreError

Token = tuple[int, int]  # slot, token
# One sync this slow is enough to hand over.
SLOW_SYNC_S: Final = 0.010
# Batches of the thread before one in place is tried again: what the thread measures contains its
# wait for the interpreter's lock, so it cannot tell. Half doubles the blinks of a slow disk.
THREADED_BATCHES: Final = 256
_MEAN_SHARE: Final = 0.125  # of a new sync in the mean: some 8 syncs decide
_PACE_SHARE: Final = 0.0625  # of a new interval in the pace: some 16 arrivals decide
_CLOSE_POLL_S: Final = 0.002


class WriterLimits(msgspec.Struct, frozen=True):
    """Bounds of a batch; the reasons stand at `settings.schema.NodeConfig`."""

    batch_bytes_max: int = 1 * MIB
    batch_records_max: int = 1_000
    gather_ms: float = 5.0
    gather_bytes: int = 64 * KIB
    sync_in_place_ms: float = 1.0
    lazy_ms: int = 1_000


class WriterCounts(msgspec.Struct):
    """What /metrics shows of the writer."""

    records_total: int = 0
    batches_total: int = 0  # = syncs
    bytes_total: int = 0
    waiting_records: int = 0
    failed_total: int = 0


class Writer:
    """Batches records and reports what is durable, both in the loop's thread."""

    def __init__(
        self,
        store: Store,
        acked: AckedMap,
        limits: WriterLimits,
        on_persisted: Callable[[list[Token]], None],
        on_failed: Callable[[StoreError], None],
        observe_sync: Callable[[float], None] = lambda _: None,
        now_s: Callable[[], float] = perf_counter,
    ) -> None:
        """Args: on_persisted: the highest durable token of each slot of a batch. on_failed: once;
        nothing is written any more. observe_sync: seconds of each sync. now_s: what
        syncs are timed with.
        """
        self._store = store
        self._acked = acked
        self._limits = limits
        self._on_persisted = on_persisted
        self._on_failed = on_failed
        self._observe_sync = observe_sync
        self._now_s = now_s
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Record] = deque()
        self._waiting_bytes = 0
        self._urgent = 0  # records that somebody waits for
        self._syncing = False
        self._is_failed = False
        self._is_paused = False  # a checkpoint waits for its turn
        self._began = float("-inf")
        self._arrived = float("-inf")
        self._pace_s = 1.0  # mean time between arrivals
        self._sync_mean_s = 0.0
        self._threaded_left = 0
        self._scheduled: asyncio.Handle | None = None
        self._due = 0.0  # when it begins
        self._jobs: SimpleQueue[tuple[int, list[Token]] | None] = SimpleQueue()
        self.counts = WriterCounts()
        self._thread = threading.Thread(target=self._sync_for_ever, name="writer", daemon=True)
        self._thread.start()

    def submit(self, records: Sequence[Record]) -> None:
        """Take records in order; each is reported once it is durable."""
        urgent = self._urgent
        for record in records:
            self._waiting.append(record)
            self._waiting_bytes += record.byte_count
            self._urgent += not record.lazy
        self.counts.waiting_records = len(self._waiting)
        if self._urgent > urgent:
            now = self._loop.time()
            self._pace_s += (min(1.0, now - self._arrived) - self._pace_s) * _PACE_SHARE
            self._arrived = now
        if not self._syncing:
            self._schedule()

    def statistics(self) -> WriterCounts:
        """Counters, live."""
        return self.counts

    def syncing_ms(self) -> int:
        """How long the sync that is under way has taken so far; 0: none is."""
        return int((self._loop.time() - self._began) * 1_000) if self._syncing else 0

    async def checkpoint(self, path: str) -> None:
        """A consistent copy of everything written so far, in a new folder, between two batches.

        Cancellation: none is made; batches go on. Raises StoreError.
        """
        self._is_paused = True
        try:
            while self._syncing and not self._is_failed:  # noqa: ASYNC110 - a thread works
                await asyncio.sleep(_CLOSE_POLL_S)
            if self._is_failed:
                raise StoreError("the disk failed")
            self._store.checkpoint(path)
        finally:
            self._is_paused = False
            if not self._syncing:
                self._schedule()

    async def close(self) -> None:
        """Write and sync what waits, then end the thread. Cancellation: what waits is lost."""
        while (self._waiting or self._syncing) and not self._is_failed:
            if not self._syncing:
                self._begin()
            await asyncio.sleep(_CLOSE_POLL_S)
        if self._scheduled is not None:
            self._scheduled.cancel()
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    # --- in the loop

    def _schedule(self) -> None:
        if self._is_failed or not self._waiting:
            return
        if self._waiting_bytes >= self._limits.gather_bytes:
            self._begin_in(0)
        elif not self._urgent:
            self._begin_in(self._limits.lazy_ms / 1_000)
        elif self._pace_s * 2_000 > self._limits.gather_ms:  # quiet
            self._begin_in(0)
        else:
            self._begin_in(self._began + self._limits.gather_ms / 1_000 - self._loop.time())

    def _begin_in(self, wait_s: float) -> None:
        """Begin a batch after a while, or earlier if that is planned already."""
        due = self._loop.time() + max(0.0, wait_s)
        if self._scheduled is not None:
            if self._due <= due:
                return
            self._scheduled.cancel()
        self._due = due
        if wait_s > 0:
            self._scheduled = self._loop.call_later(wait_s, self._begin)
        else:  # call_soon: all that this turn of the loop still brings
            self._scheduled = self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        """Write one batch and hand its sync to the thread."""
        self._scheduled = None
        if self._is_failed or self._is_paused or self._syncing or not self._waiting:
            return
        self._began = self._loop.time()
        ops, tokens = self._take()
        try:
            sequence = self._store.write(ops)
        except StoreError as error:
            self._fail(error)
            return
        self._syncing = True
        if self._threaded_left or not self._limits.sync_in_place_ms:
            self._threaded_left = max(0, self._threaded_left - 1)
            self._jobs.put((sequence, tokens))
            return
        began = self._now_s()
        try:
            self._store.sync()
        except StoreError as error:
            self._fail(error)
            return
        self._acked.store(sequence)
        took_s = self._now_s() - began
        self._judge(took_s)
        self._done(tokens, took_s)

    def _take(self) -> tuple[list[Op], list[Token]]:
        """The operations of the next batch, and what is durable with it."""
        ops: list[Op] = []
        metas: dict[int, bytes] = {}
        tokens: dict[int, int] = {}
        waiting, limits, byte_count, count = self._waiting, self._limits, 0, 0
        while waiting and count < limits.batch_records_max and byte_count < limits.batch_bytes_max:
            record = waiting.popleft()
            ops += record.ops
            tokens[record.slot] = record.token
            if record.meta:
                metas[record.slot] = record.meta
            byte_count += record.byte_count
            count += 1
            self._urgent -= not record.lazy
        self._waiting_bytes -= byte_count
        ops.extend((Family.META, keys.slot_meta(slot), row) for slot, row in metas.items())
        self.counts.records_total += count
        self.counts.batches_total += 1
        self.counts.bytes_total += byte_count
        self.counts.waiting_records = len(waiting)
        return ops, list(tokens.items())

    def _done(self, tokens: list[Token], took_s: float) -> None:
        self._syncing = False
        self._observe_sync(took_s)
        self._on_persisted(tokens)
        self._schedule()

    def _judge(self, took_s: float) -> None:
        """After a sync in place: whether the next ones belong to the thread."""
        self._sync_mean_s += (took_s - self._sync_mean_s) * _MEAN_SHARE
        if self._sync_mean_s * 1_000 > self._limits.sync_in_place_ms or took_s >= SLOW_SYNC_S:
            self._threaded_left = THREADED_BATCHES
            self._sync_mean_s = 0.0

    def _fail(self, error: StoreError) -> None:
        self._syncing = False
        if not self._is_failed:
            self._is_failed = True
            self.counts.failed_total += 1
            self._on_failed(error)

    # --- in the thread

    def _sync_for_ever(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            sequence, tokens = job
            began = self._now_s()
            try:
                self._store.sync()
            except StoreError as error:
                self._loop.call_soon_threadsafe(self._fail, error)
                return
            self._acked.store(sequence)
            self._loop.call_soon_threadsafe(self._done, tokens, self._now_s() - began)
