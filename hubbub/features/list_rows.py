"""The rows of a user's channel list: which channels, and what the user has set for each.

Read by all features of a user's stream; written by channel_list (LISTED, BY_AGE) and list_settings
(OWN).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final, Literal

from msgspec import Struct

from hubbub.features.contract import Table, Tables
from hubbub.features.publication import rfc3339
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role

Hidden = Literal["no", "until_message", "for_good"]


class ListState(StrEnum):
    """Why a channel is in the list."""

    JOINED = "joined"
    INVITED = "invited"


class ListedRow(Struct, frozen=True, array_like=True, gc=False):
    """`seq`: of the event that put it there, which orders the list."""

    kind: ChannelKind
    role: Role
    seq: int
    name: str = ""
    peer: str = ""


class OwnRow(Struct, frozen=True, array_like=True, gc=False):
    """What the user has set. `hidden_seq`: a message above it shows the channel again, unless it
    is hidden for good. `muted_until_ms`: 0 for ever."""

    hidden: Hidden = "no"
    hidden_seq: int = 0
    muted: bool = False
    muted_until_ms: int = 0
    archived: bool = False
    favourite: bool = False


class ListedChannel(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the list, with what the user has set for it. `muted_until` is RFC 3339; a mute
    whose time has passed is none."""

    channel: str
    kind: ChannelKind
    state: ListState
    role: Role
    name: str = ""
    peer: str = ""
    hidden: Hidden = "no"
    hidden_seq: int = 0
    muted: bool = False
    muted_until: str = ""
    archived: bool = False
    favourite: bool = False


LISTED: Final[Table[str, ListedRow]] = Table("channel_list", str, ListedRow)
BY_AGE: Final[Table[int, str]] = Table("channel_list.by_age", int, str)
OWN: Final[Table[str, OwnRow]] = Table("channel_list.own", str, OwnRow)
NOTHING_SET: Final = OwnRow()
OWN_AT_ONCE: Final = 50  # rows: a scan of them costs what ten of them cost one by one


def own_rows(tables: Tables) -> Callable[[str], OwnRow]:
    """What the user has set, by channel: read at once where it is little, as it mostly is."""
    rows = tables[OWN].scan(limit=OWN_AT_ONCE)
    if len(rows) == OWN_AT_ONCE:
        return lambda channel: tables[OWN].get(channel) or NOTHING_SET
    found = dict(rows)
    return lambda channel: found.get(channel, NOTHING_SET)


def line(
    channel: str, kind: ChannelKind, role: Role, name: str, peer: str, own: OwnRow
) -> ListedChannel:
    """The line of a row and of what its user has set."""
    return ListedChannel(
        channel=channel,
        kind=kind,
        state=ListState.INVITED if role is Role.INVITED else ListState.JOINED,
        role=role,
        name=name,
        peer=peer,
        hidden=own.hidden,
        hidden_seq=own.hidden_seq,
        muted=own.muted,
        muted_until=rfc3339(own.muted_until_ms) if own.muted_until_ms else "",
        archived=own.archived,
        favourite=own.favourite,
    )
