"""A user's channels, in his own stream `#user`: what he was added to, invited to, removed from.

Rules:
1. It is a projection, at most a second behind the channels' own streams, and no right depends on
   it.
2. It is written by Forwards of membership events alone; each is idempotent, and those of one
   channel arrive in order.
3. Rare things only: a message or a mark never comes here.
4. `name` is the channel's at the time of the entry, and kept current while it has at most
   RENAMED_MEMBERS_MAX members; the channel's own snapshot always has the current one.
5. What concerns the list of everybody who is a member or invited (a deletion, a promotion) goes
   step by step: each entry tells STEP_MEMBERS of them how the channel stands by then, and sets the
   next step as something that falls due at once. So no entry holds up its slot, and a leader that
   dies changes nothing.

Long because both halves of the projection, what channels cause and what the user's
stream keeps of it, stand together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from hubbub.base.errors import BAD_REQUEST, PERMISSION_DENIED, TOO_MANY, Rejected
from hubbub.base.names import check_channel, check_user, user_stream
from hubbub.features.blocks import BLOCKED
from hubbub.features.channels import ChannelCreated, ChannelDeleted, ChannelUpdated
from hubbub.features.contract import (
    Command,
    Context,
    Due,
    EdgeContext,
    Effect,
    Event,
    EventKind,
    Feature,
    Forward,
    Local,
    Meta,
    Nothing,
    QueryCall,
    QueryRow,
    Route,
    Tables,
    Verb,
)
from hubbub.features.fields import check_limit
from hubbub.features.list_rows import (
    BY_AGE,
    LISTED,
    Hidden,
    ListedChannel,
    ListedRow,
    line,
    own_rows,
)
from hubbub.features.members import (
    MembersInvited,
    MembersJoined,
    MembersLeft,
    MembersRemoved,
    RoleChanged,
)
from hubbub.features.promotion import ChannelPromoted
from hubbub.features.standing import CHANNEL, INVITES, MEMBERS, ONLY, member_count
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role
from hubbub.model.permissions import Action, require

# Above it a new name is not told to every list: whoever may rename could flood the nodes.
RENAMED_MEMBERS_MAX: Final = 1_000
_TELL: Final = "channel_list.tell"
STEP_MEMBERS: Final = 1_000  # of one entry: some 20 ms of Forwards
PAGE_MAX: Final = 200  # features.md: the channels whose heads a connection hears of

# The seq of the event that added it, the channel, its row.
Recent: TypeAlias = Sequence[tuple[int, str, ListedRow | None]]


class PutListed(Command, frozen=True):
    """The user stands so in the channel. `inviter`: who put him there or asks him in, without
    having been asked by him."""

    TAG = "channel_list.put"

    user: str
    channel: str
    kind: ChannelKind
    role: Role
    name: str = ""
    peer: str = ""
    inviter: str = ""

    def stream_key(self) -> str:
        return user_stream(self.user)


class DropListed(Command, frozen=True):
    """The user has nothing to do with the channel any more."""

    TAG = "channel_list.drop"

    user: str
    channel: str

    def stream_key(self) -> str:
        return user_stream(self.user)


class TellLists(Command, frozen=True):
    """Falls due: tell the lists of those behind `after`."""

    TAG = "channel_list.tell"

    channel: str
    after: str


class ListsTold(Event, frozen=True):
    """On a channel's stream: the lists of the next ones behind `after` are told."""

    TAG = "channel_list.told"
    KIND = EventKind.SILENT

    after: str


class ChannelAdded(Event, frozen=True):
    """The user is a member now. `peer`: the other one of a dm. `hidden`: he blocks who made it."""

    TAG = "channel.added"

    channel: str
    kind: ChannelKind
    role: Role
    name: str = ""
    peer: str = ""
    hidden: Hidden = "no"

    def lists(self) -> Sequence[str]:
        return (self.channel,)


class ChannelInvited(Event, frozen=True):
    """The user may join."""

    TAG = "channel.invited"

    channel: str
    kind: ChannelKind
    name: str = ""


class ChannelRoleChanged(Event, frozen=True):
    """The user has another role."""

    TAG = "channel.role_changed"

    channel: str
    role: Role


