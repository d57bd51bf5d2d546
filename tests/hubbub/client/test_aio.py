"""The asyncio adapter against scripted sockets: what a program sees, and what it leaves behind."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from hubbub.client import aio
from hubbub.client.aio import Client, NoToken, connected
from hubbub.client.events import Closed, Connected, Cut, NoAnswer, Published, Refused, Stopped
from tests.hubbub.client.scripted import echo, publication, serve


async def token() -> str:
    return "t"


async def until(client: Client, kind: type) -> Any:
    async for event in client:
        if isinstance(event, kind):
            return event
    raise AssertionError(f"no {kind}")


async def test_calls_subscriptions_and_events() -> None:
    async with serve(echo) as server, connected([server.url], token) as client:
        assert await client.rpc("any", a=1) == {"a": 1}
        made = await client.send("group:x", "hi")
        assert made["text"] == "hi"
        assert len(made["cmid"]) == 36
        with pytest.raises(Refused, match="103 permission denied"):
            await client.command("refuse")
        subscribed = await client.subscribe("group:x")
        assert (subscribed.channel, subscribed.offset) == ("group:x", 0)
        assert await until(client, Connected) == Connected("c", "hello")
        event = await until(client, Published)
        assert event.data == "line\u2028separator and next\u0085line"
        client.unsubscribe("group:x")
        assert server.open == 1


async def test_it_comes_back_with_a_fresh_token_until_it_is_refused_for_good() -> None:
    numbers = iter(range(9))

    async def fresh() -> str:
        number = next(numbers)
        if number == 1:
            raise NoToken("not now")
        return f"token {number}"

    async with serve(echo) as server, connected([server.url], fresh) as client:
        await client.rpc("any")
        await server.sockets[0].close(code=3001)
        assert (await client.command("again", n=1))["n"] == 1
        assert isinstance(await until(client, Cut), Cut)
        assert server.tokens == ["token 0", "token 2"]
        with pytest.raises(NoAnswer, match="closed with 3500"):
            await client.command("close", code=3500)
        assert (await until(client, Stopped)).code == 3500
        assert client.stopped is not None
        with pytest.raises(StopAsyncIteration):
            await anext(client)
        with pytest.raises(Closed):
            await client.rpc("any")


async def test_leaving_the_block_leaves_nothing_behind() -> None:
    """Whatever was raised inside comes out as it was, and the socket is closed."""
    async with serve(echo) as server:
        before = asyncio.all_tasks()

        async def fail() -> None:
            async with connected([server.url], token) as client:
                await client.rpc("any")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2), connected([server.url], token) as client:
                await until(client, Stopped)
        await server.all_closed()
        assert {
            task for task in asyncio.all_tasks() - before if "client" in task.get_name()
        } == set()


async def test_nobody_there_is_waited_for_and_whoever_waits_can_leave() -> None:
    async with serve(echo) as server:
        gone_url = server.url
    async with serve(echo) as server, connected([gone_url, server.url], token) as client:
        assert await client.rpc("any", a=1) == {"a": 1}, "the next address is tried"
    async with connected([gone_url], token) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await client.subscribe("group:x")


async def test_what_is_not_read_is_left_in_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aio, "UNREAD_MAX", 10)

    def flood(command: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"subscribe": {"recoverable": True, "epoch": "e"}}]

    async with serve(flood) as server, connected([server.url], token) as client:
        await client.subscribe("group:x")
        for offset in range(1, 101):
            await server.sockets[0].send_str(json.dumps(publication(offset)))
        first = await until(client, Published)
        assert first.offset == 1
        assert len(client._events) <= 10
        offsets = [(await until(client, Published)).offset for _ in range(99)]
        assert offsets == list(range(2, 101))
