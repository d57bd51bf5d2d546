"""Counters of a Prometheus exposition, and what is said of them."""

from __future__ import annotations

from msgspec import structs

from hubbub.transport.counts import LinkCounts
from node.writer import WriterCounts
from ops.bench.meter import GATHERING, gathering, parse_counters

TEXT = """\
# HELP hubbub_node_writer_batches_total Node writer batches
# TYPE hubbub_node_writer_batches_total counter
hubbub_node_writer_batches_total 12.0
hubbub_edge_closed_total{code="3008",why="a b"} 3.0
hubbub_edge_closed_total{code="3012"} 1.0
hubbub_tasks 7.0
"""


def test_only_counters_are_read_labels_and_all() -> None:
    assert parse_counters(TEXT) == [
        ("hubbub_node_writer_batches_total", 12.0),
        ("hubbub_edge_closed_total", 3.0),
        ("hubbub_edge_closed_total", 1.0),
    ]


def test_a_ratio_sums_all_roles_and_appears_only_where_counters_rose() -> None:
    risen = {
        "hubbub_node_link_messages_sent_total": 30.0,
        "hubbub_node_link_frames_sent_total": 10.0,
        "hubbub_edge_link_messages_sent_total": 10.0,
        "hubbub_edge_link_frames_sent_total": 10.0,
        "hubbub_node_writer_records_total": 0.0,
        "hubbub_node_writer_batches_total": 0.0,
    }
    assert gathering(risen) == {"messages_per_frame": 2.0}
    assert gathering({}) == {}


def test_the_counters_of_real_processes_have_the_names_that_are_looked_for() -> None:
    names = {f"hubbub_node_writer_{name}" for name in structs.asdict(WriterCounts())}
    names |= {f"hubbub_node_link_{name}" for name in structs.asdict(LinkCounts())}
    for endings in GATHERING.values():
        for ending in endings:
            assert any(name.endswith(ending) for name in names), ending
