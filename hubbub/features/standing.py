"""Where a user stands in a channel: the rows that decide rights, and the look-up over them.

Read by every feature of a channel; written by channels, promotion and archive (CHANNEL), members
and promotion (members, staff, invites), succession (AWAY), capabilities (MEMBER_RIGHTS) and
sanctions (BANS, MUTES).
Membership is true here, in the channel's own stream, and nowhere else.

Rules:
1. Rights are laid over one another: the table of kind and role, then what the app, the channel and
   the member have of their own. A later layer wins; within one, a denial does.
2. A ban takes every right; a mute, and freezing for those without SEND_FROZEN, takes SPEAKING.
   Both end by log time, without timers.
3. SEE and READ come from kind and role alone: who may not read is banned or removed, which ends
   his subscriptions, as a mere denial could not.
4. A guest (features.guests) has of all that what the app leaves to guests.
5. An authority adds to all that, and nothing takes away from it.
6. A dm and a private group answer whoever they do not know (no member, not invited, not banned)
   as a channel that does not exist. Members who left or were removed are such strangers again.
7. A channel without rights of its own and without sanctions costs the reads of its own row and of
   the member's: the counts in the channel's row say whether there is anything more to read.

Long because rows, layers and refusals of one look-up stand together.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, TypeVar

from msgspec import Struct

from hubbub.base.errors import (
    BANNED,
    CHANNEL_ARCHIVED,
    CHANNEL_FROZEN,
    CHANNEL_NOT_FOUND,
    MUTED,
    NOT_A_MEMBER,
    PERMISSION_DENIED,
    TOO_MANY,
    Rejected,
)
from hubbub.features.contract import Context, Rows, Table, Tables
from hubbub.features.publication import rfc3339
from hubbub.features.watermarks import CountsRow, Histograms, Key, Values, change, count_above
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role
from hubbub.model.permissions import (
    SPEAKING,
    Action,
    Authority,
    laid_over,
    of_authority,
    of_role,
)
from hubbub.settings.app import AppSettings, Override

ONLY: Final = 0  # the key of a table that has one row a stream
FOREVER_MS: Final = 1 << 62  # the end of a sanction that has none
Rights = frozenset[Action]
V = TypeVar("V")
_PAGE: Final = 1_000
_ALL: Final = 1 << 62
# What nobody does in an archived channel, whatever his rights.
ARCHIVED_STOPS: Final = SPEAKING | {
    Action.JOIN,
    Action.REQUEST_JOIN,
    Action.ANSWER_REQUEST,
    Action.INVITE,
    Action.ADD,
    Action.PROMOTE,
}
# Nobody inside has these himself: who may invite may grant them.
_LETTING_IN: Final = frozenset({Action.JOIN, Action.REQUEST_JOIN})


class ChannelRow(Struct, frozen=True, array_like=True, gc=False):
    """`data` is JSON or empty. `rights`: by role. `member_rights`, `sanctions`: how many rows there
    are in those tables, so that nobody reads them in vain."""

    kind: ChannelKind
    created_ms: int
    created_by: str
    name: str = ""
    data: bytes = b""
    public: bool = False  # a group that anybody may join; listed in the directory
    deleted: bool = False
    frozen: bool = False
    slow_mode_s: int = 0
    rights: dict[Role, Override] = {}
    member_rights: int = 0
    sanctions: int = 0
    approval: bool = False  # whoever wants to join a public group asks its staff
    archived: bool = False  # read only, and not listed
    from_join: bool = False  # who joins from now on reads from there on
    open_from: int = 0  # who has no row reads from here on


class MemberRow(Struct, frozen=True, array_like=True, gc=False):
    """`join_seq`: the seq of the event that made them a member; nothing before it is unread.
    `history_from`: the lowest seq they may read, 0 for all."""

    role: Role
    joined_ms: int
    join_seq: int
    history_from: int = 0


class InviteRow(Struct, frozen=True, array_like=True, gc=False):
    """Who asked them in, and when."""

    by: str
    invited_ms: int


class SanctionRow(Struct, frozen=True, array_like=True, gc=False):
    """A ban or a mute, while log time is before `until_ms`."""

    until_ms: int
    by: str
    since_ms: int
    reason: str = ""

    @property
    def until(self) -> str:
        """RFC 3339; empty for ever."""
        return "" if self.until_ms >= FOREVER_MS else rfc3339(self.until_ms)


class Standing(Struct, frozen=True):
    """What decides a user's rights in a channel. `own`: laid over what the role has."""

    channel: ChannelRow
    role: Role
    own: Override | None = None
    ban: SanctionRow | None = None
    mute: SanctionRow | None = None


