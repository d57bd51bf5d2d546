"""What several features know of a channel: its kind, and how it looks to those who ask."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType


class ChannelKind(StrEnum):
    """How a channel behaves. It is state: the name's prefix only says how the channel was born."""

    DM = "dm"  # exactly one pair
    GROUP = "group"  # members only
    OPEN = "open"  # everybody reads and sends; rows only for those with something to keep


class HistoryRule(StrEnum):
    """What those read who come later."""

    ALL = "all"
    FROM_JOIN = "from_join"


class Tier(StrEnum):
    """How large a channel is, as far as its guarantees go."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"


class Guarantees(Struct, frozen=True):
    """What holds for a channel now. `delivery` is `full` for every size: each message is pushed to
    each subscriber. `sampled` is kept for channels that leave some out, of which there are none."""

    tier: Tier
    receipts: Literal["per_member", "aggregate"]
    presence: Literal["list", "count"]
    typing: Literal["names", "count"]
    delivery: Literal["full", "sampled"]


class ChannelInfo(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A channel as clients see it. `created` is RFC 3339. `role`: of the one who asks; "none" in an
    open channel is everybody who reads and sends there, joined or not."""

    channel: str
    kind: ChannelKind
    created: str
    members: int  # in an open channel: those with a row of their own
    head: int  # the last seq
    name: str = ""
    data: Raw | UnsetType = UNSET
    public: bool = False
    frozen: bool = False  # only staff may speak
    slow_mode_s: int = 0  # between two messages of one user; 0: none
    role: str = ""
    guarantees: Guarantees | UnsetType = UNSET
    history: HistoryRule = HistoryRule.ALL
    history_from: int = 0  # the lowest seq that the one who asks may read, if it is above the floor
    approval: bool = False  # joining is asked for (member.request_join)
    archived: bool = False
