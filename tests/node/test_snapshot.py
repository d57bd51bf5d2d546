"""A snapshot is one moment, whole, and in bounded parts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hubbub.base.units import HOUR_MS
from node.snapshot import PART_BYTES_MAX, START, Cursor, read_part, slot_ranges, wipe
from node.store.api import Family, Store
from node.store.memory import MemoryStore
from node.store.rocks import RocksStore
from tests.node.rig import START_MS, Rig

ROOM = "group:x"
HOURS = range(START_MS // HOUR_MS - 26, START_MS // HOUR_MS + 3)


@pytest.fixture(params=["memory", "rocks"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    store: Store = MemoryStore() if request.param == "memory" else RocksStore(str(tmp_path / "db"))
    rig = Rig(store)
    rig.create(ROOM, members=("bob",))
    for number in range(120):
        rig.send(ROOM, f"{number} " + "x" * 3_000)
    yield rig
    store.close()


def of_slot(rig: Rig, number: int) -> set[tuple[int, bytes, bytes]]:
    """Rows of one slot by another way: everything but the log and promises, by its key."""
    place = number.to_bytes(2, "big")
    at = {Family.META: 1, Family.DEDUP: 4}
    return {
        (family, key, value)
        for family, rows in rig.dump().items()
        for key, value in rows
        if family is not Family.LOG
        and key[at.get(family, 0) :][:2] == place
        and not (family is Family.META and key[:1] in b"cp")
    }


def test_it_holds_every_row_of_its_slot_and_no_other(rig: Rig) -> None:
    number = rig.slot(ROOM).number
    expected = of_slot(rig, number)
    snapshot = rig.store.snapshot()
    rig.send(ROOM, "later")
    rows: list[tuple[int, bytes, bytes]] = []
    cursor: Cursor | None = START
    parts = 0
    while cursor is not None:
        part = read_part(snapshot, slot_ranges(number, HOURS), cursor)
        assert sum(len(key) + len(value) for _, key, value in part.rows) < PART_BYTES_MAX + 8_192
        rows += part.rows
        cursor = part.cursor
        parts += 1
    snapshot.close()
    assert parts > 1
    assert len(rows) == len(set(rows))
    assert set(rows) == expected


def test_a_wipe_leaves_nothing_but_the_promise(rig: Rig) -> None:
    number = rig.slot(ROOM).number
    others = [other for other in range(16) if other != number]
    before = [of_slot(rig, other) for other in others]
    rig.store.write(wipe(number, HOURS))
    assert of_slot(rig, number) == set()
    assert not [key for key, _ in rig.dump()[Family.LOG] if key[:2] == number.to_bytes(2, "big")]
    assert [of_slot(rig, other) for other in others] == before
    kinds = [key[:1] for key, _ in rig.dump()[Family.META] if key[1:3] == number.to_bytes(2, "big")]
    assert kinds == [b"p"]
