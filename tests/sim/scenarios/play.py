"""The list of scenarios: `@scenario(bug, …)` puts a function on it, under its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple


class Scenario(NamedTuple):
    """One story. `bugs`: the numbers of replication.md 2.16 that it is about; none: one of ours."""

    name: str
    bugs: tuple[int, ...]
    act: Callable[[], None]


PLAYS: Final[dict[str, Scenario]] = {}


def scenario(*bugs: int) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Register a function as a scenario. It fails by raising anything."""

    def register(act: Callable[[], None]) -> Callable[[], None]:
        assert act.__name__ not in PLAYS, act.__name__
        PLAYS[act.__name__] = Scenario(act.__name__, bugs, act)
        return act

    return register
