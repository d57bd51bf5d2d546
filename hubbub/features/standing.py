"""Where a user stands in a channel: the rows that decide rights, and the look-up over them.

Read by channels, members, messages, marks and subscriptions; written by channels (CHANNEL) and
members (the others). Membership is true here, in the channel's own stream, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from hubbub.base.errors import CHANNEL_NOT_FOUND, Rejected
from hubbub.features.contract import Context, Table, Tables
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role
from hubbub.model.permissions import Action, Authority, is_allowed, require

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


def require_standing(action: Action, tables: Tables, ctx: Context, *more: Action) -> ChannelRow:
    """The channel, if the viewer may do this (and all of `more`) in it. Raises Rejected."""
    return require_user(ctx.actor, (action, *more), tables, ctx, ctx.viewer.authority)


def require_user(
    user: str,
    actions: Sequence[Action],
    tables: Tables,
    ctx: Context,
    authority: str = Authority.CLIENT,
) -> ChannelRow:
    """The channel, if this user may do all of it: for what falls due later, in a user's name."""
    row = channel_row(tables)
    role = role_of(tables, user)
    for action in actions:
        require(action, row.kind, role, authority)
    return row


def may(action: Action, tables: Tables, ctx: Context) -> bool:
    """Whether the viewer may do this. Raises Rejected(CHANNEL_NOT_FOUND) if there is no channel."""
    return user_may(ctx.actor, action, tables, ctx, ctx.viewer.authority)


def user_may(
    user: str, action: Action, tables: Tables, ctx: Context, authority: str = Authority.CLIENT
) -> bool:
    """Whether this user may do this: of others than the viewer, by their role alone."""
    return is_allowed(action, channel_row(tables).kind, role_of(tables, user), authority)


def member_count(tables: Tables) -> int:
    """How many members have a row."""
    return tables[MEMBER_COUNT].get(ONLY) or 0
