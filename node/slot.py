"""One slot on this node: commands become log entries, committed entries become rows. Sans-IO.

Rules (replication.md 2.3 to 2.5, contracts.md 3):
1. Input is a call with the time, output is `Ready`; the ordering law stands at its fields.
2. `node.replica` says who leads and what is committed; here is what the entries mean. The leader
   decides and applies at once, to its overlay; everybody else applies what is committed, by the
   same function.
3. Rows of an entry are written once it is committed. A lone copy commits with its own sync: there
   they travel with their entry.
4. An answer is OK (committed), REJECTED (nothing was stored) or UNKNOWN (nobody knows): never
   another one, and exactly one for each request.
5. A retry of a pending command waits for the same entry. A success that rests on pending rows waits
   for them as well.
6. What lies further behind than the log reaches is replaced by a snapshot (`node.snapshot`).
7. Who leads no more forgets whatever was pending, answers UNKNOWN, and follows.

Long because leading and following share every variable.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from hashlib import blake2b
from struct import Struct as Packed
from typing import Any, Final, NamedTuple

import msgspec

from hubbub.base.errors import (
    BAD_REQUEST,
    INTERNAL,
    OVERLOADED,
    STORAGE_FULL,
    Rejected,
)
from hubbub.base.units import HOUR_MS, MIB
from hubbub.ring.hashing import request_hash
from hubbub.ring.map import SlotRecord
from hubbub.ring.moves import is_settled
from hubbub.wire.codec import encode_pack
from hubbub.wire.replication import Ask, CopyMessage, Part
from hubbub.wire.shapes import Outcome, Submit, Viewer
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
from node.due import DueChange
from node.engine import (
    SYSTEM,
    Answered,
    Engine,
    FeatureFailed,
    Made,
    Place,
    QueuedForward,
    upkeep,
)
from node.entry import BrokenChain, Entry, EntryKind, decode_logged
from node.overlay import Caches, Overlay
from node.ready import (
    NOTHING,
    Fired,
    Publication,
    ReadNow,
    Ready,
    Record,
    Redirected,
    Result,
    Unknown,
)
from node.replica import Copy, Mail, Replica, Role
from node.slot_log import Logged
from node.snapshot import Install, Sources, wipe
from node.store.api import Family, Op, Store

INCARNATION_BYTES: Final = 8
# What may be uncommitted in one slot. Half refuses bursts that one batch would take; double only
# lengthens the wait of those who are behind.
PENDING_ENTRIES_MAX: Final = 2_000
PENDING_BYTES_MAX: Final = 8 * MIB
RETRY_AFTER_MS: Final = 100  # a few batches later
FULL_RETRY_AFTER_MS: Final = 1_000  # room is looked for every second
# Reads of one slot that wait for a round to the other copies: rounds take some ms.
READS_WAITING_MAX: Final = 1_000
# Entries that a follower applies in one go; the loop has other slots. 500 take some 25 ms.
_APPLY_ENTRIES: Final = 500
_APPLY_BYTES: Final = 1 * MIB
# Kept in the log beyond what is applied, so that a copy that was away reads entries and not
# everything. A copy that is away for four times as many holds nothing back any more.
LOG_ENTRIES_KEPT: Final = 50_000
_HOUR_MAX: Final = 1 << 32
_TRIM_SHARE: Final = 10  # of them are dropped at once

# Members of an enum cost ten times a global's look-up (Python 3.11): those that each command asks.
_ACTIVE: Final = Role.ACTIVE
_COMMAND: Final = EntryKind.COMMAND
_DEDUP: Final = Family.DEDUP

_META: Final = Packed(">QQQQ8s")


class Now(NamedTuple):
    """The time of a call: wall clock for entries, monotonic for waiting."""

    wall_ms: int
    mono_ms: int


class SlotMeta(NamedTuple):
    """Where a slot's rows stand; written with the rows that move it."""

    applied: int = 0
    chain: int = 0  # up to `applied`
    ts_ms: int = 0
    dedup_floor: int = 0
    incarnation: bytes = b""

    def encode(self) -> bytes:
        """The row of META."""
        return _META.pack(*self)

    def after(self, entry: Entry, chain: int) -> SlotMeta:
        """Where the slot stands with one more entry."""
        if entry.kind is _COMMAND:
            return SlotMeta(entry.index, chain, entry.ts_ms, self.dedup_floor, self.incarnation)
        is_first = entry.kind is EntryKind.EPOCH_START and bool(entry.incarnation)
        moves_floor = is_first or entry.kind is EntryKind.DEDUP_FLOOR
        return SlotMeta(
            entry.index,
            chain,
            entry.ts_ms,
            entry.number if moves_floor else self.dedup_floor,
            entry.incarnation if is_first else self.incarnation,
        )


