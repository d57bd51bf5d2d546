"""What a subscriber of a chat channel gets: the right to it, and a snapshot of it.

Last in the registry, because the snapshot gathers from all features of a channel.
"""

from __future__ import annotations

from typing import Final

from msgspec import UNSET, Struct, UnsetType

from hubbub.base.names import StreamKind
from hubbub.features.channels import describe
from hubbub.features.contract import Access, Context, Feature, SubscribeArgs, Tables
from hubbub.features.guarantees import SMALL_MEMBERS_MAX, guarantees_of
from hubbub.features.mentions import all_figures
from hubbub.features.pins import pinned_ids
from hubbub.features.receipts import ShownMarks, shown_marks
from hubbub.features.standing import (
    ChannelRow,
    may,
    readable_from,
    require_standing,
    standing_of,
)
from hubbub.model.channel import ChannelInfo, Guarantees
from hubbub.model.permissions import Action
from hubbub.wire.codec import encode_json


class ChannelSnapshot(Struct, frozen=True, omit_defaults=True):
    """`mark` to `delivered`: of the subscriber. `marks`, `marks_delivered`: what members show of
    theirs, where receipts are by member; `joined`: the seq with which those came who were not
    there from the first event on: they are no recipients of what is older. `pinned`: ids, the
    last one pinned first. `watchers`: how many connections were subscribed before this one, where
    presence is a number. `muted`: the subscriber is, until then (RFC 3339; empty: for ever)."""

    channel: ChannelInfo
    mark: int = 0
    unread: int = 0
    mentions: int = 0
    delivered: int = 0
    rev: int = 0
    marks: dict[str, int] | UnsetType = UNSET
    marks_delivered: dict[str, int] | UnsetType = UNSET
    joined: dict[str, int] = {}
    pinned: tuple[str, ...] = ()
    watchers: int | UnsetType = UNSET
    muted: str | UnsetType = UNSET


def access_channel(_: SubscribeArgs, tables: Tables, ctx: Context) -> Access:
    """Raises Rejected: CHANNEL_NOT_FOUND, NOT_A_MEMBER, PERMISSION_DENIED."""
    channel = require_standing(Action.READ, tables, ctx)
    guarantees = guarantees_of(channel, tables)
    lowest = readable_from(tables, ctx)
    shown: ShownMarks | None = None
    if guarantees.receipts == "per_member" and may(Action.SEE_RECEIPTS, tables, ctx):
        shown = shown_marks(tables, SMALL_MEMBERS_MAX, ctx.settings, ctx.viewer.blocks)
    snapshot = ChannelSnapshot(
        channel=describe(channel, tables, ctx, guarantees),
        marks=UNSET if shown is None else shown.read,
        marks_delivered=UNSET if shown is None else shown.delivered,
        joined={} if shown is None else shown.joined,
        pinned=pinned_ids(tables, lowest),
        watchers=_watchers(guarantees, tables, ctx),
        muted=_muted(channel, tables, ctx),
        **all_figures(tables, ctx.actor, frozenset(ctx.viewer.blocks)),
    )
    return Access(
        data=encode_json(snapshot),
        presence=guarantees.presence == "list",
        history_from=lowest,
    )


def _watchers(guarantees: Guarantees, tables: Tables, ctx: Context) -> int | UnsetType:
    if guarantees.presence != "count" or not may(Action.SEE_PRESENCE, tables, ctx):
        return UNSET
    return ctx.live.watchers


def _muted(channel: ChannelRow, tables: Tables, ctx: Context) -> str | UnsetType:
    """What events say as it changes; who comes later hears it here."""
    mute = standing_of(ctx.actor, tables, ctx).mute if channel.sanctions else None
    return UNSET if mute is None else mute.until


FEATURE: Final = Feature(name="subscriptions", access={StreamKind.CHANNEL: access_channel})
