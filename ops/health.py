"""What a cluster's answers add up to: healthy, degraded or down. Pure: values in, values out.

Rules: a process is `ready`, `starting` (answers, but says why it does not serve), `silent` (its pid
runs, nothing answers) or `down` (no such pid). A slot without a live leader is unavailable. The
cluster is healthy when all are ready and every slot has one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

State = Literal["ready", "starting", "silent", "down"]
Verdict = Literal["HEALTHY", "DEGRADED", "DOWN"]


@dataclass(frozen=True)
class ProcessHealth:
    """One process. `reasons`: why it is not ready, in its own words; None: not known."""

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

    def row(self) -> dict[str, object]:
        """As the JSON answer shows it; what is unknown is left out."""
        row: dict[str, object] = {
            "name": self.name,
            "state": self.state,
            "pid": self.pid,
            "url": self.url,
        }
        optional = {
            "reasons": list(self.reasons) or None,
            "memory_bytes": self.memory_bytes,
            "age_s": self.age_s,
            "slots_led": self.slots_led,
            "connections": self.connections,
        }
        return row | {key: value for key, value in optional.items() if value is not None}


@dataclass(frozen=True)
class Health:
    """All of it. `slots_led` counts slots whose leader is a node that is registered and ready."""

    app: str
    processes: Sequence[ProcessHealth]
    slots: int
    slots_led: int
    copies: int
    map_revision: int
    supervisor_runs: bool

    @property
    def verdict(self) -> Verdict:
        ready = {process.role for process in self.processes if process.state == "ready"}
        if ready != {"node", "router", "edge"} or self.slots_led == 0:
            return "DOWN"
        all_ready = all(process.state == "ready" for process in self.processes)
        is_whole = all_ready and self.slots_led == self.slots and self.supervisor_runs
        return "HEALTHY" if is_whole else "DEGRADED"

    @property
    def unreachable(self) -> list[str]:
        return [p.name for p in self.processes if p.state in ("silent", "down")]

    def data(self) -> dict[str, object]:
        """The `data` of `hubbub.status/1`."""
        return {
            "state": self.verdict.lower(),
            "map_revision": self.map_revision,
            "slots": self.slots,
            "slots_led": self.slots_led,
            "copies": self.copies,
            "supervisor_runs": self.supervisor_runs,
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


def table(health: Health) -> list[str]:
    """What a person reads, within 80 columns for usual names."""
    slots = f"{health.slots} slots"
    if health.slots_led < health.slots:
        slots = f"{health.slots_led} of {health.slots} slots served"
    copies = "1 copy" if health.copies == 1 else f"{health.copies} copies"
    lines = [f"{health.app}   {health.verdict}   {slots}, {copies}   map {health.map_revision}", ""]
    for role, extra in (("node", "LEADS"), ("router", ""), ("edge", "CONNS")):
        title = f"{role.upper()}S"
        lines.append(f"{title:<12}{'STATE':<10}{'PID':>8}{'UP':>9}{'MEM':>9}{extra:>8}  URL")
        lines += [_line(process) for process in health.processes if process.role == role]
        lines.append("")
    return lines + what_now(health)


def what_now(health: Health) -> list[str]:
    """A sentence for each thing that is wrong."""
    lines = []
    if not health.supervisor_runs:
        lines.append("what now   no supervisor runs: nothing that ends is started again")
    for process in health.processes:
        if process.state == "down":
            lines.append(f"what now   {process.name} is down; the supervisor starts it again")
        elif process.state == "silent":
            lines.append(f"what now   {process.name} (pid {process.pid}) runs but does not answer")
        elif process.state == "starting":
            lines.append(f"what now   {process.name} says: {', '.join(process.reasons)}")
    return lines


def _line(process: ProcessHealth) -> str:
    extra = process.slots_led if process.role == "node" else process.connections
    memory = "-" if process.memory_bytes is None else f"{process.memory_bytes >> 20} MB"
    return (
        f"{process.name:<12}{process.state:<10}{process.pid:>8}{_age(process.age_s):>9}"
        f"{memory:>9}{'' if extra is None else extra:>8}  {process.url}"
    ).rstrip()


def _age(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
