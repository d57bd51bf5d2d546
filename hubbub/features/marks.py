"""Marks and unread figures: watermarks and bitmaps, computed, never accumulated.

Rules (rows: `mark_rows`):
1. A mark only rises, and never above the head. Who has none stands at the seq where he joined.
   Marks of several devices merge by their maximum, whenever they arrive.
2. `mark.unread` alone moves the own mark back, and counts its revision up. A mark that was made
   under an older revision (offline) does not undo it; others see that he has read, all the same.
3. unread = alive countable messages in (mark, head], minus the own ones. One bit a seq says "alive
   and countable", in blocks of 256 seqs: one row for the channel and one for the author, so a
   message costs two row writes, and a deletion clears its bit. The figure cannot drift. For one who
   blocks users it is less theirs, from the same rows (`hidden_bits`).
4. Moving a mark is silent: it takes no seq. The user's own devices learn it from the next `heads`,
   others from receipts.
5. What edges gather is one command: each user's own commands, in his order, folded (`merged`).

Cost of a figure: one row of 32 bytes for each 256 seqs behind the mark, twice.

Long because commands, their gathering and the figures share one set of shapes.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from hubbub.base.errors import BAD_REQUEST, NOT_AVAILABLE, TOO_MANY, Rejected, error_by_code
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
    Route,
    Several,
    Table,
    Tables,
    Verb,
    as_command,
)
from hubbub.features.fields import check_chat_channel
from hubbub.features.guarantees import guarantees_of
from hubbub.features.hidden_bits import NONE_BLOCKED, Blocked, hidden_in
from hubbub.features.mark_rows import (
    MARKS,
    WATERMARKS,
    MarkRow,
    forget,
    granted,
    mark_row,
    mark_rows,
    update,
    with_delivered,
    with_read,
    with_shown,
    with_unread,
)
from hubbub.features.members import MembersLeft, MembersRemoved
from hubbub.features.messages import (
    MessageCreated,
    MessageDeleted,
    MessagesDeleted,
    MessageUndeleted,
    Removed,
)
from hubbub.features.standing import (
    all_may,
    channel_row,
    refusals_of,
    require_standing,
)
from hubbub.model.permissions import Action, Authority
from hubbub.settings.app import AppSettings
from hubbub.wire.codec import decode_json, encode_json
from hubbub.wire.event import COUNTABLE
from hubbub.wire.receipts import MARKS_STIRRED, RECEIPTS_MOVED
from hubbub.wire.shapes import Json

BLOCK_SEQS: Final = 256  # half: twice the rows to add up; double: twice the bytes each send writes
FEW_BLOCKS: Final = 8  # beyond it a seek costs less than so many rows
_SHIFT: Final = 8
_BLOCK_BYTES: Final = BLOCK_SEQS // 8
_ALL: Final = (1 << BLOCK_SEQS) - 1
DELIVERED_CHANNELS_MAX: Final = 100  # one acknowledgement of a device: what it has on screen
NO_REV: Final = -1


class MarkRead(Command, frozen=True):
    """The user has read everything up to `upto`. `rev`: the revision of his mark that he knew then;
    without it, the current one."""

    TAG = "mark.read"

    channel: str
    upto: int
    rev: int = NO_REV


class MarkUnread(Command, frozen=True):
    """Everything from the seq `since` on is unread again, for the user himself."""

    TAG = "mark.unread"

    channel: str
    since: int


class MarkDelivered(Command, frozen=True):
    """A device of the user has everything up to `upto`."""

    TAG = "mark.delivered"

    channel: str
    upto: int


Mark: TypeAlias = MarkRead | MarkUnread | MarkDelivered


class MarkMany(Command, frozen=True):
    """Marks of several users in one entry: what an edge has gathered.

    `read`: under the current revision; `based`: (upto, revision); `late`: under an older one;
    `back`: to this mark, before `read`.
    """

    TAG = "mark.many"

    channel: str
    read: dict[str, int] = field(default_factory=dict)
    based: dict[str, tuple[int, int]] = field(default_factory=dict)
    late: dict[str, int] = field(default_factory=dict)
    back: dict[str, int] = field(default_factory=dict)
    delivered: dict[str, int] = field(default_factory=dict)


class MarksMoved(Event, frozen=True):
    """What happened to these users' marks, in this order: hidden, delivered, late, back, read.
    `hidden`: what he hides from here on, where the app's policy has changed."""

    TAG = "marks.moved"
    KIND = EventKind.SILENT

    read: dict[str, int] = field(default_factory=dict)
    late: dict[str, int] = field(default_factory=dict)
    back: dict[str, int] = field(default_factory=dict)
    delivered: dict[str, int] = field(default_factory=dict)
    hidden: dict[str, int] = field(default_factory=dict)


