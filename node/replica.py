"""One copy of one slot's log: who leads it, what is committed. Sans-IO; the heart of durability.

States: FOLLOWER → FENCING → FETCHING → SYNCING → ACTIVATING → ACTIVE → FOLLOWER; FAILED for ever.

Rules (replication.md 2.3; Viewstamped Replication with the view chosen by the coordinator):
1. A term and its leader come from a compare-and-swap of the slot's record. A term is led by one
   process start: only a term above everything promised is begun, and none is ever resumed.
2. Fencing: no term begins before a majority of `prev`, and the leader itself, have promised it
   durably. Whoever promised a term takes nothing older, and nothing of another leader of it.
3. The leader adopts the highest (last term, last index) among those promises: everything that was
   ever acknowledged is in there. Then it writes its EPOCH_START.
4. Committed is what a majority of `members` holds durably, the leader after its own sync, and only
   from the EPOCH_START on; what lies before is committed with it. Members that are not `prev`
   commit nothing before the record says `activated`.
5. A copy cuts its log only at the first entry that conflicts, and never what is committed: that is
   an assertion about the whole cluster, and its failure stops the slot.
6. Nothing that speaks of the disk is said before the disk has it: promises, matches.
7. Who lacks what the leader's log has no more is offered a snapshot. While it is installed the copy
   does not count (`recall`); when that breaks off it begins anew, with a snapshot or with the first
   entry.
8. That it still leads, a leader learns from a majority of the members that say so after they were
   asked (`confirm`): a read that may not be stale waits for that. No clock and no lease says it.
9. The leader steps down for a newer record, a STALE, a failed disk, or `QUORUM_LOST_MS` without
   progress; never because the coordinator is away.

Long because it is one state machine: leader and follower share every variable.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from enum import Enum
from struct import Struct as Packed
from typing import Final, NamedTuple, Protocol

from hubbub.ring.hashing import chain as chain_of
from hubbub.ring.map import Leader, SlotRecord, activated
from hubbub.wire.replication import (
    Append,
    Appended,
    Confirm,
    Confirmed,
    CopyMessage,
    Entries,
    Fence,
    Fetch,
    Nak,
    Offer,
    Promised,
    Recall,
    Stale,
    Tail,
)
from node import keys
from node.entry import CHAIN_BYTES
from node.progress import APPEND_BYTES_MAX, RETRY_MS, Progress
from node.slot_log import Logged, SlotLog
from node.store.api import Family, Op, Store

# A member that hears nothing is replaced after 0.8 s and more; who leads in vain gives up later.
QUORUM_LOST_MS: Final = 2_000
# The copy with the newest log fell silent: choose again among those that promised.
SOURCE_LOST_MS: Final = 1_500
_PROMISE: Final = Packed(">IQQ")
# A flag in `recall`: everything was deleted, and what is there is not whole yet.
EMPTIED: Final = 1 << 63


class Role(Enum):
    """What a copy is doing."""

    FOLLOWER = "follower"
    FENCING = "fencing"
    FETCHING = "fetching"
    SYNCING = "syncing"
    ACTIVATING = "activating"
    ACTIVE = "active"
    FAILED = "failed"


# Members of an enum cost ten times a global's look-up (Python 3.11).
_ACTIVE: Final = Role.ACTIVE
_SYNCING: Final = Role.SYNCING
_FAILED: Final = Role.FAILED
_NOT_LEADING: Final = (Role.FOLLOWER, Role.FAILED)


class Promise(NamedTuple):
    """What is promised: nothing below `term`, and in it only the leader with `boot_id`.

    `recall`: the copy once had everything up to here, and does not count until it has again; or
    EMPTIED, or both. 0: it is whole.
    """

    term: int = 0
    boot_id: int = 0
    recall: int = 0

    @property
    def forgot(self) -> int:
        """`recall` without EMPTIED."""
        return self.recall & ~EMPTIED


class Copy(NamedTuple):
    """Who this is: the copy (what members name), and the process that holds it."""

    storage: str
    leader: Leader


class Mail(NamedTuple):
    """A message to another copy."""

    to: str
    term: int
    body: CopyMessage


class Persist(NamedTuple):
    """Write `ops` atomically, in order; then `persisted(token)` once they are durable."""

    token: int
    ops: list[Op]
    byte_count: int


class Machine(Protocol):
    """What the log drives: the slot's state."""

    def lead(self, now_ms: int) -> bytes:
        """Everything above commit becomes pending; the EPOCH_START that comes behind it."""
        ...

    def committed(self, upto: int) -> None:
        """Entries up to an index never change again."""
        ...

    def wipe(self) -> list[Op]:
        """Forget everything; what deletes it."""
        ...

    def retired(self) -> None:
        """Not leading any more: nothing that is pending can be answered."""
        ...


