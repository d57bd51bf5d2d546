"""Threads: replies to a message, apart from the channel; who follows them.

Rules:
1. A thread is its first message (the root) and the messages that name it as their `thread`. They
   are messages like others: numbered, edited, deleted. The first one brings `thread.created`.
2. A thread's figures are kept with the root's annotations. They are told as `thread.updated`, a
   signal, at most once a second: the reply itself is what takes an offset.
3. `replies` counts those that are not deleted; the last reply and who replied last stay what they
   were when one of them is deleted.
4. Who replies follows, whatever he said before; so does the author of the root and who is mentioned
   in a reply (also when it is edited), unless he said otherwise. Who leaves the channel follows no
   more (thread_marks); that he did not want to is kept.
5. The rows of replies hold all of them for pages (tombstones too), and those that count for whoever
   counts: not deleted, not silent, not of the system.

Long because figures, pages and followers are kept by the same events.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from msgspec import Raw, Struct

from hubbub.base.errors import BAD_REQUEST, Rejected
from hubbub.base.ids import message_seq
from hubbub.features.annotations import (
    ANNOTATIONS,
    annotate,
    annotation,
    shown,
)
from hubbub.features.contract import (
    Command,
    Context,
    Done,
    EdgeContext,
    Event,
    EventKind,
    Feature,
    Meta,
    Pulse,
    QueryCall,
    QueryRow,
    Route,
    Table,
    Tables,
    Verb,
    as_command,
)
from hubbub.features.fields import check_chat_channel, check_limit
from hubbub.features.messages import (
    MESSAGE,
    MessageCreated,
    MessageDeleted,
    MessagesDeleted,
    MessageUndeleted,
    MessageUpdated,
    ThreadCreated,
    id_of,
    root_of,
    seen,
    thread_of,
)
from hubbub.features.publication import MessageJson
from hubbub.features.seq_bits import block_of, seqs_in, with_seq, without_seq
from hubbub.features.standing import readable_from, require_standing
from hubbub.model.message import Message
from hubbub.model.permissions import Action
from hubbub.wire.codec import decode_json
from hubbub.wire.event import StoredEvent
from hubbub.wire.shapes import Json

PARTICIPANTS_MAX: Final = 5  # faces beside a thread
PAGE_DEFAULT: Final = 50
PAGE_MAX: Final = 200
LOOKED_AT_MAX: Final = 1_000  # threads, for one page of those that are followed
_BLOCKS_AT_ONCE: Final = 16
_LAST: Final = 1 << 62  # above every block


class FollowThread(Command, frozen=True):
    """Hear of this thread's replies."""

    TAG = "thread.follow"

    channel: str
    id: str


class UnfollowThread(Command, frozen=True):
    """Hear of them no more, until one replies again."""

    TAG = "thread.unfollow"

    channel: str
    id: str


class ThreadFollowed(Event, frozen=True):
    """Whether the one who asked follows the thread from now on."""

    TAG = "thread.followed"
    KIND = EventKind.SILENT

    root_seq: int
    following: bool


class ThreadUpdated(Event, frozen=True):
    """A thread's figures (see Annotations), at most a second old."""

    TAG = "thread.updated"
    KIND = EventKind.SIGNAL

    id: str
    message_seq: int
    annotation_rev: int
    replies: int
    last_reply: str
    last_reply_seq: int
    participants: tuple[str, ...]


class RepliesRow(Struct, frozen=True, array_like=True, gc=False):
    """Replies of one block of seqs (`seq_bits`): all, and those that count as unread."""

    all: bytes
    countable: bytes = b""


REPLIES: Final[Table[tuple[int, int], RepliesRow]] = Table(
    "threads.replies", tuple[int, int], RepliesRow
)
# The seq of the last reply → the root's.
BY_LAST: Final[Table[int, int]] = Table("threads.by_last", int, int)
# (root, user) → 1: follows, 0: wants not to
FOLLOWERS: Final[Table[tuple[int, str], int]] = Table("threads.followers", tuple[int, str], int)


class ThreadRequest(Struct, frozen=True):
    """Replies in a thread; `id`: of its root, or of any message in it. At most one place: behind
    `after_seq` (0: the oldest), before `before_seq`, none: the newest."""

    channel: str
    id: str
    after_seq: int | None = None
    before_seq: int | None = None
    limit: int = PAGE_DEFAULT


