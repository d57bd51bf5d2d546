"""What the program wrote and the server has not confirmed, each with its cmid. Pure.

Rules:
1. An entry is stored before it is sent, and removed when it ends: acknowledged, refused for good,
   or of unknown outcome because its cmid is older than what the server remembers (24 hours).
2. An entry gets its cmid when it is tried first, so weeks offline cost nothing. In a channel
   entries leave in order, one at a time; what has no answer is sent again under the same cmid.
3. Overflow: a full outbox refuses what is new (OutboxFull); what it holds is never dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct
from msgspec.structs import asdict, replace

from hubbub.base.units import DAY_MS, MINUTE_MS
from hubbub.client.events import Json, OutboxFull
from hubbub.client.stores import Store

ENTRIES_MAX: Final = 500  # a store is written whole: at most some hundred KiB of usual texts
# The server knows a cmid for 24 hours; this much less, since clocks differ and sending takes time.
REMEMBERED_MS: Final = DAY_MS - 10 * MINUTE_MS


class Entry(Struct, frozen=True):
    """One command. With a cmid, made at `tried_ms` (Unix time), it may have happened already."""

    number: int
    method: str
    channel: str
    data: dict[str, Json]
    cmid: str = ""
    tried_ms: int = 0


class Outbox:
    """All of them, in the order of writing."""

    def __init__(self, store: Store) -> None:
        self._store = store
        saved = store.load() or {}
        self._entries = {e["number"]: Entry(**e) for e in saved.get("entries", ())}
        self._last = max(self._entries, default=0)

    def __len__(self) -> int:
        return len(self._entries)

    def channels(self) -> list[str]:
        """Those with something to send."""
        return list(dict.fromkeys(e.channel for e in self._entries.values()))

    def of(self, channel: str) -> list[Entry]:
        """A channel's entries, oldest first."""
        return [e for e in self._entries.values() if e.channel == channel]

    def add(self, method: str, channel: str, data: dict[str, Json]) -> int:
        """Keep a command; its number. Raises OutboxFull."""
        if len(self._entries) >= ENTRIES_MAX:
            raise OutboxFull(f"at most {ENTRIES_MAX} unsent messages")
        self._last += 1
        self._put(Entry(self._last, method, channel, data))
        return self._last

    def take(
        self, channel: str, now_ms: int, new_cmid: Callable[[], str]
    ) -> tuple[Entry, bool] | None:
        """What to send next in a channel, and whether it may be sent: one that was tried too long
        ago might be stored twice; the caller ends it as unknown."""
        entry = next(iter(self.of(channel)), None)
        if entry is None:
            return None
        if entry.cmid:
            return entry, now_ms - entry.tried_ms < REMEMBERED_MS
        entry = replace(entry, cmid=new_cmid(), tried_ms=now_ms)
        self._put(entry)
        return entry, True

    def renew(self, number: int) -> None:
        """The server has not stored it and takes this cmid no more: another one next time."""
        if number in self._entries:
            self._put(replace(self._entries[number], cmid="", tried_ms=0))

    def end(self, number: int) -> None:
        """Its outcome is known, or will not be."""
        if self._entries.pop(number, None) is not None:
            self._save()

    def _put(self, entry: Entry) -> None:
        self._entries[entry.number] = entry
        self._save()

    def _save(self) -> None:
        self._store.save({"entries": [asdict(e) for e in self._entries.values()]})
