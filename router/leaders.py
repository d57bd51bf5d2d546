"""Who leads a slot, as far as this router knows: the map, or a newer word of a node. Pure.

Rules:
1. A higher term wins, whoever says so: the map's watch may lag behind a REDIRECT and the other way
   round. At the same term the map wins: it is the truth.
2. A change of term is a change even under the same name: another boot of the node leads.
"""

from __future__ import annotations

from typing import NamedTuple


class Moved(NamedTuple):
    """A slot has another leader or term. Names are empty where there is none."""

    slot: int
    old: str
    new: str


class Leaders:
    """Slot → (term, node)."""

    __slots__ = ("_names", "_terms")

    def __init__(self, slots: int) -> None:
        self._names: list[str] = [""] * slots
        self._terms: list[int] = [0] * slots

    @property
    def slots(self) -> int:
        """How many slots the cluster has."""
        return len(self._names)

    def name(self, slot: int) -> str:
        """The node that leads the slot, empty if nobody is known to."""
        return self._names[slot]

    def term(self, slot: int) -> int:
        """The term that it leads in."""
        return self._terms[slot]

    def names(self) -> set[str]:
        """All nodes that lead something."""
        return set(self._names) - {""}

    def led_by(self, name: str) -> list[int]:
        """The slots of one node, ascending."""
        return [slot for slot, leader in enumerate(self._names) if leader == name]

    def from_map(self, slot: int, term: int, name: str) -> Moved | None:
        """What the coordinator says. None: nothing new."""
        known = self._terms[slot]
        if term < known or (term, name) == (known, self._names[slot]):
            return None
        return self._move(slot, term, name)

    def from_node(self, slot: int, term: int, name: str) -> Moved | None:
        """What a node said that does not lead the slot. None: nothing new."""
        if not name or term <= self._terms[slot]:
            return None
        return self._move(slot, term, name)

    def _move(self, slot: int, term: int, name: str) -> Moved:
        moved = Moved(slot, self._names[slot], name)
        self._terms[slot] = term
        self._names[slot] = name
        return moved
