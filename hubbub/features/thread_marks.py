"""How far a user has read the threads he follows, and what is unread in them.

Rules:
1. A mark for each thread that a user follows, from the moment he does: what is older he has not to
   read. It rises, and goes when he follows no more. Who leaves the channel follows none of it.
2. A reply counts in one place: in the channel if it stands there, too, else in its thread, and
   there only for followers. So whoever has read the channel and his threads has nothing unread.
3. unread = replies that count (threads, rule 5), do not stand in the channel, are not the user's
   own and lie behind his mark; mentions are those of them that name him or all. From bits, as in
   the channel (marks, rule 3).
4. "All threads of the channel are read" is one command (`threads.read_all`), which `mark.all_read`
   sends along: no thread can keep a badge that nobody finds.
5. Heads tell the sum over the FOLLOWED_MAX newest threads; `thread.unread` pages through all.

Long because marks, figures and pages of threads are computed from the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct, field

from hubbub.base.errors import BAD_REQUEST, NOT_FOUND, TOO_MANY, Rejected
from hubbub.base.ids import message_seq
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
    QueryCall,
    QueryRow,
    Reads,
    Route,
    Table,
    Tables,
    Verb,
    acting_as,
    as_command,
    only_answer,
)
from hubbub.features.fields import check_chat_channel, check_limit
from hubbub.features.hidden_bits import NONE_BLOCKED, Blocked, hidden_in
from hubbub.features.marks import BLOCKS, MarksStirred, refusals, refused_of
from hubbub.features.members import MembersLeft, MembersRemoved
from hubbub.features.mentions import ALL_BLOCKS, USER_BLOCKS
from hubbub.features.messages import MessageCreated, MessageUpdated, thread_of
from hubbub.features.seq_bits import block_of, with_seq
from hubbub.features.standing import ONLY, history_of, require_standing
from hubbub.features.threads import FOLLOWERS, REPLIES, ThreadFollowed
from hubbub.model.message import Message
from hubbub.model.permissions import Action, Authority
from hubbub.wire.codec import decode_json, encode_json
from hubbub.wire.shapes import Json

FOLLOWED_MAX: Final = 100  # threads that are added up for a head: two rows each and more
PAGE_DEFAULT: Final = 50
PAGE_MAX: Final = 200
_PAGE_ROWS: Final = 64
_LAST: Final = (1 << 62) - 1  # above every seq and block


class ReadThread(Command, frozen=True):
    """The user has read the thread up to `upto`. `id`: of its root."""

    TAG = "thread.read"

    channel: str
    id: str
    upto: int


class ReadThreads(Command, frozen=True):
    """The user has read all threads of the channel that he follows up to `upto`."""

    TAG = "threads.read_all"

    channel: str
    upto: int


class ReadThreadsMany(Command, frozen=True):
    """What an edge has gathered: user → root → upto."""

    TAG = "thread.read_many"

    channel: str
    marks: dict[str, dict[int, int]]


class ThreadMarksMoved(Event, frozen=True):
    """Where these users' marks of these threads stand now: user → root → seq."""

    TAG = "thread.marks_moved"
    KIND = EventKind.SILENT

    marks: dict[str, dict[int, int]]


class ThreadMarked(Struct, frozen=True):
    """How many threads' marks moved."""

    moved: int


class _MarkedMany(Struct, frozen=True, omit_defaults=True):
    moved: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)


class ThreadUnread(Struct, frozen=True):
    """What is unread in a thread."""

    root_seq: int
    id: str
    mark: int
    unread: int
    mentions: int


class UnreadThreadsRequest(Struct, frozen=True):
    """Threads that the asker follows, the newest root first, below the root `before`. `by`: the
    user for whom a server key asks."""

    channel: str
    before: int = 0
    limit: int = PAGE_DEFAULT
    by: str = ""


class UnreadThreadsPage(Struct, frozen=True):
    """`next`: pass it as `before`; 0 at the end."""

    threads: list[ThreadUnread]
    next: int = 0


MARKS: Final[Table[tuple[str, int], int]] = Table("threads.marks", tuple[str, int], int)
AUTHOR_BLOCKS: Final[Table[tuple[str, int], bytes]] = Table(
    "threads.author_blocks", tuple[str, int], bytes
)


