"""Rolls as nodes keep them: what each leader was told, what it must be told next. Pure.

Rules (decision record 0035):
1. Each leader is told its part of a roll once, then what changed. A part that a node does not know
   (it restarted, made room, lost a slot) is told whole, once a question.
2. A new map groups the keys anew: parts whose leader stays keep what it was told.
3. What is kept here goes with the roll itself, which is bounded by whoever keeps it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from weakref import WeakKeyDictionary

from hubbub.base.roll import Roll
from hubbub.wire.codec import decode_pack, encode_pack
from hubbub.wire.shapes import HeadRow, HeadsAnswer, HeadsQuery, Kind, NewestAsk, Status

After = tuple[int, str] | None
Done = Callable[[list[HeadRow] | None], None]
# Sends a question by way of a slot; done(status, body) is called once.
Send = Callable[[Kind, str, bytes, int, Callable[[Status, bytes], None]], None]
_NOTHING: Final = 0


class _Part:
    """What one leader keeps of a roll. `told`: its number there, 0 while it knows nothing."""

    __slots__ = ("added", "gone", "name", "number", "slots", "told")

    def __init__(self, name: str) -> None:
        self.name = name
        self.slots: dict[str, int] = {}
        self.number = 0
        self.told = _NOTHING
        self.added: dict[str, None] = {}  # since `told`
        self.gone: dict[str, None] = {}

    def add(self, key: str, slot: int) -> None:
        self.slots[key] = slot
        if key in self.gone:
            del self.gone[key]
        else:
            self.added[key] = None

    def remove(self, key: str) -> None:
        del self.slots[key]
        if key in self.added:
            del self.added[key]
        else:
            self.gone[key] = None

    def ask(self, app: str, best: int, after: After) -> NewestAsk:
        """The question that brings its leader up to date."""
        base = self.told
        keys = self.added if base else self.slots
        gone = self.gone if base else ()
        if keys or gone:
            self.number += 1
        slots = tuple(self.slots[key] for key in keys)
        self.told = self.number
        self.added, self.gone = {}, {}
        return NewestAsk(
            app, slots, tuple(keys), best, after, self.name, base, self.number, tuple(gone)
        )


class _Told:
    """A roll's parts. `revision`: of the map that they were made by."""

    __slots__ = ("leader_of", "number", "parts", "revision")

    def __init__(self) -> None:
        self.number = _NOTHING
        self.revision = -1
        self.parts: dict[str, _Part] = {}
        self.leader_of: dict[str, str] = {}


class Rolls:
    """All rolls of an edge that nodes know.

    Args: process: of this edge (name.boot_id). slot_of(app, key). leader_of(slot): "" nobody.
    revision: of the map.
    """

    def __init__(
        self,
        send: Send,
        process: str,
        slot_of: Callable[[str, str], int],
        leader_of: Callable[[int], str],
        revision: Callable[[], int],
    ) -> None:
        self._send = send
        self._process = process
        self._slot_of = slot_of
        self._leader_of = leader_of
        self._revision = revision
        self._told: WeakKeyDictionary[Roll, _Told] = WeakKeyDictionary()
        self._names = 0

    def ask_newest(self, app: str, roll: Roll, best: int, after: After, done: Done) -> None:
        """Of the roll's streams those where something was said last, of each leader's; None if one
        of them did not answer for all of its own. One question for each leader."""
        told = self._told.setdefault(roll, _Told())
        self._follow(app, roll, told)
        parts = [part for part in told.parts.values() if part.slots]
        _Question(self, app, parts, best, after, done).ask()

    def send(self, app: str, part: _Part, ask: NewestAsk, done: Callable[..., None]) -> None:
        """Ask a part's leader."""
        body = encode_pack(HeadsQuery(self._process, (), ask))
        self._send(Kind.HEADS, app, body, next(iter(part.slots.values())), done)

    # --- inside

    def _follow(self, app: str, roll: Roll, told: _Told) -> None:
        """Bring the parts to where the roll and the map are."""
        if not told.number:
            told.revision, told.number = self._revision(), roll.number
            self._begin(app, roll, told)
            return
        changes = roll.since(told.number)
        if changes is None or self._revision() != told.revision:
            told.revision = self._revision()
            changes = [(key, False) for key in told.leader_of if key not in roll.keys]
            changes += [(key, True) for key in roll.keys]
        told.number = roll.number
        for key, is_in in changes:
            if is_in:
                self._put(app, told, key)
            elif (leader := told.leader_of.pop(key, None)) is not None:
                told.parts[leader].remove(key)

    def _begin(self, app: str, roll: Roll, told: _Told) -> None:
        """All keys at once: of a long list it is what its first page waits for."""
        slot_of, leader_of, known = self._slot_of, self._leader_of, dict[int, str]()
        groups: dict[str, dict[str, int]] = {}
        for key in roll.keys:
            slot = slot_of(app, key)
            leader = known.get(slot)
            if leader is None:
                leader = known[slot] = leader_of(slot)
                groups.setdefault(leader, {})
            told.leader_of[key] = leader
            groups[leader][key] = slot
        for leader, slots in groups.items():
            self._part(told, leader).slots = slots  # told whole, since it was told nothing

    def _part(self, told: _Told, leader: str) -> _Part:
        part = told.parts.get(leader)
        if part is None:
            self._names += 1
            part = told.parts[leader] = _Part(f"{self._process}/{self._names}")
        return part

    def _put(self, app: str, told: _Told, key: str) -> None:
        before = told.leader_of.get(key)
        slot = self._slot_of(app, key) if before is None else told.parts[before].slots[key]
        leader = self._leader_of(slot)
        if leader == before:
            return
        if before is not None:
            told.parts[before].remove(key)
        self._part(told, leader).add(key, slot)
        told.leader_of[key] = leader


class _Question:
    """One page that all parts are asked for."""

    __slots__ = (
        "_after",
        "_app",
        "_best",
        "_done",
        "_is_whole",
        "_parts",
        "_rolls",
        "_rows",
        "_waiting",
    )

    def __init__(
        self, rolls: Rolls, app: str, parts: list[_Part], best: int, after: After, done: Done
    ) -> None:
        self._rolls = rolls
        self._app = app
        self._parts = parts
        self._best = best
        self._after = after
        self._done = done
        self._rows: list[HeadRow] = []
        self._is_whole = True
        self._waiting = len(parts)  # that have not answered

    def ask(self) -> None:
        if not self._parts:
            self._done([])
        for part in self._parts:
            self._ask(part, is_last=False)

    def _ask(self, part: _Part, *, is_last: bool) -> None:
        def answered(status: Status, body: bytes) -> None:
            answer = decode_pack(body, HeadsAnswer) if status is Status.OK else None
            if answer is None or answer.unknown:
                part.told = _NOTHING
                if answer is not None and not is_last:
                    self._ask(part, is_last=True)
                    return
            self._take(answer)

        ask = part.ask(self._app, self._best, self._after)
        self._rolls.send(self._app, part, ask, answered)

    def _take(self, answer: HeadsAnswer | None) -> None:
        self._waiting -= 1
        if answer is None or answer.unknown or answer.elsewhere:
            self._is_whole = False
        else:
            self._rows += answer.rows
        if not self._waiting:
            self._done(self._rows if self._is_whole else None)
