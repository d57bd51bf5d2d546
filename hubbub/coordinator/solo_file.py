"""The embedded coordinator's files and their SQL; synchronous, for one thread at a time.

Rules:
1. `PATH` holds what is durable: WAL, synchronous FULL. A transaction is BEGIN IMMEDIATE ... COMMIT,
   so that a compare and its swap are one step between all processes of the machine.
2. `PATH.leases.<kernel's boot id>` holds leases: never synced, because every lease ends with the
   boot. A file of its own for each boot, so that what a power cut left is never opened again.
3. A lease ends by the boot clock, which all processes share and which only goes forward: once
   over, over for everyone. `write` checks it inside the write lock and `delete_expired` deletes
   inside it, so that no record is left behind by a lease.
4. The files are for their owner's eyes only: records hold secrets.
5. A transaction is a handful of statements, however many keys it has: between two of them, and two
   rows, this thread waits for the loop's. [M] 64 slots beside a busy loop: 44 instead of 118 ms,
   28 of both for the sync.
"""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hubbub.coordinator.api import (
    Compacted,
    Delete,
    Guard,
    LeaseExpired,
    Op,
    Put,
    Record,
    TransactionResult,
    WatchEvent,
    check_transaction,
    prefix_end,
)
from hubbub.coordinator.solo_connection import connect, transaction

# Revisions that a watcher may be behind. A cluster start is about 50 revisions, a busy day 1,000.
HISTORY_REVISIONS: Final = 10_000
# Events in one batch, unless one revision alone has more: bounds what one read takes.
_BATCH_EVENTS_MAX: Final = 1_000
# Old history goes once in so many revisions: a delete costs as much as a transaction.
_COMPACT_EVERY: Final = 64


