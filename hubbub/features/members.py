"""Members of a channel: invited, joined, left, removed; and their roles.

Rules:
1. A group is invite-only unless it is public; a server key may add people without asking them.
2. An open channel needs no membership: joining it by oneself stores nothing. A row is kept for
   those who were named at its creation, added by a server key or given a role.
3. A dm has its pair for ever: nobody is invited, leaves or is removed.
4. One removes or demotes only who ranks below oneself; an owner may do it to anybody. Nobody gives
   a role whose rights he has not got.
5. At most `channel_members_max` rows a channel (10,000 unless the app says otherwise), all of them
   in the channel's own stream (decision record 0033).
6. `member.removed` and `member.left` evict: every edge ends the subscriptions of those users to
   this channel, who have no right to what follows. In an open channel they may come back, unless
   they are banned (`sanctions`): a ban is lifted before anybody lets them in again.
7. The last owner does not leave, remove or demote himself while there are other members
   (`last_owner`): he makes another one an owner before, or deletes the channel. Who gives roles in
   the whole app, such as a server key, may leave a channel without; `succession` has the rest.

Long because six commands over one set of rows are six shapes, checks and decisions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from hubbub.base.errors import BAD_REQUEST, LAST_OWNER, NOT_FOUND, Rejected
from hubbub.base.names import check_user
from hubbub.features.channels import ChannelCreated
from hubbub.features.contract import (
    Command,
    Context,
    Done,
    EdgeContext,
    Event,
    Feature,
    Meta,
    QueryCall,
    QueryRow,
    Route,
    Tables,
    Verb,
    as_command,
)
from hubbub.features.fields import check_chat_channel, check_limit, check_users
from hubbub.features.guarantees import tier_events
from hubbub.features.publication import rfc3339
from hubbub.features.standing import (
    CHANNEL,
    INVITES,
    JOINS,
    MEMBER_COUNT,
    MEMBERS,
    ONLY,
    STAFF,
    ChannelRow,
    InviteRow,
    MemberRow,
    channel_row,
    count_joins,
    drop_member,
    granted,
    has_owner,
    member_count,
    put_member,
    refuse_direct,
    require_above,
    require_held,
    require_not_banned,
    require_room,
    require_standing,
    require_user,
    role_of,
    standing_of,
)
from hubbub.model.channel import ChannelKind
from hubbub.model.member import MemberInfo, Role
from hubbub.model.permissions import Action, of_authority

PAGE_DEFAULT: Final = 100
PAGE_MAX: Final = 1_000


class _OfUsers(Command, frozen=True):
    """A command over one user (`user`) or several (`users`); its check puts all into `users`."""

    TAG = ""

    channel: str
    users: tuple[str, ...] = ()
    user: str = ""


class InviteMembers(_OfUsers, frozen=True):
    """Ask people in; they decide."""

    TAG = "member.invite"


class AddMembers(_OfUsers, frozen=True):
    """Make people members without asking them."""

    TAG = "member.add"


class RemoveMembers(_OfUsers, frozen=True):
    """Remove members, or take invitations back."""

    TAG = "member.remove"


class JoinChannel(Command, frozen=True):
    """Become a member: invited, or the group is public. An open channel is entered by subscribing:
    this makes no row there, and `role` stays "none"."""

    TAG = "member.join"

    channel: str


class LeaveChannel(Command, frozen=True):
    """Give up membership, or decline an invitation."""

    TAG = "member.leave"

    channel: str


class SetRole(Command, frozen=True):
    """Give a member another role."""

    TAG = "member.set_role"

    channel: str
    user: str
    role: Role


class MembersJoined(Event, frozen=True):
    """These are members from now on."""

    TAG = "member.joined"

    users: tuple[str, ...]


class MembersInvited(Event, frozen=True):
    """These may join from now on."""

    TAG = "member.invited"

    users: tuple[str, ...]


class MembersLeft(Event, frozen=True):
    """These gave up membership or declined."""

    TAG = "member.left"

    users: tuple[str, ...]

    def evicts(self) -> Sequence[str]:
        return self.users


class MembersRemoved(Event, frozen=True):
    """These lost membership or their invitation."""

    TAG = "member.removed"

    users: tuple[str, ...]

    def evicts(self) -> Sequence[str]:
        return self.users


class RoleChanged(Event, frozen=True):
    """`user` has this role from now on."""

    TAG = "member.role_changed"

    user: str
    role: Role


class MembersRequest(Struct, frozen=True):
    """A page of members in order of their ids, behind `after`."""

    channel: str
    after: str = ""
    limit: int = PAGE_DEFAULT


class MembersPage(Struct, frozen=True):
    """`next`: pass it as `after` for the next page; empty at the end."""

    members: list[MemberInfo]
    count: int
    next: str = ""


def check_users_of(cmd: _OfUsers, ctx: EdgeContext) -> _OfUsers:
    check_chat_channel(cmd.channel)
    named = (*cmd.users, cmd.user) if cmd.user else cmd.users
    if not named:
        raise Rejected(BAD_REQUEST, "name a user, or users")
    return replace(cmd, users=check_users(named, ctx.settings), user="")


def check_self(cmd: JoinChannel | LeaveChannel, _: EdgeContext) -> JoinChannel | LeaveChannel:
    check_chat_channel(cmd.channel)
    return cmd


def check_set_role(cmd: SetRole, _: EdgeContext) -> SetRole:
    check_chat_channel(cmd.channel)
    check_user(cmd.user)
    if cmd.role.rank < Role.MEMBER.rank:
        raise Rejected(BAD_REQUEST, "a role is member, moderator or owner")
    return cmd


def decide_invite(cmd: InviteMembers, tables: Tables, ctx: Context) -> list[Event]:
    row = require_standing(Action.INVITE, tables, ctx)
    refuse_direct(row.kind)
    new = tuple(user for user in cmd.users if role_of(tables, user) is Role.NONE)
    require_not_banned(new, row, tables, ctx)
    return [MembersInvited(users=new)] if new else []


def decide_add(cmd: AddMembers, tables: Tables, ctx: Context) -> list[Event]:
    row = require_standing(Action.ADD, tables, ctx)
    refuse_direct(row.kind)
    new = tuple(user for user in cmd.users if tables[MEMBERS].get(user) is None)
    require_not_banned(new, row, tables, ctx)
    require_room(len(new), tables, ctx)
    return joined_events(row, new, tables)


def decide_join(_: JoinChannel, tables: Tables, ctx: Context) -> list[Event]:
    row = channel_row(tables)
    user = _require_actor(ctx)
    role = role_of(tables, user)
    if role.rank >= Role.MEMBER.rank:
        return []
    standing = Role.INVITED if row.public and not row.approval else role
    require_user(user, (Action.JOIN,), tables, ctx, ctx.viewer.authority, role=standing)
    require_not_banned((user,), row, tables, ctx)
    refuse_direct(row.kind)
    if row.kind is ChannelKind.OPEN and role is Role.NONE:
        return []
    require_room(1, tables, ctx)
    return joined_events(row, (user,), tables)


def decide_leave(_: LeaveChannel, tables: Tables, ctx: Context) -> list[Event]:
    user = _require_actor(ctx)
    row = require_standing(Action.LEAVE, tables, ctx)
    role = role_of(tables, user)
    refuse_direct(row.kind)
    if role is Role.NONE:
        return []
    require_owner_left((user,), tables, ctx)
    return [MembersLeft(users=(user,)), *fallen_events(row, (user,), tables)]


def decide_remove(cmd: RemoveMembers, tables: Tables, ctx: Context) -> list[Event]:
    row = require_standing(Action.REMOVE, tables, ctx)
    refuse_direct(row.kind)
    is_open = row.kind is ChannelKind.OPEN  # who has no row there may still be subscribed
    gone = tuple(u for u in cmd.users if is_open or role_of(tables, u) is not Role.NONE)
    for user in gone:
        require_above(user, tables, ctx)
    require_owner_left(gone, tables, ctx)
    return [MembersRemoved(users=gone), *fallen_events(row, gone, tables)] if gone else []


def decide_set_role(cmd: SetRole, tables: Tables, ctx: Context) -> list[Event]:
    row = require_standing(Action.SET_ROLE, tables, ctx)
    refuse_direct(row.kind)
    role = role_of(tables, cmd.user)
    if role.rank < Role.MEMBER.rank:
        if row.kind is not ChannelKind.OPEN:
            raise Rejected(NOT_FOUND, "no such member")
        require_room(1, tables, ctx)
    if role is cmd.role:
        return []
    require_above(cmd.user, tables, ctx)
    require_owner_left((cmd.user,), tables, ctx, staying=1)
    require_not_banned((cmd.user,), row, tables, ctx)
    standing = standing_of(cmd.user, tables, ctx)
    risen = granted(replace(standing, role=cmd.role), ctx.settings)
    require_held(risen - granted(standing, ctx.settings), tables, ctx)
    count = member_count(tables) + (tables[MEMBERS].get(cmd.user) is None)
    return [RoleChanged(user=cmd.user, role=cmd.role), *tier_events(row, count, tables)]


def require_owner_left(
    users: Sequence[str], tables: Tables, ctx: Context, *, staying: int = 0
) -> None:
    """Raises Rejected(LAST_OWNER) if others would stay in a channel that these owned alone; in an
    open one there may always be others. `staying`: how many of these stay members."""
    if Action.SET_ROLE in of_authority(ctx.viewer.authority):
        return
    roles = [role for user in users if (role := role_of(tables, user)).rank >= Role.MEMBER.rank]
    if Role.OWNER not in roles or has_owner(tables, users):
        return
    is_empty = member_count(tables) == len(roles) - staying
    if not is_empty or channel_row(tables).kind is ChannelKind.OPEN:
        raise Rejected(LAST_OWNER)


def apply_created(event: ChannelCreated, meta: Meta, tables: Tables) -> None:
    for user in event.members:
        role = Role.OWNER if user == event.owner else Role.MEMBER
        put_member(user, MemberRow(role, meta.ts_ms, meta.seq), None, tables)
    if event.members:
        tables[MEMBER_COUNT].put(ONLY, len(event.members))
        count_joins({meta.seq: len(event.members)}, tables)


def apply_joined(event: MembersJoined, meta: Meta, tables: Tables) -> None:
    for user in event.users:
        _add_row(user, Role.MEMBER, meta, tables)


def apply_invited(event: MembersInvited, meta: Meta, tables: Tables) -> None:
    for user in event.users:
        tables[INVITES].put(user, InviteRow(meta.by, meta.ts_ms))


def apply_gone(event: MembersLeft | MembersRemoved, _: Meta, tables: Tables) -> None:
    joins: Counter[int] = Counter()
    for user in event.users:
        if tables[INVITES].get(user) is not None:
            tables[INVITES].delete(user)
        row = tables[MEMBERS].get(user)
        if row is not None:
            drop_member(user, row, tables)
            joins[row.join_seq] -= 1
    if joins:
        tables[MEMBER_COUNT].put(ONLY, member_count(tables) + sum(joins.values()))
        count_joins(joins, tables)


def apply_role(event: RoleChanged, meta: Meta, tables: Tables) -> None:
    row = tables[MEMBERS].get(event.user)
    if row is None:
        _add_row(event.user, event.role, meta, tables)
    else:
        put_member(event.user, replace(row, role=event.role), row, tables)


def run_list(request: MembersRequest, tables: Tables, ctx: Context) -> MembersPage:
    require_standing(Action.LIST_MEMBERS, tables, ctx)
    check_limit(request.limit, PAGE_MAX)
    if request.after:
        check_user(request.after)
    rows = tables[MEMBERS].scan(after=request.after or None, limit=request.limit)
    page = [MemberInfo(user, row.role, rfc3339(row.joined_ms)) for user, row in rows]
    more = page[-1].user if len(page) == request.limit else ""
    return MembersPage(page, member_count(tables), more)


def turn_list(request: MembersRequest, _: EdgeContext) -> QueryCall:
    return QueryCall(check_chat_channel(request.channel), "members.list", request)


def turn_remove_one(request: RemoveMembers, _: EdgeContext) -> RemoveMembers:
    return replace(request, users=())


def joined_events(row: ChannelRow, new: tuple[str, ...], tables: Tables) -> list[Event]:
    """These become members, and what follows of it for the channel's guarantees."""
    if not new:
        return []
    return [MembersJoined(users=new), *tier_events(row, member_count(tables) + len(new), tables)]


