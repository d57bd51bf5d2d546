"""Which channels the demo's people share. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hubbub.model import demo_people
from hubbub.model.demo_people import BOT


@dataclass(frozen=True)
class Room:
    """A group or open channel; the first member makes it."""

    channel: str
    name: str
    members: tuple[str, ...]

    @property
    def is_open(self) -> bool:
        return self.channel.startswith("open:")


ROBIN: Final = BOT.id
PEOPLE: Final = (*demo_people.HUMANS, BOT)
HUMANS: Final = tuple(person.id for person in demo_people.HUMANS)

ROOMS: Final = (
    Room("group:trail-run", "Trail run", ("alice", "bob", "dan", "emma")),
    Room("group:launch", "Launch week", ("chloe", "alice", "bob", "emma", "dan")),
    Room("open:lobby", "Lobby", (*HUMANS, ROBIN)),
)

PAIRS: Final = (
    ("alice", "bob"),
    ("chloe", "dan"),
    ("alice", "emma"),
    ("alice", ROBIN),
    ("bob", ROBIN),
    ("chloe", ROBIN),
    ("dan", ROBIN),
    ("emma", ROBIN),
)

NAMES: Final = {person.id: person.name for person in PEOPLE}
