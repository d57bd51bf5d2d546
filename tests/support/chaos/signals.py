"""Processes that are paused, resumed and killed, with the kernel as witness (`/proc`).

Rules:
1. A call returns when it has happened: every thread stands, runs again, or the process is gone.
2. A pid that was given to another process is never signalled.
3. What a context manager paused is resumed whatever happens inside.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from tests.support.cluster import wait_for
from tests.support.processes import STOPPED, Process, process

WITHIN_S: Final = 10.0  # a thread in a slow system call stands when the call is over


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
