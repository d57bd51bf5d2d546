"""The edge's clockwork: the one flush and the one timer of all connections, on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from edge.outgoing import Flusher
from edge.session import Session
from edge.timers import TURN_MS, Timers
from hubbub.runtime.clock import Clock, until_turn_s
from hubbub.settings.schema import EdgeConfig


class Pace:
    """Flusher and Timers, driven. Make it on the loop that serves the connections."""

    def __init__(self, config: EdgeConfig, clock: Clock) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._clock = clock
        self._handle: asyncio.TimerHandle | None = None
        self.timers: Timers[Session] = Timers(clock.monotonic_ms())
        self.flusher = Flusher(
            soon=loop.call_soon,
            later=_later(loop),
            now_ms=clock.monotonic_ms,
            tick_ms=config.flush_tick_ms,
            outgoing_bytes_max=config.outgoing_bytes_max,
            total_bytes_max=config.outgoing_total_bytes_max,
            reply_bytes_max=config.recovery_connection_bytes_max,
        )

    def start(self) -> None:
        """Begin to turn the wheel."""
        wait_s = until_turn_s(self._loop.time(), TURN_MS / 1000)
        self._handle = self._loop.call_later(wait_s, self._turn)

    def stop(self) -> None:
        """Deadlines are no longer kept; flushes still happen."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _turn(self) -> None:
        self.start()
        now = self._clock.monotonic_ms()
        for session in self.timers.advance(now):
            session.tick(now)


def _later(loop: asyncio.AbstractEventLoop) -> Callable[[int, Callable[[], None]], object]:
    return lambda ms, call: loop.call_later(ms / 1000, call)
