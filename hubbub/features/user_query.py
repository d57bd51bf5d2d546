"""The users of an app, by what they are called and what is known of them: `user.query`.

Rules:
1. All streams of lines (`user_lines`) are asked at once, each of its leader; their first places
   merged are the page. A stream that does not answer in time refuses the page as temporary: a page
   never lacks a user that it should have.
2. A page goes on behind a place in the order, not a moment: who comes, goes or is renamed meanwhile
   moves nobody else. It may be short, or empty, and still have a `next`: each stream looks at a
   bounded number of lines, and gives a bounded number of bytes.
3. Answers are at most a second behind what was acknowledged (rule 1 of `user_lines`), and they are
   what the leaders have: what one page showed the next does not take back.
4. Server keys, moderators, analysts and operators ask for anything. For users the app decides
   (`user_query`): nobody; `search`, who gives two characters of a name or id; everyone. Anonymous
   connections and guests never.
5. Who is excluded is shown only to those who may exclude; nobody else finds excluded users. Blocks
   change nothing here: whom one blocks one has to find, and being blocked is not told.

Long because a query is followed from the request over the streams' answers to the merged page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Raw, Struct
from msgspec.structs import asdict

from hubbub.base.errors import (
    BAD_REQUEST,
    INTERNAL,
    NOT_AVAILABLE,
    PERMISSION_DENIED,
    TOO_LARGE,
    TOO_MANY,
    Rejected,
)
from hubbub.features.contract import (
    Context,
    EdgeContext,
    Feature,
    QueryCall,
    QueryRow,
    Reads,
    Route,
    Tables,
    Verb,
)
from hubbub.features.fields import CustomData, check_limit, custom, make_cursor, read_cursor
from hubbub.features.publication import parse_time, rfc3339
from hubbub.features.standing import FOREVER_MS
from hubbub.features.user_lines import (
    BY_AGE,
    BY_NAME,
    BY_WORD,
    LINES,
    LineRow,
    fold,
    folded_name,
    shards,
    words_of,
)
from hubbub.model.member import Role
from hubbub.model.permissions import Action, Authority, of_authority, require
from hubbub.wire.codec import decode_json, encode_json, parse_json, shaped
from hubbub.wire.shapes import Json

PAGE_DEFAULT: Final = 20
PAGE_MAX: Final = 100
LOOKED_AT_MAX: Final = 500  # lines of one page in one stream: about 5 ms; a page asks 16 of them
PAGE_BYTES_MAX: Final = 32_768  # from one stream; 16 of them stay under what one reading may hold
DATA_FIELDS_MAX: Final = 5
WORDS_MAX: Final = 8  # of q
TEXT_CHARS_MAX: Final = 128  # of a prefix, a name, of q
SEARCH_CHARS_MIN: Final = 2  # what a user gives where the app lets users search only
_SCAN: Final = 100
_ID_PART: Final = re.compile("[!-~]*")
_PAST_IDS: Final = "\x7f"  # sorts behind every character of a user id

Order = Literal["id", "name", "created", "newest", "match"]
State = Literal["any", "active", "deactivated", "banned"]
Place = tuple[str, str] | tuple[int, str]
Moment = str | int | None


class UserQuery(Struct, frozen=True):
    """All that is given must hold. `prefix` of the id; `name`: how the name begins; `q`: words, or
    beginnings of words, of the name. `data`: fields of the custom data that have these values.
    `created_since`, `created_until`: RFC 3339 or ms, until excluded. `sort`: without it by matched
    word where there is `q`, else by id. `state`: for those who may exclude users.
    `guest`: only guests, or only full users; those whose time is over are found only by those who
    may exclude."""

    prefix: str = ""
    name: str = ""
    q: str = ""
    guest: bool | None = None
    data: dict[str, Raw] = {}
    state: State | None = None
    created_since: Moment = None
    created_until: Moment = None
    sort: Order | None = None
    limit: int = PAGE_DEFAULT
    cursor: str = ""


class UserLink(Struct, frozen=True):
    """The same in a query string, without `data`."""

    prefix: str = ""
    name: str = ""
    q: str = ""
    guest: bool | None = None
    state: State | None = None
    created_since: Moment = None
    created_until: Moment = None
    sort: Order | None = None
    limit: int = PAGE_DEFAULT
    cursor: str = ""


class FoundUser(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A profile. `deactivated`, `banned`: shown to those who may exclude users."""

    user: str
    created: str
    name: str = ""
    avatar: str = ""
    data: CustomData = UNSET
    deactivated: bool = False
    banned: bool = False
    guest_until: str = ""


