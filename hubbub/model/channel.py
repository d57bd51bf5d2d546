"""What several features know of a channel: its kind, and how it looks to those who ask."""

from __future__ import annotations

from enum import StrEnum

from msgspec import UNSET, Raw, Struct, UnsetType


class ChannelKind(StrEnum):
    """How a channel behaves. It is state: the name's prefix only says how the channel was born."""

    DM = "dm"  # exactly one pair
    GROUP = "group"  # members only
    OPEN = "open"  # everybody reads and sends; rows only for those with something to keep


class ChannelInfo(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A channel as clients see it. `created` is RFC 3339."""

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
    role: str = ""  # of the one who asks
