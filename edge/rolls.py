"""Rolls as nodes keep them: what each leader was told, what it must be told next. Pure.

Rules (decision record 0035):
1. Each leader is told its part of a roll once, then what changed. A part that a node does not know
   (it restarted, made room, lost a slot) is told whole, once a question.
2. A new map groups the keys anew: parts whose leader stays keep what it was told.
3. What is kept here goes with the roll itself, which is bounded by whoever keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

from hubbub.base.roll import Roll
from hubbub.wire.codec import decode_pack, encode_pack
from hubbub.wire.shapes import HeadRow, HeadsAnswer, HeadsQuery, Kind, NewestAsk, Status

After = tuple[int, str] | None
Done = Callable[[list[HeadRow] | None], None]
# Sends a question by way of a slot; done(status, body) is called once.
Send = Callable[[Kind, str, bytes, int, Callable[[Status, bytes], None]], None]
_NOTHING: Final = 0


class Want(NamedTuple):
    """The first `best` behind a place; or all in which something waits for `unread_of`."""

    best: int = 0
    after: After = None
    unread_of: str = ""
    blocked: tuple[str, ...] = ()


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

    def add(self, slots: dict[str, int]) -> None:
        self.slots.update(slots)
        if not self.told:
            return  # it is told whole
        for key in slots:
            if key in self.gone:
                del self.gone[key]
            else:
                self.added[key] = None

    def remove(self, key: str) -> None:
        if self.slots.pop(key, None) is None or not self.told:
            return
        if key in self.added:
            del self.added[key]
        else:
            self.gone[key] = None

    def ask(self, app: str, want: Want) -> NewestAsk:
        """The question that brings its leader up to date."""
        base = self.told
        keys = self.added if base else self.slots
        gone = self.gone if base else ()
        if keys or gone:
            self.number += 1
        slots = tuple(map(self.slots.__getitem__, keys)) if base else tuple(self.slots.values())
        self.told = self.number
        self.added, self.gone = {}, {}
        return NewestAsk(
            app,
            slots,
            tuple(keys),
            want.best,
            want.after,
            self.name,
            base,
            self.number,
            tuple(gone),
            want.unread_of,
            want.blocked,
        )


class _Told:
    """A roll's parts by leader, as of a number of the roll and a revision of the map."""

    __slots__ = ("number", "parts", "revision")

    def __init__(self) -> None:
        self.number = _NOTHING
        self.revision = -1
        self.parts: dict[str, _Part] = {}


class Rolls:
    """All rolls of an edge that nodes know.

    Args: process: of this edge (name.boot_id). slots_of(app, keys). leader_of(slot): "" nobody.
    revision: of the map.
    """

    def __init__(
        self,
        send: Send,
        process: str,
        slots_of: Callable[[str, Iterable[str]], list[int]],
        leader_of: Callable[[int], str],
        revision: Callable[[], int],
    ) -> None:
        self._send = send
        self._process = process
        self._slots_of = slots_of
        self._leader_of = leader_of
        self._revision = revision
        self._told: WeakKeyDictionary[Roll, _Told] = WeakKeyDictionary()
        self._names = 0

    def ask(self, app: str, roll: Roll, want: Want, done: Done) -> None:
        """Of the roll's streams those that are wanted, of each leader's; None if one of them did
        not answer for all of its own. One question for each leader."""
        told = self._told.setdefault(roll, _Told())
        self._follow(app, roll, told)
        parts = [part for part in told.parts.values() if part.slots]
        _Question(self, app, parts, want, done).ask()

    def send(self, app: str, part: _Part, ask: NewestAsk, done: Callable[..., None]) -> None:
        """Ask a part's leader."""
        body = encode_pack(HeadsQuery(self._process, (), ask))
        self._send(Kind.HEADS, app, body, next(iter(part.slots.values())), done)

    # --- inside

    def _follow(self, app: str, roll: Roll, told: _Told) -> None:
        """Bring the parts to where the roll and the map are."""
        if told.revision != self._revision():
            told.revision = self._revision()
            self._regroup(told)
        if not told.number:
            self._put(app, told, roll.keys)
        elif (changes := roll.since(told.number)) is None:
            known = {key for part in told.parts.values() for key in part.slots}
            self._drop(app, told, [key for key in known if key not in roll.keys])
            self._put(app, told, [key for key in roll.keys if key not in known])
        else:
            for key, is_in in changes:
                (self._put if is_in else self._drop)(app, told, (key,))
        told.number = roll.number

    def _regroup(self, told: _Told) -> None:
        for leader, part in list(told.parts.items()):
            leads = {slot: self._leader_of(slot) for slot in set(part.slots.values())}
            for key, slot in list(part.slots.items()):
                if leads[slot] != leader:
                    part.remove(key)
                    self._part(told, leads[slot]).add({key: slot})

    def _put(self, app: str, told: _Told, keys: Collection[str]) -> None:
        """Ten thousand at once where a list is new: its first page waits for it."""
        slots = self._slots_of(app, keys)
        leaders = {slot: self._leader_of(slot) for slot in set(slots)}
        new: dict[str, dict[str, int]] = {leader: {} for leader in leaders.values()}
        mine = {slot: new[leader] for slot, leader in leaders.items()}
        for key, slot in zip(keys, slots, strict=True):
            mine[slot][key] = slot
        for leader, part in new.items():
            self._part(told, leader).add(part)

    def _drop(self, app: str, told: _Told, keys: Collection[str]) -> None:
        for key, slot in zip(keys, self._slots_of(app, keys), strict=True):
            self._part(told, self._leader_of(slot)).remove(key)

    def _part(self, told: _Told, leader: str) -> _Part:
        part = told.parts.get(leader)
        if part is None:
            self._names += 1
            part = told.parts[leader] = _Part(f"{self._process}/{self._names}")
        return part


class _Question:
    """What all parts are asked for."""

    __slots__ = (
        "_app",
        "_done",
        "_is_whole",
        "_parts",
        "_rolls",
        "_rows",
        "_waiting",
        "_want",
    )

    def __init__(self, rolls: Rolls, app: str, parts: list[_Part], want: Want, done: Done) -> None:
        self._rolls = rolls
        self._app = app
        self._parts = parts
        self._want = want
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

        ask = part.ask(self._app, self._want)
        self._rolls.send(self._app, part, ask, answered)

    def _take(self, answer: HeadsAnswer | None) -> None:
        self._waiting -= 1
        if answer is None or answer.unknown or answer.elsewhere:
            self._is_whole = False
        else:
            self._rows += answer.rows
        if not self._waiting:
            self._done(self._rows if self._is_whole else None)
