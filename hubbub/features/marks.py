"""Read marks and unread figures: watermarks and bitmaps, computed, never accumulated.

Rules:
1. A mark only rises, and never above the head. Who has none stands at the seq where he joined.
2. unread = alive countable messages in (mark, head], minus the own ones. One bit a seq says "alive
   and countable", in blocks of 256 seqs: one row for the channel and one for the author, so a
   message costs two row writes, and a deletion clears its bit. The figure cannot drift.
3. Moving a mark is silent: it takes no seq. Others learn marks from snapshots, the user's own
   devices from the next `heads`.

Cost of a figure: one row of 32 bytes for each 256 seqs behind the mark, twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from hubbub.base.errors import BAD_REQUEST, NOT_A_MEMBER, TOO_MANY, Rejected
from hubbub.base.names import check_user
from hubbub.features.contract import (
    PLURAL_IDS_MAX,
    Command,
    Context,
    Decision,
    EdgeContext,
    Event,
    EventKind,
    Feature,
    Gather,
    Meta,
    Table,
    Tables,
    Verb,
    as_command,
)
from hubbub.features.fields import check_chat_channel
from hubbub.features.members import MembersLeft, MembersRemoved
from hubbub.features.messages import (
    MessageCreated,
    MessageDeleted,
    MessagesDeleted,
    MessageUndeleted,
    Removed,
)
from hubbub.features.standing import MEMBERS, require_standing, user_may
from hubbub.model.permissions import Action
from hubbub.wire.codec import decode_json, encode_json
from hubbub.wire.event import COUNTABLE
from hubbub.wire.shapes import Json

BLOCK_SEQS: Final = 256  # half: twice the rows to add up; double: twice the bytes each send writes
_SHIFT: Final = 8
_BLOCK_BYTES: Final = BLOCK_SEQS // 8
_ALL: Final = (1 << BLOCK_SEQS) - 1
# Of one gathered command: with the longest user ids 57 KB, below the 64 KiB of an envelope.
GATHERED_USERS_MAX: Final = 400


class MarkRead(Command, frozen=True):
    """The user has read everything up to `upto`."""

    TAG = "mark.read"

    channel: str
    upto: int


class MarkMany(Command, frozen=True):
    """Marks of several users in one entry: what an edge has gathered."""

    TAG = "mark.read_many"

    channel: str
    marks: dict[str, int]


class MarksMoved(Event, frozen=True):
    """Where these users' marks stand now."""

    TAG = "marks.moved"
    KIND = EventKind.SILENT

    marks: dict[str, int]


class Marked(Struct, frozen=True):
    """`upto`: where the mark stands now."""

    upto: int


class MarkedMany(Struct, frozen=True, omit_defaults=True):
    """Whose mark stands elsewhere than he asked for, and who may not mark: the others' stand as
    asked (the answer is kept for retries, so it says no more than it must)."""

    elsewhere: dict[str, int] = {}
    refused: tuple[str, ...] = ()


MARKS: Final[Table[str, int]] = Table("marks", str, int)
BLOCKS: Final[Table[int, bytes]] = Table("marks.blocks", int, bytes)
AUTHOR_BLOCKS: Final[Table[tuple[str, int], bytes]] = Table(
    "marks.author_blocks", tuple[str, int], bytes
)


def check_read(cmd: MarkRead, _: EdgeContext) -> MarkRead:
    check_chat_channel(cmd.channel)
    if cmd.upto < 0:
        raise Rejected(BAD_REQUEST, "upto is a seq")
    return cmd


def check_many(cmd: MarkMany, _: EdgeContext) -> MarkMany:
    check_chat_channel(cmd.channel)
    if len(cmd.marks) > PLURAL_IDS_MAX:
        raise Rejected(TOO_MANY, f"at most {PLURAL_IDS_MAX} marks", limit=PLURAL_IDS_MAX)
    for user, upto in cmd.marks.items():
        check_user(user)
        if upto < 0:
            raise Rejected(BAD_REQUEST, "upto is a seq")
    return cmd


