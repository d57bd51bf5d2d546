"""Which slot records this node changes so that copies and leaders come to their places. Sans-IO.

Each slot's own leader moves its copies; the plan in the coordinator only says where to. So a plan
outlives the command that made it and any node.

Rules (replication.md 2.7):
1. One exchange of a slot: its newcomer becomes a learner; once that lags by at most `LAG_MAX`
   entries in `LOOKS` looks in a row, the members change, with a new term. Only a slot that is
   active takes a step: members never change before the last change is activated.
2. A change of term is planned: the intake pauses until nothing is pending, for at most
   `PAUSE_MS_MAX`; else the try is given up and repeated later. Whoever asks meanwhile is told to
   ask again, so that nothing is refused and nothing is unknown.
3. The leader stays where it stays a member, but for the last exchange of a slot, which gives it to
   the first member at once where rule 5 would. On a node that is to give up all it has, leaders
   leave first.
4. Limits of a plan: so many copies under way from one leader, and to one place as far as the map
   shows; two leaders who begin at once may exceed the second by one each. `HANDOVERS_MAX` planned
   changes of term at once on a node.
5. Where nothing is planned, and in slots that are done, the first member leads: it gets the slot
   once its node was well for `healthy_ms` and lags by at most `LAG_MAX`.
6. A place whose node is not alive is no learner: what it held up goes on. None begins to learn
   whose disk is nearly full.

Long because a plan, learners, hand-overs and returns share every limit.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Final, NamedTuple, Protocol, TypeAlias

import msgspec
from msgspec.structs import replace

from hubbub.coordinator.records import RebalanceRecord, RebalanceState
from hubbub.ring.map import Leader, SlotRecord, next_leader
from hubbub.ring.moves import (
    Change,
    HolderState,
    is_done,
    members_after,
    next_change,
    unpack_targets,
)
from node.elections import Takeover
from node.replica import Copy

LAG_MAX: Final = 200  # what a new leader fetches in one message; half waits longer in busy slots
LOOKS: Final = 3
LOOK_MS: Final = 50  # between two looks at a learner: some round trips
PAUSE_MS_MAX: Final = 250  # whoever waits retries after 20 ms and more, and has 3.5 s
# A successor that lacks nothing begins at once; after this one that lacks little will do.
_SETTLE_MS: Final = 100
AGAIN_MS: Final = 1_000  # after a try that failed
HEALTHY_MS: Final = 30_000  # a node that flaps is not given its slots back each time
HANDOVERS_MAX: Final = 2
# A slot is away for about this long once its record is written: the next one waits for it.
_AWAY_MS: Final = 150
# The new place hears of itself through its watch, the first message to it comes too early.
_NUDGE_MS: Final = 150
_NUDGES_MAX: Final = 5
_IDLE_SCAN_MS: Final = 500
_FINISH_AGAIN_MS: Final = 2_000


class Peer(NamedTuple):
    """A node that is alive: who leads there, whether it may hold and lead, and is fast enough."""

    leader: Leader
    state: HolderState
    is_gray: bool = False
    has_room: bool = True


class Log(Protocol):
    """What this needs of `node.replica.Replica`."""

    record: SlotRecord | None
    revision: int

    def lag(self, storage: str) -> int | None: ...


class LedSlot(Protocol):
    """What this needs of `node.slot.Slot`."""

    @property
    def replica(self) -> Log: ...
    @property
    def is_active(self) -> bool: ...
    @property
    def pending_count(self) -> int: ...


class Nudge(NamedTuple):
    """Speak to this copy of a slot again, now."""

    slot: int
    storage: str


class Finish(NamedTuple):
    """Write this state of the plan, if it is still the plan `id`."""

    id: str
    state: RebalanceState


Step: TypeAlias = Takeover | Nudge | Finish


class MovesCounts(msgspec.Struct):
    """What /metrics shows of moves."""

    learners_total: int = 0  # copies that began
    exchanged_total: int = 0  # members that changed
    handed_over_total: int = 0  # planned changes of leader
    given_up_total: int = 0  # pauses that were too short, and writes that lost


class _Kind(Enum):
    LEARN = "learn"
    ORDER = "order"
    EXCHANGE = "exchange"
    HAND_OVER = "hand_over"


class _Goal(NamedTuple):
    """What to write next. `waits`: copies that must have caught up. `successors`: who may lead."""

    kind: _Kind
    record: SlotRecord  # LEARN, ORDER: what to write; else the present one
    members: tuple[str, ...] = ()
    waits: tuple[str, ...] = ()
    successors: tuple[str, ...] = ()


class _Attempt:
    __slots__ = (
        "again_ms",
        "kind",
        "looked_ms",
        "looks",
        "nudged_ms",
        "nudges",
        "paused_ms",
        "writes",
    )

    def __init__(self, now_ms: int) -> None:
        self.kind: _Kind | None = None
        self.looks = 0
        self.looked_ms = now_ms - LOOK_MS
        self.nudges = 0
        self.nudged_ms = now_ms
        self.paused_ms = 0
        self.again_ms = 0
        self.writes = False  # a write is under way


class Moves:
    """The state of every step that this node takes. `paused` slots take no commands."""

    def __init__(self, me: Copy, *, healthy_ms: int = HEALTHY_MS) -> None:
        self.paused: set[int] = set()
        self.counts = MovesCounts()
        self._me = me
        self._healthy_ms = healthy_ms
        self._plan: RebalanceRecord | None = None
        self._targets: list[tuple[str, ...]] = []  # of a plan that is to be carried out
        self._peers: Mapping[str, Peer] = {}
        self._since: dict[str, tuple[int, int]] = {}  # storage → (boot id, alive since ms)
        self._state: HolderState = "active"  # this node's own
        self._learning: dict[int, tuple[str, ...]] = {}  # slot → its learners
        self._receiving: Counter[str] = Counter()  # storage → slots whose learner it is
        self._left: set[int] = set()  # slots that are not as planned
        self._mine: set[int] = set()  # led here, and something is to be done
        self._attempts: dict[int, _Attempt] = {}
        self._handed: deque[int] = deque()  # when the last slots were handed over
        self._is_stale = True
        self._is_changed = True
        self._scanned_ms = 0
        self._finished_ms = -_FINISH_AGAIN_MS

    @property
    def is_busy(self) -> bool:
        """Call `tick` every LOOK_MS; while a slot is paused, as often as that is possible."""
        return bool(self._attempts)

    # --- what is known

    def plan_changed(self, plan: RebalanceRecord | None) -> None:
        """Another plan, or another state of it. Raises ValueError for one that is damaged."""
        self._plan, self._targets = None, []
        self._is_stale = True
        if plan is not None and plan.state in ("running", "paused"):
            self._targets = unpack_targets(plan.members, plan.targets, plan.copies)
        self._plan = plan

    def peers_changed(self, peers: Mapping[str, Peer], state: HolderState, now_ms: int) -> None:
        """The nodes that are alive, by storage id, this one too; and this one's own state."""
        since = self._since
        self._since = {}
        for storage, peer in peers.items():
            boot_id, _ = known = since.get(storage, (peer.leader.boot_id, now_ms))
            is_same = boot_id == peer.leader.boot_id
            self._since[storage] = known if is_same else (peer.leader.boot_id, now_ms)
        self._is_stale |= state != self._state
        self._is_changed = True
        self._peers, self._state = peers, state

    def slot_changed(self, number: int, record: SlotRecord | None) -> None:
        """A slot's record in the map."""
        before = self._learning.pop(number, ())
        learners = record.learners if record is not None else ()
        if learners:
            self._learning[number] = learners
        if before != learners:
            self._receiving.subtract(before)
            self._receiving.update(learners)
            self._is_changed = True  # a place may have room again
        self._left.discard(number)
        self._mine.discard(number)
        if record is None:
            return
        if number < len(self._targets) and not is_done(record, self._targets[number]):
            self._left.add(number)
        if record.leader == self._me.leader and self._is_wanting(number, record):
            self._mine.add(number)
            self._is_changed = True

    def _is_wanting(self, number: int, record: SlotRecord) -> bool:
        """Something is to be done, now or once somebody is alive."""
        is_astray = record.members[:1] != (self._me.storage,) or self._state != "active"
        is_stray_learner = bool(record.learners) and self._plan is not None
        return number in self._left or is_stray_learner or is_astray

    # --- time

    def tick(
        self,
        slots: Mapping[int, LedSlot],
        records: Callable[[], Iterable[tuple[int, SlotRecord]]],
        now_ms: int,
    ) -> list[Step]:
        """What to write and send now. Args: slots: those held here. records: the whole map."""
        if self._is_stale:
            self._is_stale = False
            self._learning.clear()
            self._receiving.clear()
            self._left.clear()
            self._mine.clear()
            for number, record in records():
                self.slot_changed(number, record)
            self._is_changed = True
        steps: list[Step] = []
        while self._handed and now_ms - self._handed[0] >= _AWAY_MS:
            self._handed.popleft()
            self._is_changed = True
        for number in list(self._attempts):
            self._go_on(number, slots.get(number), now_ms, steps)
        if self._is_changed or now_ms - self._scanned_ms >= _IDLE_SCAN_MS:
            self._is_changed, self._scanned_ms = False, now_ms
            self._begin(slots, now_ms, steps)
        self._finish(now_ms, steps)
        return steps

    def _begin(self, slots: Mapping[int, LedSlot], now_ms: int, steps: list[Step]) -> None:
        """Slots that nothing is done about yet."""
        for number in sorted(self._mine - self._attempts.keys()):
            if number in self._left and number not in self._learning and not self._may_stream():
                continue  # what it needs is not free; without a look at each of thousands
            slot = slots.get(number)
            if slot is not None and slot.is_active:
                self._attempts[number] = _Attempt(now_ms)
                self._go_on(number, slot, now_ms, steps)

    def _go_on(self, number: int, slot: LedSlot | None, now_ms: int, steps: list[Step]) -> None:
        attempt = self._attempts[number]
        if attempt.writes:
            if now_ms - attempt.paused_ms >= PAUSE_MS_MAX:
                self.paused.discard(number)  # the coordinator is slow: rather unknown than waiting
            return
        if now_ms < attempt.again_ms:
            return
        goal = None
        if slot is not None and slot.is_active and number in self._mine:
            goal = self._goal(number, slot.replica.record, now_ms)
        if slot is None or goal is None:
            self._drop(number)
        elif goal.kind in (_Kind.LEARN, _Kind.ORDER):
            self._write_at_once(number, slot, goal, steps)
        elif number in self.paused:
            self._hand_over(number, slot, goal, now_ms, steps)
        else:
            self._look(number, slot, goal, now_ms, steps)

    def _drop(self, number: int) -> None:
        self.paused.discard(number)
        del self._attempts[number]

    def answered(self, number: int, now_ms: int, *, is_written: bool) -> None:
        """A write of a slot's record was answered, or will never be known."""
        self.paused.discard(number)
        self._is_changed = True
        attempt = self._attempts.get(number)
        if attempt is None:
            return
        attempt.writes = False
        if not is_written:
            self.counts.given_up_total += 1
            attempt.again_ms = now_ms + AGAIN_MS
            self._is_stale = True  # learners that were counted and may not be there
            return
        if attempt.kind in (_Kind.EXCHANGE, _Kind.HAND_OVER):
            self._handed.append(now_ms)
            self.counts.exchanged_total += attempt.kind is _Kind.EXCHANGE
            self.counts.handed_over_total += attempt.kind is _Kind.HAND_OVER
        if attempt.kind is not _Kind.LEARN:
            del self._attempts[number]

    # --- what to do about one slot

    def _goal(self, number: int, record: SlotRecord | None, now_ms: int) -> _Goal | None:
        if record is None or record.leader != self._me.leader:
            return None
        if number < len(self._targets):
            target = self._targets[number]
            change = next_change(record.members, target, self._is_dear)
            if change is not None:
                return self._exchange(record, target, change, now_ms)
            if record.learners:
                return _Goal(_Kind.LEARN, replace(record, learners=()))
            if record.members != target:
                return _Goal(_Kind.ORDER, replace(record, members=target))
        elif record.learners and self._plan is not None:
            return _Goal(_Kind.LEARN, replace(record, learners=()))
        return self._return(record, now_ms)

    def _exchange(
        self, record: SlotRecord, target: tuple[str, ...], change: Change, now_ms: int
    ) -> _Goal | None:
        me, members, wanted = self._me.storage, record.members, change.newcomers
        staying = tuple(name for name in target if name in members and name in self._peers)
        if self._state != "active" and staying and me not in target:
            return _Goal(_Kind.HAND_OVER, record, members, (), staying)
        if set(record.learners) != set(wanted) or not self._are_alive(wanted):
            begins = [name for name in wanted if name not in record.learners]
            is_wanted = self._are_alive(wanted) and not self._is_paused()
            is_wanted = is_wanted and all(self._peers[name].has_room for name in begins)
            learners = wanted if is_wanted else ()
            if learners != record.learners:
                return _Goal(_Kind.LEARN, replace(record, learners=learners))
            if wanted or self._is_paused():
                return None
        after = members_after(members, change, target)
        successors = (me,) if me in after else tuple(name for name in target if name in after)
        if after == target and self._state == "active" and self._is_healthy(target[0], now_ms):
            successors = (target[0], *successors)
        return _Goal(_Kind.EXCHANGE, record, after, wanted, successors)

    def _return(self, record: SlotRecord, now_ms: int) -> _Goal | None:
        """Rule 5; and whoever gives up everything leads nothing."""
        me, members = self._me.storage, record.members
        if self._state == "active":
            first = members[0]
            if first == me or not self._is_healthy(first, now_ms):
                return None
            return _Goal(_Kind.HAND_OVER, record, members, (), (first,))
        successors = tuple(name for name in members if name != me and self._may_lead(name))
        return _Goal(_Kind.HAND_OVER, record, members, (), successors) if successors else None

    def _is_dear(self, storage: str) -> int:
        """Who leaves last: this leader, then whoever is alive."""
        return 2 * (storage == self._me.storage) + (storage in self._peers)

    def _is_paused(self) -> bool:
        return self._plan is not None and self._plan.state == "paused"

    def _are_alive(self, storages: Iterable[str]) -> bool:
        return all(storage in self._peers for storage in storages)

    def _may_lead(self, storage: str) -> bool:
        peer = self._peers.get(storage)
        return peer is not None and peer.state == "active" and not peer.is_gray

    def _is_healthy(self, storage: str, now_ms: int) -> bool:
        since_ms = self._since[storage][1] if storage in self._since else now_ms
        return self._may_lead(storage) and now_ms - since_ms >= self._healthy_ms

    # --- steps

    def _may_stream(self) -> bool:
        return self._plan is not None and self._streams() < self._plan.moves_per_node_max

    def _streams(self) -> int:
        """Copies that are sent from here, or about to be."""
        return sum(
            number in self._learning or attempt.kind is _Kind.LEARN
            for number, attempt in self._attempts.items()
        )

    def _is_free(self, number: int, learners: tuple[str, ...]) -> bool:
        """Rule 4 for new learners of a slot."""
        assert self._plan is not None
        limit, before = self._plan.moves_per_node_max, self._learning.get(number, ())
        if not before and self._streams() >= limit:
            return False
        return all(name in before or self._receiving[name] < limit for name in learners)

    def _write_at_once(self, number: int, slot: LedSlot, goal: _Goal, steps: list[Step]) -> None:
        """A record of the same term: nobody has to wait for it."""
        learners = goal.record.learners
        if goal.kind is _Kind.LEARN and learners:
            if not self._is_free(number, learners):
                self._drop(number)
                return
            self.counts.learners_total += len(learners)
            for name in learners:
                self._receiving[name] += 1  # until the map says so itself
            self._learning[number] = (*self._learning.get(number, ()), *learners)
        self._write(number, slot, goal.kind, goal.record, steps)

    def _write(
        self, number: int, slot: LedSlot, kind: _Kind, record: SlotRecord, steps: list[Step]
    ) -> None:
        attempt = self._attempts[number]
        attempt.kind, attempt.writes, attempt.looks = kind, True, 0
        steps.append(Takeover(number, record, slot.replica.revision))

    def _look(
        self, number: int, slot: LedSlot, goal: _Goal, now_ms: int, steps: list[Step]
    ) -> None:
        """Whether the copies have caught up; then the pause begins."""
        attempt = self._attempts[number]
        attempt.kind = goal.kind
        if now_ms - attempt.looked_ms < LOOK_MS:
            return
        attempt.looked_ms = now_ms
        lags = {name: slot.replica.lag(name) for name in goal.waits}
        attempt.looks += 1
        for name, lag in lags.items():
            if lag is None or lag > LAG_MAX:
                attempt.looks = 0
            if lag is None:
                self._nudge(number, name, attempt, now_ms, steps)
        if goal.waits and attempt.looks < LOOKS:
            return
        if self._successor(slot, goal) and len(self.paused) + len(self._handed) < HANDOVERS_MAX:
            attempt.paused_ms = now_ms
            self.paused.add(number)
            self._hand_over(number, slot, goal, now_ms, steps)
        elif goal.kind is _Kind.HAND_OVER:
            self._drop(number)  # others may be ready

    def _nudge(
        self, number: int, storage: str, attempt: _Attempt, now_ms: int, steps: list[Step]
    ) -> None:
        if attempt.nudges < _NUDGES_MAX and now_ms - attempt.nudged_ms >= _NUDGE_MS:
            attempt.nudges += 1
            attempt.nudged_ms = now_ms
            steps.append(Nudge(number, storage))

    def _hand_over(
        self, number: int, slot: LedSlot, goal: _Goal, now_ms: int, steps: list[Step]
    ) -> None:
        """The slot takes no commands: write as soon as nothing is pending."""
        attempt, successor = self._attempts[number], self._successor(slot, goal)
        waited_ms = now_ms - attempt.paused_ms
        if not successor or waited_ms >= PAUSE_MS_MAX:
            self.counts.given_up_total += 1
            self.paused.discard(number)
            attempt.looks, attempt.again_ms = 0, now_ms + AGAIN_MS
            return
        is_whole = successor == self._me.storage or slot.replica.lag(successor) == 0
        if slot.pending_count or (not is_whole and waited_ms < _SETTLE_MS):
            return
        record = next_leader(goal.record, self._leader_at(successor), goal.members)
        self._write(number, slot, goal.kind, record, steps)

    def _leader_at(self, storage: str) -> Leader:
        return self._me.leader if storage == self._me.storage else self._peers[storage].leader

    def _successor(self, slot: LedSlot, goal: _Goal) -> str:
        """The first of those that may lead and has nearly everything; empty: none."""
        for name in goal.successors:
            if name == self._me.storage:
                return name
            lag = slot.replica.lag(name)
            if self._may_lead(name) and lag is not None and lag <= LAG_MAX:
                return name
        return ""

    # --- the plan's end

    def _finish(self, now_ms: int, steps: list[Step]) -> None:
        """Whoever sees it says it; the plan's record is guarded."""
        plan = self._plan
        if plan is None or now_ms - self._finished_ms < _FINISH_AGAIN_MS:
            return
        state: RebalanceState | None = None
        if plan.state == "running" and not self._left:
            state = "done"
        elif plan.state == "aborting" and not self._learning:
            state = "aborted"
        if state is not None:
            self._finished_ms = now_ms
            steps.append(Finish(plan.id, state))
