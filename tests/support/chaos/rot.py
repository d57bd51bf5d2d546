"""Bit rot: flips bits in the write-ahead log or a table of a stopped node, and says which.

Rules:
1. The seed decides where: the same seed on the same files harms the same bits.
2. Nobody may have the database open: what a process has in memory would hide the harm, or write
   over it. Its lock is asked.
3. A flip is undone by `Damage.undo`, which leaves every other byte as it is.

Where records of a log begin is known by `tests.faults.wal`.
"""

from __future__ import annotations

import fcntl
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from tests.faults.wal import HEADER_BYTES, LENGTH_AT, TYPE_AT, Record, flip, newest_log, records

THIRDS: Final = 3
FOOTER_BYTES: Final = 53  # of a RocksDB table: 1 checksum type, 40 handles, 4 version, 8 magic
RECYCLABLE_FROM: Final = 5  # these types have the log's number, 4 bytes, behind the header
RECYCLED_BYTES: Final = 4
TYPES: Final = {1: "FULL", 2: "FIRST", 3: "MIDDLE", 4: "LAST"}  # plus 4: the same, recyclable


class Place(StrEnum):
    """Which bytes are hit: of a table PAYLOAD or FOOTER, of a log all but FOOTER."""

    CHECKSUM = "checksum"
    LENGTH = "length"
    TYPE = "type byte"
    PAYLOAD = "payload"
    FOOTER = "footer"


class Third(StrEnum):
    """Which part of the file is hit."""

    FIRST = "first"
    MIDDLE = "middle"
    LAST = "last"


class Flip(NamedTuple):
    """One bit of a file."""

    at: int
    bit: int


class Damage(NamedTuple):
    """What was done; `str` of it is for people."""

    file: Path
    flips: tuple[Flip, ...]
    story: str

    def undo(self) -> None:
        """Flip the same bits back."""
        for at, bit in reversed(self.flips):
            flip(self.file, at, bit)

    def __str__(self) -> str:
        return self.story


class StillOpen(Exception):
    """A process has the database open: stop it first."""


def rot_wal(
    folder: Path,
    seed: int,
    *,
    place: Place = Place.PAYLOAD,
    third: Third = Third.MIDDLE,
    bits: int = 1,
) -> Damage:
    """Flips bits of one record of the newest write-ahead log below a node's folder.

    Raises StillOpen; ValueError where there is no such record.
    """
    try:
        log = newest_log(folder)
    except ValueError:
        raise ValueError(f"no log below {folder}: a closed database has it in tables") from None
    _check_closed(log.parent)
    found, random = records(log), Random(seed)
    number = random.choice(_part(range(len(found)), third))
    record = found[number]
    start, length = _bytes_of(record, place)
    flips = _flips(random, start, length, bits)
    kind = TYPES.get(record.type, TYPES.get(record.type - len(TYPES), str(record.type)))
    what = f"the {place} of record {number + 1} of {len(found)} ({kind}, {record.length} bytes)"
    return _done(log, flips, what)


def rot_table(
    folder: Path,
    seed: int,
    *,
    place: Place = Place.PAYLOAD,
    third: Third = Third.MIDDLE,
    bits: int = 1,
) -> Damage:
    """Flips bits of one table (SST) below a node's folder, in a third of its blocks or its footer.

    Raises StillOpen; ValueError where there is no table, or for a place that only a log has.
    """
    tables = sorted(folder.rglob("*.sst"), key=lambda path: int(path.stem))
    if not tables:
        raise ValueError(f"no table below {folder}: flush the database first")
    random = Random(seed)
    table = random.choice(tables)
    _check_closed(table.parent)
    blocks = table.stat().st_size - FOOTER_BYTES
    if place is Place.FOOTER:
        return _done(table, _flips(random, blocks, FOOTER_BYTES, bits), "its footer")
    if place is not Place.PAYLOAD:
        raise ValueError(f"a table has no {place} that is known here: PAYLOAD or FOOTER")
    part = _part(range(blocks), third)
    what = f"the {third} third of its {blocks} bytes of blocks"
    return _done(table, _flips(random, part[0], len(part), bits), what)


def _bytes_of(record: Record, place: Place) -> tuple[int, int]:
    """Where the place is in the file, and how long."""
    match place:
        case Place.CHECKSUM:
            return record.start, LENGTH_AT
        case Place.LENGTH:
            return record.start + LENGTH_AT, TYPE_AT - LENGTH_AT
        case Place.TYPE:
            return record.start + TYPE_AT, HEADER_BYTES - TYPE_AT
        case Place.PAYLOAD:
            recycled = RECYCLED_BYTES if record.type >= RECYCLABLE_FROM else 0
            return record.start + HEADER_BYTES + recycled, record.length
    raise ValueError(f"a log has no {place}")


def _part(whole: range, third: Third) -> Sequence[int]:
    """A third of a range. Raises ValueError if it is empty."""
    n = list(Third).index(third)
    part = whole[len(whole) * n // THIRDS : len(whole) * (n + 1) // THIRDS]
    if not part:
        raise ValueError(f"nothing in the {third} third of {len(whole)}")
    return part


def _flips(random: Random, start: int, length: int, bits: int) -> tuple[Flip, ...]:
    """Different bits, so that no flip undoes another."""
    if not 0 < bits <= length * 8:
        raise ValueError(f"{bits} bits of {length} bytes")
    return tuple(
        Flip(start + n // 8, n % 8) for n in sorted(random.sample(range(length * 8), bits))
    )


def _done(file: Path, flips: tuple[Flip, ...], what: str) -> Damage:
    before = file.read_bytes()
    for at, bit in flips:
        flip(file, at, bit)
    after = file.read_bytes()
    changes = ", ".join(
        f"bit {bit} of byte {at} ({before[at]:#04x} → {after[at]:#04x})" for at, bit in flips
    )
    return Damage(file, flips, f"{file.name}: {what}: {changes}")


def _check_closed(database: Path) -> None:
    """RocksDB holds a record lock on LOCK for as long as it is open."""
    with (database / "LOCK").open("r+b") as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StillOpen(f"a process has {database} open: stop it first") from None
