"""History: pages of 50 out of a long room, at random places; the unit is one page."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from ops.answer import Failure
from ops.bench.cases import Case, Sample, Session, sample_of
from ops.bench.client import Connection, Tally, close_all
from ops.bench.crowd import Seat, rooms_of, seat_all
from ops.bench.dialects import MARK
from ops.bench.meter import Meter
from ops.bench.pace import Load, closed_loop
from ops.bench.targets import Target

CHANNEL = "group:history"
PAGE = 50
READERS = 4
SEEDING_OUTSTANDING = 64


@dataclass(frozen=True)
class Plan:
    """How long the room is and how many pages a round reads."""

    messages: int
    pages: int


FULL, SMOKE = Plan(10_000, 2_000), Plan(200, 40)


class History:
    """The room is filled once; the pages are warm from the second round on at the latest."""

    def __init__(self, *, is_smoke: bool) -> None:
        self._plan = SMOKE if is_smoke else FULL
        bar = {} if is_smoke else {"single": 600.0, "compact": 600.0, "demo": 600.0}
        name = f"history-{self._plan.messages}"
        self.cases: Sequence[Case] = [Case(name, "CPU-µs per page of 50", bar, bar_is_ratio=False)]

    async def prepare(self, target: Target) -> Session:
        seats = [Seat(f"h{n}", CHANNEL, is_timed=False) for n in range(READERS)]
        tally = Tally()
        await target.create_rooms(rooms_of(seats))
        readers = await seat_all(target, seats, tally)
        load = Load(tally, READERS, lambda _n, due_ns: readers[0].send(CHANNEL, due_ns))
        await closed_loop(load, self._plan.messages, SEEDING_OUTSTANDING)
        return _Session(target, self._plan, readers)


class _Session:
    def __init__(self, target: Target, plan: Plan, readers: Sequence[Connection]) -> None:
        self._target = target
        self._plan = plan
        self._readers = readers
        self._random = Random(1)

    async def measure(self, case: Case) -> Sample:
        await self._read(max(READERS, self._plan.pages // 10))
        meter = Meter(self._target)
        await meter.start()
        tally = await self._read(self._plan.pages)
        sample = sample_of(await meter.stop(), tally, self._plan.pages)
        renamed = {"page_p50_ms": sample.figures["ack_p50_ms"]}
        renamed["page_p99_ms"] = sample.figures["ack_p99_ms"]
        kept = {k: v for k, v in sample.figures.items() if not k.startswith(("ack", "deliver"))}
        return Sample(sample.value, {**renamed, **kept})

    async def _read(self, pages: int) -> Tally:
        """Each reader asks for its next page when it has the last one."""
        tally = Tally()
        async with asyncio.TaskGroup() as group:
            for reader in self._readers:
                group.create_task(self._read_some(reader, pages // READERS, tally))
        return tally

    async def _read_some(self, reader: Connection, pages: int, tally: Tally) -> None:
        for _ in range(pages):
            before_seq = self._random.randint(2 * PAGE, self._plan.messages + 1)
            start_ns = time.monotonic_ns()
            answer = await reader.page(CHANNEL, before_seq, PAGE)
            tally.ack_ns.append(time.monotonic_ns() - start_ns)
            if answer.count(MARK) != PAGE:
                raise Failure(f"a page of {answer.count(MARK)} messages below seq {before_seq}")

    def close(self) -> None:
        close_all(self._readers)
