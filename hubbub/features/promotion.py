"""Promotion in place: a dm becomes a group, a group an open channel; never back.

Rules:
1. The channel keeps its name, its seq and its log: nothing is copied, nobody has to follow.
2. Newcomers read from their join on unless the promoter says `history: all`. Whoever was there
   before reads what they could read before.
3. A dm's promoter owns the group. The pair's next dm has the next number, and `channel.open` finds
   it (channels.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from hubbub.base.errors import BAD_REQUEST, CONFLICT, Rejected
from hubbub.features.contract import (
    Command,
    Context,
    Decision,
    Done,
    EdgeContext,
    Event,
    Feature,
    Meta,
    Route,
    Tables,
    Verb,
    as_command,
)
from hubbub.features.fields import check_chat_channel
from hubbub.features.guarantees import promoted_events
from hubbub.features.hidden_bits import Blocked
from hubbub.features.standing import (
    CHANNEL,
    MEMBERS,
    ONLY,
    history_of,
    member_count,
    put_member,
    require_standing,
)
from hubbub.model.channel import ChannelKind, HistoryRule
from hubbub.model.member import Role
from hubbub.model.permissions import Action
from hubbub.wire.event import COUNTABLE

PREVIEW_EVENTS: Final = 10  # how far back nodes look for a preview
_ORDER: Final = (ChannelKind.DM, ChannelKind.GROUP, ChannelKind.OPEN)


class PromoteChannel(Command, frozen=True):
    """Make it a channel of the next kind. `history`: what newcomers read."""

    TAG = "channel.promote"

    channel: str
    kind: ChannelKind
    history: HistoryRule = HistoryRule.FROM_JOIN


class ChannelPromoted(Event, frozen=True):
    """The channel is of this kind from now on. `owner`: who owns what was a dm."""

    TAG = "channel.promoted"

    kind: ChannelKind
    was: ChannelKind
    history: HistoryRule
    owner: str = ""


def check_promote(cmd: PromoteChannel, _: EdgeContext) -> PromoteChannel:
    check_chat_channel(cmd.channel)
    if cmd.kind is ChannelKind.DM:
        raise Rejected(BAD_REQUEST, "a channel becomes a group or an open channel")
    return cmd


def decide_promote(cmd: PromoteChannel, tables: Tables, ctx: Context) -> Decision | list[Event]:
    row = require_standing(Action.PROMOTE, tables, ctx)
    if row.kind is cmd.kind:
        return []
    if _ORDER.index(cmd.kind) < _ORDER.index(row.kind):
        raise Rejected(CONFLICT, f"an {row.kind} channel does not become a {cmd.kind} again")
    is_member = tables[MEMBERS].get(ctx.actor) is not None
    event = ChannelPromoted(
        kind=cmd.kind,
        was=row.kind,
        history=cmd.history,
        owner=ctx.actor if row.kind is ChannelKind.DM and is_member else "",
    )
    return [event, *promoted_events(row, cmd.kind, member_count(tables), tables)]


def apply_promoted(event: ChannelPromoted, meta: Meta, tables: Tables) -> None:
    row = tables[CHANNEL].get(ONLY)
    if row is None:
        return
    is_all = event.history is HistoryRule.ALL
    open_from = 0 if is_all or event.kind is not ChannelKind.OPEN else meta.seq
    tables[CHANNEL].put(
        ONLY, replace(row, kind=event.kind, from_join=not is_all, open_from=open_from)
    )
    owner = tables[MEMBERS].get(event.owner) if event.owner else None
    if owner is not None:
        put_member(event.owner, replace(owner, role=Role.OWNER), owner, tables)


def head(tables: Tables, user: str, _: Blocked) -> Mapping[str, object]:
    """No preview of what was said before the user's history begins."""
    start = history_of(user, tables)
    if not start:
        return {}
    for stored in tables.published_range(limit=PREVIEW_EVENTS, reverse=True):
        if stored.head.flags & COUNTABLE:
            return {"preview": None} if stored.seq < start else {}
    return {}


FEATURE: Final = Feature(
    name="promotion",
    head=head,
    check={PromoteChannel: check_promote},
    decide={PromoteChannel: decide_promote},
    apply={ChannelPromoted: apply_promoted},
    verbs=(
        Verb("channel.promote", PromoteChannel, as_command, Done, "dm to group, group to open."),
    ),
    routes=(
        Route(
            "POST",
            "/v1/channels/{channel}/promote",
            PromoteChannel,
            as_command,
            Done,
            doc="Make a dm a group, or a group an open channel; never back.",
        ),
    ),
)
