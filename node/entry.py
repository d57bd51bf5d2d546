"""One entry of a slot's log as bytes: everything that one command did, atomically. Pure.

Shape: LOG value = u64 chain | entry, entry = array-like MessagePack of `Entry`. The chain hashes
the previous chain and the entry's bytes: checksum, and proof that two logs agree up to here.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import msgspec

from hubbub.wire.codec import decode_pack
from hubbub.wire.shapes import Json

CHAIN_BYTES: Final = 8


class EntryKind(IntEnum):
    """What an entry does."""

    COMMAND = 1  # the events of a command (none: a Forward that was refused, or whose n is noted)
    EPOCH_START = 2  # a term begins; the first one draws the slot's incarnation
    DEDUP_FLOOR = 3  # answers of hours below `number` are dropped, their ids refused
    OUTBOX_DONE = 4  # Forwards up to each (target slot, n) of `done` were answered
    APP_GONE = 5  # the rows of the deleted `app` in this slot go


class Origin(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Which Forward a command came from: source slot, the source's incarnation, its n."""

    slot: int
    incarnation: bytes
    n: int


class Entry(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """One entry. `events` are (tag, JSON) in order; `seq` is that of the first numbered one, or the
    one it would have had. A DEDUP_FLOOR has the floor before it in `seq`, its own in `number`; the
    first EPOCH_START of a log, and of a restored one, draws the incarnation and sets the floor."""

    index: int
    term: int
    kind: EntryKind
    ts_ms: int
    app: str = ""
    key: str = ""
    seq: int = 0
    by: str = ""
    cmid: str = ""
    request_hash: int = 0
    origin: Origin | None = None
    reply: Json = b""
    events: tuple[tuple[str, Json], ...] = ()
    incarnation: bytes = b""
    number: int = 0  # an hour
    done: tuple[tuple[int, int], ...] = ()  # OUTBOX_DONE: (target slot, n)
    due: str = ""  # of a command that fell due: the name of its row, which this entry deletes
    rows: tuple[bytes, ...] = ()  # APP_GONE: keys of META that say when something of it falls due


class BrokenChain(Exception):
    """A log row does not follow the one before it: the slot must not be served."""


def decode_logged(value: bytes) -> Entry:
    """The entry of a LOG value, whose chain was verified when it was read or received.

    Raises BrokenChain.
    """
    try:
        return decode_pack(value[CHAIN_BYTES:], Entry)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BrokenChain(str(error)) from error
