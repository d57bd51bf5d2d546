"""What many runs amount to."""

from __future__ import annotations

from time import monotonic

from tests.sim.run import Outcome


class Totals:
    """Counts of outcomes. `broken`: (profile, seed) of those that failed."""

    def __init__(self) -> None:
        self.broken: list[tuple[str, int]] = []
        self.runs = self.events = self.acks = self.terms = self.lossy = 0
        self.cpu_s = 0.0
        self._began = monotonic()

    def add(self, outcome: Outcome) -> None:
        """One more run."""
        self.runs += 1
        self.events += outcome.events
        self.acks += outcome.acks
        self.terms += outcome.terms
        self.lossy += outcome.is_lossy
        self.cpu_s += outcome.cpu_s
        if outcome.rule:
            self.broken.append((outcome.profile, outcome.seed))

    def __str__(self) -> str:
        runs, minutes = max(1, self.runs), max(1e-9, (monotonic() - self._began) / 60.0)
        return (
            f"{self.runs} seeds, {len(self.broken)} broken; {self.events} events "
            f"({self.events / runs:.0f} a seed), {self.acks} acknowledgements "
            f"({self.acks / runs:.0f} a seed), {self.terms / runs:.1f} terms a seed, "
            f"{self.lossy} with a loss by lying disks; {self.runs / minutes:.0f} seeds a minute, "
            f"{60.0 * runs / max(1e-9, self.cpu_s):.0f} a minute and core"
        )
