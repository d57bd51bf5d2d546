"""Who holds what in a cluster and who should, as of one look, for commands that ask.

Rules:
1. All values are those of the last `look`; nothing here changes the cluster (`ops.membership`).
2. Copies whose place nobody has announced are never planned away: it may be a node that is down.
3. On the cluster of one directory all nodes share this machine, and that is allowed and said;
   elsewhere copies of a slot stay in different failure domains unless that is waived by name.
4. A node that came back with another disk is another place: the old one counts as draining, for
   nothing will ever come from there.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from hubbub.coordinator.api import Coordinator, CoordinatorError
from hubbub.coordinator.cluster import ClusterMissing, ClusterView
from hubbub.coordinator.membership import (
    Changed,
    Storages,
    read_plan,
    read_storages,
)
from hubbub.coordinator.open import open_coordinator
from hubbub.coordinator.records import ProcessRecord, RebalanceRecord
from hubbub.ring.moves import (
    Holder,
    HolderState,
    Move,
    Pace,
    deviation,
    members_of,
    moves_between,
    pace,
    plan_targets,
    unpack_targets,
)
from hubbub.ring.placement import PlacementError
from hubbub.wire.codec import decode_json
from ops.answer import Exit, Failure
from ops.directory import Directory
from ops.records import NODES_KEY

T = TypeVar("T")
UNDER_WAY: Final = ("running", "paused", "aborting")


@dataclass(frozen=True)
class NodePlace:
    """One node and its copies, as the records have them."""

    name: str
    storage: str
    domain: str
    state: HolderState
    is_up: bool
    copies: int
    leads: int
    incoming: int  # copies that are being made here

    def row(self) -> dict[str, object]:
        """As the JSON answer shows it."""
        return {
            "name": self.name,
            "storage": self.storage,
            "domain": self.domain,
            "state": self.state,
            "up": self.is_up,
            "copies": self.copies,
            "leads": self.leads,
            "incoming": self.incoming,
        }


@dataclass(frozen=True)
class Draft:
    """A plan that is not written yet. `changes`: states that are written with it."""

    targets: Mapping[int, tuple[str, ...]]
    moves: Sequence[Move]
    copies: int
    changes: Mapping[str, HolderState] = field(default_factory=dict)


@dataclass(frozen=True)
class Standing:
    """How far a plan is. `leaders_astray`: slots that somebody else should lead."""

    plan: RebalanceRecord
    left: int
    under_way: int
    leaders_astray: int
    pace: Pace

    @property
    def moved(self) -> int:
        return max(0, self.plan.moves - self.left)

    @property
    def is_over(self) -> bool:
        return self.plan.state not in UNDER_WAY

    def row(self) -> dict[str, object]:
        """As the JSON answer shows it."""
        left_s = self.pace.left_s
        return {
            "id": self.plan.id,
            "state": self.plan.state,
            "moves": self.plan.moves,
            "moved": self.moved,
            "left": self.left,
            "under_way": self.under_way,
            "leaders_astray": self.leaders_astray,
            "moves_per_s": round(self.pace.moves_per_s, 2),
            "left_s": None if left_s is None else round(left_s, 1),
        }


class Census:
    """The nodes and the plan of one cluster; `close` it.

    All methods raise Failure(UNREACHABLE) if the coordinator does not answer.
    """

    def __init__(self, coordinator: Coordinator, directory: Directory | None) -> None:
        self.directory = directory
        self._runner = asyncio.Runner()
        self.coordinator = coordinator
        self.view = ClusterView(coordinator)
        self.storages = Storages({}, {})
        self.plan_revision = 0
        self.local: dict[str, str] = {}  # of the directory's nodes: name → storage id
        self.local_revision = 0

    @classmethod
    def open(cls, directory: Directory | None, url: str = "") -> Self:
        """Of the cluster in a directory, or of the one that a coordinator's url names."""
        if directory is not None and not directory.has_cluster:
            raise Failure(
                f"there is no cluster in {directory.root}",
                exit_code=Exit.NOT_FOUND,
                tries=[f"hubbub up --dir {directory.root}", "--coordinator URL"],
            )
        try:
            place = directory.coordinator_url if directory is not None else url
            made = cls(open_coordinator(place), directory)
        except (CoordinatorError, ValueError) as error:
            raise Failure(str(error), exit_code=Exit.USAGE) from None
        try:
            made.look()
        except BaseException:
            made.close()
            raise
        return made

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._runner.run(self.coordinator.close())
        self._runner.close()

    # --- what is

    def look(self) -> None:
        """Reads everything anew."""
        self.run(self._look())

    async def _look(self) -> None:
        await self.view.load()
        self.storages = await read_storages(self.coordinator)
        _, self.plan_revision = await read_plan(self.coordinator)
        found = await self.coordinator.get(NODES_KEY) if self.directory is not None else None
        self.local = decode_json(found.value, dict[str, str]) if found is not None else {}
        self.local_revision = found.mod_revision if found is not None else 0

    @property
    def app(self) -> str:
        """The first app's name: what the answers call the cluster."""
        return min(self.view.apps, default="")

    @property
    def slots(self) -> int:
        return self.view.slot_map.slots

    @property
    def copies(self) -> int:
        """Copies that each slot has, or is about to have."""
        plan = self.view.plan
        if plan is not None and plan.state in UNDER_WAY:
            return plan.copies
        return max((len(r.members) for _, r in self.view.slot_map.items()), default=0)

    @property
    def names(self) -> set[str]:
        """Of every node that there is or that this directory has."""
        return {place.name for place in self.places()} | self.local.keys()

    def places(self) -> list[NodePlace]:
        """Every node, by name."""
        copies: Counter[str] = Counter()
        incoming: Counter[str] = Counter()
        leads: Counter[str] = Counter()
        for slot in range(self.slots):
            record = self.view.slot_map.record_of(slot)
            if record is None:
                continue
            copies.update(record.members)
            incoming.update(record.learners)
            leader = record.leader
            live = self.view.nodes.get(leader.node) if leader is not None else None
            if leader is not None and live is not None and live.boot_id == leader.boot_id:
                leads[self._storage_of(live)] += 1
        up = self.live_storages()
        return [
            NodePlace(
                name=name,
                storage=storage,
                domain=domain,
                state=state,
                is_up=storage in up,
                copies=copies[storage],
                leads=leads[storage],
                incoming=incoming[storage],
            )
            for name, storage, domain, state in sorted(self._known())
        ]

    def _known(self) -> list[tuple[str, str, str, HolderState]]:
        """(name, storage id, domain, state): announced, or at least named by the directory."""
        known: dict[str, tuple[str, str, str, HolderState]] = {
            storage: (name, storage, "", "active") for name, storage in self.local.items()
        }
        for storage, record in self.storages.records.items():
            live = self.view.nodes.get(record.name)
            is_replaced = live is not None and self._storage_of(live) != storage
            state = "draining" if is_replaced and record.state == "active" else record.state
            known[storage] = (record.name, storage, record.domain, state)
        return list(known.values())

    def live_storages(self) -> set[str]:
        """The places whose process runs."""
        return {self._storage_of(record) for record in self.view.nodes.values()}

    def _storage_of(self, record: ProcessRecord) -> str:
        return record.storage_id or self.local.get(record.name, "")

    def place(self, name: str) -> NodePlace:
        """One node, by its name or its storage id; the one that is up, if two have that name.

        Raises Failure(NOT_FOUND).
        """
        for place in sorted(self.places(), key=lambda place: not place.is_up):
            if name in (place.name, place.storage):
                return place
        there = ", ".join(sorted(place.name for place in self.places())) or "none"
        raise Failure(
            f"there is no node {name!r}; there are {there}",
            exit_code=Exit.NOT_FOUND,
            tries=["hubbub nodes list"],
        )

    def balance(self) -> float:
        """The worst distance of a node's copies from the mean, as a share of it."""
        staying = [place for place in self.places() if place.state == "active"]
        counts = {place.storage: place.copies for place in staying}
        return deviation(counts, counts.keys())

    def standing(self) -> Standing | None:
        """How far the plan is; None if there never was one."""
        plan = self.view.plan
        if plan is None:
            return None
        records = dict(self.view.slot_map.items())
        targets = unpack_targets(plan.members, plan.targets, plan.copies)
        is_over = plan.state not in UNDER_WAY
        moves = moves_between(members_of(records.items()), dict(enumerate(targets)))
        left = 0 if plan.state == "done" else len(moves)
        elapsed_ms = (plan.finished_ms if is_over else now_ms()) - plan.since_ms
        storage_of = {name: self._storage_of(record) for name, record in self.view.nodes.items()}
        return Standing(
            plan=plan,
            left=left,
            under_way=sum(len(record.learners) for record in records.values()),
            leaders_astray=sum(
                record.leader is None or storage_of.get(record.leader.node) != (record.members[0])
                for record in records.values()
            ),
            pace=pace(plan.since_left - left, left, elapsed_ms),
        )

    # --- what should be

    def draft(
        self,
        copies: int | None = None,
        changes: Mapping[str, HolderState] | None = None,
        *,
        allow_same_domain: bool = False,
    ) -> Draft:
        """A plan for the nodes that stay. Args: changes: storage id → state, as if it were so.

        Raises Failure(CONFLICT) where the copies or their domains would not be kept.
        """
        self._check_known()
        wanted, states = copies or self.copies, changes or {}
        holders = [
            Holder(storage, domain, states.get(storage, state))
            for _, storage, domain, state in self._known()
        ]
        current = members_of(self.view.slot_map.items())
        try:
            targets = plan_targets(
                holders,
                self.slots,
                wanted,
                current,
                allow_same_domain=allow_same_domain or self.directory is not None,
            )
        except PlacementError as error:
            staying = sum(holder.state == "active" for holder in holders)
            raise Failure(
                str(error),
                exit_code=Exit.CONFLICT,
                tries=["hubbub nodes add", f"hubbub rebalance start --copies {max(1, staying)}"],
            ) from None
        return Draft(targets, moves_between(current, targets), wanted, states)

    def is_in_place(self, draft: Draft) -> bool:
        """Nothing would be written for this plan."""
        records = dict(self.view.slot_map.items())
        return not draft.changes and all(
            slot in records and records[slot].members == target and not records[slot].learners
            for slot, target in draft.targets.items()
        )

    def _check_known(self) -> None:
        """Rule 2."""
        known = {storage for _, storage, _, _ in self._known()}
        held = {name for _, record in self.view.slot_map.items() for name in record.members}
        if unknown := sorted(held - known):
            raise Failure(
                f"copies are on {unknown[0]}, a place that no node has announced",
                exit_code=Exit.CONFLICT,
                cause=["a node of an older version announces its place when it starts"],
                tries=["start that node once, then the same command"],
            )

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Waits for something that is asked of the coordinator. Raises Failure."""
        try:
            return self._runner.run(work)
        except Changed as error:
            raise Failure(
                str(error), exit_code=Exit.CONFLICT, tries=["the same command again"]
            ) from None
        except ClusterMissing as error:
            raise Failure(str(error), exit_code=Exit.NOT_FOUND, tries=["hubbub up"]) from None
        except CoordinatorError as error:
            raise Failure(
                "the coordinator does not answer",
                exit_code=Exit.UNREACHABLE,
                cause=[str(error)],
                tries=["hubbub status"],
            ) from None


def now_ms() -> int:
    return time.time_ns() // 1_000_000
