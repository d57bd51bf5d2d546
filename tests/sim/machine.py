"""A light state machine for the slot's log: streams with contiguous seqs, one entry a cmid.

Its state comes from the log alone. Rules (the ones that `node.slot` has for real commands):
1. The leader takes an entry at once into what is pending, and answers when it is committed.
2. A retry of what is pending waits for the same entry; one of what is committed gets its answer.
3. Who leads no more answers UNKNOWN and forgets what was pending; whoever leads next finds it in
   the log.
4. What is committed becomes rows, written a little later with their position (`SlotMeta` in
   production): a restart begins there, and a snapshot is made of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from struct import Struct
from typing import Any, Final, NamedTuple

from node import keys
from node.entry import BrokenChain
from node.replica import Replica, Role
from node.slot_log import Logged
from node.snapshot import slot_ranges, wipe
from node.store.api import Family, Op, Store
from tests.sim.world import Violation

# Answers: a seq, or one of these.
REDIRECT: Final = -1
UNKNOWN: Final = -2
REJECTED: Final = -3

PENDING_MAX: Final = 64
NO_STREAM: Final = 0xFFFF  # of the entry that begins a term

SLOT: Final = 0
HOURS: Final = range(1)  # all answers are of one hour
META_KEY: Final = keys.slot_meta(SLOT)

_ENTRY: Final = Struct(">IQHIQ")
_META: Final = Struct(">QQ")
_CHAIN_BYTES: Final = 8
_READ_BYTES: Final = 1 << 20


class Line(NamedTuple):
    """One entry. `cmid` of a term's first entry is its leader's boot id."""

    term: int
    at: int  # its index
    stream: int
    seq: int
    cmid: int


class Meta(NamedTuple):
    """Where the rows stand: the last entry that is in them, and the chain up to it."""

    applied: int = 0
    chain: int = 0


def line_of(value: bytes) -> Line:
    """The entry in a LOG value."""
    return Line._make(_ENTRY.unpack_from(value, _CHAIN_BYTES))


def entry_of(line: Line) -> bytes:
    """The bytes of an entry, without its chain."""
    return _ENTRY.pack(*line)


def meta_of(row: bytes | None) -> Meta:
    """The position in a row of META."""
    return Meta() if row is None else Meta(*_META.unpack(row))


class _Pending:
    __slots__ = ("line", "waiters")

    def __init__(self, line: Line) -> None:
        self.line = line
        self.waiters: list[Any] = []


class Machine:
    """The state of the slot on one node."""

    __slots__ = ("_boot_id", "_in_flight", "_pending", "_unwritten", "answers", "applied", "heads",
                 "newest", "replica", "results", "written")  # fmt: skip

    def __init__(self, boot_id: int, store: Store) -> None:
        """Reads the rows."""
        self.heads: dict[int, int] = {}  # stream → last committed seq
        self.newest: dict[int, int] = {}  # stream → cmid of it
        self.answers: dict[int, Line] = {}  # cmid → its committed entry
        self.results: list[tuple[Any, int]] = []  # (who asked, answer), to be sent
        self.replica: Replica
        self.written = meta_of(store.get(Family.META, META_KEY))
        self.applied = self.written.applied
        self._boot_id = boot_id
        self._pending: deque[_Pending] = deque()
        self._in_flight: dict[int, _Pending] = {}
        self._unwritten: list[Line] = []
        for family, start, end in slot_ranges(SLOT, HOURS):
            if family is not Family.META:
                rows = store.iterate(family, start, end, limit=1 << 30)
                self.load((family, key, value) for key, value in rows)

    def attach(self, replica: Replica) -> None:
        """The log that drives it. Raises BrokenChain if it is not the one that made the rows."""
        self.replica = replica
        applied, chain = self.written
        log = replica.log
        if applied and (log.last_index < applied or log.chain_at(applied) != chain):
            raise BrokenChain(f"entry {applied} is not what was applied")

    @property
    def is_idle(self) -> bool:
        """Nobody waits."""
        return not self._pending and not self._in_flight

    # --- commands

    def submit(self, cmid: int, stream: int, waiter: Any, now_ms: int) -> None:
        """A command: answered in `results`, now or later."""
        replica = self.replica
        if replica.role is not Role.ACTIVE:
            self.results.append((waiter, REDIRECT))
            return
        pending = self._in_flight.get(cmid)
        if pending is not None:
            pending.waiters.append(waiter)
            return
        before = self.answers.get(cmid)
        if before is not None:
            self.results.append((waiter, before.seq))
            return
        if len(self._pending) >= PENDING_MAX:
            self.results.append((waiter, REJECTED))
            return
        index = replica.log.last_index + 1
        line = Line(replica.term, index, stream, self._next_seq(stream), cmid)
        self._pend(line).waiters.append(waiter)
        replica.append(entry_of(line), now_ms)

    def _next_seq(self, stream: int) -> int:
        for pending in reversed(self._pending):
            if pending.line.stream == stream:
                return pending.line.seq + 1
        return self.heads.get(stream, 0) + 1

    def _pend(self, line: Line) -> _Pending:
        pending = _Pending(line)
        self._pending.append(pending)
        if line.stream != NO_STREAM:
            self._in_flight[line.cmid] = pending
        return pending

    # --- what the log calls

    def lead(self, now_ms: int) -> bytes:
        """Whatever the log has above commit becomes pending; then the term's first entry."""
        log = self.replica.log
        self._apply(self.replica.commit)
        for logged in _entries(log.read, self.applied + 1, log.last_index):
            self._pend(line_of(logged.value))
        line = Line(self.replica.term, log.last_index + 1, NO_STREAM, 0, self._boot_id)
        self._pend(line)
        return entry_of(line)

    def committed(self, upto: int) -> None:
        """Entries up to an index never change again."""
        pending = self._pending
        while pending and pending[0].line.at <= upto:
            first = pending.popleft()
            self._in_flight.pop(first.line.cmid, None)
            self._take(first.line)
            for waiter in first.waiters:
                self.results.append((waiter, first.line.seq))
        self._apply(upto)

    def retired(self) -> None:
        """Not leading any more: nothing that waits can be answered with certainty."""
        self.results += [(w, UNKNOWN) for pending in self._pending for w in pending.waiters]
        self._pending.clear()
        self._in_flight.clear()

    def wipe(self) -> list[Op]:
        """This copy begins anew, from a snapshot."""
        self.heads.clear()
        self.newest.clear()
        self.answers.clear()
        self._unwritten.clear()
        self.applied, self.written = 0, Meta()
        return wipe(SLOT, HOURS)

    def _apply(self, upto: int) -> None:
        if self.applied < upto:
            for logged in _entries(self.replica.log.read, self.applied + 1, upto):
                self._take(line_of(logged.value))

    def _take(self, line: Line) -> None:
        self.applied = line.at
        if line.stream != NO_STREAM:
            before = self.heads.get(line.stream, 0)
            if line.seq != before + 1:
                raise Violation("I6", f"{line} is applied to rows that are at {before}")
            self._remember(line)
            self._unwritten.append(line)

    def _remember(self, line: Line) -> None:
        self.heads[line.stream] = line.seq
        self.newest[line.stream] = line.cmid
        self.answers.setdefault(line.cmid, line)

    # --- rows

    def rows(self) -> list[Op]:
        """What was applied since the last time, as rows and their position; none if nothing was."""
        if self.applied == self.written.applied:
            return []
        lines, self._unwritten = self._unwritten, []
        self.written = Meta(self.applied, self.replica.log.chain_at(self.applied))
        ops: list[Op] = [(Family.DEDUP, _answer_key(line.cmid), entry_of(line)) for line in lines]
        ops += [(Family.STATE, _head_key(line.stream), entry_of(line)) for line in lines]
        ops.append(self.meta_row(self.written))
        return ops

    def meta_row(self, meta: Meta) -> Op:
        """The row that says where the rows stand."""
        return (Family.META, META_KEY, _META.pack(*meta))

    def load(self, rows: Iterable[tuple[int, bytes, bytes]]) -> None:
        """Rows of the disk, or of a snapshot."""
        for family, _, value in rows:
            line = Line._make(_ENTRY.unpack(value))
            if family == Family.DEDUP:
                self.answers[line.cmid] = line
            else:
                self.heads[line.stream], self.newest[line.stream] = line.seq, line.cmid


def _answer_key(cmid: int) -> bytes:
    return keys.dedup(0, SLOT, cmid.to_bytes(keys.DIGEST_BYTES, "big"))


def _head_key(stream: int) -> bytes:
    return keys.slot_range(SLOT)[0] + stream.to_bytes(2, "big")


def _entries(read: Callable[[int, int], list[Logged]], first: int, last: int) -> list[Logged]:
    found: list[Logged] = []
    while first <= last:
        found += read(first, _READ_BYTES)
        first = found[-1].index + 1
    while found and found[-1].index > last:
        found.pop()
    return found
