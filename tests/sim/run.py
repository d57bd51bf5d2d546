"""One run: chaos, then calm until nothing is left to do, then the books are checked."""

from __future__ import annotations

from time import process_time
from traceback import format_exc
from typing import Final, NamedTuple

from hubbub.ring.map import placed
from node import keys
from node.replica import Role
from node.store.api import Family
from tests.sim.clients import Client, Message
from tests.sim.coordinator import Coordinator
from tests.sim.disk import Disk
from tests.sim.faults import Harm
from tests.sim.history import check_history
from tests.sim.invariants import Invariants, OnlyAtTheEnd
from tests.sim.machine import SLOT, Line, Machine, line_of
from tests.sim.network import Network
from tests.sim.process import Cluster, Node
from tests.sim.profiles import CALM_MS, Plan, draw
from tests.sim.snapshots import small_parts
from tests.sim.world import Violation, World

PROGRESS_MS: Final = 5_000  # I11
STEP_MS: Final = 250  # between two looks whether all is said
QUIET_MS: Final = 1_500  # before the end nothing new is sent
CALM_THINK: Final = 3.0  # when there is no harm, many messages teach as much as few


class Outcome(NamedTuple):
    """What came of a run."""

    seed: int
    profile: str
    rule: str  # that was broken, or ""
    what: str  # the story of it
    events: int
    acks: int
    terms: int
    is_lossy: bool  # a disk that lies lost something, and somebody noticed or nobody could
    cpu_s: float


