"""Who is excluded from a whole app: deactivated users, and users banned from the app.

Rules:
1. It is decided and kept in the app's stream `@app`, which every edge follows: sessions of an
   excluded user are closed at once (4502, 4503), and his connects, his requests and whatever a
   server key does in his name are refused (426, 427). Memberships, profile and messages stay.
2. A ban with `until` ends by itself: edges compare with the time. A deactivation ends by
   `user.reactivate`. Both may be at once; a deactivation is told first.
3. The user's own stream hears of it (`user.deactivated`, `user.banned`, …) within a second, by a
   Forward that carries the whole state, so that repeating it changes nothing.
4. Tokens are not revoked: when the exclusion ends they are good again. What he has scheduled for
   that time is not sent, and fails (`schedules`).
5. Reasons are for those who may ask for the state (`user.state`), never in an event that anybody
   hears.

Long because both streams' halves, four commands and what an edge gets are one state.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from hubbub.base.errors import BAD_REQUEST, LIMIT_EXCEEDED, TOO_LARGE, Rejected
from hubbub.base.names import APP_STREAM, check_user, user_stream
from hubbub.features.contract import (
    Command,
    Context,
    Done,
    EdgeContext,
    Effect,
    Event,
    EventKind,
    Feature,
    Forward,
    Meta,
    QueryCall,
    QueryRow,
    Route,
    Table,
    Tables,
    Verb,
    as_command,
)
from hubbub.features.publication import parse_time, rfc3339
from hubbub.features.standing import FOREVER_MS
from hubbub.model.member import Role
from hubbub.model.permissions import Action, require

# About 60 bytes each in every edge's snapshot; with the revocations under a link's largest frame.
EXCLUDED_MAX: Final = 50_000
REASON_CHARS_MAX: Final = 1_000
PRUNED_PER_ENTRY: Final = 4  # bans of the past; more than one, so that the table shrinks
_ONLY: Final = 0


class _OfUser(Command, frozen=True):
    """Over one user, in the app's stream."""

    TAG = ""

    user: str

    def stream_key(self) -> str:
        return APP_STREAM


class DeactivateUser(_OfUser, frozen=True):
    """Out of the app until somebody reactivates him."""

    TAG = "user.deactivate"

    reason: str = ""


class ReactivateUser(_OfUser, frozen=True):
    """In again."""

    TAG = "user.reactivate"


class BanUser(_OfUser, frozen=True):
    """Out of the app. `until`: RFC 3339 or ms; absent: until `user.unban`."""

    TAG = "user.ban"

    until: str | int | None = None
    reason: str = ""


class UnbanUser(_OfUser, frozen=True):
    """In again before the ban ends."""

    TAG = "user.unban"


class TellUser(Command, frozen=True):
    """The app says how it stands with the user. `banned_ms`: 0 for not banned."""

    TAG = "user.tell_exclusion"

    user: str
    deactivated: bool = False
    banned_ms: int = 0

    def stream_key(self) -> str:
        return user_stream(self.user)


class UserExclusionSet(Event, frozen=True):
    """In `@app`: the whole state of a user. `banned_ms`: when the ban ends, 0 for none."""

    TAG = "user.exclusion_set"

    user: str
    deactivated: bool = False
    banned_ms: int = 0


class ExclusionExplained(Event, frozen=True):
    """In `@app`: why, for those who may ask."""

    TAG = "user.exclusion_explained"
    KIND = EventKind.SILENT

    user: str
    reason: str


class UserDeactivated(Event, frozen=True):
    """In `#user`: he is deactivated."""

    TAG = "user.deactivated"


class UserReactivated(Event, frozen=True):
    """In `#user`: he is active again."""

    TAG = "user.reactivated"


class UserBanned(Event, frozen=True):
    """In `#user`: banned from the app. `until`: RFC 3339; absent for ever."""

    TAG = "user.banned"

    until: str = ""


