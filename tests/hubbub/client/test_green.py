"""The threaded adapter against scripted sockets (under gevent: tests/loadtests)."""

from __future__ import annotations

import asyncio
import queue
from typing import Any

import pytest

from hubbub.client.events import (
    Closed,
    Connected,
    Cut,
    Event,
    NoAnswer,
    Published,
    Refused,
    Stopped,
    Subscribed,
)
from tests.hubbub.client.scripted import echo, publication, serve

pytest.importorskip("websocket", reason="the extra `load` is not installed")
from hubbub.client import green

WAIT_S = 10.0


class Told:
    """Events, in order."""

    def __init__(self) -> None:
        self._events: queue.Queue[Event] = queue.Queue()
        self.put = self._events.put

    def until(self, kind: type) -> Any:
        while not isinstance(event := self._events.get(timeout=WAIT_S), kind):
            pass
        return event


def client_of(url: str, *more: str) -> tuple[green.Client, Told]:
    told = Told()
    return green.Client([url, *more], lambda: "t", told.put, name="test"), told


def talk(url: str) -> None:
    client, told = client_of(url)
    client.subscribe("group:x")
    client.start()
    assert client.rpc("any", {"a": 1}) == {"a": 1}
    made = client.command("message.send", {"text": "hi"})
    assert (made["text"], len(made["cmid"])) == ("hi", 36)
    with pytest.raises(Refused, match="103 permission denied"):
        client.rpc("refuse", {})
    assert told.until(Connected) == Connected("c", "hello")
    assert told.until(Subscribed).channel == "group:x"
    assert told.until(Published).data == publication(1)["push"]["pub"]["data"]
    client.close()
    assert told.until(Stopped).code == 0
    client._reader.join(WAIT_S)
    assert not client._reader.is_alive()
    with pytest.raises(Closed):
        client.rpc("any", {})


async def test_calls_subscriptions_events_and_the_end() -> None:
    async with serve(echo) as server:
        await asyncio.to_thread(talk, server.url)
        await server.all_closed()


async def test_it_comes_back_until_it_is_refused_for_good() -> None:
    async with serve(echo) as server:
        gone = server.url
    async with serve(echo) as server:
        client, told = client_of(gone, server.url)
        client.start()
        assert await asyncio.to_thread(client.rpc, "any", {"a": 1}) == {"a": 1}
        await server.sockets[0].close(code=3001)
        again = await asyncio.to_thread(client.command, "again", {"n": 1})
        assert again["n"] == 1
        assert isinstance(told.until(Cut), Cut)
        assert len(server.tokens) == 2
        with pytest.raises(NoAnswer):
            await asyncio.to_thread(client.command, "close", {"code": 3500})
        assert told.until(Stopped).code == 3500
        await asyncio.to_thread(client._reader.join, WAIT_S)
        assert not client._reader.is_alive()
