"""Channels: how they come about, their name and data, and how they end.

Rules:
1. `group:` and `open:` names are chosen by whoever creates the channel; a `dm:` name follows from
   its pair alone (`channel.open`), so that both sides compute it and nobody makes one up.
2. Creation and first members are one event: there is never a channel without its members.
3. A deleted channel keeps its last seq, and its name is not used again: numbers are never used
   twice.

Long because creating, opening, changing and ending a channel are four commands over one row.
"""

from __future__ import annotations

from base64 import b32encode
from typing import Final

from msgspec import UNSET, Raw, Struct, UnsetType, field
from msgspec.structs import replace

from hubbub.base.errors import (
    BAD_REQUEST,
    CHANNEL_EXISTS,
    LIMIT_EXCEEDED,
    PROMOTED,
    UNKNOWN_CHANNEL,
    Rejected,
)
from hubbub.base.names import check_user, dm_channel, namespace_of
from hubbub.features.contract import (
    Command,
    Context,
    Decision,
    Done,
    EdgeContext,
    Errand,
    Event,
    Feature,
    Meta,
    Route,
    Steps,
    Tables,
    Verb,
    as_command,
)
from hubbub.features.fields import (
    META_BYTES_MAX,
    check_bytes,
    check_chat_channel,
    check_title,
    check_users,
    custom,
    json_bytes,
    require_something,
)
from hubbub.features.publication import rfc3339
from hubbub.features.standing import (
    CHANNEL,
    ONLY,
    ChannelRow,
    member_count,
    readable_from,
    require_kind,
    require_room,
    require_standing,
    role_of,
)
from hubbub.model.channel import ChannelInfo, ChannelKind, Guarantees, HistoryRule
from hubbub.model.permissions import Action
from hubbub.model.usage import Growth
from hubbub.wire.codec import encode_json

PROMOTIONS_MAX: Final = 60  # of one pair's dms: each costs `channel.open` one question


class CreateChannel(Command, frozen=True):
    """A group or open channel under a name that its creator chose. `members` join with it; `owner`
    is the creator unless a server key names another."""

    TAG = "channel.create"

    channel: str
    members: tuple[str, ...] = ()
    name: str = ""
    data: Raw | UnsetType = UNSET
    public: bool = False
    owner: str = ""
    approval: bool = False
    history: HistoryRule = HistoryRule.ALL


class OpenDirect(Command, frozen=True):
    """The one channel of a pair, created on first use. The name follows from the pair and from `n`,
    how many earlier ones were promoted."""

    TAG = "channel.open"

    channel: str
    members: tuple[str, ...]
    n: int = 0


class UpdateChannel(Command, frozen=True):
    """Change what is given; null clears it."""

    TAG = "channel.update"

    channel: str
    name: str | UnsetType | None = UNSET
    data: Raw | UnsetType = UNSET
    public: bool | UnsetType = UNSET
    approval: bool | UnsetType = UNSET
    history: HistoryRule | UnsetType = UNSET


class DeleteChannel(Command, frozen=True):
    """End the channel for all; its messages are not readable any more."""

    TAG = "channel.delete"

    channel: str


class ChannelCreated(Event, frozen=True):
    """`members` (with the owner, if there is one) are members from this event on."""

    TAG = "channel.created"

    kind: ChannelKind
    members: tuple[str, ...] = ()
    owner: str = ""
    name: str = ""
    data: Raw | UnsetType = UNSET
    public: bool = False
    approval: bool = False
    history: HistoryRule = HistoryRule.ALL


class ChannelUpdated(Event, frozen=True):
    """Name, data and openness as they are from now on. `renamed`: the name is new."""

    TAG = "channel.updated"

    name: str = ""
    data: Raw | UnsetType = UNSET
    public: bool = False
    approval: bool = False
    history: HistoryRule = HistoryRule.ALL
    renamed: bool = False


