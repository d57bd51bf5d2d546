"""Fan-out: one room of N members, one of whom writes; the unit is one delivered message."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ops.bench.cases import Case, Sample, Session, sample_of
from ops.bench.client import Connection, Tally, close_all
from ops.bench.crowd import Seat, rooms_of, seat_all
from ops.bench.meter import Meter
from ops.bench.pace import Load, closed_loop, open_loop
from ops.bench.targets import Target

UNIT = "CPU-µs per delivered"
SAMPLED_OF = 8  # every eighth member times what it gets; timing all would slow the generator
SMALL_ROOM_MAX = 200


@dataclass(frozen=True)
class Plan:
    """How one case is run. `deliveries_per_s` 0: as fast as the window of messages allows."""

    members: int
    messages: int
    deliveries_per_s: int = 0

    @property
    def outstanding(self) -> int:
        """Messages under way in the closed loop (performance.md 2)."""
        return 32 if self.members <= SMALL_ROOM_MAX else 8


FULL = {
    Case("fanout-100", UNIT, {"single": 0.5, "compact": 0.5, "demo": 0.5}): Plan(100, 4_000),
    Case("fanout-1000", UNIT, {"single": 0.45, "compact": 0.45, "demo": 0.45}): Plan(1_000, 400),
    Case("fanout-1000-steady", UNIT, {"single": 1.0, "compact": 1.0, "demo": 1.0}): Plan(
        1_000, 200, 25_000
    ),
}
SMOKE = {
    Case("fanout-10", UNIT): Plan(10, 200),
    Case("fanout-20-steady", UNIT): Plan(20, 50, 2_000),
}


class Fanout:
    """Rooms of each size that the plans ask for."""

    def __init__(self, *, is_smoke: bool) -> None:
        self._plans: Mapping[Case, Plan] = SMOKE if is_smoke else FULL
        self.cases: Sequence[Case] = list(self._plans)

    async def prepare(self, target: Target) -> Session:
        rooms: dict[int, tuple[Tally, list[Connection]]] = {}
        for members in sorted({plan.members for plan in self._plans.values()}):
            channel, tally = _channel(members), Tally()
            seats = [
                Seat(f"f{members}-{n}", channel, is_timed=n % SAMPLED_OF == 0)
                for n in range(members)
            ]
            await target.create_rooms(rooms_of(seats))
            rooms[members] = tally, await seat_all(target, seats, tally)
        return _Session(target, self._plans, rooms)


class _Session:
    def __init__(
        self,
        target: Target,
        plans: Mapping[Case, Plan],
        rooms: Mapping[int, tuple[Tally, list[Connection]]],
    ) -> None:
        self._target = target
        self._plans = plans
        self._rooms = rooms

    async def measure(self, case: Case) -> Sample:
        plan = self._plans[case]
        tally, connections = self._rooms[plan.members]
        channel, writer = _channel(plan.members), connections[0]
        load = Load(tally, plan.members, lambda _number, due_ns: writer.send(channel, due_ns))
        await _run(load, plan, max(1, plan.messages // 10))
        tally.forget()
        meter = Meter(self._target)
        await meter.start()
        await _run(load, plan, plan.messages)
        usage = await meter.stop()
        sample = sample_of(usage, tally, plan.messages * plan.members)
        tally.forget()
        return sample

    def close(self) -> None:
        for _, connections in self._rooms.values():
            close_all(connections)


async def _run(load: Load, plan: Plan, messages: int) -> None:
    if plan.deliveries_per_s:
        await open_loop(load, messages, plan.deliveries_per_s / plan.members)
    else:
        await closed_loop(load, messages, plan.outstanding)


def _channel(members: int) -> str:
    return f"group:fanout-{members}"
