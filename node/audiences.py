"""How many connections are in the larger channels: absolute numbers per edge, added up. Pure.

Rules:
1. An edge says its own number for a channel that keeps no list (`node.presence`), whenever it has
   changed, at most every two seconds; a HEADS ask says it anew to a new leader.
2. A channel that outgrew its list keeps the listed ones of an edge until that edge says a number.
3. What changed is told every COUNTED_MS. A number is its edge's until it says another one, or has
   been gone for as long as its lists (EDGE_GONE_MS).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from node.presence import EDGE_GONE_MS, StreamName

COUNTED_MS: Final = 2_000
STREAMS_MAX: Final = 100_000  # of one node; beyond it a channel's number is not kept

# The listed clients of a stream, by edge.
Listed = Callable[[StreamName], Mapping[str, int]]


class Audiences:
    """The numbers of all channels that this node leads."""

    def __init__(self, listed: Listed) -> None:
        self._listed = listed
        self._numbers: dict[StreamName, dict[str, int]] = {}
        self._told: dict[StreamName, int] = {}
        self._changed: dict[StreamName, None] = {}
        self._missing_since: dict[str, int] = {}
        self._next_ms = 0

    def report(self, name: StreamName, edge: str, number: int) -> None:
        """So many connections of this edge are in the channel now."""
        numbers = self._numbers.get(name)
        if numbers is None:
            if not number or len(self._numbers) >= STREAMS_MAX:
                return
            numbers = self._numbers[name] = {}
        if number:
            numbers[edge] = number
        else:
            numbers.pop(edge, None)
        self._changed[name] = None

    def watchers(self, name: StreamName) -> int:
        """All of them."""
        numbers = self._numbers.get(name, {})
        listed = sum(n for edge, n in self._listed(name).items() if edge not in numbers)
        return listed + sum(numbers.values())

    def tick(self, live_edges: Collection[str], now_ms: int) -> list[tuple[StreamName, int]]:
        """What is to be told now."""
        if now_ms < self._next_ms:
            return []
        self._next_ms = now_ms + COUNTED_MS
        self._drop_gone(live_edges, now_ms)
        changed, self._changed = self._changed, {}
        told = []
        for name in changed:
            number = self.watchers(name)
            if self._told.get(name, 0) != number:
                told.append((name, number))
                self._told[name] = number
            if not self._numbers.get(name):
                self._numbers.pop(name, None)
                self._told.pop(name, None)
        return told

    def forget(self, names: Iterable[StreamName]) -> None:
        """They are led elsewhere now."""
        for name in names:
            self._numbers.pop(name, None)
            self._told.pop(name, None)
            self._changed.pop(name, None)

    def streams(self) -> list[StreamName]:
        """All channels with numbers."""
        return list(self._numbers)

    def _drop_gone(self, live_edges: Collection[str], now_ms: int) -> None:
        live = set(live_edges)
        known = {edge for numbers in self._numbers.values() for edge in numbers}
        missing = known - live
        since = self._missing_since
        self._missing_since = {edge: since.get(edge, now_ms) for edge in missing}
        gone = {e for e, ms in self._missing_since.items() if now_ms - ms >= EDGE_GONE_MS}
        for name, numbers in self._numbers.items() if gone else ():
            for edge in gone & numbers.keys():
                del numbers[edge]
                self._changed[name] = None