class ChannelDeleted(Event, frozen=True):
    """The last event of a channel."""

    TAG = "channel.deleted"


class ChannelRequest(Struct, frozen=True):
    """Which channel."""

    channel: str


class OpenRequest(Struct, frozen=True):
    """With whom."""

    with_: str = field(name="with")


class NewChannelRequest(Struct, frozen=True):
    """`channel` (or `kind` alone: a name is made), or kind `dm` with exactly a pair of members."""

    channel: str = ""
    kind: ChannelKind | None = None
    members: tuple[str, ...] = ()
    name: str = ""
    data: Raw | UnsetType = UNSET
    public: bool = False
    owner: str = ""
    approval: bool = False
    history: HistoryRule = HistoryRule.ALL
    cmid: str = ""
    by: str = ""


class Opened(Struct, frozen=True):
    """Which channel it is, and whether this request created it."""

    channel: str
    created: bool
    seq: int = 0
    id: str = ""
    ts: str = ""
    dup: bool = False


def check_create(cmd: CreateChannel, ctx: EdgeContext) -> CreateChannel:
    check_chat_channel(cmd.channel)
    if namespace_of(cmd.channel) not in (ChannelKind.GROUP, ChannelKind.OPEN):
        raise Rejected(UNKNOWN_CHANNEL, "a dm is opened by its pair: channel.open")
    _, _, rest = cmd.channel.partition(":")
    if not rest:
        raise Rejected(BAD_REQUEST, "a channel needs a name behind its kind")
    if cmd.owner:
        check_user(cmd.owner)
    check_title(cmd.name)
    check_bytes(cmd.data, META_BYTES_MAX)
    return replace(cmd, members=check_users(cmd.members, ctx.settings))


def check_open(cmd: OpenDirect, ctx: EdgeContext) -> OpenDirect:
    pair = check_users(cmd.members, ctx.settings)
    if not 1 <= len(pair) <= 2:
        raise Rejected(BAD_REQUEST, "a dm has exactly two members")
    return cmd


def check_update(cmd: UpdateChannel, _: EdgeContext) -> UpdateChannel:
    check_chat_channel(cmd.channel)
    require_something(cmd.name, cmd.data, cmd.public, cmd.approval, cmd.history)
    check_title(cmd.name if isinstance(cmd.name, str) else "")
    check_bytes(cmd.data, META_BYTES_MAX)
    return cmd


def check_delete(cmd: DeleteChannel, _: EdgeContext) -> DeleteChannel:
    check_chat_channel(cmd.channel)
    return cmd


def decide_create(cmd: CreateChannel, tables: Tables, ctx: Context) -> Decision:
    kind = ChannelKind(namespace_of(cmd.channel))
    require_kind(Action.CREATE, kind, ctx)
    if tables[CHANNEL].get(ONLY) is not None:
        raise Rejected(CHANNEL_EXISTS, channel=cmd.channel)
    owner = ctx.actor
    if cmd.owner and cmd.owner != owner:
        require_kind(Action.ADD, kind, ctx)
        owner = cmd.owner
    others = tuple(user for user in cmd.members if user != owner)
    members = (owner, *others) if owner else others
    require_room(len(members), tables, ctx)
    event = ChannelCreated(
        kind=kind,
        members=members,
        owner=owner,
        name=cmd.name,
        data=cmd.data,
        public=cmd.public,
        approval=cmd.approval,
        history=cmd.history,
    )
    return Decision([event], _opened(cmd.channel, created=True))


