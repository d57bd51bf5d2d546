"""A database at rest is read to its last entry, by a program of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hubbub.coordinator.backups import Verified, VerifyOrder
from hubbub.wire.codec import decode_json, encode_json
from node import keys
from node.store.api import Family
from node.store.rocks import RocksStore
from node.survey import survey
from node.verify import verify
from tests.node.rig import SLOTS, Rig

ROOM = "group:x"
ROOT = Path(__file__).resolve().parents[2]


def frozen(tmp_path: Path) -> tuple[Rig, VerifyOrder]:
    """A live database, and a checkpoint of it with what it has."""
    store = RocksStore(str(tmp_path / "db"))
    rig = Rig(store)
    rig.create(ROOM)
    for number in range(10):
        rig.send(ROOM, f"message {number}")
    path = tmp_path / "frozen"
    store.checkpoint(str(path))
    return rig, VerifyOrder(str(path), tuple(survey(store, range(SLOTS))))


def run(order: VerifyOrder | bytes) -> subprocess.CompletedProcess[bytes]:
    data = order if isinstance(order, bytes) else encode_json(order)
    return subprocess.run(
        [sys.executable, "-m", "node.verify"],
        cwd=ROOT,
        input=data,
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_a_whole_database_is_whole(tmp_path: Path) -> None:
    rig, order = frozen(tmp_path)
    done = run(order)
    assert done.returncode == 0, done.stderr
    entries = sum(slot.last_index for slot in rig.slots.values())
    assert decode_json(done.stdout, Verified) == Verified(entries, {})
    rig.store.close()


def test_a_slot_that_is_damaged_keeps_no_other_from_being_read(tmp_path: Path) -> None:
    rig, order = frozen(tmp_path)
    number = rig.slot(ROOM).number
    rig.store.write([(Family.LOG, keys.log(number, 3), b"\0" * 20)])
    found = verify(rig.store, order)
    assert list(found.damaged) == [number]
    others = [slot.last_index for slot in rig.slots.values() if slot.number != number]
    assert found.entries == sum(others)
    rig.store.close()


def test_a_damaged_table_file_is_told(tmp_path: Path) -> None:
    rig, order = frozen(tmp_path)
    rig.store.close()
    for table in Path(order.database).glob("*.sst"):
        data = bytearray(table.read_bytes())
        data[len(data) // 4] ^= 0xFF
        table.unlink()  # a hard link of the live one's
        table.write_bytes(data)
    done = run(order)
    assert done.returncode or decode_json(done.stdout, Verified).damaged


def test_what_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    for order in (VerifyOrder(str(tmp_path / "file"), ()), b"no order"):
        done = run(order)
        assert done.returncode == 1
        assert done.stderr.startswith(b"error: ")
