"""Lines of heads that users were told, kept until something is committed in their streams. Pure.

Rules (decision record 0038):
1. A user's lines are kept under the channels that were asked for, in that order; another list
   replaces them.
2. Whatever is committed in a stream counts its version up: one look-up a commit, however many were
   told a line of it. Who asks next has the lines of older versions made anew, so an answer is as
   exact as if all were.
3. They hold as long as each of their slots is led here, or is not, as when they were made.
4. LINES_MAX lines of all users together: who asked longest ago goes first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from operator import attrgetter, is_
from typing import Any, Final, TypeAlias

from hubbub.wire.shapes import Json, Lines
from node.replica import Role

# Some 500 bytes each, a long preview 1.5 KB: 25 MB. Half of it: 500 people with a full screen.
LINES_MAX: Final = 50_000
NOT_LED: Final = -1
_UNMADE: Final = -1

Slot: TypeAlias = Any  # node.slot.Slot, which stands above: here it is compared and passed on
_role_of: Final = attrgetter("replica.role")
Stream = tuple[str, str]
LineOf = Callable[[Slot, str, str, str], tuple[int, Json]]  # slot, app, key, user


def _are_led(slots: Iterable[Slot]) -> list[bool]:
    return list(map(is_, map(_role_of, slots), repeat(Role.ACTIVE)))


class _Absent:
    """Stands for a slot that is not held here."""

    role = None

    @property
    def replica(self) -> _Absent:
        return self


_ABSENT: Final = _Absent()


class _Stream:
    """A stream that somebody was told a line of. `version`: grows with each commit there."""

    __slots__ = ("holders", "version")

    def __init__(self) -> None:
        self.holders = 0
        self.version = 0


class _Told:
    """What one user was told. `versions`: of the streams when the lines were made."""

    __slots__ = (
        "app",
        "keys",
        "led",
        "lines",
        "numbers",
        "seqs",
        "slots",
        "stood",
        "streams",
        "user",
        "versions",
        "where",
    )

    def __init__(self, app: str, user: str, keys: tuple[str, ...], slots: tuple[int, ...]) -> None:
        self.app = app
        self.user = user
        self.keys = keys
        self.slots = slots
        self.numbers = tuple(dict.fromkeys(slots))  # each once; parallel: as it was held, if led
        self.stood: list[Slot] = []
        self.led: list[bool] = []
        self.where: dict[int, Slot | None] = {}  # who led each slot then: this node, or another
        self.streams: list[_Stream] = []
        self.versions = [_UNMADE] * len(keys)
        self.seqs = [NOT_LED] * len(keys)
        self.lines: list[Json] = [b""] * len(keys)

    def stand(self, held: Mapping[int, Slot]) -> None:
        """From now on they are for the slots as these are now: of those that are led by another
        than before they are made anew."""
        before = self.where
        self.stood = list(map(held.get, self.numbers, repeat(_ABSENT)))
        self.led = _are_led(self.stood)
        rows = zip(self.numbers, self.stood, self.led, strict=True)
        self.where = {number: slot if is_led else None for number, slot, is_led in rows}
        for at, number in enumerate(self.slots):
            if self.where[number] is not before.get(number):
                self.versions[at], self.seqs[at], self.lines[at] = _UNMADE, NOT_LED, b""

    def is_current(self, held: Mapping[int, Slot]) -> bool:
        """Whether rule 3 holds. Without a call for each slot: each answer asks it of dozens."""
        stood = list(map(held.get, self.numbers, repeat(_ABSENT)))
        return stood == self.stood and _are_led(stood) == self.led

    def settle(self, line_of: LineOf) -> None:
        """Make what is older than its stream; a line that cannot be read is tried again."""
        for at, (stream, made) in enumerate(zip(self.streams, self.versions, strict=True)):
            if stream.version == made:
                continue
            slot, version = self.where[self.slots[at]], stream.version
            if slot is not None:
                self.seqs[at], self.lines[at] = line_of(slot, self.app, self.keys[at], self.user)
            if slot is None or self.seqs[at] != NOT_LED:
                self.versions[at] = version


class KeptLines:
    """Of all users of a node."""

    def __init__(self, lines_max: int = LINES_MAX) -> None:
        self.dropped = 0  # to make room
        self._lines_max = lines_max
        self._told: OrderedDict[tuple[str, str], _Told] = OrderedDict()
        self._streams: dict[Stream, _Stream] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def moved(self, stream: Stream) -> None:
        """Something was committed in this stream."""
        known = self._streams.get(stream)
        if known is not None:
            known.version += 1

    def clear(self) -> None:
        """Rows changed by another way than a commit."""
        self._told.clear()
        self._streams.clear()
        self._count = 0

    def tell(
        self,
        app: str,
        user: str,
        keys: tuple[str, ...],
        slots: Callable[[], Sequence[int]],
        held: Mapping[int, Slot],
        line_of: LineOf,
    ) -> Lines:
        """The lines of these streams. Args: slots(): of the keys, called if they are not known
        here. held: slots of this node. line_of: NOT_LED and nothing where it cannot be read."""
        place = app, user
        told = self._told.get(place)
        if told is None or told.keys != keys:
            self._drop(place)
            told = _Told(app, user, keys, tuple(slots()))
            self._keep(place, told)
        else:
            self._told.move_to_end(place)
        if not told.is_current(held):
            told.stand(held)
        told.settle(line_of)
        return Lines(tuple(told.seqs), b",".join(filter(None, told.lines)))

    # --- inside

    def _keep(self, place: tuple[str, str], told: _Told) -> None:
        """From now on its streams are heard of: before they are read."""
        if len(told.keys) > self._lines_max:
            told.streams = [_Stream() for _ in told.keys]
            return
        self._told[place] = told
        for key in told.keys:
            stream = self._streams.setdefault((told.app, key), _Stream())
            stream.holders += 1
            told.streams.append(stream)
        self._count += len(told.keys)
        while self._count > self._lines_max:
            self.dropped += 1
            self._drop(next(iter(self._told)))

    def _drop(self, place: tuple[str, str]) -> None:
        told = self._told.pop(place, None)
        if told is None:
            return
        for key, stream in zip(told.keys, told.streams, strict=True):
            stream.holders -= 1
            if not stream.holders:
                del self._streams[told.app, key]
        self._count -= len(told.keys)