def fallen_events(row: ChannelRow, gone: tuple[str, ...], tables: Tables) -> list[Event]:
    """What follows for the channel's guarantees when these go."""
    members = sum(tables[MEMBERS].get(user) is not None for user in gone)
    return tier_events(row, member_count(tables) - members, tables)


def _add_row(user: str, role: Role, meta: Meta, tables: Tables) -> None:
    if tables[INVITES].get(user) is not None:
        tables[INVITES].delete(user)
    if tables[MEMBERS].get(user) is None:
        tables[MEMBER_COUNT].put(ONLY, member_count(tables) + 1)
        channel = tables[CHANNEL].get(ONLY)
        history_from = meta.seq if channel is not None and channel.from_join else 0
        put_member(user, MemberRow(role, meta.ts_ms, meta.seq, history_from), None, tables)
        count_joins({meta.seq: 1}, tables)


def _require_actor(ctx: Context) -> str:
    if not ctx.actor:
        raise Rejected(BAD_REQUEST, "name the user (by)")
    return ctx.actor


_MEMBERS_PATH: Final = "/v1/channels/{channel}/members"
_MEMBER_PATH: Final = _MEMBERS_PATH + "/{user}"

_JOIN_DOC: Final = "Accept, or enter a public group; in an open channel `role` stays `none`."

