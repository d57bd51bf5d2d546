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
from hubbub.features.marks import mark_of, unread_of
from hubbub.features.pins import pinned_ids
from hubbub.features.standing import MEMBERS, readable_from, require_standing
from hubbub.model.channel import ChannelInfo
from hubbub.model.permissions import Action
from hubbub.wire.codec import encode_json


class ChannelSnapshot(Struct, frozen=True, omit_defaults=True):
    """`mark`, `unread`: of the subscriber. `marks`: of all members, in a small channel. `pinned`:
    ids, the last one pinned first."""

    channel: ChannelInfo
    mark: int = 0
    unread: int = 0
    marks: dict[str, int] | UnsetType = UNSET
    pinned: tuple[str, ...] = ()


def access_channel(_: SubscribeArgs, tables: Tables, ctx: Context) -> Access:
    """Raises Rejected: CHANNEL_NOT_FOUND, NOT_A_MEMBER, PERMISSION_DENIED."""
    row = require_standing(Action.READ, tables, ctx)
    guarantees = guarantees_of(row, tables)
    mark, lowest = mark_of(tables, ctx.actor), readable_from(tables, ctx)
    knows_mark = mark > 0
    snapshot = ChannelSnapshot(
        channel=describe(row, tables, ctx, guarantees),
        mark=mark,
        unread=unread_of(tables, ctx.actor, mark) if knows_mark else 0,
        marks=_marks(tables) if guarantees.receipts == "per_member" else UNSET,
        pinned=pinned_ids(tables, lowest),
    )
    return Access(
        data=encode_json(snapshot),
        presence=guarantees.presence == "list",
        history_from=lowest,
    )


def _marks(tables: Tables) -> dict[str, int]:
    members = tables[MEMBERS].scan(limit=SMALL_MEMBERS_MAX)
    return {user: mark_of(tables, user) for user, _ in members}


FEATURE: Final = Feature(name="subscriptions", access={StreamKind.CHANNEL: access_channel})
