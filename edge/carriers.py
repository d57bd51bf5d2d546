"""Which router carries a slot, and the interest that this edge keeps at each router. Pure.

Rules:
1. A slot is carried by the first live router of its rendezvous order over *all* routers, so that a
   router which comes back gets its slots back and no other slot moves.
2. A stream's interest stands in exactly one router's set: the carrier's of its slot.
3. Whoever changes carriers gets the streams that moved: their positions must be asked for, since
   events may have been lost in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hubbub.ring.hashing import rendezvous
from hubbub.transport.replicated_set import SetSource

Stream = tuple[str, str]  # (app, stream key)


class Carriers:
    """Router names and liveness → carrier of a slot → interest sets.

    Args: slot_of: the slot of a stream.
    """

    def __init__(self, slot_of: Callable[[str, str], int]) -> None:
        self._slot_of = slot_of
        self._names: tuple[str, ...] = ()
        self._live: set[str] = set()
        self._carriers: dict[int, str] = {}  # of the slots that were asked for
        self._held: dict[Stream, str] = {}  # interest → the router whose set it stands in ("" none)
        self.sets: dict[str, SetSource] = {}

    @property
    def live(self) -> frozenset[str]:
        """Peers with a working link; those that are not registered (any more) carry nothing."""
        return frozenset(self._live)

    def carrier(self, slot: int) -> str:
        """The router that carries a slot, "" while none is live."""
        carrier = self._carriers.get(slot)
        if carrier is None:
            ranked = rendezvous(slot, self._names)
            carrier = next((name for name in ranked if name in self._live), "")
            self._carriers[slot] = carrier
        return carrier

    def add(self, stream: Stream) -> None:
        """Take interest in a stream."""
        if stream not in self._held:
            self._place(stream, self.carrier(self._slot_of(*stream)))

    def remove(self, stream: Stream) -> None:
        """Lose interest in a stream."""
        name = self._held.pop(stream, "")
        if name:
            self.sets[name].remove(stream)

    def set_routers(self, names: Iterable[str]) -> list[Stream]:
        """The registered routers changed; the streams that moved."""
        self._names = tuple(sorted(names))
        return self._move()

    def set_live(self, name: str, live: bool) -> list[Stream]:
        """A link came up or went down; the streams that moved."""
        if live:
            self._live.add(name)
        else:
            self._live.discard(name)
        return self._move()

    def streams(self) -> list[Stream]:
        """Everything this edge has interest in."""
        return list(self._held)

    def carried_by(self, name: str) -> list[Stream]:
        """The streams whose interest stands in a router's set."""
        return [stream for stream, holder in self._held.items() if holder == name]

    def _move(self) -> list[Stream]:
        self._carriers = {}
        moved = []
        for stream, holder in list(self._held.items()):
            carrier = self.carrier(self._slot_of(*stream))
            if carrier != holder:
                if holder and holder in self.sets:
                    self.sets[holder].remove(stream)
                self._place(stream, carrier)
                moved.append(stream)
        return moved

    def _place(self, stream: Stream, carrier: str) -> None:
        self._held[stream] = carrier
        if carrier:
            self.set_of(carrier).add(stream)

    def set_of(self, router: str) -> SetSource:
        """The interest kept at a router, empty if nothing was ever placed there."""
        return self.sets.setdefault(router, SetSource())
