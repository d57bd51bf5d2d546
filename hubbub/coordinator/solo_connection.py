"""SQLite as the embedded coordinator opens it: WAL, an owner's files, and a lock in turn."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

# How long one call waits for another process's lock. A transaction holds it for one fsync (4 ms
# on a slow disk); half would fail on a stalled disk, double would eat the lease time of 3 s.
BUSY_MS_MAX: Final = 2_000
_LOOK_S: Final = 0.002  # half of such an fsync
_FORMAT: Final = 1  # of both files; another one is refused, not guessed at


def connect(path: Path, synchronous: str, schema: str) -> sqlite3.Connection:
    """Open, switch to WAL and make the tables; another process may be doing the same. Raises
    sqlite3.Error."""
    _make(path)
    # Used by one thread at a time, but opened by another than the one that works.
    db = sqlite3.connect(
        path, timeout=BUSY_MS_MAX / 1000, isolation_level=None, check_same_thread=False
    )
    try:
        _switch_to_wal(db)
        db.execute(f"PRAGMA synchronous = {synchronous}")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, _FORMAT):
            raise sqlite3.DatabaseError(f"format {version} is not known, only {_FORMAT}")
        if version == 0:
            with transaction(db):
                for statement in schema.split(";\n"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {_FORMAT}")
    except BaseException:
        db.close()
        raise
    return db


def _make(path: Path) -> None:
    """An empty file for its owner alone; -wal and -shm take its rights. One that exists is left.

    It is not even opened: closing any descriptor of a file ends all locks that this process has on
    it (fcntl), those of its other SQLite connections too. [M] A process without them was not
    counted by the others: the next one that closed took itself for the last and removed the -wal
    under it, and what was written there from then on, nobody else saw.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _switch_to_wal(db: sqlite3.Connection) -> None:
    """SQLite does not wait for the lock that this switch needs, whatever the timeout."""
    _insist(db, "PRAGMA journal_mode = WAL")


def _begin(db: sqlite3.Connection) -> None:
    """Get the write lock.

    SQLite's own wait looks ever more rarely, in the end ten times a second, so that whoever has
    waited longest loses to all who have just come. Here everybody looks equally often.
    """
    db.execute("PRAGMA busy_timeout = 0")
    try:
        _insist(db, "BEGIN IMMEDIATE")
    finally:
        db.execute(f"PRAGMA busy_timeout = {BUSY_MS_MAX}")


def _insist(db: sqlite3.Connection, statement: str) -> None:
    deadline = time.monotonic() + BUSY_MS_MAX / 1000
    while True:
        try:
            db.execute(statement)
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_LOOK_S)


@contextmanager
def transaction(db: sqlite3.Connection, *, reads: bool = False) -> Iterator[None]:
    """All of it or nothing; `reads`: of one moment. Raises sqlite3.Error."""
    if reads:
        db.execute("BEGIN DEFERRED")
    else:
        _begin(db)
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # a failed COMMIT may have ended it already
            db.execute("ROLLBACK")
        raise
