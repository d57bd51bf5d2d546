"""Judgements and their line. Each check's states are in commands/test_check.py."""

from __future__ import annotations

import pytest

from ops.checks import CHECKS, Finding, Limits, Reading, State, finding, limits_of
from ops.thresholds import WrongRange, parse_range


def limits(warning: str, critical: str) -> Limits:
    return Limits(parse_range(warning, ""), parse_range(critical, ""))


@pytest.mark.parametrize(
    ("value", "state"), [(5, State.OK), (6, State.WARNING), (11, State.CRITICAL)]
)
def test_a_value_is_judged(value: float, state: State) -> None:
    assert limits("5", "10").judge(value) is state
    assert Limits(None, None).judge(value) is State.OK


def test_the_worst_counts_and_unknown_is_below_critical() -> None:
    reading = Reading("x", 6, limits=limits("5", "10"))
    assert finding("", [reading]).state is State.WARNING
    assert finding("", [reading], State.CRITICAL).state is State.CRITICAL
    assert finding("", [reading], State.UNKNOWN).state is State.UNKNOWN
    assert finding("", [], State.UNKNOWN, State.CRITICAL).state is State.CRITICAL
    assert finding("", []).state is State.OK


def test_the_line_is_a_plugins() -> None:
    readings = [Reading("a", 1.5, "s", limits("5", "10"), 20), Reading("b", 3)]
    line = Finding(State.WARNING, "one | two\nthree", readings).line()
    assert line == "WARNING - one / two three | a=1.5s;5;10;0;20 b=3;;;0;"
    assert Finding(State.UNKNOWN, "nothing").line() == "UNKNOWN - nothing"


def test_every_check_has_limits_that_can_be_read_and_replaced() -> None:
    for check in CHECKS.values():
        found = limits_of(check, None, None)
        assert (found.critical is None) == (not check.critical)
        assert found.warning is not None
    assert limits_of(CHECKS["lag"], "", "").warning is None
    changed = limits_of(CHECKS["coordinator"], "5ms", None)
    assert (changed.warning.text if changed.warning else "") == "0.005"
    with pytest.raises(WrongRange):
        limits_of(CHECKS["lag"], "x", None)
