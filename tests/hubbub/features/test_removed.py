"""Ranges that are gone, as they are told."""

from __future__ import annotations

from hubbub.features.removed import REMOVED, RemovedRange, RemovedRow, removed_ranges
from tests.support.playbook import MemoryTables


def test_ranges_that_reach_above_a_seq() -> None:
    tables = MemoryTables()
    tables[REMOVED].put(1, RemovedRow(4, "retention"))
    tables[REMOVED].put(5, RemovedRow(9, "truncated"))
    both = [RemovedRange(1, 4, "retention"), RemovedRange(5, 9, "truncated")]
    assert removed_ranges(tables) == removed_ranges(tables, 3) == both
    assert removed_ranges(tables, 4) == removed_ranges(tables, 8) == both[1:]
    assert removed_ranges(tables, 9) == []