# 1 once anybody has followed a thread here: most channels have none, and cost no look for one.
ANY: Final[Table[int, int]] = Table("threads.any_marks", int, int)


# --- commands


def check_read(cmd: ReadThread | ReadThreads, _: EdgeContext) -> Command:
    check_chat_channel(cmd.channel)
    if isinstance(cmd, ReadThread):
        message_seq(cmd.id)
    _check_seq(cmd.upto)
    return cmd


def check_many(cmd: ReadThreadsMany, _: EdgeContext) -> Command:
    check_chat_channel(cmd.channel)
    if len(cmd.marks) > PLURAL_IDS_MAX:
        raise Rejected(TOO_MANY, f"at most {PLURAL_IDS_MAX} users", limit=PLURAL_IDS_MAX)
    for user, marks in cmd.marks.items():
        check_user(user)
        for seq in (*marks, *marks.values()):
            _check_seq(seq)
    return cmd


def _check_seq(seq: int) -> None:
    if not 0 <= seq < _LAST:
        raise Rejected(BAD_REQUEST, "a mark is a seq")


def decide_read(cmd: ReadThread, tables: Tables, ctx: Context) -> Decision:
    user, root = _actor(tables, ctx), message_seq(cmd.id)
    if tables[MARKS].get((user, root)) is None:
        raise Rejected(NOT_FOUND, "you follow no such thread")
    return _decided({user: {root: cmd.upto}}, tables, ctx)


def decide_read_all(cmd: ReadThreads, tables: Tables, ctx: Context) -> Decision:
    user = _actor(tables, ctx)
    marks = {root: cmd.upto for root, _ in _followed(tables, user, _LAST, PLURAL_IDS_MAX)}
    return _decided({user: marks}, tables, ctx)


def decide_many(cmd: ReadThreadsMany, tables: Tables, ctx: Context) -> Decision:
    require_standing(Action.MARK_MANY, tables, ctx)
    refused = refused_of(list(cmd.marks), tables, ctx)
    allowed = {user: marks for user, marks in cmd.marks.items() if user not in refused}
    moved = _risen(allowed, tables)
    answer = _MarkedMany(
        {user: len(marks) for user, marks in moved.items()},
        refused,
    )
    return Decision(_events(moved, ctx), encode_json(answer))


def _actor(tables: Tables, ctx: Context) -> str:
    if not ctx.actor:
        raise Rejected(BAD_REQUEST, "name the user (by)")
    require_standing(Action.MARK, tables, ctx)
    return ctx.actor


def _decided(marks: Mapping[str, Mapping[int, int]], tables: Tables, ctx: Context) -> Decision:
    moved = _risen(marks, tables)
    count = sum(len(of_user) for of_user in moved.values())
    return Decision(_events(moved, ctx), encode_json(ThreadMarked(count)))


def _events(moved: dict[str, dict[int, int]], ctx: Context) -> list[Event]:
    if not moved:
        return []
    edge = ctx.viewer.client if ctx.viewer.authority == Authority.EDGE else ""
    return [ThreadMarksMoved(marks=moved), MarksStirred(edge=edge, users=tuple(moved))]


def _risen(marks: Mapping[str, Mapping[int, int]], tables: Tables) -> dict[str, dict[int, int]]:
    """Those that rise, of threads that their users follow."""
    head, risen = tables.head_seq, dict[str, dict[int, int]]()
    for user, of_user in marks.items():
        for root, upto in of_user.items():
            old = tables[MARKS].get((user, root))
            if old is not None and min(upto, head) > old:
                risen.setdefault(user, {})[root] = min(upto, head)
    return risen


# --- gathering


def merged(commands: Mapping[str, Sequence[ReadThread]]) -> ReadThreadsMany:
    """What the users of one channel asked for: the highest mark of each thread."""
    marks: dict[str, dict[int, int]] = {}
    for user, asked in commands.items():
        of_user = marks.setdefault(user, {})
        for cmd in asked:
            root = message_seq(cmd.id)
            of_user[root] = max(cmd.upto, of_user.get(root, 0))
    return ReadThreadsMany(channel=next(iter(commands.values()))[0].channel, marks=marks)


