"""What is to be told within a second: figures that many events changed (contract: Pulse). Pure.

Rules:
1. However often something changes between two ticks, it is told once.
2. Bounded, and what does not fit is not told: its rev tells whoever reads it next.
3. It is the leader's memory: with the leader goes what was noted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

Stream = tuple[str, str]  # (app, stream key)
Noted = tuple[str, int]  # (feature, what)

# A screen shows fewer messages; a room where more change in a second is not read one by one.
NOTED_PER_STREAM_MAX: Final = 200
STREAMS_MAX: Final = 10_000  # double: a tick of a second's work


class PulseStatistics(msgspec.Struct, frozen=True):
    """Since the start; `streams`: now."""

    streams: int
    noted: int
    dropped: int


class Pulses:
    """What was noted since the last tick, by stream."""

    def __init__(self) -> None:
        self._streams: dict[Stream, dict[Noted, None]] = {}
        self._noted = 0
        self._dropped = 0

    def note(self, stream: Stream, what: Iterable[Noted]) -> None:
        """These changed."""
        noted = self._streams.get(stream)
        if noted is None:
            if len(self._streams) >= STREAMS_MAX:
                self._dropped += 1
                return
            noted = self._streams[stream] = {}
        for one in what:
            self._noted += 1
            if one in noted or len(noted) < NOTED_PER_STREAM_MAX:
                noted[one] = None
            else:
                self._dropped += 1

    def take(self) -> dict[Stream, Sequence[Noted]]:
        """All of it; nothing is noted any more."""
        streams, self._streams = self._streams, {}
        return {stream: tuple(noted) for stream, noted in streams.items()}

    def statistics(self) -> PulseStatistics:
        """Counts."""
        return PulseStatistics(len(self._streams), self._noted, self._dropped)
