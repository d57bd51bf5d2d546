"""What a node and its indexing child say to one another: frames over two pipes. Pure.

A frame is u32 length | u8 kind | MessagePack. The child says Hello once; then each Feed is answered
by Fed, or by Full (the disk had no room for all of it), each Find by Found, in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from struct import Struct as Packed
from typing import Final

from msgspec import Struct

from hubbub.wire.codec import encode_pack
from hubbub.wire.search import Criteria, Document, Place

FRAME_BYTES_MAX: Final = 64 * 1024 * 1024  # the largest Feed is below 1 MiB, a Find 2 MB
HEAD: Final = Packed(">IB")


class Kind(IntEnum):
    """What a frame holds."""

    HELLO = 1
    FEED = 2
    FED = 3
    FIND = 4
    FOUND = 5
    FULL = 6


class Row(Struct, frozen=True, array_like=True, gc=False):
    """Base of what travels."""


class Stand(Row, frozen=True):
    """How far a slot is indexed: entries up to `applied`. `scanned`: it is being built from
    the stored rows, up to this key; empty: it follows the log."""

    slot: int
    incarnation: bytes
    applied: int
    scanned: bytes = b""


class Change(Row, frozen=True):
    """A message as it is now; None: it is not found any more."""

    slot: int
    app: str
    key: str
    seq: int
    document: Document | None


class Floor(Row, frozen=True):
    """What a stream has below this seq is gone."""

    slot: int
    app: str
    key: str
    seq: int


class Cleared(Row, frozen=True):
    """A deleted app has nothing in this slot any more."""

    slot: int
    app: str


class Hello(Row, frozen=True):
    """Where every slot stands that the files know."""

    stands: tuple[Stand, ...]


class Feed(Row, frozen=True):
    """First `drops` (slots to forget), then changes in order, then floors, then apps that are
    cleared, then stands: all of one file in one transaction."""

    drops: tuple[int, ...] = ()
    changes: Sequence[Change] = ()
    floors: tuple[Floor, ...] = ()
    stands: tuple[Stand, ...] = ()
    cleared: tuple[Cleared, ...] = ()


class Fed(Row, frozen=True):
    """The feed is in the files."""


class Full(Row, frozen=True):
    """The disk has no room: what of the feed is in the files is said by nobody; tell it again."""


class Find(Row, frozen=True):
    """As `wire.search.Search`, for at most `ms` milliseconds, and not at all once the machine's
    monotonic clock is past `ends_ms` (0: whenever it is read): nobody waits for it then."""

    id: int
    app: str
    slots: tuple[int, ...]
    keys: tuple[str, ...]
    criteria: Criteria
    before: Place | None
    limit: int
    ms: int
    ends_ms: int = 0


class Found(Row, frozen=True):
    """Places in order. `has_more`, `reached`: as in `wire.search.SearchAnswer`."""

    id: int
    places: tuple[Place, ...]
    has_more: bool = False
    reached: Place | None = None
    is_whole: bool = True


def encode_frame(kind: Kind, body: Row) -> bytes:
    """The bytes of a frame."""
    data = encode_pack(body)
    return HEAD.pack(len(data), kind) + data
