"""What a cluster's answers add up to: healthy, degraded or down. Pure: values in, values out.

Rules: a process is `ready`, `starting` (answers, but says why it does not serve), `silent` (its pid
runs, nothing answers) or `down` (no such pid). A slot without a live leader is unavailable; one
with fewer copies than wanted is served, and what it acknowledges is on a majority of them. The
cluster is healthy when all are ready, every slot is served, and every copy is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ops.copies import NodeCopies, Replication, added_up, some

State = Literal["ready", "starting", "silent", "down"]
Verdict = Literal["HEALTHY", "DEGRADED", "DOWN"]
_SLOTS_TOLD = 40  # characters of slot numbers in a sentence; --json has them all


@dataclass(frozen=True)
class ProcessHealth:
    """One process. `reasons`: why it is not ready, in its own words; None: not known.

    `suspected_by`: nodes that do not hear it. `last_end`: how it ended, if it was not started
    again; `is_refusing`: nor will it be.
    """

    role: str
    name: str
    state: State
    pid: int
    url: str
    reasons: Sequence[str] = ()
    memory_bytes: int | None = None
    age_s: float | None = None
    slots_led: int | None = None
    connections: int | None = None
    copies: NodeCopies | None = None
    suspected_by: Sequence[str] = ()
    last_end: str = ""
    is_refusing: bool = False

    def row(self) -> dict[str, object]:
        """As the JSON answer shows it; what is unknown is left out."""
        row: dict[str, object] = {
            "name": self.name,
            "state": self.state,
            "pid": self.pid,
            "url": self.url,
        }
        optional: dict[str, object] = {
            "reasons": list(self.reasons) or None,
            "memory_bytes": self.memory_bytes,
            "age_s": self.age_s,
            "slots_led": self.slots_led,
            "connections": self.connections,
            "suspected_by": list(self.suspected_by) or None,
            "last_end": self.last_end or None,
        }
        if self.copies is not None:
            optional |= {
                "slots_held": self.copies.held,
                "slots_starting": self.copies.starting,
                "slots_following": self.copies.following,
                "slots_recovering": self.copies.recovering,
                "slots_failed": self.copies.failed,
                "failures": {str(n): why for n, why in self.copies.failures.items()} or None,
                "slots_under_replicated": self.copies.under_replicated,
                "lag_entries_max": self.copies.follower_lag_max,
                "apply_lag_entries_max": self.copies.apply_lag_max,
            }
        return row | {key: value for key, value in optional.items() if value is not None}


@dataclass(frozen=True)
class Health:
    """All of it. `slots_led` counts slots that a node which answers leads.

    `unserved`: slots whose leader does not answer, as far as the map tells.
    """

    app: str
    processes: Sequence[ProcessHealth]
    slots: int
    slots_led: int
    copies: int
    map_revision: int
    supervisor_runs: bool
    map_digest: str = ""
    replication: Replication = field(default_factory=lambda: added_up(0, {}))
    unserved: Sequence[int] = ()
    coordinator_error: str = ""

    @property
    def verdict(self) -> Verdict:
        ready = {process.role for process in self.processes if process.state == "ready"}
        if ready != {"node", "router", "edge"} or self.slots_led == 0:
            return "DOWN"
        all_ready = all(process.state == "ready" for process in self.processes)
        is_served = self.slots_led == self.slots and self.supervisor_runs
        is_whole = self.replication.is_whole and not self.coordinator_error
        return "HEALTHY" if all_ready and is_served and is_whole else "DEGRADED"

    @property
    def unreachable(self) -> list[str]:
        return [p.name for p in self.processes if p.state in ("silent", "down")]

    def data(self) -> dict[str, object]:
        """The `data` of `hubbub.status/1`."""
        return {
            "state": self.verdict.lower(),
            "map_revision": self.map_revision,
            "map_digest": self.map_digest,
            "slots": self.slots,
            "slots_led": self.slots_led,
            "copies": self.copies,
            **self.replication.data(),
            "supervisor_runs": self.supervisor_runs,
            "coordinator_error": self.coordinator_error,
            **{
                f"{role}s": [p.row() for p in self.processes if p.role == role]
                for role in ("node", "router", "edge")
            },
        }


def state_of(*, runs: bool, answer: Any, status: int | None) -> tuple[State, list[str]]:
    """State and reasons from whether the pid runs and what /readyz answered (None: nothing)."""
    if status is None:
        return ("silent", ["no answer"]) if runs else ("down", [])
    if status == 200:
        return "ready", []
    reasons = answer.get("reasons") if isinstance(answer, Mapping) else None
    return "starting", [str(reason) for reason in reasons or ["not ready"]]


def what_now(health: Health) -> list[str]:
    """A sentence for each thing that is wrong, and what becomes of it."""
    lines = []
    if health.coordinator_error:
        lines.append(
            f"{health.coordinator_error}; chatting goes on, a dead node is not replaced meanwhile"
        )
    if not health.supervisor_runs:
        lines.append("no supervisor runs: nothing that ends is started again")
    lines += [line for process in health.processes for line in _of_process(process)]
    lines += _of_slots(health)
    return [f"what now   {line}" for line in lines]


def age(seconds: float | None) -> str:
    """ "42s", "1m05s", "3h12m"; "-" if unknown."""
    if seconds is None:
        return "-"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def _of_process(process: ProcessHealth) -> list[str]:
    by = f" (not heard by {', '.join(process.suspected_by)})" if process.suspected_by else ""
    match process.state:
        case "down":
            ended = f", {process.last_end}" if process.last_end else ""
            then = "the supervisor starts it again"
            if process.is_refusing:
                then = f"it refuses to run, and run/logs/{process.name}.log says why"
            lines = [f"{process.name} is down{ended}; {then}{by}"]
        case "silent":
            lines = [
                f"{process.name} (pid {process.pid}) runs but does not answer{by}; its last words "
                f"are in run/logs/{process.name}.log"
            ]
        case "starting":
            lines = [f"{process.name} says: {', '.join(process.reasons)}{by}"]
        case "ready":
            others = ", ".join(process.suspected_by)
            lines = [f"{process.name} is not heard by {others}: their link is cut"] if by else []
    copies = process.copies
    if copies is not None and copies.failed:
        slot, why = next(iter(copies.failures.items()), (-1, "see its log"))
        lines.append(f"{process.name} gave up {copies.failed} slots, as slot {slot}: {why}")
    if copies is not None and copies.recovering:
        lines.append(
            f"{process.name} recovers {copies.recovering} slots from the other copies; until then "
            "they have no vote"
        )
    return lines


def _of_slots(health: Health) -> list[str]:
    lines, copies = [], health.replication
    missing = health.slots - health.slots_led
    if missing and health.processes:
        which = f" ({some(health.unserved, _SLOTS_TOLD)})" if health.unserved else ""
        lines.append(
            f"{missing} of {health.slots} slots are not served{which}: they wait for a majority of "
            "their copies"
        )
    for count, slots in copies.by_copies.items():
        if count < copies.wanted:
            told = copies.short_slots.get(count, [])
            which = f" ({some(told, _SLOTS_TOLD)})" if told else ""
            lines.append(
                f"{slots} slots have {count} of {copies.wanted} copies{which}: served, and stored "
                "by a majority; the others catch up by themselves"
            )
    return lines
