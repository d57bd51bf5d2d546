"""The embedded coordinator: SQLite files that every process of one machine opens.

Owns two threads (SQLite blocks, and a lease must not wait for another call's fsync) and one timer
on the loop for all watches. A look is due 5 ms after the kernel said that the file was written and
again after double the pause each time, since what was written shows only once it is synced; then
every 100 ms for a second; and every 500 ms in any case, as for leases that are over. Whichever
process sees one first deletes its records; that is the event.
The SQL and its rules are in `solo_file`.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from msgspec import Struct

from hubbub.coordinator.api import (
    CoordinatorUnavailable,
    Guard,
    Op,
    Record,
    TransactionResult,
    WatchEvent,
)
from hubbub.coordinator.file_sign import FileSign
from hubbub.coordinator.solo_file import (
    HISTORY_REVISIONS,
    ChangeSign,
    LeaseFile,
    RecordFile,
    kernel_boot_id,
)

T = TypeVar("T")

# [M] a look costs 4 us. Half is felt by nobody; double would show when a leader changes.
_LOOK_S: Final = 0.1
# After the kernel's word: a sync of a good disk. One of 6 ms must not cost 100: a slot that changes
# its leader waits for it.
_SOON_S: Final = 0.005
# So long after a write its sync may take; slower ones are seen by the next idle look.
_HOT_S: Final = 1.0
# Idle: for what the kernel did not tell, and for expired leases: of 3 s, over within 3.5.
_IDLE_LOOK_S: Final = 0.5
# SQLite's own wait is 2 s; a call may stand behind another one. Then the answer is "unknown".
_CALL_S_MAX: Final = 5.0


class SoloStatistics(Struct, frozen=True):
    """What this process did with the store since it opened it."""

    watches: int
    transactions: int
    unavailable: int
    leases_swept: int
    sweeps_failed: int


class SoloCoordinator:
    """`Coordinator` over one file; see there. Belongs to the loop of its first call."""

    def __init__(
        self,
        path: str | Path,
        *,
        history_revisions: int = HISTORY_REVISIONS,
        boot_id: str | None = None,
    ) -> None:
        """Open or make the file. Raises CoordinatorUnavailable if that is not possible.

        Args: history_revisions: how far back a watch may start. boot_id: the kernel's unless given.
        """
        self._path = Path(path)
        boot = boot_id or kernel_boot_id()
        try:
            self._leases = LeaseFile(self._path, boot)
            self._records = RecordFile(
                self._path, LeaseFile(self._path, boot), history_revisions=history_revisions
            )
            self._sign = ChangeSign(self._path)
            self._overdue = LeaseFile(self._path, boot)  # read in the loop
            self._records.delete_expired(orphans=True)
        except (sqlite3.Error, OSError) as error:
            raise CoordinatorUnavailable(f"cannot open {self._path}: {error}") from error
        self._record_thread = ThreadPoolExecutor(1, "coordinator-records")
        self._lease_thread = ThreadPoolExecutor(1, "coordinator-leases")
        self._wakers: set[asyncio.Event] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._file_sign: FileSign | None = None
        self._hot_until = self._swept_at = 0.0  # loop time
        self._pause_s = _LOOK_S  # until the next look while it is hot
        self._sweeping = False
        self._closed = False
        self._transactions = self._unavailable = self._leases_swept = self._sweeps_failed = 0

    async def get(self, key: str) -> Record | None:
        return await self._call(self._record_thread, lambda: self._records.get(key))

    async def range(self, prefix: str) -> tuple[list[Record], int]:
        return await self._call(self._record_thread, lambda: self._records.range(prefix))

    async def transact(self, guards: Sequence[Guard], ops: Sequence[Op]) -> TransactionResult:
        result = await self._call(self._record_thread, lambda: self._records.write(guards, ops))
        self._transactions += 1
        if result.succeeded:
            self._wake()
        return result

    async def lease_grant(self, ttl_ms: int) -> int:
        return await self._call(self._lease_thread, lambda: self._leases.grant(ttl_ms))

    async def lease_keepalive(self, lease: int) -> None:
        await self._call(self._lease_thread, lambda: self._leases.keep(lease))

    async def lease_revoke(self, lease: int) -> None:
        await self._call(self._lease_thread, lambda: self._leases.end(lease))
        await self._call(self._record_thread, self._records.delete_expired)
        self._wake()

    async def watch(self, prefix: str, from_revision: int) -> AsyncIterator[list[WatchEvent]]:
        if from_revision < 1:
            raise ValueError(f"from_revision must be at least 1, not {from_revision}")
        waker = asyncio.Event()
        self._wakers.add(waker)
        try:
            start = from_revision
            while True:
                waker.clear()  # before the look, so that a change during it is not slept over
                events, start = await self._changes(prefix, start)
                if events:
                    yield events
                else:
                    await waker.wait()
        finally:
            self._wakers.discard(waker)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._wake()
        self._sign.close()
        self._overdue.close()
        if self._file_sign is not None:
            self._file_sign.close()
        # SQLite makes and removes files until its last connection is closed: whoever renames or
        # removes the directory next must find it at rest. One thread after the other: of two that
        # close at once each takes the other for one that stays, and the -wal is left behind.
        await self._end(self._record_thread, self._records.close)
        await self._end(self._lease_thread, self._leases.close)

    async def _end(self, thread: ThreadPoolExecutor, close: Callable[[], None]) -> None:
        """Its last job; at most one busy wait stands before it."""
        closing = asyncio.get_running_loop().run_in_executor(thread, close)
        thread.shutdown(wait=False)
        await asyncio.wait([closing], timeout=_CALL_S_MAX)

    def statistics(self) -> SoloStatistics:
        """Counters since the start."""
        return SoloStatistics(
            watches=len(self._wakers),
            transactions=self._transactions,
            unavailable=self._unavailable,
            leases_swept=self._leases_swept,
            sweeps_failed=self._sweeps_failed,
        )

    async def _changes(self, prefix: str, start: int) -> tuple[list[WatchEvent], int]:
        return await self._call(self._record_thread, lambda: self._records.changes(prefix, start))

    async def _call(self, thread: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        if self._closed:
            raise CoordinatorUnavailable(f"{self._path} was closed")
        loop = asyncio.get_running_loop()
        if self._timer is None:
            self._timer = loop.call_later(_LOOK_S, self._look, loop)
            self._file_sign = FileSign.open(self._path.with_name(self._path.name + "-wal"))
            if self._file_sign is not None:
                self._file_sign.attach(loop, self._written)
        try:
            async with asyncio.timeout(_CALL_S_MAX):
                return await loop.run_in_executor(thread, work)
        except sqlite3.Error as error:
            self._unavailable += 1
            raise CoordinatorUnavailable(f"{self._path}: {error}") from error
        except TimeoutError:
            self._unavailable += 1
            raise CoordinatorUnavailable(f"{self._path}: no answer in {_CALL_S_MAX} s") from None

    def _wake(self) -> None:
        for waker in self._wakers:
            waker.set()

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._closed:
            return
        is_idle = self._file_sign is not None and loop.time() >= self._hot_until
        self._timer = loop.call_later(_IDLE_LOOK_S if is_idle else self._pause_s, self._look, loop)
        self._pause_s = min(2 * self._pause_s, _LOOK_S)
        try:
            changed = self._sign.changed()
            is_due = loop.time() - self._swept_at >= _IDLE_LOOK_S and not self._sweeping
            has_expired = is_due and bool(self._overdue.expired())
        except sqlite3.Error:
            changed = has_expired = True  # the threads look for themselves, and say what is wrong
        if changed:
            self._wake()
        if has_expired and not self._sweeping:
            self._swept_at, self._sweeping = loop.time(), True
            sweep = loop.run_in_executor(self._record_thread, self._records.delete_expired)
            sweep.add_done_callback(self._swept)

    def _written(self) -> None:
        """Somebody writes; it shows once it is synced."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._hot_until, self._pause_s = now + _HOT_S, _SOON_S
        if self._timer is not None and not self._closed and self._timer.when() > now + _SOON_S:
            self._timer.cancel()
            self._timer = loop.call_later(_SOON_S, self._look, loop)

    def _swept(self, sweep: asyncio.Future[int]) -> None:
        self._sweeping = False
        if sweep.cancelled():
            return
        error = sweep.exception()
        if error is None:
            self._leases_swept += sweep.result()
            if sweep.result():
                self._wake()
        elif isinstance(error, sqlite3.Error):
            self._sweeps_failed += 1  # the next sweep, or another process's, does it
        else:
            raise error