class UserUnbanned(Event, frozen=True):
    """In `#user`: his ban was lifted. One that ends by itself tells nobody."""

    TAG = "user.unbanned"


class ExclusionRow(Struct, frozen=True, array_like=True, gc=False):
    """`banned_ms`: when the ban ends, 0 for none. `by`: who changed it last, empty for a key."""

    since_ms: int
    deactivated: bool = False
    banned_ms: int = 0
    by: str = ""
    reason: str = ""


class ToldRow(Struct, frozen=True, array_like=True, gc=False):
    """What the user's stream has been told last."""

    deactivated: bool = False
    banned_ms: int = 0


class StateRequest(Struct, frozen=True):
    """Which user."""

    user: str


class UserState(Struct, frozen=True, omit_defaults=True):
    """Times are RFC 3339. `banned` without `until`: for ever."""

    user: str
    deactivated: bool = False
    banned: bool = False
    until: str = ""
    since: str = ""
    by: str = ""
    reason: str = ""


class Exclusion(Struct, frozen=True, omit_defaults=True):
    """What an edge knows of an excluded user."""

    deactivated: bool = False
    banned_ms: int = 0


EXCLUDED: Final[Table[str, ExclusionRow]] = Table("exclusions", str, ExclusionRow)
# (end, user) → 1 of bans that end and are all that keeps the row: the oldest first.
BY_END: Final[Table[tuple[int, str], int]] = Table("exclusions.by_end", tuple[int, str], int)
COUNT: Final[Table[int, int]] = Table("exclusions.count", int, int)
TOLD: Final[Table[int, ToldRow]] = Table("exclusions.told", int, ToldRow)


def check_of_user(cmd: _OfUser, _: EdgeContext) -> _OfUser:
    return replace(cmd, user=check_user(cmd.user))


def check_with_reason(cmd: DeactivateUser | BanUser, ctx: EdgeContext) -> _OfUser:
    if len(cmd.reason) > REASON_CHARS_MAX:
        raise Rejected(TOO_LARGE, f"a reason has at most {REASON_CHARS_MAX} characters")
    if isinstance(cmd, BanUser) and cmd.until is not None:
        parse_time(cmd.until)
    return check_of_user(cmd, ctx)


# --- in `@app`


def decide_deactivate(cmd: DeactivateUser, tables: Tables, ctx: Context) -> list[Event]:
    require(Action.DEACTIVATE_USER, None, Role.NONE, ctx.viewer.authority)
    return _set(cmd.user, True, _banned_ms(cmd.user, tables, ctx), cmd.reason, tables, ctx)


def decide_reactivate(cmd: ReactivateUser, tables: Tables, ctx: Context) -> list[Event]:
    require(Action.DEACTIVATE_USER, None, Role.NONE, ctx.viewer.authority)
    return _set(cmd.user, False, _banned_ms(cmd.user, tables, ctx), "", tables, ctx)


def decide_ban(cmd: BanUser, tables: Tables, ctx: Context) -> list[Event]:
    require(Action.BAN_FROM_APP, None, Role.NONE, ctx.viewer.authority)
    until_ms = FOREVER_MS if cmd.until is None else parse_time(cmd.until)
    if until_ms <= ctx.now_ms:
        raise Rejected(BAD_REQUEST, "until is in the past")
    return _set(cmd.user, _row(cmd.user, tables).deactivated, until_ms, cmd.reason, tables, ctx)


def decide_unban(cmd: UnbanUser, tables: Tables, ctx: Context) -> list[Event]:
    require(Action.BAN_FROM_APP, None, Role.NONE, ctx.viewer.authority)
    return _set(cmd.user, _row(cmd.user, tables).deactivated, 0, "", tables, ctx)


