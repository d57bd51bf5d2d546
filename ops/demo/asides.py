"""What the demo's people added to what they said: reactions, replies in threads, polls with votes.

Values only. A line of a conversation is named by how it begins; a conversation as in
`conversations`: by its channel, or by its pair of people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ops.demo.conversations import Line

Place = str | tuple[str, str]


@dataclass(frozen=True)
class Aside:
    """To the line that begins with `line`: (user, emoji) of each reaction, and the replies."""

    line: str
    reactions: tuple[tuple[str, str], ...] = ()
    replies: tuple[Line, ...] = ()


@dataclass(frozen=True)
class Poll:
    """`votes`: user → numbers of his options, from 1. It stands at the end of its conversation."""

    by: str
    question: str
    options: tuple[str, ...]
    votes: Mapping[str, tuple[int, ...]]
    votes_max: int = 1


ASIDES: Final[Mapping[Place, tuple[Aside, ...]]] = {
    ("alice", "bob"): (
        Aside("100 % since 10:58", (("alice", "🎉"),)),
        Aside(
            "It's good! One thing",
            (("alice", "👀"),),
            (
                ("alice", "Which callers pass None at all?"),
                ("bob", "Two. The export, and a test that *wants* it to fail."),
                ("alice", "Then `ValueError`, and the export gets an honest default."),
                ("bob", "👌"),
            ),
        ),
        Aside("Approved 🚢", (("alice", "❤️"),)),
    ),
    ("chloe", "dan"): (Aside("Mockup received", (("chloe", "🥰"),)),),
    ("alice", "emma"): (Aside("Das wird ein Aufkleber", (("emma", "😂"),)),),
    "group:trail-run": (
        Aside("There is a café with plum cake", (("bob", "🥧"), ("dan", "🥧"), ("emma", "🥧"))),
        Aside(
            "Post-run report",
            (("alice", "👏"), ("bob", "👏"), ("emma", "👏"), ("alice", "❤️")),
            (
                ("emma", "Wie geht's dem Knöchel?"),
                ("dan", "Purple, but it bends. The tape held 🙏"),
                ("alice", "Put some ice on it, and no stairs today!"),
            ),
        ),
        Aside("My legs have filed", (("alice", "😂"), ("dan", "😂"))),
    ),
    "group:launch": (
        Aside("Mon Tue me", (("alice", "🙏"),)),
        Aside(
            "Release notes draft is up",
            (),
            (
                ("chloe", "“Blazing”? Nothing of ours blazes. It answers."),
                ("alice", "Out it goes. Better?"),
                ("emma", "Viel besser. Zahlen statt Adjektive."),
                ("chloe", "I would read this. Ship it."),
            ),
        ),
        Aside("We're live", (("chloe", "🎉"), ("alice", "🎉"), ("dan", "🎉"), ("emma", "🎉"))),
        Aside("First support ticket", (("chloe", "🐦"), ("alice", "😂"), ("bob", "😂"))),
        Aside("Error rate 0.02 %", (("bob", "👏"), ("dan", "👏"), ("chloe", "🥹"))),
    ),
}

POLLS: Final[Mapping[Place, tuple[Poll, ...]]] = {
    "group:launch": (
        Poll(
            "chloe",
            "Where do we celebrate on Friday?",
            ("The noodle place 🍜", "Picnic by the river", "Karaoke. Bob has prepared a song"),
            {"chloe": (2,), "dan": (3,), "emma": (2,), "bob": (3,), "alice": (2,)},
        ),
    ),
}

COUNT: Final = sum(len(aside.replies) for asides in ASIDES.values() for aside in asides) + sum(
    map(len, POLLS.values())
)
