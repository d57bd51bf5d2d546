"""What only the real store can get wrong: a damaged table file must never look like fewer rows.

Its answers are the suite of `test_store.py`, damaged logs those of `test_open.py`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from node.store import rocks
from node.store.api import Family, StoreError
from node.store.rocks import RocksLimits, RocksStore, sequence_at_rest

ROWS = 2_000
LIMITS = RocksLimits(write_buffer_bytes=1 << 20, block_cache_bytes=1 << 20)


def rows(low: int, high: int) -> list[tuple[Family, bytes, bytes | None]]:
    # Values that do not compress, so that the file has many blocks.
    return [
        (Family.CHAN, b"%06d" % n, b"%064x" % (pow(3, n + 5, 1 << 255)) * 4)
        for n in range(low, high)
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A closed database whose rows lie in table files (closing and opening flushes the log)."""
    path = tmp_path / "db"
    store = RocksStore(str(path), LIMITS)
    store.write(rows(0, ROWS))
    store.sync()
    store.close()
    RocksStore(str(path), LIMITS).close()
    return path


def tables(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.sst"))


def test_every_row_is_there_while_the_files_are_whole(folder: Path) -> None:
    assert tables(folder), "nothing was flushed: this proves nothing"
    store = RocksStore(str(folder), LIMITS)
    assert len(store.iterate(Family.CHAN, b"", b"z", limit=ROWS * 2)) == ROWS
    store.close()


@pytest.mark.parametrize("reverse", [False, True])
def test_a_damaged_block_is_an_error_and_never_a_shorter_page(folder: Path, reverse: bool) -> None:
    largest = max(tables(folder), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    for at in range(len(content) // 3, len(content) // 3 + 64):
        content[at] ^= 0xFF
    largest.write_bytes(content)
    store = RocksStore(str(folder), LIMITS)
    with pytest.raises(StoreError, match=r"(?i)corruption|checksum"):
        store.iterate(Family.CHAN, b"", b"z", limit=ROWS * 2, reverse=reverse)
    store.close()


def test_the_sequence_at_rest_is_what_an_open_would_find(tmp_path: Path) -> None:
    path = str(tmp_path / "db")
    store = RocksStore(path, LIMITS)
    latest = store.write(rows(0, 10))
    store.sync()
    store.close()
    before = sorted((file.name, file.stat().st_size) for file in Path(path).glob("*.log"))
    assert sequence_at_rest(path, LIMITS) == latest
    assert sorted((file.name, file.stat().st_size) for file in Path(path).glob("*.log")) == before
    again = RocksStore(path, LIMITS)
    assert again.latest_sequence() >= latest
    again.close()


def test_a_checkpoint_opens_by_itself_and_does_not_follow(tmp_path: Path) -> None:
    store = RocksStore(str(tmp_path / "db"), LIMITS)
    store.write(rows(0, 5))
    store.checkpoint(str(tmp_path / "copy"))
    store.write(rows(5, 9))
    copy = RocksStore(str(tmp_path / "copy"), LIMITS)
    assert len(copy.iterate(Family.CHAN, b"", b"z", limit=99)) == 5
    copy.close()
    store.close()


def test_a_folder_that_is_no_database_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "db").write_text("not a folder")
    with pytest.raises(StoreError):
        RocksStore(str(tmp_path / "db"), LIMITS)


def test_what_was_deleted_behind_an_iteration_is_not_walked_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    make = rocks._database_options

    def counting(options: Any, limits: RocksLimits) -> Any:
        options.enable_statistics()
        made.append(options)
        return make(options, limits)

    monkeypatch.setattr(rocks, "_database_options", counting)
    store = RocksStore(str(tmp_path / "db"))
    keys = [b"%08d" % n for n in range(2_000)]
    store.write([(Family.OUTBOX, key, b"row") for key in keys])
    store.write([(Family.OUTBOX, key, None) for key in keys])
    for first in range(0, 2_000, 100):
        rows = store.iterate(Family.OUTBOX, keys[first], keys[first + 9], limit=50)
        assert rows == []
    [skipped] = re.findall(r"rocksdb\.number\.iter\.skip COUNT : (\d+)", made[0].get_statistics())
    assert int(skipped) < 4_000, "of 40,000 that lie behind the ranges"
    store.close()
