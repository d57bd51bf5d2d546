"""The rounds: alternating, all cases on all targets, sessions closed whatever happens."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ops.bench.cases import Case, Sample, Session
from ops.bench.runner import BENCHMARKS, measure
from ops.bench.targets import Target


class Scripted:
    """A benchmark that writes down what is asked of it."""

    cases: Sequence[Case] = [Case("one", "units"), Case("two", "units")]

    def __init__(self, *, breaks: bool = False) -> None:
        self.asked: list[str] = []
        self.closed: list[str] = []
        self.breaks = breaks

    async def prepare(self, target: Target) -> Session:
        return ScriptedSession(self, target.name)


class ScriptedSession:
    def __init__(self, owner: Scripted, name: str) -> None:
        self._owner = owner
        self._name = name

    async def measure(self, case: Case) -> Sample:
        self._owner.asked.append(f"{case.name} {self._name}")
        if self._owner.breaks:
            raise ZeroDivisionError
        return Sample(float(len(self._owner.asked)), {})

    def close(self) -> None:
        self._owner.closed.append(self._name)


@pytest.fixture
def both(target: Target) -> list[Target]:
    return [Target(name, target.dialect, [], []) for name in ("hubbub", "reference")]


async def test_who_goes_first_changes_from_round_to_round(both: list[Target]) -> None:
    scripted, told = Scripted(), list[str]()
    measured = await measure(scripted, both, 2, told.append)
    assert scripted.asked == [
        *("one hubbub", "one reference", "two hubbub", "two reference"),
        *("one reference", "one hubbub", "two reference", "two hubbub"),
    ]
    assert [row.case.name for row in measured] == ["one", "two"]
    assert [sample.value for sample in measured[0].rounds["hubbub"]] == [1.0, 6.0]
    assert sorted(scripted.closed) == ["hubbub", "reference"]
    assert "two: round 2 hubbub 8" in told


async def test_sessions_are_closed_when_a_round_breaks(both: list[Target]) -> None:
    scripted = Scripted(breaks=True)
    with pytest.raises(ZeroDivisionError):
        await measure(scripted, both, 1, lambda _line: None)
    assert sorted(scripted.closed) == ["hubbub", "reference"]


@pytest.mark.parametrize("is_smoke", [True, False])
def test_every_benchmark_has_cases_of_its_own_name(is_smoke: bool) -> None:
    for name, make in BENCHMARKS.items():
        cases = make(is_smoke).cases
        assert cases
        assert all(case.name.startswith(name) for case in cases)
