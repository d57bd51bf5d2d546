"""Medians, ratios round by round, bars; the table."""

from __future__ import annotations

import json

import pytest

from ops.answer import Failure
from ops.bench.cases import Case, Sample
from ops.bench.machine import Machine
from ops.bench.report import as_data, as_text, lines_of
from ops.bench.runner import Measured, Order

HERE = Machine("a processor", 2, "6.1", "3.11", 0.5, 0.2, 0.9)
ORDER = Order(["rooms"], "single", 1, 3, False, None)


def samples(*values: float) -> list[Sample]:
    return [Sample(value, {"ack_p50_ms": value / 100}) for value in values]


def measured(bar: dict[str, float], *, bar_is_ratio: bool = True) -> list[Measured]:
    case = Case("rooms-2000", "CPU-µs per message", bar, bar_is_ratio)
    ours, theirs = samples(150, 400, 190), samples(100, 200, 90)
    return [Measured(case, {"hubbub": ours, "reference": theirs})]


def test_ratios_are_taken_between_neighbours_before_their_median() -> None:
    line = lines_of(measured({"single": 2.0}), "single")[0]
    assert (line.hubbub.median, line.hubbub.min, line.hubbub.max) == (190, 150, 400)
    assert line.reference.median == 100
    assert line.ratio.median == 2.0  # of 1.5, 2.0 and 2.11; of the medians it would be 1.9
    assert line.is_met is True


@pytest.mark.parametrize(
    ("bar", "is_ratio", "met"),
    [({"single": 1.9}, True, False), ({"demo": 1.0}, True, None), ({"single": 190}, False, True)],
)
def test_a_bar_judges_the_median_of_its_shape(
    bar: dict[str, float], is_ratio: bool, met: bool | None
) -> None:
    assert lines_of(measured(bar, bar_is_ratio=is_ratio), "single")[0].is_met is met


def test_the_table_shows_range_ratio_and_a_missed_bar() -> None:
    lines, void = lines_of(measured({"single": 1.9}), "single"), {"idle-10": Failure("it left")}
    text = as_text(ORDER, HERE, lines, void)
    assert text.endswith("idle-10 is void: it left")
    row = next(line for line in text.splitlines() if line.startswith("rooms-2000"))
    assert " ".join(row.split()) == (
        "rooms-2000 CPU-µs per message 190 (150-400) 100 (90-200) 2 (1.5-2.11) <= 1.9x NO"
    )
    assert "fdatasync p50 0.20 ms" in text
    assert "ack p50 ms" in text


def test_the_json_answer_holds_everything_and_is_json() -> None:
    lines, void = lines_of(measured({}), "single"), {"idle-10": Failure("it went away")}
    data = json.loads(json.dumps(as_data(ORDER, HERE, lines, void)))
    assert data["void"] == {"idle-10": "it went away"}
    assert data["cases"][0]["ratio"] == {"median": 2.0, "min": 1.5, "max": 190 / 90}
    assert data["machine"]["fsync_p50_ms"] == 0.2
    assert data["cases"][0]["hubbub_figures"]["ack_p50_ms"]["median"] == 1.9
