"""One node: a disk that stays, and a process that may die, stand still, and start again.

The driver of `node.replica.Replica`, as the service is in production. Rules:
1. What the replica gives out is obeyed at once: to the disk, to the network, to the coordinator.
2. A start has a new boot id and knows nothing but what is on the disk.
3. While it stands still, everything waits, and timers are late; the disk goes on.
4. A crash point kills it directly after the n-th effect of one kind: what came behind it in the
   same breath never happens.

Long because it is one process, with everything that comes in and goes out.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Final

from hubbub.ring.map import Leader, SlotMap, SlotRecord, next_leader
from hubbub.wire.replication import Ask, CopyMessage, Part
from node.entry import BrokenChain
from node.replica import Copy, Mail, Persist, Promise, Replica, Role
from tests.sim.machine import SLOT, Machine
from tests.sim.snapshots import Snapshots
from tests.sim.world import World

if TYPE_CHECKING:
    from tests.sim.clients import Asker
    from tests.sim.coordinator import Coordinator
    from tests.sim.disk import Disk
    from tests.sim.invariants import Invariants
    from tests.sim.network import Network

TIMER_MS: Final = 100.0
LINK_MS: Final = 300.0  # until a new process is linked
BEATS_EVERY: Final = 2  # timers
PATIENCE_MS: Final = 800.0  # without a word of a leader; up to double is drawn
CAS_DEADLINE_MS: Final = 2_000.0
INBOX_MAX: Final = 2_000
READS_MAX: Final = 100

# Effects that a crash point can follow; mails are named by what they carry.
EFFECTS: Final = (
    "persist", "persisted", "activate", "answer",
    "Fence", "Promised", "Fetch", "Tail", "Append", "Appended", "Offer", "Ask", "Part",
)  # fmt: skip


class Cluster:
    """What all nodes of a run share."""

    __slots__ = (
        "boots",
        "coordinator",
        "invariants",
        "lost",
        "network",
        "nodes",
        "random",
        "world",
    )

    def __init__(self, world: World, network: Network, coordinator: Coordinator,
                 invariants: Invariants, random: Random) -> None:  # fmt: skip
        self.world = world
        self.network = network
        self.coordinator = coordinator
        self.invariants = invariants
        self.random = random  # elections, restarts
        self.nodes: list[Node] = []
        self.lost: dict[str, Disk] = {}  # storage → what was on a disk that is gone
        self.boots = 0


class Node:
    """A machine with one copy of the slot."""

    __slots__ = (
        "_heard",
        "_inbox",
        "_patience",
        "_reads",
        "_timers",
        "boot_id",
        "cluster",
        "disk",
        "fuse",
        "has_led",
        "is_paused",
        "kept",
        "leader",
        "machine",
        "map",
        "number",
        "offset",
        "rate",
        "replica",
        "seen_commit",
        "seen_promise",
        "seen_role",
        "snapshots",
        "storage",
        "world",
    )

    def __init__(self, cluster: Cluster, disk: Disk, storage: str) -> None:
        self.cluster = cluster
        self.world = cluster.world
        self.disk = disk
        self.storage = storage
        self.number = cluster.network.join(self.receive)
        self.replica: Replica | None = None
        self.machine: Machine
        self.snapshots: Snapshots
        self.kept = 0  # entries that its log keeps at least; 0: all
        self.map: SlotMap
        self.leader: Leader
        self.boot_id = 0
        self.has_led = False  # ever
        self.is_paused = False
        self.fuse: tuple[str, int] | None = None  # (effect, how many are left)
        self.rate = 1.0  # of its clock
        self.offset = 0.0
        self.seen_commit = 0  # these three belong to the invariants
        self.seen_role = Role.FOLLOWER
        self.seen_promise = Promise()
        self._inbox: list[tuple[Callable[..., object], tuple[Any, ...]]] = []
        self._reads: list[tuple[int, int, Callable[[int, int], object]]] = []
        self._timers = 0
        self._heard = 0.0  # when a leader was heard of
        self._patience = PATIENCE_MS
        cluster.nodes.append(self)
        cluster.network.place(storage, self.number)
        cluster.coordinator.watch(self.map_changed)
        self._use_disk()

    def _use_disk(self) -> None:
        self.disk.written = partial(self.cluster.invariants.written, self)

    # --- life

    def start(self) -> None:
        """A new process on what the disk has."""
        if self.replica is not None:
            return
        cluster = self.cluster
        cluster.boots += 1
        self.boot_id = cluster.boots * 16 + self.number
        self.leader = Leader(f"n{self.number}", self.boot_id)
        self.map = SlotMap(1)
        store = self.disk.store
        self.machine = machine = Machine(self.boot_id, store)
        copy = Copy(self.storage, self.leader)
        replica = Replica(SLOT, copy, store, machine, machine.applied)
        self.snapshots = Snapshots(replica, machine, self.storage, store, self.boot_id)
        try:
            machine.attach(replica)
        except BrokenChain as broken:
            cluster.invariants.refused_to_start(self, broken)
            return
        self.replica = replica
        self.is_paused = False
        self._heard = self.world.now
        self._draw_patience()
        cluster.invariants.started(self)
        self.disk.attach(partial(self.persisted, self.boot_id), self.crash)
        cluster.coordinator.registry[self.number] = self.storage, self.leader
        cluster.coordinator.read(partial(self._read, self.boot_id))
        self.world.after(TIMER_MS * cluster.random.random(), self._timer, self.boot_id)
        for other in cluster.nodes:
            if other is not self:
                self.world.after(LINK_MS * cluster.random.random(), other.link_up, self.storage)

    def crash(self, keep: int | None = None) -> None:
        """The process is gone. Args: keep: batches that the disk still got, else drawn."""
        if self.replica is None:
            return
        self.cluster.invariants.noticed += self.replica.amnesia_total
        self.replica = None
        self.fuse = None
        self._inbox.clear()
        self._reads.clear()
        if keep is None:
            self.disk.crash()
        else:
            self.disk.keep(keep)

    def restart(self, after_ms: float) -> None:
        """Start again after a while."""
        self.world.after(after_ms, self.start)

    def pause(self) -> None:
        """Stand still."""
        self.is_paused = self.replica is not None

    def resume(self) -> None:
        """Go on: everything that waited comes at once."""
        if not self.is_paused:
            return
        self.is_paused = False
        waiting, self._inbox = self._inbox, []
        for call, args in waiting:
            call(*args)

    def replace_disk(self, disk: Disk, storage: str) -> None:
        """The disk is gone for good: a new one is another copy."""
        self.crash()
        self.cluster.lost[self.storage] = self.disk
        self.disk, self.storage = disk, storage
        self.cluster.network.place(storage, self.number)
        self._use_disk()

    def forget_slot(self, record: SlotRecord, _revision: int) -> None:
        """Delete the copy, if the record says that nobody needs it (I15). The promise stays.

        The record is older than this moment. Whoever needs the copy since then made it promise a
        newer term, before it counted it.
        """
        replica = self.replica
        is_settled = record.activated or set(record.members) == set(record.prev)
        if replica is None or self.storage in {*record.members, *record.learners}:
            return
        if not is_settled or replica.promise.term > record.term:
            return
        self.cluster.invariants.forgets(self)
        ops = self.machine.wipe()
        self.crash()
        self.disk.store.write(ops)
        self.start()

    def now(self) -> int:
        """The process's monotonic clock."""
        return int(self.world.now * self.rate + self.offset)

    # --- what comes in

    def _must_wait(self, call: Callable[..., object], *args: Any) -> bool:
        """Down, or standing still."""
        if self.replica is None:
            return True
        if self.is_paused:
            if len(self._inbox) < INBOX_MAX:
                self._inbox.append((call, args))
            return True
        return False

    def receive(self, term: int, body: CopyMessage) -> None:
        """A message of another copy."""
        replica = self.replica
        if replica is None or (self.is_paused and self._must_wait(self.receive, term, body)):
            return
        if isinstance(body, Ask | Part):
            self.snapshots.receive(body, self.now())
        else:
            replica.receive(term, body, self.now())
            if replica.install_from or self.snapshots.install is not None:
                self.snapshots.follow(self.now())
        self.obey()

    def persisted(self, boot_id: int, token: int) -> None:
        """The disk has it."""
        replica = self.replica
        if replica is None or boot_id != self.boot_id:
            return
        if self.is_paused and self._must_wait(self.persisted, boot_id, token):
            return
        replica.persisted(token, self.now())
        if self.fuse is not None:
            self._burn("persisted")
        self.obey()

    def hear_beat(self, term: int, boot_id: int, commit: int) -> None:
        """A leader's beat."""
        replica = self.replica
        if replica is None or (
            self.is_paused and self._must_wait(self.hear_beat, term, boot_id, commit)
        ):
            return
        if term >= self.map.term_of(SLOT):
            self._heard = self.world.now
        replica.hear_commit(term, boot_id, commit)
        self.obey()

    def link_up(self, storage: str) -> None:
        """The link to another copy is new."""
        if not self._must_wait(self.link_up, storage):
            assert self.replica is not None
            self.replica.peer_up(storage, self.now())
            self.obey()

    def map_changed(self, record: SlotRecord, revision: int) -> None:
        """A watch tells of the slot's record."""
        if self._must_wait(self.map_changed, record, revision):
            return
        before = self.map.revision
        if self.map.apply(SLOT, record, revision):
            self._heard = self.world.now
        assert self.replica is not None
        self.cluster.invariants.map_moved(self, before)
        self.replica.follow(record, revision, self.now())
        self.obey()

    def submit(self, ask: Asker) -> None:
        """A client's command."""
        if not self._must_wait(self.submit, ask):
            self.machine.submit(ask.message.cmid, ask.message.stream, ask, self.now())
            self.obey()

    def read(self, stream: int, min_seq: int, reply: Callable[[int, int], object]) -> None:
        """A client's read: the newest committed line of a stream, if this copy has so much."""
        replica = self.replica
        if replica is None or self.is_paused or not replica.is_ok:
            return
        seq = self.machine.heads.get(stream, 0)
        if seq >= min_seq:
            self.cluster.network.carry_client(reply, seq, self.machine.newest.get(stream, 0))

    def read_linear(self, stream: int, reply: Callable[[int, int], object]) -> None:
        """A client's read that may not be stale: answered after a round to the other copies."""
        replica = self.replica
        if replica is None or self._must_wait(self.read_linear, stream, reply):
            return
        if replica.role is Role.ACTIVE and len(self._reads) < READS_MAX:
            self._reads.append((replica.confirm(self.now()), stream, reply))
            self.obey()

    def _answer_reads(self, replica: Replica) -> None:
        waiting, self._reads = self._reads, []
        for number, stream, reply in waiting:
            if replica.role is not Role.ACTIVE:
                continue  # nobody answers: the client asks again, or not
            if number > replica.confirmed_n:
                self._reads.append((number, stream, reply))
                continue
            heads, newest = self.machine.heads, self.machine.newest
            self.cluster.network.carry_client(reply, heads.get(stream, 0), newest.get(stream, 0))

    def _read(self, boot_id: int, record: SlotRecord, revision: int) -> None:
        if boot_id == self.boot_id:
            self.map_changed(record, revision)

    def _activated(self, boot_id: int, record: SlotRecord, ok: bool, revision: int) -> None:
        if self.boot_id != boot_id or self._must_wait(
            self._activated, boot_id, record, ok, revision
        ):
            return
        assert self.replica is not None
        self.replica.cas_answered(ok=ok, now_ms=self.now())
        self.obey()
        if ok:
            self.map_changed(record, revision)

    def _activation_late(self, boot_id: int, term: int) -> None:
        replica = self.replica
        if replica is None or boot_id != self.boot_id or replica.term != term:
            return
        if replica.role is Role.ACTIVATING:
            replica.cas_answered(ok=False, now_ms=self.now())
            self.obey()

    # --- time

    def _timer(self, boot_id: int) -> None:
        replica = self.replica
        if replica is None or boot_id != self.boot_id:
            return
        if self.is_paused:
            self._must_wait(self._timer, boot_id)
            return
        self.world.after(TIMER_MS, self._timer, boot_id)
        self.tick(replica)
        if self.world.now - self._heard > self._patience:
            self._elect(replica)

    def tick(self, replica: Replica) -> None:
        """Several times a second."""
        self._timers += 1
        if replica.is_leading:
            replica.tick(self.now())
            if replica.role is Role.ACTIVE:
                self._heard = self.world.now
                if self._timers % BEATS_EVERY == 0:
                    self._beat(replica)
        self.snapshots.tick(self.now())
        rows = self.machine.rows()
        if rows:
            replica.persists.append(Persist(replica.next_token(), rows, 0))
        if self.kept:
            self.snapshots.trim(self.kept)
        replica.log.forget(min(replica.durable, self.machine.applied))
        self.obey()

    def _beat(self, replica: Replica) -> None:
        carry, number = self.cluster.network.carry, self.number
        for node in self.cluster.nodes:
            if node is not self:
                carry(
                    number, node.number, node.hear_beat, replica.term, self.boot_id, replica.commit
                )

    def _draw_patience(self) -> None:
        self._patience = PATIENCE_MS * (1.0 + self.cluster.random.random())
        if self.map.leader_of(SLOT) == self.leader:
            self._patience *= 0.4  # it knows best that it does not lead

    def _elect(self, replica: Replica) -> None:
        """Nobody leads: write somebody into the next term."""
        self._heard = self.world.now
        self._draw_patience()
        record, coordinator = self.map.record_of(SLOT), self.cluster.coordinator
        leader = self._candidate(record, replica) if record is not None else None
        if record is None or leader is None:
            coordinator.read(partial(self._read, self.boot_id))
            return
        coordinator.compare_and_swap(
            self.map.revision_of(SLOT),
            next_leader(record, leader),
            partial(self._elected, self.boot_id),
        )

    def _candidate(self, record: SlotRecord, replica: Replica) -> Leader | None:
        random = self.cluster.random
        if self.storage in record.members and replica.is_ok and random.random() < 0.7:
            return self.leader
        registered = self.cluster.coordinator.registry.values()
        able = [
            leader
            for storage, leader in registered
            if storage in record.members and (replica.is_ok or storage != self.storage)
        ]
        return random.choice(able) if able else None

    def _elected(self, boot_id: int, ok: bool, _revision: int) -> None:
        if not ok:
            self.cluster.coordinator.read(partial(self._read, boot_id))

    # --- what goes out

    def obey(self) -> None:
        """Rule 1."""
        replica, machine = self.replica, self.machine
        if replica is None:
            return
        self.cluster.invariants.observe(self, replica)
        if self._reads:
            self._answer_reads(replica)
        if self.fuse is not None:
            self._obey_until_fuse(replica)
            return
        if replica.persists:
            batches, replica.persists = replica.persists, []
            self.cluster.invariants.handed_over(self, replica, batches)
            self.disk.submit(batches)
        if replica.mails:
            mails, replica.mails = replica.mails, []
            self.cluster.invariants.mailed(self, mails)
            self.cluster.network.send(self.number, mails)
        if replica.activate is not None:
            self._activate(replica)
        if machine.results:
            self._answer()

    def _obey_until_fuse(self, replica: Replica) -> None:
        """The same, an effect at a time; persists and mails in either order."""
        batches, replica.persists = replica.persists, []
        mails, replica.mails = replica.mails, []
        self.cluster.invariants.handed_over(self, replica, batches)
        acts: list[Callable[[], bool]] = [partial(self._submit_each, batches)]
        acts.insert(self.cluster.random.randint(0, 1), partial(self._send_each, mails))
        for act in acts:
            if act():
                return
        if replica.activate is not None:
            self._activate(replica)
            if self._burn("activate"):
                return
        if self.machine.results:
            self._answer()
            self._burn("answer")

    def _submit_each(self, batches: list[Persist]) -> bool:
        for batch in batches:
            self.disk.submit([batch])
            if self._burn("persist"):
                return True
        return False

    def _send_each(self, mails: list[Mail]) -> bool:
        self.cluster.invariants.mailed(self, mails)
        for mail in mails:
            self.cluster.network.send(self.number, (mail,))
            if self._burn(type(mail.body).__name__):
                return True
        return False

    def _burn(self, effect: str) -> bool:
        """True if the process died."""
        if self.fuse is None or self.fuse[0] != effect:
            return False
        self.fuse = effect, self.fuse[1] - 1
        if self.fuse[1] > 0:
            return False
        self.crash()
        self.restart(200.0 + 1_000.0 * self.cluster.random.random())
        return True

    def _activate(self, replica: Replica) -> None:
        record = replica.take_activate()
        assert record is not None
        term, boot_id = replica.term, self.boot_id
        reply = partial(self._activated, boot_id, record)
        self.cluster.coordinator.compare_and_swap(replica.revision, record, reply)
        self.world.after(CAS_DEADLINE_MS, self._activation_late, boot_id, term)

    def _answer(self) -> None:
        results, self.machine.results = self.machine.results, []
        for ask, result in results:
            if result > 0:
                self.cluster.invariants.acknowledged(ask, result)
            self.cluster.network.carry_client(ask, result)
