"""The asyncio adapter against scripted sockets: what a program sees, and what it leaves behind."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from hubbub.client import aio
from hubbub.client.aio import Client, connected
from hubbub.client.chat import connect
from hubbub.client.events import (
    Closed,
    Connected,
    Cut,
    NoAnswer,
    NotAllowed,
    Published,
    Refused,
    Stopped,
)
from hubbub.client.stores import MemoryStore
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
            raise KeyError("not now")  # whatever the program's function raises
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


async def test_the_reason_of_a_close_reaches_the_core() -> None:
    """An edge that drains says in it when to come back (0022): nobody may lose it on the way."""
    async with serve(echo) as server, connected([server.url], token) as client:
        await client.rpc("any")
        await until(client, Connected)
        await server.sockets[0].close(code=3001, message=b'shutdown {"retry_after_ms":400}')
        assert (await until(client, Cut)).reason == "shutdown"
        began = time.monotonic()
        await until(client, Connected)
        assert time.monotonic() - began >= 0.35


async def test_a_token_is_replaced_before_it_runs_out() -> None:
    numbers = iter(range(9))

    async def fresh() -> str:
        return f"token {next(numbers)}"

    renewed: asyncio.Queue[str] = asyncio.Queue()

    def script(command: dict[str, Any]) -> list[dict[str, Any]] | int:
        if "refresh" not in command:
            return echo(command)
        renewed.put_nowait(command["refresh"]["token"])
        return [{"refresh": {"expires": False}}]

    async with serve(script, expires=True, ttl=1) as server, connected([server.url], fresh):
        async with asyncio.timeout(5):
            assert await renewed.get() == "token 1"
        assert server.tokens == ["token 0"]  # one connection


async def test_a_clock_that_is_wrong_costs_one_refusal() -> None:
    server_ms = 1_000_000_000_000  # years before this machine's
    times: list[int] = []

    def script(command: dict[str, Any]) -> list[dict[str, Any]] | int:
        stamped = command["rpc"]["data"]["cmid"]
        times.append(int(stamped.replace("-", "")[:12], 16))
        if abs(times[-1] - server_ms) < 60_000:
            return echo(command)
        text = f'cmid_clock: no {{"server_time_ms":{server_ms}}}'
        return [{"error": {"code": 411, "message": text}}]

    async with serve(script) as server, connected([server.url], token) as client:
        await client.command("any", n=1)
        await client.command("any", n=2)
        assert len(times) == 3
        kept = "01a22405-64df-720b-a73f-72cc3e6478aa"
        with pytest.raises(Refused, match="cmid_clock"):
            await client.command("any", cmid=kept)  # the program's own id is not replaced
    times.clear()
    async with serve(script) as server, connect(server.url, "t") as chat:
        posts = [chat.channel("group:x").post(text) for text in "ab"]
        assert [dict(await post)["text"] for post in posts] == ["a", "b"]
        assert (len(times), chat.unsent) == (3, 0)


async def test_a_sign_that_is_too_often_or_lost_is_left_out() -> None:
    """A program gives it before each of its answers, and must not end because of it."""
    answers = [
        {"error": {"code": 111, "message": 'rate_limited: slow down {"retry_after_ms":2969}'}},
        {"error": {"code": 420, "message": "not_a_member: not a member of this channel"}},
    ]
    asked = []

    def script(command: dict[str, Any]) -> list[dict[str, Any]] | int:
        asked.append(command["rpc"]["method"])
        return 3001 if len(asked) == 1 else [answers[len(asked) - 2]]

    async with serve(script) as server, connect(server.url, "t") as chat:
        own = chat.channel("group:x")
        await own.typing()  # the connection is cut
        await own.typing(stop=True)
        with pytest.raises(NotAllowed):
            await own.typing()
    assert asked == ["typing.start", "typing.stop", "typing.start"]


async def test_a_cut_does_not_end_a_sync() -> None:
    """It only reads: asked again on the next connection, as the same question."""
    asked = []

    def script(command: dict[str, Any]) -> list[dict[str, Any]] | int:
        asked.append(command["rpc"])
        if len(asked) == 1:
            return 3001
        state = {"state": "reset", "epoch": "e", "seq": 7}
        return [{"rpc": {"data": {"user": state, "channels": {}}}}]

    store = MemoryStore()
    async with serve(script) as server, connect(server.url, "t") as chat:
        assert [change.position async for change in chat.sync(store)] == [("e", 7)]
    assert asked == [{"method": "sync", "data": {"user": ["", 0], "channels": {}}}] * 2
    assert store.load() == {"user": ["e", 7], "channels": {}}


async def test_an_address_as_it_is_printed_and_one_that_is_none() -> None:
    async with serve(echo) as server, connect(server.url + "/", "t") as chat:
        await chat.channel("group:x").send("here")
    with pytest.raises(ValueError, match=r"unlike '127\.0\.0\.1:8080'"):
        async with connect("127.0.0.1:8080", "t"):
            raise AssertionError("nobody can be there")
