"""Where the records of a RocksDB write-ahead log begin, so that a test can damage one of them.

Shape: blocks of 32 KiB; a record is crc32c u32, length u16, type u8 (little-endian), then for the
recyclable types 5-8 the log number u32, then its bytes. A block's last < 7 bytes are zeros. Only
headers are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

BLOCK_BYTES = 32 * 1024
HEADER_BYTES = 7
LENGTH_AT, TYPE_AT = 4, 6


@dataclass(frozen=True)
class Record:
    """A record's header in the file."""

    start: int
    length: int
    type: int


def records(path: Path) -> list[Record]:
    """All records of a log, in order, up to the preallocated zeros at its end."""
    data, found, place = path.read_bytes(), [], 0
    while place + HEADER_BYTES <= len(data):
        left = BLOCK_BYTES - place % BLOCK_BYTES
        if left < HEADER_BYTES:
            place += left
            continue
        length = int.from_bytes(data[place + LENGTH_AT : place + TYPE_AT], "little")
        kind = data[place + TYPE_AT]
        if kind == 0:
            break
        header = HEADER_BYTES if kind < 5 else HEADER_BYTES + 4
        found.append(Record(place, length, kind))
        place += header + length
    return found


def flip(path: Path, place: int, bit: int) -> None:
    """Changes one bit of a file; doing it again restores it."""
    with path.open("r+b") as file:
        file.seek(place)
        old = file.read(1)[0]
        file.seek(place)
        file.write(bytes((old ^ (1 << bit),)))


def newest_log(folder: Path) -> Path:
    """The write-ahead log with the highest number below a folder."""
    logs = [path for path in folder.rglob("*.log") if path.stem.isdigit() and path.stat().st_size]
    return max(logs, key=lambda path: int(path.stem))
