"""The yardstick does what it says, asked by an independent WebSocket client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from ops.bench.runner import BENCHMARKS
from ops.bench.targets import Target, reference


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    with reference() as running:
        yield running


def ask(socket: ClientConnection, **command: Any) -> None:
    socket.send(json.dumps(command))


def read(socket: ClientConnection) -> Any:
    return json.loads(socket.recv(timeout=5))


def test_a_publication_reaches_every_member_and_the_sender_is_told(target: Target) -> None:
    url = target.urls[0].replace("http", "ws") + "/ws"
    with connect(url) as ann, connect(url) as bob, connect(url) as eve:
        for name, socket, room in (("ann", ann, "a"), ("bob", bob, "a"), ("eve", eve, "b")):
            ask(socket, id=1, join={"room": room, "user": name})
            assert read(socket) == {"id": 1, "joined": {"seq": 0}}
        for number in (1, 2):
            ask(ann, id=1 + number, publish={"room": "a", "text": f"hi {number}"})
        for number in (1, 2):
            for socket in (ann, bob):
                got = read(socket)
                assert got["room"] == "a"
                assert (got["pub"]["seq"], got["pub"]["by"]) == (number, "ann")
                assert got["pub"]["text"] == f"hi {number}"
            assert read(ann) == {"id": 1 + number, "published": {"seq": number}}
        ask(eve, id=2, page={"room": "a", "before_seq": 2, "limit": 50})
        page = read(eve)
        assert page["id"] == 2
        assert [message["text"] for message in page["page"]["messages"]] == ["hi 1"]


@pytest.mark.parametrize("name", list(BENCHMARKS))
async def test_every_benchmark_runs_on_it(target: Target, name: str) -> None:
    benchmark = BENCHMARKS[name](True)
    session = await benchmark.prepare(target)
    try:
        for case in benchmark.cases:
            sample = await session.measure(case)
            assert sample.value > 0, case.name
    finally:
        session.close()
