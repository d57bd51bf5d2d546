"""Many connections: each in its own seat."""

from __future__ import annotations

import pytest

from ops.bench.client import Tally, close_all
from ops.bench.crowd import Seat, rooms_of, seat_all
from ops.bench.pace import Load, closed_loop
from ops.bench.targets import Target


def test_rooms_list_their_members() -> None:
    seats = [Seat("a", "x"), Seat("b", "y"), Seat("c", "x")]
    assert rooms_of(seats) == {"x": ["a", "c"], "y": ["b"]}


async def test_everybody_sits_where_the_seat_says(target: Target) -> None:
    seats = [Seat(f"u{n}", f"group:crowd-{n % 3}") for n in range(30)]
    tally = Tally()
    connections = await seat_all(target, seats, tally)
    await closed_loop(
        Load(tally, 10, lambda n, due: connections[n].send(seats[n].channel, due)), 3, 1
    )
    assert (tally.acked, tally.delivered, tally.errors) == (3, 30, [])
    close_all(connections)


async def test_a_server_that_is_not_there_is_an_error(target: Target) -> None:
    nobody = Target("nobody", target.dialect, ["http://127.0.0.1:1"], [])
    with pytest.raises(ExceptionGroup) as raised:
        await seat_all(nobody, [Seat("a", "x")], Tally())
    assert raised.group_contains(ConnectionRefusedError)
