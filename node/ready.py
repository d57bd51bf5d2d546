"""What a slot gives out: answers, what to write, what to publish, and the order of it all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from hubbub.base.errors import Rejected
from hubbub.features.contract import Sign
from hubbub.ring.map import SlotRecord
from hubbub.wire.shapes import Json, Outcome
from node.due import DueChange
from node.engine import QueuedForward
from node.replica import Mail
from node.store.api import Op


class Redirected(NamedTuple):
    """A result: this copy does not lead the slot (any more)."""

    term: int


class ReadNow(NamedTuple):
    """A result: whoever waits to read may do so, this copy led the slot after it had asked."""


class Unknown(NamedTuple):
    """A result: it may or may not have happened."""


class Fired(NamedTuple):
    """A result: what fell due is done. Its row is gone."""

    is_refused: bool = False  # `decide` refused it for good
    is_gone: bool = False  # nothing was left to do


Result = Outcome | Rejected | Redirected | ReadNow | Unknown | Fired


class Record(msgspec.Struct, frozen=True, gc=False):
    """What is written at once. `meta` (if any) supersedes that of earlier records of the slot.

    `lazy`: rows of entries that are durable already; it may wait for the next record.
    """

    slot: int
    token: int
    ops: list[Op]
    meta: bytes
    byte_count: int
    lazy: bool = False


class Publication(msgspec.Struct, frozen=True, gc=False):
    """Numbered events (seq, row) and signals of one stream, in the order of the log."""

    app: str
    key: str
    events: tuple[tuple[int, bytes], ...]
    signals: tuple[Json, ...]
    pulses: tuple[tuple[str, int], ...] = ()  # (feature, what): to be told within a second
    sign: tuple[str, Sign] | None = None  # of whom (node.tallies, node.signs); with a signal


class Ready(NamedTuple):
    """What to do now. A driver that keeps to the words in capitals keeps every promise."""

    # AT ONCE, in any order with the others: to other copies; signals that stored nothing.
    mails: Sequence[Mail] = ()
    signals: Sequence[Publication] = ()
    # Hand to the writer IN ORDER; call `persisted` AFTER it is durable, never before.
    persist: Sequence[Record] = ()
    # Compare-and-swap the slot's record with this, against the revision that was followed last.
    activate: SlotRecord | None = None
    # Committed: publish AFTER the call that returned this, in order, before later ones.
    committed: Sequence[Publication] = ()
    # Forwards of committed entries: send only now, BEFORE is forbidden.
    forwards: Sequence[QueuedForward] = ()
    # Committed changes of what falls due: take note BEFORE results are looked at.
    dues: Sequence[DueChange] = ()
    # (request, result): send AFTER `committed` was published; each request is answered once.
    results: Sequence[tuple[Any, Result]] = ()


NOTHING: Final = Ready()
