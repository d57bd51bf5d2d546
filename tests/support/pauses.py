"""`HUBBUB_PAUSES_MS=700 pytest tests/acceptance`: what the tests start stands still now and then.

One process of Hubbub at a time, drawn at random, is stopped for up to so many milliseconds while
the tests run. What a test takes for granted and nobody promised (that a list, an index, a figure
on another edge is there already) fails then, as it would on a machine that is full.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final

from tests.support.processes import process

ROLES: Final = ("node", "router", "edge", "node.search.child")
GAP_S: Final = (0.02, 0.3)  # between two pauses


class Pauses:
    """Runs in a thread of its own from `start` to `stop`. Whoever a test stopped is left alone."""

    def __init__(self, ms_max: int, random: Random | None = None) -> None:
        self._ms_max = ms_max
        self._random = random or Random()  # a schedule that nobody could repeat anyway
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pauses", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Nobody stands still any more when it returns."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._random.uniform(*GAP_S)):
            if found := sorted(victims(os.getpid())):
                self._pause(self._random.choice(found))

    def _pause(self, pid: int) -> None:
        try:
            victim = process(pid)
            if victim.is_paused:
                return
            os.kill(pid, signal.SIGSTOP)
        except ProcessLookupError:
            return
        self._stopping.wait(self._random.uniform(0.02, self._ms_max / 1_000))
        if victim.is_alive:  # its pid is nobody else's
            os.kill(pid, signal.SIGCONT)


def victims(root: int) -> Iterator[int]:
    """Processes of Hubbub, in roles that a cluster has, below this one."""
    for pid in _below(root):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if any(words[at - 1] == "-m" and word in ROLES for at, word in enumerate(words)):
            yield pid


def _below(root: int) -> Iterator[int]:
    waiting = [root]
    while waiting:
        for task in Path(f"/proc/{waiting.pop()}/task").glob("*/children"):
            try:
                children = [int(word) for word in task.read_text().split()]
            except (FileNotFoundError, ProcessLookupError):
                continue
            yield from children
            waiting += children
