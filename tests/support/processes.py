"""A process as the kernel shows it in `/proc`: it lives as long as one of its threads does.

Rules:
1. A process is its pid and its start time: a pid that was given to another one is not taken for it.
2. Whoever is on its way out still has its files open, though its command line is gone by then. Only
   when the last thread has ended may a disk be taken from under it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

STOPPED: Final = "T"
DEAD: Final = frozenset("ZX")  # it runs no more; its parent has not asked for its exit code
_STATE_AT, _FLAGS_AT, _START_AT = 0, 6, 19  # words of stat behind the name, which may hold blanks
_EXITING: Final = 0x4  # PF_EXITING of the kernel's sched.h


class Process(NamedTuple):
    """One process, also after its pid was used again."""

    pid: int
    started_at: int  # clock ticks since boot

    @property
    def is_alive(self) -> bool:
        """Whether any thread runs or stands: files stay open until the last one is gone."""
        stat = _stat(Path(f"/proc/{self.pid}/stat"))
        if stat is None or int(stat[_START_AT]) != self.started_at:
            return False
        return stat[_STATE_AT] not in DEAD or not DEAD.issuperset(self._states())

    @property
    def states(self) -> str:
        """The letter of each of its threads, as in `ps`; "" if it is gone."""
        return "".join(sorted(self._states())) if self.is_alive else ""

    @property
    def is_paused(self) -> bool:
        """Whether it lives and all of it stands."""
        return set(self.states) == {STOPPED}

    @property
    def is_exiting(self) -> bool:
        """Whether it lives and its first thread is on its way out, or out."""
        stat = _stat(Path(f"/proc/{self.pid}/stat"))
        return stat is not None and bool(int(stat[_FLAGS_AT]) & _EXITING) and self.is_alive

    def _states(self) -> list[str]:
        stats = map(_stat, Path(f"/proc/{self.pid}/task").glob("*/stat"))
        return [stat[_STATE_AT] for stat in stats if stat is not None]


def process(pid: int) -> Process:
    """The process that has this pid now. Raises ProcessLookupError if there is none."""
    stat = _stat(Path(f"/proc/{pid}/stat"))
    if stat is None or not (found := Process(pid, int(stat[_START_AT]))).is_alive:
        raise ProcessLookupError(f"no process {pid}")
    return found


def _stat(path: Path) -> list[str] | None:
    """The words behind the name in a `stat` file; None if the process or thread is gone."""
    try:
        return path.read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
