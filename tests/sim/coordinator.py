"""The coordinator's record of one slot: compare-and-swap by revision, late and stale watches.

Rules:
1. A change is guarded by the revision of the record that it was made from. Requests and replies may
   be late or lost; a lost reply says nothing about the change.
2. Watchers hear of changes late, in any order, and now and then of one that is long past.
3. Each change is checked against the one thing that must never go wrong here (I9): `prev` are the
   members of the last configuration that could acknowledge anything.
4. `roll_back` forgets the newest changes, as a restore from an old copy does.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final, NamedTuple

from hubbub.ring.map import Leader, SlotRecord
from tests.sim.world import Violation, World

Change = Callable[[SlotRecord], SlotRecord | None]

STALE_AFTER_MS: Final = 3_000.0  # how late something long past may be told once more


class State(NamedTuple):
    """A record at a revision. `able`: the members of the last one that may acknowledge."""

    revision: int
    record: SlotRecord
    able: tuple[str, ...]


class Coordinator:
    """The record, its past, and who is registered."""

    __slots__ = (
        "_random",
        "_restored",
        "_watchers",
        "_world",
        "is_away",
        "is_checked",
        "lag_ms",
        "loss",
        "past",
        "registry",
        "state",
        "terms_able",
    )

    def __init__(self, world: World, random: Random, record: SlotRecord) -> None:
        self.state = State(1, record, record.members)
        self.past = [self.state]
        self.registry: dict[int, tuple[str, Leader]] = {}  # node → its copy, its process
        self.terms_able = {record.term}  # whose leader may acknowledge
        self.is_away = False
        self.is_checked = True
        self.lag_ms = 5.0  # of watches
        self.loss = 0.0  # of requests, and of replies
        self._world = world
        self._random = random
        self._restored = 0  # how often its past was taken back for good
        self._watchers: list[Callable[[SlotRecord, int], object]] = []

    @property
    def record(self) -> SlotRecord:
        """The slot's record now."""
        return self.state.record

    def watch(self, hear: Callable[[SlotRecord, int], object]) -> None:
        """Tell of every change from now on."""
        self._watchers.append(hear)

    def compare_and_swap(
        self, revision: int, record: SlotRecord, reply: Callable[[bool, int], object]
    ) -> None:
        """Write `record` if the revision is still that one. `reply`: (done, revision), perhaps."""
        if self._is_heard():
            self._world.after(self._delay(), self._swap, revision, record, reply)

    def read(self, reply: Callable[[SlotRecord, int], object]) -> None:
        """The record as it is now, perhaps."""
        if self._is_heard():
            self._world.after(self._delay(), self._read, reply)

    def change(self, how: Change) -> None:
        """A change by somebody who sees the newest record."""
        new = how(self.state.record)
        if new is not None:
            self.write(new)

    def write(self, record: SlotRecord) -> None:
        """The next revision. Raises Violation."""
        old = self.state
        if self.is_checked:
            _check(old, record)
        is_able = record.activated or set(record.members) == set(record.prev)
        if is_able:
            self.terms_able.add(record.term)
        self.state = State(old.revision + 1, record, record.members if is_able else old.able)
        self.past.append(self.state)
        self.tell_all()

    def roll_back(self, count: int, *, moves_on: bool) -> None:
        """The newest changes never happened. `moves_on`: but their revisions are not used again."""
        newest = self.state.revision
        del self.past[max(1, len(self.past) - count) :]
        self.state = self.past[-1]
        if moves_on:
            self.state = self.state._replace(revision=newest + 1)
            self.past.append(self.state)
        self.tell_all()

    def tell_all(self) -> None:
        """Every watcher hears of the record, some of them late, or of another one later."""
        random = self._random.random
        for hear in self._watchers:
            self._tell(hear, self.state, self.lag_ms * random())
            if self.lag_ms > 50.0 and random() < 0.2:
                stale = self.past[int(len(self.past) * random())]
                self._tell(hear, stale, STALE_AFTER_MS * random())

    def _tell(self, hear: Callable[[SlotRecord, int], object], state: State, ms: float) -> None:
        if not self.is_away:
            self._world.after(1.0 + ms, self._told, self._restored, hear, state)

    def _told(self, restored: int, hear: Callable[[SlotRecord, int], object], state: State) -> None:
        if restored == self._restored:
            hear(state.record, state.revision)

    def forget_past(self) -> None:
        """Nobody is told any more of what was rolled back."""
        self._restored += 1

    def _swap(
        self, revision: int, record: SlotRecord, reply: Callable[[bool, int], object]
    ) -> None:
        done = revision == self.state.revision
        if done:
            self.write(record)
        if self._is_heard():
            self._world.after(self._delay(), reply, done, self.state.revision)

    def _read(self, reply: Callable[[SlotRecord, int], object]) -> None:
        if self._is_heard():
            self._world.after(self._delay(), reply, self.state.record, self.state.revision)

    def _is_heard(self) -> bool:
        return not self.is_away and (not self.loss or self._random.random() >= self.loss)

    def _delay(self) -> float:
        random = self._random.random
        if self.loss and random() < self.loss:
            return STALE_AFTER_MS * random()
        return 1.0 + 5.0 * random()


def _check(old: State, new: SlotRecord) -> None:
    before = old.record
    if new.term == before.term:
        same = (new.members, new.prev, new.leader) == (before.members, before.prev, before.leader)
        if not same or (before.activated and not new.activated):
            raise Violation("I9", f"term {new.term} was rewritten: {before} to {new}")
    elif new.term != before.term + 1:
        raise Violation("I9", f"term {before.term} was followed by {new.term}")
    elif set(new.prev) != set(old.able):
        raise Violation("I9", f"prev are {new.prev}, but {old.able} may have acknowledged: {new}")
