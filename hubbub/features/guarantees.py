"""What a channel of this size promises now (`channel.get`), and the event that says when that
changes.

Rules:
1. Three tiers by members: small to 100, medium to 10,000, large above. A channel rises when it
   passes a limit and falls only at nine tenths of it, so that one who comes and goes changes
   nothing.
2. Whoever changes the number of members appends `channel.tier_changed` in the same entry
   (`tier_events`): what holds is known at every seq.
3. An open channel has an audience instead of members: presence, receipts and typing are numbers.
"""

from __future__ import annotations

from typing import Final

from hubbub.features.channels import ChannelCreated, ChannelRequest, describe
from hubbub.features.contract import (
    Context,
    EdgeContext,
    Event,
    Feature,
    Meta,
    QueryCall,
    QueryRow,
    Route,
    Table,
    Tables,
    Verb,
)
from hubbub.features.fields import check_chat_channel
from hubbub.features.standing import ONLY, ChannelRow, require_standing
from hubbub.model.channel import ChannelInfo, ChannelKind, Guarantees, Tier
from hubbub.model.permissions import Action

SMALL_MEMBERS_MAX: Final = 100
MEDIUM_MEMBERS_MAX: Final = 10_000
_LIMITS: Final = (SMALL_MEMBERS_MAX, MEDIUM_MEMBERS_MAX)
_TIERS: Final = tuple(Tier)
# A member more or less at the border must not flap; at half of it a party would.
_FALLS_AT: Final = 0.9

TIER: Final[Table[int, int]] = Table("channel.tier", int, int)


class ChannelTierChanged(Event, frozen=True):
    """These guarantees hold from now on. `members`: how many there are after this entry."""

    TAG = "channel.tier_changed"

    members: int
    guarantees: Guarantees


def apply_tier(event: ChannelTierChanged, _: Meta, tables: Tables) -> None:
    tables[TIER].put(ONLY, _TIERS.index(event.guarantees.tier))


def apply_created(event: ChannelCreated, _: Meta, tables: Tables) -> None:
    tier = _after(0, len(event.members))
    if tier:
        tables[TIER].put(ONLY, tier)


def run_get(_: ChannelRequest, tables: Tables, ctx: Context) -> ChannelInfo:
    row = require_standing(Action.SEE, tables, ctx)
    return describe(row, tables, ctx, guarantees_of(row, tables))


def turn_get(request: ChannelRequest, _: EdgeContext) -> QueryCall:
    return QueryCall(check_chat_channel(request.channel), "channel.get", request)


def guarantees_of(row: ChannelRow, tables: Tables) -> Guarantees:
    """What holds now."""
    return _of(row.kind, _tier(tables))


def tier_events(row: ChannelRow, count: int, tables: Tables) -> list[Event]:
    """The event to append when the channel has `count` members after this entry, if any."""
    tier = _after(_tier(tables), count)
    if tier == _tier(tables):
        return []
    return [ChannelTierChanged(members=count, guarantees=_of(row.kind, tier))]


def promoted_events(row: ChannelRow, kind: ChannelKind, count: int, tables: Tables) -> list[Event]:
    """The same when the channel becomes one of another kind."""
    new = _of(kind, _tier(tables))
    if new == guarantees_of(row, tables):
        return []
    return [ChannelTierChanged(members=count, guarantees=new)]


def _tier(tables: Tables) -> int:
    return tables[TIER].get(ONLY) or 0


def _after(tier: int, count: int) -> int:
    while tier < len(_LIMITS) and count > _LIMITS[tier]:
        tier += 1
    while tier and count <= _LIMITS[tier - 1] * _FALLS_AT:
        tier -= 1
    return tier


def _of(kind: ChannelKind, tier: int) -> Guarantees:
    is_personal = tier == 0 and kind is not ChannelKind.OPEN
    return Guarantees(
        tier=_TIERS[tier],
        receipts="per_member" if is_personal else "aggregate",
        presence="list" if is_personal else "count",
        typing="names" if is_personal else "count",
        delivery="full",  # of any size: nothing leaves a subscriber's messages out
    )


FEATURE: Final = Feature(
    name="guarantees",
    tables=(TIER,),
    apply={ChannelCreated: apply_created, ChannelTierChanged: apply_tier},
    queries=(QueryRow("channel.get", ChannelRequest, run_get),),
    verbs=(
        Verb("channel.get", ChannelRequest, turn_get, ChannelInfo, "A channel, and what holds."),
    ),
    routes=(Route("GET", "/v1/channels/{channel}", ChannelRequest, turn_get, ChannelInfo),),
)
