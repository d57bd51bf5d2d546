"""What `hubbub ring check` looks at, and what it adds up to.

Rule: coverage, copies and agreement decide; balance only informs, because an election takes what is
near, not what is even.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from ops.agreement import Agreement
from ops.answer import Exit
from ops.copies import some
from ops.health import Health, ProcessHealth
from ops.render import sentences
from ops.shares import Shares, against

Mark = Literal["ok", "WARN", "FAIL", "--"]
_SLOTS_TOLD: Final = 40  # characters of slot numbers in a sentence; --json has them all


@dataclass(frozen=True)
class Point:
    """One thing that was looked at."""

    mark: Mark
    name: str
    words: str

    def line(self) -> str:
        return f"{f'[{self.mark}]':<7}{self.name:<11}{self.words}"


def points(health: Health, agreement: Agreement, shares: Shares | None) -> list[Point]:
    """Everything, worst first last: the order is always the same."""
    return [
        _coverage(health),
        _copies(health),
        _agreement(health, agreement),
        *([_balance(shares)] if shares is not None else []),
    ]


def exit_code(found: Sequence[Point], health: Health, agreement: Agreement) -> Exit:
    """3 if nobody answers, 10 if something is wrong, 7 if somebody is silent."""
    if len(health.unreachable) == len(health.processes):
        return Exit.UNREACHABLE
    if any(point.mark in ("WARN", "FAIL") for point in found):
        return Exit.UNHEALTHY
    return Exit.PARTIAL if health.unreachable or agreement.untold else Exit.DONE


def lines(health: Health, agreement: Agreement, found: Sequence[Point]) -> list[str]:
    """What a person reads, within 80 columns for usual names."""
    truth = agreement.truth
    shown = [
        f"{health.app}   {health.slots} slots   compared with the map of {_source(agreement)}",
        "",
        f"{'PROCESS':<14}{'REVISION':>9}   {'DIGEST':<19}MAP",
    ]
    if agreement.source == "coordinator" and truth is not None:
        shown.append(_row("coordinator", truth.revision, truth.digest, ""))
    shown += [_process(process, agreement) for process in health.processes]
    return [*shown, "", *sentences([point.line() for point in found], indent=18)]


def data(health: Health, agreement: Agreement, found: Sequence[Point]) -> dict[str, object]:
    """The `data` of `hubbub.ring-check/1`."""
    truth = agreement.truth
    return {
        "source": agreement.source,
        "map_revision": truth.revision if truth is not None else 0,
        "map_digest": truth.digest if truth is not None else "",
        "processes": [
            {
                "name": process.name,
                "role": process.role,
                "map": _word(process, agreement),
                **(
                    {"revision": told.revision, "digest": told.digest}
                    if (told := agreement.told.get(process.name)) is not None
                    else {}
                ),
                **(
                    {"story": agreement.stories[process.name]}
                    if process.name in agreement.stories
                    else {}
                ),
            }
            for process in health.processes
        ],
        "points": [{"mark": p.mark, "name": p.name, "words": p.words} for p in found],
    }


def _coverage(health: Health) -> Point:
    words = f"{health.slots_led}/{health.slots} slots are led by a node that answers"
    if health.slots_led == health.slots and health.slots:
        return Point("ok", "coverage", words)
    which = f"; not: {some(health.unserved, _SLOTS_TOLD)}" if health.unserved else ""
    return Point("FAIL", "coverage", words + which)


def _copies(health: Health) -> Point:
    found = health.replication
    whole = found.by_copies.get(found.wanted, 0)
    copies = "their only copy" if found.wanted == 1 else f"all {found.wanted} copies"
    words = f"{whole}/{health.slots} slots have {copies}"
    if not found.short and not found.failed and not found.recovering:
        return Point("ok" if whole == health.slots else "WARN", "copies", words)
    parts = [
        f"{slots} have {count} ({some(found.short_slots.get(count, []), _SLOTS_TOLD) or '?'})"
        for count, slots in found.by_copies.items()
        if count < found.wanted
    ]
    parts += [f"{found.failed} copies have failed"] if found.failed else []
    parts += [f"{found.recovering} copies are recovering"] if found.recovering else []
    return Point("WARN", "copies", "; ".join([words, *parts]))


def _agreement(health: Health, agreement: Agreement) -> Point:
    if agreement.stories:
        words = "; ".join(f"{name} {story}" for name, story in agreement.stories.items())
        return Point("FAIL", "agreement", words)
    agreeing = f"{len(agreement.told)} processes have the map of {_source(agreement)}"
    unknown = [*health.unreachable, *agreement.untold]
    if not agreement.told:
        return Point("FAIL", "agreement", "no process tells its map")
    if health.coordinator_error:
        return Point("WARN", "agreement", f"{agreeing}; {health.coordinator_error}")
    if unknown:
        return Point("--", "agreement", f"{agreeing}; unknown: {', '.join(unknown)}")
    return Point("ok", "agreement", agreeing)


def _balance(shares: Shares) -> Point:
    if not shares.nodes:
        return Point("--", "balance", "no node is known")
    leads = max(shares.nodes, key=lambda node: node.leads)
    holds = max(shares.nodes, key=lambda node: node.holds)
    words = (
        f"{leads.name} leads the most, {against(leads.leads, shares.leads_mean)} against the mean; "
        f"{holds.name} holds the most, {against(holds.holds, shares.holds_mean)}"
    )
    return Point("--", "balance", words)


def _source(agreement: Agreement) -> str:
    source = agreement.source or "nobody"
    return "the coordinator" if source == "coordinator" else source


def _process(process: ProcessHealth, agreement: Agreement) -> str:
    told = agreement.told.get(process.name)
    word = _word(process, agreement)
    if told is None:
        return _row(process.name, None, "-", word)
    return _row(process.name, told.revision, told.digest, word)


def _word(process: ProcessHealth, agreement: Agreement) -> str:
    """ "agrees", "behind", "differs", "no answer", "not told"."""
    told = agreement.told.get(process.name)
    if told is None:
        return "not told" if process.name in agreement.untold else "no answer"
    if process.name not in agreement.stories:
        return "agrees"
    is_behind = agreement.truth is not None and told.revision < agreement.truth.revision
    return "behind" if is_behind else "differs"


def _row(name: str, revision: int | None, digest: str, word: str) -> str:
    shown = "-" if revision is None else revision
    return f"{name:<14}{shown:>9}   {digest:<19}{word}".rstrip()
