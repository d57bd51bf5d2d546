"""One replica of one slot: its log, its term, what is committed. Sans-IO; one copy so far.

States: IDLE (not ours) → STARTING (EPOCH_START is not durable yet) → ACTIVE → IDLE (stepped down);
FAILED (a persist failed, a log that does not verify): nothing is answered any more.

Rules (replication.md 2.3, contracts.md 3):
1. Input is a call with the time, output is `Ready`; the ordering law stands at its fields.
2. A term is led once, by one process start: `start` needs a higher term than was ever promised.
3. Committed is what is durable on a majority. With one copy that is this one, after its own sync.
4. An answer is OK (committed), REJECTED (nothing was stored) or UNKNOWN (nobody knows): never
   another one, and exactly one for each request.
5. A retry of a pending command waits for the same entry. A success that rests on pending rows waits
   for them as well.

Long because it is one state machine, with the types of its inputs and outputs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from enum import Enum
from struct import Struct as Packed
from typing import Any, Final, NamedTuple

import msgspec

from hubbub.base.errors import (
    BAD_REQUEST,
    INTERNAL,
    OVERLOADED,
    Rejected,
)
from hubbub.base.units import HOUR_MS, MIB
from hubbub.ring.hashing import request_hash
from hubbub.wire.shapes import Json, Outcome, Submit
from node import keys
from node.dedup import (
    Asker,
    DedupKey,
    DedupWindow,
    answer_in,
    answer_row,
    as_duplicate,
    check_same,
    dedup_key,
    encode_answer,
)
from node.engine import Answered, Engine, FeatureFailed, Made, Place, QueuedForward, upkeep
from node.entry import BrokenChain, Entry, EntryKind, decode_entry, encode_entry
from node.overlay import Caches, Overlay
from node.store.api import Family, Op, Store

INCARNATION_BYTES: Final = 8
# What may be uncommitted in one slot. Half refuses bursts that one batch would take; double only
# lengthens the wait of those who are behind.
PENDING_ENTRIES_MAX: Final = 2_000
PENDING_BYTES_MAX: Final = 8 * MIB
RETRY_AFTER_MS: Final = 100  # a few batches later
_REPLAY_PAGE: Final = 500

_META: Final = Packed(">IIQQQI8s")


class Status(Enum):
    """What a replica may do."""

    IDLE = "idle"
    STARTING = "starting"
    ACTIVE = "active"
    FAILED = "failed"


class SlotMeta(NamedTuple):
    """Where a slot stands on disk; written with the entries that move it."""

    term: int = 0  # of the last entry
    promised: int = 0
    applied: int = 0
    chain: int = 0
    ts_ms: int = 0
    dedup_floor: int = 0
    incarnation: bytes = b""

    def encode(self) -> bytes:
        """The row of META."""
        return _META.pack(*self)


def decode_meta(data: bytes) -> SlotMeta:
    """The position in a row of META."""
    return SlotMeta(*_META.unpack(data))


class Redirected(NamedTuple):
    """A result: this replica does not lead the slot (any more)."""

    term: int


class Unknown(NamedTuple):
    """A result: it may or may not have happened."""


Result = Outcome | Rejected | Redirected | Unknown


class Record(msgspec.Struct, frozen=True, gc=False):
    """One entry as the writer takes it. `meta` supersedes that of earlier records of the slot."""

    slot: int
    index: int
    ops: list[Op]
    meta: bytes
    byte_count: int


class Publication(msgspec.Struct, frozen=True, gc=False):
    """Numbered events (seq, row) and signals of one stream, in the order of the log."""

    app: str
    key: str
    events: tuple[tuple[int, bytes], ...]
    signals: tuple[Json, ...]


class Ready(NamedTuple):
    """What to do now. A driver that keeps to the words in capitals keeps every promise.

    Followers will add messages that leave at once and messages that leave only AFTER `persist`.
    """

    # AT ONCE, in any order with the others: signals of commands that stored nothing.
    signals: Sequence[Publication] = ()
    # Hand to the writer IN ORDER; call `persisted` AFTER it is durable, never before.
    persist: Sequence[Record] = ()
    # Committed: publish AFTER the call that returned this, in order, before later ones.
    committed: Sequence[Publication] = ()
    # Forwards of committed entries: send only now, BEFORE is forbidden.
    forwards: Sequence[QueuedForward] = ()
    # (request, result): send AFTER `committed` was published; each request is answered once.
    results: Sequence[tuple[Any, Result]] = ()


NOTHING: Final = Ready()


class _Pending:
    """An entry that is not committed, and who waits for it."""

    __slots__ = ("byte_count", "digest", "made", "waiters")

    def __init__(self, made: Made, digest: bytes, byte_count: int) -> None:
        self.made = made
        self.digest = digest
        self.byte_count = byte_count
        self.waiters: list[tuple[Any, Outcome]] = []


class Backlog(msgspec.Struct):
    """What all slots of a node have handed to the writer; shared by them."""

    bytes_max: int
    byte_count: int = 0
    entry_count: int = 0
    overloaded_total: int = 0


class SlotContext(msgspec.Struct, frozen=True):
    """What all slots of a node share."""

    engine: Engine
    store: Store
    caches: Caches
    window: DedupWindow
    backlog: Backlog


class Slot:
    """The state machine of one slot on this node."""

    __slots__ = (
        "_context",
        "_in_flight",
        "_newest_dedup_hour",
        "_pending",
        "_pending_bytes",
        "last_index",
        "meta",
        "number",
        "overlay",
        "status",
        "term",
    )

    def __init__(self, number: int, context: SlotContext) -> None:
        self.number = number
        self._context = context
        stored = context.store.get(Family.META, keys.slot_meta(number))
        self.meta = SlotMeta() if stored is None else decode_meta(stored)
        self.overlay = Overlay(number, context.store, context.caches)
        self.last_index = self.meta.applied
        self.term = 0
        self.status = Status.IDLE
        self._pending: deque[_Pending] = deque()
        self._pending_bytes = 0
        self._in_flight: dict[bytes, _Pending] = {}
        self._newest_dedup_hour = 0

    @property
    def epoch(self) -> str:
        """The incarnation as clients see it."""
        return self.meta.incarnation.hex()

    @property
    def is_active(self) -> bool:
        """It leads the slot, and everything below the commit index is known."""
        return self.status is Status.ACTIVE

    @property
    def pending_count(self) -> int:
        """Entries that are not durable."""
        return len(self._pending)

    # --- start, stop

    def start(self, term: int, now_ms: int, entropy: bytes) -> Ready:
        """Lead the slot at `term`: verify the log, replay what was not applied, begin the term.

        Args: entropy: 8 bytes, the slot's incarnation if it has none yet.
        Raises BrokenChain; AssertionError for a term that was promised before.
        """
        assert self.status is Status.IDLE, self.status
        assert term > self.meta.promised, (term, self.meta.promised)
        records = self._replay()
        self._newest_dedup_hour = (self.meta.ts_ms + self._context.window.ahead_ms) // HOUR_MS
        self.term, self.status = term, Status.STARTING
        self.meta = self.meta._replace(promised=term)
        is_first = not self.meta.incarnation
        entry = Entry(
            index=self.last_index + 1,
            term=term,
            kind=EntryKind.EPOCH_START,
            ts_ms=self._log_time(now_ms),
            incarnation=entropy[:INCARNATION_BYTES] if is_first else b"",
            number=self._context.window.floor_hour(now_ms) if is_first else 0,
        )
        return Ready(persist=[*records, self._append(self._upkeep(entry))])

    def step_down(self) -> Ready:
        """Another term began: nothing that waits can be answered with certainty."""
        if self.status is not Status.FAILED:
            self.status = Status.IDLE
        return self._give_up()

    def persist_failed(self) -> Ready:
        """The disk failed: nothing more is acknowledged by this process start."""
        self.status = Status.FAILED
        return self._give_up()

    def _give_up(self) -> Ready:
        results = [(request, Unknown()) for p in self._pending for request, _ in p.waiters]
        backlog = self._context.backlog
        backlog.entry_count -= len(self._pending)
        backlog.byte_count -= self._pending_bytes
        self._pending.clear()
        self._in_flight.clear()
        self._pending_bytes = 0
        return Ready(results=results)

    def _replay(self) -> list[Record]:
        """Records of entries that are in the log but not applied; with one copy there are none."""
        store, number = self._context.store, self.number
        chain = self.meta.chain
        if self.meta.applied:
            last = store.get(Family.LOG, keys.log(number, self.meta.applied))
            if last is None or keys.read_u64(last) != chain:
                raise BrokenChain(
                    f"slot {number}: entry {self.meta.applied} is not what was applied"
                )
        records: list[Record] = []
        while True:
            start = keys.log(number, self.last_index + 1)
            rows = store.iterate(Family.LOG, start, keys.log(number + 1, 0), limit=_REPLAY_PAGE)
            for _, value in rows:
                entry, chain = decode_entry(value, chain)
                if entry.index != self.last_index + 1:
                    raise BrokenChain(f"slot {number}: entry {self.last_index + 1} is missing")
                made = self._context.engine.replay(self.overlay, number, entry)
                records.append(self._append(made))
            if len(rows) < _REPLAY_PAGE:
                return records

    # --- commands

    def submit(
        self, request: Any, app: str, key: str, submit: Submit, now_ms: int, entropy: bytes
    ) -> Ready:
        """A command for a stream of this slot, answered now or after `persisted`.

        Args: request: whatever the driver answers to. entropy: 16 bytes.
        """
        if self.status is not Status.ACTIVE:
            return Ready(results=[(request, Redirected(self.term))])
        try:
            if submit.origin_slot >= 0:
                return self._submit_forward(request, app, key, submit, now_ms, entropy)
            return self._submit(request, app, key, submit, now_ms, entropy)
        except Rejected as refusal:
            return Ready(results=[(request, refusal)])

    def _submit(
        self, request: Any, app: str, key: str, submit: Submit, now_ms: int, entropy: bytes
    ) -> Ready:
        if not submit.cmid:
            raise Rejected(BAD_REQUEST, "a command needs a cmid")
        asked = request_hash(submit.tag, submit.body)
        asker = Asker(self.number, app, submit.viewer.user, key, submit.cmid)
        window, floor = self._context.window, self.meta.dedup_floor
        place = dedup_key(window, floor, asker, now_ms, self._log_time(now_ms))
        pending = self._in_flight.get(place.digest)
        if pending is not None:
            check_same(pending.made.entry.request_hash, asked)
            pending.waiters.append((request, as_duplicate(pending.made.outcome)))
            return NOTHING
        before = answer_in(self._context.store.multi_get(Family.DEDUP, place.rows), asked)
        if before is not None:
            return Ready(results=[(request, before)])
        return self._run(request, app, key, submit, now_ms, entropy, place, asked)

    def _submit_forward(
        self, request: Any, app: str, key: str, submit: Submit, now_ms: int, entropy: bytes
    ) -> Ready:
        """A Forward: its number says whether it was here before."""
        name = keys.seen(self.number, submit.origin_slot, submit.origin_incarnation)
        taken = self.overlay.get_meta(name)
        if taken is not None and submit.origin_n <= keys.read_u64(taken):
            stream = self.overlay.stream(app, key)
            outcome = Outcome(stream.head.seq, stream.head.ts_ms, "", dup=True)
            return self._after_pending(request, outcome, always=True)
        return self._run(request, app, key, submit, now_ms, entropy, None, 0)

    def _run(
        self,
        request: Any,
        app: str,
        key: str,
        submit: Submit,
        now_ms: int,
        entropy: bytes,
        place: DedupKey | None,
        asked: int,
    ) -> Ready:
        self._check_room()
        at = Place(self.number, self.last_index + 1, self.term, self._log_time(now_ms))
        try:
            made = self._context.engine.run(self.overlay, at, app, key, submit, entropy, asked)
        except FeatureFailed as failure:
            raise Rejected(INTERNAL) from failure
        if isinstance(made, Answered):
            signals = (Publication(app, key, (), made.signals),) if made.signals else ()
            stream = self.overlay.stream(app, key)
            ready = self._after_pending(request, made.outcome, always=bool(stream.pending_count))
            return ready._replace(signals=signals)
        if place is not None:
            self._newest_dedup_hour = max(self._newest_dedup_hour, place.hour)
        record = self._append(made, place)
        self._pending[-1].waiters.append((request, made.outcome))
        return Ready(persist=(record,))

    def _after_pending(self, request: Any, outcome: Outcome, *, always: bool) -> Ready:
        """An answer that rests on rows which may still be lost waits for them."""
        if always and self._pending:
            self._pending[-1].waiters.append((request, outcome))
            return NOTHING
        return Ready(results=[(request, outcome)])

    def _check_room(self) -> None:
        backlog = self._context.backlog
        if (
            len(self._pending) >= PENDING_ENTRIES_MAX
            or self._pending_bytes >= PENDING_BYTES_MAX
            or backlog.byte_count >= backlog.bytes_max
        ):
            backlog.overloaded_total += 1
            raise Rejected(OVERLOADED, retry_after_ms=RETRY_AFTER_MS)

    # --- upkeep

    def forwards_done(self, done: Sequence[tuple[int, int]], now_ms: int) -> Ready:
        """Forwards up to (target slot, n) were answered: their rows go."""
        if self.status is not Status.ACTIVE or not done:
            return NOTHING
        return self._propose(EntryKind.OUTBOX_DONE, now_ms, done=tuple(done))

    def tick(self, now_ms: int) -> Ready:
        """Once a minute or so: drop answers whose ids are refused anyway."""
        floor = self._context.window.floor_hour(self._log_time(now_ms)) - 1
        before = self.meta.dedup_floor
        if self.status is not Status.ACTIVE or floor <= before or self._newest_dedup_hour < before:
            return NOTHING
        return self._propose(EntryKind.DEDUP_FLOOR, now_ms, seq=before, number=floor)

    def _propose(self, kind: EntryKind, now_ms: int, **fields: Any) -> Ready:
        entry = Entry(
            index=self.last_index + 1,
            term=self.term,
            kind=kind,
            ts_ms=self._log_time(now_ms),
            **fields,
        )
        return Ready(persist=(self._append(self._upkeep(entry)),))

    def _upkeep(self, entry: Entry) -> Made:
        self.overlay.begin(entry.index, None)
        ops = self.overlay.finish() + upkeep(self.number, entry)
        return Made(entry, Outcome(0, entry.ts_ms, ""), ops)

    # --- the log

    def _log_time(self, now_ms: int) -> int:
        return max(now_ms, self.meta.ts_ms)

    def _answer_row(self, entry: Entry) -> bytes:
        return answer_row(
            Asker(self.number, entry.app, entry.by, entry.key, entry.cmid), entry.ts_ms
        )

    def _append(self, made: Made, place: DedupKey | None = None) -> Record:
        """The entry as the log's next: in memory at once, durable after the record is."""
        entry = made.entry
        value, chain = encode_entry(entry, self.meta.chain)
        made.ops.append((Family.LOG, keys.log(self.number, entry.index), value))
        if entry.kind is EntryKind.COMMAND and entry.origin is None:
            row = place.row if place is not None else self._answer_row(entry)
            answer = encode_answer(entry.request_hash, made.outcome)
            made.ops.append((Family.DEDUP, row, answer))
        is_first = entry.kind is EntryKind.EPOCH_START and bool(entry.incarnation)
        moves_floor = is_first or entry.kind is EntryKind.DEDUP_FLOOR
        self.meta = SlotMeta(
            entry.term,
            max(self.meta.promised, entry.term),
            entry.index,
            chain,
            entry.ts_ms,
            entry.number if moves_floor else self.meta.dedup_floor,
            entry.incarnation if is_first else self.meta.incarnation,
        )
        self.last_index = entry.index
        byte_count = len(value) + sum(len(row) for _, row in made.publications)
        digest = place.digest if place is not None else b""
        pending = _Pending(made, digest, byte_count)
        self._pending.append(pending)
        self._pending_bytes += byte_count
        backlog = self._context.backlog
        backlog.byte_count += byte_count
        backlog.entry_count += 1
        if digest:
            self._in_flight[digest] = pending
        return Record(self.number, entry.index, made.ops, self.meta.encode(), byte_count)

    def persisted(self, index: int) -> Ready:
        """Records up to `index` are durable on this copy, which is the majority of one."""
        if self.status in (Status.IDLE, Status.FAILED):
            return NOTHING
        committed: list[Publication] = []
        forwards: list[QueuedForward] = []
        results: list[tuple[Any, Result]] = []
        pending, backlog = self._pending, self._context.backlog
        while pending and pending[0].made.entry.index <= index:
            first = pending.popleft()
            made = first.made
            self._pending_bytes -= first.byte_count
            backlog.byte_count -= first.byte_count
            backlog.entry_count -= 1
            if first.digest:
                del self._in_flight[first.digest]
            if made.publications or made.signals:
                entry = made.entry
                committed.append(Publication(entry.app, entry.key, made.publications, made.signals))
            forwards.extend(made.forwards)
            results.extend(first.waiters)
            if made.entry.kind is EntryKind.EPOCH_START and made.entry.term == self.term:
                self.status = Status.ACTIVE
        self.overlay.commit(index)
        return Ready(committed=committed, forwards=forwards, results=results)
