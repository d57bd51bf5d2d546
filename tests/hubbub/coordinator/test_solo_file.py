"""The SQL of the embedded coordinator: against a model, and what is its own."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbub.coordinator.api import (
    Compacted,
    Delete,
    Guard,
    LeaseExpired,
    Op,
    Put,
    Record,
    WatchEvent,
)
from hubbub.coordinator.solo_file import (
    ChangeSign,
    LeaseFile,
    RecordFile,
    kernel_boot_id,
)

BOOT = "boot-1"


def open_files(path: Path, boot: str = BOOT, history: int = 10_000) -> RecordFile:
    return RecordFile(path, LeaseFile(path, boot), history)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "solo.db"


@pytest.fixture
def records(path: Path) -> Iterator[RecordFile]:
    made = open_files(path)
    yield made
    made.close()


@pytest.fixture
def leases(path: Path) -> Iterator[LeaseFile]:
    made = LeaseFile(path, BOOT)
    yield made
    made.close()


# --- against a model


@dataclass
class Model:
    """What the documented rules say, written as plainly as possible."""

    revision: int = 1
    records: dict[str, Record] = field(default_factory=dict)
    events: list[WatchEvent] = field(default_factory=list)

    def write(self, guards: list[Guard], ops: list[Op]) -> bool:
        for guard in guards:
            held = self.records.get(guard.key)
            if guard.mod_revision != (held.mod_revision if held else 0):
                return False
        effective = [op for op in ops if isinstance(op, Put) or op.key in self.records]
        if effective:
            self.revision += 1
        for op in sorted(effective, key=lambda op: op.key.encode()):
            if isinstance(op, Delete):
                del self.records[op.key]
            else:
                held = self.records.get(op.key)
                created = held.create_revision if held else self.revision
                self.records[op.key] = Record(op.key, op.value, created, self.revision)
            self.events.append(WatchEvent(op.key, self.records.get(op.key), self.revision))
        return True


KEYS = st.sampled_from(["/a", "/a/b", "/b", "/ä", "/b/\U0001f600"])
GUARDS = st.lists(st.builds(Guard, KEYS, st.integers(0, 6)), max_size=2)
OPS = st.lists(
    st.one_of(st.builds(Put, KEYS, st.binary(max_size=3)), st.builds(Delete, KEYS)),
    max_size=4,
    unique_by=lambda op: op.key,
)


@settings(max_examples=60)
@given(st.lists(st.tuples(GUARDS, OPS), max_size=15), st.integers(1, 16))
def test_any_transactions_do_what_the_model_does(
    transactions: list[tuple[list[Guard], list[Op]]], start: int
) -> None:
    model = Model()
    with tempfile.TemporaryDirectory() as folder:
        records = open_files(Path(folder) / "solo.db")
        for guards, ops in transactions:
            result = records.write(guards, ops)
            assert result.succeeded == model.write(guards, ops)
            assert result.revision == model.revision
        kept, revision = records.range("")
        assert revision == model.revision
        assert kept == sorted(model.records.values(), key=lambda record: record.key.encode())
        for prefix in ("", "/a", "/b/"):
            expected = [e for e in model.events if e.key.startswith(prefix) and e.revision >= start]
            assert records.changes(prefix, start) == (expected, max(start, model.revision + 1))
        records.close()


# --- leases and boots


def test_a_lease_of_another_boot_has_expired(path: Path) -> None:
    """The boot clock starts anew: a deadline of the last boot would be far in the future."""
    with closing(open_files(path, "boot-1")) as before, closing(LeaseFile(path, "boot-1")) as old:
        lease = old.grant(3_600_000)
        before.write([], [Put("/leased", b"", lease), Put("/kept", b"")])
    with closing(open_files(path, "boot-2")) as after, closing(LeaseFile(path, "boot-2")) as new:
        assert after.delete_expired(orphans=True) == 1
        assert [record.key for record in after.range("")[0]] == ["/kept"]
        assert after.changes("", 3)[0] == [WatchEvent("/leased", None, 3)]
        with pytest.raises(LeaseExpired):
            new.keep(lease)
    assert [p.name for p in path.parent.glob("*.leases.boot-1*")] == []


def test_expired_records_are_deleted_once(path: Path, leases: LeaseFile) -> None:
    """Every process sweeps; only one of them makes the event."""
    first, second = open_files(path), open_files(path)
    lease = leases.grant(3_600_000)
    first.write([], [Put("/a", b"", lease)])
    assert first.delete_expired() == 0
    leases.end(lease)
    assert first.delete_expired() + second.delete_expired() == 1
    assert leases.expired() == []
    assert first.revision() == 3
    first.close()
    second.close()


def test_a_sweep_that_died_half_way_is_finished_by_the_next(
    path: Path, records: RecordFile, leases: LeaseFile
) -> None:
    """The lease's row goes after its records, so that a kill between leaves it to be found."""
    lease = leases.grant(3_600_000)
    records.write([], [Put("/a", b"", lease)])
    leases.end(lease)
    records.write([], [Delete("/a")])
    assert leases.expired() == [lease]
    assert records.delete_expired() == 0
    assert leases.expired() == []


