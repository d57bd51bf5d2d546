"""Sums up the rounds: medians with their range, the ratio to the reference, the bar. Pure.

Rules:
1. A ratio is taken round by round, between the two that ran beside each other, and then its median:
   whatever slowed the machine in that minute slowed both.
2. Whether a bar is met is said of the median.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from ops.answer import Failure
from ops.bench.cases import Case, Sample
from ops.bench.machine import Machine
from ops.bench.runner import Measured, Order

COLUMNS = ("case", "unit", "hubbub", "reference", "x reference", "bar", "met")
BESIDE = (
    ("per_s", "units/s"),
    ("ack_p50_ms", "ack p50 ms"),
    ("ack_p99_ms", "ack p99 ms"),
    ("deliver_p50_ms", "deliver p50 ms"),
    ("deliver_p99_ms", "deliver p99 ms"),
    ("page_p50_ms", "page p50 ms"),
    ("page_p99_ms", "page p99 ms"),
    ("messages_per_fsync", "messages/fsync"),
    ("messages_per_frame", "messages/frame"),
    ("rss_kib", "RSS KiB"),
    ("total_pss_mib", "PSS MiB in all"),
    ("generator_share", "generator cores"),
)


@dataclass(frozen=True)
class Spread:
    """Median, least and greatest of the rounds."""

    median: float
    min: float
    max: float

    def text(self) -> str:
        """`12.3 (11.9-14.0)`"""
        return f"{_short(self.median)} ({_short(self.min)}-{_short(self.max)})"


@dataclass(frozen=True)
class Line:
    """One case, summed up. `is_met` is None where the shape has no bar."""

    case: str
    unit: str
    hubbub: Spread
    reference: Spread
    ratio: Spread
    bar: float | None
    bar_is_ratio: bool
    is_met: bool | None
    hubbub_figures: Mapping[str, Spread]
    reference_figures: Mapping[str, Spread]


def lines_of(measured: Sequence[Measured], shape: str) -> list[Line]:
    """The summed-up cases, in the order in which they ran."""
    return [
        _line(row.case, row.rounds["hubbub"], row.rounds["reference"], shape) for row in measured
    ]


def as_data(
    order: Order, machine: Machine, lines: Sequence[Line], void: Mapping[str, Failure]
) -> dict[str, object]:
    """The `data` of the JSON answer."""
    return {
        "shape": order.shape,
        "copies": order.copies,
        "rounds": order.rounds,
        "smoke": order.is_smoke,
        "machine": asdict(machine),
        "cases": [asdict(line) for line in lines],
        "void": {name: failure.text for name, failure in void.items()},
    }


def as_text(
    order: Order, machine: Machine, lines: Sequence[Line], void: Mapping[str, Failure]
) -> str:
    """Two tables: what is judged, and what stands beside it; then what is void, and why."""
    head = (
        f"{machine.processor}, {machine.cores} cores, kernel {machine.kernel}, "
        f"Python {machine.python}, load {machine.load_1m:.1f}\n"
        f"fdatasync p50 {machine.fsync_p50_ms:.2f} ms, p99 {machine.fsync_p99_ms:.2f} ms; "
        f"shape {order.shape}, {order.copies} copy, median of {order.rounds} (min-max)"
    )
    judged = _table([COLUMNS, *(_judged(line) for line in lines)])
    beside = [("case", "", "hubbub", "reference")]
    beside += [row for line in lines for row in _beside(line)]
    broken = [f"{name} is void: {failure.text}" for name, failure in void.items()]
    return "\n\n".join((head, judged, _table(beside), *broken))


def _line(case: Case, hubbub: Sequence[Sample], reference: Sequence[Sample], shape: str) -> Line:
    pairs = zip(hubbub, reference, strict=True)
    ratio = _spread([ours.value / theirs.value if theirs.value else 0.0 for ours, theirs in pairs])
    value = _spread([sample.value for sample in hubbub])
    bar = case.bar.get(shape)
    judged = ratio.median if case.bar_is_ratio else value.median
    return Line(
        case=case.name,
        unit=case.unit,
        hubbub=value,
        reference=_spread([sample.value for sample in reference]),
        ratio=ratio,
        bar=bar,
        bar_is_ratio=case.bar_is_ratio,
        is_met=None if bar is None else judged <= bar,
        hubbub_figures=_figures(hubbub),
        reference_figures=_figures(reference),
    )


def _figures(samples: Sequence[Sample]) -> dict[str, Spread]:
    names = [name for name, _ in BESIDE if all(name in sample.figures for sample in samples)]
    return {name: _spread([sample.figures[name] for sample in samples]) for name in names}


def _spread(values: Sequence[float]) -> Spread:
    return Spread(median(values), min(values), max(values))


def _judged(line: Line) -> tuple[str, ...]:
    bar = "" if line.bar is None else f"<= {_short(line.bar)}{'x' if line.bar_is_ratio else ''}"
    met = {None: "", True: "yes", False: "NO"}[line.is_met]
    spreads = (line.hubbub.text(), line.reference.text(), line.ratio.text())
    return (line.case, line.unit, *spreads, bar, met)


def _beside(line: Line) -> list[tuple[str, str, str, str]]:
    rows: list[tuple[str, str, str, str]] = []
    for name, title in BESIDE:
        ours, theirs = line.hubbub_figures.get(name), line.reference_figures.get(name)
        if ours or theirs:
            texts = (ours.text() if ours else "", theirs.text() if theirs else "")
            rows.append((line.case if not rows else "", title, *texts))
    return rows


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    cells = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in cells)


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