def _set(
    user: str, deactivated: bool, banned_ms: int, reason: str, tables: Tables, ctx: Context
) -> list[Event]:
    """The events of a new state; none if it is the old one."""
    row = tables[EXCLUDED].get(user)
    old = row or ExclusionRow(0)
    events: list[Event] = []
    if (old.deactivated, _banned_ms(user, tables, ctx)) != (deactivated, banned_ms):
        if row is None and (tables[COUNT].get(_ONLY) or 0) >= EXCLUDED_MAX:
            raise Rejected(LIMIT_EXCEEDED, "too many users are excluded", limit=EXCLUDED_MAX)
        events.append(UserExclusionSet(user=user, deactivated=deactivated, banned_ms=banned_ms))
    if reason and (events or reason != old.reason):
        events.append(ExclusionExplained(user=user, reason=reason))
    return events


def _row(user: str, tables: Tables) -> ExclusionRow:
    return tables[EXCLUDED].get(user) or ExclusionRow(0)


def _banned_ms(user: str, tables: Tables, ctx: Context) -> int:
    """The end of a ban that is not over, else 0."""
    banned_ms = _row(user, tables).banned_ms
    return banned_ms if ctx.now_ms < banned_ms else 0


def apply_set(event: UserExclusionSet, meta: Meta, tables: Tables) -> None:
    past = [key for key, _ in tables[BY_END].scan(limit=PRUNED_PER_ENTRY) if key[0] <= meta.ts_ms]
    change = sum(_drop(user, tables) for _, user in past)
    change += _drop(event.user, tables)
    if event.deactivated or event.banned_ms:
        row = ExclusionRow(meta.ts_ms, event.deactivated, event.banned_ms, meta.by)
        tables[EXCLUDED].put(event.user, row)
        if _ends(row):
            tables[BY_END].put((event.banned_ms, event.user), 1)
        change += 1
    tables[COUNT].put(_ONLY, (tables[COUNT].get(_ONLY) or 0) + change)


def apply_explained(event: ExclusionExplained, _: Meta, tables: Tables) -> None:
    row = tables[EXCLUDED].get(event.user)
    if row is not None:
        tables[EXCLUDED].put(event.user, replace(row, reason=event.reason))


def _drop(user: str, tables: Tables) -> int:
    """By how much the count changes: -1 if there was a row."""
    row = tables[EXCLUDED].get(user)
    if row is None:
        return 0
    tables[EXCLUDED].delete(user)
    if _ends(row):
        tables[BY_END].delete((row.banned_ms, user))
    return -1


def _ends(row: ExclusionRow) -> bool:
    return not row.deactivated and row.banned_ms < FOREVER_MS


def exclusions(tables: Tables) -> dict[str, Exclusion]:
    """Every excluded user, bans of the past included."""
    found: dict[str, Exclusion] = {}
    after: str | None = None
    while rows := tables[EXCLUDED].scan(after=after):
        found |= {user: Exclusion(row.deactivated, row.banned_ms) for user, row in rows}
        after = rows[-1][0]
    return found


def effects_set(event: UserExclusionSet, _: Meta, __: Tables) -> list[Effect]:
    return [Forward(TellUser(event.user, event.deactivated, event.banned_ms))]


# --- in `#user`


def decide_tell(cmd: TellUser, tables: Tables, ctx: Context) -> list[Event]:
    require(Action.PROJECT, None, Role.NONE, ctx.viewer.authority)
    if ctx.settings.raw_user_streams:
        return []  # its events would take offsets of the raw channel
    told = tables[TOLD].get(_ONLY) or ToldRow()
    events: list[Event] = []
    if cmd.deactivated != told.deactivated:
        events.append(UserDeactivated() if cmd.deactivated else UserReactivated())
    if cmd.banned_ms != told.banned_ms:
        if cmd.banned_ms:
            events.append(UserBanned(until=_text(cmd.banned_ms)))
        elif told.banned_ms > ctx.now_ms:
            events.append(UserUnbanned())
    return events


def apply_deactivated(_: UserDeactivated, __: Meta, tables: Tables) -> None:
    _told(tables, deactivated=True)


