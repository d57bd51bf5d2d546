"""What `node.slot` does with trimmed logs and snapshots, for the light machine.

The parts are those of production (`node.snapshot`): ranges, cursors, sources, installation; here is
only the wiring, as in `Slot`. Parts are small, so that a snapshot has several.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from hubbub.wire.replication import Ask, Part
from node import snapshot as production
from node.replica import Mail, Persist, Replica
from node.snapshot import Install, Sources
from node.store.api import Family, Op, Store
from tests.sim.machine import HOURS, META_KEY, SLOT, Machine, meta_of

PART_BYTES: Final = 700
KEPT_SHARE: Final = 4  # of what the log must hold back less than this is not worth a write


@contextmanager
def small_parts() -> Iterator[None]:
    """Snapshots have several parts while this holds."""
    before = production.PART_BYTES_MAX
    production.PART_BYTES_MAX = PART_BYTES  # type: ignore[misc]
    try:
        yield
    finally:
        production.PART_BYTES_MAX = before  # type: ignore[misc]


class Snapshots:
    """Of one process."""

    __slots__ = ("_machine", "_replica", "_sources", "_storage", "_store", "install", "installed")

    def __init__(
        self, replica: Replica, machine: Machine, storage: str, store: Store, boot_id: int
    ) -> None:
        self.install: Install | None = None
        self.installed = 0  # how many were finished
        self._replica = replica
        self._machine = machine
        self._storage = storage
        self._store = store
        self._sources = Sources(boot_id << 16)

    def trim(self, kept: int) -> None:
        """Drop entries that neither this copy nor another one is going to need."""
        replica, log = self._replica, self._replica.log
        upto = min(
            self._machine.written.applied - kept,
            max(replica.lowest_match, log.last_index - 4 * kept),
        )
        if upto - log.base >= max(1, kept // KEPT_SHARE):
            self._write(log.trim(upto))

    def receive(self, body: Ask | Part, now_ms: int) -> None:
        """A message that is not the replica's."""
        if isinstance(body, Ask):
            self._serve(body)
        else:
            self._take(body, now_ms)

    def follow(self, now_ms: int) -> None:
        """The replica has begun to replace this copy, or has given up."""
        source = self._replica.install_from
        if source and (self.install is None or self.install.source != source):
            self.install = Install(source, now_ms)
            self._ask(now_ms)
        elif not source:
            self.install = None

    def tick(self, now_ms: int) -> None:
        """Ask again, or give up."""
        install = self.install
        if install is None:
            return
        if install.is_lost(now_ms):
            self._replica.abandon_install()
            self.install = None
        elif install.is_due(now_ms):
            self._ask(now_ms)

    def _serve(self, ask: Ask) -> None:
        replica = self._replica
        record = replica.record
        if record is None or not replica.is_ok or replica.install_from:
            return
        if ask.storage not in (*record.members, *record.prev, *record.learners):
            return
        source = self._sources.find(SLOT, ask)
        if source is None:
            snapshot = self._store.snapshot()
            rows = snapshot.iterate(Family.META, META_KEY, META_KEY + b"\x00", limit=1)
            if not rows:
                return
            applied = meta_of(rows[0][1]).applied
            terms = tuple(row for row in replica.log.terms if row[1] <= applied)
            source = self._sources.open(SLOT, ask.storage, snapshot, rows[0][1], terms, HOURS)
        part = self._sources.part(SLOT, self._storage, source, ask)
        replica.mails.append(Mail(ask.storage, replica.promise.term, part))

    def _ask(self, now_ms: int) -> None:
        assert self.install is not None
        ask = self.install.ask(self._storage, now_ms)
        term = self._replica.promise.term
        self._replica.mails.append(Mail(self.install.source, term, ask))

    def _take(self, part: Part, now_ms: int) -> None:
        install, replica, machine = self.install, self._replica, self._machine
        if install is None or not install.is_next(part):
            return
        if install.is_new(part):
            replica.restart_install()
        ops = install.take(part, now_ms)
        machine.load(row for row in part.rows if row[0] != Family.META)
        if part.place >= 0:
            self._write(ops)
            self._ask(now_ms)
            return
        machine.written = meta = meta_of(part.meta)
        machine.applied = meta.applied
        ops.append((Family.META, META_KEY, part.meta))
        self.install = None
        self.installed += 1
        replica.finish_install(meta.applied, meta.chain, part.terms, ops, now_ms)

    def _write(self, ops: list[Op]) -> None:
        self._replica.persists.append(Persist(self._replica.next_token(), ops, 0))
