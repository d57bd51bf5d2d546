"""Who gives a sign just now, by name: so that it can be ended before its time. Pure.

Rules:
1. A sign is kept for as long as it says; given again it is kept anew, and taken back it is gone.
2. Bounded: beyond SIGNS_MAX a new sign is told, but not kept; it ends by its own time alone.
3. It is the leader's memory: with the leader goes what it knew.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from node.presence import StreamName

Place = tuple[str, str]  # (user, the feature's word for where)
SIGNS_MAX: Final = 50_000  # of all channels led here, some 200 bytes each


class Signs:
    """Those of all channels that this node leads."""

    def __init__(self) -> None:
        self._of: dict[StreamName, dict[Place, int]] = {}  # → monotonic ms of its end
        self._count = 0

    def note(self, name: StreamName, place: Place, ms: int, now_ms: int) -> None:
        """A sign, good for `ms`; 0: it has ended."""
        places = self._of.get(name, {})
        if places.pop(place, None) is not None:
            self._count -= 1
        if ms and self._count < SIGNS_MAX:
            self._of.setdefault(name, places)[place] = now_ms + ms
            self._count += 1
        elif not places:
            self._of.pop(name, None)

    def of(self, name: StreamName, now_ms: int) -> list[Place]:
        """The signs that hold in a channel."""
        return [place for place, end_ms in self._of.get(name, {}).items() if end_ms > now_ms]

    def tick(self, now_ms: int) -> None:
        """Drop what has ended by itself."""
        for name, places in list(self._of.items()):
            for place in [place for place, end_ms in places.items() if end_ms <= now_ms]:
                self.note(name, place, 0, now_ms)

    def forget(self, names: Iterable[StreamName]) -> None:
        """They are led elsewhere now."""
        for name in names:
            self._count -= len(self._of.pop(name, {}))

    def streams(self) -> list[StreamName]:
        """Channels in which somebody gives a sign."""
        return list(self._of)