class Run:
    """A cluster under a plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.world = world = World(plan.seed)
        self.history: list[Message] = []
        self.lost: Violation | None = None  # by a disk that lies
        network = Network(world, world.stream("network"))
        network.loss, network.duplicates, network.tail = plan.loss, plan.duplicates, plan.tail
        network.holds, network.delay_ms, network.is_wire = (
            plan.holds,
            plan.delay_ms,
            bool(plan.wire),
        )
        storages = [f"s{n}" for n in range(plan.nodes)]
        self.coordinator = Coordinator(
            world, world.stream("coordinator"), placed(tuple(storages[: plan.members]))
        )
        self.coordinator.lag_ms, self.coordinator.loss = plan.watch_lag_ms, plan.cas_loss
        self.coordinator.is_checked = plan.profile != "rollback"
        judge = OnlyAtTheEnd if plan.is_core else Invariants
        self.invariants = judge(self.coordinator, is_lenient=plan.liar >= 0)
        self.cluster = Cluster(
            world, network, self.coordinator, self.invariants, world.stream("nodes")
        )
        self._make_nodes(storages)
        self.clients = [
            Client(self.cluster, n, world.stream(f"client.{n}"), plan.think_ms, self.history)
            for n in range(plan.clients)
        ]
        self.harm = Harm(self.cluster, self.clients, plan, world.stream("faults"))

    def _make_nodes(self, storages: list[str]) -> None:
        plan, chance = self.plan, self.world.stream("clocks").random
        for number, storage in enumerate(storages):
            disk = Disk(
                self.world,
                self.world.stream(f"disk.{number}"),
                sync_ms=plan.sync_ms,
                sync_tail=plan.sync_tail,
            )
            node = Node(self.cluster, disk, storage)
            node.kept = plan.kept
            node.rate = 1.0 + plan.clock * (2.0 * chance() - 1.0)
            node.offset = 1e6 * chance()
            if number == plan.liar:
                disk.lie()
            node.start()

    def go(self) -> None:
        """Everything, from the first event to the last check. Raises Violation."""
        world = self.world
        for client in self.clients:
            client.begin()
        self.harm.schedule()
        chaos_ms = self.plan.chaos_ms
        world.run(chaos_ms)
        self.harm.heal()
        for client in self.clients:
            client.think_ms *= CALM_THINK
        if self.plan.liar >= 0:
            self._check_lies()
            return
        if self.plan.profile == "rollback":  # each term that was lost takes an election
            world.run(chaos_ms + CALM_MS - QUIET_MS)
        else:
            self._await_progress()
        for client in self.clients:
            client.is_done = True
        while world.now < chaos_ms + CALM_MS and not self._is_settled():
            world.run(world.now + STEP_MS)
        self._check_end()

    def _await_progress(self) -> None:
        """I11: soon after everything is healed something new is acknowledged."""
        world, chaos_ms = self.world, self.plan.chaos_ms
        while not any(m.acked <= world.now and m.sent >= chaos_ms for m in self.history):
            if world.now >= chaos_ms + PROGRESS_MS:
                raise Violation("I11", f"no progress in {PROGRESS_MS} ms: {self._said()}")
            world.run(world.now + STEP_MS)

    def _is_settled(self) -> bool:
        """Nobody waits, and all copies are equal: what comes now repeats itself."""
        if not all(message.is_over for message in self.history):
            return False
        try:
            self._check_end()
        except Violation:
            return False
        return True

    def _check_end(self) -> None:
        waiting = [m.cmid for m in self.history if not m.is_over]
        if waiting:
            raise Violation("I11", f"{len(waiting)} messages wait at the end: {self._said()}")
        leaders = [n for n in self._members() if n.replica and n.replica.role is Role.ACTIVE]
        if len(leaders) != 1:
            raise Violation("I11", f"{len(leaders)} leaders at the end: {self._said()}")
        for node in self._members():
            self._check_member(node, leaders[0])
        check_history(self.history, lines_on(leaders[0]))
        if self._noticed():
            raise Violation("I10", "a loss of memory was seen, and no disk lies")

    def _noticed(self) -> int:
        """How often the product said that a disk lied."""
        replicas = [node.replica for node in self.cluster.nodes if node.replica is not None]
        return self.invariants.noticed + sum(r.amnesia_total for r in replicas)

    def _check_lies(self) -> None:
        """What a lying disk loses may be lost; but then somebody must have noticed."""
        self.world.run(self.plan.chaos_ms + CALM_MS)
        for node in self._members():
            if node.replica is not None and node.replica.role is Role.ACTIVE:
                try:
                    check_history(self.history, lines_on(node))
                except Violation as lost:
                    self.lost = lost
                    liar = self.cluster.nodes[self.plan.liar]
                    if (
                        not self._noticed() and not liar.has_led
                    ):  # what a leader forgot nobody knows
                        raise Violation("lies", f"nobody noticed: {lost}") from lost

    def _check_member(self, node: Node, leader: Node) -> None:
        replica, first = node.replica, leader.replica
        assert replica is not None
        assert first is not None
        ends = {replica.commit, replica.log.last_index, replica.durable, first.commit}
        if len(ends) > 1 or replica.log.last_chain != first.log.last_chain:
            raise Violation("I11", f"{node.storage} did not catch up: {self._said()}")
        progress = replica._progress.values()
        if replica._after or replica._ends or any(p._in_flight for p in progress):
            raise Violation("I12", f"{node.storage}: something waits at the end: {self._said()}")
        if not node.machine.is_idle or not node.disk.is_idle:
            raise Violation("I12", f"{node.storage}: a command waits at the end")
        if Machine(0, node.disk.store).answers != answers_on(leader):
            raise Violation("I6", f"{node.storage} has other rows than its leader")

    def _members(self) -> list[Node]:
        record = self.coordinator.record
        return [node for node in self.cluster.nodes if node.storage in record.members]

    def _said(self) -> str:
        """Where everybody stands, for whoever reads a failure."""
        lines = [f"{self.coordinator.state}"]
        for node in self.cluster.nodes:
            r = node.replica
            if r is None:
                lines.append(f"{node.storage} down")
                continue
            lines.append(
                f"{node.storage} {node.leader} {r.role.value} {r.promise} rev={r.revision} "
                f"last=({r.log.last_term}, {r.log.last_index}) commit={r.commit} "
                f"durable={r.durable} {'paused' if node.is_paused else ''}"
            )
        return "\n  ".join(lines)


def answers_on(node: Node) -> dict[int, Line]:
    """The answers on a node's disk."""
    return Machine(0, node.disk.store).answers


def lines_on(node: Node) -> list[Line]:
    """The log as it is on a node's disk; what was trimmed, as its rows tell it."""
    store = node.disk.store
    assert node.replica is not None
    base = node.replica.log.base
    old = [line for line in answers_on(node).values() if line.at <= base]
    start, end = keys.log(SLOT, base + 1), keys.log(SLOT, keys.U64_MAX)
    rows = store.iterate(Family.LOG, start, end, limit=1 << 30)
    return sorted(old, key=_at) + [line_of(value) for _, value in rows]


def _at(line: Line) -> int:
    return line.at


def run_plan(plan: Plan) -> Outcome:
    """A run; what the product raises is a violation like any other."""
    began = process_time()
    run = Run(plan)
    rule = what = ""
    try:
        with small_parts():
            run.go()
    except Violation as broken:
        rule, what = broken.rule, str(broken)
    except Exception:  # noqa: BLE001  (whatever a broken product raises)
        rule, what = "crash", format_exc()
    return Outcome(
        plan.seed,
        plan.profile,
        rule,
        what,
        run.world.events,
        run.invariants.acks,
        run.coordinator.record.term,
        run.lost is not None,
        process_time() - began,
    )


def run_seed(seed: int, profile: str = "swarm") -> Outcome:
    """The run of a seed."""
    return run_plan(draw(seed, profile))