class UserPage(Struct, frozen=True):
    """`next`: pass it as `cursor`; empty at the end."""

    users: list[Annotated[Raw, shaped(FoundUser)]]
    next: str = ""


class LinesRequest(Struct, frozen=True):
    """What one stream of lines is asked. `words`: of q, folded. Times in ms, 0: open. `after`: the
    place behind which it begins."""

    sort: Order
    limit: int
    prefix: str = ""
    name: str = ""
    words: tuple[str, ...] = ()
    data: dict[str, Raw] = {}
    state: State | None = None
    since_ms: int = 0
    until_ms: int = 0
    guest: bool | None = None
    after: tuple[str | int, str] | None = None


class FoundLine(Struct, frozen=True):
    """A line that fits, and its place in the order."""

    place: tuple[str | int, str]
    user: Raw


class FoundLines(Struct, frozen=True):
    """Those that fit, in order. `reached`: behind this place there may be more; None: no more."""

    lines: list[FoundLine]
    reached: tuple[str | int, str] | None = None


# --- requests


def turn_query(request: UserQuery, _: EdgeContext) -> Reads:
    check_limit(request.limit, PAGE_MAX)
    for text in (request.prefix, request.name, request.q):
        if len(text) > TEXT_CHARS_MAX:
            raise Rejected(TOO_LARGE, f"at most {TEXT_CHARS_MAX} characters", limit=TEXT_CHARS_MAX)
    words = tuple(words_of(request.q))
    if request.q and not words:
        raise Rejected(BAD_REQUEST, "q has no word")
    if len(words) > WORDS_MAX:
        raise Rejected(TOO_MANY, f"at most {WORDS_MAX} words", limit=WORDS_MAX)
    if not _ID_PART.fullmatch(request.prefix):
        raise Rejected(BAD_REQUEST, "prefix has a character that no user id has")
    if len(request.data) > DATA_FIELDS_MAX:
        raise Rejected(TOO_MANY, f"at most {DATA_FIELDS_MAX} fields", limit=DATA_FIELDS_MAX)
    if any(isinstance(parse_json(bytes(value)), dict | list) for value in request.data.values()):
        raise Rejected(BAD_REQUEST, "data: texts, numbers, true, false and null can be asked for")
    sort = request.sort or ("match" if words else "id")
    if sort == "match" and not words:
        raise Rejected(BAD_REQUEST, "match needs words in q")
    asked = LinesRequest(
        sort,
        request.limit,
        request.prefix,
        fold(request.name),
        words,
        request.data,
        request.state,
        parse_time(request.created_since) if request.created_since is not None else 0,
        parse_time(request.created_until) if request.created_until is not None else 0,
        request.guest,
        _place(request.cursor, sort),
    )
    calls = tuple(QueryCall(key, "user.lines", asked) for key in shards())
    return Reads(calls, lambda answers: _page(answers, asked))


def turn_link(link: UserLink, ctx: EdgeContext) -> Reads:
    return turn_query(UserQuery(**asdict(link)), ctx)


def _place(cursor: str, sort: Order) -> Place | None:
    if not cursor:
        return None
    if sort in ("created", "newest"):
        place = read_cursor(cursor, sort, tuple[int, str])
        if not 0 <= place[0] < FOREVER_MS:
            raise Rejected(BAD_REQUEST, "no such time")
        return place
    return read_cursor(cursor, sort, tuple[str, str])


