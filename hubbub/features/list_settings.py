"""What a user sets for channels of his own list: hidden, muted, archived, favourite.

Rules:
1. It lives in the user's stream, so that all his devices learn it, and says nothing to anybody
   else. No message writes here: a hidden channel comes back because its last message is above
   `hidden_seq`, which whoever reads the list compares.
2. What may be set is what is in the list; what leaves the list is forgotten.
3. A mute ends by its time, without an event.
"""

from __future__ import annotations

from typing import Final

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from hubbub.base.errors import BAD_REQUEST, NOT_FOUND, PERMISSION_DENIED, Rejected
from hubbub.base.names import check_channel, check_user, user_stream
from hubbub.features.channel_list import ChannelAdded, ChannelRemoved
from hubbub.features.contract import (
    Command,
    Context,
    Done,
    EdgeContext,
    Errand,
    Event,
    Feature,
    HeadsCall,
    Meta,
    Route,
    Steps,
    Tables,
    Verb,
)
from hubbub.features.fields import require_something
from hubbub.features.list_rows import LISTED, NOTHING_SET, OWN, Hidden, OwnRow
from hubbub.features.publication import parse_time, rfc3339
from hubbub.model.member import Role
from hubbub.model.permissions import Action, require


class SetListed(Command, frozen=True):
    """Change what is given. `hidden_seq`: the channel's last message, as the edge found it."""

    TAG = "channel.set_mine"

    user: str
    channel: str
    hidden: Hidden | UnsetType = UNSET
    hidden_seq: int = 0
    muted: bool | UnsetType = UNSET
    muted_until: str | int = 0
    archived: bool | UnsetType = UNSET
    favourite: bool | UnsetType = UNSET

    def stream_key(self) -> str:
        return user_stream(self.user)


class ChannelHidden(Event, frozen=True):
    """The channel is not shown: until a message above `seq`, or for good."""

    TAG = "channel.hidden"

    channel: str
    hidden: Hidden
    up_to: int


class ChannelUnhidden(Event, frozen=True):
    """The channel is shown again."""

    TAG = "channel.unhidden"

    channel: str


class ChannelMuted(Event, frozen=True):
    """The user is not notified of the channel: until a time (RFC 3339), or for good."""

    TAG = "channel.muted"

    channel: str
    until: str = ""


class ChannelUnmuted(Event, frozen=True):
    """The user is notified again."""

    TAG = "channel.unmuted"

    channel: str


class ChannelSorted(Event, frozen=True):
    """Where the user keeps the channel: among the favourites, in the archive."""

    TAG = "channel.sorted"

    channel: str
    archived: bool = False
    favourite: bool = False


class MineRequest(Struct, frozen=True):
    """`user` (or `by`): whose list, for a server key. `hidden`: `until_message` comes back with the
    next message. `muted_until`: RFC 3339 or ms, 0 for ever."""

    channel: str
    user: str = ""
    hidden: Hidden | UnsetType = UNSET
    muted: bool | UnsetType = UNSET
    muted_until: str | int = 0
    archived: bool | UnsetType = UNSET
    favourite: bool | UnsetType = UNSET
    by: str = ""
    cmid: str = ""


def check_set(cmd: SetListed, _: EdgeContext) -> SetListed:
    check_user(cmd.user)
    check_channel(cmd.channel)
    require_something(cmd.hidden, cmd.muted, cmd.archived, cmd.favourite)
    if cmd.muted_until and cmd.muted is not True:
        raise Rejected(BAD_REQUEST, "muted_until belongs to muted: true")
    parse_time(cmd.muted_until)
    return cmd


def decide_set(cmd: SetListed, tables: Tables, ctx: Context) -> list[Event]:
    if ctx.actor != cmd.user or ctx.viewer.authority not in ("client", "server"):
        try:
            require(Action.EDIT_ANY_USER, None, Role.NONE, ctx.viewer.authority)
        except Rejected:
            raise Rejected(PERMISSION_DENIED, "this list is its user's own") from None
    if tables[LISTED].get(cmd.channel) is None:
        raise Rejected(NOT_FOUND, "this channel is not in the list")
    old = tables[OWN].get(cmd.channel) or NOTHING_SET
    new = _changed(old, cmd)
    events: list[Event] = []
    if (new.hidden, new.hidden_seq) != (old.hidden, old.hidden_seq):
        events.append(
            ChannelUnhidden(channel=cmd.channel)
            if new.hidden == "no"
            else ChannelHidden(channel=cmd.channel, hidden=new.hidden, up_to=new.hidden_seq)
        )
    if (new.muted, new.muted_until_ms) != (old.muted, old.muted_until_ms):
        until = rfc3339(new.muted_until_ms) if new.muted_until_ms else ""
        events.append(
            ChannelMuted(channel=cmd.channel, until=until)
            if new.muted
            else ChannelUnmuted(channel=cmd.channel)
        )
    if (new.archived, new.favourite) != (old.archived, old.favourite):
        events.append(
            ChannelSorted(channel=cmd.channel, archived=new.archived, favourite=new.favourite)
        )
    return events


