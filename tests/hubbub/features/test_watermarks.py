"""Histograms over seqs against counting one by one."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hubbub.features.mark_rows import WATERMARKS
from hubbub.features.watermarks import BLOCK_SEQS, Values, change, count_above
from tests.support.playbook import MemoryTables

SEQS = st.one_of(
    st.integers(1, 600),
    st.integers(1, 70_000),
    st.integers(1, 1 << 34),
    st.sampled_from([255, 256, 257, 65_535, 65_536, 65_537, 1 << 24, (1 << 24) + 1]),
)


@settings(max_examples=60)
@given(st.lists(st.lists(SEQS, max_size=6), max_size=12), st.lists(SEQS, max_size=8), st.data())
def test_counts_equal_counting_one_by_one(
    added: list[list[int]], probes: list[int], data: st.DataObject
) -> None:
    tables, values = MemoryTables(), list[int]()
    for group in added:
        changes: dict[int, int] = {}
        for seq in group:
            changes[seq] = changes.get(seq, 0) + 1
        values += group
        if values and data.draw(st.booleans()):
            gone = data.draw(st.sampled_from(values))
            values.remove(gone)
            changes[gone] = changes.get(gone, 0) - 1
        change(WATERMARKS, Values.READ, changes, tables)
        tables.head_seq = max([tables.head_seq, *group])
    for probe in [0, *probes, *values, *(value - 1 for value in values)]:
        expected = sum(value > probe for value in values)
        assert count_above(WATERMARKS, Values.READ, probe, tables) == expected
    change(WATERMARKS, Values.READ, {v: -values.count(v) for v in set(values)}, tables)
    assert not tables[WATERMARKS].packed


def test_a_move_within_a_block_writes_one_row() -> None:
    tables = MemoryTables()
    tables.head_seq = 1 << 20
    change(WATERMARKS, Values.READ, {700_000: 10_000}, tables)
    before = tables.write_count
    change(WATERMARKS, Values.READ, {700_000: -400, 700_001: 400}, tables)
    assert tables.write_count - before == 1
    change(WATERMARKS, Values.READ, {700_000: -1, 700_000 + BLOCK_SEQS: 1}, tables)
    assert tables.write_count - before == 4