class ThreadPage(Struct, frozen=True, omit_defaults=True):
    """Replies ascending, each with its current state; an empty page is the end. `following`: the
    one who asks does. `more`: it is full by its bytes, before it had as many as were asked for."""

    root: Message
    messages: list[MessageJson]
    following: bool = False
    more: bool = False


class ThreadsRequest(Struct, frozen=True):
    """A channel's threads whose last reply is older than `before`. `followed`: only those that the
    one who asks follows."""

    channel: str
    before: int = 0
    limit: int = PAGE_DEFAULT
    followed: bool = False


class ThreadLine(Struct, frozen=True, omit_defaults=True):
    """A thread in a list: its root, with figures."""

    root: Message
    following: bool = False


class ThreadsPage(Struct, frozen=True):
    """The last replied to first. `next`: pass it as `before`; 0 at the end."""

    threads: list[ThreadLine]
    next: int = 0


def check_follow(cmd: FollowThread | UnfollowThread, _: EdgeContext) -> Command:
    check_chat_channel(cmd.channel)
    message_seq(cmd.id)
    return cmd


def decide_follow(cmd: FollowThread | UnfollowThread, tables: Tables, ctx: Context) -> list[Event]:
    require_standing(Action.READ, tables, ctx)
    if not ctx.actor:
        raise Rejected(BAD_REQUEST, "name the user (by)")
    root = root_of(cmd.id, tables, ctx).seq
    following = isinstance(cmd, FollowThread)
    if tables[FOLLOWERS].get((root, ctx.actor)) == int(following):
        return []
    return [ThreadFollowed(root_seq=root, following=following)]


# --- apply


def apply_created(event: MessageCreated, meta: Meta, tables: Tables) -> None:
    if not event.thread:
        return
    root = message_seq(event.thread)
    old = annotation(tables, root)
    others = tuple(user for user in old.participants if user != meta.by)
    annotate(
        tables,
        root,
        replies=old.replies + 1,
        last_reply_seq=meta.seq,
        last_reply_ms=meta.ts_ms,
        participants=(meta.by, *others)[:PARTICIPANTS_MAX] if meta.by else others,
    )
    if old.last_reply_seq:
        tables[BY_LAST].delete(old.last_reply_seq)
    tables[BY_LAST].put(meta.seq, root)
    key = (root, block_of(meta.seq))
    row = tables[REPLIES].get(key) or RepliesRow(b"")
    counts = not (event.silent or event.kind)
    countable = with_seq(row.countable, meta.seq) if counts else row.countable
    tables[REPLIES].put(key, RepliesRow(with_seq(row.all, meta.seq), countable))
    _follow(event, root, meta, tables)


def _follow(event: MessageCreated, root: int, meta: Meta, tables: Tables) -> None:
    first = tables.published(root)
    invited = (*event.mentions, first.head.by) if first is not None else event.mentions
    _invite(filter(None, invited), root, tables)
    if meta.by and tables[FOLLOWERS].get((root, meta.by)) != 1:
        tables[FOLLOWERS].put((root, meta.by), 1)


def _invite(users: Iterable[str], root: int, tables: Tables) -> None:
    """They follow, unless they said whether they do."""
    for user in users:
        if tables[FOLLOWERS].get((root, user)) is None:
            tables[FOLLOWERS].put((root, user), 1)


def apply_updated(event: MessageUpdated, _: Meta, tables: Tables) -> None:
    reply = tables.published(event.message_seq) if event.mentions else None
    thread = thread_of(reply) if reply is not None else ""
    if thread:
        _invite(event.mentions, message_seq(thread), tables)


def apply_deleted(event: MessageDeleted, _: Meta, tables: Tables) -> None:
    if event.thread:
        change_reply(event.thread, event.message_seq, tables, is_alive=False)


def apply_bulk_deleted(event: MessagesDeleted, _: Meta, tables: Tables) -> None:
    for removed in event.messages:
        if removed.thread:
            change_reply(removed.thread, removed.message_seq, tables, is_alive=False)


def apply_undeleted(event: MessageUndeleted, _: Meta, tables: Tables) -> None:
    if event.thread:
        change_reply(event.thread, event.message_seq, tables, is_alive=True)