FEATURE: Final = Feature(
    name="members",
    tables=(MEMBERS, STAFF, INVITES, MEMBER_COUNT, JOINS),
    check={
        InviteMembers: check_users_of,
        AddMembers: check_users_of,
        RemoveMembers: check_users_of,
        JoinChannel: check_self,
        LeaveChannel: check_self,
        SetRole: check_set_role,
    },
    decide={
        InviteMembers: decide_invite,
        AddMembers: decide_add,
        RemoveMembers: decide_remove,
        JoinChannel: decide_join,
        LeaveChannel: decide_leave,
        SetRole: decide_set_role,
    },
    apply={
        ChannelCreated: apply_created,
        MembersJoined: apply_joined,
        MembersInvited: apply_invited,
        MembersLeft: apply_gone,
        MembersRemoved: apply_gone,
        RoleChanged: apply_role,
    },
    queries=(QueryRow("members.list", MembersRequest, run_list),),
    verbs=(
        Verb("member.invite", InviteMembers, as_command, Done, "Ask people in."),
        Verb("member.add", AddMembers, as_command, Done, "Make people members (server keys)."),
        Verb("member.join", JoinChannel, as_command, Done, _JOIN_DOC),
        Verb("member.leave", LeaveChannel, as_command, Done, "Leave, or decline."),
        Verb("member.remove", RemoveMembers, as_command, Done, "Remove members."),
        Verb("member.set_role", SetRole, as_command, Done, "Change a member's role."),
        Verb("members.list", MembersRequest, turn_list, MembersPage, "A page of members."),
    ),
    routes=(
        Route("GET", _MEMBERS_PATH, MembersRequest, turn_list, MembersPage),
        Route("POST", _MEMBERS_PATH, AddMembers, as_command, Done),
        Route("POST", "/v1/channels/{channel}/invites", InviteMembers, as_command, Done),
        Route("POST", "/v1/channels/{channel}/join", JoinChannel, as_command, Done, doc=_JOIN_DOC),
        Route("POST", "/v1/channels/{channel}/leave", LeaveChannel, as_command, Done),
        Route("PUT", _MEMBER_PATH, SetRole, as_command, Done),
        Route("DELETE", _MEMBER_PATH, RemoveMembers, turn_remove_one, Done),
    ),
)
