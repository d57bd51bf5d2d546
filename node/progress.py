"""What a leader knows of one other copy, and when it speaks to it next. Pure.

Rules:
1. Probing: one APPEND at a time, until the copy has said where it stands. Streaming: entries leave
   as they come, up to `WINDOW_BYTES` unanswered; what lies behind is read from the log later.
2. Silence doubles the wait before the next probe, up to `RETRY_MS_MAX`; any word resets it.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from hubbub.base.units import KIB, MIB

APPEND_BYTES_MAX: Final = 512 * KIB
WINDOW_BYTES: Final = 2 * MIB  # four messages; double only fills the peer's queue
# A frame and an fsync on a loaded machine take 50 ms; half of this would probe in vain.
RETRY_MS: Final = 300
RETRY_MS_MAX: Final = 2_400


class Progress:
    """Where one copy stands."""

    __slots__ = (
        "_first",
        "_in_flight",
        "_retry_ms",
        "counts",
        "heard_ms",
        "is_probing",
        "match",
        "next",
        "sent_ms",
    )

    def __init__(self, next_index: int, *, counts: bool) -> None:
        """Args: counts: it is a member (a learner is not) whose log is whole."""
        self.match = 0
        self.next = next_index
        self.is_probing = True
        self.counts = counts
        self.sent_ms = 0
        self.heard_ms = 0
        self._retry_ms = RETRY_MS
        self._first = 0  # of the last APPEND
        self._in_flight: deque[tuple[int, int]] = deque()  # (last index, bytes)

    def may_send(self) -> bool:
        """Entries may leave now."""
        if self.is_probing:
            return not self._in_flight
        return sum(size for _, size in self._in_flight) < WINDOW_BYTES

    def sent(self, last_index: int, byte_count: int, now_ms: int) -> None:
        """An APPEND up to an index left."""
        self._in_flight.append((last_index, byte_count))
        self._first = self.next
        self.next = last_index + 1
        self.sent_ms = now_ms

    def appended(self, match: int) -> None:
        """The copy has everything up to `match`."""
        self.is_probing = False
        self._retry_ms = RETRY_MS
        self.match = max(self.match, match)
        self.next = max(self.next, self.match + 1)
        while self._in_flight and self._in_flight[0][0] <= match:
            self._in_flight.popleft()

    def refused(self, common: int) -> None:
        """The copy shares the log up to `common` only.

        Each APPEND behind one that was lost is refused: only the first NAK makes a probe.
        """
        self._retry_ms = RETRY_MS
        if not (self.is_probing and self._in_flight and self._first == common + 1):
            self.probe(common + 1)

    def probe(self, next_index: int) -> None:
        """Ask anew from an index on."""
        self.is_probing = True
        self.next = next_index
        self._in_flight.clear()

    def is_late(self, last_index: int, now_ms: int) -> bool:
        """It lacks something, and has been silent for too long. Doubles the patience."""
        if self.match >= last_index and not self._in_flight:
            return False
        if now_ms - self.sent_ms < self._retry_ms:
            return False
        self._retry_ms = min(2 * self._retry_ms, RETRY_MS_MAX)
        return True