def decide_read(cmd: MarkRead, tables: Tables, ctx: Context) -> Decision:
    if not ctx.actor:
        raise Rejected(BAD_REQUEST, "name the user (by)")
    require_standing(Action.MARK, tables, ctx)
    moved = _risen({ctx.actor: cmd.upto}, tables)
    events = [MarksMoved(marks=moved)] if moved else []
    upto = moved.get(ctx.actor, mark_of(tables, ctx.actor))
    return Decision(events, encode_json(Marked(upto)))


def decide_many(cmd: MarkMany, tables: Tables, ctx: Context) -> Decision:
    """Those who have no right to a mark are left out: they may have left in the meantime."""
    require_standing(Action.MARK_MANY, tables, ctx)
    allowed = {
        user: upto for user, upto in cmd.marks.items() if user_may(user, Action.MARK, tables, ctx)
    }
    moved = _risen(allowed, tables)
    stands = {user: moved.get(user) or mark_of(tables, user) for user in allowed}
    answer = MarkedMany(
        {user: upto for user, upto in stands.items() if upto != cmd.marks[user]},
        tuple(user for user in cmd.marks if user not in allowed),
    )
    return Decision([MarksMoved(marks=moved)] if moved else [], encode_json(answer))


def merged(commands: Mapping[str, Sequence[MarkRead]]) -> MarkMany:
    """What the users of one channel asked for, as one command: the highest of each counts."""
    channel = next(iter(commands.values()))[0].channel
    return MarkMany(channel=channel, marks=_highest(commands))


def split(answer: Json, commands: Mapping[str, Sequence[MarkRead]]) -> dict[str, Json | Rejected]:
    """Each user's part of the answer to the merged command."""
    many = decode_json(answer, MarkedMany)
    parts: dict[str, Json | Rejected] = {
        user: encode_json(Marked(many.elsewhere.get(user, upto)))
        for user, upto in _highest(commands).items()
    }
    return parts | {user: Rejected(NOT_A_MEMBER) for user in many.refused}


def _highest(commands: Mapping[str, Sequence[MarkRead]]) -> dict[str, int]:
    return {user: max(command.upto for command in asked) for user, asked in commands.items()}


def _risen(marks: Mapping[str, int], tables: Tables) -> dict[str, int]:
    head = tables.head_seq
    wanted = ((user, min(upto, head)) for user, upto in marks.items())
    return {user: upto for user, upto in wanted if upto > mark_of(tables, user)}


def apply_moved(event: MarksMoved, _: Meta, tables: Tables) -> None:
    for user, upto in event.marks.items():
        tables[MARKS].put(user, max(upto, tables[MARKS].get(user) or 0))


def apply_created(event: MessageCreated, meta: Meta, tables: Tables) -> None:
    if not event.flags() & COUNTABLE:
        return
    _count_message(meta.seq, meta.by, tables)


def _count_message(seq: int, author: str, tables: Tables) -> None:
    block, bit = seq >> _SHIFT, 1 << (seq & (BLOCK_SEQS - 1))
    blocks, own = tables[BLOCKS], tables[AUTHOR_BLOCKS]
    blocks.put(block, _with(blocks.get(block), bit))
    own.put((author, block), _with(own.get((author, block)), bit))


def apply_deleted(event: MessageDeleted | Removed, _: Meta, tables: Tables) -> None:
    seq = event.message_seq
    block, bit = seq >> _SHIFT, 1 << (seq & (BLOCK_SEQS - 1))
    blocks, own = tables[BLOCKS], tables[AUTHOR_BLOCKS]
    blocks.put(block, _without(blocks.get(block), bit))
    own.put((event.author, block), _without(own.get((event.author, block)), bit))


def apply_bulk_deleted(event: MessagesDeleted, meta: Meta, tables: Tables) -> None:
    for removed in event.messages:
        apply_deleted(removed, meta, tables)


