"""How the copies of this node stand, for /statistics and /metrics: a view, which changes nothing.

Rules:
1. A copy is there if its node is heard, it has told the leader where it stands, and it lacks at
   most `BEHIND_ENTRIES`. A slot with fewer such copies than members is under-replicated. Only its
   leader can know, so only led slots are judged.
2. A lag is counted in entries. Of a copy that is not heard nothing is known: it is counted as
   missing, and not in the worst lag.
3. One walk over all slots answers everybody who asks within `LOOK_MS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from msgspec import Struct, field

from hubbub.runtime.clock import Clock
from hubbub.runtime.metrics import Metrics
from node.failovers import Failover, Failovers
from node.replica import Role
from node.slot import Slot

# Some 50 ms of a busy slot: a copy that is further behind than one batch is not just under way.
BEHIND_ENTRIES: Final = 200
# A scrape asks eight times. Half is walked twice by a slow one; double shows what is over.
LOOK_MS: Final = 250
_FAILURES_TOLD_MAX: Final = 20  # a dead disk fails every slot for one reason


class StandingStatistics(Struct, frozen=True, kw_only=True):
    """Counts of slots, unless the name says otherwise. held = led + starting + following +
    recovering + failed. `short`: led slots by copies that are there, where those are too few.
    """

    storage: str
    held: int = 0
    led: int = 0
    starting: int = 0  # this node is to lead them and does not serve yet
    following: int = 0
    recovering: int = 0  # their log once had more than it has: without a vote until it has again
    failed: int = 0
    failures: dict[int, str] = field(default_factory=dict)  # slot → why; the first of them
    under_replicated: int = 0
    short: dict[int, int] = field(default_factory=dict)
    follower_lag_max: int = 0  # entries that a copy which is heard lacks, of led slots
    apply_lag_max: int = 0  # entries that are committed and not in the rows yet
    unheard: tuple[str, ...] = ()  # nodes
    failovers: tuple[Failover, ...] = ()  # of the last hour, to this node


class CopyStanding(Struct, frozen=True):
    """Another copy of a slot, as its leader knows it. `lag` in entries; None: unknown."""

    lag: int | None
    is_heard: bool
    is_there: bool


class SlotStanding(Struct, frozen=True, kw_only=True):
    """One slot. Indexes are places in its log; `copies` by storage id, if it leads."""

    slot: int
    role: str
    term: int
    applied: int
    commit: int
    durable: int
    last_index: int
    recall: int
    failure: str
    copies: dict[str, CopyStanding]


class ShortSlots(Struct, frozen=True):
    """The led slots that are under-replicated, by how many copies are there."""

    by_copies: dict[int, list[int]]


class Contacts(Protocol):
    """What this needs of the other nodes (`node.copies`)."""

    failovers: Failovers

    def storages_heard(self) -> frozenset[str]: ...
    def unheard(self) -> list[str]: ...


class Standing:
    """Reads the slots of one node."""

    def __init__(
        self,
        storage: str,
        slots: Mapping[int, Slot],
        contacts: Contacts,
        clock: Clock,
    ) -> None:
        """Args: storage: of this node's copies. slots: live."""
        self._storage = storage
        self._slots = slots
        self._contacts = contacts
        self._clock = clock
        self._looked_ms = -LOOK_MS
        self._seen: StandingStatistics
        self._short: dict[int, list[int]] = {}

    def statistics(self) -> StandingStatistics:
        """As of now, or of a moment ago."""
        now_ms = self._clock.monotonic_ms()
        if now_ms - self._looked_ms >= LOOK_MS:
            self._looked_ms = now_ms
            self._seen = self._look(now_ms)
        return self._seen

    def row(self, name: str) -> SlotStanding | ShortSlots | None:
        """One slot by its number, or all that are under-replicated as `short`."""
        if name == "short":
            self.statistics()
            return ShortSlots(self._short)
        slot = self._slots.get(int(name)) if name.isdecimal() else None
        return None if slot is None else self._slot(slot)

    def expose(self, metrics: Metrics) -> None:
        """The gauges of /metrics."""
        for name in ("starting", "recovering", "failed", "under_replicated"):
            metrics.gauge(f"node_slots_{name}", self._reader(name))
        metrics.gauge("node_follower_lag_entries_max", self._reader("follower_lag_max"))
        metrics.gauge("node_apply_lag_entries_max", self._reader("apply_lag_max"))
        metrics.gauge("node_nodes_unheard", lambda: len(self._contacts.unheard()))

    def _reader(self, name: str) -> Callable[[], float]:
        return lambda: float(getattr(self.statistics(), name))

    def _look(self, now_ms: int) -> StandingStatistics:
        roles = dict.fromkeys(("led", "starting", "following", "recovering", "failed"), 0)
        short: dict[int, list[int]] = {}
        failures: dict[int, str] = {}
        follower_lag = apply_lag = 0
        heard = self._contacts.storages_heard()
        for number, slot in self._slots.items():
            role = _role(slot)
            roles[role] += 1
            apply_lag = max(apply_lag, slot.replica.commit - slot.applied)
            if role == "led":
                others = self._others(slot)
                lags = [slot.replica.lag(other) if other in heard else None for other in others]
                there = 1 + sum(map(_is_there, lags))
                if there <= len(others):
                    short.setdefault(there, []).append(number)
                follower_lag = max(follower_lag, *(lag or 0 for lag in lags), 0)
            elif role == "failed" and len(failures) < _FAILURES_TOLD_MAX:
                failures[number] = slot.replica.failure
        self._short = short
        return StandingStatistics(
            storage=self._storage,
            held=len(self._slots),
            **roles,
            failures=failures,
            under_replicated=sum(map(len, short.values())),
            short={there: len(numbers) for there, numbers in short.items()},
            follower_lag_max=follower_lag,
            apply_lag_max=apply_lag,
            unheard=tuple(self._contacts.unheard()),
            failovers=self._contacts.failovers.last_hour(now_ms),
        )

    def _slot(self, slot: Slot) -> SlotStanding:
        replica, heard = slot.replica, self._contacts.storages_heard()
        return SlotStanding(
            slot=slot.number,
            role=replica.role.value,
            term=slot.term,
            applied=slot.applied,
            commit=replica.commit,
            durable=replica.durable,
            last_index=slot.last_index,
            recall=replica.promise.recall,
            failure=replica.failure,
            copies=self._copies(slot, heard) if slot.is_active else {},
        )

    def _copies(self, slot: Slot, heard: frozenset[str]) -> dict[str, CopyStanding]:
        """The other members of a slot that is led here (rule 1)."""
        found = {}
        for storage in self._others(slot):
            lag, is_heard = slot.replica.lag(storage), storage in heard
            found[storage] = CopyStanding(lag, is_heard, is_heard and _is_there(lag))
        return found

    def _others(self, slot: Slot) -> list[str]:
        record = slot.replica.record
        members = record.members if record is not None else ()
        return [storage for storage in members if storage != self._storage]


def _is_there(lag: int | None) -> bool:
    return lag is not None and lag <= BEHIND_ENTRIES


def _role(slot: Slot) -> str:
    replica = slot.replica
    if replica.role is Role.FAILED:
        return "failed"
    if replica.is_leading:
        return "led" if slot.is_active else "starting"
    return "recovering" if replica.promise.recall else "following"
