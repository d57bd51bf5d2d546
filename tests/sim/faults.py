"""What each kind of fault does to the cluster: one function a kind.

`NODE` is a number, durations are ms. A fault that has nothing to act on does nothing, so that any
part of a plan is a plan.
"""

from __future__ import annotations

from functools import partial
from random import Random

from msgspec.structs import replace

from hubbub.ring.map import Leader, SlotRecord, next_leader
from tests.sim.clients import Client
from tests.sim.coordinator import Change
from tests.sim.disk import Disk
from tests.sim.process import Cluster, Node
from tests.sim.profiles import Fault, Plan


class Harm:
    """Does what a plan says."""

    def __init__(self, cluster: Cluster, clients: list[Client], plan: Plan, random: Random) -> None:
        self.is_over = False
        self._clients = clients
        self._cluster = cluster
        self._plan = plan
        self._random = random
        self._wiped = ""
        self._must_restart = False  # revisions went back: only a new process believes them

    def schedule(self) -> None:
        """Put all faults of the plan on the heap."""
        for fault in self._plan.faults:
            act = getattr(self, f"_{fault.kind}", None)
            if act is None:
                raise ValueError(f"no such fault: {fault}")
            self._cluster.world.after(fault.at_ms, self._strike, act, fault)

    def _strike(self, act, fault: Fault) -> None:  # type: ignore[no-untyped-def]
        if not self.is_over:
            act(*fault.args)

    def heal(self) -> None:
        """No more harm: everything runs, is connected and is told the truth."""
        self.is_over = True
        plan, cluster = self._plan, self._cluster
        network, coordinator = cluster.network, cluster.coordinator
        network.mend_all()
        network.loss = network.duplicates = network.tail = 0.0
        network.delay_ms = min(network.delay_ms, 5.0)
        coordinator.is_away, coordinator.loss = False, 0.0
        coordinator.lag_ms = min(coordinator.lag_ms, 50.0)
        for node in cluster.nodes:
            if self._must_restart:
                node.crash()
            node.fuse = None
            node.disk.fails_next = False
            node.disk.sync_ms, node.disk.sync_tail = min(plan.sync_ms, 8.0), 0.0
            node.resume()
            node.start()
        if self._must_restart:
            coordinator.forget_past()
        coordinator.tell_all()
        cluster.world.after(100.0, self._replace_lost)
        cluster.world.after(1_000.0, self._take_back)

    def _take_back(self) -> None:
        """A planner: a change to members of which none is whole is taken back."""
        cluster = self._cluster
        record = cluster.coordinator.record
        whole = [n for n in cluster.nodes if n.replica is not None and n.replica.is_ok]
        stuck = not any(node.storage in record.members for node in whole)
        leaders = [node.leader for node in whole if node.storage in record.prev]
        if stuck and leaders and not record.activated:
            cluster.coordinator.write(next_leader(record, leaders[0], record.prev))
        cluster.world.after(1_000.0, self._take_back)

    def _replace_lost(self) -> None:
        """A planner: whose disk is gone is a member no more."""
        cluster = self._cluster
        record = cluster.coordinator.record
        lost = self._wiped
        if not lost or lost not in {*record.members, *record.prev, *record.learners}:
            return
        if lost in record.learners:
            left = tuple(storage for storage in record.learners if storage != lost)
            cluster.coordinator.write(replace(record, learners=left))
            record = cluster.coordinator.record
        if lost in record.members:
            living = [node for node in cluster.nodes if node.replica is not None]
            spare = [n.storage for n in living if n.storage not in record.members]
            members = tuple(s for s in record.members if s != lost) + tuple(spare[:1])
            leaders = [n.leader for n in living if n.storage in members]
            cluster.coordinator.write(next_leader(record, leaders[0], members))
        cluster.world.after(1_000.0, self._replace_lost)

    # --- processes

    def _node(self, number: str) -> Node:
        return self._cluster.nodes[int(number)]

    def _crash(self, number: str, down_ms: str) -> None:
        """NODE MS: the process is killed, and starts again after a while."""
        self._node(number).crash()
        self._node(number).restart(float(down_ms))

    def _power(self, down_ms: str) -> None:
        """MS: all machines lose their power at once."""
        for node in self._cluster.nodes:
            node.crash()
            node.restart(float(down_ms) * (1.0 + self._random.random()))

    def _pause(self, number: str, still_ms: str) -> None:
        """NODE MS: the process stands still."""
        self._node(number).pause()
        self._cluster.world.after(float(still_ms), self._node(number).resume)

    def _arm(self, number: str, effect: str, count: str) -> None:
        """NODE EFFECT N: the process dies directly after its n-th next effect of that kind."""
        if self._node(number).replica is not None:
            self._node(number).fuse = effect, int(count)

    def _jump(self, number: str, ahead_ms: str) -> None:
        """NODE MS: its clock jumps ahead."""
        self._node(number).offset += float(ahead_ms)

    # --- links

    def _isolate(self, number: str, cut_ms: str) -> None:
        """NODE MS: nothing reaches it, nothing leaves it."""
        self._between({int(number)}, cut_ms)

    def _split(self, mask: str, cut_ms: str) -> None:
        """BITS MS: the nodes of the mask and the others do not hear each other."""
        self._between({n for n in range(self._plan.nodes) if int(mask) >> n & 1}, cut_ms)

    def _between(self, one_side: set[int], cut_ms: str) -> None:
        for one in one_side:
            for other in set(range(self._plan.nodes)) - one_side:
                self._cut(str(one), str(other), cut_ms)

    def _cut(self, one: str, other: str, cut_ms: str) -> None:
        """NODE NODE MS: nothing passes between the two."""
        self._oneway(one, other, cut_ms)
        self._oneway(other, one, cut_ms)

    def _oneway(self, source: str, target: str, cut_ms: str) -> None:
        """NODE NODE MS: nothing passes from the one to the other."""
        network = self._cluster.network
        network.cut(int(source), int(target))
        self._cluster.world.after(float(cut_ms), network.mend, int(source), int(target))

    # --- disks

    def _slow(self, number: str, sync_ms: str, for_ms: str) -> None:
        """NODE MS MS: a sync takes so long, for a while."""
        self._node(number).disk.sync_ms = float(sync_ms)
        self._cluster.world.after(float(for_ms), self._swift, number)

    def _swift(self, number: str) -> None:
        self._node(number).disk.sync_ms = self._plan.sync_ms

    def _syncfail(self, number: str, down_ms: str) -> None:
        """NODE MS: its next sync fails, which ends the process."""
        node = self._node(number)
        node.disk.fails_next = True
        self._cluster.world.after(float(down_ms), node.start)

    def _wipe(self, number: str) -> None:
        """NODE: its disk is lost for ever; one such loss in a run, where two copies are left.

        None where logs are trimmed: a copy that receives a snapshot does not vote, so that one more
        that is lost then leaves no majority.
        """
        node, record = self._node(number), self._cluster.coordinator.record
        if self._wiped or self._plan.kept or min(len(record.members), len(record.prev)) < 3:
            return
        self._wiped = node.storage
        plan, world = self._plan, self._cluster.world
        disk = Disk(world, self._random, sync_ms=plan.sync_ms, sync_tail=plan.sync_tail)
        node.replace_disk(disk, node.storage + "b")
        node.restart(500.0)

    # --- the coordinator

    def _bump(self, number: str) -> None:
        """NODE: it is named as the leader of the next term."""
        leader = self._leader(number)
        if leader is not None:
            self._change(partial(_led_by, leader=leader, storage=self._node(number).storage))

    def _members(self, number: str, mask: str) -> None:
        """NODE BITS: these nodes become the members, the first one leads if it is one of them."""
        nodes = [node for node in self._cluster.nodes if int(mask) >> node.number & 1]
        chosen = self._node(number) if self._node(number) in nodes else nodes[0] if nodes else None
        leader = self._leader(str(chosen.number)) if chosen is not None else None
        if leader is not None:
            members = tuple(node.storage for node in nodes)
            self._change(partial(_moved, leader=leader, members=members))

    def _learner(self, number: str) -> None:
        """NODE: it learns the log, and does not count."""
        self._change(partial(_taught, storage=self._node(number).storage))

    def _change(self, how: Change) -> None:
        if not self._cluster.coordinator.is_away:
            self._cluster.coordinator.change(how)

    def _leader(self, number: str) -> Leader | None:
        storage, leader = self._cluster.coordinator.registry[int(number)]
        return leader if storage == self._node(number).storage else None

    def _stale(self, number: str, back: str) -> None:
        """NODE N: its watch tells it of a record that is long past."""
        past = self._cluster.coordinator.past
        state = past[max(0, len(past) - 1 - int(back))]
        self._node(number).map_changed(state.record, state.revision)

    def _away(self, for_ms: str) -> None:
        """MS: nobody reaches the coordinator."""
        coordinator = self._cluster.coordinator
        coordinator.is_away = True
        self._cluster.world.after(float(for_ms), self._back)

    def _back(self) -> None:
        self._cluster.coordinator.is_away = False
        self._cluster.coordinator.tell_all()

    def _rollback(self, count: str, bumped: str) -> None:
        """N 0/1: the newest changes of the coordinator never happened; the revision goes back too,
        or is moved on as whoever restores a copy should do it.

        Changes of members are not taken back: that is beyond this protocol.
        """
        coordinator = self._cluster.coordinator
        same = [s.record.members == coordinator.record.members for s in reversed(coordinator.past)]
        safe = same.index(False) if False in same else len(same)
        self._must_restart |= bumped == "0"
        coordinator.roll_back(min(int(count), safe - 1), moves_on=bumped == "1")

    def _purge(self, number: str) -> None:
        """NODE: it deletes its copy if the record, read again, says that nobody needs it."""
        self._cluster.coordinator.read(self._node(number).forget_slot)

    # --- load

    def _burst(self, count: str) -> None:
        """N: so many messages are sent at once."""
        self._random.choice(self._clients).volley(int(count))


def _led_by(record: SlotRecord, leader: Leader, storage: str) -> SlotRecord | None:
    return next_leader(record, leader) if storage in record.members else None


def _moved(record: SlotRecord, leader: Leader, members: tuple[str, ...]) -> SlotRecord | None:
    return next_leader(record, leader, members)


def _taught(record: SlotRecord, storage: str) -> SlotRecord | None:
    if storage in record.members or storage in record.learners:
        return None
    return replace(record, learners=(*record.learners, storage))
