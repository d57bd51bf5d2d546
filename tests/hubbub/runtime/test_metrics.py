"""Counts, gauges and histograms, as a scraper reads them."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from hubbub.runtime.metrics import SERIES_MAX, Counters, Histogram, Metrics


class EdgeCounts(msgspec.Struct):
    frames_received_total: int = 0
    connections: int = 0
    draining: bool = False


def scrape(metrics: Metrics) -> dict[str, float]:
    """Sample name with labels → value, read back by the library's own parser."""
    found = {}
    for family in text_string_to_metric_families(metrics.render().decode()):
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_counters_by_name_and_label() -> None:
    metrics = Metrics("edge")
    metrics.counters.inc("edge_closed_total", code="3008")
    metrics.counters.inc("edge_closed_total", 2, code="3000")
    metrics.counters.inc("edge_frames_total", 5)
    found = scrape(metrics)
    assert found["hubbub_edge_closed_total{code=3008}"] == 1
    assert found["hubbub_edge_closed_total{code=3000}"] == 2
    assert found["hubbub_edge_frames_total"] == 5
    assert metrics.counters.get("edge_closed_total", code="3000") == 2
    assert metrics.counters.total("edge_closed_total") == 3
    assert metrics.counters.get("never_total") == 0


def test_label_values_are_bounded() -> None:
    counters = Counters()
    for n in range(SERIES_MAX + 50):
        counters.inc("odd_total", reason=str(n))
    assert counters.total("odd_total") == SERIES_MAX + 50
    assert counters.get("odd_total", reason="other") == 50


@pytest.mark.parametrize("name", ["frames", "Frames_total", "edge frames_total"])
def test_a_counter_needs_a_proper_name(name: str) -> None:
    with pytest.raises(AssertionError):
        Counters().inc(name)


def test_a_struct_that_its_owner_changes_is_shown_as_it_is_now() -> None:
    metrics, counts = Metrics("edge"), EdgeCounts()
    metrics.expose("edge", counts)
    counts.frames_received_total += 7
    counts.connections = 3
    found = scrape(metrics)
    assert found["hubbub_edge_frames_received_total"] == 7
    assert found["hubbub_edge_connections"] == 3
    assert "hubbub_edge_draining" not in found
    assert metrics.statistics()["edge_frames_received_total"] == 7


def test_gauges_are_asked_at_each_scrape() -> None:
    metrics, values = Metrics("node"), [1.0]
    metrics.gauge("node_slots", lambda: values[0])
    metrics.gauges("ring_members", "state", lambda: {"live": 2, "gone": 1})
    values[0] = 4.0
    found = scrape(metrics)
    assert found["hubbub_node_slots"] == 4
    assert found["hubbub_ring_members{state=live}"] == 2


def test_histogram_buckets_are_cumulative_and_hold_their_bound() -> None:
    metrics = Metrics("edge")
    taken = metrics.histogram("edge_ack_seconds", (0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 3.0):
        taken.observe(value)
    found = scrape(metrics)
    assert found["hubbub_edge_ack_seconds_bucket{le=0.1}"] == 2
    assert found["hubbub_edge_ack_seconds_bucket{le=1.0}"] == 3
    assert found["hubbub_edge_ack_seconds_bucket{le=+Inf}"] == 4
    assert found["hubbub_edge_ack_seconds_count"] == 4
    assert found["hubbub_edge_ack_seconds_sum"] == pytest.approx(3.65)
    assert taken.count == 4
    assert Histogram().count == 0


def test_names_are_unique_and_well_formed() -> None:
    metrics = Metrics("edge")
    metrics.gauge("edge_connections", lambda: 0)
    with pytest.raises(ValueError, match="already"):
        metrics.histogram("edge_connections")
    with pytest.raises(ValueError, match="lower_case"):
        metrics.gauge("Edge-Connections", lambda: 0)


def test_every_process_shows_cpu_memory_version_and_log_lines() -> None:
    found = scrape(Metrics("router"))
    assert found["process_resident_memory_bytes"] > 1_000_000
    assert found["process_cpu_seconds_total"] > 0
    assert found["hubbub_log_messages_total{level=error}"] >= 0
    assert any(key.startswith("hubbub_build_info") and "role=router" in key for key in found)


async def test_loop_lag_is_sampled() -> None:
    metrics = Metrics("edge")
    sampler = asyncio.ensure_future(metrics.sample_loop_lag(0.0))  # noqa: TID251 - no process here
    for _ in range(10):
        await asyncio.sleep(0)
    sampler.cancel()
    assert scrape(metrics)["hubbub_event_loop_lag_seconds_count"] >= 1
