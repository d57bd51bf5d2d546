"""Bootstrap: everybody has as many channels as a first screen shows."""

from __future__ import annotations

from collections import Counter

from ops.bench.bootstrap import CHANNELS, MEMBERS, Bootstrap, rooms_for
from ops.bench.targets import Target
from tests.ops.bench.conftest import one_round


def test_everybody_is_in_as_many_rooms() -> None:
    users = [f"u{n}" for n in range(12)]
    rooms = rooms_for(users)
    assert len(rooms) == CHANNELS * len(users) // MEMBERS
    assert {len(members) for members in rooms.values()} == {MEMBERS}
    assert Counter(user for members in rooms.values() for user in members) == dict.fromkeys(
        users, CHANNELS
    )


async def test_a_round_on_the_reference_costs_something(target: Target) -> None:
    sample = (await one_round(Bootstrap(is_smoke=True), target))["bootstrap-50"]
    assert sample.value > 10
    assert sample.figures["per_s"] > 10