def _page(answers: Sequence[Json | Rejected | None], asked: LinesRequest) -> Json:
    """One page of what the streams have."""
    found: list[FoundLines] = []
    for answer in answers:
        if isinstance(answer, Rejected):
            raise answer
        if answer is None:
            raise Rejected(INTERNAL, "too much at once")
        found.append(decode_json(answer, FoundLines))
    return encode_json(merged(found, asked.sort, asked.limit))


def merged(found: Sequence[FoundLines], sort: Order, limit: int) -> UserPage:
    """The first `limit` of all lines; none from behind a place that one stream has not reached."""
    is_down = sort == "newest"
    ends: Any = [one.reached for one in found if one.reached is not None]
    reached = (max(ends) if is_down else min(ends)) if ends else None
    lines: Any = [line for one in found for line in one.lines]
    lines.sort(key=lambda line: line.place, reverse=is_down)
    if reached is not None:
        lines = [x for x in lines if (x.place >= reached if is_down else x.place <= reached)]
    page = lines[:limit]
    following = page[-1].place if len(lines) > limit else reached
    return UserPage([line.user for line in page], make_cursor(sort, following) if following else "")


# --- reads of one stream


def run_lines(request: LinesRequest, tables: Tables, ctx: Context) -> FoundLines:
    _require(request, ctx)
    fits = _filter(request, ctx)
    lines: list[FoundLine] = []
    shows_state = _sees_state(ctx.viewer.authority)
    used = 0
    for looked_at, place in enumerate(_places(request, tables), 1):
        user = place[1]
        row = tables[LINES].get(user)
        if row is not None and fits(place, row):
            shown = _shown(user, row, ctx.now_ms, shows_state)
            lines.append(FoundLine(place, shown))
            used += len(shown)
        if len(lines) == request.limit or used >= PAGE_BYTES_MAX or looked_at >= LOOKED_AT_MAX:
            return FoundLines(lines, place)
    return FoundLines(lines)


def _require(request: LinesRequest, ctx: Context) -> None:
    """Raises Rejected unless the viewer may ask this."""
    authority = ctx.viewer.authority
    require(Action.QUERY_USERS, None, Role.NONE, authority)
    if ctx.settings.raw_user_streams:
        raise Rejected(NOT_AVAILABLE, "this app keeps no profiles")
    if authority == Authority.CLIENT:
        allowed = ctx.settings.user_query
        if allowed == "nobody" or not ctx.viewer.user or ctx.viewer.guest:
            raise Rejected(PERMISSION_DENIED, "users do not query users here")
        given = max(map(len, (request.prefix, request.name, *request.words)))
        if allowed == "search" and given < SEARCH_CHARS_MIN:
            raise Rejected(
                PERMISSION_DENIED, f"prefix, name or q: {SEARCH_CHARS_MIN} characters are needed"
            )
    if request.state is not None and not _sees_state(authority):
        raise Rejected(PERMISSION_DENIED, "state is for those who may exclude users")


def _sees_state(authority: str) -> bool:
    rights = of_authority(authority)
    return Action.DEACTIVATE_USER in rights or Action.BAN_FROM_APP in rights


def _filter(request: LinesRequest, ctx: Context) -> Callable[[Place, LineRow], bool]:
    """Whether a line at a place fits."""
    shows_state = _sees_state(ctx.viewer.authority)
    state = request.state or ("any" if shows_state else "active")
    wanted = {name: parse_json(bytes(value)) for name, value in request.data.items()}

    def fits(place: Place, row: LineRow) -> bool:
        user = place[1]
        if state != "any" and state not in _states(row, ctx.now_ms):
            return False
        if request.guest is not None and request.guest != bool(row.guest_until_ms):
            return False
        if not shows_state and 0 < row.guest_until_ms <= ctx.now_ms:
            return False
        if not user.startswith(request.prefix):
            return False
        if request.name and not folded_name(user, row).startswith(request.name):
            return False
        if request.since_ms and row.created_ms < request.since_ms:
            return False
        if request.until_ms and row.created_ms >= request.until_ms:
            return False
        if request.words and not _has_words(place, row, request):
            return False
        return not wanted or _has_data(row.data, wanted)

    return fits


