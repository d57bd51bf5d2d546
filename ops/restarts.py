"""When a process that ended is started again: decisions only, the clock is passed in.

Rules:
1. A process that ends is started again after a delay that doubles from `first_s` to `longest_s`;
   a life of at least `settled_s` makes the next delay the first one again.
2. A process that refuses (exit code in `REFUSALS`) is not started again: trying again cannot help,
   and a node that cannot trust its disk must stay down until a person has looked.
3. Until the cluster was ready once, a process that ended `startup_tries` times fails the start.
   Afterwards there is no last try: a cluster heals by itself when the cause goes away.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

USAGE_EXIT: Final = 2  # a wrong setting: `runtime.config` has said which
STORE_REFUSED_EXIT: Final = 5  # a node's data is damaged or gone: node/app.py says it so
ALARM_EXIT: Final = -int(signal.SIGALRM)  # the alarm guards the opening of a node's database
REFUSALS: Final = frozenset({USAGE_EXIT, STORE_REFUSED_EXIT, ALARM_EXIT})


class Verdict(Enum):
    """What is done about a process that ended."""

    RESTART = "restart"
    REFUSED = "refused"
    GAVE_UP = "gave_up"


@dataclass(frozen=True, slots=True)
class Policy:
    """Delays in seconds."""

    first_s: float = 0.1  # at once for a person; half would only help a tight crash loop
    longest_s: float = 5.0  # a node that fails for minutes is tried 12 times a minute
    settled_s: float = 10.0
    startup_tries: int = 4


@dataclass(frozen=True, slots=True)
class Decision:
    """`at` is when the process is started again; None if it is not."""

    verdict: Verdict
    at: float | None
    delay_s: float


@dataclass(slots=True)
class _Life:
    started_at: float = 0.0
    ended_count: int = 0  # since it last settled
    restart_at: float | None = None
    refused: bool = False


@dataclass(slots=True)
class Restarts:
    """The state of rule 1 to 3 for every process, by name."""

    policy: Policy = field(default_factory=Policy)
    was_ready: bool = False
    _lives: dict[str, _Life] = field(default_factory=dict)

    def started(self, name: str, now: float) -> None:
        """The process was started."""
        life = self._lives.setdefault(name, _Life())
        life.started_at = now
        life.restart_at = None
        life.refused = False

    def cluster_ready(self) -> None:
        """Every process was ready at the same time: rule 3 no longer fails a start."""
        self.was_ready = True

    def forget(self, name: str) -> None:
        """The process was stopped for good."""
        self._lives.pop(name, None)

    def ended(self, name: str, exit_code: int, now: float) -> Decision:
        """The process ended; `exit_code` is negative for a signal, as in subprocess."""
        life = self._lives[name]
        if exit_code in REFUSALS:
            life.refused = True
            return Decision(Verdict.REFUSED, None, 0.0)
        if now - life.started_at >= self.policy.settled_s:
            life.ended_count = 0
        life.ended_count += 1
        if not self.was_ready and life.ended_count >= self.policy.startup_tries:
            return Decision(Verdict.GAVE_UP, None, 0.0)
        delay = min(self.policy.first_s * 2 ** min(life.ended_count - 1, 16), self.policy.longest_s)
        life.restart_at = now + delay
        return Decision(Verdict.RESTART, life.restart_at, delay)

    def due(self, now: float) -> list[str]:
        """Processes to start now."""
        return [
            name
            for name, life in self._lives.items()
            if life.restart_at is not None and life.restart_at <= now
        ]

    def next_at(self) -> float | None:
        """When the next process is due; None if none is."""
        return min(
            (life.restart_at for life in self._lives.values() if life.restart_at is not None),
            default=None,
        )

    def refused(self) -> list[str]:
        """Processes that rule 2 keeps down."""
        return [name for name, life in self._lives.items() if life.refused]