CHANNEL: Final[Table[int, ChannelRow]] = Table("channel", int, ChannelRow)
MEMBERS: Final[Table[str, MemberRow]] = Table("members", str, MemberRow)
INVITES: Final[Table[str, InviteRow]] = Table("members.invites", str, InviteRow)
STAFF: Final[Table[str, str]] = Table("members.staff", str, str)  # roles above a member's
# Owners who are out of the app (features.succession).
AWAY: Final[Table[str, int]] = Table("succession.away", str, int)
MEMBER_COUNT: Final[Table[int, int]] = Table("members.count", int, int)
JOINS: Final[Histograms] = Table("members.joins", Key, CountsRow)
MEMBER_RIGHTS: Final[Table[str, Override]] = Table("capabilities.members", str, Override)
BANS: Final[Table[str, SanctionRow]] = Table("sanctions.bans", str, SanctionRow)
MUTES: Final[Table[str, SanctionRow]] = Table("sanctions.mutes", str, SanctionRow)


# --- what is asked most


def channel_row(tables: Tables) -> ChannelRow:
    """The channel of this stream. Raises Rejected(CHANNEL_NOT_FOUND) if there is none."""
    row = tables[CHANNEL].get(ONLY)
    if row is None or row.deleted:
        raise Rejected(CHANNEL_NOT_FOUND)
    return row


def require_standing(action: Action, tables: Tables, ctx: Context, *more: Action) -> ChannelRow:
    """The channel, if the viewer may do this (and all of `more`) in it. Raises Rejected."""
    return require_user(ctx.actor, (action, *more), tables, ctx, ctx.viewer.authority)


def require_user(
    user: str,
    actions: Sequence[Action],
    tables: Tables,
    ctx: Context,
    authority: str = Authority.CLIENT,
    *,
    role: Role | None = None,
) -> ChannelRow:
    """The channel, if this user may do all of it: for what falls due later, in a user's name.
    `role`: taken for the user's own. Raises Rejected."""
    standing = standing_of(user, tables, ctx, role)
    rights, more = within(rights_of(standing, ctx.settings), ctx), of_authority(authority)
    missing = [action for action in actions if action not in rights and action not in more]
    if missing and _is_hidden(standing, authority, ctx):
        raise Rejected(CHANNEL_NOT_FOUND)
    if standing.channel.archived and not ARCHIVED_STOPS.isdisjoint(actions):
        raise Rejected(CHANNEL_ARCHIVED)
    for action in missing:
        if ctx.viewer.guest and action not in ctx.settings.guest_capabilities:
            raise Rejected(PERMISSION_DENIED, f"{action} is not for guests here")
        raise _refusal(action, standing, ctx.settings)
    return standing.channel


def may(action: Action, tables: Tables, ctx: Context) -> bool:
    """Whether the viewer may do this. Raises Rejected(CHANNEL_NOT_FOUND) if there is no channel."""
    if action in of_authority(ctx.viewer.authority):
        return True
    return action in within(rights_of(standing_of(ctx.actor, tables, ctx), ctx.settings), ctx)


def refusal_of(
    user: str, action: Action, tables: Tables, ctx: Context, role: Role | None = None
) -> Rejected | None:
    """Why this user may not do this by what he is in the channel; None: he may. `role`: his own,
    where it is at hand."""
    try:
        require_user(user, (action,), tables, ctx, role=role)
    except Rejected as refusal:
        return refusal
    return None


