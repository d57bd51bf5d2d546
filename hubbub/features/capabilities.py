"""Capabilities that a channel gives or takes: of a role, and of one user.

Rules:
1. A role's and a user's own grants and denials are each set whole; empty ones clear them. What they
   are laid over stands in `standing`, the table in docs/PERMISSIONS.md.
2. No escalation: nobody grants, or stops denying, what he may not do himself, or changes a role or
   a user that does not rank below him. Letting in (JOIN, REQUEST_JOIN) counts as had by who may
   invite.
3. Who leaves or is removed keeps his denials and loses his grants: coming back gains nothing.
4. Everybody hears whose rights changed; which they are is for him and for SEE_CAPABILITIES.
5. In an open channel anybody may have rights of his own, elsewhere only members.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from hubbub.base.errors import (
    BAD_REQUEST,
    LIMIT_EXCEEDED,
    NOT_FOUND,
    PERMISSION_DENIED,
    Rejected,
)
from hubbub.base.names import check_user
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
    Tables,
    Verb,
    as_command,
)
from hubbub.features.fields import check_chat_channel
from hubbub.features.members import MembersLeft, MembersRemoved
from hubbub.features.standing import (
    CHANNEL,
    MEMBER_RIGHTS,
    ONLY,
    ChannelRow,
    Standing,
    granted,
    layer_of,
    require_above,
    require_held,
    require_standing,
    rights_of,
    role_of,
    role_rights,
    standing_of,
    within,
)
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role
from hubbub.model.permissions import (
    CAPABILITIES,
    FIXED,
    Action,
    check_names,
    of_authority,
    of_role,
)
from hubbub.settings.app import AppSettings, Override

MEMBER_RIGHTS_MAX: Final = 10_000  # as many as a channel has members in its own stream


class SetRoleCapabilities(Command, frozen=True):
    """What a role has of its own in this channel, from now on."""

    TAG = "channel.set_capabilities"

    channel: str
    role: Role
    grant: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


class SetMemberCapabilities(Command, frozen=True):
    """What a user has of his own in this channel, from now on."""

    TAG = "member.set_capabilities"

    channel: str
    user: str
    grant: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


class RoleCapabilitiesChanged(Event, frozen=True):
    """All that the role has of its own from now on."""

    TAG = "channel.capabilities_changed"

    role: Role
    grant: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


class MemberCapabilitiesChanged(Event, frozen=True):
    """The user has other rights of his own from now on. Which, `capabilities.get` says to him and
    to those who may see it."""

    TAG = "member.capabilities_changed"

    user: str


class MemberCapabilitiesSet(Event, frozen=True):
    """All that the user has of his own from now on: behind the event that everybody hears."""

    TAG = "member.capabilities_set"
    KIND = EventKind.SILENT

    user: str
    grant: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


class CapabilitiesRequest(Struct, frozen=True):
    """Of a user (empty: of the one who asks), or of a role."""

    channel: str
    user: str = ""
    role: Role | None = None


class Capability(Struct, frozen=True):
    """Whether it is allowed now, and what says so: `kind` (the table), `app`, `channel` (of the
    role), `member`, `ban`, `mute`, `freeze`, or `authority` (of the one who asks)."""

    allowed: bool
    from_: str = field(name="from")


class CapabilitiesAnswer(Struct, frozen=True):
    """`grant` and `deny`: what the user, or the role, has of its own in this channel."""

    channel: str
    user: str
    role: Role
    grant: tuple[str, ...]
    deny: tuple[str, ...]
    capabilities: dict[str, Capability]


def check_role(cmd: SetRoleCapabilities, _: EdgeContext) -> SetRoleCapabilities:
    check_chat_channel(cmd.channel)
    grant, deny = _checked(cmd.grant, cmd.deny)
    return replace(cmd, grant=grant, deny=deny)


def check_member(cmd: SetMemberCapabilities, _: EdgeContext) -> SetMemberCapabilities:
    check_chat_channel(cmd.channel)
    check_user(cmd.user)
    grant, deny = _checked(cmd.grant, cmd.deny)
    return replace(cmd, grant=grant, deny=deny)


def _checked(
    grant: tuple[str, ...], deny: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    check_names((*grant, *deny))
    if both := set(grant) & set(deny):
        raise Rejected(BAD_REQUEST, f"{min(both)} is granted and denied at once")
    return tuple(sorted(set(grant))), tuple(sorted(set(deny)))


def decide_role(cmd: SetRoleCapabilities, tables: Tables, ctx: Context) -> list[Event]:
    channel = require_standing(Action.SET_CAPABILITIES, tables, ctx)
    if not of_role(channel.kind, cmd.role):
        raise Rejected(BAD_REQUEST, f"nobody is {cmd.role} in a {channel.kind} channel")
    if channel.kind is ChannelKind.OPEN and cmd.role is Role.INVITED:
        raise Rejected(BAD_REQUEST, "who is invited to an open channel counts as none")
    is_staff = Action.SET_ROLE in of_authority(ctx.viewer.authority)
    if not is_staff and cmd.role.rank >= role_of(tables, ctx.actor).rank:
        raise Rejected(PERMISSION_DENIED, "this role does not rank below you")
    old, new = channel.rights.get(cmd.role, Override()), Override(cmd.grant, cmd.deny)
    if new == old:
        return []
    changed = replace(channel, rights={**channel.rights, cmd.role: new})
    before = role_rights(channel, cmd.role, ctx.settings)
    after = role_rights(changed, cmd.role, ctx.settings)
    _require_held(old, new, after - before, tables, ctx)
    return [RoleCapabilitiesChanged(role=cmd.role, grant=new.grant, deny=new.deny)]


def decide_member(cmd: SetMemberCapabilities, tables: Tables, ctx: Context) -> list[Event]:
    channel = require_standing(Action.SET_CAPABILITIES, tables, ctx)
    standing = standing_of(cmd.user, tables, ctx)
    if standing.role.rank < Role.MEMBER.rank and channel.kind is not ChannelKind.OPEN:
        raise Rejected(NOT_FOUND, "no such member")
    require_above(cmd.user, tables, ctx)
    old, new = standing.own or Override(), Override(cmd.grant, cmd.deny)
    if new == old:
        return []
    if standing.own is None and channel.member_rights >= MEMBER_RIGHTS_MAX:
        raise Rejected(LIMIT_EXCEEDED, "too many have rights of their own", limit=MEMBER_RIGHTS_MAX)
    after = granted(replace(standing, own=new), ctx.settings)
    _require_held(old, new, after - granted(standing, ctx.settings), tables, ctx)
    return [
        MemberCapabilitiesChanged(user=cmd.user),
        MemberCapabilitiesSet(user=cmd.user, grant=new.grant, deny=new.deny),
    ]


def _require_held(
    old: Override, new: Override, gained: frozenset[Action], tables: Tables, ctx: Context
) -> None:
    """Also of what the layer below grants today: it may not tomorrow, but this layer would."""
    named = {Action(name) for name in new.grant if name not in old.grant}
    lifted = {Action(name) for name in old.deny if name not in new.deny}
    require_held(gained | named | lifted, tables, ctx)


def apply_role(event: RoleCapabilitiesChanged, _: Meta, tables: Tables) -> None:
    row = tables[CHANNEL].get(ONLY)
    if row is not None:
        rights = {role: own for role, own in row.rights.items() if role is not event.role}
        if event.grant or event.deny:
            rights[event.role] = Override(event.grant, event.deny)
        tables[CHANNEL].put(ONLY, replace(row, rights=rights))


def apply_told(_: MemberCapabilitiesChanged, __: Meta, ___: Tables) -> None:
    """Nothing: which rights they are is in the event behind it."""


def apply_member(event: MemberCapabilitiesSet, _: Meta, tables: Tables) -> None:
    row = tables[CHANNEL].get(ONLY)
    if row is not None:
        _put(event.user, Override(event.grant, event.deny), row, tables)


def apply_gone(event: MembersLeft | MembersRemoved, _: Meta, tables: Tables) -> None:
    for user in event.users:
        row = tables[CHANNEL].get(ONLY)
        if row is None or not row.member_rights:
            return
        own = tables[MEMBER_RIGHTS].get(user)
        if own is not None and own.grant:
            _put(user, replace(own, grant=()), row, tables)


def _put(user: str, own: Override, row: ChannelRow, tables: Tables) -> None:
    had = tables[MEMBER_RIGHTS].get(user) is not None
    has = bool(own.grant or own.deny)
    if has:
        tables[MEMBER_RIGHTS].put(user, own)
    elif had:
        tables[MEMBER_RIGHTS].delete(user)
    if has is not had:
        count = row.member_rights + (1 if has else -1)
        tables[CHANNEL].put(ONLY, replace(row, member_rights=count))


# --- reads


def run_get(request: CapabilitiesRequest, tables: Tables, ctx: Context) -> CapabilitiesAnswer:
    channel = require_standing(Action.SEE, tables, ctx)
    if request.role is not None:
        standing = Standing(channel, request.role)
        own = channel.rights.get(request.role)
        return _answer("", standing, own, frozenset(), ctx)
    user = request.user or ctx.actor
    if user != ctx.actor:
        require_standing(Action.SEE_CAPABILITIES, tables, ctx)
    standing = standing_of(user, tables, ctx)
    authority = of_authority(ctx.viewer.authority) if user == ctx.actor else frozenset()
    return _answer(user, standing, standing.own, authority, ctx)


def _answer(
    user: str,
    standing: Standing,
    own: Override | None,
    authority: frozenset[Action],
    ctx: Context,
) -> CapabilitiesAnswer:
    rights = rights_of(standing, ctx.settings)
    sources = _sources(standing, ctx.settings)
    if user == ctx.actor and ctx.viewer.guest:
        left = within(rights, ctx)
        sources |= dict.fromkeys(rights - left, "guest")
        rights = left
    capabilities = {
        action.value: Capability(
            action in rights or action in authority,
            "authority" if action in authority and action not in rights else sources[action],
        )
        for action in Action
        if action in CAPABILITIES
    }
    own = own or Override()
    return CapabilitiesAnswer(ctx.key, user, standing.role, own.grant, own.deny, capabilities)


def _sources(standing: Standing, settings: AppSettings) -> dict[Action, str]:
    """For each capability the last layer that says something of it."""
    channel = standing.channel
    role = layer_of(channel.kind, standing.role)
    sources = dict.fromkeys(CAPABILITIES, "kind")
    layers = (
        ("app", settings.capabilities.get(channel.kind, {}).get(role)),
        ("channel", channel.rights.get(role)),
        ("member", standing.own),
    )
    for name, layer in layers:
        if layer is not None:
            said = {*layer.grant, *layer.deny} - FIXED
            sources |= {action: name for action in CAPABILITIES if action in said}
    taken = granted(standing, settings) - rights_of(standing, settings)
    reason = "ban" if standing.ban else "mute" if standing.mute else "freeze"
    return sources | dict.fromkeys(taken, reason)


def turn_get(request: CapabilitiesRequest, _: EdgeContext) -> QueryCall:
    if request.user:
        check_user(request.user)
        if request.role is not None:
            raise Rejected(BAD_REQUEST, "name a user or a role")
    return QueryCall(check_chat_channel(request.channel), "capabilities.get", request)


_PATH: Final = "/v1/channels/{channel}/capabilities"

FEATURE: Final = Feature(
    name="capabilities",
    tables=(MEMBER_RIGHTS,),
    check={SetRoleCapabilities: check_role, SetMemberCapabilities: check_member},
    decide={SetRoleCapabilities: decide_role, SetMemberCapabilities: decide_member},
    apply={
        RoleCapabilitiesChanged: apply_role,
        MemberCapabilitiesChanged: apply_told,
        MemberCapabilitiesSet: apply_member,
        MembersLeft: apply_gone,
        MembersRemoved: apply_gone,
    },
    queries=(QueryRow("capabilities.get", CapabilitiesRequest, run_get),),
    verbs=(
        Verb(
            "capabilities.get",
            CapabilitiesRequest,
            turn_get,
            CapabilitiesAnswer,
            "What a user or a role may do in a channel, and what says so.",
        ),
        Verb(
            "channel.set_capabilities",
            SetRoleCapabilities,
            as_command,
            Done,
            "Grant or deny a role in a channel.",
        ),
        Verb(
            "member.set_capabilities",
            SetMemberCapabilities,
            as_command,
            Done,
            "Grant or deny a user in a channel.",
        ),
    ),
    routes=(
        Route("GET", _PATH, CapabilitiesRequest, turn_get, CapabilitiesAnswer),
        Route("PUT", _PATH + "/{role}", SetRoleCapabilities, as_command, Done),
        Route(
            "PUT",
            "/v1/channels/{channel}/members/{user}/capabilities",
            SetMemberCapabilities,
            as_command,
            Done,
        ),
    ),
)