class ChannelKindChanged(Event, frozen=True):
    """The channel was promoted."""

    TAG = "channel.kind_changed"

    channel: str
    kind: ChannelKind
    role: Role


class ChannelRenamed(Event, frozen=True):
    """The channel has another name."""

    TAG = "channel.renamed"

    channel: str
    name: str


class ChannelRemoved(Event, frozen=True):
    """The channel left the list."""

    TAG = "channel.removed"

    channel: str

    def unlists(self) -> Sequence[str]:
        return (self.channel,)


class ListRequest(Struct, frozen=True):
    """A page of a user's channels (empty: of the one who asks), older than `before`."""

    user: str = ""
    before: int = 0
    limit: int = PAGE_MAX


class ListPage(Struct, frozen=True):
    """Most recently added first. `next`: pass it as `before`; 0 at the end."""

    channels: list[ListedChannel]
    next: int = 0


class ScreenRequest(Struct, frozen=True):
    """The channels whose unread figures are wanted: what is on the user's screen."""

    channels: tuple[str, ...]


def decide_put(cmd: PutListed, tables: Tables, ctx: Context) -> list[Event]:
    require(Action.PROJECT, None, Role.NONE, ctx.viewer.authority)
    if ctx.settings.raw_user_streams:
        return []
    old = tables[LISTED].get(cmd.channel)
    if cmd.inviter and tables[BLOCKED].get(cmd.inviter) is not None:
        return _unwanted(cmd, old)
    if old is not None and (old.role, old.kind, old.name) == (cmd.role, cmd.kind, cmd.name):
        return []
    if old is not None and (old.role, old.kind) == (cmd.role, cmd.kind):
        return [ChannelRenamed(channel=cmd.channel, name=cmd.name)]
    if old is not None and old.kind is not cmd.kind:
        return [ChannelKindChanged(channel=cmd.channel, kind=cmd.kind, role=cmd.role)]
    if cmd.role is Role.INVITED:
        return [ChannelInvited(channel=cmd.channel, kind=cmd.kind, name=cmd.name)]
    if old is not None and old.role is not Role.INVITED:
        return [ChannelRoleChanged(channel=cmd.channel, role=cmd.role)]
    return [
        ChannelAdded(
            channel=cmd.channel, kind=cmd.kind, role=cmd.role, name=cmd.name, peer=cmd.peer
        )
    ]


def _unwanted(cmd: PutListed, old: ListedRow | None) -> list[Event]:
    """By somebody whom the user blocks, who is not told. What only asks him in is left out; where
    he is a member already he must be able to leave: hidden, and without the name, which says what
    the other one wants to say."""
    if old is not None or cmd.role is Role.INVITED:
        return []
    added = ChannelAdded(
        channel=cmd.channel, kind=cmd.kind, role=cmd.role, peer=cmd.peer, hidden="for_good"
    )
    return [added]


def decide_drop(cmd: DropListed, tables: Tables, ctx: Context) -> list[Event]:
    require(Action.PROJECT, None, Role.NONE, ctx.viewer.authority)
    return [] if tables[LISTED].get(cmd.channel) is None else [ChannelRemoved(channel=cmd.channel)]


def decide_tell(cmd: TellLists, tables: Tables, ctx: Context) -> list[Event]:
    require(Action.PROJECT, None, Role.NONE, ctx.viewer.authority)
    return [] if tables[CHANNEL].get(ONLY) is None else [ListsTold(after=cmd.after)]


def apply_told(_: ListsTold, __: Meta, ___: Tables) -> None:
    """Nothing: the lists are their users'."""


def apply_added(event: ChannelAdded, meta: Meta, tables: Tables) -> None:
    _put(
        event.channel,
        ListedRow(event.kind, event.role, meta.seq, event.name, event.peer),
        tables,
    )


def apply_invited(event: ChannelInvited, meta: Meta, tables: Tables) -> None:
    _put(event.channel, ListedRow(event.kind, Role.INVITED, meta.seq, event.name), tables)


def apply_role(event: ChannelRoleChanged, _: Meta, tables: Tables) -> None:
    row = tables[LISTED].get(event.channel)
    if row is not None:
        tables[LISTED].put(event.channel, replace(row, role=event.role))


def apply_kind(event: ChannelKindChanged, _: Meta, tables: Tables) -> None:
    row = tables[LISTED].get(event.channel)
    if row is not None:
        tables[LISTED].put(event.channel, replace(row, kind=event.kind, role=event.role, peer=""))


