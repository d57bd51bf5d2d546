"""Deadlines of many sessions with one timer: a wheel of lists. Pure.

Rules:
1. An item is due in the first turn after its deadline: up to one turn late, never early.
2. An item stands in the wheel once; a nearer deadline adds an entry, and the older one is passed
   over when its turn comes. A farther deadline costs nothing: the item says so when it is asked.
"""

from __future__ import annotations

from typing import Final, Generic, Protocol, TypeVar

TURN_MS: Final = 250  # pings are seconds apart; four wake-ups a second cost nothing


class Timed(Protocol):
    """What can stand in a wheel. `deadline_ms` 0: nothing is due. `turn` belongs to the wheel."""

    deadline_ms: int
    turn: int


T = TypeVar("T", bound=Timed)


class Timers(Generic[T]):
    """The wheel."""

    def __init__(self, now_ms: int, turn_ms: int = TURN_MS) -> None:
        self._turn_ms = turn_ms
        self._turn = now_ms // turn_ms
        self._turns: dict[int, list[T]] = {}

    def __len__(self) -> int:
        return sum(len(items) for items in self._turns.values())

    def schedule(self, item: T) -> None:
        """An item's deadline was set or came nearer."""
        if not item.deadline_ms:
            return
        turn = max(item.deadline_ms // self._turn_ms, self._turn) + 1
        if item.turn and item.turn <= turn:
            return
        item.turn = turn
        self._turns.setdefault(turn, []).append(item)

    def advance(self, now_ms: int) -> list[T]:
        """Items whose deadline has passed; each must be scheduled again to be heard of again."""
        due: list[T] = []
        last = now_ms // self._turn_ms
        while self._turn < last:
            self._turn += 1
            for item in self._turns.pop(self._turn, ()):
                if item.turn != self._turn:
                    continue
                item.turn = 0
                if item.deadline_ms and item.deadline_ms <= now_ms:
                    due.append(item)
                else:
                    self.schedule(item)
        return due
