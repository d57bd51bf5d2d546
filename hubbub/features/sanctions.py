"""Sanctions of a user in a channel: bans, mutes, timeouts.

Rules:
1. A ban ends membership, invitation and subscriptions and takes every right, also in open channels
   where nobody needs a row. A mute takes what is said (SPEAKING); reading stays. A timeout is a
   mute that ends, for those who may not mute for ever; it never shortens one.
2. Both last from 1 s to 28 days, or for ever, in log time and without timers: rows of the past mean
   nothing, and each new sanction clears away a few.
3. They outlive membership: who leaves and comes back is still muted.
4. One sanctions only who ranks below oneself (an owner anybody), and never oneself. A dm keeps its
   pair: nobody is banned there; a server key may mute.
5. Reasons are for moderators and for the sanctioned: they stand in rows and refusals, not in the
   events that all see.
6. A kick is `member.remove`.

Long because bans and mutes are four commands, two tables and two lists of one shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

from msgspec import Meta as Bounds
from msgspec import Struct
from msgspec.structs import replace

from hubbub.base.errors import BAD_REQUEST, LIMIT_EXCEEDED, NOT_FOUND, TOO_LARGE, Rejected
from hubbub.base.names import check_user
from hubbub.base.units import DAY_MS, SECOND_MS
from hubbub.features.contract import (
    Command,
    Context,
    Done,
    EdgeContext,
    Event,
    EventKind,
    Feature,
    Meta,
    QueryCall,
    QueryRow,
    Route,
    Table,
    Tables,
    Verb,
    as_command,
)
from hubbub.features.fields import check_chat_channel, check_limit, check_users
from hubbub.features.members import MembersRemoved, fallen_events
from hubbub.features.publication import parse_time, rfc3339
from hubbub.features.standing import (
    BANS,
    CHANNEL,
    FOREVER_MS,
    MUTES,
    ONLY,
    SanctionRow,
    may,
    refuse_direct,
    require_above,
    require_standing,
    role_of,
)
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role
from hubbub.model.permissions import Action

SECONDS_MAX: Final = 28 * DAY_MS // SECOND_MS
REASON_CHARS_MAX: Final = 1_000
PAGE_DEFAULT: Final = 100
PAGE_MAX: Final = 1_000
# Rows of one channel, past ones included until they are cleared away.
SANCTIONS_MAX: Final = 100_000
PRUNED_PER_USER: Final = 2  # more than one, so that the tables shrink
BAN: Final = "ban"
MUTE: Final = "mute"

Seconds = Annotated[int, Bounds(ge=1, le=SECONDS_MAX)]


class _OfUsers(Command, frozen=True):
    """Over one user (`user`) or several (`users`); its check puts all into `users`."""

    TAG = ""

    channel: str
    users: tuple[str, ...] = ()
    user: str = ""


class _Sanction(_OfUsers, frozen=True):
    """`for_s`: absent, for ever."""

    TAG = ""

    for_s: Seconds | None = None
    reason: str = ""


class BanMembers(_Sanction, frozen=True):
    """Out, and not in again until it ends."""

    TAG = "member.ban"


class MuteMembers(_Sanction, frozen=True):
    """They read, and say nothing until it ends."""

    TAG = "member.mute"


class TimeoutMembers(_Sanction, frozen=True):
    """A mute that ends: `for_s` is needed."""

    TAG = "member.timeout"


class UnbanMembers(_OfUsers, frozen=True):
    """They may come again."""

    TAG = "member.unban"


class UnmuteMembers(_OfUsers, frozen=True):
    """They may speak again."""

    TAG = "member.unmute"


class MembersBanned(Event, frozen=True):
    """These are banned. `until`: RFC 3339; absent for ever."""

    TAG = "member.banned"

    users: tuple[str, ...]
    until: str = ""

    def evicts(self) -> Sequence[str]:
        return self.users


class MembersMuted(Event, frozen=True):
    """These say nothing. `until`: RFC 3339; absent for ever."""

    TAG = "member.muted"

    users: tuple[str, ...]
    until: str = ""


class MembersUnbanned(Event, frozen=True):
    """These may come again."""

    TAG = "member.unbanned"

    users: tuple[str, ...]


class MembersUnmuted(Event, frozen=True):
    """These may speak again."""

    TAG = "member.unmuted"

    users: tuple[str, ...]


class SanctionExplained(Event, frozen=True):
    """Why, for moderators and those whom it hits. `what`: ban or mute."""

    TAG = "member.sanction_explained"
    KIND = EventKind.SILENT

    what: str
    users: tuple[str, ...]
    reason: str


class SanctionsRequest(Struct, frozen=True):
    """A page of users in order of their ids, behind `after`."""

    channel: str
    after: str = ""
    limit: int = PAGE_DEFAULT


class Sanction(Struct, frozen=True, omit_defaults=True):
    """Times are RFC 3339; no `until`: for ever."""

    user: str
    by: str
    since: str
    until: str = ""
    reason: str = ""


class SanctionsPage(Struct, frozen=True):
    """`next`: pass it as `after` for the next page; empty at the end."""

    sanctions: list[Sanction]
    next: str = ""


# (end, what, user) → 1: the oldest first, so that clearing away costs nothing.
BY_END: Final[Table[tuple[int, str, str], int]] = Table(
    "sanctions.by_end", tuple[int, str, str], int
)
_ROWS: Final = {BAN: BANS, MUTE: MUTES}


def check_users_of(cmd: _OfUsers, ctx: EdgeContext) -> _OfUsers:
    check_chat_channel(cmd.channel)
    named = (*cmd.users, cmd.user) if cmd.user else cmd.users
    if not named:
        raise Rejected(BAD_REQUEST, "name a user, or users")
    return replace(cmd, users=check_users(named, ctx.settings), user="")


def check_sanction(cmd: _Sanction, ctx: EdgeContext) -> _OfUsers:
    if len(cmd.reason) > REASON_CHARS_MAX:
        raise Rejected(TOO_LARGE, f"a reason has at most {REASON_CHARS_MAX} characters")
    if isinstance(cmd, TimeoutMembers) and cmd.for_s is None:
        raise Rejected(BAD_REQUEST, "a timeout needs for_s")
    return check_users_of(cmd, ctx)


def decide_ban(cmd: BanMembers, tables: Tables, ctx: Context) -> list[Event]:
    channel = require_standing(Action.BAN, tables, ctx)
    refuse_direct(channel.kind)
    _require_targets(cmd.users, channel.sanctions, tables, ctx)
    until_ms = _until(cmd, ctx)
    users = tuple(user for user in cmd.users if _end(BAN, user, tables) != until_ms)
    if not users:
        return []
    gone = tuple(user for user in users if role_of(tables, user) is not Role.NONE)
    removed: list[Event] = []
    if gone:
        removed = [MembersRemoved(users=gone), *fallen_events(channel, gone, tables)]
    banned = MembersBanned(users=users, until=_text(until_ms))
    return [*removed, banned, *_explained(BAN, users, cmd.reason)]


def decide_mute(cmd: MuteMembers | TimeoutMembers, tables: Tables, ctx: Context) -> list[Event]:
    is_timeout = isinstance(cmd, TimeoutMembers)
    channel = require_standing(Action.TIMEOUT if is_timeout else Action.MUTE, tables, ctx)
    if channel.kind is not ChannelKind.OPEN:
        _require_members(cmd.users, tables)
    _require_targets(cmd.users, channel.sanctions, tables, ctx)
    until_ms = _until(cmd, ctx)
    ends = {user: _end(MUTE, user, tables) for user in cmd.users}
    users = tuple(
        user
        for user, end_ms in ends.items()
        if (end_ms < until_ms if is_timeout else end_ms != until_ms)
    )
    if not users:
        return []
    muted = MembersMuted(users=users, until=_text(until_ms))
    return [muted, *_explained(MUTE, users, cmd.reason)]


def decide_unban(cmd: UnbanMembers, tables: Tables, ctx: Context) -> list[Event]:
    require_standing(Action.BAN, tables, ctx)
    users = _sanctioned(BAN, cmd.users, tables, ctx)
    return [MembersUnbanned(users=users)] if users else []


def decide_unmute(cmd: UnmuteMembers, tables: Tables, ctx: Context) -> list[Event]:
    """Who may only time out ends what ends anyway."""
    may_mute = may(Action.MUTE, tables, ctx)
    require_standing(Action.MUTE if may_mute else Action.TIMEOUT, tables, ctx)
    users = _sanctioned(MUTE, cmd.users, tables, ctx)
    if not may_mute and any(_end(MUTE, user, tables) >= FOREVER_MS for user in users):
        require_standing(Action.MUTE, tables, ctx)
    return [MembersUnmuted(users=users)] if users else []


def _require_targets(users: Sequence[str], count: int, tables: Tables, ctx: Context) -> None:
    if count + len(users) > SANCTIONS_MAX:
        raise Rejected(LIMIT_EXCEEDED, "too many bans and mutes", limit=SANCTIONS_MAX)
    for user in users:
        if user == ctx.actor:
            raise Rejected(BAD_REQUEST, "nobody sanctions himself")
        require_above(user, tables, ctx)


def _require_members(users: Sequence[str], tables: Tables) -> None:
    for user in users:
        if role_of(tables, user).rank < Role.MEMBER.rank:
            raise Rejected(NOT_FOUND, "no such member", user=user)


def _explained(what: str, users: tuple[str, ...], reason: str) -> list[Event]:
    return [SanctionExplained(what=what, users=users, reason=reason)] if reason else []


def _until(cmd: _Sanction, ctx: Context) -> int:
    return FOREVER_MS if cmd.for_s is None else ctx.now_ms + cmd.for_s * SECOND_MS


def _text(until_ms: int) -> str:
    return "" if until_ms >= FOREVER_MS else rfc3339(until_ms)


def _end(what: str, user: str, tables: Tables) -> int:
    row = tables[_ROWS[what]].get(user)
    return 0 if row is None else row.until_ms


def _sanctioned(what: str, users: Sequence[str], tables: Tables, ctx: Context) -> tuple[str, ...]:
    return tuple(user for user in users if ctx.now_ms < _end(what, user, tables))


# --- apply


def apply_banned(event: MembersBanned, meta: Meta, tables: Tables) -> None:
    _put_all(BAN, event, meta, tables)


def apply_muted(event: MembersMuted, meta: Meta, tables: Tables) -> None:
    _put_all(MUTE, event, meta, tables)


def apply_unbanned(event: MembersUnbanned, _: Meta, tables: Tables) -> None:
    _count(sum(_drop(BAN, user, tables) for user in event.users), tables)


def apply_unmuted(event: MembersUnmuted, _: Meta, tables: Tables) -> None:
    _count(sum(_drop(MUTE, user, tables) for user in event.users), tables)


def apply_explained(event: SanctionExplained, _: Meta, tables: Tables) -> None:
    rows = tables[_ROWS[event.what]]
    for user in event.users:
        row = rows.get(user)
        if row is not None:
            rows.put(user, replace(row, reason=event.reason))


def _put_all(what: str, event: MembersBanned | MembersMuted, meta: Meta, tables: Tables) -> None:
    until_ms = parse_time(event.until) if event.until else FOREVER_MS
    change = _pruned(len(event.users) * PRUNED_PER_USER, meta.ts_ms, tables)
    for user in event.users:
        change += _drop(what, user, tables) + 1
        tables[_ROWS[what]].put(user, SanctionRow(until_ms, meta.by, meta.ts_ms))
        if until_ms < FOREVER_MS:
            tables[BY_END].put((until_ms, what, user), 1)
    _count(change, tables)


def _pruned(limit: int, now_ms: int, tables: Tables) -> int:
    """Drop some rows of the past; by how much the count changes."""
    past = [key for key, _ in tables[BY_END].scan(limit=limit) if key[0] <= now_ms]
    return sum(_drop(what, user, tables) for _, what, user in past)


def _drop(what: str, user: str, tables: Tables) -> int:
    """By how much the count changes: -1 if there was a row."""
    row = tables[_ROWS[what]].get(user)
    if row is None:
        return 0
    tables[_ROWS[what]].delete(user)
    if row.until_ms < FOREVER_MS:
        tables[BY_END].delete((row.until_ms, what, user))
    return -1


def _count(change: int, tables: Tables) -> None:
    row = tables[CHANNEL].get(ONLY)
    if row is not None and change:
        tables[CHANNEL].put(ONLY, replace(row, sanctions=row.sanctions + change))


# --- reads


def run_bans(request: SanctionsRequest, tables: Tables, ctx: Context) -> SanctionsPage:
    return _page(BANS, request, tables, ctx)


def run_mutes(request: SanctionsRequest, tables: Tables, ctx: Context) -> SanctionsPage:
    return _page(MUTES, request, tables, ctx)


def _page(
    table: Table[str, SanctionRow], request: SanctionsRequest, tables: Tables, ctx: Context
) -> SanctionsPage:
    """One scan: rows of the past may make a page shorter than asked for, never the list."""
    require_standing(Action.SEE_SANCTIONS, tables, ctx)
    check_limit(request.limit, PAGE_MAX)
    if request.after:
        check_user(request.after)
    rows = tables[table].scan(after=request.after or None, limit=request.limit)
    page = [
        Sanction(user, row.by, rfc3339(row.since_ms), row.until, row.reason)
        for user, row in rows
        if ctx.now_ms < row.until_ms
    ]
    return SanctionsPage(page, rows[-1][0] if len(rows) == request.limit else "")


def turn_bans(request: SanctionsRequest, _: EdgeContext) -> QueryCall:
    return QueryCall(check_chat_channel(request.channel), "bans.list", request)


def turn_mutes(request: SanctionsRequest, _: EdgeContext) -> QueryCall:
    return QueryCall(check_chat_channel(request.channel), "mutes.list", request)


_CHANNEL: Final = "/v1/channels/{channel}"

FEATURE: Final = Feature(
    name="sanctions",
    tables=(BANS, MUTES, BY_END),
    check={
        BanMembers: check_sanction,
        MuteMembers: check_sanction,
        TimeoutMembers: check_sanction,
        UnbanMembers: check_users_of,
        UnmuteMembers: check_users_of,
    },
    decide={
        BanMembers: decide_ban,
        MuteMembers: decide_mute,
        TimeoutMembers: decide_mute,
        UnbanMembers: decide_unban,
        UnmuteMembers: decide_unmute,
    },
    apply={
        MembersBanned: apply_banned,
        MembersMuted: apply_muted,
        MembersUnbanned: apply_unbanned,
        MembersUnmuted: apply_unmuted,
        SanctionExplained: apply_explained,
    },
    queries=(
        QueryRow("bans.list", SanctionsRequest, run_bans),
        QueryRow("mutes.list", SanctionsRequest, run_mutes),
    ),
    verbs=(
        Verb("member.ban", BanMembers, as_command, Done, "Ban users, for a time or for ever."),
        Verb("member.unban", UnbanMembers, as_command, Done, "Let banned users come again."),
        Verb("member.mute", MuteMembers, as_command, Done, "Let users read, and say nothing."),
        Verb("member.timeout", TimeoutMembers, as_command, Done, "Mute users for a time."),
        Verb("member.unmute", UnmuteMembers, as_command, Done, "Let muted users speak again."),
        Verb("bans.list", SanctionsRequest, turn_bans, SanctionsPage, "Who is banned."),
        Verb("mutes.list", SanctionsRequest, turn_mutes, SanctionsPage, "Who is muted."),
    ),
    routes=(
        Route("GET", _CHANNEL + "/bans", SanctionsRequest, turn_bans, SanctionsPage),
        Route("POST", _CHANNEL + "/bans", BanMembers, as_command, Done),
        Route("PUT", _CHANNEL + "/bans/{user}", BanMembers, as_command, Done),
        Route("DELETE", _CHANNEL + "/bans/{user}", UnbanMembers, as_command, Done),
        Route("GET", _CHANNEL + "/mutes", SanctionsRequest, turn_mutes, SanctionsPage),
        Route("POST", _CHANNEL + "/mutes", MuteMembers, as_command, Done),
        Route("PUT", _CHANNEL + "/mutes/{user}", MuteMembers, as_command, Done),
        Route("DELETE", _CHANNEL + "/mutes/{user}", UnmuteMembers, as_command, Done),
        Route("POST", _CHANNEL + "/timeouts", TimeoutMembers, as_command, Done),
        Route("PUT", _CHANNEL + "/timeouts/{user}", TimeoutMembers, as_command, Done),
    ),
)
