"""Simulated time: one heap of events, one seed, no wall clock.

Rules:
1. Everything that happens is an event: (when, number, what to call). Equal times keep their order.
2. All chance comes from streams that are drawn from the seed, one a purpose, so that leaving out a
   fault changes as little as possible of everything else. Same seed and plan, same run.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from random import Random
from typing import Any

EVENTS_MAX = 200_000  # a run has some thousands; beyond this something repeats itself for ever


class Violation(Exception):
    """An invariant does not hold. `rule`: its name in replication.md 3.2, or what else broke."""

    def __init__(self, rule: str, what: str) -> None:
        super().__init__(f"{rule}: {what}")
        self.rule = rule


class World:
    """The heap."""

    __slots__ = ("_heap", "_number", "events", "now", "seed")

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.now = 0.0  # ms
        self.events = 0
        self._number = 0
        self._heap: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []

    def stream(self, purpose: str) -> Random:
        """The chance of one purpose."""
        return Random(f"{self.seed}.{purpose}")

    def after(self, delay_ms: float, call: Callable[..., object], *args: Any) -> None:
        """Call something later."""
        self._number += 1
        heappush(self._heap, (self.now + delay_ms, self._number, call, args))

    def run(self, until_ms: float) -> None:
        """Let everything happen that is due until then. Raises Violation."""
        heap = self._heap
        while heap and heap[0][0] <= until_ms:
            self.now, _, call, args = heappop(heap)
            call(*args)
            self.events += 1
            if self.events > EVENTS_MAX:
                raise Violation("I12", f"{EVENTS_MAX} events: something repeats itself for ever")
        self.now = until_ms
