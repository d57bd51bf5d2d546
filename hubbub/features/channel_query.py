"""A user's channels, filtered and sorted: by last message, by unread, by name (`channel.query`).

Rules:
1. An errand: the user's stream gives the rows, the nodes give where the channels stand, in one
   question a leader; only the channels of the page are asked for previews, figures and
   descriptions. Nothing is stored for it.
2. What stands in the list is filtered there (kind, state, muted, archived, favourite, name);
   unread, custom data and hiding until the next message are asked of the channels, by one question
   a leader.
3. `member` compares two lists, which are at most a second behind.
4. A cursor names a place in the order: a channel that moves between two pages may be seen twice or
   not at all, like in any list that is sorted by what just happened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, cast

from msgspec import UNSET, Raw, Struct, UnsetType, field

from hubbub.base.errors import BAD_REQUEST, TOO_LARGE, Rejected
from hubbub.base.names import check_user, user_stream
from hubbub.features.blocks import blocked_of
from hubbub.features.channel_list import require_own
from hubbub.features.channels import ChannelRequest
from hubbub.features.contract import (
    Context,
    EdgeContext,
    Errand,
    Feature,
    HeadsCall,
    QueryCall,
    QueryRow,
    Route,
    Steps,
    Tables,
    Verb,
)
from hubbub.features.directory import fold
from hubbub.features.fields import META_BYTES_MAX, make_cursor, read_cursor
from hubbub.features.list_rows import LISTED, NOTHING_SET, OWN, ListedChannel, ListState, OwnRow
from hubbub.features.list_rows import line as list_line
from hubbub.features.publication import rfc3339
from hubbub.features.standing import require_standing
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role
from hubbub.model.permissions import Action
from hubbub.wire.codec import decode_json, encode_json, parse_json
from hubbub.wire.shapes import HeadRow

PAGE_DEFAULT: Final = 20
PAGE_MAX: Final = 100
# Of one list: 2 MB from the user's leader to the edge. Who has more sees those added last.
ROWS_MAX: Final = 20_000

Order = Literal["last_message", "unread", "name"]
Place = tuple[Any, ...]
Newest = tuple[int, str] | None


class ChannelQuery(Struct, frozen=True):
    """What is absent does not filter; `hidden` absent means: none that is hidden now. `data`: each
    key's value in the channel's custom data equals. `member`: who else is in it. `user`: whose
    list, for a server key."""

    user: str = ""
    kind: ChannelKind | None = None
    state: ListState | None = None
    prefix: str = ""
    data: dict[str, Raw] = {}
    member: str = ""
    unread: bool = False
    muted: bool | None = None
    archived: bool | None = None
    favourite: bool | None = None
    hidden: bool | None = False
    sort: Order = "last_message"
    cursor: str = ""
    limit: int = PAGE_DEFAULT


class IndexRow(Struct, frozen=True, array_like=True, gc=False):
    """One row of a list, short."""

    channel: str
    kind: ChannelKind
    role: Role
    name: str
    peer: str
    own: OwnRow | None = None


class IndexRequest(Struct, frozen=True):
    """What is filtered where the list is."""

    kind: ChannelKind | None = None
    state: ListState | None = None
    prefix: str = ""
    muted: bool | None = None
    archived: bool | None = None
    favourite: bool | None = None


class Index(Struct, frozen=True, omit_defaults=True):
    """The rows of a list; and whom its user blocks: figures leave them out."""

    rows: list[IndexRow]
    blocked: tuple[str, ...] = ()


class SharedRequest(Struct, frozen=True):
    """Which of these channels the user is in."""

    channels: list[str]


class Shared(Struct, frozen=True):
    """Those."""

    channels: list[str]


class EqualRequest(Struct, frozen=True):
    """Custom data to compare."""

    data: dict[str, Raw]


class Equal(Struct, frozen=True):
    """Whether it equals."""

    equal: bool


class QueriedChannel(ListedChannel, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the list with its head, as `heads` has it (seq, ts, preview, unread, …), and the
    channel as `channel.get` describes it, unless the user may not see it."""

    head: dict[str, Raw] = field(default_factory=dict)
    info: Raw | UnsetType = UNSET


class QueryPage(Struct, frozen=True):
    """`next`: pass it as `cursor`; empty at the end."""

    channels: list[QueriedChannel]
    next: str = ""


