"""The judgements of `hubbub check`: values in, one line with a state out. Pure.

Rules:
1. A state is the worst of what the thresholds say of each reading, and of what the check knows by
   itself (nothing is served, nobody answers).
2. The line is `STATE - words | readings`, each reading `name=value[unit];warning;critical;min;max`:
   what Nagios, Icinga, Zabbix and their like read.
3. Who did not answer stands in the words. UNKNOWN means that nothing could be measured, never that
   it was bad.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from ops.copies import some
from ops.health import Health
from ops.thresholds import Range, parse_range

_SLOTS_TOLD: Final = 40  # characters of slot numbers in a line
_DISK_NEARLY_FULL: Final = 95  # percent: from here it is hours or less


class State(IntEnum):
    """The exit code of a check."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


# UNKNOWN is worse than a warning and better than what is known to be bad.
_SEVERITY: Final = (State.OK, State.WARNING, State.UNKNOWN, State.CRITICAL)


@dataclass(frozen=True)
class Check:
    """One check. `unit` of its thresholds; an empty `critical` alerts never by itself."""

    name: str
    measures: str
    unit: str
    warning: str
    critical: str


CHECKS: Final[Mapping[str, Check]] = {
    check.name: check
    for check in (
        Check("cluster", "processes not ready; CRITICAL: a slot unserved", "", "0", ""),
        Check("replication", "slots that lack a copy; CRITICAL: one unserved", "", "0", ""),
        Check("lag", "entries that the slowest copy lacks", "", "200", "2000"),
        Check("disk", "used share of the fullest disk", "%", "85", "92"),
        Check("coordinator", "how long it takes to answer", "s", "0.2", "1"),
        Check("edges", "edges not ready; CRITICAL: none is", "", "0", ""),
        Check("fsync", "99th percentile within a second", "s", "0.1", "0.5"),
        Check("ring", "processes whose map differs", "", "0", ""),
    )
}


@dataclass(frozen=True)
class Limits:
    """The thresholds of one run; None never alerts."""

    warning: Range | None
    critical: Range | None

    def judge(self, value: float) -> State:
        if self.critical is not None and self.critical.alerts(value):
            return State.CRITICAL
        if self.warning is not None and self.warning.alerts(value):
            return State.WARNING
        return State.OK


@dataclass(frozen=True)
class Reading:
    """One number; without limits it only informs."""

    label: str
    value: float
    unit: str = ""
    limits: Limits | None = None
    high: float | None = None

    def text(self) -> str:
        """As perfdata."""
        warning = self.limits.warning.text if self.limits and self.limits.warning else ""
        critical = self.limits.critical.text if self.limits and self.limits.critical else ""
        high = "" if self.high is None else _plain(self.high)
        return f"{self.label}={_plain(self.value)}{self.unit};{warning};{critical};0;{high}"

    def row(self) -> dict[str, object]:
        """As the JSON answer shows it."""
        return {
            "label": self.label,
            "value": self.value,
            "unit": self.unit,
            "warning": self.limits.warning.text if self.limits and self.limits.warning else None,
            "critical": self.limits.critical.text if self.limits and self.limits.critical else None,
            "max": self.high,
        }


@dataclass(frozen=True)
class Finding:
    """What a check found."""

    state: State
    words: str
    readings: Sequence[Reading] = ()

    def line(self) -> str:
        """The one line."""
        perfdata = " ".join(reading.text() for reading in self.readings)
        words = self.words.replace("|", "/").replace("\n", " ")
        return f"{self.state.name} - {words}" + (f" | {perfdata}" if perfdata else "")


def limits_of(check: Check, warning: str | None, critical: str | None) -> Limits:
    """A check's thresholds, or those that were asked for. Raises WrongRange."""
    texts = (
        check.warning if warning is None else warning,
        check.critical if critical is None else critical,
    )
    made = [parse_range(text, check.unit) if text else None for text in texts]
    return Limits(*made)


def finding(words: str, readings: Sequence[Reading], *known: State) -> Finding:
    """Rule 1. Args: known: what the check knows by itself."""
    judged = [one.limits.judge(one.value) for one in readings if one.limits is not None]
    worst = max((*judged, *known, State.OK), key=_SEVERITY.index)
    return Finding(worst, words, readings)


# --- the checks


def cluster(health: Health, limits: Limits) -> Finding:
    """The verdict of `status`."""
    known = {"HEALTHY": State.OK, "DEGRADED": State.WARNING, "DOWN": State.CRITICAL}
    missing = [f"{one.name} is {one.state}" for one in health.processes if one.state != "ready"]
    unserved = health.slots - health.slots_led
    words = [health.verdict, *missing]
    if unserved:
        words.append(f"{unserved} of {health.slots} slots are not served")
    if not health.supervisor_runs:
        words.append("no supervisor runs")
    if health.coordinator_error:
        words.append(health.coordinator_error)
    if health.replication.short:
        words.append(_short_words(health))
    readings = [
        Reading("not_ready", len(missing), limits=limits, high=len(health.processes)),
        Reading("unserved", unserved, high=health.slots),
    ]
    served = State.CRITICAL if unserved else State.OK
    return finding(", ".join(words), readings, known[health.verdict], served)