def apply_undeleted(event: MessageUndeleted, _: Meta, tables: Tables) -> None:
    stored = tables.published(event.message_seq)
    if stored is not None and stored.head.flags & COUNTABLE:
        _count_message(event.message_seq, event.author, tables)


def apply_gone(event: MembersLeft | MembersRemoved, _: Meta, tables: Tables) -> None:
    """Who comes back starts at his new join."""
    for user in event.users:
        if tables[MARKS].get(user) is not None:
            tables[MARKS].delete(user)


def mark_of(tables: Tables, user: str) -> int:
    """The seq up to which the user has read; 0 for one who has no mark and is no member."""
    mark = tables[MARKS].get(user)
    if mark is not None:
        return mark
    member = tables[MEMBERS].get(user)
    return 0 if member is None else member.join_seq


def unread_of(tables: Tables, user: str, mark: int) -> int:
    """Alive countable messages of others behind `mark`; what was removed is not alive."""
    mark = max(mark, tables.floor_seq - 1)
    return _count(tables, mark) - _count_own(tables, user, mark)


def head(tables: Tables, user: str) -> Mapping[str, object]:
    """The user's fields of a `heads` row; none for one who keeps no mark here."""
    if tables[MARKS].get(user) is None and tables[MEMBERS].get(user) is None:
        return {}
    mark = mark_of(tables, user)
    return {"unread": unread_of(tables, user, mark), "mark": mark}


def _count(tables: Tables, mark: int) -> int:
    first, rows = mark >> _SHIFT, tables[BLOCKS]
    total = _behind(rows.get(first), mark)
    after = first
    while found := rows.scan(after=after):
        total += sum(int.from_bytes(bits, "big").bit_count() for _, bits in found)
        after = found[-1][0]
    return total


def _count_own(tables: Tables, user: str, mark: int) -> int:
    first, rows = mark >> _SHIFT, tables[AUTHOR_BLOCKS]
    total = _behind(rows.get((user, first)), mark)
    after, last = (user, first), tables.head_seq >> _SHIFT
    while after[1] < last:
        found = rows.scan(after=after, limit=min(last - after[1], 1_000))
        own = [(key, bits) for key, bits in found if key[0] == user]
        total += sum(int.from_bytes(bits, "big").bit_count() for _, bits in own)
        if not own or len(own) < len(found):
            break
        after = own[-1][0]
    return total


def _behind(bits: bytes | None, mark: int) -> int:
    """How many bits stand for a seq above `mark` in the mark's own block."""
    if bits is None:
        return 0
    low = (mark & (BLOCK_SEQS - 1)) + 1
    return (int.from_bytes(bits, "big") >> low).bit_count()


def _with(bits: bytes | None, bit: int) -> bytes:
    return (int.from_bytes(bits or b"", "big") | bit).to_bytes(_BLOCK_BYTES, "big")


def _without(bits: bytes | None, bit: int) -> bytes:
    return (int.from_bytes(bits or b"", "big") & (_ALL ^ bit)).to_bytes(_BLOCK_BYTES, "big")


FEATURE: Final = Feature(
    name="marks",
    tables=(MARKS, BLOCKS, AUTHOR_BLOCKS),
    check={MarkRead: check_read, MarkMany: check_many},
    decide={MarkRead: decide_read, MarkMany: decide_many},
    apply={
        MarksMoved: apply_moved,
        MessageCreated: apply_created,
        MessageDeleted: apply_deleted,
        MessagesDeleted: apply_bulk_deleted,
        MessageUndeleted: apply_undeleted,
        MembersLeft: apply_gone,
        MembersRemoved: apply_gone,
    },
    head=head,
    verbs=(
        Verb(
            "mark.read",
            MarkRead,
            as_command,
            Marked,
            "Everything up to a seq is read.",
            Gather(merged, split, GATHERED_USERS_MAX),
        ),
    ),
)