def refusals_of(
    users: Sequence[str], action: Action, tables: Tables, ctx: Context
) -> dict[str, Rejected]:
    """The same of many users, of those who may not. Who has no rights and no sanctions of his own
    may what his role may, so that one is asked for each role. Raises
    Rejected(CHANNEL_NOT_FOUND)."""
    if len(users) == 1:  # as most commands that edges gather
        refusal = refusal_of(users[0], action, tables, ctx)
        return {} if refusal is None else {users[0]: refusal}
    channel = channel_row(tables)
    has_own = channel.member_rights or channel.sanctions
    apart = _with_own(users, tables) if has_own else frozenset[str]()
    refused: dict[str, Rejected] = {}
    by_role: dict[Role, Rejected | None] = {}
    for user, role in zip(users, roles_of(tables, users), strict=True):
        if user in apart:
            refusal = refusal_of(user, action, tables, ctx, role)
        elif role in by_role:
            refusal = by_role[role]
        else:
            refusal = by_role[role] = refusal_of(user, action, tables, ctx, role)
        if refusal is not None:
            refused[user] = refusal
    return refused


def _with_own(users: Sequence[str], tables: Tables) -> Container[str]:
    """Those of them who have a row of their own, besides that of their role."""
    of_tables: tuple[Table[str, Any], ...] = (MEMBER_RIGHTS, BANS, MUTES)
    return {
        user
        for table in of_tables
        for user, row in zip(users, tables[table].get_many(users), strict=True)
        if row is not None
    }


def require_known(tables: Tables, ctx: Context) -> ChannelRow:
    """The channel, if it shows the viewer that it exists. Raises Rejected(CHANNEL_NOT_FOUND)."""
    standing = standing_of(ctx.actor, tables, ctx)
    if _is_hidden(standing, Authority.CLIENT, ctx):
        raise Rejected(CHANNEL_NOT_FOUND)
    return standing.channel


def role_of(tables: Tables, user: str) -> Role:
    """The user's role in this channel."""
    member = tables[MEMBERS].get(user)
    if member is not None:
        return member.role
    return Role.INVITED if tables[INVITES].get(user) is not None else Role.NONE


def roles_of(tables: Tables, users: Sequence[str]) -> list[Role]:
    """The same of many users."""
    members = tables[MEMBERS].get_many(users)
    roles = [Role.NONE if member is None else member.role for member in members]
    others = [at for at, member in enumerate(members) if member is None]
    if others:
        invites = tables[INVITES].get_many([users[at] for at in others])
        for at, invite in zip(others, invites, strict=True):
            if invite is not None:
                roles[at] = Role.INVITED
    return roles


def readable_from(tables: Tables, ctx: Context) -> int:
    """The lowest seq that the viewer may read: the floor, or where their history begins."""
    if ctx.viewer.authority != Authority.CLIENT:
        return tables.floor_seq
    return max(tables.floor_seq, history_of(ctx.actor, tables))


def history_of(user: str, tables: Tables) -> int:
    """Where a user's history of this channel begins, 0 for all of it."""
    member = tables[MEMBERS].get(user)
    if member is not None:
        return member.history_from
    row = tables[CHANNEL].get(ONLY)
    return 0 if row is None else row.open_from


def put_member(user: str, row: MemberRow, old: MemberRow | None, tables: Tables) -> None:
    """Write a member's row, and the staff's list with it. `old`: the row that stands there."""
    tables[MEMBERS].put(user, row)
    if row.role.rank > Role.MEMBER.rank:
        tables[STAFF].put(user, row.role.value)
    elif old is not None and old.role.rank > Role.MEMBER.rank:
        tables[STAFF].delete(user)


def drop_member(user: str, old: MemberRow, tables: Tables) -> None:
    """Delete a member's row."""
    tables[MEMBERS].delete(user)
    if old.role.rank > Role.MEMBER.rank:
        tables[STAFF].delete(user)


def has_owner(tables: Tables, but: Container[str] = ()) -> bool:
    """Whether somebody who is not out of the app owns the channel, besides these."""
    return any(
        role == Role.OWNER and user not in but and tables[AWAY].get(user) is None
        for user, role in scanned(tables[STAFF])
    )


def scanned(rows: Rows[str, V], limit: int = _ALL) -> Iterator[tuple[str, V]]:
    """These rows, page by page: at most so many."""
    after: str | None = None
    while limit > 0 and (page := rows.scan(after=after, limit=min(limit, _PAGE))):
        yield from page
        after, limit = page[-1][0], limit - len(page)


