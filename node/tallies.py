"""How many give a sign just now in channels that name nobody: typing. Pure.

Rules:
1. A sign counts for as long as it says; whoever gives it again counts once.
2. What changed is told at the tick: once a second and channel, however many signs there were.
3. Bounded by channels and by users in each: what is beyond is not counted.
4. It is the leader's memory, and a signal may be lost: a number is told again every AGAIN_MS while
   somebody gives the sign, and whoever reads it forgets it after double that time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from node.presence import StreamName

STREAMS_MAX: Final = 10_000
USERS_MAX: Final = 1_000  # of one channel: beyond it is only "many"
AGAIN_MS: Final = 5_000


class _Tally:
    """Of one channel."""

    def __init__(self) -> None:
        self.ends: dict[str, int] = {}  # user → monotonic ms, in the order of signs
        self.told = 0
        self.told_ms = 0


class Tallies:
    """Those of all channels that this node leads."""

    def __init__(self) -> None:
        self._of: dict[StreamName, _Tally] = {}
        self._stirred: set[StreamName] = set()  # somebody in it may have to stop

    def note(self, name: StreamName, user: str, ms: int, now_ms: int) -> None:
        """A user's sign, good for `ms`; 0: it has ended."""
        tally = self._of.get(name)
        if tally is None:
            if not ms or len(self._of) >= STREAMS_MAX:
                return
            tally = self._of[name] = _Tally()
        tally.ends.pop(user, None)
        if ms and len(tally.ends) < USERS_MAX:
            tally.ends[user] = now_ms + ms

    def stir(self, name: StreamName) -> None:
        """Who counts in it may not any more."""
        if name in self._of:
            self._stirred.add(name)

    def take_stirred(self) -> set[StreamName]:
        """Those that were stirred since the last time."""
        stirred, self._stirred = self._stirred, set()
        return stirred

    def users(self, name: StreamName) -> list[str]:
        """Who counts in a channel."""
        tally = self._of.get(name)
        return [] if tally is None else list(tally.ends)

    def tick(self, now_ms: int) -> list[tuple[StreamName, int]]:
        """The numbers that are others than before, or were told long ago."""
        told = []
        for name, tally in list(self._of.items()):
            ended = [user for user, end_ms in tally.ends.items() if end_ms <= now_ms]
            for user in ended:
                del tally.ends[user]
            number = len(tally.ends)
            if number != tally.told or (number and now_ms - tally.told_ms >= AGAIN_MS):
                told.append((name, number))
                tally.told, tally.told_ms = number, now_ms
            if not number:
                del self._of[name]
        return told

    def forget(self, names: Iterable[StreamName]) -> None:
        """They are led elsewhere now."""
        for name in names:
            self._of.pop(name, None)

    def streams(self) -> list[StreamName]:
        """Channels in which somebody gives a sign."""
        return list(self._of)
