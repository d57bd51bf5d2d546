"""Real damage to real files: a database opens whole or it is refused, loudly and in time."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.chaos.fsync import FsyncShim
from tests.support.chaos.rot import FOOTER_BYTES

RECORDS = 100
DEADLINE_S = 3

WRITE = """
import os, sys
from node.store.api import Family
from node.store.open import open_store
from node.store.rocks import RocksLimits
opened = open_store(sys.argv[1], RocksLimits(), 20)
for i in range(int(sys.argv[2])):
    sequence = opened.store.write([(Family(i % 6), b"%03d" % i, b"v" * 200)])
    opened.store.sync()
    opened.acked.store(sequence)
print(sequence, flush=True)
os._exit(0)  # as kill -9: nothing is flushed or closed
"""

FLUSH = """
import sys
from node.store.open import open_store
from node.store.rocks import RocksLimits
open_store(sys.argv[1], RocksLimits(), 20).store.close()
"""

OPEN = f"""
import sys
from node.store.api import Family, StoreRefused
from node.store.open import open_store
from node.store.rocks import RocksLimits
try:
    opened = open_store(sys.argv[1], RocksLimits(), {DEADLINE_S})
except StoreRefused as refusal:
    sys.exit(f"refused: {{refusal}}")
rows = sum(len(opened.store.iterate(f, b"", b"z", limit=1000)) for f in Family)
print(rows, opened.store.latest_sequence(), opened.acked.highest)
opened.store.close()
"""


def run(
    program: str, *arguments: object, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A database whose 100 records were all acknowledged, left by a process that was killed."""
    written = run(WRITE, tmp_path, RECORDS)
    assert written.returncode == 0, written.stderr
    return tmp_path


def newest_wal(folder: Path) -> Path:
    return max((folder / "db").glob("*.log"))


def records_of(wal: bytes | bytearray) -> list[int]:
    """Offsets of the records: crc u32, length u16, type u8, all little-endian, then the payload."""
    offsets, at = [], 0
    while at + 7 <= len(wal) and wal[at + 6]:
        offsets.append(at)
        at += 7 + int.from_bytes(wal[at + 4 : at + 6], "little")
    return offsets


def damage(folder: Path, record: int, byte: int, bit: int = 0) -> None:
    path = newest_wal(folder)
    wal = bytearray(path.read_bytes())
    wal[records_of(wal)[record] + byte] ^= 1 << bit
    path.write_bytes(wal)


def test_a_killed_process_loses_nothing(folder: Path) -> None:
    opened = run(OPEN, folder)
    assert opened.stdout.split()[0] == str(RECORDS), opened.stderr


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize(
    ("record", "byte", "bit"),
    [
        *((50, byte, 0) for byte in range(7)),  # crc, length, type
        *((50, 4, bit) for bit in (3, 7)),
        (50, 5, 7),
        *((50, 6, bit) for bit in range(1, 8)),
        (10, 100, 4),
        (97, 5, 0),
        (99, 4, 0),
    ],
)
def test_one_flipped_bit_is_never_served_short(
    folder: Path, record: int, byte: int, bit: int
) -> None:
    """Length and type bytes are those that a checksum does not always catch."""
    damage(folder, record, byte, bit)
    began = time.monotonic()
    opened = run(OPEN, folder)
    assert time.monotonic() - began < 30
    if opened.returncode == 0:  # a flip that RocksDB reads over must lose nothing
        assert opened.stdout.split()[0] == str(RECORDS)
        return
    assert opened.returncode in (1, -signal.SIGALRM), opened
    assert "backup" in opened.stderr, opened
    assert opened.stdout == ""


@pytest.mark.faults
@pytest.mark.parametrize(("byte", "bit"), [(4, 0), (6, 2)], ids=["shorter", "spins"])
def test_a_refusal_leaves_every_file_as_it_was(folder: Path, byte: int, bit: int) -> None:
    """Opening read-write had deleted the damaged log, with every record behind the damage."""
    damage(folder, 50, byte, bit)
    before = contents(folder)
    for _ in range(2):  # a second try does not make it true
        assert run(OPEN, folder).returncode in (1, -signal.SIGALRM)
        assert contents(folder) == before
    damage(folder, 50, byte, bit)  # flipped back, all is there
    assert run(OPEN, folder).stdout.split()[0] == str(RECORDS)


