"""Messages by their words, author, channel, time, type: `search.messages`.

Rules:
1. What is found is asked for again where it stands (`search.shown`): it is shown as history would
   show it to this viewer now, or not at all. The index only proposes (decision record 0027).
2. A user searches the channels of his list, or those that he names; who may search everything
   (server keys) searches the whole app, or as one of its users with that user's rights.
3. A page begins behind the place of the last one, so that what is said meanwhile moves nothing.
   By relevance the first page also fixes the time up to which everything is searched.
4. `indexed_to` is told with every answer: what was said later may be missing. `incomplete`: part of
   the cluster did not answer, or builds its index anew.

What is indexed: every message that is not deleted, its text and the titles and names of its
attachments; in threads, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal

from msgspec import Raw, Struct, field

from hubbub.base.errors import BAD_REQUEST, TOO_MANY, Rejected
from hubbub.base.names import check_user, user_stream
from hubbub.features.annotations import ANNOTATIONS
from hubbub.features.channels import ChannelDeleted
from hubbub.features.contract import (
    Context,
    EdgeContext,
    Errand,
    Feature,
    Meta,
    QueryCall,
    QueryRow,
    Route,
    SearchCall,
    SearchFound,
    Searching,
    Steps,
    Tables,
    Verb,
    acting_as,
)
from hubbub.features.fields import check_chat_channel, check_limit, make_cursor, read_cursor
from hubbub.features.list_index import Index, IndexRequest
from hubbub.features.list_rows import ListState
from hubbub.features.message_parts import check_type
from hubbub.features.messages import (
    MessageCreated,
    MessageDeleted,
    MessagesDeleted,
    MessageUndeleted,
    MessageUpdated,
    authors_of,
    readable,
    seen,
)
from hubbub.features.publication import MessageJson, parse_time, rfc3339
from hubbub.features.retention import ChannelSwept, ChannelTruncated
from hubbub.features.standing import readable_from, require_standing
from hubbub.model.message import MESSAGE_CREATED, Attachment
from hubbub.model.permissions import Action, of_authority
from hubbub.model.search_query import parse_query, ranges
from hubbub.wire.codec import decode_json, encode_json, shaped
from hubbub.wire.event import StoredEvent
from hubbub.wire.search import (
    SHOWN,
    Criteria,
    Document,
    Place,
    ShownHit,
    ShownHits,
    ShownRequest,
)

CHANNELS_MAX: Final = 100  # that are named: as many become one question of the index
PAGE_DEFAULT: Final = 20
PAGE_MAX: Final = 50

Order = Literal["time", "relevance"]
Moment = str | int | None


class SearchRequest(Struct, frozen=True):
    """`q`: words that must all be there; `"green tea"` one behind the other, `hel*` words that
    begin so, `-milk` not this. May be empty if anything else is asked for. `channels`: 1 to 100;
    none: all of the user's. `by`: their author. `attachments`: only messages that have some.
    `since`, `until`: RFC 3339 or ms, `until` excluded. `user`: as whom a server key searches;
    without one, the whole app."""

    q: str = ""
    channels: tuple[str, ...] = ()
    by: str = ""
    type: str = ""
    attachments: bool = False
    since: Moment = None
    until: Moment = None
    sort: Order = "time"
    limit: int = PAGE_DEFAULT
    cursor: str = ""
    user: str = ""


class SearchLink(Struct, frozen=True):
    """The same in a query string: one channel."""

    q: str = ""
    channel: str = ""
    by: str = ""
    type: str = ""
    attachments: bool = False
    since: Moment = None
    until: Moment = None
    sort: Order = "time"
    limit: int = PAGE_DEFAULT
    cursor: str = ""
    user: str = ""


class FoundMessage(Struct, frozen=True):
    """A message as history shows it. `highlights`: [start, end) in its text, in characters."""

    channel: str
    message: MessageJson
    highlights: list[tuple[int, int]] = field(default_factory=list)


class SearchPage(Struct, frozen=True, omit_defaults=True):
    """`indexed_to`: everything up to this time was searched; absent: nobody can say. A page may be
    short: `next` says whether it goes on (pass it as `cursor`)."""

    hits: list[Annotated[Raw, shaped(FoundMessage)]]
    indexed_to: str = ""
    incomplete: bool = False
    next: str = ""


class _Shown(Struct, frozen=True):
    """What is looked at of a message's `data`."""

    text: str = ""
    attachments: tuple[Attachment, ...] = ()
    type: str = ""
    deleted: bool = False