class Replica:
    """The state machine of one copy. Outputs gather in `mails`, `persists` and `activate`."""

    def __init__(self, slot: int, me: Copy, store: Store, machine: Machine, applied: int) -> None:
        """Args: applied: everything up to here is known to be committed. Raises StoreError."""
        self.log = SlotLog(slot, store)
        self.promise = read_promise(store.get(Family.META, keys.promise(slot)))
        self.role = Role.FOLLOWER
        self.term = 0  # the one that is led
        self.commit = applied
        self.durable = self.log.last_index  # everything up to here is on disk
        self.record: SlotRecord | None = None
        self.revision = 0
        self.failure = ""  # why the role is FAILED
        self.install_from = ""  # the copy whose snapshot is being received
        self.amnesia_total = 0
        self.mails: list[Mail] = []
        self.persists: list[Persist] = []
        self.activate: SlotRecord | None = None
        self._slot = slot
        self._me = me
        self._machine = machine
        self._token = self._done_token = 0
        self._after: deque[tuple[int, Mail]] = deque()
        self._ends: deque[tuple[int, int]] = deque()  # (token, last index written with it)
        self.asked_n = self.confirmed_n = 0  # rounds of `confirm`, and those that came back
        self._promises: dict[str, Promised] = {}
        self._progress: dict[str, Progress] = {}
        self._confirms: dict[str, int] = {}  # member → the newest round that it answered
        self._confirm_ms = 0
        self._source = ""
        self._start_index = 0
        self._leader_commit = 0
        self._moved_ms = 0  # last step forward, or last message of a kind that is repeated
        self._asked_ms = 0  # last FETCH: its answer may be large

    @property
    def is_leading(self) -> bool:
        """Between its first FENCE and its end as a leader."""
        return self.role not in _NOT_LEADING

    @property
    def is_ok(self) -> bool:
        """It is whole: it may vote, be counted, and serve."""
        return self.role is not Role.FAILED and not self.promise.recall

    @property
    def is_lone(self) -> bool:
        """There is no other copy to hear of."""
        return not self._progress

    @property
    def is_busy(self) -> bool:
        """Time matters: call `tick` several times a second."""
        if self.install_from:
            return True
        if not self.is_leading:
            return False
        if self.role is not Role.ACTIVE or self.confirmed_n < self.asked_n:
            return True
        last = self.log.last_index
        return any(p.match < last for p in self._progress.values())

    @property
    def lowest_match(self) -> int:
        """What every other copy surely has; a follower knows of none that lacks anything."""
        return min((p.match for p in self._progress.values()), default=self.log.last_index)

    def lag(self, storage: str) -> int | None:
        """Entries that another copy lacks, None unless it is heard of as a leader."""
        progress = self._progress.get(storage)
        if progress is None or progress.is_probing:
            return None
        return self.log.last_index - progress.match

    # --- the record

    def follow(self, record: SlotRecord, revision: int, now_ms: int) -> None:
        """The slot's record as of a revision; older ones are ignored."""
        if revision <= self.revision or self.role is Role.FAILED:
            return
        self.revision, self.record = revision, record
        mine = record.leader == self._me.leader
        if self.is_leading:
            if record.term != self.term or not mine:
                self.step_down()
            else:
                self._take_record(record, now_ms)
                return
        if mine and record.term > self.promise.term and self._me.storage in record.members:
            self._fence(record, now_ms)

    def _take_record(self, record: SlotRecord, now_ms: int) -> None:
        """The record of our own term changed: activated, or other learners."""
        if self.role is Role.ACTIVATING and record.activated:
            self._become_active(now_ms)
        if self.role in (Role.SYNCING, Role.ACTIVATING, Role.ACTIVE):
            wanted = {*record.members, *record.learners} - {self._me.storage}
            for gone in self._progress.keys() - wanted:
                del self._progress[gone]
            for new in sorted(wanted - self._progress.keys()):
                self._progress[new] = Progress(
                    self.log.last_index + 1, counts=new in record.members
                )
                self._send_entries(new, now_ms)

    def cas_answered(self, *, ok: bool, now_ms: int) -> None:
        """The compare-and-swap of `activate` was answered.

        Success is believed once `follow` brings the record that says so: a late answer may be that
        of an earlier term, whose members are not these.
        """
        if not ok and self.role is Role.ACTIVATING:
            self.step_down()

    def step_down(self) -> None:
        """Lead no more. What was promised stays promised."""
        if self.is_leading:
            self.role = Role.FOLLOWER
            self._end_leadership()

    def fail(self, why: str) -> None:
        """Never take part again in this process: the disk failed, or a rule was broken."""
        if self.role is not Role.FAILED:
            was_leading = self.is_leading
            self.role, self.failure = Role.FAILED, why
            if was_leading:
                self._end_leadership()

    def _end_leadership(self) -> None:
        self._progress.clear()
        self._promises.clear()
        self._confirms.clear()
        self.confirmed_n = self.asked_n  # nobody waits any more
        self.activate = None
        self._machine.retired()

    # --- fencing and fetching

    def _fence(self, record: SlotRecord, now_ms: int) -> None:
        self.role, self.term = Role.FENCING, record.term
        self._promises.clear()
        self._source = ""
        self._promise(record.term, self._me.leader.boot_id)
        self._moved_ms = now_ms
        self._say_promised(self._me.storage)
        self._send_fences()

    def _send_fences(self) -> None:
        record = self._record()
        body = Fence(self._me.storage, self._me.leader.boot_id)
        for storage in sorted({*record.prev, *record.members} - {self._me.storage}):
            if storage not in self._promises:
                self.mails.append(Mail(storage, self.term, body))

    def _on_fence(self, sender: str, term: int, body: Fence) -> None:
        if self._is_stale(sender, term, body.boot_id):
            return
        if term > self.promise.term:
            self.step_down()
            self._promise(term, body.boot_id)
        self._say_promised(sender)

    def _promise(self, term: int, boot_id: int) -> None:
        """Durable before anything is said that rests on it (rule 6)."""
        self._leader_commit = self.commit
        self._write_promise(Promise(term, boot_id, self.promise.recall))

    def _write_promise(self, promise: Promise) -> None:
        self.promise = promise
        self._persist([self._promise_op()], _PROMISE.size)

    def _say_promised(self, to: str) -> None:
        term, boot_id, recall = self.promise
        log = self.log
        body = Promised(self._me.storage, boot_id, log.last_term, log.last_index, ok=not recall)
        self._mail_after(Mail(to, term, body))

    def _on_promised(self, sender: str, term: int, body: Promised, now_ms: int) -> None:
        is_ours = term == self.term and body.boot_id == self._me.leader.boot_id
        if not is_ours or self.role not in (Role.FENCING, Role.FETCHING):
            return
        self._promises[sender] = body
        if self.role is Role.FENCING:
            self._select(now_ms)

    def _select(self, now_ms: int) -> None:
        """Enough promises: adopt the newest log among them, or begin with our own."""
        record = self._record()
        own = self._promises.get(self._me.storage)
        if own is None:
            return
        if not own.ok:  # a log with holes must not lead
            self.step_down()
            return
        counted = {s: p for s, p in self._promises.items() if p.ok and s in record.prev}
        if len(counted) < _majority(record.prev):
            return
        best = max(sorted(counted), key=lambda s: (counted[s].last_term, counted[s].last_index))
        newest = (counted[best].last_term, counted[best].last_index)
        if newest > (self.log.last_term, self.log.last_index):
            self.role, self._source, self._moved_ms = Role.FETCHING, best, now_ms
            self._send_fetch(now_ms)
        elif not self.install_from:
            self._sync(now_ms)

    def _send_fetch(self, now_ms: int) -> None:
        log, self._asked_ms = self.log, now_ms
        body = Fetch(self._me.storage, self._me.leader.boot_id, log.last_index, log.recent_terms())
        self.mails.append(Mail(self._source, self.term, body))

    def _on_fetch(self, sender: str, term: int, body: Fetch) -> None:
        if self._is_stale(sender, term, body.boot_id) or term != self.promise.term:
            return  # not promised yet: the FENCE was lost, and comes again
        if self.promise.recall:
            return
        log = self.log
        common = log.common(body.terms, body.last_index)
        if common < log.base:
            self._offer(sender, term, body.boot_id)
            return
        tail = Tail(
            self._me.storage,
            body.boot_id,
            common,
            log.chain_at(common),
            _entries(log.read(common + 1, APPEND_BYTES_MAX)),
            log.last_index,
        )
        self._mail_after(Mail(sender, term, tail))

    def _on_tail(self, sender: str, term: int, body: Tail, now_ms: int) -> None:
        is_ours = term == self.term and body.boot_id == self._me.leader.boot_id
        if self.role is not Role.FETCHING or not is_ours or sender != self._source:
            return
        if self.install_from:
            return
        if not self._accept(body.prev_index, body.prev_chain, body.entries):
            return  # it answers an older question; the next one is repeated
        self._moved_ms = now_ms
        if self.log.last_index >= body.last_index:
            self._sync(now_ms)
        else:
            self._send_fetch(now_ms)

    # --- leading

    def _sync(self, now_ms: int) -> None:
        """The log is right: begin the term with an entry of its own."""
        record = self._record()
        self.role = Role.SYNCING
        start = self.log.last_index + 1
        self._progress = {
            storage: Progress(start, counts=storage in record.members)
            for storage in (*record.members, *record.learners)
            if storage != self._me.storage
        }
        self._start_index = start
        self.append(self._machine.lead(now_ms), now_ms)

    def append(self, data: bytes, now_ms: int, more: Sequence[Op] = ()) -> Logged:
        """One more entry of this leader. `more` is written with it."""
        log = self.log
        logged = log.following(self.term, data)
        previous_chain = log.last_chain
        if self.commit == log.last_index:
            self._moved_ms = now_ms  # from now on progress is due
        ops = log.append((logged,))
        ops.extend(more)
        self._persist(ops, len(logged.value), logged.index)
        if self._progress:
            self._spread(logged, previous_chain, now_ms)
        return logged

    def _spread(self, logged: Logged, previous_chain: int, now_ms: int) -> None:
        """To every copy that is in step: one body for all of them."""
        before, size = logged.index - 1, len(logged.value)
        body = self._append_of(before, previous_chain, (logged,))
        for storage, progress in self._progress.items():
            if progress.next == logged.index and progress.may_send():
                self.mails.append(Mail(storage, self.term, body))
                progress.sent(logged.index, size, now_ms)

    def _send_entries(self, storage: str, now_ms: int) -> None:
        """Whatever the copy lacks and may be sent now; a probe if nothing is known of it."""
        progress = self._progress[storage]
        if progress.next <= self.log.base:
            if progress.may_send():
                progress.match = 0  # it begins anew, unless it has caught up meanwhile and says so
                self._offer(storage, self.term, self._me.leader.boot_id)
                progress.sent(progress.next - 1, 0, now_ms)
            return
        while progress.may_send():
            if not progress.is_probing and progress.next > self.log.last_index:
                return
            before = progress.next - 1
            found = self.log.read(progress.next, APPEND_BYTES_MAX)
            self._send(storage, progress, before, self.log.chain_at(before), found, now_ms)

    def _send(
        self,
        storage: str,
        progress: Progress,
        before: int,
        chain: int,
        entries: Sequence[Logged],
        now_ms: int,
    ) -> None:
        body = self._append_of(before, chain, entries)
        self.mails.append(Mail(storage, self.term, body))
        size = sum(len(logged.value) for logged in entries)
        progress.sent(before + len(entries), size, now_ms)

    def _append_of(self, before: int, chain: int, entries: Sequence[Logged]) -> Append:
        me = self._me
        return Append(me.storage, me.leader.boot_id, before, chain, self.commit, _entries(entries))

    def _on_appended(self, sender: str, term: int, body: Appended, now_ms: int) -> None:
        progress = self._progress.get(sender)
        if progress is None or term != self.term:
            return
        progress.heard_ms = now_ms
        progress.counts = body.ok and sender in self._record().members
        progress.appended(body.match)
        self._advance(now_ms)
        self._send_entries(sender, now_ms)

    def _on_nak(self, sender: str, term: int, body: Nak, now_ms: int) -> None:
        progress = self._progress.get(sender)
        if progress is None or term != self.term:
            return
        progress.heard_ms = now_ms
        common = self.log.common(body.terms, body.last_index)
        if body.last_index < progress.match:  # it forgot, or this was overtaken: it will know
            progress.counts = False
            recall = Recall(self._me.storage, self._me.leader.boot_id, progress.match)
            self.mails.append(Mail(sender, self.term, recall))
            progress.match = common
        progress.refused(max(common, progress.match))
        self._send_entries(sender, now_ms)

    def _advance(self, now_ms: int) -> None:
        """Rule 4."""
        if self.role is not _ACTIVE and self.role is not _SYNCING:
            return
        index = self._agreed() if self._progress else self.durable
        if index < self._start_index or index <= self.commit:
            return
        if self.role is _SYNCING:
            self._moved_ms, record = now_ms, self._record()
            if record.activated or set(record.members) == set(record.prev):
                self.role = Role.ACTIVE
            else:
                self.role, self.activate = Role.ACTIVATING, activated(record)
                return
        self._moved_ms = now_ms
        self._commit(index)

    def _agreed(self) -> int:
        """The last index that a majority of the members holds durably; 0 if too few count."""
        members = self._record().members
        matches = [p.match for s, p in self._progress.items() if p.counts and s in members]
        matches.append(self.durable)
        needed = _majority(members)
        return sorted(matches, reverse=True)[needed - 1] if len(matches) >= needed else 0

    def _become_active(self, now_ms: int) -> None:
        self.role, self.activate = Role.ACTIVE, None
        self._advance(now_ms)

    # --- is it still the leader (rule 8)

    def confirm(self, now_ms: int) -> int:
        """A new round; once `confirmed_n` has reached its number, nobody else led at this moment.

        Only while it is ACTIVE.
        """
        self.asked_n += 1
        self._confirm_ms = now_ms
        self._send_confirms()
        self._count_confirms()
        return self.asked_n

    def _send_confirms(self) -> None:
        me = self._me
        body = Confirm(me.storage, me.leader.boot_id, self.asked_n)
        for storage in self._record().members:
            if storage != me.storage and self._confirms.get(storage, 0) < self.asked_n:
                self.mails.append(Mail(storage, self.term, body))

    def _on_confirm(self, sender: str, term: int, body: Confirm) -> None:
        if self._is_stale(sender, term, body.boot_id) or self.promise.recall:
            return
        self.mails.append(Mail(sender, term, Confirmed(self._me.storage, body.n)))

    def _on_confirmed(self, sender: str, term: int, body: Confirmed) -> None:
        if self.role is Role.ACTIVE and term == self.term:
            self._confirms[sender] = max(self._confirms.get(sender, 0), body.n)
            self._count_confirms()

    def _count_confirms(self) -> None:
        members = self._record().members
        said = [n for storage, n in self._confirms.items() if storage in members]
        said.append(self.asked_n)
        needed = _majority(members)
        if len(said) >= needed:
            self.confirmed_n = max(self.confirmed_n, sorted(said, reverse=True)[needed - 1])

    # --- following

    def _on_append(self, sender: str, term: int, body: Append) -> None:
        if self._is_stale(sender, term, body.boot_id) or body.boot_id == self._me.leader.boot_id:
            return
        if term > self.promise.term:
            self.step_down()
            self._promise(term, body.boot_id)
        if self.install_from:
            if sender == self.install_from:
                return  # it asks again
            if body.prev_index or not body.entries:  # the source may be gone: the leader is there
                self._say_end(sender)
                return
            self.abandon_install()  # its log has everything from the first entry on
        if not self._accept(body.prev_index, body.prev_chain, body.entries):
            if self.role is not Role.FAILED:
                self._say_end(sender)
            return
        match = body.prev_index + len(body.entries)
        self._leader_commit = max(self._leader_commit, min(body.commit, match))
        if self.promise.recall and self._is_whole(term, match, body.commit):
            self._write_promise(self.promise._replace(recall=0))
        appended = Appended(self._me.storage, match, ok=not self.promise.recall)
        self._mail_after(Mail(sender, term, appended))
        self._follow_commit()

    def _is_whole(self, term: int, match: int, commit: int) -> bool:
        """Everything is there again that this copy ever acknowledged.

        An emptied copy lacked what was committed then. With an entry of this term, and all that is
        committed in it, it lacks nothing of that any more.
        """
        if match < self.promise.forgot:
            return False
        is_emptied = bool(self.promise.recall & EMPTIED)
        return not is_emptied or (match >= commit and self.log.term_at(match) == term)

    def hear_commit(self, term: int, boot_id: int, commit: int) -> None:
        """A leader's beat: how far it has committed. Only what is known to match is taken."""
        if (term, boot_id) == self.promise[:2] and self.role is Role.FOLLOWER:
            self._leader_commit = max(self._leader_commit, min(commit, self._matched(term)))
            self._follow_commit()

    def _matched(self, term: int) -> int:
        """The last index that surely equals the log of the leader of `term`: its own entries."""
        return self.log.last_index if self.log.last_term == term else self._leader_commit

    def _follow_commit(self) -> None:
        upto = min(self._leader_commit, self.durable)
        if upto > self.commit and self.role is Role.FOLLOWER:
            self._commit(upto)

    def _accept(self, prev_index: int, prev_chain: int, entries: Entries) -> bool:
        """Make the log equal to (…prev, entries) as far as that goes; False: prev is not in it.

        Rule 5: cuts at the first conflict only. A broken chain is the sender's or the wire's fault,
        and answered like a gap.
        """
        log = self.log
        if prev_index > log.last_index:
            return False
        if self.promise.recall & EMPTIED and not log.last_index and entries:
            self._clear()  # parts of a snapshot that broke off may be there
        if prev_index < log.base:  # a late message; what was trimmed is committed, and the same
            entries = entries[log.base - prev_index :]
            prev_index, prev_chain = log.base, log.base_chain
        if log.chain_at(prev_index) != prev_chain:
            if prev_index <= self.commit:
                self.fail(f"entry {prev_index} is committed here and differs from the leader's")
            return False
        known = 0  # entries that are here already (rule 3 of the log)
        for at, (term, _) in enumerate(entries, prev_index + 1):
            if at > log.last_index or log.term_at(at) != term:
                break
            known += 1
        if known == len(entries):
            return True
        first = prev_index + known + 1
        chain, last_term = log.chain_at(first - 1), log.term_at(first - 1)
        fresh: list[Logged] = []
        for at, (term, value) in enumerate(entries[known:], first):
            logged = Logged(at, term, value)
            if len(value) < CHAIN_BYTES or chain_of(chain, value[CHAIN_BYTES:]) != logged.chain:
                return False
            if term < last_term:
                return False
            chain, last_term = logged.chain, term
            fresh.append(logged)
        return self._replace(first - 1, fresh)

    def _say_end(self, to: str) -> None:
        """Where this log ends, so that a leader goes on from there."""
        nak = Nak(self._me.storage, self.log.last_index, self.log.recent_terms())
        self._mail_after(Mail(to, self.promise.term, nak))

    def _replace(self, after: int, fresh: list[Logged]) -> bool:
        """The log up to `after`, then these: in one atomic write."""
        ops: list[Op] = []
        if after < self.log.last_index:
            if after < self.commit:
                self.fail(f"a leader replaces entry {after + 1}, and {self.commit} is committed")
                return False
            ops += self.log.truncate(after)
            self.durable = min(self.durable, after)
            while self._ends and self._ends[-1][1] > after:
                self._ends.pop()
        ops += self.log.append(fresh)
        self._persist(ops, sum(len(logged.value) for logged in fresh), self.log.last_index)
        return True

    def _on_recall(self, sender: str, term: int, body: Recall) -> None:
        """This copy said that it has `match` and has not: its disk forgot."""
        if self._is_stale(sender, term, body.boot_id) or term != self.promise.term:
            return
        if self.promise.recall & EMPTIED:
            return  # it did not forget: it was told to begin anew
        if body.match > max(self.log.last_index, self.promise.forgot):
            self.amnesia_total += 1
            self._write_promise(self.promise._replace(recall=body.match))

    # --- snapshots

    def _offer(self, to: str, term: int, boot_id: int) -> None:
        log = self.log
        body = Offer(self._me.storage, boot_id, log.base, log.base_chain)
        self.mails.append(Mail(to, term, body))

    def _on_offer(self, sender: str, term: int, body: Offer) -> None:
        """Rule 7; from the leader, or from the copy whose log this leader must adopt."""
        if self._is_stale(sender, term, body.boot_id):
            return
        if term > self.promise.term:
            self.step_down()
            self._promise(term, body.boot_id)
        is_asked = self.role is Role.FETCHING and sender == self._source
        is_led = self.role is Role.FOLLOWER and body.boot_id != self._me.leader.boot_id
        if sender == self.install_from or not (is_asked or is_led):
            return
        if self._has(body.base, body.base_chain):  # an old offer: never empty a copy for it
            self._say_end(sender)
            return
        self.install_from = sender
        self._clear()

    def _has(self, index: int, chain: int) -> bool:
        log = self.log
        if index <= log.base:
            return not self.promise.recall
        return index <= log.last_index and log.chain_at(index) == chain

    def restart_install(self) -> None:
        """The source has begun another snapshot: so does this copy."""
        self._clear()

    def _clear(self) -> None:
        """Delete everything but the promise."""
        me = self._me
        self.promise = self.promise._replace(recall=self.promise.recall | EMPTIED)
        if self.is_leading:
            self._promises[me.storage] = Promised(me.storage, me.leader.boot_id, 0, 0, ok=False)
        self.commit = self.durable = self._leader_commit = 0
        self._ends.clear()
        self._after.clear()  # what it was about to say of its log is true no more
        self.log.clear()
        self._persist([*self._machine.wipe(), self._promise_op()], 0)

    def finish_install(
        self,
        base: int,
        chain: int,
        terms: Sequence[tuple[int, int]],
        more: Sequence[Op],
        now_ms: int,
    ) -> None:
        """All rows are written. `more` is written with the end. A leader goes on with the tail."""
        ops = self.log.install(base, chain, terms)
        forgot = self.promise.forgot
        self.promise = self.promise._replace(recall=forgot if base < forgot else 0)
        self.commit = self._leader_commit = base
        self._persist([*ops, *more, self._promise_op()], 0, base)
        source, self.install_from = self.install_from, ""
        if self.role is Role.FETCHING:
            self._send_fetch(now_ms)
        else:
            self._say_end(source)

    def abandon_install(self) -> None:
        """The source fell silent: the next offer begins anew."""
        self.install_from = ""

    def _promise_op(self) -> Op:
        return (Family.META, keys.promise(self._slot), _PROMISE.pack(*self.promise))

    # --- messages, disk, time

    def receive(self, term: int, body: CopyMessage, now_ms: int) -> None:
        """A message of another copy."""
        if self.role is Role.FAILED:
            return
        sender = body.storage
        match body:
            case Append():
                self._on_append(sender, term, body)
            case Appended():
                self._on_appended(sender, term, body, now_ms)
            case Fence():
                self._on_fence(sender, term, body)
            case Promised():
                self._on_promised(sender, term, body, now_ms)
            case Fetch():
                self._on_fetch(sender, term, body)
            case Tail():
                self._on_tail(sender, term, body, now_ms)
            case Nak():
                self._on_nak(sender, term, body, now_ms)
            case Stale():
                if self.is_leading and term == self.term:
                    self.step_down()
            case _:
                self._receive_other(sender, term, body)

    def _receive_other(self, sender: str, term: int, body: CopyMessage) -> None:
        match body:
            case Recall():
                self._on_recall(sender, term, body)
            case Offer():
                self._on_offer(sender, term, body)
            case Confirm():
                self._on_confirm(sender, term, body)
            case Confirmed():
                self._on_confirmed(sender, term, body)

    def persisted(self, token: int, now_ms: int) -> None:
        """Everything up to a token is durable: say what waited for it."""
        if self.role is _FAILED:
            return
        self._done_token = max(self._done_token, token)
        while self._ends and self._ends[0][0] <= self._done_token:
            self.durable = self._ends.popleft()[1]
        while self._after and self._after[0][0] <= self._done_token:
            mail = self._after.popleft()[1]
            if mail.to == self._me.storage:
                self.receive(mail.term, mail.body, now_ms)
            elif mail.term >= self.promise.term:
                self.mails.append(mail)
        if self.is_leading:
            self._advance(now_ms)
        else:
            self._follow_commit()

    def tick(self, now_ms: int) -> None:
        """Repeat what got no answer; give up what leads nowhere."""
        if not self.is_leading:
            return
        waited_ms = now_ms - self._moved_ms
        if self.role is Role.FENCING:
            if waited_ms >= RETRY_MS:
                self._moved_ms = now_ms
                self._send_fences()
        elif self.role is Role.FETCHING:
            self._tick_fetching(waited_ms, now_ms)
        elif self.role is not Role.ACTIVATING:
            if self.commit < self.log.last_index and self._is_alone(now_ms):
                self.step_down()
                return
            if self.confirmed_n < self.asked_n and now_ms - self._confirm_ms >= RETRY_MS:
                self._confirm_ms = now_ms
                self._send_confirms()
            for storage, progress in self._progress.items():
                if progress.is_late(self.log.last_index, now_ms):
                    progress.probe(progress.match + 1 if progress.match else progress.next)
                    self._send_entries(storage, now_ms)

    def _is_alone(self, now_ms: int) -> bool:
        """Entries wait, and no majority has said a word for too long."""
        members = self._record().members
        since_ms = now_ms - QUORUM_LOST_MS
        if self._moved_ms > since_ms:
            return False
        heard = sum(p.heard_ms > since_ms for s, p in self._progress.items() if s in members)
        return heard + 1 < _majority(members)

    def _tick_fetching(self, waited_ms: int, now_ms: int) -> None:
        if self.install_from:
            self._moved_ms = now_ms  # who receives a snapshot gives it up itself
        elif waited_ms >= SOURCE_LOST_MS:
            self._promises.pop(self._source, None)  # it may promise again
            self.role, self._moved_ms = Role.FENCING, now_ms
            self._send_fences()
            self._select(now_ms)
        elif now_ms - self._asked_ms >= RETRY_MS:
            self._send_fetch(now_ms)

    def peer_up(self, storage: str, now_ms: int) -> None:
        """A link to a copy is new: what was under way is lost."""
        progress = self._progress.get(storage)
        if progress is not None:
            progress.probe(progress.match + 1 if progress.match else progress.next)
            self._send_entries(storage, now_ms)
        elif self.role is Role.FENCING:
            self._send_fences()

    def take_activate(self) -> SlotRecord | None:
        """The record to compare-and-swap, once."""
        record, self.activate = self.activate, None
        return record

    def next_token(self) -> int:
        """A token for something that the caller writes in the same order."""
        self._token += 1
        return self._token

    def _persist(self, ops: list[Op], byte_count: int, end: int = -1) -> None:
        token = self.next_token()
        if end >= 0:
            self._ends.append((token, end))
        self.persists.append(Persist(token, ops, byte_count))

    def _mail_after(self, mail: Mail) -> None:
        """Send once everything that was written so far is durable (rule 6)."""
        if mail.to != self._me.storage and self._done_token >= self._token:
            self.mails.append(mail)
        else:
            self._after.append((self._token, mail))

    def _is_stale(self, sender: str, term: int, boot_id: int) -> bool:
        """Rule 2; tells the sender."""
        promised = self.promise
        if term > promised.term or (term, boot_id) == promised[:2]:
            return False
        self.mails.append(Mail(sender, term, Stale(self._me.storage, promised.term)))
        return True

    def _commit(self, index: int) -> None:
        self.commit = index
        self._machine.committed(index)

    def _record(self) -> SlotRecord:
        assert self.record is not None, "a leader has a record"
        return self.record


def read_promise(data: bytes | None) -> Promise:
    """The promise in a row of META; nothing is promised without one."""
    return Promise() if data is None else Promise(*_PROMISE.unpack(data))


def _majority(members: Sequence[str]) -> int:
    return len(members) // 2 + 1


def _entries(logged: Sequence[Logged]) -> Entries:
    return tuple((one.term, one.value) for one in logged)
