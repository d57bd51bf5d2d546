"""Histograms over seqs: how many values lie above a seq, without looking at each of them.

Rules:
1. A histogram is counts of values (marks, joins), in blocks of 256: level 0 counts the values
   themselves, level n + 1 the blocks of level n. So the values above a seq are a part of one row
   of each level, of which there are as many as the stream's head has bytes.
2. A move within a block changes that block's row alone, a move into another one the rows up to
   the first block that holds both.
3. Histograms add up: the sum of the rows is the histogram of the union.
4. Child 0 of a block above level 0 is never asked for, and so not kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final, TypeAlias

from msgspec import Struct

from hubbub.features.contract import Table, Tables

BLOCK_SEQS: Final = 256  # half: more levels to read; double: larger rows to write
_SHIFT: Final = 8
_CHILD: Final = BLOCK_SEQS - 1


class Values(IntEnum):
    """Which values a histogram counts."""

    JOINS = 0  # of all members, by the seq of their join
    READ = 1  # read marks of those who let them be seen
    READ_JOINS = 2  # the joins of the same
    READ_HIDDEN = 3  # the joins of those who do not
    DELIVERED = 4
    DELIVERED_JOINS = 5
    DELIVERED_HIDDEN = 6


class CountsRow(Struct, frozen=True, array_like=True):
    """How many values each child of a block has; children without any are left out."""

    counts: dict[int, int]


Key: TypeAlias = tuple[int, int, int]  # of Values, level, block
Histograms: TypeAlias = Table[Key, CountsRow]


def change(table: Histograms, values: Values, changes: Mapping[int, int], tables: Tables) -> None:
    """Count `changes[seq]` values more (or fewer) at each seq. Seqs are from 1 on."""
    rows, level = tables[table], 0
    while changes:
        blocks: dict[int, dict[int, int]] = {}
        for at, number in changes.items():
            if number:
                blocks.setdefault(at >> _SHIFT, {})[at & _CHILD] = number
        above: dict[int, int] = {}
        for block, children in blocks.items():
            key = (int(values), level, block)
            row = rows.get(key)
            counts = {} if row is None else dict(row.counts)
            for child, number in children.items():
                if child or not level:
                    counts[child] = counts.get(child, 0) + number
                    if not counts[child]:
                        del counts[child]
            if counts:
                rows.put(key, CountsRow(counts))
            elif row is not None:
                rows.delete(key)
            if block:
                above[block] = sum(children.values())
        changes, level = above, level + 1


def count_above(table: Histograms, values: Values, seq: int, tables: Tables) -> int:
    """How many values are greater than `seq`."""
    rows, total, level, at = tables[table], 0, 0, max(seq, 0)
    while True:
        row = rows.get((int(values), level, at >> _SHIFT))
        if row is not None:
            child = at & _CHILD
            total += sum(number for c, number in row.counts.items() if c > child)
        level, at = level + 1, at >> _SHIFT
        if not tables.head_seq >> (_SHIFT * level):
            return total
