"""Where each user stands in a channel: the rows of the marks, and the histograms over them.

Rules:
1. `mark` is the user's own: what is behind it is unread for him. It rises, and falls only when he
   moves it back himself, which counts `rev` up.
2. `read` and `delivered` are what others see: watermarks, which never fall. Read implies delivered.
   A user who hides one of them (`hidden`) leaves that watermark where it is, and is counted neither
   among those who did nor among those who might. Of one who is invisible it stands still as well,
   but is shown and counted, as of anybody who is away. What of it the app forbids is looked at when
   he marks (`granted`).
3. A member without a row stands at the seq of his join; the row comes with his first mark. Who has
   a row and is no member (open channels) has an own mark and is counted nowhere (`join_seq` 0).
4. A row ends with its membership, and one from before it (`join_seq` 0) is none: so the row of a
   member is his, and MEMBERS is asked only for who has none.
5. Rows are written here alone (`update`, `forget`), and the histograms with them: of all users of
   an entry, each row is read and written once, and each block of a histogram.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from hubbub.features.contract import Table, Tables
from hubbub.features.standing import MEMBERS, MemberRow
from hubbub.features.watermarks import CountsRow, Histograms, Key, Values, change
from hubbub.settings.app import AppSettings


class Hidden(IntEnum):
    """Bits of what a user does not let others see. (An IntFlag costs a microsecond an `&`.)"""

    READ = 1
    DELIVERED = 2
    TYPING = 4
    # While he is invisible.
    STILL_READ = 8
    STILL_DELIVERED = 16
    STILL_TYPING = 32


_READ_STANDS: Final = Hidden.READ | Hidden.STILL_READ
_DELIVERED_STANDS: Final = Hidden.DELIVERED | Hidden.STILL_DELIVERED
HIDES_TYPING: Final = Hidden.TYPING | Hidden.STILL_TYPING
_WISHES: Final = _READ_STANDS | _DELIVERED_STANDS | HIDES_TYPING
_ASIDE: Final = 6  # so far up stands a wish that the app's policy does not grant


def granted(hidden: int, settings: AppSettings) -> int:
    """What of it the app lets a user hide; the rest is kept aside, until it does."""
    forbidden = _READ_STANDS if settings.read_receipts == "required" else 0
    forbidden |= _DELIVERED_STANDS if settings.delivery_receipts == "required" else 0
    wish = (hidden | hidden >> _ASIDE) & _WISHES
    return wish & ~forbidden | (wish & forbidden) << _ASIDE


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
# Members of an enum cost ten times a global's look-up (Python 3.11).
_READ: Final = Values.READ
_DELIVERED: Final = Values.DELIVERED
WATERMARKS: Final[Histograms] = Table("marks.watermarks", Key, CountsRow)
NOBODY: Final = MarkRow(0, 0, 0)


def mark_row(tables: Tables, user: str) -> MarkRow | None:
    """Where the user stands; None: neither a member nor one who keeps a mark."""
    row = tables[MARKS].get(user)
    if row is not None and row.join_seq:
        return row
    member = tables[MEMBERS].get(user)
    return row if member is None else _at_join(member)


def mark_rows(tables: Tables, users: Sequence[str]) -> list[MarkRow]:
    """The same of many users, NOBODY in place of None."""
    return _standing(tables[MARKS].get_many(users), users, tables)


def member_mark(row: MarkRow | None, member: MemberRow) -> MarkRow:
    """Where a member stands whose rows are at hand."""
    return row if row is not None and row.join_seq else _at_join(member)


def _standing(
    rows: Sequence[MarkRow | None], users: Sequence[str], tables: Tables
) -> list[MarkRow]:
    """Args: rows: those that these users have in MARKS."""
    standing = [row or NOBODY for row in rows]
    lacking = [at for at, row in enumerate(standing) if not row.join_seq]
    if lacking:
        members = tables[MEMBERS].get_many([users[at] for at in lacking])
        for at, member in zip(lacking, members, strict=True):
            if member is not None:
                standing[at] = _at_join(member)
    return standing


def _at_join(member: MemberRow) -> MarkRow:
    at = member.join_seq
    return MarkRow(at, at, at, at)


def update(
    users: Sequence[str], changed: Callable[[str, MarkRow], MarkRow], tables: Tables
) -> None:
    """Write what becomes of each of their rows."""
    old = tables[MARKS].get_many(users)
    before = _standing(old, users, tables)
    after = [changed(user, row) for user, row in zip(users, before, strict=True)]
    tables[MARKS].put_many(dict(zip(users, after, strict=True)))
    _count(old, after, tables)


def forget(users: Sequence[str], tables: Tables) -> None:
    """Delete their rows."""
    rows = tables[MARKS]
    old = rows.get_many(users)
    for user, row in zip(users, old, strict=True):
        if row is not None:
            rows.delete(user)
    _count(old, [None] * len(old), tables)


def _count(
    before: Sequence[MarkRow | None], after: Sequence[MarkRow | None], tables: Tables
) -> None:
    """Net changes of the histograms, once for all of these rows."""
    read: dict[int, int] = {}
    delivered: dict[int, int] = {}
    counts = {_READ: read, _DELIVERED: delivered}
    for old, new in zip(before, after, strict=True):
        if old and new and old.join_seq == new.join_seq and not old.hidden and not new.hidden:
            if new.join_seq:  # only his watermarks can be others, as for nearly all
                read[old.read] = read.get(old.read, 0) - 1
                read[new.read] = read.get(new.read, 0) + 1
                delivered[old.delivered] = delivered.get(old.delivered, 0) - 1
                delivered[new.delivered] = delivered.get(new.delivered, 0) + 1
            continue
        for sign, counted in ((-1, old), (1, new)):
            for values, seq in _counted(counted):
                at = counts.setdefault(values, {})
                at[seq] = at.get(seq, 0) + sign
    for values, changes in counts.items():
        if changes:
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
    return _risen(row, row.mark, row.read, upto, ts_ms)


def with_shown(row: MarkRow, upto: int, ts_ms: int) -> MarkRow:
    """The user has seen everything up to here; his own mark stays."""
    return _risen(row, row.mark, upto, upto, ts_ms)


def with_read(row: MarkRow, upto: int, ts_ms: int) -> MarkRow:
    """The user has seen everything up to here, and his own mark follows."""
    return _risen(row, upto, upto, upto, ts_ms)


def _risen(row: MarkRow, mark: int, read: int, delivered: int, ts_ms: int) -> MarkRow:
    """None of it falls, and what is hidden stands; the same object if nothing rises. (One new row
    for all three: each `replace` would cost half a microsecond.)"""
    rises = mark > row.mark
    reads = read > row.read and not row.hidden & _READ_STANDS
    receives = delivered > row.delivered and not row.hidden & _DELIVERED_STANDS
    if not (rises or reads or receives):
        return row
    return MarkRow(
        mark if rises else row.mark,
        read if reads else row.read,
        delivered if receives else row.delivered,
        row.join_seq,
        row.rev,
        row.hidden,
        row.read if reads else row.read_before,
        ts_ms if reads else row.read_ms,
        row.delivered if receives else row.delivered_before,
        ts_ms if receives else row.delivered_ms,
    )


def with_unread(row: MarkRow, mark: int) -> MarkRow:
    """The user moves his own mark, also back: marks made before it do not move it again."""
    return replace(row, mark=max(mark, row.join_seq), rev=row.rev + 1)
