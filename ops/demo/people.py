"""Who is in the demo and which channels they share. Values only.

The demo's sign-in needs no password: these people exist on loopback only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Person:
    """A demo user: id, display name, and a line about them."""

    id: str
    name: str
    about: str


@dataclass(frozen=True)
class Room:
    """A group or open channel; the first member makes it."""

    channel: str
    name: str
    members: tuple[str, ...]

    @property
    def is_open(self) -> bool:
        return self.channel.startswith("open:")


ROBIN: Final = "robin"

PEOPLE: Final = (
    Person("alice", "Alice Moreau", "Product, runs before sunrise"),
    Person("bob", "Bob Tanaka", "Backend, collects fountain pens"),
    Person("chloe", "Chloé Lefèvre", "Design, based in Lyon"),
    Person("dan", "Dan Okafor", "Support, knows everyone's birthday"),
    Person("emma", "Emma Schneider", "Data, from Graz"),
    Person(ROBIN, "Robin", "A bot. Says hello, and answers when you write first"),
)
HUMANS: Final = tuple(person.id for person in PEOPLE if person.id != ROBIN)

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