def apply_renamed(event: ChannelRenamed, _: Meta, tables: Tables) -> None:
    row = tables[LISTED].get(event.channel)
    if row is not None:
        tables[LISTED].put(event.channel, replace(row, name=event.name))


def apply_removed(event: ChannelRemoved, _: Meta, tables: Tables) -> None:
    row = tables[LISTED].get(event.channel)
    if row is not None:
        tables[BY_AGE].delete(row.seq)
        tables[LISTED].delete(event.channel)


def _put(channel: str, row: ListedRow, tables: Tables) -> None:
    old = tables[LISTED].get(channel)
    if old is not None:
        tables[BY_AGE].delete(old.seq)
    tables[LISTED].put(channel, row)
    tables[BY_AGE].put(row.seq, channel)


# --- what membership events of a channel cause here


def effects_created(event: ChannelCreated, meta: Meta, _: Tables) -> list[Effect]:
    return [
        _listed(
            user,
            Role.OWNER if user == event.owner else Role.MEMBER,
            event.kind,
            event.name,
            meta,
            peer=_peer(event, user),
            inviter="" if user == meta.by else meta.by,
        )
        for user in event.members
    ]


def effects_joined(event: MembersJoined, meta: Meta, tables: Tables) -> list[Effect]:
    return _of_channel(event.users, Role.MEMBER, meta, tables)


def effects_invited(event: MembersInvited, meta: Meta, tables: Tables) -> list[Effect]:
    return _of_channel(event.users, Role.INVITED, meta, tables)


def effects_role(event: RoleChanged, meta: Meta, tables: Tables) -> list[Effect]:
    return _of_channel((event.user,), event.role, meta, tables)


def effects_gone(event: MembersLeft | MembersRemoved, meta: Meta, _: Tables) -> list[Effect]:
    return [Forward(DropListed(user=user, channel=meta.key)) for user in event.users]


def effects_deleted(_: ChannelDeleted, meta: Meta, tables: Tables) -> list[Effect]:
    return _tell("", meta, tables)


def effects_updated(event: ChannelUpdated, meta: Meta, tables: Tables) -> list[Effect]:
    """A new name, while that is not too many Forwards."""
    row = tables[CHANNEL].get(ONLY)
    if row is None or not event.renamed or member_count(tables) > RENAMED_MEMBERS_MAX:
        return []
    return _tell("", meta, tables)


def effects_promoted(_: ChannelPromoted, meta: Meta, tables: Tables) -> list[Effect]:
    return _tell("", meta, tables)


def effects_told(event: ListsTold, meta: Meta, tables: Tables) -> list[Effect]:
    return _tell(event.after, meta, tables)


def _tell(after: str, meta: Meta, tables: Tables) -> list[Effect]:
    """How the channel stands now, to the lists of the next people in it; and the step behind
    them."""
    row = tables[CHANNEL].get(ONLY)
    if row is None:
        return []
    members = tables[MEMBERS].scan(after=after or None, limit=STEP_MEMBERS)
    invites = tables[INVITES].scan(after=after or None, limit=STEP_MEMBERS)
    people = [(user, member.role, "") for user, member in members]
    people += [(user, Role.INVITED, invite.by) for user, invite in invites]
    people = sorted(people)[:STEP_MEMBERS]
    effects: list[Effect] = [
        Forward(DropListed(user=user, channel=meta.key))
        if row.deleted
        else _listed(user, role, row.kind, row.name, meta, inviter=inviter)
        for user, role, inviter in people
    ]
    if len(people) == STEP_MEMBERS:
        step = TellLists(channel=meta.key, after=people[-1][0])
        effects.append(Due(meta.ts_ms, _TELL, step))
    return effects


def _of_channel(users: tuple[str, ...], role: Role, meta: Meta, tables: Tables) -> list[Effect]:
    row = tables[CHANNEL].get(ONLY)
    if row is None:
        return []
    inviter = meta.by if role is Role.INVITED else ""
    return [_listed(user, role, row.kind, row.name, meta, inviter=inviter) for user in users]


