"""Slots that this node took over from another one, for people who ask what happened. Pure.

Rules:
1. A failover is a term that begins here after a term of another node. A slot's first term, and one
   that follows a restart of the same node, is none.
2. Slots that are taken from one node within `GATHER_MS` are one event: that is what a dead node
   looks like.
3. Only events of the last hour are kept, and at most `EVENTS_MAX`: the oldest goes.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from msgspec import Struct

from hubbub.base.units import HOUR_MS
from hubbub.ring.map import Leader

# A dead node's slots are taken within some seconds; half splits a slow one in two.
GATHER_MS: Final = 10_000
EVENTS_MAX: Final = 50  # a node that flaps every minute fills it; more tells nothing more


class Failover(Struct, frozen=True):
    """Slots taken from one node. `ago_ms`: since the last of them began here.

    `took_ms_max`: the longest way of a slot from its first try to its first entry.
    """

    node: str
    slots: int
    ago_ms: int
    took_ms_max: int


class _Event:
    __slots__ = ("at_ms", "node", "slots", "took_ms_max")

    def __init__(self, node: str, now_ms: int) -> None:
        self.node = node
        self.at_ms = now_ms
        self.slots = 0
        self.took_ms_max = 0


class Failovers:
    """What is being taken over, and what was."""

    def __init__(self) -> None:
        self._tried: dict[int, tuple[int, str, int]] = {}  # slot → (term, from whom, since ms)
        self._events: deque[_Event] = deque(maxlen=EVENTS_MAX)

    def tried(self, slot: int, term: int, before: Leader | None, me: Leader, now_ms: int) -> None:
        """This node proposes itself for a term. Args: before: who leads the slot until then."""
        known_term, node, since_ms = self._tried.pop(slot, (-1, "", now_ms))
        if before is not None and before.node != me.node:
            if known_term != term:  # else it is the same try again
                since_ms = now_ms
            self._tried[slot] = term, before.node, since_ms
        elif before is not None and known_term == term - 1:
            # That try was won and its term never began: the slot is still on its way here.
            self._tried[slot] = term, node, since_ms

    def began(self, slot: int, term: int, now_ms: int) -> bool:
        """A term of this node begins. True: it is a failover."""
        term_tried, node, since_ms = self._tried.pop(slot, (-1, "", 0))
        if term_tried != term:
            return False
        last = self._events[-1] if self._events else None
        if last is None or last.node != node or now_ms - last.at_ms > GATHER_MS:
            last = _Event(node, now_ms)
            self._events.append(last)
        last.at_ms = now_ms
        last.slots += 1
        last.took_ms_max = max(last.took_ms_max, now_ms - since_ms)
        return True

    def last_hour(self, now_ms: int) -> tuple[Failover, ...]:
        """The newest first."""
        while self._events and now_ms - self._events[0].at_ms > HOUR_MS:
            self._events.popleft()
        return tuple(
            Failover(event.node, event.slots, now_ms - event.at_ms, event.took_ms_max)
            for event in reversed(self._events)
        )
