"""Forwards are read in order, of a slot or of a pair, and nobody else's."""

from __future__ import annotations

import pytest

from hubbub.wire.codec import encode_pack
from hubbub.wire.shapes import Json
from node import forward_rows, keys
from node.engine import OutboxRow
from node.forward_rows import ForwardRows
from node.store.api import Family
from node.store.memory import MemoryStore

ROW = encode_pack(OutboxRow("demo", "group:x", "message.created", "ann", Json(b"{}")))


@pytest.fixture
def rows() -> ForwardRows:
    store = MemoryStore()
    for source in (3, 4, 5):
        for target in (1, 9):
            names = [keys.outbox(source, target, n) for n in (1, 2, 300)]
            store.write([(Family.OUTBOX, name, ROW) for name in names])
    return ForwardRows(store)


@pytest.mark.parametrize("page", [1, 2, 3, 6, 7])
def test_a_slot_has_all_of_its_own(
    rows: ForwardRows, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forward_rows, "PAGE", page)
    found = [(row.source, row.target, row.n) for row in rows.of(4)]
    assert found == [(4, target, n) for target in (1, 9) for n in (1, 2, 300)]


def test_a_pair_goes_on_behind_a_number_up_to_a_limit(rows: ForwardRows) -> None:
    assert [row.n for row in rows.load(4, 1, 0, 2)] == [1, 2]
    assert [row.n for row in rows.load(4, 1, 2, 2)] == [300]
    assert rows.load(4, 9, 300, 2) == []
    assert rows.load(4, 9, 0, 1)[0].row.user == "ann"