# --- what is indexed


def document_of(event: MessageCreated, meta: Meta) -> Document:
    """What can be found of a message that begins."""
    text = searched_text(event.text, event.attachments)
    return Document(text, meta.by, event.type, meta.ts_ms, bool(event.attachments))


def current_document(seq: int, tables: Tables) -> Document | None:
    """What can be found of a message now; None: nothing (any more)."""
    stored = tables.published(seq)
    if stored is None or stored.head.type != MESSAGE_CREATED:
        return None
    shown = decode_json(readable(stored, tables), _Shown)
    if shown.deleted:
        return None
    head, text = stored.head, searched_text(shown.text, shown.attachments)
    return Document(text, head.by, shown.type, head.ts_ms, bool(shown.attachments))


def searched_text(text: str, attachments: Sequence[Attachment]) -> str:
    """The message's text; behind it titles and names."""
    if not attachments:
        return text
    named = [part for one in attachments for part in (one.title, one.name) if part]
    return "\n".join([text, *named])


def _of_one(event: MessageUpdated | MessageDeleted | MessageUndeleted) -> Sequence[int]:
    return (event.message_seq,)


def _of_many(event: MessagesDeleted) -> Sequence[int]:
    return [removed.message_seq for removed in event.messages]


# --- what is shown


def run_shown(request: ShownRequest, tables: Tables, ctx: Context) -> ShownHits:
    require_standing(Action.READ, tables, ctx, Action.SEARCH)
    lowest = readable_from(tables, ctx)
    hits: list[ShownHit] = []
    for seq in request.seqs:
        stored = tables.published(seq) if seq >= lowest else None
        if stored is None or stored.head.type != MESSAGE_CREATED:
            continue
        blocks = ctx.viewer.blocks
        if blocks and not authors_of(stored).isdisjoint(blocks):
            continue  # that it was found would tell what he wrote
        spots = _fitting(stored, request.criteria, tables)
        if spots is not None:
            data = Raw(seen(stored, tables[ANNOTATIONS].get(seq), tables, ctx.actor))
            hits.append(ShownHit(seq, Raw(encode_json(FoundMessage(ctx.key, data, spots)))))
    return ShownHits(hits)


def _fitting(
    stored: StoredEvent, criteria: Criteria, tables: Tables
) -> list[tuple[int, int]] | None:
    """Where in its text a message has what is looked for; None if it does not fit (any more)."""
    if criteria.by and stored.head.by != criteria.by:
        return None
    shown = decode_json(readable(stored, tables), _Shown)
    if shown.deleted or (criteria.type and shown.type != criteria.type):
        return None
    if criteria.attached and not shown.attachments:
        return None
    spots = ranges(parse_query(criteria.q), searched_text(shown.text, shown.attachments))
    return None if spots is None else [(a, b) for a, b in spots if b <= len(shown.text)]


# --- requests


def turn_search(request: SearchRequest, ctx: EdgeContext) -> Errand:
    check_limit(request.limit, PAGE_MAX)
    viewer = acting_as(request.user, ctx.viewer)
    for channel in request.channels:
        check_chat_channel(channel)
    if len(request.channels) > CHANNELS_MAX:
        raise Rejected(TOO_MANY, f"at most {CHANNELS_MAX} channels", limit=CHANNELS_MAX)
    criteria, before = _criteria(request, ctx)
    keys = tuple(dict.fromkeys(request.channels)) or None
    if keys is None and Action.SEARCH not in of_authority(viewer.authority):
        user = check_user(viewer.user)
        own = SearchCall((), criteria, viewer, before, request.limit)
        return Errand(lambda: _own(user, own, ctx.now_ms))
    call = SearchCall(keys, criteria, viewer, before, request.limit)
    return Errand(lambda: _search(call))


