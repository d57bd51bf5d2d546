"""Bootstrap: what `connect` does, for people who have 50 channels each; the unit is one of these.

Hubbub answers with the list, its heads, figures and previews, and takes interest in all of it. The
reference has no lists: it is the same bare connection as in `connect`.
"""

from collections.abc import Sequence
from random import Random

from ops.bench.cases import Case, Session
from ops.bench.connect import Connects
from ops.bench.crowd import Seat
from ops.bench.targets import Target

CHANNELS = 50  # of each: the first screen
MEMBERS = 4
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
        session = Connects(target, seats)
        await session.warm_up(seats)  # caches are warm from here on
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
