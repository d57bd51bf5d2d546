"""What errands keep at this edge for the next of their kind. Pure.

Rules:
1. A value has a key of its app and a weight; WEIGHT_MAX bounds all of them together. What was used
   longest ago goes first, and is made anew by whoever needs it.
2. Nobody may rely on a value: it says what was, and its errand asks what has changed since.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

# One is a row of a list, some 600 bytes: 60 MB. Half: lists of five people with 10,000 channels.
WEIGHT_MAX: Final = 100_000


class Memory:
    """Values by (app, key)."""

    def __init__(self, weight_max: int = WEIGHT_MAX) -> None:
        self.weight = 0
        self.dropped = 0  # to make room
        self._weight_max = weight_max
        self._values: OrderedDict[tuple[str, str], tuple[Any, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def recall(self, app: str, key: str) -> Any:
        """The value; None if it is not there (any more)."""
        found = self._values.get((app, key))
        if found is None:
            return None
        self._values.move_to_end((app, key))
        return found[0]

    def keep(self, app: str, key: str, value: Any, weight: int) -> None:
        """Insert or replace; None: forget."""
        self._pop((app, key))
        if value is None or weight > self._weight_max:
            return
        self._values[app, key] = value, weight
        self.weight += weight
        while self.weight > self._weight_max:
            self.dropped += 1
            self._pop(next(iter(self._values)))

    def _pop(self, place: tuple[str, str]) -> None:
        found = self._values.pop(place, None)
        if found is not None:
            self.weight -= found[1]