def decide_open(cmd: OpenDirect, tables: Tables, ctx: Context) -> Decision:
    a, b = cmd.members[0], cmd.members[-1]
    if ctx.actor not in (a, b):
        require_kind(Action.ADD, ChannelKind.DM, ctx)
    require_kind(Action.OPEN_DIRECT, ChannelKind.DM, ctx)
    if ctx.key != dm_channel(ctx.id_secret, a, b, cmd.n):
        raise Rejected(UNKNOWN_CHANNEL, "a dm's name follows from its pair")
    row = tables[CHANNEL].get(ONLY)
    if row is not None and row.deleted:
        raise Rejected(CHANNEL_EXISTS, "this dm was deleted", channel=cmd.channel)
    if row is not None and row.kind is not ChannelKind.DM:
        raise Rejected(PROMOTED, channel=cmd.channel)
    if row is not None:
        return Decision([], _opened(ctx.key, created=False))
    members = tuple(sorted({a, b}))
    event = ChannelCreated(kind=ChannelKind.DM, members=members)
    return Decision([event], _opened(ctx.key, created=True))


def decide_update(cmd: UpdateChannel, tables: Tables, ctx: Context) -> list[Event]:
    row = require_standing(Action.UPDATE_CHANNEL, tables, ctx)
    name = row.name if isinstance(cmd.name, UnsetType) else cmd.name or ""
    data = row.data if isinstance(cmd.data, UnsetType) else json_bytes(cmd.data)
    public = row.public if isinstance(cmd.public, UnsetType) else cmd.public
    approval = row.approval if isinstance(cmd.approval, UnsetType) else cmd.approval
    from_join = row.from_join
    if not isinstance(cmd.history, UnsetType):
        from_join = cmd.history is HistoryRule.FROM_JOIN
    new = (name, data, public, approval, from_join)
    if new == (row.name, row.data, row.public, row.approval, row.from_join):
        return []
    history = HistoryRule.FROM_JOIN if from_join else HistoryRule.ALL
    event = ChannelUpdated(
        name=name,
        data=custom(data),
        public=public,
        approval=approval,
        history=history,
        renamed=name != row.name,
    )
    return [event]


def decide_delete(_: DeleteChannel, tables: Tables, ctx: Context) -> list[Event]:
    require_standing(Action.DELETE_CHANNEL, tables, ctx)
    return [ChannelDeleted()]


def apply_created(event: ChannelCreated, meta: Meta, tables: Tables) -> None:
    row = ChannelRow(
        event.kind,
        meta.ts_ms,
        meta.by,
        event.name,
        json_bytes(event.data),
        event.public,
        approval=event.approval,
        from_join=event.history is HistoryRule.FROM_JOIN,
    )
    tables[CHANNEL].put(ONLY, row)


def apply_updated(event: ChannelUpdated, _: Meta, tables: Tables) -> None:
    row = tables[CHANNEL].get(ONLY)
    if row is not None:
        changed = replace(
            row,
            name=event.name,
            data=json_bytes(event.data),
            public=event.public,
            approval=event.approval,
            from_join=event.history is HistoryRule.FROM_JOIN,
        )
        tables[CHANNEL].put(ONLY, changed)


def apply_deleted(_: ChannelDeleted, meta: Meta, tables: Tables) -> None:
    row = tables[CHANNEL].get(ONLY)
    if row is not None:
        tables[CHANNEL].put(ONLY, replace(row, deleted=True))
    # The event itself stays readable, so that whoever resumes learns of the end.
    tables.set_floor(meta.seq)


def count_created(_: ChannelCreated, tables: Tables) -> Growth:
    return Growth(channels=int(tables[CHANNEL].get(ONLY) is None))


def count_deleted(_: ChannelDeleted, tables: Tables) -> Growth:
    row = tables[CHANNEL].get(ONLY)
    return Growth(channels=-int(row is not None and not row.deleted))


def describe(
    row: ChannelRow, tables: Tables, ctx: Context, guarantees: Guarantees | UnsetType = UNSET
) -> ChannelInfo:
    """The channel as the viewer sees it."""
    history_from = readable_from(tables, ctx)
    return ChannelInfo(
        channel=ctx.key,
        kind=row.kind,
        created=rfc3339(row.created_ms),
        members=member_count(tables),
        head=tables.head_seq,
        name=row.name,
        data=custom(row.data),
        public=row.public,
        frozen=row.frozen,
        slow_mode_s=row.slow_mode_s,
        role=role_of(tables, ctx.actor),
        guarantees=guarantees,
        history=HistoryRule.FROM_JOIN if row.from_join else HistoryRule.ALL,
        history_from=history_from if history_from > tables.floor_seq else 0,
        approval=row.approval,
        archived=row.archived,
    )