def change_reply(thread: str, seq: int, tables: Tables, *, is_alive: bool) -> None:
    """A reply was deleted, or is back."""
    root = message_seq(thread)
    replies = annotation(tables, root).replies + (1 if is_alive else -1)
    annotate(tables, root, replies=max(0, replies))
    stored = tables.published(seq)
    if stored is None:
        return
    key, message = (root, block_of(seq)), decode_json(stored.data, Message)
    row = tables[REPLIES].get(key)
    if row is None or message.silent or message.kind:
        return
    change = with_seq if is_alive else without_seq
    tables[REPLIES].put(key, RepliesRow(row.all, change(row.countable, seq)))


def apply_followed(event: ThreadFollowed, meta: Meta, tables: Tables) -> None:
    tables[FOLLOWERS].put((event.root_seq, meta.by), int(event.following))


def apply_thread_created(_: ThreadCreated, __: Meta, ___: Tables) -> None:
    """Nothing: the figures are the reply's business."""


# --- the figures, once a second


def noted(event: MessageCreated | MessageDeleted | MessageUndeleted, _: Meta) -> Sequence[int]:
    return (message_seq(event.thread),) if event.thread else ()


def noted_bulk(event: MessagesDeleted, _: Meta) -> Sequence[int]:
    return [message_seq(removed.thread) for removed in event.messages if removed.thread]


def told(root: int, tables: Tables) -> ThreadUpdated | None:
    stored = tables.published(root)
    if stored is None:
        return None
    figures = shown(root, annotation(tables, root), tables, "", is_deleted=True)
    return ThreadUpdated(
        id=id_of(stored),
        message_seq=root,
        annotation_rev=figures.annotation_rev,
        replies=figures.replies,
        last_reply=figures.last_reply,
        last_reply_seq=figures.last_reply_seq,
        participants=figures.participants,
    )


# --- read


def run_thread(request: ThreadRequest, tables: Tables, ctx: Context) -> ThreadPage:
    require_standing(Action.READ, tables, ctx)
    limit = _limit(request.limit, ctx)
    root = root_of(request.id, tables, ctx)
    is_back = request.after_seq is None
    before = _LAST if request.before_seq is None else request.before_seq
    place = Place(max(request.after_seq or 0, 0), before)
    seqs = reply_seqs(root.seq, place, limit, tables, reverse=is_back)
    lines, more = _lines(root, seqs, tables, ctx)
    return ThreadPage(
        root=_message(root, tables, ctx),
        messages=lines[::-1] if is_back else lines,
        following=_is_following(root.seq, tables, ctx),
        more=more,
    )


def _lines(
    root: StoredEvent, seqs: Iterable[int], tables: Tables, ctx: Context
) -> tuple[list[Raw], bool]:
    """These replies, in this order, as far as the bytes of a page reach beside the root, at least
    one; and whether they reached for all."""
    left = ctx.settings.history_page_bytes_max - len(_data(root, tables, ctx))
    lines: list[Raw] = []
    for seq in seqs:
        stored = tables.published(seq)
        if stored is not None:
            data = _data(stored, tables, ctx)
            left -= len(data)
            if lines and left < 0:
                return lines, True
            lines.append(Raw(data))
    return lines, False


class Place(NamedTuple):
    """after < seq < before."""

    after: int
    before: int


def reply_seqs(
    root: int, place: Place, limit: int, tables: Tables, *, reverse: bool = False
) -> list[int]:
    """Seqs of a thread's replies in a place, ascending, or descending if `reverse`."""
    found: list[int] = []
    step: tuple[int, int] | None
    if reverse:
        step = (root, min(block_of(max(place.before, 0)) + 1, _LAST))
    else:
        first = block_of(place.after)
        step = (root, first - 1) if first else (root - 1, _LAST)
    while len(found) < limit:
        rows = tables[REPLIES].scan(after=step, limit=_BLOCKS_AT_ONCE, reverse=reverse)
        own = [(key, row) for key, row in rows if key[0] == root]
        for key, row in own:
            seqs = seqs_in(key[1], row.all)
            found += [
                seq
                for seq in (reversed(seqs) if reverse else seqs)
                if place.after < seq < place.before
            ]
        if len(own) < _BLOCKS_AT_ONCE:
            break
        step = own[-1][0]
    return found[:limit]