def contents(folder: Path) -> dict[Path, bytes]:
    """Every file of the node."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_database_in_use_is_refused_without_a_word_of_damage(folder: Path) -> None:
    program = OPEN.replace("rows = ", "print('open', flush=True); sys.stdin.read()\nrows = ")
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        second = run(OPEN, folder)
        holder.communicate("", timeout=20)
    assert second.returncode == 1
    assert "in use by another process" in second.stderr
    assert "backup" not in second.stderr
    assert holder.returncode == 0


@pytest.mark.faults
def test_a_damaged_table_is_refused_as_damaged(folder: Path) -> None:
    """The word block was once read as a lock that somebody holds."""
    assert run(FLUSH, folder).returncode == 0
    for table in (folder / "db").glob("*.sst"):
        content = bytearray(table.read_bytes())
        content[-FOOTER_BYTES - 10] ^= 1  # in the block that says where the others are
        table.write_bytes(content)
    refused = run(OPEN, folder)
    assert "in use" not in refused.stderr
    assert "block checksum mismatch" in refused.stderr
    assert "move it aside" in refused.stderr


def test_a_full_disk_is_no_damage(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """It was refused as damaged, and so never started again when there was room."""
    with FsyncShim(tmp_path_factory.mktemp("shim"), below=folder) as disk:
        disk.fill()
        full = run(OPEN, folder, env=disk.environment)
        assert disk.counts.failed_writes
        assert "StoreFull" in full.stderr
        assert "free some space" in full.stderr
        disk.heal()
        opened = run(OPEN, folder, env=disk.environment)
    assert opened.stdout.split() == [str(RECORDS)] * 3, opened.stderr


def test_a_torn_tail_that_was_acknowledged_is_refused(folder: Path) -> None:
    path = newest_wal(folder)
    path.write_bytes(path.read_bytes()[:-20])
    opened = run(OPEN, folder)
    assert opened.returncode == 1
    assert "1 acknowledged records are missing" in opened.stderr


@pytest.mark.faults
def test_a_torn_tail_that_nobody_was_told_of_is_fine(folder: Path) -> None:
    """A power cut in the middle of a batch: the record was written, not yet acknowledged."""
    path, acked = newest_wal(folder), folder / "acked.map"
    highest = int.from_bytes(acked.read_bytes(), "big")
    acked.write_bytes((highest - 1).to_bytes(8, "big"))
    path.write_bytes(path.read_bytes()[:-20])
    opened = run(OPEN, folder)
    assert opened.stdout.split()[0] == str(RECORDS - 1), opened.stderr


@pytest.mark.faults
def test_garbage_behind_the_tail_is_fine(folder: Path) -> None:
    path = newest_wal(folder)
    path.write_bytes(path.read_bytes() + b"\x00" * 300)
    assert run(OPEN, folder).stdout.split()[0] == str(RECORDS)


def test_a_database_without_its_acked_map_is_refused(folder: Path) -> None:
    (folder / "acked.map").unlink()
    assert "acked.map is missing" in run(OPEN, folder).stderr


def test_acknowledged_records_without_a_database_are_refused(folder: Path) -> None:
    for path in (folder / "db").iterdir():
        path.unlink()
    assert "their database is gone" in run(OPEN, folder).stderr


@pytest.mark.slow
def test_an_open_that_hangs_ends_with_a_last_word(tmp_path: Path) -> None:
    """The open spins where no Python runs; a process that is stuck cannot say why it ended."""
    program = f"""
import time, node.store.open as o
o.RocksStore = lambda *_: time.sleep(60)
o.open_store({str(tmp_path)!r}, o.RocksLimits(), 1)
"""
    opened = run(program)
    assert opened.returncode == -signal.SIGALRM
    assert "did not open within 1 s" in opened.stderr
    assert "backup" in opened.stderr


def test_the_storage_id_is_drawn_once(tmp_path: Path) -> None:
    program = OPEN.replace("rows = ", "print(opened.storage_id)\nrows = ")
    first, second = run(program, tmp_path), run(program, tmp_path)
    assert first.stdout.splitlines()[0] == second.stdout.splitlines()[0]
    assert (tmp_path / "storage_id").read_text() == first.stdout.splitlines()[0]
