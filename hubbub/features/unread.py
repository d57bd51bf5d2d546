"""Unread over all channels: the badge, marking all as read, and why a message counts.

Rules:
1. The badge is the sum over the user's joined channels that he has not muted: his list says which,
   and one question to each leader gives the figures. Threads are told apart. Nothing is stored.
2. "All read" is up to the seqs that the same question gave: what comes later stays unread. At most
   ALL_READ_MAX channels a call, those with anything unread; `left` says how many remain.
3. `unread.explain` looks at each message by itself, not at the bits that the figures are made of,
   and says where the two would differ.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import asdict

from hubbub.base.errors import BAD_REQUEST, Rejected
from hubbub.base.names import check_user, user_stream
from hubbub.features.blocks import BlockList, BlocksRequest
from hubbub.features.contract import (
    Command,
    Context,
    EdgeContext,
    Errand,
    Feature,
    HeadsCall,
    QueryCall,
    QueryRow,
    Route,
    Several,
    Steps,
    Tables,
    Verb,
)
from hubbub.features.fields import check_chat_channel, check_limit
from hubbub.features.list_index import Index, IndexRequest
from hubbub.features.list_rows import ListState
from hubbub.features.mark_rows import mark_row
from hubbub.features.marks import MarkRead, unread_of
from hubbub.features.mentions import mentions_of, naming
from hubbub.features.messages import FOLDED
from hubbub.features.standing import channel_row
from hubbub.features.thread_marks import ReadThreads
from hubbub.model.member import Role
from hubbub.model.message import MESSAGE_CREATED, Message
from hubbub.model.permissions import Action, require
from hubbub.wire.codec import decode_json, encode_json
from hubbub.wire.event import StoredEvent
from hubbub.wire.shapes import HeadRow, Json

ALL_READ_MAX: Final = 2_000  # channels of one call
AT_ONCE: Final = 200  # of them under way
EXPLAINED_MAX: Final = 200  # events looked at for one page

Why = Literal["message", "mention", "own", "deleted", "silent", "system", "thread", "blocked"]


class TotalRequest(Struct, frozen=True):
    """Whose badge; empty: of the one who asks."""

    user: str = ""


class Total(Struct, frozen=True):
    """Over all joined channels that are not muted, and the threads that the user follows there.
    `channels`: how many have anything unread."""

    unread: int
    mentions: int
    threads_unread: int
    threads_mentions: int
    channels: int


class AllRead(Struct, frozen=True, omit_defaults=True):
    """`channels`: how many were marked; `left`: how many with unread messages remain."""

    channels: int
    left: int = 0


class ExplainRequest(Struct, frozen=True):
    """Messages behind the user's mark, or behind `after` if that is more."""

    channel: str
    user: str
    after: int = 0
    limit: int = EXPLAINED_MAX


class ExplainAsk(ExplainRequest, frozen=True):
    """The same, and whom the user blocks."""

    blocked: frozenset[str] = frozenset()


class Explained(Struct, frozen=True):
    """Whether this message counts as unread, and why, or why not."""

    seq: int
    counts: bool
    why: Why


class Explanation(Struct, frozen=True, omit_defaults=True):
    """The figures as heads have them, and the messages of this page. `next`: pass it as `after`; 0
    at the end."""

    mark: int
    rev: int
    head: int
    unread: int
    mentions: int
    messages: list[Explained]
    next: int = 0


class _Counts(Struct, frozen=True):
    unread: int = 0
    mentions: int = 0


class _Figures(_Counts, frozen=True):
    threads: _Counts = _Counts()


# --- the badge, and clearing it


def turn_total(request: TotalRequest, ctx: EdgeContext) -> Errand:
    user = check_user(request.user or ctx.viewer.user)
    return Errand(lambda: _total(user))


def _total(user: str) -> Steps:
    heads = yield from _heads(user, muted=False)
    figures = [_figures(head) for head in heads.values()]
    total = Total(
        sum(one.unread for one in figures),
        sum(one.mentions for one in figures),
        sum(one.threads.unread for one in figures),
        sum(one.threads.mentions for one in figures),
        sum(_is_unread(one) for one in figures),
    )
    return encode_json(total)


def turn_all_read(request: TotalRequest, ctx: EdgeContext) -> Errand:
    user = check_user(request.user or ctx.viewer.user)
    by = user if user != ctx.viewer.user else ""
    return Errand(lambda: _all_read(user, by))