class ReceiptsMoved(Event, frozen=True):
    """Where these members' watermarks stand now, in a channel with receipts by member."""

    TAG = RECEIPTS_MOVED
    KIND = EventKind.SIGNAL

    read: dict[str, int] = field(default_factory=dict)
    delivered: dict[str, int] = field(default_factory=dict)


class MarksStirred(Event, frozen=True):
    """For edges alone (`wire.receipts.Stirred`): whose figures to ask for anew, and whether counts
    that somebody looks at may be others."""

    TAG = MARKS_STIRRED
    KIND = EventKind.SIGNAL

    edge: str = ""
    users: tuple[str, ...] = ()
    counts: bool = False


class Marked(Struct, frozen=True, omit_defaults=True):
    """`upto`: where the mark stands now; `rev`: how often it was moved back."""

    upto: int
    rev: int = 0


class MarkedMany(Struct, frozen=True, omit_defaults=True):
    """Whose mark stands elsewhere than he asked for, or has a revision, and who may not mark (the
    error's code): the others' stand as asked. It is kept for retries, so it says no more than it
    must."""

    elsewhere: dict[str, tuple[int, int]] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)


class DeliveredRequest(Struct, frozen=True):
    """What a device has, by channel."""

    marks: dict[str, int]
    by: str = ""


class Delivered(Struct, frozen=True, omit_defaults=True):
    """Channels whose mark was refused: code and name of the error."""

    refused: dict[str, str] = field(default_factory=dict)


BLOCKS: Final[Table[int, bytes]] = Table("marks.blocks", int, bytes)
AUTHOR_BLOCKS: Final[Table[tuple[str, int], bytes]] = Table(
    "marks.author_blocks", tuple[str, int], bytes
)


# --- checks at the edge


def check_mark(cmd: Mark, _: EdgeContext) -> Mark:
    check_chat_channel(cmd.channel)
    _check_seq(cmd.since if isinstance(cmd, MarkUnread) else cmd.upto)
    return cmd


def check_many(cmd: MarkMany, _: EdgeContext) -> MarkMany:
    check_chat_channel(cmd.channel)
    users = _users_of(cmd)
    if len(users) > PLURAL_IDS_MAX:
        raise Rejected(TOO_MANY, f"at most {PLURAL_IDS_MAX} marks", limit=PLURAL_IDS_MAX)
    for user in users:
        check_user(user)
    for seqs in (cmd.read, cmd.late, cmd.back, cmd.delivered):
        for seq in seqs.values():
            _check_seq(seq)
    for upto, _rev in cmd.based.values():
        _check_seq(upto)
    return cmd


def _check_seq(seq: int) -> None:
    if not 0 <= seq < 1 << 63:
        raise Rejected(BAD_REQUEST, "a mark is a seq")


# --- decide


def decide_mark(cmd: Mark, tables: Tables, ctx: Context) -> Decision:
    """A mark of the actor's own."""
    if not ctx.actor:
        raise Rejected(BAD_REQUEST, "name the user (by)")
    require_standing(Action.MARK, tables, ctx)
    if isinstance(cmd, MarkDelivered) and ctx.settings.delivery_receipts == "off":
        raise Rejected(NOT_AVAILABLE, "this app keeps no delivery receipts")
    many = merged({ctx.actor: [cmd]})
    events, rows = _moves(many, (ctx.actor,), tables, ctx)
    (row,) = rows
    upto = row.delivered if isinstance(cmd, MarkDelivered) else row.mark
    return Decision(events, encode_json(Marked(upto, row.rev)))


def decide_many(cmd: MarkMany, tables: Tables, ctx: Context) -> Decision:
    """Those who have no right to a mark are left out: they may have left in the meantime."""
    require_standing(Action.MARK_MANY, tables, ctx)
    users = _users_of(cmd)
    refused = refused_of(users, tables, ctx)
    allowed = [user for user in users if user not in refused] if refused else users
    events, rows = _moves(cmd, allowed, tables, ctx)
    asked = {user: upto for user, (upto, _) in cmd.based.items()} | cmd.read
    answer = MarkedMany(
        {
            user: (row.mark, row.rev)
            for user, row in zip(allowed, rows, strict=True)
            if row.rev or asked.get(user, row.mark) != row.mark
        },
        refused,
    )
    return Decision(events, encode_json(answer))


