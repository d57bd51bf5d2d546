"""Ranges as monitoring plugins write them."""

from __future__ import annotations

import pytest

from ops.thresholds import WrongRange, parse_range


@pytest.mark.parametrize(
    ("text", "good", "bad"),
    [
        ("10", [0, 5, 10], [-1, 10.1]),
        ("10:", [10, 99], [9.9, -5]),
        ("~:10", [-99, 10], [10.1]),
        ("10:20", [10, 20], [9, 21]),
        ("@10:20", [9, 21], [10, 15, 20]),
        (":5", [0, 5], [6, -1]),
        ("-5:5", [-5, 0], [-6, 6]),
    ],
)
def test_both_ends_are_good(text: str, good: list[float], bad: list[float]) -> None:
    found = parse_range(text, "")
    assert [value for value in good if found.alerts(value)] == []
    assert [value for value in bad if not found.alerts(value)] == []


@pytest.mark.parametrize(
    ("text", "unit", "shown"),
    [
        ("85", "%", "85"),
        ("85%", "%", "85"),
        ("250ms", "s", "0.25"),
        ("2s", "s", "2"),
        ("0.5", "s", "0.5"),
        ("10ms:1s", "s", "0.01:1"),
        ("10:", "", "10:"),
        ("~:10", "", "~:10"),
        ("@1:2", "", "@1:2"),
    ],
)
def test_units_are_read_and_perfdata_has_none(text: str, unit: str, shown: str) -> None:
    assert parse_range(text, unit).text == shown


@pytest.mark.parametrize(
    ("text", "unit"),
    [("", ""), ("x", ""), ("5x", "s"), ("5s", ""), ("5%", "s"), ("20:10", ""), ("1:2:3", "")],
)
def test_what_is_no_range_is_refused(text: str, unit: str) -> None:
    with pytest.raises(WrongRange):
        parse_range(text, unit)
