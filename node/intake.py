"""What everything behind the links shares: slots and time, who asks, whether anything is taken."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple, Protocol

import msgspec

from hubbub.runtime.clock import Clock
from hubbub.wire.frame import Message
from node.bundle import Bundle
from node.engine import QueuedForward
from node.presence import StreamName
from node.slot import Now, Slot

ENTROPY_BYTES: Final = 16  # of a command: its ids and chances


class Sender(Protocol):
    """What the service needs of the links."""

    def send(self, peer: str, message: bytes) -> bool: ...
    def send_windowed(self, peer: str, message: bytes) -> bool: ...


class Request(NamedTuple):
    """Who waits for an answer: a request of a link; or, without a peer, a Forward that this node
    sent to itself, what fell due here (its index key), or a user who is gone since then."""

    peer: str
    id: int
    slot: int
    deadline_ms: int = 0  # monotonic; 0: none
    forward: QueuedForward | None = None
    read: Message | None = None  # a QUERY that waits for ReadNow
    due: bytes = b""
    ended: tuple[StreamName, int] | None = None
    bundle: tuple[Bundle, int] | None = None  # of a SUBMITS, and the command's place in it


class ServiceCounts(msgspec.Struct):
    """What /metrics shows of requests."""

    submits_total: int = 0
    queries_total: int = 0
    searches_total: int = 0
    copy_reads_total: int = 0  # of them: answered by this node as a follower
    linear_reads_total: int = 0  # of them: answered after a round to the other copies
    subscribes_total: int = 0
    heads_total: int = 0
    presences_total: int = 0
    malformed_total: int = 0
    redirects_total: int = 0
    held_total: int = 0  # waited until a slot had its leader, or had gone to another one
    rejected_total: int = 0
    late_total: int = 0  # answers that nobody waited for any more
    events_total: int = 0
    signals_total: int = 0
    published_total: int = 0  # EVENT and SIGNAL messages, one for each interested router
    dropped_total: int = 0  # of them: the link's window was full
    features_failed_total: int = 0


class Intake:
    """Which slots answer here."""

    def __init__(self, slots: dict[int, Slot], clock: Clock) -> None:
        """Args: slots: those held here; may grow. `links` is set before anything is received."""
        self.slots = slots
        self.clock = clock
        self.counts = ServiceCounts()
        self.links: Sender
        self.routers: set[str] = set()  # whose links are up
        self.paused: Collection[int] = ()  # slots that take no commands for a moment
        self.takes = True  # else the node is going

    def now(self) -> Now:
        """By both clocks."""
        return Now(self.clock.wall_ms(), self.clock.monotonic_ms())

    def active(self, number: int) -> Slot | None:
        """The slot if it is led here."""
        slot = self.slots.get(number)
        return slot if slot is not None and slot.is_active else None

    def led(self, message: Message) -> Slot | None:
        """The slot of a request if it is led here at the request's term or later."""
        slot = self.slots.get(message.slot)
        if slot is None or not slot.is_active or message.term > slot.term or not self.takes:
            return None
        return slot
