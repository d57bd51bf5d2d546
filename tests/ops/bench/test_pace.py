"""Open and closed loops against a server that is one function."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from ops.answer import Failure
from ops.bench.client import Tally
from ops.bench.pace import Load, closed_loop, open_loop, settled

FANOUT = 3


class Server:
    """Answers each message after a turn of the loop; remembers how many were under way."""

    def __init__(self, *, deliveries: int = FANOUT) -> None:
        self.tally = Tally()
        self.under_way_max = 0
        self.dues: list[int] = []
        self._deliveries = deliveries

    def load(self) -> Load:
        return Load(self.tally, FANOUT, self._take)

    def _take(self, _number: int, due_ns: int) -> None:
        self.tally.sent += 1
        self.dues.append(due_ns)
        under_way = self.tally.sent - self.tally.delivered // FANOUT
        self.under_way_max = max(self.under_way_max, under_way)
        asyncio.get_running_loop().call_soon(self._answer)

    def _answer(self) -> None:
        self.tally.acked += 1
        self.tally.delivered += self._deliveries
        self.tally.changed.set()


async def test_a_closed_loop_keeps_its_window_and_no_more() -> None:
    server = Server()
    await closed_loop(server.load(), 50, outstanding=8)
    assert (server.tally.sent, server.tally.delivered) == (50, 50 * FANOUT)
    assert server.under_way_max == 8


async def test_an_open_loop_stamps_the_moment_at_which_a_message_was_due() -> None:
    server = Server()
    await open_loop(server.load(), 40, per_s=2_000)
    gaps = [after - before for before, after in zip(server.dues, server.dues[1:], strict=False)]
    assert server.tally.sent == 40
    assert {round(gap / 1_000) for gap in gaps} == {500}


async def test_a_message_that_is_delivered_twice_voids_the_run() -> None:
    server = Server(deliveries=FANOUT + 1)
    with pytest.raises(Failure, match="deliveries"):
        await closed_loop(server.load(), 3, outstanding=1)


@pytest.mark.parametrize("loop", [open_loop, closed_loop])
async def test_a_refusal_ends_the_run(loop: Callable[..., object]) -> None:
    server = Server()
    server.tally.failed('{"id":1,"error":{"code":111}}')
    with pytest.raises(Failure, match="111"):
        await loop(server.load(), 3, 1)  # type: ignore[misc]


async def test_a_server_that_stops_answering_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.bench.pace.SETTLE_TIMEOUT_S", 0.01)
    server = Server()
    server.tally.sent = 2
    server.tally.acked = 1
    with pytest.raises(Failure, match="2 sent, 1 acked, 0 delivered"):
        await settled(server.load())