def member_count(tables: Tables) -> int:
    """How many members have a row."""
    return tables[MEMBER_COUNT].get(ONLY) or 0


def require_room(count: int, tables: Tables, ctx: Context) -> None:
    """Raises Rejected(TOO_MANY) if the channel does not take so many more."""
    limit = ctx.settings.channel_members_max
    if count and member_count(tables) + count > limit:
        raise Rejected(TOO_MANY, f"at most {limit} members", limit=limit)


# --- how rights come about


def standing_of(user: str, tables: Tables, ctx: Context, role: Role | None = None) -> Standing:
    """All that decides a user's rights; `role`: taken for his own."""
    channel = channel_row(tables)
    role = role_of(tables, user) if role is None else role
    if not channel.member_rights and not channel.sanctions:
        return Standing(channel, role)
    return Standing(
        channel,
        role,
        tables[MEMBER_RIGHTS].get(user) if channel.member_rights else None,
        _live(tables[BANS].get(user), ctx) if channel.sanctions else None,
        _live(tables[MUTES].get(user), ctx) if channel.sanctions else None,
    )


def rights_of(standing: Standing, settings: AppSettings) -> Rights:
    """What the user may do now."""
    if standing.ban is not None:
        return frozenset()
    rights = granted(standing, settings)
    if standing.mute is not None or (standing.channel.frozen and Action.SEND_FROZEN not in rights):
        return rights - SPEAKING
    return rights


def granted(standing: Standing, settings: AppSettings) -> Rights:
    """What the user may do, sanctions and freezing aside."""
    rights = role_rights(standing.channel, standing.role, settings)
    return rights if standing.own is None else _laid(rights, standing.own)


def role_rights(channel: ChannelRow, role: Role, settings: AppSettings) -> Rights:
    """What a role may do in this channel."""
    rights = kind_rights(channel.kind, role, settings)
    own = channel.rights.get(layer_of(channel.kind, role)) if channel.rights else None
    return rights if own is None else _laid(rights, own)


def kind_rights(kind: ChannelKind, role: Role, settings: AppSettings) -> Rights:
    """What a role may do in channels of this kind: the table, and what the app says of it."""
    rights = of_role(kind, role)
    if not settings.capabilities:
        return rights
    own = settings.capabilities.get(kind, {}).get(layer_of(kind, role))
    return rights if own is None else _laid(rights, own)


def all_may(action: Action, tables: Tables, settings: AppSettings) -> bool:
    """Whether nobody who reads the channel is denied this, sanctions and guests aside: whether a
    signal to all of them may tell it. Raises Rejected(CHANNEL_NOT_FOUND)."""
    channel = channel_row(tables)
    is_open = channel.kind is ChannelKind.OPEN
    roles = {Role.NONE, Role.MEMBER} if is_open else {Role.MEMBER}
    if channel.rights or settings.capabilities:  # else nothing is laid over any role
        roles.update(Role(role) for _, role in scanned(tables[STAFF]))
    if any(action not in role_rights(channel, role, settings) for role in roles):
        return False
    if not channel.member_rights:
        return True
    if not is_open and member_count(tables) < channel.member_rights:
        # By members: who has left keeps his denials, and there may be thousands.
        members = [user for user, _ in scanned(tables[MEMBERS])]
        own = tables[MEMBER_RIGHTS].get_many(members)
        return not any(row is not None and action in row.deny for row in own)
    denied = [user for user, row in scanned(tables[MEMBER_RIGHTS]) if action in row.deny]
    return not denied if is_open else not any(tables[MEMBERS].get_many(denied))


def layer_of(kind: ChannelKind, role: Role) -> Role:
    """Whose rights are meant: in an open channel an invitation changes nothing."""
    return Role.NONE if kind is ChannelKind.OPEN and role is Role.INVITED else role


def require_kind(action: Action, kind: ChannelKind, ctx: Context) -> None:
    """Raises Rejected unless the viewer may do this where there is no channel yet."""
    if action in within(kind_rights(kind, Role.NONE, ctx.settings), ctx):
        return
    if action not in of_authority(ctx.viewer.authority):
        raise Rejected(PERMISSION_DENIED, f"{action} is not allowed here")