class _Figures(Struct, frozen=True):
    unread: int = 0


# --- asked at the streams


def run_index(request: IndexRequest, tables: Tables, ctx: Context) -> Index:
    require_own(ctx.key[1:], ctx)
    own: dict[str, OwnRow] = dict(tables[OWN].scan(limit=ROWS_MAX))
    prefix = fold(request.prefix)
    found: list[IndexRow] = []
    for channel, row in tables[LISTED].scan(limit=ROWS_MAX):
        if request.kind is not None and row.kind is not request.kind:
            continue
        if request.state is not None and _state(row.role) is not request.state:
            continue
        if prefix and not fold(row.name or channel).startswith(prefix):
            continue
        mine = own.get(channel)
        if _is_set(mine or NOTHING_SET, request, ctx.now_ms):
            found.append(IndexRow(channel, row.kind, row.role, row.name, row.peer, mine))
    return Index(found, blocked_of(tables))


def _is_set(own: OwnRow, request: IndexRequest, now_ms: int) -> bool:
    muted = own.muted and (not own.muted_until_ms or own.muted_until_ms > now_ms)
    return (
        request.muted in (None, muted)
        and request.archived in (None, own.archived)
        and request.favourite in (None, own.favourite)
    )


def _state(role: Role) -> ListState:
    return ListState.INVITED if role is Role.INVITED else ListState.JOINED


def run_shared(request: SharedRequest, tables: Tables, _: Context) -> Shared:
    """Asked by an errand only, about channels of the asker's own list."""
    rows = tables[LISTED]
    found = ((channel, rows.get(channel)) for channel in request.channels)
    return Shared([c for c, row in found if row is not None and row.role is not Role.INVITED])


def run_equal(request: EqualRequest, tables: Tables, ctx: Context) -> Equal:
    row = require_standing(Action.SEE, tables, ctx)
    data = parse_json(row.data) if row.data else None
    if not isinstance(data, dict):
        return Equal(False)
    wanted = {key: parse_json(bytes(value)) for key, value in request.data.items()}
    return Equal(all(key in data and data[key] == value for key, value in wanted.items()))


# --- the errand


def turn_query(request: ChannelQuery, ctx: EdgeContext) -> Errand:
    user = check_user(request.user or ctx.viewer.user)
    if not 1 <= request.limit <= PAGE_MAX:
        raise Rejected(BAD_REQUEST, f"limit is 1 to {PAGE_MAX}")
    if request.member:
        check_user(request.member)
    if sum(len(key) + len(bytes(value)) for key, value in request.data.items()) > META_BYTES_MAX:
        raise Rejected(TOO_LARGE, f"data is at most {META_BYTES_MAX} bytes", limit=META_BYTES_MAX)
    after = _after(request)
    return Errand(lambda: _steps(request, user, after))


def _after(request: ChannelQuery) -> Place | None:
    if not request.cursor:
        return None
    if request.sort == "name":
        return tuple(read_cursor(request.cursor, request.sort, tuple[str, str]))
    if request.sort == "unread":
        return tuple(read_cursor(request.cursor, request.sort, tuple[int, int, str]))
    return tuple(read_cursor(request.cursor, request.sort, tuple[int, str]))


