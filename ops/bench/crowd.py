"""Many connections of the generator: who joins which room, opened a few at a time."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ops.bench.client import Connection, Tally
from ops.bench.targets import Target

OPENING_AT_ONCE = 16  # enough to keep two cores busy; more would only measure the queue


@dataclass(frozen=True)
class Seat:
    """One user in one room. `is_timed`: every publication that it gets becomes a sample."""

    user: str
    channel: str
    is_timed: bool = True


def rooms_of(seats: Sequence[Seat]) -> dict[str, list[str]]:
    """The members of each room."""
    rooms: dict[str, list[str]] = {}
    for seat in seats:
        rooms.setdefault(seat.channel, []).append(seat.user)
    return rooms


async def seat_all(target: Target, seats: Sequence[Seat], tally: Tally) -> list[Connection]:
    """Opens a connection a seat, in order of the seats, each logged in and in its room."""
    connections = [
        Connection(target.dialect, tally, number, times_deliveries=seat.is_timed)
        for number, seat in enumerate(seats)
    ]
    waiting = iter(range(len(seats)))
    async with asyncio.TaskGroup() as group:
        for _ in range(OPENING_AT_ONCE):
            group.create_task(_seat(target, seats, connections, waiting))
    return connections


async def _seat(
    target: Target,
    seats: Sequence[Seat],
    connections: Sequence[Connection],
    waiting: Iterator[int],
) -> None:
    for number in waiting:
        seat = seats[number]
        await connections[number].open(target.url_of(number))
        await connections[number].enter(seat.user, seat.channel, int(time.time()))