# --- who may do it to whom


def require_above(user: str, tables: Tables, ctx: Context) -> None:
    """Raises Rejected unless the user ranks below the viewer. An owner may do it to owners, too,
    and who may give roles in the whole app may do it to anybody."""
    if Action.SET_ROLE in of_authority(ctx.viewer.authority):
        return
    own = role_of(tables, ctx.actor)
    if own is not Role.OWNER and role_of(tables, user).rank >= own.rank:
        raise Rejected(PERMISSION_DENIED, "they do not rank below you")


def require_held(gained: Iterable[Action], tables: Tables, ctx: Context) -> None:
    """Raises Rejected unless the viewer has all of it himself: nobody grants what he has not."""
    missing = frozenset(gained) - of_authority(ctx.viewer.authority)
    if missing:
        own = within(rights_of(standing_of(ctx.actor, tables, ctx), ctx.settings), ctx)
        missing -= own | _LETTING_IN if Action.INVITE in own else own
    if missing:
        raise Rejected(
            PERMISSION_DENIED,
            "nobody grants what he may not do himself",
            missing=sorted(missing),
        )


def refuse_direct(kind: ChannelKind) -> None:
    """Raises Rejected for a dm, whose pair stays."""
    if kind is ChannelKind.DM:
        raise Rejected(PERMISSION_DENIED, "a dm keeps its pair")


def require_not_banned(
    users: Iterable[str], channel: ChannelRow, tables: Tables, ctx: Context
) -> None:
    """Raises Rejected(BANNED) if one of them is: a ban is lifted before anybody lets them in."""
    if channel.sanctions:
        for user in users:
            ban = _live(tables[BANS].get(user), ctx)
            if ban is not None:
                raise Rejected(BANNED, "", **_story(ban), user=user)


def _is_hidden(standing: Standing, authority: str, ctx: Context) -> bool:
    """Rule 6. Whom an authority shows every channel is told the truth, also of others."""
    if standing.role is not Role.NONE or standing.ban is not None:
        return False
    if standing.channel.public or standing.channel.kind is ChannelKind.OPEN:
        return False
    sees_all = of_authority(authority) | of_authority(ctx.viewer.authority)
    return Action.SEE not in sees_all


def _refusal(action: Action, standing: Standing, settings: AppSettings) -> Rejected:
    """Why the user may not: the sanction first, then whether joining would help."""
    channel = standing.channel
    if standing.ban is not None:
        return Rejected(BANNED, "", **_story(standing.ban))
    if action in granted(standing, settings):
        if standing.mute is not None:
            return Rejected(MUTED, "", **_story(standing.mute))
        return Rejected(CHANNEL_FROZEN)
    if standing.role.rank < Role.MEMBER.rank and action in role_rights(
        channel, Role.MEMBER, settings
    ):
        return Rejected(NOT_A_MEMBER)
    return Rejected(PERMISSION_DENIED, f"{action} is not allowed here")


def _story(row: SanctionRow) -> dict[str, object]:
    told = {"until": row.until, "reason": row.reason}
    return {name: text for name, text in told.items() if text}


def _live(row: SanctionRow | None, ctx: Context) -> SanctionRow | None:
    return row if row is not None and ctx.now_ms < row.until_ms else None


def within(rights: Rights, ctx: Context) -> Rights:
    """These rights, cut down to what a guest may have if the viewer is one."""
    return _of_guest(rights, ctx.settings.guest_capabilities) if ctx.viewer.guest else rights


@lru_cache(maxsize=1_024)
def _of_guest(rights: Rights, allowed: tuple[str, ...]) -> Rights:
    return frozenset(action for action in rights if action in allowed)


@lru_cache(maxsize=4_096)
def _laid(rights: Rights, own: Override) -> Rights:
    return laid_over(rights, own.grant, own.deny)


def count_joins(changes: Mapping[int, int], tables: Tables) -> None:
    """Members with these join seqs came (or went, below zero): whoever writes MEMBERS says so."""
    change(JOINS, Values.JOINS, changes, tables)


def joined_by(seq: int, tables: Tables) -> int:
    """How many members had joined at this seq."""
    return member_count(tables) - count_above(JOINS, Values.JOINS, seq, tables)
