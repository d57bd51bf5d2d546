"""Reads that every stream has, whatever feature it belongs to: names, arguments and answers. Pure.

They travel as QUERY like a feature's own; the node answers them from the log and from memory.
"""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Raw, Struct, field

STREAM_HISTORY: Final = "stream.history"
STREAM_PRESENCE: Final = "stream.presence"
STREAM_PRESENCE_STATS: Final = "stream.presence_stats"
STREAM_SYNC: Final = "stream.sync"


class Since(Struct, frozen=True):
    """A position, whose seq clients call offset; an empty epoch fits every one."""

    seq: Annotated[int, Meta(ge=0)] = field(name="offset", default=0)
    epoch: str = ""


class StreamHistory(Struct, frozen=True, omit_defaults=True):
    """`limit` 0: only the position; negative: all up to the maximum. `since` is excluded."""

    limit: int = 0
    since: Since | None = None
    reverse: bool = False
    subscribed: bool = False  # the edge knows that the client is


class StreamPublication(Struct, frozen=True, omit_defaults=True):
    """One event as clients receive it. `time` in ms."""

    offset: int
    data: Raw
    info: Raw = Raw(b"")
    time: int = 0


class StreamPage(Struct, frozen=True):
    """`offset`, `epoch`: the stream's current top."""

    publications: list[StreamPublication]
    offset: int
    epoch: str


class StreamAsk(Struct, frozen=True, omit_defaults=True):
    """Arguments of STREAM_PRESENCE and STREAM_PRESENCE_STATS."""

    subscribed: bool = False


class PresenceMap(Struct, frozen=True):
    """Connection id → ClientInfo."""

    presence: dict[str, Raw]


class PresenceCounts(Struct, frozen=True):
    """Distinct connections and users."""

    num_clients: int
    num_users: int


class SyncFrom(Struct, frozen=True, omit_defaults=True):
    """Where a device stands in a stream; an empty epoch: it has nothing of it."""

    epoch: str = ""
    seq: int = 0
