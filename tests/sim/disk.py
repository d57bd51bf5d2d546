"""A disk: batches become durable in order, each atomically, some time after they were handed over.

It stands in for the log writer and RocksDB. Rules:
1. One sync at a time takes all that waits (group commit). It can be read when that is done.
2. A crash keeps an arbitrary prefix of the batches that were not synced, never a part of one.
3. A failed sync ends the process; nobody tries it again.
4. A lying disk says done at once and may lose what it said, from some batch on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from node.replica import Persist
from node.store.api import Op
from node.store.memory import MemoryStore
from tests.sim.world import World


class Disk:
    """The disk of one node and what is on it."""

    __slots__ = (
        "_done",
        "_failed",
        "_lied",
        "_lost_from",
        "_queue",
        "_random",
        "_sync",
        "_syncing",
        "_world",
        "fails_next",
        "lies",
        "store",
        "sync_ms",
        "sync_tail",
        "written",
    )

    def __init__(self, world: World, random: Random, *, sync_ms: float, sync_tail: float) -> None:
        """Args: sync_ms: what a sync usually takes. sync_tail: how often it takes up to 1 s."""
        self.store = MemoryStore()
        self.sync_ms = sync_ms
        self.sync_tail = sync_tail
        self.lies = False
        self.fails_next = False
        self.written: Callable[[Sequence[Persist]], None] = _ignore
        self._world = world
        self._random = random
        self._queue: list[Persist] = []
        self._syncing: list[Persist] = []
        self._sync = 0  # number of the sync that is under way; a crash forgets it
        self._done: Callable[[int], None] = _ignore
        self._failed: Callable[[], None] = _ignore
        self._lied: list[list[Op]] = []
        self._lost_from: MemoryStore | None = None

    def attach(self, done: Callable[[int], None], failed: Callable[[], None]) -> None:
        """A process begins to write. Args: done: called with the last token of a sync."""
        self._done, self._failed = done, failed

    @property
    def is_idle(self) -> bool:
        """Everything that was handed over is durable."""
        return not self._queue and not self._syncing

    def submit(self, batches: list[Persist]) -> None:
        """Write these, in this order, behind all earlier ones."""
        self._queue += batches
        if not self._syncing:
            self._begin()

    def crash(self) -> None:
        """The process is gone; so is what was not synced, from an arbitrary batch on."""
        waiting = self._syncing + self._queue
        self.keep(self._random.randint(0, len(waiting)) if waiting else 0)

    def keep(self, count: int) -> None:
        """A crash that keeps so many of the batches that were not synced."""
        waiting = self._syncing + self._queue
        self._syncing, self._queue = [], []
        self._sync += 1
        if self._lost_from is None or self._forget_lies():
            self._write(waiting[:count])

    def lie(self) -> None:
        """From now on nothing that is reported as durable is."""
        if not self.lies:
            self.lies = True
            self._lost_from = self.store.snapshot()
            self._lied = []

    def wait_ms(self) -> float:
        """How long the next sync takes."""
        random = self._random.random
        if self.sync_tail and random() < self.sync_tail:
            return 1_000.0 * random()
        return self.sync_ms * (0.5 + random())

    def _begin(self) -> None:
        self._syncing, self._queue = self._queue, []
        self._sync += 1
        self._world.after(self.wait_ms(), self._synced, self._sync)

    def _synced(self, sync: int) -> None:
        if sync != self._sync:
            return
        if self.fails_next:
            self.fails_next = False
            self._failed()
            return
        done, self._syncing = self._syncing, []
        self._write(done)
        if self._queue:
            self._begin()
        self._done(done[-1].token)

    def sync_now(self) -> bool:
        """Make everything durable at once, for scripts. False if nothing waited."""
        done = self._syncing + self._queue
        self._syncing, self._queue = [], []
        self._sync += 1
        if not done:
            return False
        self._write(done)
        self._done(done[-1].token)
        return True

    def _write(self, batches: Sequence[Persist]) -> None:
        for batch in batches:
            self.store.write(batch.ops)
            if self._lost_from is not None:
                self._lied.append(batch.ops)
        self.written(batches)

    def _forget_lies(self) -> bool:
        """True if nothing was lost: only then may later batches be there."""
        assert self._lost_from is not None
        self.store = self._lost_from
        lied, kept = self._lied, self._random.randint(0, len(self._lied))
        for ops in lied[:kept]:
            self.store.write(ops)
        self._lost_from, self._lied = self.store.snapshot(), []
        return kept == len(lied)


def _ignore(*_: object) -> None:
    return None