def run_threads(request: ThreadsRequest, tables: Tables, ctx: Context) -> ThreadsPage:
    require_standing(Action.READ, tables, ctx)
    limit, looks, lowest = _limit(request.limit, ctx), LOOKED_AT_MAX, readable_from(tables, ctx)
    found: list[ThreadLine] = []
    before, left = request.before, ctx.settings.history_page_bytes_max
    while looks > 0:
        rows = tables[BY_LAST].scan(after=before or None, limit=limit, reverse=True)
        for last, root in rows:
            looks -= 1
            following = _is_following(root, tables, ctx)
            stored = tables.published(root) if root >= lowest else None
            if stored is not None and (following or not request.followed):
                data = _data(stored, tables, ctx)
                left -= len(data)
                if found and left < 0:
                    return ThreadsPage(found, before)
                found.append(ThreadLine(decode_json(data, Message), following))
            before = last
            if len(found) == limit:
                return ThreadsPage(found, before)
        if len(rows) < limit:
            return ThreadsPage(found)
    return ThreadsPage(found, before)


def _limit(limit: int, ctx: Context) -> int:
    check_limit(limit, PAGE_MAX)
    return min(limit, ctx.settings.history_page_max)


def _is_following(root: int, tables: Tables, ctx: Context) -> bool:
    return bool(ctx.actor) and tables[FOLLOWERS].get((root, ctx.actor)) == 1


def _data(stored: StoredEvent, tables: Tables, ctx: Context) -> Json:
    return seen(stored, tables[ANNOTATIONS].get(stored.seq), tables, ctx.actor)


def _message(stored: StoredEvent, tables: Tables, ctx: Context) -> Message:
    return decode_json(_data(stored, tables, ctx), Message)


def turn_thread(request: ThreadRequest, _: EdgeContext) -> QueryCall:
    if request.after_seq is not None and request.before_seq is not None:
        raise Rejected(BAD_REQUEST, "after_seq and before_seq exclude one another")
    message_seq(request.id)
    return QueryCall(check_chat_channel(request.channel), "thread.get", request)


def turn_threads(request: ThreadsRequest, _: EdgeContext) -> QueryCall:
    if not 0 <= request.before < _LAST:
        raise Rejected(BAD_REQUEST, "before is what `next` was")
    return QueryCall(check_chat_channel(request.channel), "thread.list", request)


_THREAD: Final = MESSAGE + "/thread"

FEATURE: Final = Feature(
    name="threads",
    signs={ThreadUpdated.TAG: ThreadUpdated},
    tables=(ANNOTATIONS, REPLIES, BY_LAST, FOLLOWERS),
    check={FollowThread: check_follow, UnfollowThread: check_follow},
    decide={FollowThread: decide_follow, UnfollowThread: decide_follow},
    apply={
        MessageCreated: apply_created,
        MessageUpdated: apply_updated,
        MessageDeleted: apply_deleted,
        MessagesDeleted: apply_bulk_deleted,
        MessageUndeleted: apply_undeleted,
        ThreadCreated: apply_thread_created,
        ThreadFollowed: apply_followed,
    },
    pulse=Pulse(
        {
            MessageCreated: noted,
            MessageDeleted: noted,
            MessagesDeleted: noted_bulk,
            MessageUndeleted: noted,
        },
        told,
    ),
    queries=(
        QueryRow("thread.get", ThreadRequest, run_thread),
        QueryRow("thread.list", ThreadsRequest, run_threads),
    ),
    verbs=(
        Verb("thread.get", ThreadRequest, turn_thread, ThreadPage, "A page of replies."),
        Verb("thread.list", ThreadsRequest, turn_threads, ThreadsPage, "Threads of a channel."),
        Verb("thread.follow", FollowThread, as_command, Done, "Hear of its replies."),
        Verb("thread.unfollow", UnfollowThread, as_command, Done, "Hear of them no more."),
    ),
    routes=(
        Route("GET", _THREAD, ThreadRequest, turn_thread, ThreadPage),
        Route("PUT", _THREAD + "/follow", FollowThread, as_command, Done),
        Route("DELETE", _THREAD + "/follow", UnfollowThread, as_command, Done),
        Route("GET", "/v1/channels/{channel}/threads", ThreadsRequest, turn_threads, ThreadsPage),
    ),
)