_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (
    one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER NOT NULL, compacted INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS record (
    key BLOB PRIMARY KEY, value BLOB NOT NULL, create_revision INTEGER NOT NULL,
    mod_revision INTEGER NOT NULL, lease INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS record_lease ON record (lease) WHERE lease != 0;
CREATE TABLE IF NOT EXISTS history (
    revision INTEGER NOT NULL, key BLOB NOT NULL, value BLOB, create_revision INTEGER NOT NULL,
    lease INTEGER NOT NULL, PRIMARY KEY (revision, key)
) WITHOUT ROWID;
INSERT OR IGNORE INTO meta VALUES (1, 1, 1);
"""
_LEASE_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS lease (
    id INTEGER PRIMARY KEY, ttl_ns INTEGER NOT NULL, deadline_ns INTEGER NOT NULL
);
"""
_RECORD_COLUMNS: Final = "key, value, create_revision, mod_revision, lease"


def kernel_boot_id() -> str:
    """The id that the kernel drew when the machine started."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


class LeaseFile:
    """The leases of all processes since the machine started. Raises sqlite3.Error."""

    def __init__(self, records: Path, boot: str) -> None:
        path = records.with_name(f"{records.name}.leases.{boot}")
        for old in records.parent.glob(f"{records.name}.leases.*"):
            if not old.name.startswith(path.name):
                old.unlink(missing_ok=True)
        self._db = connect(path, "OFF", _LEASE_SCHEMA)

    def grant(self, ttl_ms: int) -> int:
        """A new lease's id, random: an id of an earlier boot must not come back to life."""
        if ttl_ms <= 0:
            raise ValueError(f"ttl_ms must be more than 0, not {ttl_ms}")
        lease = secrets.randbits(63) or 1
        ttl_ns = ttl_ms * 1_000_000
        row = (lease, ttl_ns, _boot_clock_ns() + ttl_ns)
        self._db.execute("INSERT INTO lease VALUES (?, ?, ?)", row)
        return lease

    def keep(self, lease: int) -> None:
        """Good for its ttl from now on. Raises LeaseExpired."""
        self._extend(lease, "deadline_ns = ttl_ns + :now")

    def end(self, lease: int) -> None:
        """Expired from now on. Raises LeaseExpired if it was already."""
        self._extend(lease, "deadline_ns = 0")

    def is_alive(self, lease: int) -> bool:
        """Granted in this boot and not over yet."""
        query = "SELECT 1 FROM lease WHERE id = ? AND deadline_ns > ?"
        return self._db.execute(query, (lease, _boot_clock_ns())).fetchone() is not None

    def expired(self) -> list[int]:
        """Leases that are over and not forgotten yet."""
        query = "SELECT id FROM lease WHERE deadline_ns <= ?"
        return [lease for (lease,) in self._db.execute(query, (_boot_clock_ns(),))]

    def forget(self, leases: Sequence[int]) -> None:
        """Remove expired ones whose records are gone."""
        with transaction(self._db):
            self._db.executemany("DELETE FROM lease WHERE id = ?", [(lease,) for lease in leases])

    def close(self) -> None:
        self._db.close()

    def _extend(self, lease: int, change: str) -> None:
        changed = self._db.execute(
            f"UPDATE lease SET {change} WHERE id = :lease AND deadline_ns > :now",
            {"lease": lease, "now": _boot_clock_ns()},
        )
        if changed.rowcount == 0:
            raise LeaseExpired(lease)


class RecordFile:
    """Records, revisions and history. Takes over `leases`. Raises sqlite3.Error."""

    def __init__(self, path: Path, leases: LeaseFile, history_revisions: int) -> None:
        self._leases = leases
        self._history_revisions = history_revisions
        try:
            self._db = connect(path, "FULL", _SCHEMA)
        except BaseException:
            leases.close()
            raise

    def close(self) -> None:
        self._db.close()
        self._leases.close()

    def revision(self) -> int:
        """The revision of the last change."""
        return int(self._db.execute("SELECT revision FROM meta").fetchone()[0])

    def get(self, key: str) -> Record | None:
        """The record of a key."""
        query = f"SELECT {_RECORD_COLUMNS} FROM record WHERE key = ?"
        row = self._db.execute(query, (key.encode(),)).fetchone()
        return _record(row) if row else None

    def range(self, prefix: str) -> tuple[list[Record], int]:
        """The records of a prefix and their revision, from one snapshot."""
        condition, bounds = _within(prefix)
        query = f"SELECT {_RECORD_COLUMNS} FROM record WHERE {condition} ORDER BY key"
        with transaction(self._db, reads=True):
            return [_record(row) for row in self._db.execute(query, bounds)], self.revision()

    def write(self, guards: Sequence[Guard], ops: Sequence[Op]) -> TransactionResult:
        """Compare and swap, synced when it returns. Raises as `Coordinator.transact`."""
        check_transaction(guards, ops)
        with transaction(self._db):
            revision = self.revision()
            if not self._hold(guards):
                return TransactionResult(False, revision)
            puts = [op for op in ops if isinstance(op, Put)]
            for op in puts:
                if op.lease and not self._leases.is_alive(op.lease):
                    raise LeaseExpired(op.lease)
            self._put(puts, revision + 1)
            deleted = [
                self._delete(op.key.encode(), revision + 1) for op in ops if isinstance(op, Delete)
            ]
            return TransactionResult(True, self._advance(revision, bool(puts) or any(deleted)))

    def delete_expired(self, *, orphans: bool = False) -> int:
        """Delete the records of expired leases, each lease's in one revision; how many.

        Args: orphans: look as well for records of leases that are not in the lease file at all,
            as after a boot that took the file: needs a look at every leased record.
        """
        expired = self._leases.expired()
        over = set(expired)
        if orphans:
            held = self._db.execute("SELECT DISTINCT lease FROM record WHERE lease != 0")
            over.update(lease for (lease,) in held if not self._leases.is_alive(lease))
        deleted = sum(self._delete_of(lease) for lease in sorted(over))
        if expired:
            self._leases.forget(expired)
        return deleted

    def changes(self, prefix: str, start: int) -> tuple[list[WatchEvent], int]:
        """Changes at `start` or later, and the revision to go on from. Raises Compacted."""
        condition, bounds = _within(prefix)
        query = (
            "SELECT key, value, create_revision, revision, lease FROM history "
            f"WHERE revision >= ? AND {condition} ORDER BY revision, key"
        )
        with transaction(self._db, reads=True):
            revision, compacted = self._db.execute(
                "SELECT revision, compacted FROM meta"
            ).fetchone()
            if start < compacted:
                raise Compacted(compacted)
            events: list[WatchEvent] = []
            for row in self._db.execute(query, (start, *bounds)):
                if len(events) >= _BATCH_EVENTS_MAX and row[3] != events[-1].revision:
                    return events, events[-1].revision + 1
                events.append(_event(row))
            return events, max(start, revision + 1)

    def _hold(self, guards: Sequence[Guard]) -> bool:
        """Every guard finds its revision."""
        if not guards:
            return True
        query = (
            f"WITH asked (key, revision) AS (VALUES {_rows(2, len(guards))}) "
            "SELECT COUNT(*) FROM asked LEFT JOIN record USING (key) "
            "WHERE IFNULL(mod_revision, 0) = asked.revision"
        )
        values = [v for guard in guards for v in (guard.key.encode(), guard.mod_revision)]
        return bool(self._db.execute(query, values).fetchone()[0] == len(guards))

    def _put(self, puts: Sequence[Put], revision: int) -> None:
        if not puts:
            return
        keys = [op.key.encode() for op in puts]
        values = [v for key, op in zip(keys, puts, strict=True) for v in (key, op.value, op.lease)]
        self._db.execute(
            f"WITH new (key, value, lease) AS (VALUES {_rows(3, len(puts))}) "
            "INSERT OR REPLACE INTO record "
            "SELECT new.key, new.value, IFNULL(old.create_revision, ?), ?, new.lease "
            "FROM new LEFT JOIN record AS old USING (key)",
            (*values, revision, revision),
        )
        self._db.execute(
            "INSERT INTO history SELECT mod_revision, key, value, create_revision, lease "
            f"FROM record WHERE key IN {_rows(len(keys), 1)}",
            keys,
        )

    def _delete(self, key: bytes, revision: int) -> bool:
        if self._db.execute("DELETE FROM record WHERE key = ?", (key,)).rowcount == 0:
            return False
        self._db.execute("INSERT INTO history VALUES (?, ?, NULL, 0, 0)", (revision, key))
        return True

    def _delete_of(self, lease: int) -> int:
        query = "SELECT key FROM record WHERE lease = ?"
        if self._db.execute(query, (lease,)).fetchone() is None:
            return 0  # seen without the write lock: most processes find the work done
        with transaction(self._db):
            keys = self._db.execute(query, (lease,)).fetchall()
            revision = self.revision()
            for (key,) in keys:
                self._delete(key, revision + 1)
            self._advance(revision, bool(keys))
        return len(keys)

    def _advance(self, revision: int, changed: bool) -> int:
        if not changed:
            return revision
        revision += 1
        self._db.execute("UPDATE meta SET revision = ?", (revision,))
        floor = revision - self._history_revisions + 1
        if floor > 1 and (revision % _COMPACT_EVERY == 0):
            self._db.execute("DELETE FROM history WHERE revision < ?", (floor,))
            self._db.execute("UPDATE meta SET compacted = ?", (floor,))
        return revision


class ChangeSign:
    """Tells whether any process changed the records since the last look: 4 us, no lock held."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        self._seen: int | None = None

    def changed(self) -> bool:
        """True once for each time that something changed. Raises sqlite3.Error."""
        version = self._db.execute("PRAGMA data_version").fetchone()[0]
        if version == self._seen:
            return False
        self._seen = version
        return True

    def close(self) -> None:
        self._db.close()


def _boot_clock_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def _rows(columns: int, count: int) -> str:
    """Placeholders of so many rows."""
    return ", ".join([f"({', '.join('?' * columns)})"] * count)


def _within(prefix: str) -> tuple[str, tuple[bytes, ...]]:
    start = prefix.encode()
    end = prefix_end(start)
    return ("key >= ?", (start,)) if end is None else ("key >= ? AND key < ?", (start, end))


def _record(row: tuple[bytes, bytes, int, int, int]) -> Record:
    key, value, created, modified, lease = row
    return Record(key.decode(), value, created, modified, lease)


def _event(row: tuple[bytes, bytes | None, int, int, int]) -> WatchEvent:
    key, value, created, revision, lease = row
    name = key.decode()
    record = None if value is None else Record(name, value, created, revision, lease)
    return WatchEvent(name, record, revision)
