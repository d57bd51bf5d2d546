"""What several features know of a member."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Role(StrEnum):
    """Where a user stands in one channel, lowest first."""

    NONE = "none"
    INVITED = "invited"
    MEMBER = "member"
    MODERATOR = "moderator"
    OWNER = "owner"

    @property
    def rank(self) -> int:
        """Grows with the rights."""
        return _RANKS[self]


_RANKS = {role: rank for rank, role in enumerate(Role)}


class MemberInfo(Struct, frozen=True):
    """One row of a channel's member list. `joined` is RFC 3339."""

    user: str
    role: Role
    joined: str