def refused_of(users: Sequence[str], tables: Tables, ctx: Context) -> dict[str, int]:
    """Who of them may not mark, with the error's code."""
    found = refusals_of(users, Action.MARK, tables, ctx)
    return {user: refusal.error.code for user, refusal in found.items()}


def _moves(
    cmd: MarkMany, users: Sequence[str], tables: Tables, ctx: Context
) -> tuple[list[Event], list[MarkRow]]:
    """(what happens, where each of these users stands then)."""
    before = mark_rows(tables, users)
    event = _asked(cmd, dict(zip(users, before, strict=True)), tables.head_seq, ctx.settings)
    after = [moved(row, user, event, 0) for user, row in zip(users, before, strict=True)]
    steps = [
        (user, old, new)
        for user, old, new in zip(users, before, after, strict=True)
        if new is not old
    ]
    if not steps:
        return [], after
    if len(steps) < len(users):
        event = _only({user for user, _, _ in steps}, event)
    return [event, *_told(steps, tables, ctx)], after


def _only(users: Container[str], event: MarksMoved) -> MarksMoved:
    """What of the event is about these users."""

    def of(seqs: Mapping[str, int]) -> dict[str, int]:
        return {user: seq for user, seq in seqs.items() if user in users}

    return MarksMoved(
        read=of(event.read),
        late=of(event.late),
        back=of(event.back),
        delivered=of(event.delivered),
        hidden=of(event.hidden),
    )


def _told(
    steps: Iterable[tuple[str, MarkRow, MarkRow]], tables: Tables, ctx: Context
) -> list[Event]:
    """What others are told of it: of members only, and of what they show. And whose own devices
    have other figures now. Args: steps: (user, where he stood, where he stands)."""
    read: dict[str, int] = {}
    delivered: dict[str, int] = {}
    users: list[str] = []
    for user, old, new in steps:
        if new.join_seq and new.read > old.read:
            read[user] = new.read
        if new.join_seq and new.delivered > old.delivered:
            delivered[user] = new.delivered
        if new.mark != old.mark or new.rev != old.rev:  # what his own figures hang on
            users.append(user)
    if ctx.settings.read_receipts == "off":
        read = {}
    if ctx.settings.delivery_receipts == "off":
        delivered = {}  # also what was read
    events: list[Event] = []
    is_seen = bool(read or delivered)
    if is_seen and _all_see(tables, ctx):
        events.append(ReceiptsMoved(read=read, delivered=delivered))
        is_seen = False
    if is_seen or users:
        edge = ctx.viewer.client if ctx.viewer.authority == Authority.EDGE else ""
        events.append(MarksStirred(edge=edge, users=tuple(users), counts=is_seen))
    return events


def _all_see(tables: Tables, ctx: Context) -> bool:
    """Whether each member may see how far each other one is; else who may has to ask."""
    channel = channel_row(tables)
    if guarantees_of(channel, tables).receipts != "per_member":
        return False
    return all_may(Action.SEE_RECEIPTS, tables, ctx.settings)


def _asked(
    cmd: MarkMany, rows: Mapping[str, MarkRow], head: int, settings: AppSettings
) -> MarksMoved:
    """What the command means for these users, who stand there."""

    def named(seqs: Mapping[str, int]) -> dict[str, int]:
        if not seqs:
            return {}
        return {user: seq if seq < head else head for user, seq in seqs.items() if user in rows}

    read, late = named(cmd.read), named(cmd.late)
    for user, (upto, rev) in cmd.based.items():
        if upto and user in rows:
            seqs = read if rev >= rows[user].rev else late
            seqs[user] = max(min(upto, head), seqs.get(user, 0))
    hidden: dict[str, int] = {}
    for user, row in rows.items():
        if row.hidden and (shown := granted(row.hidden, settings)) != row.hidden:
            hidden[user] = shown
    return MarksMoved(
        read=read,
        late=late,
        back=named(cmd.back),
        delivered=named(cmd.delivered) if settings.delivery_receipts != "off" else {},
        hidden=hidden,
    )


