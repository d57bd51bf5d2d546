"""Connect: TCP, upgrade, log-in with a token, and one subscription; the unit is one of these."""

import asyncio
from collections.abc import Sequence

from ops.bench.cases import Case, Sample, Session, sample_of
from ops.bench.client import Tally, close_all
from ops.bench.crowd import Seat, rooms_of, seat_all
from ops.bench.meter import Meter
from ops.bench.targets import Target

MEMBERS = 4
SETTLE_S = 1.0  # the servers clean up after those who left: no cost of the next round's
FULL_CONNECTIONS, SMOKE_CONNECTIONS = 1_000, 40


class Connect:
    """Each round connects the same people again."""

    def __init__(self, *, is_smoke: bool) -> None:
        count = SMOKE_CONNECTIONS if is_smoke else FULL_CONNECTIONS
        self._seats = [Seat(f"c{n}", f"group:connect-{n // MEMBERS}") for n in range(count)]
        bar = {} if is_smoke else {"single": 1.6, "compact": 1.6, "demo": 1.6}
        self.cases: Sequence[Case] = [Case(f"connect-{count}", "CPU-µs per connection", bar)]

    async def prepare(self, target: Target) -> Session:
        await target.create_rooms(rooms_of(self._seats))
        session = Connects(target, self._seats)
        await session.warm_up(self._seats[:: len(self._seats) // 20])
        return session


class Connects:
    """Rounds in which the same people connect, once each, and go."""

    def __init__(self, target: Target, seats: Sequence[Seat]) -> None:
        self._target = target
        self._seats = seats

    async def warm_up(self, seats: Sequence[Seat]) -> None:
        """Connect these before anything is measured."""
        close_all(await seat_all(self._target, seats, Tally()))
        await asyncio.sleep(SETTLE_S)

    async def measure(self, case: Case) -> Sample:
        """One round."""
        meter = Meter(self._target)
        await meter.start()
        connections = await seat_all(self._target, self._seats, Tally())
        usage = await meter.stop()
        close_all(connections)
        await asyncio.sleep(SETTLE_S)
        sample = sample_of(usage, Tally(), len(self._seats))
        return Sample(sample.value, {k: v for k, v in sample.figures.items() if v})

    def close(self) -> None:
        """Every round closes its own connections."""