def turn_link(link: SearchLink, ctx: EdgeContext) -> Errand:
    fields = {name: getattr(link, name) for name in SearchLink.__struct_fields__}
    del fields["channel"]
    channels = (link.channel,) if link.channel else ()
    return turn_search(SearchRequest(channels=channels, **fields), ctx)


def _criteria(request: SearchRequest, ctx: EdgeContext) -> tuple[Criteria, Place | None]:
    """What is looked for, and behind which place. Raises Rejected."""
    query = parse_query(request.q)
    if request.by:
        check_user(request.by)
    check_type(request.type)
    if not (query.clauses or request.by or request.type or request.attachments):
        raise Rejected(BAD_REQUEST, "q, by, type or attachments: one of them is needed")
    is_ranked = request.sort == "relevance"
    if is_ranked and not query.clauses:
        raise Rejected(BAD_REQUEST, "relevance needs words in q")
    since_ms = parse_time(request.since) if request.since is not None else 0
    until_ms = parse_time(request.until) if request.until is not None else 0
    before: Place | None = None
    if request.cursor:
        place = read_cursor(request.cursor, request.sort, tuple[int, int, str, int, int])
        before, until_ms = place[:4], place[4]
    elif is_ranked:
        until_ms = min(until_ms or ctx.now_ms + 1, ctx.now_ms + 1)
    criteria = Criteria(
        request.q,
        request.by,
        request.type,
        request.attachments,
        since_ms,
        until_ms,
        is_ranked,
    )
    return criteria, before


def _own(user: str, call: SearchCall, now_ms: int) -> Steps:
    """The channels of the user's list; of none everything was searched."""
    wanted = IndexRequest(state=ListState.JOINED)
    raw = yield QueryCall(user_stream(user), "user.channel_index", wanted)
    keys = tuple(decode_json(raw, Index).channels)
    if not keys:
        return encode_json(SearchPage([], rfc3339(now_ms)))
    own = SearchCall(keys, call.criteria, call.viewer, call.before, call.limit)
    return (yield from _search(own))


def _search(call: SearchCall) -> Steps:
    found: SearchFound = yield call
    order = "relevance" if call.criteria.is_ranked else "time"
    page = SearchPage(
        [Raw(hit.body) for hit in found.hits],
        rfc3339(found.indexed_to_ms) if found.indexed_to_ms else "",
        found.incomplete,
        make_cursor(order, [*found.next, call.criteria.until_ms]) if found.next else "",
    )
    return encode_json(page)


_PATH: Final = "/v1/search/messages"

FEATURE: Final = Feature(
    name="search",
    searching=Searching(
        made={MessageCreated: document_of},
        touched={
            MessageUpdated: _of_one,
            MessageDeleted: _of_one,
            MessageUndeleted: _of_one,
            MessagesDeleted: _of_many,
        },
        current=current_document,
        floors=frozenset({ChannelTruncated, ChannelSwept, ChannelDeleted}),
    ),
    queries=(QueryRow(SHOWN, ShownRequest, run_shown),),
    verbs=(Verb("search.messages", SearchRequest, turn_search, SearchPage, "By their words."),),
    routes=(
        Route(
            "GET",
            _PATH,
            SearchLink,
            turn_link,
            SearchPage,
            doc="Messages by their words.",
            behalf="user",
        ),
        Route(
            "POST",
            _PATH,
            SearchRequest,
            turn_search,
            SearchPage,
            doc="Messages by words.",
            behalf="user",
        ),
    ),
)
