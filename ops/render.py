"""How answers look to a person: tables and sentences within 80 columns. Pure.

Rule: a line is longer only for names or addresses that are longer than usual; a sentence is folded.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final

from ops.health import Health, ProcessHealth, age, what_now

COLUMNS: Final = 80
_SENTENCE_INDENT: Final = len("what now   ")


def status_table(health: Health) -> list[str]:
    """`hubbub status`."""
    slots = f"{health.slots} slots"
    if health.slots_led < health.slots:
        slots = f"{health.slots_led} of {health.slots} slots served"
    copies = "1 copy" if health.copies == 1 else f"{health.copies} copies"
    lines = [f"{health.app}   {health.verdict}   {slots}, {copies}   map {health.map_revision}", ""]
    lines.append(
        f"{'NODES':<10}{'STATE':<9}{'PID':>7}{'UP':>8}{'MEM':>9}{'LEADS':>7}{'HOLDS':>7}"
        f"{'LAG':>6}  ADMIN"
    )
    lines += [_node(process) for process in health.processes if process.role == "node"]
    lines.append("")
    for role, extra in (("router", ""), ("edge", "CONNS")):
        title = f"{role.upper()}S"
        lines.append(f"{title:<10}{'STATE':<9}{'PID':>7}{'UP':>8}{'MEM':>9}{extra:>7}  URL")
        lines += [_line(process) for process in health.processes if process.role == role]
        lines.append("")
    lines += [*_replication(health), *sentences(what_now(health))]
    return lines if lines[-1] else lines[:-1]


def sentences(lines: Sequence[str], indent: int = _SENTENCE_INDENT) -> list[str]:
    """Each folded; what goes on begins `indent` columns to the right."""
    return [
        part
        for line in lines
        for part in textwrap.wrap(
            line,
            COLUMNS,
            subsequent_indent=" " * indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
    ]


def _replication(health: Health) -> list[str]:
    """How many copies are there, and what happened lately; nothing for a cluster of one copy."""
    found = health.replication
    if found.wanted < 2:
        return []
    there = [f"{slots} slots x {copies}" for copies, slots in reversed(found.by_copies.items())]
    lines = [f"copies     {', '.join(there) or 'none'} of {found.wanted}   lag {found.lag_max}"]
    if found.failovers:
        names = ", ".join(found.failovers)
        last = age((found.last_failover_ago_ms or 0) / 1_000)
        lines.append(
            f"failovers  {sum(found.failovers.values())} slots in the last hour, from {names}, "
            f"the last {last} ago"
        )
    return [*sentences(lines), ""]


def _node(process: ProcessHealth) -> str:
    copies = process.copies
    holds = "-" if copies is None else str(copies.held)
    lag = "-" if copies is None else str(max(copies.follower_lag_max, copies.apply_lag_max))
    leads = "" if process.slots_led is None else str(process.slots_led)
    return f"{_start(process)}{leads:>7}{holds:>7}{lag:>6}  {place(process.url)}".rstrip()


def _line(process: ProcessHealth) -> str:
    extra = "" if process.connections is None else process.connections
    return f"{_start(process)}{extra:>7}  {process.url}".rstrip()


def _start(process: ProcessHealth) -> str:
    memory = "-" if process.memory_bytes is None else f"{process.memory_bytes >> 20} MB"
    pid = process.pid or "-"
    return f"{process.name:<10}{process.state:<9}{pid:>7}{age(process.age_s):>8}{memory:>9}"


def place(url: str) -> str:
    """Host and port of a url, or its scheme for a socket of this machine."""
    scheme, _, rest = url.partition("://")
    return scheme if scheme in ("ipc", "inproc") else rest
