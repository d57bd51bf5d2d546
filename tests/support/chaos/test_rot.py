"""The rot hits what it names, RocksDB notices nothing or too much of it, and it can be undone."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from node.store.api import Family, StoreError
from node.store.rocks import RocksLimits, RocksStore, sequence_at_rest
from tests.faults.wal import LENGTH_AT, TYPE_AT, newest_log, records
from tests.support.chaos.rot import Place, StillOpen, Third, rot_table, rot_wal

ROOT = Path(__file__).resolve().parents[3]
BATCHES = 90
SMALL = RocksLimits(block_cache_bytes=1 << 20)
FILL = """
import os, sys
from node.store.api import Family
from node.store.rocks import RocksStore
store = RocksStore(sys.argv[1])
for n in range(int(sys.argv[2])):
    store.write([(Family.LOG, b"%08d" % n, b"%d" % n * 200)])
store.sync()
print("open", flush=True)
sys.stdin.read()
os._exit(0)  # as if killed: closing it would move the log's records to tables
"""


def holder(folder: Path, batches: int) -> subprocess.Popen[bytes]:
    """A process that writes to the database and has it open until its standard input ends."""
    words = [sys.executable, "-c", FILL, str(folder / "db"), str(batches)]
    started = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert started.stdout is not None
    assert started.stdout.readline() == b"open\n"
    return started


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database whose records are all in one log."""
    made = tmp_path_factory.mktemp("killed")
    with holder(made, BATCHES):
        pass
    return made


@pytest.fixture
def folder(killed: Path, tmp_path: Path) -> Path:
    """One that may be harmed."""
    return shutil.copytree(killed, tmp_path / "copy")


@pytest.fixture
def tables(folder: Path) -> Path:
    """The same, in tables: opening and closing it moves the log's records there."""
    RocksStore(str(folder / "db")).close()
    assert list(folder.rglob("*.sst"))
    return folder


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def changed_bits(before: dict[Path, bytes], after: dict[Path, bytes]) -> dict[Path, list[int]]:
    """File → the numbers of its bits that differ."""
    return {
        path: [
            at * 8 + bit
            for at, (old, new) in enumerate(zip(before[path], after[path], strict=True))
            if old != new
            for bit in range(8)
            if (old ^ new) >> bit & 1
        ]
        for path in before
        if before[path] != after[path]
    }


@pytest.mark.parametrize("third", list(Third))
@pytest.mark.parametrize("place", [p for p in Place if p is not Place.FOOTER])
@pytest.mark.parametrize("bits", [1, 3])
def test_a_log_has_other_bits_exactly_where_it_was_said(
    folder: Path, place: Place, third: Third, bits: int
) -> None:
    before, log = contents(folder), newest_log(folder)
    found = records(log)
    damage = rot_wal(folder, seed=7, place=place, third=third, bits=bits)
    changed = changed_bits(before, contents(folder))
    assert changed == {log: [at * 8 + bit for at, bit in damage.flips]}
    assert len(damage.flips) == bits
    record = next(r for r in reversed(found) if r.start <= damage.flips[0].at)
    number = list(Third).index(third)
    assert len(found) * number // 3 <= found.index(record) < len(found) * (number + 1) // 3
    inside = [at - record.start for at, _ in damage.flips]
    first, last = {
        Place.CHECKSUM: (0, LENGTH_AT),
        Place.LENGTH: (LENGTH_AT, TYPE_AT),
        Place.TYPE: (TYPE_AT, TYPE_AT + 1),
        Place.PAYLOAD: (TYPE_AT + 1, record.length + 11),
    }[place]
    assert all(first <= at < last for at in inside)
    assert f"{log.name}: the {place} of record {found.index(record) + 1} of {len(found)}" in str(
        damage
    )
    damage.undo()
    assert contents(folder) == before


@pytest.mark.parametrize("place", [Place.CHECKSUM, Place.PAYLOAD])
def test_a_rotten_log_opens_shorter(folder: Path, place: Place) -> None:
    """What `point_in_time` makes of it, and why nobody may believe it."""
    whole = sequence_at_rest(str(folder / "db"), SMALL)
    damage = rot_wal(folder, seed=1, place=place)
    assert 0 < sequence_at_rest(str(folder / "db"), SMALL) < whole
    damage.undo()
    assert sequence_at_rest(str(folder / "db"), SMALL) == whole


def test_a_rotten_table_cannot_be_read(tables: Path) -> None:
    damage = rot_table(tables, seed=1, third=Third.FIRST)
    store = RocksStore(str(tables / "db"), SMALL)
    with pytest.raises(StoreError, match="checksum"):
        store.iterate(Family.LOG, b"", b"~", limit=1_000)
    store.close()
    damage.undo()
    store = RocksStore(str(tables / "db"), SMALL)
    assert len(store.iterate(Family.LOG, b"", b"~", limit=1_000)) == BATCHES
    store.close()


def test_a_rotten_footer_keeps_it_shut(tables: Path) -> None:
    damages = [rot_table(tables, seed, place=Place.FOOTER, bits=40) for seed in range(3)]
    assert all("its footer" in str(damage) for damage in damages)
    with pytest.raises(StoreError):
        RocksStore(str(tables / "db"), SMALL)
    for damage in reversed(damages):
        damage.undo()
    RocksStore(str(tables / "db"), SMALL).close()


def test_the_seed_decides(folder: Path) -> None:
    flips = set()
    for seed in (1, 1, 2):
        damage = rot_wal(folder, seed)
        flips.add(damage.flips)
        damage.undo()
    assert len(flips) == 2


def test_an_open_database_is_left_alone(tables: Path) -> None:
    with holder(tables, 1) as process:
        before = contents(tables)
        with pytest.raises(StillOpen, match="stop it first"):
            rot_table(tables, seed=1)
        with pytest.raises(StillOpen, match="stop it first"):
            rot_wal(tables, seed=1, third=Third.LAST)
        assert contents(tables) == before
        process.kill()
    assert rot_table(tables, seed=1).flips


def test_what_is_not_there_is_not_harmed(folder: Path) -> None:
    with pytest.raises(ValueError, match="no table"):
        rot_table(folder, seed=1)
    with pytest.raises(ValueError, match="a log has no footer"):
        rot_wal(folder, seed=1, place=Place.FOOTER)
    with pytest.raises(ValueError, match="9 bits of 1 bytes"):
        rot_wal(folder, seed=1, place=Place.TYPE, bits=9)


def test_a_table_has_no_type_byte_and_a_closed_database_no_log(tables: Path) -> None:
    with pytest.raises(ValueError, match="no log below"):
        rot_wal(tables, seed=1)
    with pytest.raises(ValueError, match="PAYLOAD or FOOTER"):
        rot_table(tables, seed=1, place=Place.TYPE)
