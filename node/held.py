"""Requests for slots that have no leader for a moment: kept by who leaves it, or who is next.

Rules:
1. A slot that changes its leader as planned takes no commands for some 100 ms, and one that was won
   needs a round to its copies. Whoever is told to ask again meanwhile asks too early, or too late
   by as much as it waited already; what is kept here goes on with the slot itself.
2. For at most HELD_MS: then whoever asked shall look for itself, and loses up to 250 ms by that.
   Routers repeat a request whose leader is silent after 1.5 s.
3. Bounded by number and bytes, over all slots; what finds no room is told to ask again at once.
4. A router that asks again for the same request replaces what it asked before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from hubbub.wire.frame import Message

HELD_MS: Final = 1_000  # a slot among hundreds that a dead node led begins its term within this
HELD_MAX: Final = 2_000
HELD_BYTES_MAX: Final = 8 * 1024 * 1024


class Waiting(NamedTuple):
    """Who asked what, and since when (monotonic)."""

    peer: str
    message: Message
    since_ms: int


class Held:
    """By slot, each slot's in the order of arrival."""

    def __init__(self) -> None:
        self._of: dict[int, dict[tuple[str, int], Waiting]] = {}
        self._count = self._bytes = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, slot: int) -> bool:
        return slot in self._of

    def slots(self) -> Iterator[int]:
        """Those for which something waits; may change meanwhile."""
        return iter(list(self._of))

    def hold(self, peer: str, message: Message, now_ms: int) -> bool:
        """Keep a request. False: there is no room for it."""
        of, asked = self._of.get(message.slot, {}), (peer, message.request_id)
        before = of.get(asked)
        added = len(message.raw) - (len(before.message.raw) if before is not None else 0)
        if self._bytes + added > HELD_BYTES_MAX:
            return False
        if before is None and self._count >= HELD_MAX:
            return False
        since_ms = before.since_ms if before is not None else now_ms
        of[asked] = Waiting(peer, message, since_ms)
        self._of[message.slot] = of
        self._bytes += added
        self._count += before is None
        return True

    def take(self, slot: int, is_over: Callable[[Waiting], bool]) -> list[Waiting]:
        """Those of a slot that need not wait any more, in the order of their arrival."""
        of = self._of.get(slot, {})
        over = [waiting for waiting in of.values() if is_over(waiting)]
        for peer, message, _ in over:
            del of[peer, message.request_id]
            self._count -= 1
            self._bytes -= len(message.raw)
        if not of:
            self._of.pop(slot, None)
        return over