def _listed(
    user: str,
    role: Role,
    kind: ChannelKind,
    name: str,
    meta: Meta,
    *,
    peer: str = "",
    inviter: str = "",
) -> Effect:
    return Forward(
        PutListed(
            user=user,
            channel=meta.key,
            kind=kind,
            role=role,
            name=name,
            peer=peer,
            inviter=inviter,
        )
    )


def _peer(event: ChannelCreated, user: str) -> str:
    if event.kind is not ChannelKind.DM:
        return ""
    others = [member for member in event.members if member != user]
    return others[0] if others else user


# --- reads


def run_channels(request: ListRequest, tables: Tables, ctx: Context) -> ListPage:
    require_own(ctx.key[1:], ctx)
    check_limit(request.limit, PAGE_MAX)
    if request.before < 0:
        raise Rejected(BAD_REQUEST, "before is what `next` was")
    return page_of(min(request.before, tables.head_seq + 1), request.limit, tables)


def page_of(before: int, limit: int, tables: Tables) -> ListPage:
    """Channels added before the event `before` (0: from the newest on)."""
    return page_from(recent_of(before, limit, tables), limit, tables)


def recent_of(before: int, limit: int, tables: Tables) -> Recent:
    """The same as rows."""
    rows = tables[BY_AGE].scan(after=before or None, limit=limit, reverse=True)
    listed = tables[LISTED]
    return [(seq, channel, listed.get(channel)) for seq, channel in rows]


def page_from(recent: Recent, limit: int, tables: Tables) -> ListPage:
    """The first `limit` of these rows, which are at least as many if there are so many."""
    rows = recent[:limit]
    own = own_rows(tables)
    found = [
        line(channel, row.kind, row.role, row.name, row.peer, own(channel))
        for _, channel, row in rows
        if row is not None
    ]
    return ListPage(found, rows[-1][0] if len(rows) == limit else 0)


def joined_of(recent: Recent) -> tuple[str, ...]:
    """Those of which the user is a member."""
    return tuple(c for _, c, row in recent if row is not None and row.role is not Role.INVITED)


def require_own(user: str, ctx: Context) -> None:
    """Raises Rejected(PERMISSION_DENIED) unless it is the user's own or the app's to read."""
    if user != ctx.actor:
        try:
            require(Action.READ_ANY_USER_STREAM, None, Role.NONE, ctx.viewer.authority)
        except Rejected:
            raise Rejected(PERMISSION_DENIED, "this stream is its user's own") from None


def turn_channels(request: ListRequest, ctx: EdgeContext) -> QueryCall:
    user = check_user(request.user or ctx.viewer.user)
    return QueryCall(user_stream(user), "user.channels", replace(request, user=user))


def turn_screen(request: ScreenRequest, ctx: EdgeContext) -> Local:
    limit = ctx.settings.screen_channels_max
    if len(request.channels) > limit:
        raise Rejected(TOO_MANY, f"at most {limit} channels on screen", limit=limit)
    for channel in request.channels:
        check_channel(channel)
    return Local("screen.set", request)


FEATURE: Final = Feature(
    name="channel_list",
    tables=(LISTED, BY_AGE),
    decide={PutListed: decide_put, DropListed: decide_drop, TellLists: decide_tell},
    apply={
        ListsTold: apply_told,
        ChannelAdded: apply_added,
        ChannelInvited: apply_invited,
        ChannelRoleChanged: apply_role,
        ChannelKindChanged: apply_kind,
        ChannelRenamed: apply_renamed,
        ChannelRemoved: apply_removed,
    },
    effects={
        ChannelCreated: effects_created,
        MembersJoined: effects_joined,
        MembersInvited: effects_invited,
        RoleChanged: effects_role,
        MembersLeft: effects_gone,
        MembersRemoved: effects_gone,
        ChannelDeleted: effects_deleted,
        ChannelPromoted: effects_promoted,
        ChannelUpdated: effects_updated,
        ListsTold: effects_told,
    },
    queries=(QueryRow("user.channels", ListRequest, run_channels),),
    verbs=(
        Verb("user.channels", ListRequest, turn_channels, ListPage, "A page of own channels."),
        Verb("screen.set", ScreenRequest, turn_screen, Nothing, "What is on the screen now."),
    ),
    routes=(Route("GET", "/v1/users/{user}/channels", ListRequest, turn_channels, ListPage),),
)