def _steps(request: ChannelQuery, user: str, after: Place | None) -> Steps:
    wanted = IndexRequest(
        request.kind,
        request.state,
        request.prefix,
        request.muted,
        request.archived,
        request.favourite,
    )
    raw = yield QueryCall(user_stream(user), "user.channel_index", wanted)
    index = decode_json(raw, Index)
    rows, blocked = {row.channel: row for row in index.rows}, index.blocked
    if request.member and rows:
        shared = SharedRequest(list(rows))
        raw = yield QueryCall(user_stream(request.member), "user.shared_channels", shared)
        rows = {channel: rows[channel] for channel in decode_json(raw, Shared).channels}
    if request.data:
        data = EqualRequest(request.data)
        answers = yield HeadsCall(tuple(rows), query="channel.data_equals", args=data)
        rows = {c: row for c, row in rows.items() if answers[c].answer == _EQUAL}
    heads: Mapping[str, HeadRow] = {}
    figures: Mapping[str, int] = {}
    needs_unread = request.unread or request.sort == "unread"
    if request.hidden is False:
        rows = {
            c: row for c, row in rows.items() if row.own is None or row.own.hidden != "for_good"
        }
    if request.sort == "last_message" and not needs_unread and not _waits(rows, request):
        # The nodes sort: of thousands of heads only those of a page come here.
        wish = HeadsCall(tuple(rows), best=request.limit + 1, after=cast(Newest, after))
        heads = yield wish
        rows = {channel: rows[channel] for channel in heads}
    elif needs_unread or request.sort != "name" or _waits(rows, request):
        heads = yield HeadsCall(tuple(rows), user=user if needs_unread else "", blocked=blocked)
        if needs_unread:
            figures = {channel: _unread(head) for channel, head in heads.items()}
    kept = [
        row
        for row in rows.values()
        if request.hidden in (None, _is_hidden(row, heads))
        and (not request.unread or figures[row.channel])
    ]
    place = _place_of(request.sort, heads, figures)
    places = sorted((place(row), row) for row in kept)
    if after is not None:
        places = [(at, row) for at, row in places if at > after]
    page, rest = places[: request.limit], places[request.limit :]
    keys = tuple(row.channel for _, row in page)
    about = ChannelRequest("")
    seen = yield HeadsCall(
        keys, user=user, preview=True, query="channel.get", args=about, blocked=blocked
    )
    lines = [_line(row, seen[row.channel]) for _, row in page]
    cursor = make_cursor(request.sort, page[-1][0]) if rest else ""
    return encode_json(QueryPage(lines, cursor))


def _waits(rows: Mapping[str, IndexRow], request: ChannelQuery) -> bool:
    """Whether it takes the heads of all to say which rows are hidden."""
    if request.hidden is None:
        return False
    if request.hidden:
        return True
    return any(row.own is not None and row.own.hidden == "until_message" for row in rows.values())


def _is_hidden(row: IndexRow, heads: Mapping[str, HeadRow]) -> bool:
    if row.own is None or row.own.hidden == "no":
        return False
    head = heads.get(row.channel)
    return row.own.hidden == "for_good" or head is None or head.message_seq <= row.own.hidden_seq


def _unread(head: HeadRow) -> int:
    return decode_json(head.fields[0], _Figures).unread


def _place_of(
    sort: Order, heads: Mapping[str, HeadRow], figures: Mapping[str, int]
) -> Callable[[IndexRow], Place]:
    """Where a row stands in the order, ascending and without ties."""

    def by_name(row: IndexRow) -> Place:
        return fold(row.name or row.channel), row.channel

    def by_time(row: IndexRow) -> Place:
        head = heads[row.channel]
        return -(head.message_ms or head.ts_ms), row.channel

    def by_unread(row: IndexRow) -> Place:
        return -figures[row.channel], *by_time(row)

    return {"name": by_name, "last_message": by_time, "unread": by_unread}[sort]


def _line(row: IndexRow, seen: HeadRow) -> QueriedChannel:
    head: dict[str, Raw] = {"seq": Raw(b"%d" % seen.seq)}
    if seen.ts_ms:
        head["ts"] = Raw(encode_json(rfc3339(seen.message_ms or seen.ts_ms)))
    if seen.preview:
        head["preview"] = Raw(seen.preview)
    if seen.fields:
        head |= decode_json(seen.fields[0], dict[str, Raw])
    info: Raw | UnsetType = Raw(seen.answer) if seen.answer else UNSET
    shown = list_line(row.channel, row.kind, row.role, row.name, row.peer, row.own or NOTHING_SET)
    return QueriedChannel(**_fields(shown), head=head, info=info)


def _fields(line: ListedChannel) -> dict[str, Any]:
    return {name: getattr(line, name) for name in line.__struct_fields__}


_EQUAL: Final = encode_json(Equal(True))

FEATURE: Final = Feature(
    name="channel_query",
    queries=(
        QueryRow("user.channel_index", IndexRequest, run_index),
        QueryRow("user.shared_channels", SharedRequest, run_shared),
        QueryRow("channel.data_equals", EqualRequest, run_equal),
    ),
    verbs=(Verb("channel.query", ChannelQuery, turn_query, QueryPage, "Own channels, as wanted."),),
    routes=(
        Route(
            "POST",
            "/v1/channels/query",
            ChannelQuery,
            turn_query,
            QueryPage,
            doc="A user's channels, filtered and sorted.",
        ),
    ),
)
