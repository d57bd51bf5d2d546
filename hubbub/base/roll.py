"""A long list of stream keys that is asked about again and again.

Rules:
1. Whoever knows it as of a number learns the changes since; behind CHANGES_MAX of them he needs the
   whole.
2. What others keep about a roll they keep by the object itself: it is compared by identity.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

# Half: a busy morning of joins is told as a whole list; double only costs memory.
CHANGES_MAX: Final = 512


class Roll:
    """Keys, and what changed lately. `number` grows by one with each change."""

    __slots__ = ("__weakref__", "_changes", "keys", "number")

    def __init__(self, keys: Iterable[str]) -> None:
        self.keys = dict.fromkeys(keys)
        self.number = 1
        self._changes: deque[tuple[str, bool]] = deque(maxlen=CHANGES_MAX)

    def __len__(self) -> int:
        return len(self.keys)

    def add(self, key: str) -> None:
        """Put a key in; nothing if it is there."""
        if key not in self.keys:
            self.keys[key] = None
            self._note(key, is_in=True)

    def remove(self, key: str) -> None:
        """Take a key out; nothing if it is absent."""
        if key in self.keys:
            del self.keys[key]
            self._note(key, is_in=False)

    def since(self, number: int) -> list[tuple[str, bool]] | None:
        """(key, whether it is in now) of the changes behind `number`; None: too many."""
        count = self.number - number
        if count > len(self._changes):
            return None
        return list(self._changes)[len(self._changes) - count :]

    def _note(self, key: str, *, is_in: bool) -> None:
        self._changes.append((key, is_in))
        self.number += 1