def test_an_orphan_needs_no_lease_row(records: RecordFile, leases: LeaseFile) -> None:
    lease = leases.grant(3_600_000)
    records.write([], [Put("/a", b"", lease)])
    leases.forget([lease])
    assert records.delete_expired() == 0
    assert records.delete_expired(orphans=True) == 1


def test_the_kernel_names_its_boot() -> None:
    assert len(kernel_boot_id()) == 36
    assert kernel_boot_id() == kernel_boot_id()


# --- history


def test_history_keeps_at_least_what_was_asked(path: Path) -> None:
    records = open_files(path, history=100)
    for i in range(300):
        records.write([], [Put("/a", b"%d" % i)])
    with pytest.raises(Compacted) as caught:
        records.changes("", 1)
    start = caught.value.compact_revision
    assert start <= 301 - 100 + 1
    assert start > 301 - 100 - 64
    events, following = records.changes("", start)
    assert [event.revision for event in events] == list(range(start, 302))
    assert following == 302
    records.close()


def test_a_long_history_is_read_in_pieces(records: RecordFile) -> None:
    for n in range(25):
        records.write([], [Put(f"/{i:03d}", b"%d" % n) for i in range(100)])
    events: list[WatchEvent] = []
    start, reads = 1, 0
    while start <= records.revision():
        piece, start = records.changes("", start)
        events += piece
        reads += 1
    assert len(events) == 2_500
    assert reads == 3


# --- the file itself


def test_records_hold_secrets_so_nobody_else_may_read(path: Path, records: RecordFile) -> None:
    records.write([], [Put("/a", b"secret")])
    files = list(path.parent.iterdir())
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert len(files) >= 4


def test_the_promised_modes(path: Path, records: RecordFile) -> None:
    db = records._db
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert records._leases._db.execute("PRAGMA synchronous").fetchone() == (0,)  # OFF


def test_a_failed_transaction_leaves_no_lock(path: Path, records: RecordFile) -> None:
    with pytest.raises(LeaseExpired):
        records.write([], [Put("/a", b"", lease=7)])
    other = open_files(path)
    assert other.write([], [Put("/a", b"")]).succeeded
    other.close()


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"this is not a database at all" * 100)
    with pytest.raises(sqlite3.DatabaseError):
        open_files(path)
    assert path.read_bytes().startswith(b"this is not")


def test_an_unknown_format_is_refused(path: Path, records: RecordFile) -> None:
    records.close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(sqlite3.DatabaseError, match="format 99"):
        open_files(path)


def test_a_sign_tells_each_change_once(path: Path, records: RecordFile) -> None:
    sign = ChangeSign(path)
    sign.changed()
    assert not sign.changed()
    records.write([], [Put("/a", b"")])
    assert sign.changed()
    assert not sign.changed()
    records.write([Guard("/a", 99)], [Put("/a", b"")])
    assert not sign.changed()
    sign.close()


# --- between processes

HOLDER = f"""
import sys
from pathlib import Path
from hubbub.coordinator.solo_file import LeaseFile, RecordFile
path = Path(sys.argv[1])
leases = LeaseFile(path, {BOOT!r})
records = RecordFile(path, LeaseFile(path, {BOOT!r}), 100)
print("open", flush=True)
sys.stdin.readline()
print(leases.grant(60_000), flush=True)
sys.stdin.readline()
"""


def test_what_one_process_writes_others_see_although_one_closed_between(path: Path) -> None:
    """The one that closes is not the last: it must leave the write-ahead log to the other."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        try:
            assert holder.stdout.readline() == "open\n"
            passing = LeaseFile(path, BOOT)
            own = passing.grant(60_000)
            passing.close()
            print(file=holder.stdin, flush=True)
            granted = int(holder.stdout.readline())
            later = LeaseFile(path, BOOT)
            assert later.is_alive(own)
            assert later.is_alive(granted)
            later.close()
            print(file=holder.stdin, flush=True)
            assert holder.wait(20) == 0
        finally:
            holder.kill()
