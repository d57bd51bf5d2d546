"""Flusher and wheel on a real loop."""

from __future__ import annotations

import asyncio

from edge.connection import Peer
from edge.framing import WEBSOCKET_JSON
from edge.outgoing import Outgoing
from edge.pace import Pace
from edge.session import Session, SessionSettings
from hubbub.base.errors import STALE
from hubbub.runtime.clock import SystemClock
from hubbub.wire.centrifuge import JSON
from tests.edge.test_outgoing import Wire
from tests.edge.toy_host import make_config


class WaitingWire(Wire):
    """Says when it was written to or closed."""

    def __init__(self) -> None:
        super().__init__()
        self.changed = asyncio.Event()

    def write(self, frame: bytes) -> None:
        super().write(frame)
        self.changed.set()

    def close(self, close: object) -> None:
        self.closed = close  # type: ignore[assignment]
        self.changed.set()


async def test_queues_are_flushed_without_anybody_asking() -> None:
    pace = Pace(make_config(flush_tick_ms=5), SystemClock())
    wire = WaitingWire()
    outgoing = Outgoing(wire, WEBSOCKET_JSON, pace.flusher)
    for message in (b"a", b"b"):
        outgoing.push(message)
        async with asyncio.timeout(5):
            await wire.changed.wait()
        wire.changed.clear()
    assert wire.messages == [b"a", b"b"]


async def test_deadlines_are_kept_until_the_clockwork_stops() -> None:
    clock = SystemClock()
    pace = Pace(make_config(), clock)
    wire = WaitingWire()
    settings = SessionSettings(
        timers=pace.timers, on_ended=lambda subscription: None, connect_deadline_ms=10
    )
    outgoing = Outgoing(wire, WEBSOCKET_JSON, pace.flusher)
    peer = Peer(encoding=JSON, transport="websocket", remote="::1")
    Session(outgoing, peer, settings, clock.monotonic_ms())
    pace.start()
    async with asyncio.timeout(5):
        await wire.changed.wait()
    assert wire.closed is STALE
    pace.stop()
    pace.stop()
