"""Histograms as /metrics shows them."""

from __future__ import annotations

from math import inf

import pytest

from hubbub.runtime.metrics import Metrics
from ops.exposition import between, histogram, quantile

NAME = "hubbub_node_fsync_seconds"


def test_what_the_metrics_write_is_read() -> None:
    metrics = Metrics("node")
    observed = metrics.histogram("node_fsync_seconds", (0.001, 0.01, 0.1))
    other = metrics.histogram("other_seconds", (0.001,))
    for value in (0.0005, 0.005, 0.006, 7.0):
        observed.observe(value)
        other.observe(value)
    assert histogram(metrics.render().decode(), NAME) == {0.001: 1, 0.01: 3, 0.1: 3, inf: 4}
    assert histogram("", NAME) == {}
    assert histogram(f'{NAME}_bucket{{le="x"}} 1\n{NAME}_bucket{{le="1"}} y\n', NAME) == {}


def test_between_two_looks() -> None:
    before, after = {0.1: 2.0, inf: 3.0}, {0.1: 6.0, inf: 8.0}
    assert between(before, after) == {0.1: 4, inf: 5}
    assert between(after, before) == before, "it was restarted meanwhile"
    assert between({}, after) == after


@pytest.mark.parametrize(("share", "value"), [(0.5, 2 / 3), (0.75, 1.0), (1.0, 2.0)])
def test_a_quantile_lies_between_two_bounds(share: float, value: float) -> None:
    assert quantile({1.0: 3, 2.0: 4, inf: 4}, share) == pytest.approx(value)


def test_the_edges_of_a_quantile() -> None:
    assert quantile({}, 0.99) is None
    assert quantile({1.0: 0, inf: 0}, 0.99) is None
    assert quantile({1.0: 1, inf: 100}, 0.99) == 1.0, "above the last bound nothing is known"
