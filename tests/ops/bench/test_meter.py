"""Counters of a Prometheus exposition, and what is said of them."""

from __future__ import annotations

from ops.bench.meter import GATHERING, gathering, parse_counters

TEXT = """\
# HELP hubbub_writer_fsyncs_total Writer fsyncs
# TYPE hubbub_writer_fsyncs_total counter
hubbub_writer_fsyncs_total 12.0
hubbub_edge_closed_total{code="3008",why="a b"} 3.0
hubbub_edge_closed_total{code="3012"} 1.0
hubbub_tasks 7.0
"""


def test_only_counters_are_read_labels_and_all() -> None:
    assert parse_counters(TEXT) == [
        ("hubbub_writer_fsyncs_total", 12.0),
        ("hubbub_edge_closed_total", 3.0),
        ("hubbub_edge_closed_total", 1.0),
    ]


def test_a_ratio_appears_only_where_its_counters_rose() -> None:
    above, below = GATHERING["messages_per_fsync"]
    assert gathering({above: 30.0, below: 10.0}) == {"messages_per_fsync": 3.0}
    assert gathering({above: 30.0, below: 0.0}) == {}
    assert gathering({}) == {}
