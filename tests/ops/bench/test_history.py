"""History: pages of 50, each of them full."""

from __future__ import annotations

import pytest

from ops.answer import Failure
from ops.bench import history
from ops.bench.history import History
from ops.bench.targets import Target
from tests.ops.bench.conftest import one_round


async def test_pages_of_the_reference_are_full(target: Target) -> None:
    sample = (await one_round(History(is_smoke=True), target))["history-200"]
    assert sample.value > 0
    assert 0 < sample.figures["page_p50_ms"] <= sample.figures["page_p99_ms"]


async def test_a_short_page_voids_the_run(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "CHANNEL", "group:short")
    session = await History(is_smoke=True).prepare(target)
    monkeypatch.setattr(history, "CHANNEL", "group:empty")
    with pytest.raises(ExceptionGroup) as raised:
        await session.measure(History(is_smoke=True).cases[0])
    assert raised.group_contains(Failure, match="a page of 0 messages")
    session.close()
