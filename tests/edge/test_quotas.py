"""Quotas of apps: shares that never add up to more than the whole."""

from __future__ import annotations

import pytest

from edge.dispatch import App
from edge.quotas import AppQuotas
from hubbub.base.errors import QUOTA_EXCEEDED, Rejected
from hubbub.coordinator.records import Quotas
from hubbub.settings.app import AppSettings


def app(**quotas: int) -> App:
    return App("demo", AppSettings(), b"secret", Quotas(**quotas))


def opened(edges: int, number: int, limit: int) -> int:
    """How many connections one edge lets in."""
    quotas = AppQuotas(lambda: (number, edges))
    here = 0
    while here <= limit:
        try:
            quotas.connection(app(connections_max=limit), here, 0)
        except Rejected:
            return here
        here += 1
    return here


@pytest.mark.parametrize(("limit", "edges"), [(1, 1), (1, 3), (7, 2), (8, 3), (9, 3)])
def test_all_edges_together_let_in_exactly_the_quota(limit: int, edges: int) -> None:
    assert sum(opened(edges, number, limit) for number in range(edges)) == limit


@pytest.mark.parametrize(("limit", "edges"), [(10, 1), (10, 2), (7, 2), (1, 3)])
def test_all_edges_together_send_no_more_than_the_quota(limit: int, edges: int) -> None:
    sent, refusals = 0, []
    all_edges = [AppQuotas(lambda number=n: (number, edges)) for n in range(edges)]
    for now_ms in range(0, 10_000, 20):
        for quotas in all_edges:
            try:
                quotas.message(app(messages_per_s=limit), now_ms)
                sent += 1
            except Rejected as refusal:
                refusals.append(refusal)
    assert {refusal.error for refusal in refusals} == {QUOTA_EXCEEDED}
    waits = [int(str(refusal.details["retry_after_ms"])) for refusal in refusals]
    assert 0 < min(waits) <= max(waits) <= 1_001 * edges
    burst = max(limit, edges)
    assert limit * 9 <= sent <= limit * 10 + burst


def test_without_a_quota_nothing_is_counted() -> None:
    quotas = AppQuotas(lambda: (0, 1))
    for _ in range(1_000):
        quotas.message(app(), 0)
        quotas.connection(app(), 1_000_000, 0)
    assert quotas.statistics().exceeded == {}


def test_refusals_name_the_quota_and_are_counted_by_app() -> None:
    quotas = AppQuotas(lambda: (0, 1))
    small = app(connections_max=2, messages_per_s=1)
    quotas.message(small, 0)
    for _ in range(3):
        with pytest.raises(Rejected) as refused:
            quotas.message(small, 0)
        assert refused.value.details["quota"] == "messages_per_s"
    with pytest.raises(Rejected) as refused:
        quotas.connection(small, 2, 0)
    assert refused.value.details == {"quota": "connections_max", "limit": 2, "scope": "app"}
    assert quotas.statistics().exceeded == {"demo": {"messages_per_s": 3, "connections_max": 1}}
    assert (quotas.refused.messages_total, quotas.refused.connections_total) == (3, 1)
    quotas.forget("demo")
    assert quotas.statistics().exceeded == {}
