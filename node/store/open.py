"""Open a node's database, or refuse it: what was acknowledged is there, or nothing is served.

Rules (contracts.md 3, replication.md 2.12):
1. A database that opens below `acked.map` lost acknowledged records, whatever its checksums say.
2. A damaged WAL can make the open spin inside RocksDB, where no Python runs: SIGALRM with its
   default action ends the process, also without a supervisor; a tiny shell, started before, then
   speaks the last word because the process no longer can.
3. Never repair, never shorten: a refusal names the cure and leaves every file as it was. Opening
   itself changes a database: [M] with one flipped bit RocksDB kept the first 50 of 100 synced
   records and deleted the log with the other 49. So it is first opened read-only, which replays the
   same log by the same rules and writes nothing; only one that proved whole is opened for writing.
"""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from node.store.acked import AckedMap
from node.store.api import StoreError, StoreFull, StoreRefused
from node.store.rocks import RocksLimits, RocksStore, sequence_at_rest

_DATABASE: Final = "db"
_ACKED: Final = "acked.map"
_STORAGE_ID: Final = "storage_id"
_LOCK: Final = "LOCK"
_HELD: Final = re.compile(r"(?i)\block (?:file|hold|/)")  # and not the block of a damaged table
CURE: Final = (
    "the node serves nothing from it. Keep the folder for inspection, then restore it from a "
    "backup (or, with copies elsewhere, move it aside: the node is rebuilt from its peers)"
)
ROOM: Final = "nothing is lost; free some space, or enlarge the disk, and start the node again"


class Opened(Struct, frozen=True):
    """An open database with what guards it, and the id of this copy."""

    store: RocksStore
    acked: AckedMap
    storage_id: str


def database_path(data_dir: str) -> Path:
    """Where the database of a node's data folder is."""
    return Path(data_dir) / _DATABASE


def acked_path(data_dir: str) -> Path:
    """Where its `acked.map` is."""
    return Path(data_dir) / _ACKED


def open_store(data_dir: str, limits: RocksLimits, deadline_s: int) -> Opened:
    """Open or make the database in `data_dir`.

    Call from the main thread: it uses SIGALRM. Raises StoreRefused with the cure, StoreFull while
    the disk has no room; OSError if the folder cannot be used. Does not return after `deadline_s`:
    the process is killed by SIGALRM.
    """
    folder = Path(data_dir)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = database_path(data_dir)
    is_new = not (database / "CURRENT").exists()
    if not is_new and not (folder / _ACKED).exists():
        raise StoreRefused(f"{folder}: {_ACKED} is missing beside an existing database; {CURE}")
    if is_new and (folder / _ACKED).exists() and AckedMap(str(folder / _ACKED)).highest:
        raise StoreRefused(f"{folder}: acknowledged records exist, their database is gone; {CURE}")
    storage_id = _storage_id(folder / _STORAGE_ID)
    acked = AckedMap(str(folder / _ACKED))
    try:
        with _deadline(deadline_s, str(folder)):
            if not is_new:
                _prove_whole(database, limits, acked.highest)
            return Opened(RocksStore(str(database), limits), acked, storage_id)
    except StoreFull as error:
        acked.close()
        raise StoreFull(f"{folder}: {error}; {ROOM}") from error
    except StoreError as error:
        acked.close()
        if _HELD.search(str(error)):
            raise StoreRefused(f"{folder}: in use by another process ({error})") from error
        raise StoreRefused(f"{folder}: the database does not open: {error}; {CURE}") from error
    except StoreRefused:
        acked.close()
        raise


def _prove_whole(database: Path, limits: RocksLimits, highest: int) -> None:
    """Rule 1, without changing anything. Raises StoreRefused, or StoreError where an open would."""
    with _locked(database / _LOCK):
        found = sequence_at_rest(str(database), limits)
    if found < highest:
        raise StoreRefused(
            f"{database.parent}: {highest - found} acknowledged records are missing (the database "
            f"ends at {found}, {highest} was acknowledged): its log is damaged, no file was "
            f"changed; {CURE}"
        )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """RocksDB's own lock file, which a read-only open does not ask for."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StoreError(f"lock {path}: {error}") from error
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _deadline(seconds: int, folder: str) -> Iterator[None]:
    """SIGALRM after `seconds`, and somebody who says why once this process is dead."""
    previous = signal.signal(signal.SIGALRM, signal.SIG_DFL)
    witness = _last_word(
        f"error: {folder}: the database did not open within {seconds} s: its log is damaged; {CURE}"
    )
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
        if witness is not None and witness.stdin is not None:
            witness.communicate(b"opened\n")


def _last_word(text: str) -> subprocess.Popen[bytes] | None:
    """A shell that prints `text` unless it reads a line before its pipe closes."""
    try:
        return subprocess.Popen(
            ["/bin/sh", "-c", 'read -r line || printf "%s\\n" "$1" >&2', "sh", text],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C for the node is not one for its witness
        )
    except OSError:  # no shell: the signal still ends the process, only silently
        return None


def _storage_id(path: Path) -> str:
    """The random id of this copy, made once. A wiped disk gets another one."""
    if path.exists():
        return path.read_text(encoding="ascii").strip()
    made = str(uuid.uuid4())
    draft = path.with_suffix(".draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, made.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(draft, path)
    return made