def moved(row: MarkRow, user: str, event: MarksMoved, ts_ms: int) -> MarkRow:
    """The user's row after the event; the same object if nothing changes."""
    if (hidden := event.hidden.get(user)) is not None:
        row = replace(row, hidden=hidden)
    if (upto := event.delivered.get(user)) is not None:
        row = with_delivered(row, upto, ts_ms)
    if (upto := event.late.get(user)) is not None:
        row = with_shown(row, upto, ts_ms)
    if (upto := event.back.get(user)) is not None:
        row = with_unread(row, upto)
    if (upto := event.read.get(user)) is not None:
        row = with_read(row, upto, ts_ms)
    return row


# --- gathering


def merged(commands: Mapping[str, Sequence[Mark]]) -> MarkMany:
    """What the users of one channel asked for, as one command."""
    many = MarkMany(channel=next(iter(commands.values()))[0].channel)
    for user, asked in commands.items():
        _fold(user, asked, many)
    return many


def _fold(user: str, asked: Sequence[Mark], many: MarkMany) -> None:
    """One user's commands, in his order: the highest of each kind counts, and what was read before
    he moved his mark back is late."""
    for cmd in asked:
        match cmd:
            case MarkDelivered():
                _raise(many.delivered, user, cmd.upto)
            case MarkUnread():
                if user in many.read:
                    _raise(many.late, user, many.read.pop(user))
                if user in many.based:
                    _raise(many.late, user, many.based.pop(user)[0])
                many.back[user] = max(cmd.since - 1, 0)
            case MarkRead(rev=rev) if rev <= NO_REV:
                _raise(many.read, user, cmd.upto)
            case MarkRead() if user in many.back:
                _raise(many.late, user, cmd.upto)
            case MarkRead():
                _raise_based(user, (cmd.upto, cmd.rev), many)
    if many.delivered.get(user, 0) <= max(many.read.get(user, -1), many.late.get(user, -1)):
        many.delivered.pop(user, None)  # read implies delivered


def _raise(marks: dict[str, int], user: str, upto: int) -> None:
    marks[user] = max(upto, marks.get(user, 0))


def _raise_based(user: str, asked: tuple[int, int], many: MarkMany) -> None:
    """Of marks under several revisions the newest revision's may count; the others are late."""
    known = many.based.get(user, (0, NO_REV))
    older, newer = sorted((asked, known), key=lambda mark: (mark[1], mark[0]))
    if older[1] == newer[1]:
        many.based[user] = newer
        return
    many.based[user] = newer
    if older[0]:
        _raise(many.late, user, older[0])


def split(answer: Json, commands: Mapping[str, Sequence[Mark]]) -> dict[str, Json | Rejected]:
    """Each user's part of the answer to the merged command."""
    told = decode_json(answer, MarkedMany)
    many = merged(commands)
    asked = {user: upto for user, (upto, _) in many.based.items()} | many.delivered | many.read
    parts: dict[str, Json | Rejected] = {
        user: encode_json(Marked(*told.elsewhere.get(user, (asked.get(user, 0), 0))))
        for user in commands
    }
    return parts | refusals(told.refused)


def refusals(codes: Mapping[str, int]) -> dict[str, Json | Rejected]:
    """The part of each who was refused with this code."""
    return {user: Rejected(error_by_code(code)) for user, code in codes.items()}


def _users_of(cmd: MarkMany) -> list[str]:
    parts = (cmd.read, cmd.based, cmd.late, cmd.back, cmd.delivered)
    return list(dict.fromkeys(user for part in parts for user in part))


# --- apply


def apply_moved(event: MarksMoved, meta: Meta, tables: Tables) -> None:
    parts = (event.read, event.late, event.back, event.delivered, event.hidden)
    users = dict.fromkeys(user for part in parts for user in part)
    update(list(users), lambda user, row: moved(row, user, event, meta.ts_ms), tables)


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
    forget(event.users, tables)


# --- figures


def unread_of(tables: Tables, user: str, mark: int, blocked: Blocked = NONE_BLOCKED) -> int:
    """Alive countable messages behind `mark`, of others whom the user does not block."""
    behind = max(mark, tables.floor_seq - 1)
    if behind >= tables.head_seq:  # as in most channels of a long list
        return 0
    unread = _count(tables, behind) - _count_own(tables, user, behind)
    return unread - _count_hidden(tables, behind, blocked) if unread and blocked else unread


def figures(tables: Tables, user: str, blocked: Blocked = NONE_BLOCKED) -> Mapping[str, int]:
    """The user's figures in this channel; none for one who keeps no mark here."""
    row = mark_row(tables, user)
    if row is None:
        return {}
    return {
        "unread": unread_of(tables, user, row.mark, blocked),
        "mark": row.mark,
        "delivered": row.delivered,
        "rev": row.rev,
    }