def split(answer: Json, commands: Mapping[str, Sequence[ReadThread]]) -> dict[str, Json | Rejected]:
    """Each user's part of the answer."""
    told = decode_json(answer, _MarkedMany)
    parts: dict[str, Json | Rejected] = {
        user: encode_json(ThreadMarked(told.moved.get(user, 0))) for user in commands
    }
    return parts | refusals(told.refused)


# --- apply


def apply_created(event: MessageCreated, meta: Meta, tables: Tables) -> None:
    if not event.thread:
        return
    root = message_seq(event.thread)
    if meta.by and not (event.silent or event.kind):
        key = (meta.by, block_of(meta.seq))
        bits = tables[AUTHOR_BLOCKS].get(key) or b""
        tables[AUTHOR_BLOCKS].put(key, with_seq(bits, meta.seq))
    first = tables.published(root)
    asked = (meta.by, *event.mentions, first.head.by if first is not None else "")
    for user in dict.fromkeys(asked):
        if not user or tables[FOLLOWERS].get((root, user)) != 1:
            continue
        if tables[MARKS].get((user, root)) is None:
            _follow(user, root, meta.seq - (user != meta.by), tables)


def apply_updated(event: MessageUpdated, _: Meta, tables: Tables) -> None:
    """Who is mentioned now follows from this reply on: it is unread, though it is older."""
    reply = tables.published(event.message_seq) if event.mentions else None
    thread = thread_of(reply) if reply is not None else ""
    for user in event.mentions if thread else ():
        key = message_seq(thread), user
        if tables[FOLLOWERS].get(key) == 1 and tables[MARKS].get((user, key[0])) is None:
            _follow(user, key[0], event.message_seq - 1, tables)


def apply_followed(event: ThreadFollowed, meta: Meta, tables: Tables) -> None:
    key = (meta.by, event.root_seq)
    if not event.following:
        tables[MARKS].delete(key)
    elif tables[MARKS].get(key) is None:
        _follow(*key, tables.head_seq, tables)


def _follow(user: str, root: int, mark: int, tables: Tables) -> None:
    tables[MARKS].put((user, root), mark)
    if tables[ANY].get(ONLY) is None:
        tables[ANY].put(ONLY, 1)


def apply_moved(event: ThreadMarksMoved, _: Meta, tables: Tables) -> None:
    for user, marks in event.marks.items():
        for root, seq in marks.items():
            if tables[MARKS].get((user, root)) is not None:
                tables[MARKS].put((user, root), seq)


def apply_gone(event: MembersLeft | MembersRemoved, _: Meta, tables: Tables) -> None:
    for user in event.users:
        while rows := _followed(tables, user, _LAST, PLURAL_IDS_MAX):
            for root, _mark in rows:
                tables[MARKS].delete((user, root))
                tables[FOLLOWERS].delete((root, user))  # else to follow again would change nothing


# --- figures


def _followed(tables: Tables, user: str, before: int, limit: int) -> list[tuple[int, int]]:
    """(root, mark) of threads below a root, the newest root first."""
    rows = tables[MARKS].scan(after=(user, before), limit=limit, reverse=True)
    return [(key[1], mark) for key, mark in rows if key[0] == user]


def _there(rows: list[tuple[int, int]], user: str, tables: Tables) -> list[tuple[int, int]]:
    """Those whose first message he may read: what he cannot open is not unread for ever."""
    lowest = max(tables.floor_seq, history_of(user, tables))
    return [row for row in rows if row[0] >= lowest]


def count(
    root: int, user: str, mark: int, tables: Tables, blocked: Blocked = NONE_BLOCKED
) -> tuple[int, int]:
    """(unread, mentions) of a thread behind a mark, without replies of whom the user blocks."""
    unread = mentions = 0
    behind = max(mark, tables.floor_seq - 1)
    for block, countable in _blocks(root, behind, tables):
        bits = countable & ~_bits(tables[BLOCKS].get(block))
        bits &= ~_bits(tables[AUTHOR_BLOCKS].get((user, block)))
        if block == block_of(behind):
            bits &= ~((2 << (behind & 255)) - 1)
        bits &= ~hidden_in(bits, block, blocked, tables, AUTHOR_BLOCKS)
        if bits:
            named = _bits(tables[USER_BLOCKS].get((user, block)))
            named |= _bits(tables[ALL_BLOCKS].get(block))
            unread += bits.bit_count()
            mentions += (bits & named).bit_count()
    return unread, mentions


