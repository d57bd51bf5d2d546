"""Idle: what a connection that is logged in and in its room costs in memory, in KiB of PSS."""

import asyncio
from collections.abc import Sequence

from ops.bench import cpu
from ops.bench.cases import Case, Sample, Session
from ops.bench.client import Connection, Tally, close_all
from ops.bench.crowd import Seat, rooms_of, seat_all
from ops.bench.pace import raise_errors
from ops.bench.targets import Target

MEMBERS = 4
SETTLE_S = 3.0  # the servers' own buffers of the log-in are let go
FULL_CONNECTIONS, SMOKE_CONNECTIONS = 2_000, 80


class Idle:
    """Each round adds connections to those of the rounds before: freed memory is not reused."""

    def __init__(self, *, is_smoke: bool) -> None:
        self._count = SMOKE_CONNECTIONS if is_smoke else FULL_CONNECTIONS
        bar = {} if is_smoke else {"single": 20.0, "compact": 20.0, "demo": 20.0}
        self.cases: Sequence[Case] = [
            Case(f"idle-{self._count}", "KiB PSS per connection", bar, bar_is_ratio=False)
        ]

    async def prepare(self, target: Target) -> Session:
        session = _Session(target, self._count)
        await session.warm_up()
        return session


class _Session:
    def __init__(self, target: Target, count: int) -> None:
        self._target = target
        self._count = count
        self._tally = Tally()
        self._rounds = 0
        self._connections: list[Connection] = []

    async def warm_up(self) -> None:
        """A few connections, so that what a process loads once is not counted."""
        await self._add(MEMBERS * 5)
        await asyncio.sleep(SETTLE_S)

    async def measure(self, case: Case) -> Sample:
        before = cpu.memory(self._target.pids)
        await self._add(self._count)
        await asyncio.sleep(SETTLE_S)
        raise_errors(self._tally)
        after = cpu.memory(self._target.pids)
        figures = {
            "rss_kib": (after.rss_kib - before.rss_kib) / self._count,
            "total_pss_mib": after.pss_kib / 1_024,
        }
        return Sample((after.pss_kib - before.pss_kib) / self._count, figures)

    async def _add(self, count: int) -> None:
        self._rounds += 1
        name = f"i{self._rounds}"
        seats = [Seat(f"{name}-{n}", f"group:{name}-{n // MEMBERS}") for n in range(count)]
        await self._target.create_rooms(rooms_of(seats))
        self._connections += await seat_all(self._target, seats, self._tally)

    def close(self) -> None:
        close_all(self._connections)