def decode_meta(data: bytes) -> SlotMeta:
    """The position in a row of META. That of a slot whose rows were deleted is the first one."""
    meta = SlotMeta(*_META.unpack(data))
    return meta if meta.applied else SlotMeta()


class _Pending:
    """An entry of this leader that is not committed, and who waits for it."""

    __slots__ = ("byte_count", "digest", "is_written", "made", "meta", "waiters")

    def __init__(
        self, made: Made, meta: SlotMeta, digest: bytes, byte_count: int, *, is_written: bool
    ) -> None:
        self.made = made
        self.meta = meta
        self.digest = digest
        self.byte_count = byte_count
        self.is_written = is_written  # its rows travel with it (rule 3)
        self.waiters: list[tuple[Any, Outcome | Fired]] = []


class Backlog(msgspec.Struct):
    """What all slots of a node lead and have not committed; shared by them. `appended_total`:
    entries that commands made, upkeep and beginnings of terms apart."""

    bytes_max: int
    byte_count: int = 0
    entry_count: int = 0
    overloaded_total: int = 0
    appended_total: int = 0


class SlotContext(msgspec.Struct, frozen=True):
    """What all slots of a node share."""

    me: Copy
    engine: Engine
    store: Store
    caches: Caches
    window: DedupWindow
    backlog: Backlog
    sources: Sources
    log_entries_kept: int = LOG_ENTRIES_KEPT
    is_out_of_room: Callable[[str], bool] = lambda _: False  # for a command with that tag