def replication(health: Health, limits: Limits) -> Finding:
    """Copies that are missing."""
    copies, unserved = health.replication, health.slots - health.slots_led
    if not any(one.copies is not None for one in health.processes):
        return Finding(State.UNKNOWN, f"no node tells of its copies{_silent(health)}")
    words = []
    if unserved:
        which = f" ({some(health.unserved, _SLOTS_TOLD)})" if health.unserved else ""
        words.append(f"{unserved} of {health.slots} slots are not served{which}")
    if copies.short:
        words.append(_short_words(health))
    if copies.failed:
        words.append(f"{copies.failed} copies have failed")
    if copies.recovering:
        words.append(f"{copies.recovering} copies are recovering")
    if not words:
        count = "their only copy" if copies.wanted == 1 else f"{copies.wanted} copies"
        words.append(f"all {health.slots} slots have {count}")
    readings = [
        Reading("under_replicated", copies.short, limits=limits, high=health.slots),
        Reading("copies_min", 0 if unserved else copies.fewest, high=copies.wanted),
        Reading("unserved", unserved, high=health.slots),
    ]
    known = State.CRITICAL if unserved else State.OK
    harmed = State.WARNING if copies.failed or copies.recovering else State.OK
    return finding(", ".join(words) + _silent(health), readings, known, harmed)


def lag(health: Health, limits: Limits) -> Finding:
    """How far the slowest copy is behind."""
    told = {one.name: one.copies for one in health.processes if one.copies is not None}
    if not told:
        return Finding(State.UNKNOWN, f"no node tells of its copies{_silent(health)}")
    copies = health.replication
    worst = max(told, key=lambda name: max(told[name].follower_lag_max, told[name].apply_lag_max))
    where = f", as {worst} tells" if copies.lag_max else ""
    words = f"the slowest copy lacks {copies.lag_max} entries{where}{_silent(health)}"
    readings = [
        Reading("follower_lag", copies.follower_lag_max, limits=limits),
        Reading("apply_lag", copies.apply_lag_max, limits=limits),
    ]
    return finding(words, readings)


def edges(health: Health, limits: Limits) -> Finding:
    """Whether clients find somebody to connect to."""
    known = [one for one in health.processes if one.role == "edge"]
    if not known:
        return Finding(State.UNKNOWN, "no edge is known")
    missing = [f"{one.name} is {one.state}" for one in known if one.state != "ready"]
    connections = sum(one.connections or 0 for one in known)
    words = ", ".join(missing) or f"{len(known)} edges are ready"
    readings = [
        Reading("edges_not_ready", len(missing), limits=limits, high=len(known)),
        Reading("connections", connections),
    ]
    nobody = State.CRITICAL if len(missing) == len(known) else State.OK
    return finding(f"{words}, {connections} connections", readings, nobody)


def coordinator(answer_s: float | None, error: str, limits: Limits) -> Finding:
    """Args: answer_s: the median of some reads; None: it did not answer, and `error` says how."""
    if answer_s is None:
        return Finding(State.CRITICAL, f"{error}: chatting goes on, nothing dead is replaced")
    reading = Reading("answer", answer_s, "s", limits)
    return finding(f"it answers in {answer_s * 1_000:.1f} ms", [reading])


def disk(used: Mapping[str, float], limits: Limits) -> Finding:
    """Args: used: percent, by what lies there."""
    if not used:
        return Finding(State.UNKNOWN, "no data of this cluster is on this machine")
    readings = [Reading(name, round(share, 1), "%", limits, 100) for name, share in used.items()]
    fullest = max(used, key=lambda name: used[name])
    words = f"{used[fullest]:.0f} % of the disk of {fullest} is used"
    if used[fullest] > _DISK_NEARLY_FULL:
        words += ": a node that cannot write stops"
    return finding(words, readings)


def fsync(p99_s: Mapping[str, float | None], silent: Sequence[str], limits: Limits) -> Finding:
    """Args: p99_s: by node; None: it wrote nothing while it was watched."""
    if not p99_s:
        return Finding(State.UNKNOWN, "no node tells of its disk" + _unanswered(silent))
    readings = [Reading(name, round(s or 0.0, 6), "s", limits) for name, s in p99_s.items()]
    told = {name: s for name, s in p99_s.items() if s is not None}
    if not told:
        return finding("nothing was written just now" + _unanswered(silent), readings)
    slowest = max(told, key=lambda name: told[name])
    words = f"99 % of syncs take at most {told[slowest] * 1_000:.1f} ms, slowest on {slowest}"
    return finding(words + _unanswered(silent), readings)


def ring(
    stories: Mapping[str, str], silent: Sequence[str], processes: int, limits: Limits
) -> Finding:
    """Args: stories: process → how its map differs. processes: how many told theirs."""
    if not processes:
        return Finding(State.UNKNOWN, "no process tells its map" + _unanswered(silent))
    words = "; ".join(f"{name} {story}" for name, story in stories.items())
    reading = Reading("disagreeing", len(stories), limits=limits, high=processes)
    agreed = words or f"{processes} processes route by the same map"
    return finding(agreed + _unanswered(silent), [reading])


def _short_words(health: Health) -> str:
    parts = [
        f"{slots} of {health.slots} slots have {copies} of {health.replication.wanted} copies"
        for copies, slots in health.replication.by_copies.items()
        if copies < health.replication.wanted
    ]
    return ", ".join(parts)


def _silent(health: Health) -> str:
    return _unanswered(
        [
            one.name
            for one in health.processes
            if one.role == "node" and one.name in health.unreachable
        ]
    )


def _unanswered(names: Sequence[str]) -> str:
    return f"; no answer from {', '.join(names)}" if names else ""


def _plain(number: float) -> str:
    return f"{number:.6f}".rstrip("0").rstrip(".")
