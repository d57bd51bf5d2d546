"""The rounds: alternating, all cases on all targets, sessions closed whatever happens."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ops.answer import Failure
from ops.bench.cases import Case, Sample, Session
from ops.bench.runner import BENCHMARKS, Results, first_failure, measure
from ops.bench.targets import Target


class Scripted:
    """A benchmark that writes down what is asked of it."""

    cases: Sequence[Case] = [Case("one", "units"), Case("two", "units")]

    def __init__(self, breaks: dict[str, Exception] | None = None) -> None:
        self.asked: list[str] = []
        self.closed: list[str] = []
        self.breaks = breaks or {}

    async def prepare(self, target: Target) -> Session:
        return ScriptedSession(self, target.name)


class ScriptedSession:
    def __init__(self, owner: Scripted, name: str) -> None:
        self._owner = owner
        self._name = name

    async def measure(self, case: Case) -> Sample:
        self._owner.asked.append(f"{case.name} {self._name}")
        if case.name in self._owner.breaks:
            raise self._owner.breaks[case.name]
        return Sample(float(len(self._owner.asked)), {})

    def close(self) -> None:
        self._owner.closed.append(self._name)


@pytest.fixture
def both(target: Target) -> list[Target]:
    return [Target(name, target.dialect, [], []) for name in ("hubbub", "reference")]


async def test_who_goes_first_changes_from_round_to_round(both: list[Target]) -> None:
    scripted, told, results = Scripted(), list[str](), Results([], {})
    await measure(scripted, both, 2, told.append, results)
    assert scripted.asked == [
        *("one hubbub", "one reference", "one reference", "one hubbub"),
        *("two hubbub", "two reference", "two reference", "two hubbub"),
    ]
    assert [row.case.name for row in results.measured] == ["one", "two"]
    assert [sample.value for sample in results.measured[0].rounds["hubbub"]] == [1.0, 4.0]
    assert sorted(scripted.closed) == ["hubbub", "reference"]
    assert "two: round 2 hubbub 8" in told


async def test_sessions_are_closed_when_a_round_breaks(both: list[Target]) -> None:
    scripted = Scripted({"one": ZeroDivisionError()})
    with pytest.raises(ZeroDivisionError):
        await measure(scripted, both, 1, lambda _line: None, Results([], {}))
    assert sorted(scripted.closed) == ["hubbub", "reference"]


async def test_what_a_server_refuses_is_void_and_the_cases_before_it_are_not(
    both: list[Target],
) -> None:
    scripted, results = Scripted({"two": Failure("it refused")}), Results([], {})
    await measure(scripted, both, 1, lambda _line: None, results)
    assert [row.case.name for row in results.measured] == ["one"]
    assert results.void["two"].text == "it refused"
    assert sorted(scripted.closed) == ["hubbub", "reference"]


def test_the_failure_inside_of_groups_is_the_one_that_is_told() -> None:
    failure = Failure("it refused")
    group = ExceptionGroup("", [ValueError(), ExceptionGroup("", [failure])])
    assert first_failure(group) is failure
    with pytest.raises(ExceptionGroup):
        first_failure(ExceptionGroup("", [ValueError()]))


@pytest.mark.parametrize("is_smoke", [True, False])
def test_every_benchmark_has_cases_of_its_own_name(is_smoke: bool) -> None:
    for name, make in BENCHMARKS.items():
        cases = make(is_smoke).cases
        assert cases
        assert all(case.name.startswith(name) for case in cases)
