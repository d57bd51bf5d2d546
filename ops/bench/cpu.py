"""What a set of processes has used: CPU time with that of their children, and memory.

Rules:
1. CPU time is utime + stime of every process, of its live descendants and of the children that it
   has waited for, so that a process which dies in the middle is still counted.
2. A process's own time is read from its CPU clock (nanoseconds). /proc/PID/stat counts whole ticks
   of 10 ms, too coarse for a second of a quiet cluster; only dead children are read from there.

Linux only: the clock's number and /proc are the kernel's.
"""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of several processes together, in KiB. `pss` shares out what they have in common."""

    pss_kib: int
    rss_kib: int


def process_clock(pid: int) -> int:
    """The number of a process's CPU clock: its pid inverted, shifted, with `sched` as the kind.

    Source: clock_getcpuclockid(3), whose answer this is on Linux.
    """
    return (~pid << 3) | 2


def family(pids: Iterable[int]) -> set[int]:
    """These processes and all their living descendants."""
    found: set[int] = set()
    waiting = list(pids)
    while waiting:
        pid = waiting.pop()
        if pid not in found and (_PROC / str(pid)).exists():
            found.add(pid)
            waiting += _children(pid)
    return found


def cpu_ns(pids: Iterable[int]) -> int:
    """CPU time of the processes and their descendants so far, dead children included, in ns."""
    return sum(_own_ns(pid) + _dead_children_ns(pid) for pid in family(pids))


def own_cpu_ns() -> int:
    """CPU time of the calling process, in ns."""
    return time.process_time_ns()


def memory(pids: Iterable[int]) -> Memory:
    """Memory of the processes and their descendants."""
    pss = rss = 0
    for pid in family(pids):
        fields = _fields(_PROC / str(pid) / "smaps_rollup")
        pss += fields.get("Pss", 0)
        rss += fields.get("Rss", 0)
    return Memory(pss, rss)


def _own_ns(pid: int) -> int:
    try:
        return time.clock_gettime_ns(process_clock(pid))
    except OSError:
        return 0  # ended just now: its time stands with its parent from here on


def _dead_children_ns(pid: int) -> int:
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return 0
    fields = text[text.rindex(")") + 2 :].split()  # the name may hold spaces and parentheses
    return (int(fields[13]) + int(fields[14])) * TICK_NS  # cutime, cstime: fields 16, 17 of proc(5)


def _children(pid: int) -> list[int]:
    result: list[int] = []
    try:
        for task in (_PROC / str(pid) / "task").iterdir():
            result += map(int, (task / "children").read_text().split())
    except OSError:
        pass  # a thread or the process ended meanwhile
    return result


def _fields(path: Path) -> dict[str, int]:
    """`Name: 123 kB` lines of a file of /proc."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split() for line in lines)
    return {words[0].rstrip(":"): int(words[1]) for words in pairs if len(words) == 3}
