"""Rows of deleted apps go, slot by slot. Pure: the store is read, Slots propose.

Rules (decision record 0030):
1. The leader of a slot looks whether a deleted app has anything there, and appends one entry that
   deletes it: every copy does so at the same place of the log. Nothing can come behind it, since
   who leads follows the records, and refuses whatever an app asks that is deleted.
2. It begins GRACE_MS after the deletion: by then every node has heard of it, and what was under way
   has been refused.
3. A step looks at LOOKS_MAX pairs of slot and app at most, and asks for one entry at most: a range
   tombstone in each family costs later reads until it is compacted. What falls due stands by time
   and not by app: it is looked through a page a step, and named in the entry key by key.
4. What was found empty is not looked at again under the same term of the slot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

import msgspec

from hubbub.base.units import SECOND_MS
from node import keys
from node.engine import rows_of_app
from node.slot import Slot
from node.store.api import Family, Store

GRACE_MS: Final = 3 * SECOND_MS
LOOKS_MAX: Final = 64  # three seeks each and the slot's first page of dues
DUES_SCANNED: Final = 2_000  # of one look: some 2 ms
AGAIN_MS: Final = 5 * SECOND_MS  # an entry that is not there by then was lost with its term


class ClearingCounts(msgspec.Struct):
    """What /metrics shows of it."""

    asked_total: int = 0
    looked_total: int = 0


class Clear(NamedTuple):
    """Rows of an app in a slot, and index keys of what falls due in it."""

    slot: Slot
    app: str
    dues: tuple[bytes, ...]


class Clearing:
    """Args: deleted: when each deleted app was deleted (wall ms), by name."""

    def __init__(
        self,
        store: Store,
        slots: Mapping[int, Slot],
        deleted: Callable[[], Mapping[str, int]],
    ) -> None:
        self._store = store
        self._slots = slots
        self._deleted = deleted
        self._clean: dict[int, tuple[int, set[str]]] = {}  # slot → (term, apps)
        self._asked: dict[tuple[int, str], int] = {}  # → monotonic ms
        self._seen: dict[tuple[int, str], bytes] = {}  # → the last due key that was looked at
        self.counts = ClearingCounts()

    def step(self, wall_ms: int, mono_ms: int) -> Clear | None:
        """What a slot is to delete now, if there is something. Raises StoreError."""
        looks = 0
        for slot, app in self._open(wall_ms):
            if looks == LOOKS_MAX:
                return None
            place = slot.number, app
            asked_ms = self._asked.get(place)
            if asked_ms is not None and mono_ms - asked_ms < AGAIN_MS:
                continue
            looks += 1
            dues, is_all = self._dues(*place)
            if dues or self._has_rows(*place):
                self._asked[place] = mono_ms
                self.counts.asked_total += 1
                return Clear(slot, app, dues)
            if is_all:
                self._asked.pop(place, None)
                self._seen.pop(place, None)
                self._clean[slot.number][1].add(app)
        return None

    def _dues(self, slot: int, app: str) -> tuple[tuple[bytes, ...], bool]:
        """What falls due in the app, of the next page; whether that was the last one."""
        start, end = keys.due_range(slot, self._seen.get((slot, app), b""))
        page = self._store.iterate(Family.META, start, end, limit=DUES_SCANNED)
        found = tuple(key for key, _ in page if keys.parse_due(key)[0] == app)
        if page and not found:  # else the page is looked at again, when they are gone
            self._seen[slot, app] = page[-1][0]
        return found, len(page) < DUES_SCANNED

    def _open(self, wall_ms: int) -> Iterator[tuple[Slot, str]]:
        """What was not found empty yet."""
        due = [app for app, ms in self._deleted().items() if wall_ms - ms >= GRACE_MS]
        if not due:
            return
        for number, slot in list(self._slots.items()):
            if not slot.is_active:
                continue
            term, clean = self._clean.get(number, (0, set[str]()))
            if term != slot.term:
                clean = set()
                self._clean[number] = slot.term, clean
            if len(clean) < len(due):
                yield from ((slot, app) for app in due if app not in clean)

    def _has_rows(self, slot: int, app: str) -> bool:
        self.counts.looked_total += 1
        return any(self._store.iterate(*one, limit=1) for one in rows_of_app(slot, app))
