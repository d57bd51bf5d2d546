"""The steps that bring copies and leaders to their places: scripted, and many nodes at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hubbub.coordinator.membership import new_plan
from hubbub.coordinator.records import RebalanceRecord
from hubbub.ring.map import Leader, SlotRecord, activated, next_leader, placed
from hubbub.ring.moves import (
    Holder,
    HolderState,
    Targets,
    is_done,
    is_settled,
    members_of,
    moves_between,
    plan_targets,
)
from node.elections import Takeover
from node.moves import (
    AGAIN_MS,
    HANDOVERS_MAX,
    HEALTHY_MS,
    LAG_MAX,
    LOOK_MS,
    PAUSE_MS_MAX,
    Finish,
    Moves,
    Nudge,
    Peer,
    Step,
)
from node.replica import Copy

A, B, C, D = (Copy(name, Leader(f"node-{name}", n)) for n, name in enumerate("abcd", 1))
PEERS = {copy.storage: Peer(copy.leader, "active") for copy in (A, B, C, D)}


class FakeLog:
    """A replica as far as moves look at it."""

    def __init__(self, record: SlotRecord) -> None:
        self.record: SlotRecord | None = record
        self.revision = 1
        self.lags: dict[str, int | None] = {}

    def lag(self, storage: str) -> int | None:
        return self.lags.get(storage)


class FakeSlot:
    """A slot as far as moves look at it."""

    def __init__(self, record: SlotRecord) -> None:
        self.replica = FakeLog(record)
        self.is_active = True
        self.pending_count = 0


def led_by(copy: Copy, members: Iterable[str]) -> SlotRecord:
    return next_leader(placed(tuple(members)), copy.leader)


def plan_of(targets: Targets, copies: int = 3, *, at_once: int = 2) -> RebalanceRecord:
    return new_plan("p", targets, copies, 1, 0, moves_per_node_max=at_once)


class One:
    """Node a and one slot that it leads; `tick` gives what a does."""

    def __init__(self, members: str = "abc", *, me: Copy = A, leader: Copy | None = None) -> None:
        self.moves = Moves(me)
        self.slot = FakeSlot(led_by(leader or me, members))
        self.now_ms = 1_000
        self.moves.peers_changed(PEERS, "active", 0)

    @property
    def record(self) -> SlotRecord:
        assert self.slot.replica.record is not None
        return self.slot.replica.record

    def plan(self, target: str, state: str = "running") -> None:
        plan = plan_of({0: tuple(target)}, len(target))
        self.moves.plan_changed(replace(plan, state=state))

    def tick(self, after_ms: int = LOOK_MS) -> list[Step]:
        self.now_ms += after_ms
        return self.moves.tick({0: self.slot}, lambda: [(0, self.record)], self.now_ms)

    def take(self, record: SlotRecord) -> None:
        """The map has another record."""
        self.slot.replica.record = record
        self.slot.replica.revision += 1
        self.moves.slot_changed(0, record)

    def written(self) -> SlotRecord:
        """The one write of the next tick, which succeeds."""
        (step,) = self.tick()
        assert isinstance(step, Takeover), step
        assert step.revision == self.slot.replica.revision
        self.take(step.record)
        self.moves.answered(0, self.now_ms, is_written=True)
        return step.record

    def caught_up(self, *storages: str) -> None:
        self.slot.replica.lags.update(dict.fromkeys(storages, 0))


# --- an exchange


def test_an_exchange_from_learner_to_member() -> None:
    one = One()
    one.plan("abd")
    learning = one.written()
    assert (learning.learners, learning.term, learning.members) == (("d",), 1, ("a", "b", "c"))
    one.slot.replica.lags["d"] = LAG_MAX + 1
    assert [one.tick() for _ in range(5)] == [[]] * 5
    one.slot.replica.lags["d"] = LAG_MAX
    assert one.tick() == one.tick() == []
    assert not one.moves.paused
    moved = one.written()
    assert moved.members == ("a", "b", "d")
    assert (moved.leader, moved.term, moved.learners) == (A.leader, 2, ())
    assert moved.prev == ("a", "b", "c")
    assert not one.moves.paused
    one.take(activated(moved))
    (over,) = one.tick(500)
    assert over == Finish("p", "done")
    assert one.moves.counts.exchanged_total == 1


def test_three_looks_in_a_row() -> None:
    one = One()
    one.plan("abd")
    one.written()
    for lag in (0, 0, LAG_MAX + 1, 0, 0):
        one.slot.replica.lags["d"] = lag
        assert one.tick() == []
    assert isinstance(one.tick()[0], Takeover)


def test_looks_take_their_time() -> None:
    one = One()
    one.plan("abd")
    one.written()
    one.caught_up("d")
    assert [one.tick(1) for _ in range(10)] == [[]] * 10


def test_a_silent_newcomer_is_spoken_to_again_some_times() -> None:
    one = One()
    one.plan("abd")
    one.written()
    said = [step for _ in range(100) for step in one.tick()]
    assert set(said) == {Nudge(0, "d")}
    assert 2 < len(said) < 10


def test_the_leader_that_leaves_names_a_successor_that_has_caught_up() -> None:
    one = One()
    one.plan("bcd")
    one.written()
    one.caught_up("d")
    one.slot.replica.lags |= {"b": LAG_MAX + 1, "c": 0}
    one.tick()
    one.tick()
    moved = one.written()
    assert (moved.members, moved.leader) == (("b", "c", "d"), C.leader)


def test_two_exchanges_one_after_the_other() -> None:
    one = One()
    one.plan("ade"[:1] + "d" + "b")  # c leaves first, then nobody
    one.written()
    one.caught_up("d")
    one.tick()
    one.tick()
    assert one.written().members == ("a", "d", "b")


def test_nothing_is_begun_before_the_last_change_is_activated() -> None:
    """Bug 29: three deep, the last activated members would be forgotten."""
    one = One()
    one.plan("abd")
    one.slot.is_active = False
    assert [one.tick(500) for _ in range(5)] == [[]] * 5


def test_a_slot_that_another_one_leads_is_not_touched() -> None:
    one = One(leader=B)
    one.plan("abd")
    assert [one.tick(500) for _ in range(5)] == [[]] * 5


def test_more_copies_join_together() -> None:
    one = One("a")
    one.plan("abc")
    assert one.written().learners == ("b", "c")
    one.caught_up("b")
    assert [step for _ in range(4) for step in one.tick() if isinstance(step, Takeover)] == []
    one.caught_up("c")
    one.tick()
    one.tick()
    assert one.written().members == ("a", "b", "c")


def test_fewer_copies_need_no_learner() -> None:
    one = One()
    one.plan("a")
    moved = one.written()
    assert (moved.members, moved.leader, moved.term) == (("a",), A.leader, 2)


def test_the_order_of_members_is_written_without_a_new_term() -> None:
    one = One("bac", leader=A)
    one.plan("abc")
    assert one.written() == replace(led_by(A, "bac"), members=("a", "b", "c"))


# --- what disturbs


def test_a_place_that_is_not_alive_is_no_learner() -> None:
    one = One()
    one.plan("abd")
    one.written()
    gone = {name: peer for name, peer in PEERS.items() if name != "d"}
    one.moves.peers_changed(gone, "active", one.now_ms)
    assert one.written().learners == ()
    assert one.tick(500) == []
    one.moves.peers_changed(PEERS, "active", one.now_ms)
    assert one.written().learners == ("d",)


def test_a_paused_plan_finishes_what_is_under_way_and_begins_nothing() -> None:
    one = One()
    one.plan("abd", "paused")
    assert [one.tick(500) for _ in range(3)] == [[]] * 3
    one.plan("abd")
    one.written()
    one.plan("abd", "paused")
    one.caught_up("d")
    one.tick()
    one.tick()
    assert one.written().members == ("a", "b", "d")


def test_an_aborted_plan_gives_up_its_learners() -> None:
    one = One()
    one.plan("abd")
    one.written()
    one.plan("abd", "aborting")
    assert one.written().learners == ()
    assert one.tick(500) == [Finish("p", "aborted")]


def test_learners_of_a_plan_that_was_replaced_go() -> None:
    one = One()
    one.plan("abd")
    one.written()
    one.plan("abc")
    assert one.written().learners == ()


def test_a_write_that_lost_is_tried_again_later() -> None:
    one = One()
    one.plan("abd")
    assert isinstance(one.tick()[0], Takeover)
    one.moves.answered(0, one.now_ms, is_written=False)
    assert one.tick() == []
    assert isinstance(one.tick(AGAIN_MS)[0], Takeover)
    assert one.moves.counts.given_up_total == 1


def test_the_end_is_said_again_until_the_plan_says_it() -> None:
    one = One()
    one.plan("abc")
    assert one.tick() == [Finish("p", "done")]
    assert one.tick() == []
    assert one.tick(5_000) == [Finish("p", "done")]
    one.plan("abc", "done")
    assert one.tick(5_000) == []


def test_a_damaged_plan_is_refused_and_does_nothing() -> None:
    one = One()
    with pytest.raises(ValueError, match="targets"):
        one.moves.plan_changed(replace(plan_of({0: ("a", "b", "d")}), targets=b"\0"))
    assert one.tick(500) == []


@pytest.mark.parametrize(("well_ms", "leader"), [(HEALTHY_MS, D), (0, A)])
def test_the_last_exchange_gives_the_slot_to_a_first_member_that_is_well(
    well_ms: int, leader: Copy
) -> None:
    one = One()
    one.now_ms += well_ms
    one.plan("dab")
    one.written()
    one.caught_up("d")
    assert one.tick() == one.tick() == []
    record = one.written()
    assert (record.members, record.leader) == (("d", "a", "b"), leader.leader)


# --- the pause


def exchange_is_ready(one: One) -> None:
    """Everything is there but the pause."""
    one.plan("abd")
    one.written()
    one.caught_up("d")
    one.tick()
    one.tick()


def test_the_intake_pauses_until_nothing_is_pending() -> None:
    one = One()
    exchange_is_ready(one)
    one.slot.pending_count = 3
    assert one.tick() == []
    assert one.moves.paused == {0}
    assert one.tick(5) == []
    one.slot.pending_count = 0
    (step,) = one.tick(5)
    assert isinstance(step, Takeover)
    assert one.moves.paused == {0}, "until the write is answered"
    one.take(step.record)
    one.moves.answered(0, one.now_ms, is_written=True)
    assert not one.moves.paused


def test_the_pause_is_bounded() -> None:
    one = One()
    exchange_is_ready(one)
    one.slot.pending_count = 1
    one.tick()
    one.tick(PAUSE_MS_MAX)
    assert not one.moves.paused
    assert one.moves.counts.given_up_total == 1
    one.slot.pending_count = 0
    assert one.tick() == []
    assert isinstance(next(step for _ in range(4) for step in one.tick(AGAIN_MS)), Takeover), (
        "it is tried again"
    )


def test_a_slow_coordinator_does_not_prolong_the_pause() -> None:
    one = One()
    exchange_is_ready(one)
    assert isinstance(one.tick()[0], Takeover)
    one.tick(PAUSE_MS_MAX)
    assert not one.moves.paused


def test_a_slot_that_is_lost_is_not_paused_any_more() -> None:
    one = One()
    exchange_is_ready(one)
    one.slot.pending_count = 1
    one.tick()
    assert one.moves.paused
    one.slot.is_active = False
    one.tick()
    assert not one.moves.paused


# --- leaders


def test_the_first_member_gets_its_slot_back_once_it_is_well() -> None:
    one = One("bac", leader=A)
    one.caught_up("b")
    assert one.tick(HEALTHY_MS // 2) == []
    handed = [step for _ in range(3) for step in one.tick(HEALTHY_MS // 4)]
    (step,) = handed
    assert isinstance(step, Takeover)
    assert (step.record.leader, step.record.members) == (B.leader, ("b", "a", "c"))
    assert step.record.term == 2


def test_a_node_that_flaps_begins_anew() -> None:
    one = One("bac", leader=A)
    one.caught_up("b")
    assert one.tick(HEALTHY_MS - 2_000) == []
    restarted = {**PEERS, "b": Peer(Leader("node-b", 99), "active")}
    one.moves.peers_changed(restarted, "active", one.now_ms)
    assert one.tick(HEALTHY_MS // 2) == []
    (step,) = [step for _ in range(3) for step in one.tick(HEALTHY_MS // 4)]
    assert isinstance(step, Takeover)
    assert step.record.leader == Leader("node-b", 99)


@pytest.mark.parametrize("lag", [None, LAG_MAX + 1])
def test_who_lags_does_not_lead(lag: int | None) -> None:
    one = One("bac", leader=A)
    one.slot.replica.lags["b"] = lag
    assert [one.tick(HEALTHY_MS) for _ in range(3)] == [[]] * 3


def test_who_lags_a_little_is_waited_for_a_little() -> None:
    one = One("bac", leader=A)
    one.slot.replica.lags["b"] = 1
    assert one.tick(HEALTHY_MS) == []
    assert one.moves.paused
    assert one.tick(10) == []
    assert isinstance(one.tick(100)[0], Takeover)


def test_leaders_leave_a_node_that_drains_first() -> None:
    one = One()
    one.moves.peers_changed({**PEERS, "a": Peer(A.leader, "draining")}, "draining", 0)
    one.plan("bcd")
    one.caught_up("b", "c")
    moved = one.written()
    assert (moved.members, moved.leader, moved.learners) == (("a", "b", "c"), B.leader, ())


def test_the_last_copy_of_a_node_that_drains_is_exchanged() -> None:
    one = One("a")
    one.moves.peers_changed({**PEERS, "a": Peer(A.leader, "draining")}, "draining", 0)
    one.plan("d")
    assert one.written().learners == ("d",)
    one.caught_up("d")
    one.tick()
    one.tick()
    moved = one.written()
    assert (moved.members, moved.prev, moved.leader) == (("d",), ("a",), D.leader)
    assert not moved.activated


def test_a_draining_leader_without_a_plan_leaves_too() -> None:
    one = One()
    one.moves.peers_changed({**PEERS, "a": Peer(A.leader, "draining")}, "draining", 0)
    one.caught_up("c")
    assert one.written().leader == C.leader


# --- limits


class Many:
    """Node a leads many slots."""

    def __init__(self, count: int, target: str, *, at_once: int = 2) -> None:
        self.moves = Moves(A)
        self.moves.peers_changed(PEERS, "active", 0)
        self.slots = {n: FakeSlot(led_by(A, "abc")) for n in range(count)}
        self.moves.plan_changed(plan_of(dict.fromkeys(self.slots, tuple(target)), at_once=at_once))

    def tick(self, now_ms: int) -> list[Step]:
        records = [
            (n, slot.replica.record) for n, slot in self.slots.items() if slot.replica.record
        ]
        return self.moves.tick(self.slots, lambda: records, now_ms)


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_so_many_copies_are_sent_at_once(at_once: int) -> None:
    many = Many(20, "abd", at_once=at_once)
    assert len(many.tick(1_000)) == at_once
    assert many.tick(2_000) == []


def test_so_many_copies_are_received_at_once_as_the_map_shows() -> None:
    many = Many(4, "abd")
    records = [(n, slot.replica.record) for n, slot in many.slots.items() if slot.replica.record]
    records += [(n, replace(led_by(B, "abc"), learners=("d",))) for n in (10, 11)]
    assert many.moves.tick(many.slots, lambda: records, 1_000) == []
    many.moves.slot_changed(10, led_by(B, "abd"))
    assert len(many.moves.tick(many.slots, lambda: records, 1_100)) == 1


def test_so_many_leaders_are_handed_over_at_once() -> None:
    moves = Moves(A, healthy_ms=0)
    moves.peers_changed(PEERS, "active", 0)
    slots = {n: FakeSlot(led_by(A, "bac")) for n in range(10)}
    for slot in slots.values():
        slot.replica.lags["b"] = 0
    records = [(n, slot.replica.record) for n, slot in slots.items() if slot.replica.record]
    steps = moves.tick(slots, lambda: records, 1_000)
    assert len(steps) == HANDOVERS_MAX == len(moves.paused)
    for step in steps:
        assert isinstance(step, Takeover)
        moves.slot_changed(step.slot, step.record)
        moves.answered(step.slot, 1_000, is_written=True)
    assert moves.tick(slots, lambda: records, 1_010) == [], "those are still on their way"
    assert len(moves.tick(slots, lambda: records, 2_000)) == HANDOVERS_MAX


# --- many nodes, one map


class World:
    """Nodes with their slots and one map; writes are guarded, what is active is told at once."""

    def __init__(self, nodes: int, slots: int, copies: int, seed: int) -> None:
        self.random = Random(seed)
        self.copies = [Copy(f"s{n}", Leader(f"n{n}", n + 1)) for n in range(nodes)]
        self.alive = {copy.storage for copy in self.copies}
        self.states: dict[str, HolderState] = dict.fromkeys(self.alive, "active")
        self.moves = {copy.storage: Moves(copy, healthy_ms=500) for copy in self.copies}
        self.now_ms = 0
        self.copies_wanted = copies
        self.slots = slots
        self.map: dict[int, SlotRecord] = {}
        self.revisions = dict.fromkeys(range(slots), 1)
        self.plan: RebalanceRecord | None = None
        self.targets: Targets = {}
        self.joined: dict[tuple[int, str], int] = {}  # learner → since when it is one
        self.receiving_max = 0

    def place(self, count: int) -> None:
        """On the first nodes, each slot led by its first member."""
        for slot, members in self.propose(count).items():
            self.map[slot] = activated(next_leader(placed(members), self.leader(members[0])))

    def propose(self, count: int) -> dict[int, tuple[str, ...]]:
        holders = [Holder(c.storage, c.storage, self.states[c.storage]) for c in self.copies]
        current = members_of(self.map.items())
        return plan_targets(holders[:count], self.slots, self.copies_wanted, current)

    def start(self, count: int) -> None:
        self.targets = self.propose(count)
        moves = len(moves_between(members_of(self.map.items()), self.targets))
        self.plan = new_plan("w", self.targets, self.copies_wanted, moves, 0, moves_per_node_max=2)
        for moves_of_one in self.moves.values():
            moves_of_one.plan_changed(self.plan)

    def leader(self, storage: str) -> Leader:
        return next(copy.leader for copy in self.copies if copy.storage == storage)

    def storage(self, leader: Leader | None) -> str:
        return next((c.storage for c in self.copies if c.leader == leader), "")

    def run(self, most_ms: int) -> bool:
        """Until everything is as planned and led by its first member."""
        ends_ms = self.now_ms + most_ms
        while self.now_ms < ends_ms:
            self.step()
            if self.plan is not None and self.plan.state == "done" and self.is_led_well():
                return True
        return False

    def is_led_well(self) -> bool:
        return all(self.storage(r.leader) == r.members[0] for r in self.map.values())

    def step(self) -> None:
        self.now_ms += LOOK_MS
        self.fail_over()
        peers = {
            copy.storage: Peer(copy.leader, self.states[copy.storage])
            for copy in self.copies
            if copy.storage in self.alive
        }
        for copy in self.random.sample(self.copies, len(self.copies)):
            if copy.storage in self.alive:
                self.step_of(copy, peers)

    def step_of(self, copy: Copy, peers: dict[str, Peer]) -> None:
        moves = self.moves[copy.storage]
        moves.peers_changed(peers, self.states[copy.storage], self.now_ms)
        slots = {
            slot: self.slot_of(slot, record)
            for slot, record in self.map.items()
            if record.leader == copy.leader
        }
        for step in moves.tick(slots, self.map.items, self.now_ms):
            if isinstance(step, Takeover):
                is_written = step.revision == self.revisions[step.slot]
                if is_written and self.random.random() < 0.9:
                    self.write(step.slot, step.record)
                else:
                    is_written = False
                moves.answered(step.slot, self.now_ms, is_written=is_written)
            elif isinstance(step, Finish):
                assert self.plan is not None
                assert all(is_done(self.map[n], t) for n, t in self.targets.items())
                self.plan = replace(self.plan, state=step.state)
                for one in self.moves.values():
                    one.plan_changed(self.plan)

    def slot_of(self, number: int, record: SlotRecord) -> FakeSlot:
        slot = FakeSlot(record)
        slot.replica.revision = self.revisions[number]
        for name in (*record.members, *record.learners):
            since_ms = self.joined.get((number, name), 0)
            slot.replica.lags[name] = 0 if self.now_ms - since_ms > 100 else None
        slot.pending_count = self.random.random() < 0.2
        return slot

    def write(self, slot: int, record: SlotRecord) -> None:
        """What a coordinator does, and the activation that follows by itself."""
        before = self.map[slot]
        for name in set(record.learners) - set(before.learners):
            self.joined[slot, name] = self.now_ms
        if record.term != before.term:
            assert is_settled(before)
            assert set(before.members) & set(record.members) or self.copies_wanted == 1
            joined = set(record.members) - set(before.members)
            assert joined <= set(before.learners)
            if len(record.members) == len(before.members):
                assert len(joined) <= 1
            assert self.storage(record.leader) in self.alive & set(record.members)
            record = activated(record)
        self.map[slot] = record
        self.revisions[slot] += 1
        for one in self.moves.values():
            one.slot_changed(slot, record)
        receiving = Counter(name for r in self.map.values() for name in r.learners)
        self.receiving_max = max(self.receiving_max, *receiving.values(), 0)

    def fail_over(self) -> None:
        for slot, record in list(self.map.items()):
            alive = [name for name in record.members if name in self.alive]
            if self.storage(record.leader) not in self.alive and 2 * len(alive) > len(
                record.members
            ):
                self.write(slot, next_leader(record, self.leader(alive[0])))


def shares(world: World) -> Iterator[tuple[str, int, int]]:
    held = Counter(name for record in world.map.values() for name in record.members)
    led = Counter(world.storage(record.leader) for record in world.map.values())
    return ((copy.storage, held[copy.storage], led[copy.storage]) for copy in world.copies)


@settings(max_examples=15)
@given(st.integers(0, 1 << 30), st.integers(1, 3))
def test_three_to_five_to_three(seed: int, copies: int) -> None:
    world = World(5, 64, copies, seed)
    world.place(3)
    world.start(5)
    assert world.run(120_000)
    mean = 64 * copies / 5
    for name, held, led in shares(world):
        assert abs(held - mean) <= max(1, mean * 0.05), name
        assert abs(led - 64 / 5) <= 1, name
    assert world.receiving_max <= 2 + len(world.copies) - 1
    world.states |= {"s3": "draining", "s4": "draining"}
    world.start(5)
    assert world.run(120_000)
    for name, held, led in shares(world):
        assert (held, led) == (0, 0) if name in ("s3", "s4") else held >= 20 * copies


@settings(max_examples=15)
@given(st.integers(0, 1 << 30))
def test_a_plan_outlives_nodes_that_die_and_come_back(seed: int) -> None:
    world = World(5, 64, 3, seed)
    world.place(3)
    world.start(5)
    for victim in world.random.choices(world.copies, k=4):
        world.run(world.random.randrange(0, 2_000))
        world.alive.discard(victim.storage)
        world.run(world.random.randrange(0, 2_000))
        world.alive.add(victim.storage)
    assert world.run(120_000)


@settings(max_examples=10)
@given(st.integers(0, 1 << 30))
def test_a_node_that_is_gone_for_good_is_drained_without_it(seed: int) -> None:
    world = World(4, 64, 3, seed)
    world.place(4)
    world.alive.discard("s1")
    world.states["s1"] = "draining"
    world.start(4)
    assert world.run(120_000)
    assert all("s1" not in record.members for record in world.map.values())


def test_more_copies_and_fewer_again() -> None:
    world = World(3, 64, 1, 7)
    world.place(3)
    world.copies_wanted = 3
    world.start(3)
    assert world.run(120_000)
    assert all(len(record.members) == 3 for record in world.map.values())
    world.copies_wanted = 1
    world.start(3)
    assert world.run(120_000)
    assert all(len(record.members) == 1 for record in world.map.values())


def test_a_place_without_room_begins_no_copy_and_finishes_what_it_began() -> None:
    one = One()
    crowded = {**PEERS, "d": PEERS["d"]._replace(has_room=False)}
    one.moves.peers_changed(crowded, "active", one.now_ms)
    one.plan("abd")
    assert one.tick(500) == []
    one.moves.peers_changed(PEERS, "active", one.now_ms)
    assert one.written().learners == ("d",)
    one.moves.peers_changed(crowded, "active", one.now_ms)
    one.slot.replica.lags["d"] = LAG_MAX
    assert one.tick() == one.tick() == []
    assert one.written().members == ("a", "b", "d")
