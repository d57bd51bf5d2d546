"""A user's channels, filtered and sorted: by last message, by unread, by name (`channel.query`).

Rules:
1. An errand: the user's stream gives the rows (`list_index`: of a long list what changed), the
   nodes give where the channels stand, in one question a leader; only the channels of the page are
   asked for previews, figures and descriptions. Nothing is stored for it.
2. By last message a long list is walked in the order that the nodes keep of it (decision record
   0035), past what is filtered or hidden; where little is wanted, or the walk gets long, that is
   asked for by name.
3. What stands in the list is filtered at the edge (kind, state, muted, archived, favourite, name).
   Custom data are asked of the channels, on such a walk of those that it passes. In which channels
   of a long list something is unread its nodes say; of a short one the figures of all are asked.
4. `member` compares two lists, which are at most a second behind.
5. A cursor names a place in the order: a channel that moves between two pages may be seen twice or
   not at all, like in any list that is sorted by what just happened.

Long because the request and the walks that answer it stand together.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Generator, Mapping, Set
from typing import Annotated, Any, Final, Literal, cast

from msgspec import UNSET, Raw, Struct, UnsetType, field

from hubbub.base.errors import BAD_REQUEST, TOO_LARGE, Rejected
from hubbub.base.names import check_user, user_stream
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
from hubbub.features.head_lines import Head
from hubbub.features.list_index import (
    IndexRequest,
    KeptIndex,
    is_set,
    name_place,
    own_index,
    run_index,
    state_of,
)
from hubbub.features.list_rows import (
    LISTED,
    NOTHING_SET,
    Hidden,
    ListedChannel,
    ListedRow,
    ListState,
    OwnRow,
)
from hubbub.features.list_rows import line as list_line
from hubbub.features.publication import rfc3339
from hubbub.features.standing import require_standing
from hubbub.model.channel import ChannelInfo, ChannelKind
from hubbub.model.member import Role
from hubbub.model.permissions import Action
from hubbub.wire.codec import decode_json, encode_json, parse_json, shaped
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
Found = list[tuple[Place, str]]  # and the channel


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

    head: Annotated[dict[str, Raw], shaped(Head)] = field(default_factory=dict)
    info: Annotated[Raw, shaped(ChannelInfo)] | UnsetType = UNSET


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
    user = request.user or ctx.viewer.user
    if not user:
        raise Rejected(BAD_REQUEST, "name the user")
    check_user(user)
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
    names = _filtered(index, request, now_ms)
    if request.member and names:
        shared = SharedRequest(list(names))
        raw = yield QueryCall(user_stream(request.member), "user.shared_channels", shared)
        names = set(decode_json(raw, Shared).channels)
    is_walked = request.sort == "last_message" and not request.unread
    if request.data and not is_walked:
        names = set((yield from _equal(request, names)))
    if request.unread or request.sort == "unread":
        by = _by_figures if index.roll is None or len(names) <= EXPLICIT_MAX else _by_waiting
        found = yield from by(request, names, user, index, after)
    elif request.sort == "name":
        found = yield from _by_name(request, names, index, cast("tuple[str, str] | None", after))
    else:
        newest = cast(Newest, after)
        found = yield from _by_message(request, names, index, newest, has_data=not request.data)
    page, rest = found[: request.limit], found[request.limit :]
    keys = tuple(channel for _, channel in page)
    about = ChannelRequest("")
    seen = yield HeadsCall(
        keys, user=user, preview=True, query="channel.get", args=about, blocked=index.blocked
    )
    lines = [_line(c, index.row(c), index.own.get(c, NOTHING_SET), seen[c]) for c in keys]
    cursor = make_cursor(request.sort, page[-1][0]) if rest else ""
    return encode_json(QueryPage(lines, cursor))


def _filtered(index: KeptIndex, request: ChannelQuery, now_ms: int) -> Set[str]:
    """The channels that are wanted, as far as the list itself says."""
    wanted = IndexRequest(
        muted=request.muted, archived=request.archived, favourite=request.favourite
    )
    asked = request.kind, request.state, request.muted, request.archived, request.favourite
    if all(one is None for one in asked) and not request.prefix and request.hidden is not True:
        return index.stored.keys()  # what is hidden is left out on the way
    prefix = fold(request.prefix)
    return {
        channel
        for channel, row in index.rows().items()
        if request.kind in (None, row.kind)
        and request.state in (None, state_of(row.role))
        and (not prefix or fold(row.name or channel).startswith(prefix))
        and is_set(index.own.get(channel, NOTHING_SET), wanted, now_ms)
        and (request.hidden is not True or index.own.get(channel, NOTHING_SET).hidden != "no")
    }


def _by_message(
    request: ChannelQuery, names: Set[str], index: KeptIndex, after: Newest, *, has_data: bool
) -> Generator[HeadsCall, Any, Found]:
    """Along the order that the nodes keep, or make of what is wanted where that is not much.

    Args: has_data: these have the data that is wanted; else it is asked for on the way.
    """
    found: Found = []
    best = request.limit + 1
    for turn in range(_TURNS_MAX):
        roll = index.roll if len(names) > EXPLICIT_MAX and turn < _ROLL_TURNS else None
        if roll is None and not has_data:
            names, has_data = set((yield from _equal(request, names))), True
        keys = tuple(names) if roll is None else ()
        heads: Mapping[str, HeadRow] = yield HeadsCall(keys, best=best, after=after, roll=roll)
        places = sorted(map(_place, heads.values()))[:best]
        shown = {
            place[1]: place
            for place in places
            if place[1] in names and request.hidden in (None, _is_hidden(place[1], index, heads))
        }
        equal = list(shown) if has_data else (yield from _equal(request, shown))
        found += [(shown[channel], channel) for channel in equal]
        if len(found) > request.limit or len(places) < best:
            break
        after, best = places[-1], min(best * 4, _BEST_MAX)
    return found[: request.limit + 1]


def _equal(
    request: ChannelQuery, channels: Collection[str]
) -> Generator[HeadsCall, Any, list[str]]:
    """Those that have the custom data that is wanted, in the same order."""
    args = EqualRequest(request.data)
    answers = yield HeadsCall(tuple(channels), query="channel.data_equals", args=args)
    return [channel for channel in channels if answers[channel].answer == _EQUAL]


def _by_name(
    request: ChannelQuery, names: Set[str], index: KeptIndex, after: tuple[str, str] | None
) -> Generator[HeadsCall, Any, Found]:
    waiting = (
        tuple(c for c in names if _hidden(c, index) == "until_message")
        if request.hidden is not None
        else ()
    )
    heads: Mapping[str, HeadRow] = (yield HeadsCall(waiting)) if waiting else {}
    found: Found = []
    places = index.by_name()
    for place in places[bisect_right(places, after) if after is not None else 0 :]:
        channel = place[1]
        if channel in names and request.hidden in (None, _is_hidden(channel, index, heads)):
            found.append((place, channel))
            if len(found) > request.limit:
                break
    return found


def _by_figures(
    request: ChannelQuery, names: Set[str], user: str, index: KeptIndex, after: Place | None
) -> Generator[HeadsCall, Any, Found]:
    """Of a short list: unread figures of all that may be on the page."""
    if request.hidden is False:
        names = {channel for channel in names if _hidden(channel, index) != "for_good"}
    heads: Mapping[str, HeadRow] = yield HeadsCall(tuple(names), user=user, blocked=index.blocked)
    figures = {channel: _unread(head) for channel, head in heads.items()}
    return _placed(request, names, index, heads, figures, after)


def _by_waiting(
    request: ChannelQuery, names: Set[str], user: str, index: KeptIndex, after: Place | None
) -> Generator[HeadsCall, Any, Found]:
    """Of a long one: its nodes say in which channels something waits. Behind those stand the
    others, by their last messages."""
    heads: Mapping[str, HeadRow] = yield HeadsCall(
        (), user=user, blocked=index.blocked, roll=index.roll, unread=True
    )
    figures = {channel: head.unread for channel, head in heads.items()}
    waiting = names & heads.keys()
    found = _placed(request, waiting, index, heads, figures, after)
    if request.unread or len(found) > request.limit:
        return found
    others = names - heads.keys()
    behind = cast(Newest, after[1:]) if after is not None and after[0] == 0 else None
    rest = yield from _by_message(request, others, index, behind, has_data=True)
    return found + [((0, *place), channel) for place, channel in rest]


def _placed(
    request: ChannelQuery,
    names: Set[str],
    index: KeptIndex,
    heads: Mapping[str, HeadRow],
    figures: Mapping[str, int],
    after: Place | None,
) -> Found:
    """What is wanted of these channels, in the order that is wanted."""

    def place_of(channel: str) -> Place:
        if request.sort == "name":
            return name_place(channel, index.row(channel))
        by_time = _place(heads[channel])
        return by_time if request.sort == "last_message" else (-figures[channel], *by_time)

    kept = [
        (place_of(channel), channel)
        for channel in names
        if request.hidden in (None, _is_hidden(channel, index, heads))
        and (not request.unread or figures[channel])
    ]
    return sorted((at, channel) for at, channel in kept if after is None or at > after)


def _hidden(channel: str, index: KeptIndex) -> Hidden:
    own = index.own.get(channel)
    return "no" if own is None else own.hidden


def _is_hidden(channel: str, index: KeptIndex, heads: Mapping[str, HeadRow]) -> bool:
    own = index.own.get(channel)
    if own is None or own.hidden == "no":
        return False
    head = heads.get(channel)
    return own.hidden == "for_good" or head is None or head.message_seq <= own.hidden_seq


def _place(head: HeadRow) -> tuple[int, str]:
    """Where a channel stands in the order of last messages: ascending, without ties."""
    return -(head.message_ms or head.ts_ms), head.key


def _unread(head: HeadRow) -> int:
    return decode_json(head.fields[0], _Figures).unread


def _line(channel: str, row: ListedRow, own: OwnRow, seen: HeadRow) -> QueriedChannel:
    head: dict[str, Raw] = {"seq": Raw(b"%d" % seen.seq)}
    if seen.ts_ms:
        head["ts"] = Raw(encode_json(rfc3339(seen.message_ms or seen.ts_ms)))
    if seen.preview:
        head["preview"] = Raw(seen.preview)
    if seen.fields:
        head |= decode_json(seen.fields[0], dict[str, Raw])
    info: Raw | UnsetType = Raw(seen.answer) if seen.answer else UNSET
    shown = list_line(channel, row.kind, row.role, row.name, row.peer, own)
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
