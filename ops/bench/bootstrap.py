"""Bootstrap: what `connect` does, for people who have 50 channels each; the unit is one of these.

Hubbub answers with the list, its heads, figures and previews, and takes interest in all of it. The
reference has no lists: it is the same bare connection as in `connect`.
"""

import asyncio
from collections.abc import Sequence
from random import Random

from ops.bench.cases import Case, Sample, Session, sample_of
from ops.bench.client import Tally, close_all
from ops.bench.crowd import Seat, seat_all
from ops.bench.meter import Meter
from ops.bench.targets import Target

CHANNELS = 50  # of each: the first screen
MEMBERS = 4
SETTLE_S = 1.0  # the servers clean up after those who left: no cost of the next round's
FULL_PEOPLE, SMOKE_PEOPLE = 200, 12
BAR_US = 3_000.0


class Bootstrap:
    """Each round connects the same people again; their channels are at rest."""

    def __init__(self, *, is_smoke: bool) -> None:
        self._users = [f"b{n}" for n in range(SMOKE_PEOPLE if is_smoke else FULL_PEOPLE)]
        bar = {} if is_smoke else {"single": BAR_US, "compact": BAR_US, "demo": BAR_US}
        unit = "CPU-µs per connection"
        self.cases: Sequence[Case] = [Case(f"bootstrap-{CHANNELS}", unit, bar, bar_is_ratio=False)]

    async def prepare(self, target: Target) -> Session:
        rooms = rooms_for(self._users)
        await target.create_rooms(rooms)
        first = {user: room for room, users in reversed(rooms.items()) for user in users}
        seats = [Seat(user, room) for user, room in first.items()]
        session = _Session(target, seats)
        await session.connect_all()  # caches are warm from here on
        return session


def rooms_for(users: Sequence[str]) -> dict[str, list[str]]:
    """Rooms of MEMBERS each, such that everybody is in CHANNELS of them."""
    rooms: dict[str, list[str]] = {}
    for turn in range(CHANNELS):
        order = list(users)
        Random(turn).shuffle(order)
        for start in range(0, len(order), MEMBERS):
            rooms[f"group:boot-{turn}-{start}"] = order[start : start + MEMBERS]
    return rooms


class _Session:
    def __init__(self, target: Target, seats: Sequence[Seat]) -> None:
        self._target = target
        self._seats = seats

    async def connect_all(self) -> None:
        close_all(await seat_all(self._target, self._seats, Tally()))
        await asyncio.sleep(SETTLE_S)

    async def measure(self, case: Case) -> Sample:
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
