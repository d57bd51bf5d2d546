"""The self-test fails when what it promises does not hold (that it passes: tests/system)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ops.answer import Failure
from ops.demo import check as module
from ops.demo.check import check
from tests.ops.demo.fake_edge import FakeEdge, serve


def accept(command: dict[str, Any]) -> list[str]:
    """An edge that says yes to everything and delivers nothing."""
    name = next(key for key in command if key != "id")
    result = {"data": {"seq": 1, "messages": []}} if name == "rpc" else {}
    return [json.dumps({"id": command["id"], name: result})]


async def test_a_message_that_is_not_delivered_fails_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DEADLINE_S", 0.3)
    async with serve(FakeEdge(accept)) as edge:
        with pytest.raises(Failure, match="self-test failed") as failed:
            await check([("edge-1", edge.url), ("edge-2", edge.url)], "k")
    assert failed.value.cause == ("TimeoutError: ",)


async def test_an_edge_that_is_gone_fails_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DEADLINE_S", 0.3)
    async with serve(FakeEdge(accept)) as first:
        async with serve(FakeEdge()) as second:
            gone = second.url
        with pytest.raises(Failure):
            await check([("edge-1", first.url), ("edge-2", gone)], "k")
