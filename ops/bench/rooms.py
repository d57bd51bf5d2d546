"""Small rooms: many rooms of four, messages at a steady rate; the unit is one accepted message."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from ops.bench.cases import Case, Sample, Session, sample_of
from ops.bench.client import Connection, Tally, close_all
from ops.bench.crowd import Seat, rooms_of, seat_all
from ops.bench.meter import Meter
from ops.bench.pace import Load, open_loop
from ops.bench.targets import Target

UNIT = "CPU-µs per message"
MEMBERS = 4
WARM_UP_S = 2


@dataclass(frozen=True)
class Plan:
    """How one case is run."""

    per_s: int
    seconds: int


FULL_ROOMS, SMOKE_ROOMS = 500, 20
FULL = {
    Case("rooms-200", UNIT, {"single": 3.0, "compact": 3.0}): Plan(200, 10),
    Case("rooms-2000", UNIT, {"single": 2.0, "compact": 2.0, "demo": 2.5}): Plan(2_000, 10),
}
SMOKE = {Case("rooms-100", UNIT): Plan(100, 1)}


class Rooms:
    """The rooms are the same for every rate."""

    def __init__(self, *, is_smoke: bool) -> None:
        self._plans: Mapping[Case, Plan] = SMOKE if is_smoke else FULL
        self._rooms = SMOKE_ROOMS if is_smoke else FULL_ROOMS
        self.cases: Sequence[Case] = list(self._plans)

    async def prepare(self, target: Target) -> Session:
        seats = [Seat(f"r{n}", f"group:room-{n // MEMBERS}") for n in range(self._rooms * MEMBERS)]
        tally = Tally()
        await target.create_rooms(rooms_of(seats))
        connections = await seat_all(target, seats, tally)
        return _Session(target, self._plans, tally, seats, connections)


class _Session:
    def __init__(
        self,
        target: Target,
        plans: Mapping[Case, Plan],
        tally: Tally,
        seats: Sequence[Seat],
        connections: Sequence[Connection],
    ) -> None:
        self._target = target
        self._plans = plans
        self._tally = tally
        self._seats = seats
        self._connections = connections
        self._random = Random(1)  # the same order of rooms for every server and run

    async def measure(self, case: Case) -> Sample:
        plan = self._plans[case]
        load = Load(self._tally, MEMBERS, self._send)
        await open_loop(load, plan.per_s * min(WARM_UP_S, plan.seconds), plan.per_s)
        self._tally.forget()
        meter = Meter(self._target)
        await meter.start()
        await open_loop(load, plan.per_s * plan.seconds, plan.per_s)
        usage = await meter.stop()
        sample = sample_of(usage, self._tally, plan.per_s * plan.seconds)
        self._tally.forget()
        return sample

    def _send(self, _number: int, due_ns: int) -> None:
        n = self._random.randrange(len(self._seats))
        self._connections[n].send(self._seats[n].channel, due_ns)

    def close(self) -> None:
        close_all(self._connections)
