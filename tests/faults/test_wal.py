"""The reader of record headers finds what RocksDB wrote, and a flip is undone by another."""

from __future__ import annotations

from pathlib import Path

from rocksdict import Options, Rdict, WriteBatch

from tests.faults.wal import flip, newest_log, records

BATCHES = 40
VALUE_BYTES = 3_000  # some records cross the blocks of 32 KiB and are written in parts
FULL, FIRST, LAST = 1, 2, 4


def test_every_batch_is_a_record_or_its_parts(tmp_path: Path) -> None:
    database = Rdict(str(tmp_path / "db"), Options(raw_mode=True))
    for number in range(BATCHES):
        batch = WriteBatch(raw_mode=True)
        batch.put(b"%d" % number, bytes(VALUE_BYTES))
        database.write(batch)
    database.flush_wal(True)
    log = newest_log(tmp_path)
    found = records(log)
    kinds = [record.type % 4 for record in found]  # recyclable types are the same plus 4
    database.close()
    assert kinds.count(FULL) + kinds.count(FIRST) == BATCHES
    assert kinds.count(FIRST) == kinds.count(LAST % 4) > 0
    assert sum(record.length for record in found) > BATCHES * VALUE_BYTES


def test_a_flip_changes_one_bit_and_a_second_one_restores_it(tmp_path: Path) -> None:
    path = tmp_path / "1.log"
    path.write_bytes(bytes(range(10)))
    flip(path, 6, 7)
    assert path.read_bytes() == bytes([0, 1, 2, 3, 4, 5, 6 | 0x80, 7, 8, 9])
    flip(path, 6, 7)
    assert path.read_bytes() == bytes(range(10))