def waiting(tables: Tables, user: str, blocked: Blocked) -> int:
    """`unread` of the figures alone, 0 for one who keeps no mark here."""
    row = mark_row(tables, user)
    return 0 if row is None else unread_of(tables, user, row.mark, blocked)


def _count(tables: Tables, mark: int) -> int:
    first, rows = mark >> _SHIFT, tables[BLOCKS]
    total = _behind(rows.get(first), mark)
    after, last = first, tables.head_seq >> _SHIFT
    while after < last and (found := rows.scan(after=after)):
        total += sum(int.from_bytes(bits, "big").bit_count() for _, bits in found)
        after = found[-1][0]
    return total


def _count_hidden(tables: Tables, mark: int, blocked: Blocked) -> int:
    """How many of those behind the mark somebody blocked has written."""
    first, last = mark >> _SHIFT, tables.head_seq >> _SHIFT
    if last - first >= FEW_BLOCKS:
        return sum(_count_own(tables, author, mark, FEW_BLOCKS) for author in blocked)
    count = 0
    for block in range(first, last + 1):
        bits = int.from_bytes(tables[BLOCKS].get(block) or b"", "big")
        if block == first:
            bits &= ~((2 << (mark & (BLOCK_SEQS - 1))) - 1)
        count += hidden_in(bits, block, blocked, tables, AUTHOR_BLOCKS).bit_count()
    return count


def _count_own(tables: Tables, user: str, mark: int, page: int = 1_000) -> int:
    """`page`: rows read at first; most whom a user blocks have none in a channel."""
    first, rows = mark >> _SHIFT, tables[AUTHOR_BLOCKS]
    total = _behind(rows.get((user, first)), mark)
    after, last = (user, first), tables.head_seq >> _SHIFT
    while after[1] < last:
        found = rows.scan(after=after, limit=min(last - after[1], page))
        page = min(page * 4, 1_000)
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


# --- requests


def turn_delivered(request: DeliveredRequest, ctx: EdgeContext) -> Several:
    marks = request.marks
    if ctx.settings.delivery_receipts == "off":
        raise Rejected(NOT_AVAILABLE, "this app keeps no delivery receipts")
    if not 0 < len(marks) <= DELIVERED_CHANNELS_MAX:
        limit = DELIVERED_CHANNELS_MAX
        raise Rejected(TOO_MANY, f"name 1 to {limit} channels", limit=limit)
    return Several(
        tuple(MarkDelivered(channel=c, upto=upto, by=request.by) for c, upto in marks.items())
    )


GATHER: Final = Gather(merged, split, group="marks")
_QUIET: Final = replace(GATHER, changes_figures=False)
_CHANNEL: Final = "/v1/channels/{channel}"

FEATURE: Final = Feature(
    name="marks",
    signs={ReceiptsMoved.TAG: ReceiptsMoved},
    tables=(MARKS, WATERMARKS, BLOCKS, AUTHOR_BLOCKS),
    check={
        MarkRead: check_mark,
        MarkUnread: check_mark,
        MarkDelivered: check_mark,
        MarkMany: check_many,
    },
    decide={
        MarkRead: decide_mark,
        MarkUnread: decide_mark,
        MarkDelivered: decide_mark,
        MarkMany: decide_many,
    },
    apply={
        MarksMoved: apply_moved,
        MessageCreated: apply_created,
        MessageDeleted: apply_deleted,
        MessagesDeleted: apply_bulk_deleted,
        MessageUndeleted: apply_undeleted,
        MembersLeft: apply_gone,
        MembersRemoved: apply_gone,
    },
    unread=waiting,
    verbs=(
        Verb("mark.read", MarkRead, as_command, Marked, "All up to a seq is read.", GATHER),
        Verb("mark.unread", MarkUnread, as_command, Marked, "All from a seq on is unread.", GATHER),
        Verb(
            "mark.delivered",
            DeliveredRequest,
            turn_delivered,
            Delivered,
            "What a device has, by channel.",
            _QUIET,
        ),
    ),
    routes=(
        Route("POST", _CHANNEL + "/read", MarkRead, as_command, Marked),
        Route("POST", _CHANNEL + "/unread", MarkUnread, as_command, Marked),
        Route("POST", _CHANNEL + "/delivered", MarkDelivered, as_command, Marked),
    ),
)
