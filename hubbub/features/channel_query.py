"""A user's channels, filtered and sorted: by last message, by unread, by name (`channel.query`).

Rules:
1. An errand: the user's stream gives the rows (`list_index`: of a long list what changed), the
   nodes give where the channels stand, in one question a leader; only the channels of the page are
   asked for previews, figures and descriptions. Nothing is stored for it.
2. By last message a long list is walked in the order that the nodes keep of it (decision record
   0035), past what is filtered or hidden; where little is wanted, or the walk gets long, that is
   asked for by name.
3. What stands in the list is filtered at the edge (kind, state, muted, archived, favourite, name);
   unread and custom data are asked of the channels, by one question a leader.
4. `member` compares two lists, which are at most a second behind.
5. A cursor names a place in the order: a channel that moves between two pages may be seen twice or
   not at all, like in any list that is sorted by what just happened.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Generator, Mapping
from typing import Any, Final, Literal, cast

from msgspec import UNSET, Raw, Struct, UnsetType, field

from hubbub.base.errors import TOO_LARGE, Rejected
from hubbub.base.names import check_user, user_stream
from hubbub.base.roll import Roll
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
from hubbub.features.fields import META_BYTES_MAX, check_limit, make_cursor, read_cursor
from hubbub.features.list_index import (
    IndexRequest,
    IndexRow,
    KeptIndex,
    is_set,
    name_place,
    own_index,
    run_index,
    state_of,
)
from hubbub.features.list_rows import LISTED, NOTHING_SET, ListedChannel, ListState
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
# So few are asked for by name: 8 ms of all nodes' CPU.
EXPLICIT_MAX: Final = 512
_ROLL_TURNS: Final = 4  # 21, 84, 336, 1,000 places with the usual limit
_TURNS_MAX: Final = 40  # 20,000 rows and more
_BEST_MAX: Final = 1_000

Order = Literal["last_message", "unread", "name"]
Place = tuple[Any, ...]
Newest = tuple[int, str] | None
Rows = Mapping[str, IndexRow]
Found = list[tuple[Place, IndexRow]]


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
    check_limit(request.limit, PAGE_MAX)
    if request.member:
        check_user(request.member)
    if sum(len(key) + len(bytes(value)) for key, value in request.data.items()) > META_BYTES_MAX:
        raise Rejected(TOO_LARGE, f"data is at most {META_BYTES_MAX} bytes", limit=META_BYTES_MAX)
    after = _after(request)
    return Errand(lambda: _steps(request, user, after, ctx.now_ms))


def _after(request: ChannelQuery) -> Place | None:
    if not request.cursor:
        return None
    if request.sort == "name":
        return tuple(read_cursor(request.cursor, request.sort, tuple[str, str]))
    if request.sort == "unread":
        return tuple(read_cursor(request.cursor, request.sort, tuple[int, int, str]))
    return tuple(read_cursor(request.cursor, request.sort, tuple[int, str]))


def _steps(request: ChannelQuery, user: str, after: Place | None, now_ms: int) -> Steps:
    index = yield from own_index(user)
    rows = _filtered(index, request, now_ms)
    if request.member and rows:
        shared = SharedRequest(list(rows))
        raw = yield QueryCall(user_stream(request.member), "user.shared_channels", shared)
        rows = {channel: rows[channel] for channel in decode_json(raw, Shared).channels}
    if request.data:
        data = EqualRequest(request.data)
        answers = yield HeadsCall(tuple(rows), query="channel.data_equals", args=data)
        rows = {c: row for c, row in rows.items() if answers[c].answer == _EQUAL}
    if request.unread or request.sort == "unread":
        found = yield from _by_figures(request, rows, user, index.blocked, after)
    elif request.sort == "name":
        found = yield from _by_name(request, rows, index, cast("tuple[str, str] | None", after))
    else:
        found = yield from _by_message(request, rows, index.roll, cast(Newest, after))
    page, rest = found[: request.limit], found[request.limit :]
    keys = tuple(row.channel for _, row in page)
    about = ChannelRequest("")
    seen = yield HeadsCall(
        keys, user=user, preview=True, query="channel.get", args=about, blocked=index.blocked
    )
    lines = [_line(row, seen[row.channel]) for _, row in page]
    cursor = make_cursor(request.sort, page[-1][0]) if rest else ""
    return encode_json(QueryPage(lines, cursor))


def _filtered(index: KeptIndex, request: ChannelQuery, now_ms: int) -> Rows:
    """The rows that are wanted, as far as the list itself says."""
    wanted = IndexRequest(
        muted=request.muted, archived=request.archived, favourite=request.favourite
    )
    asked = request.kind, request.state, request.muted, request.archived, request.favourite
    if all(one is None for one in asked) and not request.prefix and request.hidden is not True:
        return index.rows  # what is hidden is left out on the way
    prefix = fold(request.prefix)
    return {
        channel: row
        for channel, row in index.rows.items()
        if request.kind in (None, row.kind)
        and request.state in (None, state_of(row.role))
        and (not prefix or fold(row.name or channel).startswith(prefix))
        and is_set(row.own or NOTHING_SET, wanted, now_ms)
        and (request.hidden is not True or (row.own is not None and row.own.hidden != "no"))
    }


def _by_message(
    request: ChannelQuery, rows: Rows, roll: Roll | None, after: Newest
) -> Generator[HeadsCall, Any, Found]:
    """Along the order that the nodes keep, or make of what is wanted where that is not much."""
    found: Found = []
    best = request.limit + 1
    for turn in range(_TURNS_MAX):
        if roll is None or len(rows) <= EXPLICIT_MAX or turn >= _ROLL_TURNS:
            call = HeadsCall(tuple(rows), best=best, after=after)
        else:
            call = HeadsCall((), best=best, after=after, roll=roll)
        heads: Mapping[str, HeadRow] = yield call
        places = sorted(map(_place, heads.values()))[:best]
        for place in places:
            row = rows.get(place[1])
            if row is not None and request.hidden in (None, _is_hidden(row, heads)):
                found.append((place, row))
        if len(found) > request.limit or len(places) < best:
            break
        after, best = places[-1], min(best * 4, _BEST_MAX)
    return found[: request.limit + 1]


def _by_name(
    request: ChannelQuery, rows: Rows, index: KeptIndex, after: tuple[str, str] | None
) -> Generator[HeadsCall, Any, Found]:
    waiting = (
        tuple(c for c, row in rows.items() if _waits(row)) if request.hidden is not None else ()
    )
    heads: Mapping[str, HeadRow] = (yield HeadsCall(waiting)) if waiting else {}
    found: Found = []
    places = index.by_name()
    for place in places[bisect_right(places, after) if after is not None else 0 :]:
        row = rows.get(place[1])
        if row is not None and request.hidden in (None, _is_hidden(row, heads)):
            found.append((place, row))
            if len(found) > request.limit:
                break
    return found


def _by_figures(
    request: ChannelQuery, rows: Rows, user: str, blocked: tuple[str, ...], after: Place | None
) -> Generator[HeadsCall, Any, Found]:
    """Unread figures are asked of all that may be on the page."""
    if request.hidden is False:
        rows = {c: r for c, r in rows.items() if r.own is None or r.own.hidden != "for_good"}
    heads: Mapping[str, HeadRow] = yield HeadsCall(tuple(rows), user=user, blocked=blocked)
    figures = {channel: _unread(head) for channel, head in heads.items()}

    def place_of(row: IndexRow) -> Place:
        if request.sort == "name":
            return name_place(row)
        by_time = _place(heads[row.channel])
        return by_time if request.sort == "last_message" else (-figures[row.channel], *by_time)

    kept = [
        (place_of(row), row)
        for row in rows.values()
        if request.hidden in (None, _is_hidden(row, heads))
        and (not request.unread or figures[row.channel])
    ]
    return sorted((at, row) for at, row in kept if after is None or at > after)


def _waits(row: IndexRow) -> bool:
    """Whether it takes the channel's head to say if it is hidden."""
    return row.own is not None and row.own.hidden == "until_message"


def _is_hidden(row: IndexRow, heads: Mapping[str, HeadRow]) -> bool:
    if row.own is None or row.own.hidden == "no":
        return False
    head = heads.get(row.channel)
    return row.own.hidden == "for_good" or head is None or head.message_seq <= row.own.hidden_seq


def _place(head: HeadRow) -> tuple[int, str]:
    """Where a channel stands in the order of last messages: ascending, without ties."""
    return -(head.message_ms or head.ts_ms), head.key


def _unread(head: HeadRow) -> int:
    return decode_json(head.fields[0], _Figures).unread


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