def _all_read(user: str, by: str) -> Steps:
    heads = yield from _heads(user, muted=None)
    unread = [
        (channel, head.seq, _figures(head))
        for channel, head in heads.items()
        if _is_unread(_figures(head))
    ]
    now = unread[:ALL_READ_MAX]
    for at in range(0, len(now), AT_ONCE):
        commands: list[Command] = []
        for channel, seq, figures in now[at : at + AT_ONCE]:
            if figures.unread:
                commands.append(MarkRead(channel=channel, upto=seq, by=by))
            if figures.threads.unread:
                commands.append(ReadThreads(channel=channel, upto=seq, by=by))
        yield Several(tuple(commands))
    return encode_json(AllRead(len(now), len(unread) - len(now)))


def _heads(
    user: str, *, muted: bool | None
) -> Generator[QueryCall | HeadsCall, Any, Mapping[str, HeadRow]]:
    wanted = IndexRequest(state=ListState.JOINED, muted=muted)
    raw = yield QueryCall(user_stream(user), "user.channel_index", wanted)
    index = decode_json(raw, Index)
    channels = tuple(index.channels)
    heads: Mapping[str, HeadRow] = yield HeadsCall(channels, user=user, blocked=index.blocked)
    return heads


def _is_unread(figures: _Figures) -> bool:
    return figures.unread > 0 or figures.threads.unread > 0


def _figures(head: HeadRow) -> _Figures:
    return decode_json(head.fields[0], _Figures)


# --- why


def run_explain(request: ExplainAsk, tables: Tables, ctx: Context) -> Explanation:
    require(Action.READ_ANY_USER_STREAM, None, Role.NONE, ctx.viewer.authority)
    channel_row(tables)
    check_limit(request.limit, EXPLAINED_MAX)
    row = mark_row(tables, request.user)
    if row is None:
        raise Rejected(BAD_REQUEST, "this user keeps no mark here")
    after = max(request.after, row.mark)
    events = tables.published_range(after=after, limit=request.limit)
    return Explanation(
        mark=row.mark,
        rev=row.rev,
        head=tables.head_seq,
        unread=unread_of(tables, request.user, row.mark, request.blocked),
        mentions=mentions_of(tables, request.user, row.mark, request.blocked),
        messages=list(_explained(events, request, after, tables)),
        next=events[-1].seq if events and events[-1].seq < tables.head_seq else 0,
    )


def _explained(
    events: list[StoredEvent], ask: ExplainAsk, after: int, tables: Tables
) -> Iterator[Explained]:
    named = naming(tables, ask.user, after)
    for stored in events:
        if stored.head.type != MESSAGE_CREATED:
            continue
        why = _why_not(stored, ask, tables)
        if why is not None:
            yield Explained(stored.seq, False, why)
        else:
            is_named = named.get(stored.seq >> 8, 0) >> (stored.seq & 255) & 1
            yield Explained(stored.seq, True, "mention" if is_named else "message")


def _why_not(stored: StoredEvent, ask: ExplainAsk, tables: Tables) -> Why | None:
    """Why a message does not count; None if it does."""
    if stored.head.by == ask.user:
        return "own"
    if stored.head.by in ask.blocked:
        return "blocked"
    folded = tables[FOLDED].get(stored.seq)
    if folded is not None and folded.deleted:
        return "deleted"
    message = decode_json(stored.data, Message)
    if message.thread and not message.also_in_channel:
        return "thread"
    if message.kind:
        return "system"
    return "silent" if message.silent else None


def turn_explain(request: ExplainRequest, _: EdgeContext) -> Errand:
    check_user(request.user)
    check_chat_channel(request.channel)
    return Errand(lambda: _explain(request))


def _explain(request: ExplainRequest) -> Steps:
    own = QueryCall(user_stream(request.user), "block.list", BlocksRequest(request.user))
    found = decode_json((yield own), BlockList)
    ask = ExplainAsk(**asdict(request), blocked=frozenset(row.user for row in found.blocks))
    answer: Json = yield QueryCall(request.channel, "unread.explain", ask)
    return answer


FEATURE: Final = Feature(
    name="unread",
    queries=(QueryRow("unread.explain", ExplainAsk, run_explain),),
    verbs=(
        Verb("unread.total", TotalRequest, turn_total, Total, "The badge over all channels."),
        Verb("mark.all_read", TotalRequest, turn_all_read, AllRead, "All channels are read."),
        Verb(
            "unread.explain",
            ExplainRequest,
            turn_explain,
            Explanation,
            "Which messages count as unread, and why (server keys).",
        ),
    ),
    routes=(
        Route("GET", "/v1/users/{user}/unread", TotalRequest, turn_total, Total),
        Route("POST", "/v1/users/{user}/read_all", TotalRequest, turn_all_read, AllRead),
        Route(
            "GET",
            "/v1/channels/{channel}/unread/{user}",
            ExplainRequest,
            turn_explain,
            Explanation,
        ),
    ),
)
