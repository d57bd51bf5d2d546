"""Which seqs of a stream are gone, and why: written by retention, told by history's pages.

Rule: ranges lie below the floor, one behind the other, without holes between them.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct, field

from hubbub.features.contract import Table, Tables

Why = Literal["retention", "truncated"]


class RemovedRow(Struct, frozen=True, array_like=True, gc=False):
    """The range from the row's key to `to_seq`."""

    to_seq: int
    why: Why


class RemovedRange(Struct, frozen=True):
    """Seqs `from` to `to`, both gone."""

    from_: int = field(name="from")
    to: int
    why: Why


REMOVED: Final[Table[int, RemovedRow]] = Table("retention.removed", int, RemovedRow)


def removed_ranges(tables: Tables, after: int = 0) -> list[RemovedRange]:
    """The ranges that reach above `after`, ascending."""
    return [
        RemovedRange(first, row.to_seq, row.why)
        for first, row in tables[REMOVED].scan()
        if row.to_seq > after
    ]
