"""Where each user stands in a channel: the rows of the marks, and the histograms over them.

Rules:
1. `mark` is the user's own: what is behind it is unread for him. It rises, and falls only when he
   moves it back himself, which counts `rev` up.
2. `read` and `delivered` are what others see: watermarks, which never fall. Read implies delivered.
   A user who hides one of them (`hidden`) leaves that watermark where it is, and is counted neither
   among those who did nor among those who might.
3. A member without a row stands at the seq of his join; the row comes with his first mark. Who has
   a row and is no member (open channels) has an own mark and is counted nowhere (`join_seq` 0).
4. A row from before a later join is none. `store` alone writes rows, and the histograms with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from hubbub.features.contract import Table, Tables
from hubbub.features.standing import MEMBERS, MemberRow
from hubbub.features.watermarks import CountsRow, Histograms, Key, Values, change


class Hidden(IntEnum):
    """Bits of what a user does not let others see. (An IntFlag costs a microsecond an `&`.)"""

    READ = 1
    DELIVERED = 2
    TYPING = 4


class MarkRow(Struct, frozen=True, array_like=True, gc=False):
    """`…_before`: where the watermark stood until `…_ms` (log time of its last rise)."""

    mark: int
    read: int
    delivered: int
    join_seq: int = 0
    rev: int = 0
    hidden: int = 0
    read_before: int = 0
    read_ms: int = 0
    delivered_before: int = 0
    delivered_ms: int = 0


MARKS: Final[Table[str, MarkRow]] = Table("marks", str, MarkRow)
WATERMARKS: Final[Histograms] = Table("marks.watermarks", Key, CountsRow)
NOBODY: Final = MarkRow(0, 0, 0)


def mark_row(tables: Tables, user: str) -> MarkRow | None:
    """Where the user stands; None: neither a member nor one who keeps a mark."""
    row, member = tables[MARKS].get(user), tables[MEMBERS].get(user)
    return row if member is None else _since_join(row, member)


def member_mark(tables: Tables, user: str, member: MemberRow) -> MarkRow:
    """Where a member stands whose row is at hand."""
    return _since_join(tables[MARKS].get(user), member)


def _since_join(row: MarkRow | None, member: MemberRow) -> MarkRow:
    at = member.join_seq
    return row if row is not None and row.join_seq == at else MarkRow(at, at, at, at)


def store(changed: Mapping[str, MarkRow | None], tables: Tables) -> None:
    """Write rows (None: delete), and count them."""
    counts: dict[Values, dict[int, int]] = {}
    for user, row in changed.items():
        old = tables[MARKS].get(user)
        for sign, counted in ((-1, old), (1, row)):
            for values, seq in _counted(counted):
                at = counts.setdefault(values, {})
                at[seq] = at.get(seq, 0) + sign
        if row is not None:
            tables[MARKS].put(user, row)
        elif old is not None:
            tables[MARKS].delete(user)
    for values, changes in counts.items():
        change(WATERMARKS, values, changes, tables)


def _counted(row: MarkRow | None) -> Iterator[tuple[Values, int]]:
    """In which histograms a row counts, and where."""
    if row is None or not row.join_seq:
        return
    if row.hidden & Hidden.READ:
        yield Values.READ_HIDDEN, row.join_seq
    else:
        yield Values.READ, row.read
        yield Values.READ_JOINS, row.join_seq
    if row.hidden & Hidden.DELIVERED:
        yield Values.DELIVERED_HIDDEN, row.join_seq
    else:
        yield Values.DELIVERED, row.delivered
        yield Values.DELIVERED_JOINS, row.join_seq


def with_delivered(row: MarkRow, upto: int, ts_ms: int) -> MarkRow:
    """A device has everything up to here."""
    if upto <= row.delivered or row.hidden & Hidden.DELIVERED:
        return row
    return replace(row, delivered=upto, delivered_before=row.delivered, delivered_ms=ts_ms)


def with_shown(row: MarkRow, upto: int, ts_ms: int) -> MarkRow:
    """The user has seen everything up to here; his own mark stays."""
    row = with_delivered(row, upto, ts_ms)
    if upto <= row.read or row.hidden & Hidden.READ:
        return row
    return replace(row, read=upto, read_before=row.read, read_ms=ts_ms)


def with_read(row: MarkRow, upto: int, ts_ms: int) -> MarkRow:
    """The user has seen everything up to here, and his own mark follows."""
    row = with_shown(row, upto, ts_ms)
    return replace(row, mark=upto) if upto > row.mark else row


def with_unread(row: MarkRow, mark: int) -> MarkRow:
    """The user moves his own mark, also back: marks made before it do not move it again."""
    return replace(row, mark=max(mark, row.join_seq), rev=row.rev + 1)
