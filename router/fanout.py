"""Where a node's events, signals and process messages go. Pure.

Rules (contracts.md 5):
1. An event goes to each interested edge once, as the bytes that the node encoded.
2. What an edge's window does not take is a hole on that edge's link; nobody waits for it.
3. A loss on a node's link is a loss for every edge with interest in a slot of that node.
4. TO_PROCESS goes to the boot that it names or to nobody: its session died with it.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hubbub.wire.frame import Message, encode_message
from hubbub.wire.shapes import Kind, Status
from router.interest import Interest
from router.leaders import Leaders


class FanoutCounts(msgspec.Struct):
    """What the fan-out has counted. The difference of the last two is what windows dropped."""

    events_total: int = 0
    unwanted_total: int = 0  # events that no edge wanted any more
    copies_total: int = 0
    copies_dropped_total: int = 0
    holes_passed_total: int = 0
    process_messages_total: int = 0
    process_messages_lost_total: int = 0


class Fanout:
    """Copies towards edges."""

    def __init__(self, interest: Interest, leaders: Leaders) -> None:
        self.counts = FanoutCounts()
        self._interest = interest
        self._leaders = leaders

    def event(self, message: Message) -> tuple[str, ...]:
        """The edges that get this EVENT or SIGNAL."""
        edges = self._interest.edges_of((message.app, message.key))
        counts = self.counts
        counts.events_total += 1
        counts.copies_total += len(edges)
        if not edges:
            counts.unwanted_total += 1
        return edges

    def hole(self, node: str) -> set[str]:
        """The edges that must hear of a loss on a node's link."""
        return self.hole_in(self._leaders.led_by(node))

    def hole_in(self, slots: list[int]) -> set[str]:
        """The edges that must hear that events of these slots may be lost."""
        edges = self._interest.edges_in(slots)
        self.counts.holes_passed_total += len(edges)
        return edges

    def to_process(self, message: Message, boot_of: Callable[[str], int]) -> str:
        """The peer for a TO_PROCESS, empty if that boot is not linked here."""
        name, _, boot = message.key.rpartition(".")
        if name and boot.isdecimal() and boot_of(name) == int(boot):
            self.counts.process_messages_total += 1
            return name
        self.counts.process_messages_lost_total += 1
        return ""


def lost_process(message: Message) -> bytes:
    """The RESULT for a TO_PROCESS that reaches nobody."""
    return encode_message(Kind.RESULT, b"", flags=Status.UNKNOWN, request_id=message.request_id)