class Slot:
    """The state machine of one slot on this node (`replica.Machine` of its own replica)."""

    __slots__ = (
        "_applied",
        "_context",
        "_gone",
        "_gone_before",
        "_in_flight",
        "_install",
        "_is_lone",
        "_newest_dedup_hour",
        "_now",
        "_out_committed",
        "_out_dues",
        "_out_early",
        "_out_forwards",
        "_out_results",
        "_out_rows",
        "_pending",
        "_pending_bytes",
        "_reads",
        "_written",
        "meta",
        "number",
        "overlay",
        "replica",
    )

    def __init__(self, number: int, context: SlotContext) -> None:
        """Reads where the slot stands. Raises BrokenChain, StoreError."""
        store = context.store
        stored = store.get(Family.META, keys.slot_meta(number))
        self.number = number
        self.meta = SlotMeta() if stored is None else decode_meta(stored)  # with what is pending
        self.overlay = Overlay(number, store, context.caches)
        self.replica = Replica(number, context.me, store, self, self.meta.applied)
        self._context = context
        self._applied = self.meta  # with what is committed
        self._install: Install | None = None
        self._is_lone = False
        self._pending: deque[_Pending] = deque()
        self._pending_bytes = 0
        self._in_flight: dict[bytes, _Pending] = {}
        self._reads: deque[tuple[Any, int]] = deque()  # (who waits to read, for which round)
        self._newest_dedup_hour = 0
        self._now = Now(0, 0)
        self._written: deque[tuple[int, int]] = deque()  # (token, index whose rows it writes)
        self._out_rows: list[Op] = []
        self._out_early: list[Record] = []
        self._out_committed: list[Publication] = []
        self._out_dues: list[DueChange] = []
        self._out_forwards: list[QueuedForward] = []
        self._out_results: list[tuple[Any, Result]] = []
        self._verify()
        self._gone = self._gone_before = 0  # the newest entry that deleted an app's rows

    @property
    def epoch(self) -> str:
        """The incarnation as clients see it."""
        return self._applied.incarnation.hex()

    @property
    def incarnation(self) -> bytes:
        """Drawn by the first entry of the log; empty before it is committed."""
        return self._applied.incarnation

    @property
    def term(self) -> int:
        """The term that it leads or follows."""
        return self.replica.promise.term

    @property
    def is_active(self) -> bool:
        """It leads the slot, and everything below the commit index is known."""
        return self.replica.role is _ACTIVE

    @property
    def applied(self) -> int:
        """Entries up to here are in the rows that queries see."""
        return self._applied.applied

    @property
    def last_index(self) -> int:
        """The end of the log."""
        return self.replica.log.last_index

    @property
    def pending_count(self) -> int:
        """Entries of this leader that are not committed."""
        return len(self._pending)

    @property
    def is_busy(self) -> bool:
        """Time matters: call `tick` several times a second."""
        return self.replica.is_busy or self.applied < self.replica.commit

    # --- the cluster

    def follow(self, record: SlotRecord, revision: int, now: Now) -> Ready:
        """The slot's record as of a revision. Raises FeatureFailed, BrokenChain."""
        self._now = now
        self.replica.follow(record, revision, now.mono_ms)
        return self._ready()

    def receive(self, term: int, body: CopyMessage, now: Now) -> Ready:
        """A message of another copy. Raises FeatureFailed, BrokenChain."""
        self._now = now
        if isinstance(body, Ask):
            self._serve(body)
        elif isinstance(body, Part):
            self._take_part(body)
        else:
            self.replica.receive(term, body, now.mono_ms)
            self._follow_install()
        return self._ready()

    def hear_commit(self, term: int, boot_id: int, commit: int, now: Now) -> Ready:
        """What a leader's beat says. Raises FeatureFailed, BrokenChain."""
        self._now = now
        self.replica.hear_commit(term, boot_id, commit)
        return self._ready()

    def peer_up(self, storage: str, now: Now) -> Ready:
        """A link to another copy is new."""
        self.replica.peer_up(storage, now.mono_ms)
        return self._ready()

    def cas_answered(self, now: Now, *, ok: bool) -> Ready:
        """The compare-and-swap of `Ready.activate` was answered."""
        self._now = now
        self.replica.cas_answered(ok=ok, now_ms=now.mono_ms)
        return self._ready()

    def step_down(self) -> Ready:
        """Lead no more."""
        self.replica.step_down()
        return self._ready()

    def fail(self, why: str) -> Ready:
        """The disk failed: nothing more is acknowledged by this process start."""
        self.replica.fail(why)
        return self._ready()

    def persisted(self, token: int, now: Now) -> Ready:
        """Records up to a token are durable. Raises FeatureFailed, BrokenChain."""
        self._now = now
        self.replica.persisted(token, now.mono_ms)
        written = self._written
        while written and written[0][0] <= token:
            self.overlay.written(written.popleft()[1])
        self.replica.log.forget(min(self.replica.durable, self.applied))
        return self._ready()

    def tick(self, now: Now) -> Ready:
        """Several times a second while it is busy: repeat, give up, catch up."""
        self._now = now
        self.replica.tick(now.mono_ms)
        self._tick_install()
        self._apply(_APPLY_ENTRIES)
        return self._ready()

    def _ready(self) -> Ready:
        """Everything that gathered since the last call."""
        replica = self.replica
        if self._reads:
            self._settle_reads()
        persist = self._records()
        mails: Sequence[Mail] = ()
        if replica.mails:
            mails, replica.mails = replica.mails, []
        if not (self._out_committed or self._out_results or self._out_forwards or self._out_dues):
            if replica.activate is None:
                return Ready(mails, (), persist)
            return Ready(mails, (), persist, replica.take_activate())
        committed, self._out_committed = self._out_committed, []
        forwards, self._out_forwards = self._out_forwards, []
        results, self._out_results = self._out_results, []
        dues, self._out_dues = self._out_dues, []
        return Ready(
            mails, (), persist, replica.take_activate(), committed, forwards, dues, results
        )

    def _records(self) -> Sequence[Record]:
        """What to write, in the order of the tokens."""
        persists = self.replica.persists
        if not persists and not self._out_rows and not self._out_early:
            return ()
        records, self._out_early = self._out_early, []
        if persists:
            travels = self._is_lone and (not self._pending or self._pending[0].is_written)
            meta = self.meta.encode() if travels else b""
            for token, ops, byte_count in persists:
                records.append(Record(self.number, token, ops, meta, byte_count))
            self.replica.persists = []
            records.sort(key=_token)
        if self._out_rows:
            records.append(self._rows_record())
        return records

    def _rows_record(self) -> Record:
        token = self.replica.next_token()
        ops, self._out_rows = self._out_rows, []
        self._written.append((token, self.applied))
        return Record(self.number, token, ops, self._applied.encode(), _size(ops), lazy=True)

    # --- commands

    def submit(
        self, request: Any, app: str, key: str, submit: Submit, now: Now, entropy: bytes
    ) -> Ready:
        """A command for a stream of this slot, answered now or once it is committed.

        Args: request: whatever the driver answers to. entropy: 16 bytes.
        """
        if self.replica.role is not _ACTIVE:
            return Ready(results=[(request, Redirected(self.term))])
        self._now = now
        try:
            if submit.origin_slot >= 0:
                return self._submit_forward(request, app, key, submit, entropy)
            return self._submit(request, app, key, submit, entropy)
        except Rejected as refusal:
            return Ready(results=[(request, refusal)])

    def _submit(self, request: Any, app: str, key: str, submit: Submit, entropy: bytes) -> Ready:
        if not submit.cmid:
            raise Rejected(BAD_REQUEST, "a command needs a cmid")
        asked = request_hash(submit.tag, submit.body)
        asker = Asker(self.number, app, submit.viewer.user, key, submit.cmid)
        window, floor = self._context.window, self.meta.dedup_floor
        place = dedup_key(window, floor, asker, self._now.wall_ms, self._log_time())
        pending = self._in_flight.get(place.digest)
        if pending is not None:
            check_same(pending.made.entry.request_hash, asked)
            pending.waiters.append((request, as_duplicate(pending.made.outcome)))
            return NOTHING
        before = answer_in(self.overlay.answers(place.rows), asked)
        if before is not None:
            return Ready(results=[(request, before)])
        return self._run(request, app, key, submit, entropy, place, asked)

    def _submit_forward(
        self, request: Any, app: str, key: str, submit: Submit, entropy: bytes
    ) -> Ready:
        """A Forward: its number says whether it was here before."""
        name = keys.seen(self.number, submit.origin_slot, submit.origin_incarnation)
        taken = self.overlay.get_meta(name)
        if taken is not None and submit.origin_n <= keys.read_u64(taken):
            stream = self.overlay.stream(app, key)
            outcome = Outcome(stream.head.seq, stream.head.ts_ms, "", dup=True)
            return self._after_pending(request, outcome, always=True)
        return self._run(request, app, key, submit, entropy, None, 0)

    def submit_due(self, request: Any, due: bytes, now: Now, entropy: bytes) -> Ready:
        """Propose what falls due at an index key, if it is still there; answered by Fired."""
        if self.replica.role is not _ACTIVE:
            return Ready(results=[(request, Redirected(self.term))])
        self._now = now
        app, key, name = keys.parse_due(due)
        row = self._context.engine.due_row(self.overlay, app, key, name)
        if row is None or row.at_ms != keys.due_ms(due):
            return Ready(results=[(request, Fired(is_gone=True))])
        assert row.at_ms <= self._log_time(), (due, self._log_time())
        submit = Submit(row.tag, Viewer(row.by, SYSTEM), row.cmid, row.body)
        try:
            return self._run(request, app, key, submit, entropy, None, 0, name)
        except Rejected as refusal:
            return Ready(results=[(request, refusal)])

    def log_time(self, now: Now) -> int:
        """The time that its next entry would bear."""
        return max(now.wall_ms, self.meta.ts_ms)

    def due_keys(self, after: bytes, limit: int) -> list[bytes]:
        """Committed index keys of what falls due, behind a key (b"": from the first one)."""
        start, end = keys.due_range(self.number, after)
        return self.overlay.meta_keys(start, end, limit)

    def _run(
        self,
        request: Any,
        app: str,
        key: str,
        submit: Submit,
        entropy: bytes,
        place: DedupKey | None,
        asked: int,
        due: str = "",
    ) -> Ready:
        self._check_room()
        if submit.origin_slot < 0 and self._context.is_out_of_room(submit.tag):
            raise Rejected(STORAGE_FULL, retry_after_ms=FULL_RETRY_AFTER_MS)
        at = Place(self.number, self.last_index + 1, self.replica.term, self._log_time())
        try:
            made = self._context.engine.run(self.overlay, at, app, key, submit, entropy, asked, due)
        except FeatureFailed as failure:
            raise Rejected(INTERNAL) from failure
        if isinstance(made, Answered):
            tells = made.signals or made.sign is not None
            signals = (Publication(app, key, (), made.signals, sign=made.sign),) if tells else ()
            stream = self.overlay.stream(app, key)
            ready = self._after_pending(request, made.outcome, always=bool(stream.pending_count))
            return ready._replace(signals=signals)
        if place is not None:
            self._newest_dedup_hour = max(self._newest_dedup_hour, place.hour)
        answer = made.outcome if not due else Fired(made.is_refused)
        self._context.backlog.appended_total += 1
        self._append(made, place).waiters.append((request, answer))
        return self._ready()

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

    def confirm(self, request: Any, now: Now) -> Ready:
        """A read that may not be stale: answered by ReadNow, Redirected or a refusal.

        Rounds do not overlap: who comes while one is under way waits for the next one.
        """
        replica = self.replica
        if replica.role is not Role.ACTIVE:
            return Ready(results=[(request, Redirected(self.term))])
        if len(self._reads) >= READS_WAITING_MAX:
            overloaded = Rejected(OVERLOADED, retry_after_ms=RETRY_AFTER_MS)
            return Ready(results=[(request, overloaded)])
        self._now = now
        if replica.confirmed_n < replica.asked_n:
            round_n = replica.asked_n + 1
        else:
            round_n = replica.confirm(now.mono_ms)
        self._reads.append((request, round_n))
        return self._ready()

    def _settle_reads(self) -> None:
        replica, reads = self.replica, self._reads
        while reads and reads[0][1] <= replica.confirmed_n:
            self._out_results.append((reads.popleft()[0], ReadNow()))
        if reads and replica.confirmed_n == replica.asked_n:
            replica.confirm(self._now.mono_ms)
            if replica.confirmed_n == replica.asked_n:  # a lone copy confirms itself
                self._settle_reads()

    # --- upkeep

    def forwards_done(self, done: Sequence[tuple[int, int]], now: Now) -> Ready:
        """Forwards up to (target slot, n) were answered: their rows go."""
        if not self.is_active or not done:
            return NOTHING
        self._now = now
        return self._propose(EntryKind.OUTBOX_DONE, done=tuple(done))

    def tidy(self, now: Now) -> Ready:
        """Once a minute or so: drop old entries, and answers whose ids are refused anyway."""
        self._now = now
        self._trim()
        floor = self._context.window.floor_hour(self._log_time()) - 1
        before = self.meta.dedup_floor
        if not self.is_active or floor <= before or self._newest_dedup_hour < before:
            return self._ready()
        return self._propose(EntryKind.DEDUP_FLOOR, seq=before, number=floor)

    def app_gone(self, app: str, dues: Sequence[bytes], now: Now) -> Ready:
        """What a deleted app has here goes: one entry, a range of each family (record 0030). Args:
        dues: index keys of what falls due in it."""
        if not self.is_active:
            return NOTHING
        self._now = now
        return self._propose(EntryKind.APP_GONE, app=app, rows=tuple(dues))

    def _propose(self, kind: EntryKind, **fields: Any) -> Ready:
        self._append(self._upkeep(self._entry(kind, **fields)))
        return self._ready()

    def _entry(self, kind: EntryKind, **fields: Any) -> Entry:
        return Entry(
            index=self.last_index + 1,
            term=self.replica.term,
            kind=kind,
            ts_ms=self._log_time(),
            **fields,
        )

    def _upkeep(self, entry: Entry) -> Made:
        self.overlay.begin(entry.index, None)
        ops = self.overlay.finish() + upkeep(self.number, entry)
        return Made(entry, Outcome(0, entry.ts_ms, ""), ops)

    def _trim(self) -> None:
        """Drop entries that neither this copy nor another one is going to need; of a deleted app
        all that the other copies have, a minute later: its rows are surely stored then."""
        kept = self._context.log_entries_kept
        log = self.replica.log
        upto = min(self.applied - kept, max(self.replica.lowest_match, log.last_index - 4 * kept))
        before, self._gone_before = self._gone_before, self._gone
        gone = min(before, self.replica.lowest_match)
        if gone > max(log.base, upto) or upto - log.base >= max(1, kept // _TRIM_SHARE):
            upto = max(upto, gone)
            token = self.replica.next_token()
            self._out_early.append(Record(self.number, token, log.trim(upto), b"", 0, lazy=True))

    # --- snapshots

    def _serve(self, ask: Ask) -> None:
        """A copy lacks more than the log has: the next part of a snapshot for it."""
        replica, context = self.replica, self._context
        record = replica.record
        if record is None or not replica.is_ok or replica.install_from:
            return
        if ask.storage not in (*record.members, *record.prev, *record.learners):
            return
        source = context.sources.find(self.number, ask)
        if source is None:
            snapshot = context.store.snapshot()
            key = keys.slot_meta(self.number)
            rows = snapshot.iterate(Family.META, key, key + b"\x00", limit=1)
            if not rows:  # nothing is applied in the store yet: it is asked for again
                snapshot.close()
                return
            applied = decode_meta(rows[0][1]).applied
            terms = tuple(row for row in replica.log.terms if row[1] <= applied)
            source = context.sources.open(
                self.number, ask.storage, snapshot, rows[0][1], terms, self.hours()
            )
        part = context.sources.part(self.number, context.me.storage, source, ask)
        replica.mails.append(Mail(ask.storage, self.term, part))

    def _follow_install(self) -> None:
        """The replica has begun to replace this copy, or has given up."""
        source = self.replica.install_from
        if source and (self._install is None or self._install.source != source):
            self._install = Install(source, self._now.mono_ms)
            self._ask()
        elif not source:
            self._install = None

    def _ask(self) -> None:
        install, storage = self._install, self._context.me.storage
        assert install is not None
        ask = install.ask(storage, self._now.mono_ms)
        self.replica.mails.append(Mail(install.source, self.term, ask))

    def _take_part(self, part: Part) -> None:
        install, replica = self._install, self.replica
        if install is None or not install.is_next(part):
            return
        if install.is_new(part):
            replica.restart_install()
        ops = install.take(part, self._now.mono_ms)
        if part.place >= 0:
            self._out_early.append(
                Record(self.number, replica.next_token(), ops, b"", _size(ops), lazy=True)
            )
            self._ask()
            return
        self.meta = self._applied = meta = decode_meta(part.meta)
        ops.append((Family.META, keys.slot_meta(self.number), part.meta))
        self._install = None
        replica.finish_install(meta.applied, meta.chain, part.terms, ops, self._now.mono_ms)

    def _tick_install(self) -> None:
        install, mono_ms = self._install, self._now.mono_ms
        if install is None:
            return
        if install.is_lost(mono_ms):
            self.replica.abandon_install()
            self._install = None
        elif install.is_due(mono_ms):
            self._ask()

    def hours(self) -> range:
        """Hours that may have answers of this slot."""
        window, meta = self._context.window, self.meta
        first = min(meta.dedup_floor or _HOUR_MAX, window.floor_hour(self._log_time()) - 1)
        return range(max(0, first), (self._log_time() + window.ahead_ms) // HOUR_MS + 2)

    # --- the log: leading

    def _log_time(self) -> int:
        return max(self._now.wall_ms, self.meta.ts_ms)

    def _append(self, made: Made, place: DedupKey | None = None) -> _Pending:
        """The entry as the log's next: in memory at once, answered once it is committed."""
        data = encode_pack(made.entry)
        self._add_answer(made, place)
        replica, is_lone = self.replica, self._is_lone
        digest = place.digest if place is not None else b""
        logged = replica.append(data, self._now.mono_ms, made.ops if is_lone else ())
        return self._pend(made, logged, digest, is_written=is_lone)

    def _pend(self, made: Made, logged: Logged, digest: bytes, *, is_written: bool) -> _Pending:
        self.meta = self.meta.after(made.entry, logged.chain)
        byte_count = len(logged.value)
        for _, row in made.publications:
            byte_count += len(row)
        pending = _Pending(made, self.meta, digest, byte_count, is_written=is_written)
        self._pending.append(pending)
        self._pending_bytes += byte_count
        backlog = self._context.backlog
        backlog.byte_count += byte_count
        backlog.entry_count += 1
        if digest:
            self._in_flight[digest] = pending
        return pending

    def _add_answer(self, made: Made, place: DedupKey | None = None) -> None:
        """The row that answers a retry of the command."""
        entry = made.entry
        if entry.kind is EntryKind.COMMAND and entry.origin is None and not entry.due:
            row = place.row if place is not None else self._answer_row(entry)
            answer = encode_answer(entry.request_hash, made.outcome)
            made.ops.append((_DEDUP, row, answer))
            self.overlay.put_answer(row, answer)

    def _answer_row(self, entry: Entry) -> bytes:
        return answer_row(
            Asker(self.number, entry.app, entry.by, entry.key, entry.cmid), entry.ts_ms
        )

    # --- replica.Machine

    def lead(self, now_ms: int) -> bytes:
        """Whatever the log has above commit becomes pending; then the term's first entry."""
        self._apply(self.last_index)
        if self._out_rows:  # before the term begins: its leader reads Forwards from the store
            self._out_early.append(self._rows_record())
        record = self.replica.record
        assert record is not None
        # A lone copy that took over from others commits nothing before that is activated.
        self._is_lone = record.members == (self._context.me.storage,) and is_settled(record)
        for logged in self._entries_above(self.replica.commit):
            made = self._replay(logged)
            self._pend(made, logged, self._digest_of(made.entry), is_written=False)
        window = self._context.window
        self._newest_dedup_hour = (self.meta.ts_ms + window.ahead_ms) // HOUR_MS
        is_first, is_restored = not self.meta.incarnation, self._is_restored()
        floor = window.floor_hour(self._now.wall_ms) if is_first else self.meta.dedup_floor
        entry = self._entry(
            EntryKind.EPOCH_START,
            incarnation=self._draw_incarnation() if is_first or is_restored else b"",
            number=floor if is_first or is_restored else 0,
        )
        made, data = self._upkeep(entry), encode_pack(entry)
        logged = self.replica.log.following(entry.term, data)
        self._pend(made, logged, b"", is_written=self._is_lone and not self._pending)
        return data

    def committed(self, upto: int) -> None:
        """Entries up to an index never change again."""
        pending = self._pending
        while pending and pending[0].made.entry.index <= upto:
            self._settle(pending.popleft())
        if not self.replica.is_leading:
            self._apply(_APPLY_ENTRIES)

    def wipe(self) -> list[Op]:
        """This copy begins anew, from a snapshot."""
        ops = wipe(self.number, self.hours())
        self.overlay.reset()
        self._out_rows.clear()
        self.meta = self._applied = SlotMeta()
        return ops

    def retired(self) -> None:
        """Not leading any more: nothing that waits can be answered with certainty."""
        self._out_results += [(r, Unknown()) for p in self._pending for r, _ in p.waiters]
        self._out_results += [(r, Redirected(self.term)) for r, _ in self._reads]
        self._reads.clear()
        backlog = self._context.backlog
        backlog.entry_count -= len(self._pending)
        backlog.byte_count -= self._pending_bytes
        self._pending.clear()
        self._in_flight.clear()
        self._pending_bytes = 0
        self._is_lone = False
        self.overlay.truncate(self.applied)
        self.meta = self._applied

    def _settle(self, first: _Pending) -> None:
        made, backlog = first.made, self._context.backlog
        self._pending_bytes -= first.byte_count
        backlog.byte_count -= first.byte_count
        backlog.entry_count -= 1
        if first.digest:
            del self._in_flight[first.digest]
        entry = made.entry
        if made.publications or made.signals or made.pulses:
            publication = Publication(
                entry.app, entry.key, made.publications, made.signals, made.pulses
            )
            self._out_committed.append(publication)
        self._out_forwards.extend(made.forwards)
        if made.dues:
            self._out_dues.extend(made.dues)
        self._out_results.extend(first.waiters)
        self._applied = first.meta
        self._note_gone(entry)
        self.overlay.commit(entry.index, is_written=first.is_written)
        if not first.is_written:
            self._out_rows += made.ops

    def _note_gone(self, entry: Entry) -> None:
        if entry.kind is EntryKind.APP_GONE:
            self._gone = entry.index

    # --- the log: following

    def _apply(self, entries_max: int) -> None:
        """Rows of entries that are committed and not applied yet."""
        while entries_max > 0 and self.applied < self.replica.commit:
            for logged in self.replica.log.read(self.applied + 1, _APPLY_BYTES):
                if logged.index > self.replica.commit:
                    return
                made = self._replay(logged)
                self._applied = self.meta = self._applied.after(made.entry, logged.chain)
                self._note_gone(made.entry)
                self.overlay.commit(logged.index)
                self._out_rows += made.ops
                entries_max -= 1

    def _replay(self, logged: Logged) -> Made:
        """A logged entry on the overlay, as its leader made it."""
        entry = decode_logged(logged.value)
        if entry.index != logged.index:
            raise BrokenChain(f"slot {self.number}: entry {entry.index} stands at {logged.index}")
        made = self._context.engine.replay(self.overlay, self.number, entry)
        self._add_answer(made)
        return made

    def _entries_above(self, index: int) -> list[Logged]:
        found: list[Logged] = []
        while index < self.last_index:
            found += self.replica.log.read(index + 1, _APPLY_BYTES)
            index = found[-1].index
        return found

    def _digest_of(self, entry: Entry) -> bytes:
        if entry.kind is not EntryKind.COMMAND or entry.origin is not None or entry.due:
            return b""
        return keys.dedup_digest(entry.app, entry.by, entry.key, entry.cmid)

    def _is_restored(self) -> bool:
        """A backup was put in place of what was here: streams may lack what clients have seen.

        The row names the incarnation that ended, so that it says nothing once there is another.
        """
        ended = self._context.store.get(Family.META, keys.restored(self.number))
        return ended is not None and ended == self.meta.incarnation

    def _draw_incarnation(self) -> bytes:
        """8 bytes that no other start of any slot draws."""
        me = self._context.me
        text = f"{me.storage}.{me.leader.boot_id}.{self.number}.{self.replica.term}"
        return blake2b(text.encode(), digest_size=INCARNATION_BYTES).digest()

    def _verify(self) -> None:
        """What is applied is in the log, and what lies above follows from it."""
        applied, chain = self.meta.applied, self.meta.chain
        log = self.replica.log
        if applied and (log.last_index < applied or log.chain_at(applied) != chain):
            raise BrokenChain(f"slot {self.number}: entry {applied} is not what was applied")
        log.verify(applied, chain)


def _token(record: Record) -> int:
    return record.token


def _size(ops: Sequence[Op]) -> int:
    return sum(len(op[2] or b"") for op in ops if isinstance(op, tuple))
