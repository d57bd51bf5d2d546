"""Where a user stands in a channel: the rows that decide rights, and the look-up over them.

Read by channels, members, messages, marks and subscriptions; written by channels (CHANNEL) and
members (the others). Membership is true here, in the channel's own stream, and nowhere else.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from hubbub.base.errors import CHANNEL_NOT_FOUND, Rejected
from hubbub.features.contract import Context, Table, Tables
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role
from hubbub.model.permissions import Action, require

ONLY: Final = 0  # the key of a table that has one row a stream


class ChannelRow(Struct, frozen=True, array_like=True, gc=False):
    """`data` is JSON or empty."""

    kind: ChannelKind
    created_ms: int
    created_by: str
    name: str = ""
    data: bytes = b""
    public: bool = False  # a group that anybody may join
    deleted: bool = False


class MemberRow(Struct, frozen=True, array_like=True, gc=False):
    """`join_seq`: the seq of the event that made them a member; nothing before it is unread."""

    role: Role
    joined_ms: int
    join_seq: int


class InviteRow(Struct, frozen=True, array_like=True, gc=False):
    """Who asked them in, and when."""

    by: str
    invited_ms: int


CHANNEL: Final[Table[int, ChannelRow]] = Table("channel", int, ChannelRow)
MEMBERS: Final[Table[str, MemberRow]] = Table("members", str, MemberRow)
INVITES: Final[Table[str, InviteRow]] = Table("members.invites", str, InviteRow)
MEMBER_COUNT: Final[Table[int, int]] = Table("members.count", int, int)


def channel_row(tables: Tables) -> ChannelRow:
    """The channel of this stream. Raises Rejected(CHANNEL_NOT_FOUND) if there is none."""
    row = tables[CHANNEL].get(ONLY)
    if row is None or row.deleted:
        raise Rejected(CHANNEL_NOT_FOUND)
    return row


def role_of(tables: Tables, user: str) -> Role:
    """The user's role in this channel."""
    member = tables[MEMBERS].get(user)
    if member is not None:
        return member.role
    return Role.INVITED if tables[INVITES].get(user) is not None else Role.NONE


def require_standing(action: Action, tables: Tables, ctx: Context) -> ChannelRow:
    """The channel, if the viewer may do this in it. Raises Rejected."""
    row = channel_row(tables)
    require(action, row.kind, role_of(tables, ctx.actor), ctx.viewer.authority)
    return row


def member_count(tables: Tables) -> int:
    """How many members have a row."""
    return tables[MEMBER_COUNT].get(ONLY) or 0
