"""What nodes, edges and the feature presence say to one another of users and rooms. Pure."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Final, Literal

from msgspec import Struct

PRESENCE_COUNTED: Final = "presence.counted"  # to a channel: how many are in it
PRESENCE_MOVED: Final = "presence.moved"  # type of the signal, for edges alone
PRESENCE_LOOK: Final = "presence.look"  # name of the query
LOOKED_AT_MAX: Final = 200  # users of one request, and on one screen

State = Literal["online", "away", "busy", "offline"]


class Activity(IntEnum):
    """What a user's connections do, taken together."""

    NONE = 0
    IDLE = 1
    ACTIVE = 2


class Live(Struct, frozen=True, gc=False):
    """What a leader has in memory of a stream.

    Of a user: what his connections do as others may learn it, and since when (wall clock) they see
    none, 0 if he was not seen since this leader began. `is_settled` False: this leader is new, and
    whom it does not know may only not have been reported yet. Of a channel: how many connections
    are subscribed (`watchers`), where they are counted.
    """

    activity: Activity = Activity.NONE
    gone_ms: int = 0
    is_settled: bool = True
    watchers: int = 0


class Sees(IntFlag):
    """What one user may see of another."""

    STATE = 1
    LAST_SEEN = 2
    BY_LIST = 4  # it depends on their lists of channels


class Looked(Struct, frozen=True, omit_defaults=True):
    """A user as his leader knows him, and what of it the one who asked may see. `unsure`: it
    depends on channels in common, which were not named. `choice`: for himself. `hides`: for edges
    alone, which take his connections out of lists at once."""

    state: State = "offline"
    last_seen_ms: int = 0
    sees: int = 0
    is_settled: bool = True
    unsure: bool = False
    choice: str = ""
    hides: bool = False


class Moved(Struct, frozen=True):
    """The signal PRESENCE_MOVED: how others see him from now on. `last_seen_ms` of who is offline;
    0: never."""

    state: State
    last_seen_ms: int = 0


class LookRequest(Struct, frozen=True, omit_defaults=True):
    """How may `viewer` see the user of this stream? Empty: whoever may see everybody. `shown` and
    `shown_last`: to whom he shows himself (an Audience); `channels`: of his list, None: not yet
    asked for."""

    viewer: str = ""
    shown: str = "everybody"
    shown_last: str = "everybody"
    channels: tuple[str, ...] | None = None


class Watch(Struct, frozen=True):
    """What an edge is told to push to a connection: as this user sees the others."""

    rows: dict[str, Looked]
