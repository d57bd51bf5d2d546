"""Processes that are paused, resumed and killed, with the kernel as witness (`/proc`).

Rules:
1. A call returns when it has happened: every thread stands, runs again, or the process is gone.
2. A process is its pid and its start time: a pid that was given to another one is never signalled.
3. What a context manager paused is resumed whatever happens inside.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from tests.support.cluster import wait_for

WITHIN_S: Final = 10.0  # a thread in a slow system call stands when the call is over
STOPPED: Final = "T"
DEAD: Final = frozenset("ZX")  # it runs no more; its parent has not asked for its exit code
_STATE_AT, _START_AT = 0, 19  # words of stat behind the name, which may itself contain blanks


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

    def _states(self) -> list[str]:
        stats = map(_stat, Path(f"/proc/{self.pid}/task").glob("*/stat"))
        return [stat[_STATE_AT] for stat in stats if stat is not None]


def process(pid: int) -> Process:
    """The process that has this pid now. Raises ProcessLookupError if there is none."""
    stat = _stat(Path(f"/proc/{pid}/stat"))
    if stat is None or stat[_STATE_AT] in DEAD:
        raise ProcessLookupError(f"no process {pid}")
    return Process(pid, int(stat[_START_AT]))


def pause(pid: int) -> Process:
    """SIGSTOP; returns when every thread stands. Raises ProcessLookupError, AssertionError."""
    victim = process(pid)
    _signal(victim, signal.SIGSTOP)
    wait_for(
        lambda: victim.is_paused or not victim.is_alive,
        WITHIN_S,
        lambda: f"{pid} does not stand still: {victim.states!r}",
    )
    if not victim.is_alive:
        raise ProcessLookupError(f"{pid} ended while it was being paused")
    return victim


def resume(victim: Process) -> None:
    """SIGCONT; returns when it runs again, or is gone."""
    _signal(victim, signal.SIGCONT)
    wait_for(
        lambda: STOPPED not in victim.states,
        WITHIN_S,
        lambda: f"{victim.pid} does not go on: {victim.states!r}",
    )


def kill(pid: int) -> None:
    """SIGKILL; returns when it is gone, paused or not. A pid without a process is no error."""
    try:
        victim = process(pid)
    except ProcessLookupError:
        return
    _signal(victim, signal.SIGKILL)
    wait_for(lambda: not victim.is_alive, WITHIN_S, lambda: f"{pid} does not die")


@contextmanager
def paused(*pids: int) -> Iterator[None]:
    """These processes stand still inside, and go on afterwards, each that still lives."""
    with ExitStack() as standing:
        for pid in pids:
            victim = process(pid)
            # Registered first: a pause that fails half-way is undone as well.
            standing.callback(resume, victim)
            pause(pid)
        yield


def _signal(victim: Process, number: int) -> None:
    """Python has no pidfd that outlives a race; the start time makes it small enough."""
    if victim.is_alive:
        try:
            os.kill(victim.pid, number)
        except ProcessLookupError:
            pass


def _stat(path: Path) -> list[str] | None:
    """The words behind the name in a `stat` file; None if the process or thread is gone."""
    try:
        return path.read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