def turn_open(request: OpenRequest, ctx: EdgeContext) -> Errand:
    return _direct((ctx.viewer.user, request.with_), ctx)


def turn_new(request: NewChannelRequest, ctx: EdgeContext) -> Command | Errand:
    """Create a channel, or open the one of a pair."""
    if request.kind is ChannelKind.DM:
        return _direct(request.members, ctx, cmid=request.cmid, by=request.by)
    if request.kind is not None and request.channel:
        if namespace_of(request.channel) != request.kind:
            raise Rejected(BAD_REQUEST, "the channel's name and kind differ")
    elif request.kind is None and not request.channel:
        raise Rejected(BAD_REQUEST, "a channel needs a name or a kind")
    made = b32encode(ctx.entropy[:15]).decode().lower()
    return CreateChannel(
        cmid=request.cmid,
        by=request.by,
        channel=request.channel or f"{request.kind}:{made}",
        members=request.members,
        name=request.name,
        data=request.data,
        public=request.public,
        owner=request.owner,
        approval=request.approval,
        history=request.history,
    )


def _direct(pair: tuple[str, ...], ctx: EdgeContext, *, cmid: str = "", by: str = "") -> Errand:
    """The pair's dm; if it was promoted, the next one of the pair, and so on."""
    if len(pair) != 2:
        raise Rejected(BAD_REQUEST, "a dm has exactly two members")
    a, b = (check_user(user) for user in pair)

    def steps() -> Steps:
        for n in range(PROMOTIONS_MAX):
            name = dm_channel(ctx.id_secret, a, b, n)
            try:
                answer: bytes = yield OpenDirect(
                    cmid=cmid, by=by, channel=name, members=(a, b), n=n
                )
            except Rejected as refusal:
                if refusal.error is not PROMOTED:
                    raise
            else:
                return answer
        raise Rejected(LIMIT_EXCEEDED, "this pair has promoted too many dms", limit=PROMOTIONS_MAX)

    return Errand(steps)


def _opened(channel: str, *, created: bool) -> bytes:
    return encode_json({"channel": channel, "created": created})


FEATURE: Final = Feature(
    name="channels",
    tables=(CHANNEL,),
    check={
        CreateChannel: check_create,
        OpenDirect: check_open,
        UpdateChannel: check_update,
        DeleteChannel: check_delete,
    },
    decide={
        CreateChannel: decide_create,
        OpenDirect: decide_open,
        UpdateChannel: decide_update,
        DeleteChannel: decide_delete,
    },
    apply={
        ChannelCreated: apply_created,
        ChannelUpdated: apply_updated,
        ChannelDeleted: apply_deleted,
    },
    counts={ChannelCreated: count_created, ChannelDeleted: count_deleted},
    verbs=(
        Verb("channel.open", OpenRequest, turn_open, Opened, "The dm with another user."),
        Verb("channel.create", NewChannelRequest, turn_new, Opened, "Create a channel."),
        Verb("channel.update", UpdateChannel, as_command, Done, "Change name, data, openness."),
        Verb("channel.delete", DeleteChannel, as_command, Done, "End a channel for all."),
    ),
    routes=(
        Route(
            "POST",
            "/v1/channels",
            NewChannelRequest,
            turn_new,
            Opened,
            status=201,
            doc="Create a channel, or answer the one of a pair.",
        ),
        Route("PATCH", "/v1/channels/{channel}", UpdateChannel, as_command, Done),
        Route("DELETE", "/v1/channels/{channel}", DeleteChannel, as_command, Done),
    ),
)