def _changed(old: OwnRow, cmd: SetListed) -> OwnRow:
    new = old
    if not isinstance(cmd.hidden, UnsetType):
        new = replace(new, hidden=cmd.hidden, hidden_seq=cmd.hidden_seq)
    if not isinstance(cmd.muted, UnsetType):
        until_ms = parse_time(cmd.muted_until) if cmd.muted else 0
        new = replace(new, muted=cmd.muted, muted_until_ms=until_ms)
    if not isinstance(cmd.archived, UnsetType):
        new = replace(new, archived=cmd.archived)
    if not isinstance(cmd.favourite, UnsetType):
        new = replace(new, favourite=cmd.favourite)
    return new


def apply_added(event: ChannelAdded, _: Meta, tables: Tables) -> None:
    """Put into a channel by somebody whom he blocks."""
    if event.hidden != "no":
        _put(event.channel, replace(_own(event.channel, tables), hidden=event.hidden), tables)


def apply_hidden(event: ChannelHidden, _: Meta, tables: Tables) -> None:
    _put(
        event.channel,
        replace(_own(event.channel, tables), hidden=event.hidden, hidden_seq=event.up_to),
        tables,
    )


def apply_unhidden(event: ChannelUnhidden, _: Meta, tables: Tables) -> None:
    _put(event.channel, replace(_own(event.channel, tables), hidden="no", hidden_seq=0), tables)


def apply_muted(event: ChannelMuted, _: Meta, tables: Tables) -> None:
    until_ms = parse_time(event.until) if event.until else 0
    own = _own(event.channel, tables)
    _put(event.channel, replace(own, muted=True, muted_until_ms=until_ms), tables)


def apply_unmuted(event: ChannelUnmuted, _: Meta, tables: Tables) -> None:
    own = _own(event.channel, tables)
    _put(event.channel, replace(own, muted=False, muted_until_ms=0), tables)


def apply_sorted(event: ChannelSorted, _: Meta, tables: Tables) -> None:
    own = _own(event.channel, tables)
    new = replace(own, archived=event.archived, favourite=event.favourite)
    _put(event.channel, new, tables)


def apply_removed(event: ChannelRemoved, _: Meta, tables: Tables) -> None:
    if tables[OWN].get(event.channel) is not None:
        tables[OWN].delete(event.channel)


def _own(channel: str, tables: Tables) -> OwnRow:
    return tables[OWN].get(channel) or NOTHING_SET


def _put(channel: str, row: OwnRow, tables: Tables) -> None:
    if row == NOTHING_SET:
        tables[OWN].delete(channel)
    else:
        tables[OWN].put(channel, row)


def turn_mine(request: MineRequest, ctx: EdgeContext) -> Command | Errand:
    """To hide until the next message, the edge looks which one is the last."""
    command = SetListed(
        cmid=request.cmid,
        by=request.by,
        user=request.user or request.by or ctx.viewer.user,
        channel=request.channel,
        hidden=request.hidden,
        muted=request.muted,
        muted_until=request.muted_until,
        archived=request.archived,
        favourite=request.favourite,
    )
    if request.hidden != "until_message":
        return command
    check_channel(request.channel)

    def steps() -> Steps:
        heads = yield HeadsCall((request.channel,))
        last = heads[request.channel].message_seq
        answer: bytes = yield replace(command, hidden_seq=last)
        return answer

    return Errand(steps)


FEATURE: Final = Feature(
    name="list_settings",
    tables=(OWN,),
    check={SetListed: check_set},
    decide={SetListed: decide_set},
    apply={
        ChannelAdded: apply_added,
        ChannelHidden: apply_hidden,
        ChannelUnhidden: apply_unhidden,
        ChannelMuted: apply_muted,
        ChannelUnmuted: apply_unmuted,
        ChannelSorted: apply_sorted,
        ChannelRemoved: apply_removed,
    },
    verbs=(
        Verb(
            "channel.set_mine",
            MineRequest,
            turn_mine,
            Done,
            "Hide, mute, archive or favour a channel in the own list.",
        ),
    ),
    routes=(
        Route(
            "PATCH",
            "/v1/users/{user}/channels/{channel}",
            MineRequest,
            turn_mine,
            Done,
            doc="Hide, mute, archive or favour a channel in a user's list.",
        ),
    ),
)