def apply_reactivated(_: UserReactivated, __: Meta, tables: Tables) -> None:
    _told(tables, deactivated=False)


def apply_banned(event: UserBanned, _: Meta, tables: Tables) -> None:
    _told(tables, banned_ms=parse_time(event.until) if event.until else FOREVER_MS)


def apply_unbanned(_: UserUnbanned, __: Meta, tables: Tables) -> None:
    _told(tables, banned_ms=0)


def _told(tables: Tables, *, deactivated: bool | None = None, banned_ms: int | None = None) -> None:
    old = tables[TOLD].get(_ONLY) or ToldRow()
    row = ToldRow(
        old.deactivated if deactivated is None else deactivated,
        old.banned_ms if banned_ms is None else banned_ms,
    )
    tables[TOLD].put(_ONLY, row)


def is_out(tables: Tables, now_ms: int) -> bool:
    """Whether the user of this stream is excluded, as far as it has been told."""
    told = tables[TOLD].get(_ONLY) or ToldRow()
    return told.deactivated or now_ms < told.banned_ms


def _text(banned_ms: int) -> str:
    return "" if banned_ms >= FOREVER_MS else rfc3339(banned_ms)


# --- reads


def run_state(request: StateRequest, tables: Tables, ctx: Context) -> UserState:
    authority = ctx.viewer.authority
    action = Action.BAN_FROM_APP if authority == "moderator" else Action.DEACTIVATE_USER
    require(action, None, Role.NONE, authority)
    banned_ms = _banned_ms(request.user, tables, ctx)
    row = _row(request.user, tables)
    if not row.deactivated and not banned_ms:
        return UserState(request.user)
    return UserState(
        request.user,
        deactivated=row.deactivated,
        banned=banned_ms > 0,
        until=_text(banned_ms) if banned_ms else "",
        since=rfc3339(row.since_ms),
        by=row.by,
        reason=row.reason,
    )


def turn_state(request: StateRequest, _: EdgeContext) -> QueryCall:
    return QueryCall(APP_STREAM, "user.state", StateRequest(check_user(request.user)))


_USER: Final = "/v1/users/{user}"

FEATURE: Final = Feature(
    name="exclusions",
    tables=(EXCLUDED, BY_END, COUNT, TOLD),
    check={
        DeactivateUser: check_with_reason,
        ReactivateUser: check_of_user,
        BanUser: check_with_reason,
        UnbanUser: check_of_user,
    },
    decide={
        DeactivateUser: decide_deactivate,
        ReactivateUser: decide_reactivate,
        BanUser: decide_ban,
        UnbanUser: decide_unban,
        TellUser: decide_tell,
    },
    apply={
        UserExclusionSet: apply_set,
        ExclusionExplained: apply_explained,
        UserDeactivated: apply_deactivated,
        UserReactivated: apply_reactivated,
        UserBanned: apply_banned,
        UserUnbanned: apply_unbanned,
    },
    effects={UserExclusionSet: effects_set},
    queries=(QueryRow("user.state", StateRequest, run_state),),
    verbs=(
        Verb("user.deactivate", DeactivateUser, as_command, Done, "Put a user out of the app."),
        Verb("user.reactivate", ReactivateUser, as_command, Done, "Let him in again."),
        Verb("user.ban", BanUser, as_command, Done, "Ban a user from the app."),
        Verb("user.unban", UnbanUser, as_command, Done, "End a ban from the app."),
        Verb("user.state", StateRequest, turn_state, UserState, "Is a user excluded, and why."),
    ),
    routes=(
        Route("POST", _USER + "/deactivate", DeactivateUser, as_command, Done),
        Route("POST", _USER + "/reactivate", ReactivateUser, as_command, Done),
        Route("POST", _USER + "/ban", BanUser, as_command, Done),
        Route("POST", _USER + "/unban", UnbanUser, as_command, Done),
        Route("GET", _USER + "/state", StateRequest, turn_state, UserState),
    ),
)
