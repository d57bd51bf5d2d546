"""Metrics: what is counted, and how it is written out. Sole owner of prometheus_client.

Rules:
1. Hot counts are plain ints ([M] 0.1 us against 0.6-1.9 of a library counter); the library only
   renders them when somebody asks.
2. Two ways in: a Struct of ints that a pure core keeps (`expose`), and `Counters.inc` for the rest.
3. Names are `hubbub_<role or part>_<what>`, base units, `_total` on counters and only there.
4. Label values are closed sets: never a user, channel, address or message id. Past `SERIES_MAX`
   values of one name the rest is counted under "other".
"""

from __future__ import annotations

import asyncio
import platform
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from msgspec import Struct, structs
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from hubbub import VERSION
from hubbub.runtime import logs, tasks

SERIES_MAX: Final = 200  # label values of one name; a process stays below 3,000 series in all
BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
LAG_INTERVAL_S: Final = 1.0  # how often the loop's lag is taken; costs 10 us each

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_OTHER = "other"

Labels = tuple[tuple[str, str], ...]


class Counters:
    """Counts by name, with labels where one has several: `inc("closed_total", code="3008")`."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[str, dict[Labels, int]] = {}

    def inc(self, name: str, amount: int = 1, **labels: str) -> None:
        """Add. A name always has the same labels; it ends in `_total`."""
        series = self._counts.get(name)
        if series is None:
            series = self._counts[name] = {}
            assert name.endswith("_total"), name
            assert _NAME.fullmatch(name), name
        key = tuple(sorted(labels.items())) if labels else ()
        if key not in series and len(series) >= SERIES_MAX:
            key = tuple((label, _OTHER) for label, _ in key)
        series[key] = series.get(key, 0) + amount

    def get(self, name: str, **labels: str) -> int:
        """The count so far, 0 if it never rose."""
        return self._counts.get(name, {}).get(tuple(sorted(labels.items())), 0)

    def total(self, name: str) -> int:
        """The count over all labels."""
        return sum(self._counts.get(name, {}).values())

    def statistics(self) -> Mapping[str, int]:
        """Totals by name."""
        return {name: sum(series.values()) for name, series in sorted(self._counts.items())}

    def families(self) -> Iterable[Metric]:
        """As the exposition wants them."""
        for name, series in sorted(self._counts.items()):
            names = [label for label, _ in next(iter(series))]
            family = CounterMetricFamily(_full(name), _help(name), labels=names)
            for key, count in series.items():
                family.add_metric([value for _, value in key], count)
            yield family


class Histogram:
    """Durations in seconds, or sizes, in fixed buckets."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: tuple[float, ...] = BUCKETS_S) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """One more value; a bucket holds what is at most its bound."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    @property
    def count(self) -> int:
        """How many values."""
        return sum(self._counts)

    def family(self, name: str) -> Metric:
        """As the exposition wants it: cumulative."""
        buckets, below = [], 0
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            below += count
            buckets.append(("+Inf" if bound == float("inf") else str(bound), below))
        family = HistogramMetricFamily(_full(name), _help(name))
        family.add_metric([], buckets, self._sum)
        return family


class Metrics:
    """All metrics of one process, with those that each has: CPU, memory, loop lag, log lines."""

    def __init__(self, role: str) -> None:
        self.counters = Counters()
        self._structs: dict[str, Struct] = {}
        self._gauges: dict[str, tuple[str, Callable[[], Mapping[str, float]]]] = {}
        self._histograms: dict[str, Histogram] = {}
        self._registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._registry)
        self._registry.register(self)
        self._loop_lag = self.histogram("event_loop_lag_seconds")
        self._build = {
            "version": VERSION,
            "python": platform.python_version(),
            "role": role,
        }

    def expose(self, prefix: str, counts: Struct) -> None:
        """Show every int field of a Struct that its owner changes in place.

        `frames_total` of prefix "edge" becomes `hubbub_edge_frames_total`; a field that does not
        end in `_total` is a gauge.
        """
        self._claim(prefix)
        self._structs[prefix] = counts

    def gauge(self, name: str, read: Callable[[], float]) -> None:
        """A value that is asked for at each scrape."""
        self.gauges(name, "", lambda: {"": read()})

    def gauges(self, name: str, label: str, read: Callable[[], Mapping[str, float]]) -> None:
        """Values by one label, asked for at each scrape."""
        self._claim(name)
        self._gauges[name] = (label, read)

    def histogram(self, name: str, bounds: tuple[float, ...] = BUCKETS_S) -> Histogram:
        """A new histogram; the caller keeps it and observes."""
        self._claim(name)
        made = self._histograms[name] = Histogram(bounds)
        return made

    async def sample_loop_lag(self, interval_s: float = LAG_INTERVAL_S) -> None:
        """Observe for ever how late the loop wakes a sleeper. Run it as a supervised task."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + interval_s
            await asyncio.sleep(interval_s)
            self._loop_lag.observe(max(0.0, loop.time() - due))

    def render(self) -> bytes:
        """The text exposition format 0.0.4 (CONTENT_TYPE)."""
        return generate_latest(self._registry)

    def statistics(self) -> Mapping[str, int]:
        """Totals of the counters by name, exposed Structs included."""
        fields = {
            f"{prefix}_{name}": value
            for prefix, counts in self._structs.items()
            for name, value in _ints(counts)
        }
        return {**self.counters.statistics(), **fields}

    def collect(self) -> Iterable[Metric]:
        """What the registry of the library asks for at each scrape."""
        build = GaugeMetricFamily("hubbub_build_info", "Version", labels=list(self._build))
        build.add_metric(list(self._build.values()), 1)
        yield build
        yield from self.counters.families()
        for prefix, counts in self._structs.items():
            for name, value in _ints(counts):
                yield _single(f"{prefix}_{name}", value)
        for name, (label, read) in self._gauges.items():
            family = GaugeMetricFamily(_full(name), _help(name), labels=[label] if label else None)
            for key, reading in read().items():
                family.add_metric([key] if label else [], reading)
            yield family
        for name, histogram in self._histograms.items():
            yield histogram.family(name)
        yield from _of_every_process()

    def _claim(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError(f"metric name {name!r} is not lower_case_words")
        if name in self._structs or name in self._gauges or name in self._histograms:
            raise ValueError(f"metric {name!r} is registered already")


def _of_every_process() -> Iterable[Metric]:
    lines = CounterMetricFamily("hubbub_log_messages_total", "Log lines", labels=["level"])
    for level, count in logs.statistics().lines.items():
        lines.add_metric([level], count)
    yield lines
    yield _single("tasks_failed_total", sum(tasks.statistics().failed.values()))
    yield _single("tasks", len(tasks.statistics().live))


def _ints(counts: Struct) -> list[tuple[str, int]]:
    return [
        (name, value)
        for name, value in structs.asdict(counts).items()
        if isinstance(value, int) and not isinstance(value, bool)
    ]


def _single(name: str, value: float) -> Metric:
    kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
    return kind(_full(name), _help(name), value=value)


def _full(name: str) -> str:
    return f"hubbub_{name}"


def _help(name: str) -> str:
    return name.removesuffix("_total").replace("_", " ").capitalize()