def _blocks(root: int, behind: int, tables: Tables) -> Iterator[tuple[int, int]]:
    """Bits of a thread's replies that count, from the block of `behind` on."""
    first = block_of(behind)
    after = (root, first - 1) if first else (root - 1, _LAST)
    while True:
        page = tables[REPLIES].scan(after=after, limit=_PAGE_ROWS)
        own = [(key[1], _bits(row.countable)) for key, row in page if key[0] == root]
        yield from own
        if len(own) < _PAGE_ROWS:
            return
        after = page[-1][0]


def _bits(block: bytes | None) -> int:
    return int.from_bytes(block or b"", "big")


def head(tables: Tables, user: str, blocked: Blocked) -> Mapping[str, object]:
    """`threads` of a `heads` row: unread and mentions over those he follows; none without any."""
    rows = _followed(tables, user, _LAST, FOLLOWED_MAX) if tables[ANY].get(ONLY) else []
    rows = _there(rows, user, tables) if rows else rows
    if not rows:
        return {}
    counts = [count(root, user, mark, tables, blocked) for root, mark in rows]
    unread, mentions = (sum(part) for part in zip(*counts, strict=True))
    return {"threads": {"unread": unread, "mentions": mentions}}


def run_unread(request: UnreadThreadsRequest, tables: Tables, ctx: Context) -> UnreadThreadsPage:
    require_standing(Action.READ, tables, ctx)
    check_limit(request.limit, PAGE_MAX)
    rows = _followed(tables, ctx.actor, request.before or _LAST, request.limit)
    rows = _there(rows, ctx.actor, tables)
    found: list[ThreadUnread] = []
    blocked = frozenset(ctx.viewer.blocks)
    for root, mark in rows:
        stored = tables.published(root)
        if stored is not None:
            unread, mentions = count(root, ctx.actor, mark, tables, blocked)
            ident = decode_json(stored.data, Message).id
            found.append(ThreadUnread(root, ident, mark, unread, mentions))
    return UnreadThreadsPage(found, rows[-1][0] if len(rows) == request.limit else 0)


def turn_unread(request: UnreadThreadsRequest, ctx: EdgeContext) -> QueryCall | Reads:
    _check_seq(request.before)
    call = QueryCall(check_chat_channel(request.channel), "thread.unread", request)
    viewer = acting_as(request.by, ctx.viewer)
    if viewer is ctx.viewer:
        return call
    return Reads((call,), only_answer, viewer=viewer)


_THREADS: Final = "/v1/channels/{channel}/threads"

FEATURE: Final = Feature(
    name="thread_marks",
    tables=(MARKS, AUTHOR_BLOCKS, ANY),
    check={ReadThread: check_read, ReadThreads: check_read, ReadThreadsMany: check_many},
    decide={
        ReadThread: decide_read,
        ReadThreads: decide_read_all,
        ReadThreadsMany: decide_many,
    },
    apply={
        MessageCreated: apply_created,
        MessageUpdated: apply_updated,
        ThreadFollowed: apply_followed,
        ThreadMarksMoved: apply_moved,
        MembersLeft: apply_gone,
        MembersRemoved: apply_gone,
    },
    head=head,
    queries=(QueryRow("thread.unread", UnreadThreadsRequest, run_unread),),
    verbs=(
        Verb(
            "thread.read",
            ReadThread,
            as_command,
            ThreadMarked,
            "A thread is read up to a seq.",
            Gather(merged, split, group="threads"),
        ),
        Verb("threads.read_all", ReadThreads, as_command, ThreadMarked, "All threads are read."),
        Verb(
            "thread.unread",
            UnreadThreadsRequest,
            turn_unread,
            UnreadThreadsPage,
            "What is unread in the threads that one follows.",
        ),
    ),
    routes=(
        Route("POST", _THREADS + "/{id}/read", ReadThread, as_command, ThreadMarked),
        Route("POST", _THREADS + "/read_all", ReadThreads, as_command, ThreadMarked),
        Route(
            "GET",
            _THREADS + "/unread",
            UnreadThreadsRequest,
            turn_unread,
            UnreadThreadsPage,
            doc="What is unread in the threads that a user follows.",
            behalf="by",
        ),
    ),
)
