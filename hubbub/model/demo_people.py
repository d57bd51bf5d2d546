"""The people of the demo: the page's sign-in lists them, seeding makes them. Values only.

They need no password, so they exist on loopback only.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct


class Person(Struct, frozen=True):
    """A demo user: id, display name, and a line about them."""

    id: str
    name: str
    about: str


HUMANS: Final = (
    Person("alice", "Alice Moreau", "Product, runs before sunrise"),
    Person("bob", "Bob Tanaka", "Backend, collects fountain pens"),
    Person("chloe", "Chloé Lefèvre", "Design, based in Lyon"),
    Person("dan", "Dan Okafor", "Support, knows everyone's birthday"),
    Person("emma", "Emma Schneider", "Data, from Graz"),
)
BOT: Final = Person("robin", "Robin", "A bot. Says hello, and answers when you write first")
