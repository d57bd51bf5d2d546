"""When the generator sends: as soon as there is room (closed loop), or by the clock (open loop).

Rules:
1. An open loop never waits for a server: a message is timed from the moment at which it was due,
   so that a server which stalls cannot hide what queued up behind the stall.
2. Both end only when everything sent was acknowledged and delivered, or raise `Failure`.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from ops.answer import Failure
from ops.bench.client import Tally

SETTLE_TIMEOUT_S = 60.0
_TICK_S = 0.001  # the event loop's own resolution: what falls due within it leaves together


@dataclass(frozen=True)
class Load:
    """`send(number, due_ns)` sends message `number`; each is delivered to `fanout` connections."""

    tally: Tally
    fanout: int
    send: Callable[[int, int], None]


async def closed_loop(load: Load, messages: int, outstanding: int) -> None:
    """Keeps `outstanding` messages under way: one is done when all its deliveries are."""
    tally = load.tally
    for number in range(messages):
        while tally.sent - tally.delivered // load.fanout >= outstanding:
            await _changed(tally)
        load.send(number, time.monotonic_ns())
    await settled(load)


async def open_loop(load: Load, messages: int, per_s: float) -> None:
    """Sends message n at n / per_s after the start, whatever the server does."""
    start_ns, gap_ns = time.monotonic_ns(), 1_000_000_000 / per_s
    number = 0
    while number < messages:
        due_count = int((time.monotonic_ns() - start_ns) / gap_ns) + 1
        while number < min(due_count, messages):
            load.send(number, start_ns + int(number * gap_ns))
            number += 1
        raise_errors(load.tally)
        ahead_s = (start_ns + number * gap_ns - time.monotonic_ns()) / 1e9
        await asyncio.sleep(max(_TICK_S, ahead_s))
    await settled(load)


async def settled(load: Load) -> None:
    """Waits until every message is acknowledged and delivered to all, and to nobody twice."""
    tally = load.tally
    while tally.acked < tally.sent or tally.delivered < tally.sent * load.fanout:
        await _changed(tally)
    if tally.delivered > tally.sent * load.fanout:
        raise Failure(f"{tally.delivered} deliveries of {tally.sent} messages x {load.fanout}")


async def _changed(tally: Tally) -> None:
    raise_errors(tally)
    tally.changed.clear()
    try:
        async with asyncio.timeout(SETTLE_TIMEOUT_S):
            await tally.changed.wait()
    except TimeoutError:
        counts = f"{tally.sent} sent, {tally.acked} acked, {tally.delivered} delivered"
        raise Failure(f"the server stopped answering: {counts}") from None
    raise_errors(tally)


def raise_errors(tally: Tally) -> None:
    """Raises Failure if a connection was lost or a request refused."""
    if tally.errors:
        raise Failure(f"the server refused: {tally.errors[0]}", cause=tally.errors[1:])
