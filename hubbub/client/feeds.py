"""The events of one channel on their way to the part of the program that reads them.

Overflow: a reader that lets `UNREAD_MAX` wait loses them to one Reset, which tells it to reload; so
a slow reader of one channel holds up nobody else.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, Self

from hubbub.client.events import Closed, Ended, Presence, Published, Refused, Reset

UNREAD_MAX: Final = 5_000
Told = Published | Reset | Presence


class Feed:
    """`async for event in feed`; ends with the connection for good. Raises Refused when the server
    ends the subscription."""

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self._events: deque[Told] = deque()
        self._arrived = asyncio.Event()
        self._end: Refused | Closed | None = None

    def put(self, event: Told) -> None:
        """One more; see the module for when there are too many."""
        if len(self._events) >= UNREAD_MAX:
            offsets = [getattr(e, "offset", 0) for e in (*self._events, event)]
            self._events.clear()
            self._events.append(Reset(self.channel, max(offsets)))
        else:
            self._events.append(event)
        self._arrived.set()

    def end(self, event: Ended | Closed) -> None:
        """Nothing comes any more; what waits is still read."""
        self._end = event.error if isinstance(event, Ended) else event
        self._arrived.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Told:
        while not self._events:
            if isinstance(self._end, Refused):
                raise self._end
            if self._end is not None:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._events.popleft()
