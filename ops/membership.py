"""Steps of commands that change which nodes there are, and what they shall hold.

Rules:
1. A step rests on one look: if the cluster changed meanwhile it is refused, and the command is to
   be given again. Nothing is kept here: a plan lives in the coordinator and needs no command.
2. A node goes in two steps: first no plan uses it and its process is stopped, then its place is
   forgotten. A command that died in between is given again.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Final

from hubbub.coordinator.api import Guard, Op, Put
from hubbub.coordinator.membership import change, in_state, new_plan, put_plan
from hubbub.coordinator.records import REBALANCE_KEY, RebalanceRecord, RebalanceState
from hubbub.ring.moves import HolderState, is_held_by
from hubbub.wire.codec import encode_json
from ops.answer import Exit, Failure
from ops.census import UNDER_WAY, Census, Draft, NodePlace, now_ms
from ops.records import NODES_KEY

_PLAN_ID_BYTES: Final = 4


class Membership(Census):
    """The nodes and the plan of one cluster, to be changed. Its steps raise Failure(CONFLICT)."""

    def start(self, draft: Draft, moves_per_node_max: int) -> RebalanceRecord:
        """Writes a plan over whatever plan there is: the nodes carry it out from now on."""
        plan = new_plan(
            secrets.token_hex(_PLAN_ID_BYTES),
            draft.targets,
            draft.copies,
            len(draft.moves),
            now_ms(),
            moves_per_node_max=moves_per_node_max,
        )
        self._check_announced(draft.changes)
        changes = [self.storages.change(name, state) for name, state in draft.changes.items()]
        self.run(put_plan(self.coordinator, plan, self.plan_revision, changes))
        return plan

    def change_plan(self, state: RebalanceState, allowed: Sequence[RebalanceState]) -> None:
        """Writes another state of the plan. Raises Failure(CONFLICT) if it is in none of these."""
        standing = self.standing()
        if standing is None or standing.plan.state not in allowed:
            what = "there is no plan" if standing is None else f"the plan is {standing.plan.state}"
            raise Failure(
                f"{what}, not {' or '.join(allowed)}",
                exit_code=Exit.CONFLICT,
                tries=["hubbub rebalance status", "hubbub rebalance start"],
            )
        changed = in_state(standing.plan, state, now_ms(), standing.left)
        self.run(put_plan(self.coordinator, changed, self.plan_revision))

    def change_states(self, changes: Mapping[str, HolderState]) -> None:
        """Writes states of places, and no plan."""
        self._check_announced(changes)
        steps = [self.storages.change(name, state) for name, state in changes.items()]
        self.run(change(self.coordinator, [g for g, _ in steps], [op for _, op in steps]))

    def add(self, ids: Mapping[str, str]) -> None:
        """More nodes of this directory, by name."""
        wanted = {**self.local, **ids}
        guard = Guard(NODES_KEY, self.local_revision)
        self.run(change(self.coordinator, [guard], [Put(NODES_KEY, encode_json(wanted))]))

    def check_empty(self, place: NodePlace) -> None:
        """Raises Failure(CONFLICT) if a node holds anything, or a plan gives it something."""
        held = sum(is_held_by(r, place.storage) for _, r in self.view.slot_map.items())
        if held or place.leads:
            raise Failure(
                f"{place.name} still holds copies of {held} slots",
                exit_code=Exit.CONFLICT,
                cause=["what it holds must be elsewhere before it goes"],
                tries=[f"hubbub nodes drain {place.name}"],
            )
        plan = self.view.plan
        if plan is not None and plan.state in UNDER_WAY and place.storage in plan.members:
            raise Failure(
                f"the plan {plan.id} gives copies to {place.name}",
                exit_code=Exit.CONFLICT,
                tries=[f"hubbub nodes drain {place.name}", "hubbub rebalance abort"],
            )

    def begin_removal(self, place: NodePlace) -> None:
        """A node that holds nothing is to go: no plan uses it, its process is stopped."""
        self.check_empty(place)
        guards = [Guard(REBALANCE_KEY, self.plan_revision)]
        ops: list[Op] = []
        if place.storage in self.storages.records:
            guard, put = self.storages.change(place.storage, "leaving")
            guards.append(guard)
            ops.append(put)
        if place.name in self.local:
            guards.append(Guard(NODES_KEY, self.local_revision))
            left = {name: found for name, found in self.local.items() if name != place.name}
            ops.append(Put(NODES_KEY, encode_json(left)))
        if ops:
            self.run(change(self.coordinator, guards, ops))

    def end_removal(self, place: NodePlace) -> None:
        """The process is gone: forget its place."""
        if place.storage in self.storages.records:
            guard, delete = self.storages.remove(place.storage)
            self.run(change(self.coordinator, [guard], [delete]))

    def _check_announced(self, changes: Mapping[str, HolderState]) -> None:
        for storage in changes:
            if storage not in self.storages.records:
                raise Failure(
                    f"the node of {storage} has never run",
                    exit_code=Exit.CONFLICT,
                    tries=["start it once, then the same command"],
                )
