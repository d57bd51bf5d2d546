"""What must hold after every event (replication.md 3.2), checked where something has changed.

Rules:
1. One log of the whole cluster is kept here: what any copy says is committed, in the order in which
   it was said first. Everything else is compared with it.
2. A chain is a hash of everything up to an entry: comparing one compares a whole log.
3. What a copy says of its disk is compared with its disk when it says it.
4. With `is_lenient` (disks that lie) what is broken is written down in `found`, not raised.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import TYPE_CHECKING, Final

from hubbub.wire.replication import Appended, Promised
from node import keys
from node.replica import Mail, Persist, Promise, Replica, Role, read_promise
from node.store.api import DeleteRange, Family, Store
from tests.sim.machine import NO_STREAM, SLOT, line_of
from tests.sim.world import Violation

if TYPE_CHECKING:
    from tests.sim.clients import Asker
    from tests.sim.coordinator import Coordinator
    from tests.sim.process import Node

PROMISE_KEY: Final = keys.promise(SLOT)
BASE_KEY: Final = keys.log_base(SLOT)
LOG_KEY: Final = keys.log(SLOT, 0)
AFTER_MAX: Final = 2_000  # mails that wait for a disk
_CHAIN: Final = Struct(">Q")
_LEADS: Final = (Role.SYNCING, Role.ACTIVATING, Role.ACTIVE)


class Invariants:
    """Judges one run."""

    __slots__ = ("_coordinator", "_heads", "_leaders", "_owners", "_places", "_promised",
                 "_written", "acks", "chains", "found", "is_lenient", "log", "noticed",
                 "told")  # fmt: skip

    def __init__(self, coordinator: Coordinator, *, is_lenient: bool) -> None:
        self.is_lenient = is_lenient
        self.found: list[Violation] = []
        self.noticed = 0  # how often the product itself saw that a disk lied
        self.acks = 0
        self.told: dict[int, int] = {}  # stream → the highest seq that some client was told
        self.log: list[bytes] = [b""]  # committed values by index
        self.chains: list[int] = [0]
        self._coordinator = coordinator
        self._leaders: dict[int, tuple[str, int]] = {}  # term → (storage, boot id)
        self._heads: dict[int, int] = {}  # stream → seq
        self._owners: dict[tuple[int, int], int] = {}  # (stream, seq) → cmid
        self._places: dict[int, int] = {}  # cmid → seq
        self._promised: dict[str, Promise] = {}  # storage → the highest that was written
        self._written: dict[tuple[int, int], bytes] = {}  # (term, index) → value

    def broken(self, rule: str, what: str) -> None:
        """Something does not hold. Raises Violation, unless it is lenient."""
        violation = Violation(rule, what)
        if not self.is_lenient:
            raise violation
        self.found.append(violation)

    # --- a replica

    def started(self, node: Node) -> None:
        """A new process of a node."""
        replica = node.replica
        assert replica is not None
        node.seen_commit = 0
        node.seen_role = Role.FOLLOWER
        node.seen_promise = replica.promise
        written = self._promised.get(node.storage)
        if written is not None and not _covers(replica.promise, written):
            self.broken("I3", f"{node.storage} starts with {replica.promise} after {written}")

    def refused_to_start(self, node: Node, why: Exception) -> None:
        """A copy that is not what it was: only a disk that lies makes one."""
        self.noticed += 1
        self.broken("I5", f"{node.storage} does not start: {why}")

    def observe(self, node: Node, replica: Replica) -> None:
        """Something may have changed."""
        if replica.role is not node.seen_role:
            self._role_changed(node, replica)
        promise = replica.promise
        if promise is not node.seen_promise:
            if not _covers(promise, node.seen_promise):
                self.broken("I3", f"{node.storage}: {node.seen_promise} became {promise}")
            node.seen_promise = promise
        if replica.commit != node.seen_commit:
            self._commit_moved(node, replica)

    def _role_changed(self, node: Node, replica: Replica) -> None:
        role = node.seen_role = replica.role
        if role is Role.FAILED:
            self.noticed += 1
            self.broken("I5", f"{node.storage} failed: {replica.failure}")
        if role in _LEADS:
            node.has_led = True
            mine = node.storage, node.boot_id
            leader = self._leaders.setdefault(replica.term, mine)
            if leader != mine:
                self.broken("I3", f"term {replica.term} is led by {leader} and by {mine}")
            if replica.promise.recall:
                self.broken("I10", f"{node.storage} leads and knows that it forgot something")
        if not node.machine.is_idle and not replica.is_leading:
            self.broken("I12", f"{node.storage} does not lead, and somebody waits")

    def _commit_moved(self, node: Node, replica: Replica) -> None:
        commit, log = replica.commit, replica.log
        if commit < node.seen_commit and not replica.log.last_index:
            node.seen_commit = commit  # it begins anew, from a snapshot
            return
        if commit < node.seen_commit or commit > log.last_index:
            self.broken("I4", f"{node.storage}: commit {node.seen_commit} became {commit}")
            return
        node.seen_commit = commit
        if commit >= len(self.log):
            self._extend(node, replica)
        if log.chain_at(commit) != self.chains[commit]:
            self.broken("I1", f"{node.storage} has another entry {commit} than was committed")
        if replica.role is Role.FOLLOWER and commit > log.base:
            if commit > replica.durable:
                self.broken(
                    "I4", f"{node.storage}: {commit} is committed, {replica.durable} stored"
                )
            self._check_stored(node, commit, "is committed at a follower")

    def _check_stored(self, node: Node, index: int, why: str) -> None:
        if not _has(node.disk.store, index):
            self.broken("I4", f"{node.storage}: entry {index} {why}, and is not on its disk")

    # --- the log of the cluster

    def _extend(self, node: Node, replica: Replica) -> None:
        """The first one that says so of these entries: it leads, and a majority has them."""
        if replica.role is not Role.ACTIVE or replica.record is None:
            self.broken("I2", f"{node.storage} commits {replica.commit} as {replica.role.value}")
            return
        if replica.term not in self._coordinator.terms_able:
            self.broken("I9", f"term {replica.term} commits, and was never activated")
        first = len(self.log)
        for logged in replica.log.read(first, 1 << 30):
            if logged.index > replica.commit:
                break
            self._add(logged.index, logged.term, logged.value)
        members = replica.record.members
        for index in range(first, replica.commit + 1):
            self._check_majority(node, members, index)

    def _check_majority(self, node: Node, members: Sequence[str], index: int) -> None:
        key, value = keys.log(SLOT, index), self.log[index]
        disks = node.cluster.lost | {other.storage: other.disk for other in node.cluster.nodes}
        have = 0
        for storage in members:
            store = disks[storage].store
            if store.get(Family.LOG, key) == value or index <= _base(store):
                have += not read_promise(store.get(Family.META, PROMISE_KEY)).recall
        if have <= len(members) // 2:
            self.broken("I2", f"entry {index} is committed with {have} of {len(members)} copies")

    def _add(self, index: int, term: int, value: bytes) -> None:
        self.log.append(value)
        self.chains.append(_CHAIN.unpack_from(value)[0])
        line = line_of(value)
        if (line.term, line.at) != (term, index):
            self.broken("I5", f"({term}, {index}) holds {line}")
        if line.stream == NO_STREAM:
            return
        if line.seq != self._heads.get(line.stream, 0) + 1:
            self.broken("I6", f"a gap or a repetition in a stream: {line}")
        if line.cmid in self._places:
            self.broken("I6", f"{line.cmid} is stored twice: {line}")
        self._heads[line.stream] = line.seq
        self._places[line.cmid] = line.seq
        self._owners[line.stream, line.seq] = line.cmid

    # --- what others are told

    def acknowledged(self, ask: Asker, seq: int) -> None:
        """A leader answers a client."""
        self.acks += 1
        message = ask.message
        self.told[message.stream] = max(self.told.get(message.stream, 0), seq)
        if self._places.get(message.cmid) != seq:
            self.broken("I2", f"{message.cmid} is acknowledged at {seq} and not committed there")

    def was_read(self, stream: int, seq: int, cmid: int) -> None:
        """A client read the end of a stream."""
        if seq and self._owners.get((stream, seq)) != cmid:
            self.broken("I7", f"{cmid} was read at {seq} of {stream} and is not committed there")

    def map_moved(self, node: Node, before: int) -> None:
        """A node took the slot's record."""
        if node.map.revision < before:
            self.broken("I13", f"n{node.number}: revision {before} became {node.map.revision}")

    def forgets(self, node: Node) -> None:
        """A node deletes its copy: a configuration without it may acknowledge, and it promised
        nothing to a later one."""
        assert node.replica is not None
        term = node.replica.promise.term
        if not any(
            state.record.term >= term
            and state.record.term in self._coordinator.terms_able
            and node.storage not in state.record.members
            for state in self._coordinator.past
        ):
            self.broken("I15", f"{node.storage} is deleted, and is needed at {term}")

    def mailed(self, node: Node, mails: Sequence[Mail]) -> None:
        """What a copy says of its disk is on its disk."""
        for mail in mails:
            body = mail.body
            if type(body) is Promised:
                self._check_promised(node, mail.term, body)
            elif type(body) is Appended:
                self._check_appended(node, mail.term, body)
        replica = node.replica
        if replica is not None and len(replica._after) > AFTER_MAX:
            self.broken("I12", f"{node.storage}: {len(replica._after)} mails wait")

    def _check_promised(self, node: Node, term: int, body: Promised) -> None:
        stored = read_promise(node.disk.store.get(Family.META, PROMISE_KEY))
        if not _covers(stored, Promise(term, body.boot_id)):
            self.broken("I3", f"{node.storage} promises {term} before it is stored")
        if body.ok and stored.recall:
            self.broken("I10", f"{node.storage} says that it is whole")
        assert node.replica is not None
        if node.replica.log.last_index == body.last_index:  # else a leader went on meanwhile
            self._check_stored(node, body.last_index, "is promised")

    def _check_appended(self, node: Node, term: int, body: Appended) -> None:
        stored = read_promise(node.disk.store.get(Family.META, PROMISE_KEY))
        if stored.term < term:
            self.broken("I3", f"{node.storage} follows {term} before that is stored")
        if body.ok and stored.recall:
            self.broken("I10", f"{node.storage} says that it is whole")
        if not _has(node.disk.store, body.match):
            self.broken("I4", f"{node.storage} acknowledges {body.match} before it is stored")
            return
        row = node.disk.store.get(Family.LOG, keys.log(SLOT, body.match))
        storage, boot_id = self._leaders.get(term, ("", 0))
        for other in node.cluster.nodes:
            leader = other.replica
            if (
                leader is None
                or (other.storage, other.boot_id) != (storage, boot_id)
                or leader.term != term
                or not leader.is_leading
            ):
                continue
            if body.match > leader.log.last_index:
                self.broken("I5", f"{node.storage} acknowledges {body.match}, beyond its leader")
            elif (
                row
                and body.match >= leader.log.base
                and _CHAIN.unpack_from(row)[0] != leader.log.chain_at(body.match)
            ):
                self.broken("I5", f"{node.storage} acknowledges another entry {body.match}")

    def handed_over(self, node: Node, replica: Replica, batches: Sequence[Persist]) -> None:
        """Batches go to the disk: what a cut deletes is not committed.

        An emptied copy deletes whole ranges, a trimmed log what lies up to its base.
        """
        for batch in batches:
            for op in batch.ops:
                if type(op) is not DeleteRange or len(op.start) != len(LOG_KEY):
                    continue
                if op.family is Family.LOG and op.end > keys.log(SLOT, replica.log.base + 1):
                    cut = keys.log_index(op.start)
                    if cut <= replica.commit:
                        self.broken("I4", f"{node.storage} cuts {cut} of {replica.commit}")

    def written(self, node: Node, batches: Sequence[Persist]) -> None:
        """Batches became durable."""
        for batch in batches:
            for op in batch.ops:
                if isinstance(op, DeleteRange):
                    continue
                if op[0] is Family.LOG:
                    self._check_written(op[2])
                elif op[1] == PROMISE_KEY:
                    self._check_promise(node, op[2])

    def _check_written(self, value: bytes | None) -> None:
        assert value is not None
        line = line_of(value)
        known = self._written.setdefault((line.term, line.at), value)
        if known != value:
            self.broken("I5", f"({line.term}, {line.at}) is {line_of(known)} and {line}")

    def _check_promise(self, node: Node, row: bytes | None) -> None:
        promise = read_promise(row)
        before = self._promised.get(node.storage)
        if before is not None and not _covers(promise, before):
            self.broken("I3", f"{node.storage} had promised {before} and stores {promise}")
        self._promised[node.storage] = promise