def _states(row: LineRow, now_ms: int) -> set[str]:
    states = {"deactivated"} if row.deactivated else set()
    if now_ms < row.banned_ms:
        states.add("banned")
    return states or {"active"}


def _has_words(place: Place, row: LineRow, request: LinesRequest) -> bool:
    """Every word of q begins one of the name; by matched word a line stands at its first one."""
    words = words_of(row.name or place[1])
    if not all(any(word.startswith(wanted) for word in words) for wanted in request.words):
        return False
    if request.sort != "match":
        return True
    leading = _leading(request)
    return place[0] == min(word for word in words if word.startswith(leading))


def _leading(request: LinesRequest) -> str:
    """The word of q whose matches are gone through: the longest, as it has the fewest."""
    return max(request.words, key=len)


def _has_data(data: bytes, wanted: dict[str, Any]) -> bool:
    known = parse_json(data) if data else None
    return isinstance(known, dict) and all(
        name in known and _is_same(known[name], value) for name, value in wanted.items()
    )


def _is_same(one: object, other: object) -> bool:
    """Equal JSON values: 1 and 1.0 are, 1 and true are not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return one == other


def _places(request: LinesRequest, tables: Tables) -> Iterator[Place]:
    """All places of the order behind `after` that may fit."""
    after: Any = request.after
    if request.sort == "id":
        start = after[1] if after else _before(request.prefix)
        for user in _scan(tables, LINES, start):
            if not user.startswith(request.prefix):
                return
            yield "", user
    elif request.sort in ("name", "match"):
        is_name = request.sort == "name"
        begin = request.name if is_name else _leading(request)
        start = after or ((begin, "") if begin else None)
        for key in _scan(tables, BY_NAME if is_name else BY_WORD, start):
            if not key[0].startswith(begin):
                return
            yield key
    elif request.sort == "created":
        for key in _scan(tables, BY_AGE, after or (request.since_ms, "")):
            if request.until_ms and key[0] >= request.until_ms:
                return
            yield key
    else:
        start = after or ((request.until_ms, "") if request.until_ms else None)
        for key in _scan(tables, BY_AGE, start, reverse=True):
            if key[0] < request.since_ms:
                return
            yield key


def _scan(tables: Tables, table: Any, after: Any, *, reverse: bool = False) -> Iterator[Any]:
    while rows := tables[table].scan(after=after, limit=_SCAN, reverse=reverse):
        for key, _ in rows:
            yield key
        after = rows[-1][0]


def _before(prefix: str) -> str | None:
    """What sorts before all ids with this prefix, and behind all before them."""
    return prefix[:-1] + chr(ord(prefix[-1]) - 1) + _PAST_IDS if prefix else None


def _shown(user: str, row: LineRow, now_ms: int, shows_state: bool) -> Raw:
    found = FoundUser(
        user=user,
        created=rfc3339(row.created_ms),
        name=row.name,
        avatar=row.avatar,
        data=custom(row.data),
        deactivated=shows_state and row.deactivated,
        banned=shows_state and now_ms < row.banned_ms,
        guest_until=rfc3339(row.guest_until_ms) if row.guest_until_ms else "",
    )
    return Raw(encode_json(found))


FEATURE: Final = Feature(
    name="user_query",
    queries=(QueryRow("user.lines", LinesRequest, run_lines),),
    verbs=(Verb("user.query", UserQuery, turn_query, UserPage, "Users by what is known of them."),),
    routes=(
        Route("GET", "/v1/users", UserLink, turn_link, UserPage, doc="Users of the app."),
        Route("POST", "/v1/users/query", UserQuery, turn_query, UserPage, doc="Users of the app."),
    ),
)