class OnlyAtTheEnd(Invariants):
    """Nothing is compared while a run goes on: for the speed of the core alone."""

    __slots__ = ()

    def started(self, node: Node) -> None:
        pass

    def observe(self, node: Node, replica: Replica) -> None:
        node.has_led |= replica.role in _LEADS

    def was_read(self, stream: int, seq: int, cmid: int) -> None:
        pass

    def acknowledged(self, ask: Asker, seq: int) -> None:
        self.acks += 1

    def mailed(self, node: Node, mails: Sequence[Mail]) -> None:
        pass

    def handed_over(self, node: Node, replica: Replica, batches: Sequence[Persist]) -> None:
        pass

    def written(self, node: Node, batches: Sequence[Persist]) -> None:
        pass

    def forgets(self, node: Node) -> None:
        pass


def _covers(promise: Promise, other: Promise) -> bool:
    """Whoever promised this has promised that as well."""
    return promise.term > other.term or promise[:2] == other[:2]


def _base(store: Store) -> int:
    """What the log on a disk begins behind."""
    row = store.get(Family.META, BASE_KEY)
    return keys.read_u64(row) if row is not None else 0


def _has(store: Store, index: int) -> bool:
    """Whether a disk holds an entry, or what came of it."""
    return store.get(Family.LOG, keys.log(SLOT, index)) is not None or index <= _base(store)
