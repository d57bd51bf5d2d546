"""Seeding through REST: everything once, whatever happens on the way."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from ops.answer import Failure
from ops.api import Rest
from ops.demo import asides, conversations, people
from ops.demo.seed import seed
from tests.ops.demo.fake_edge import FakeEdge, serve


async def test_everything_once_and_in_order_even_when_it_is_repeated() -> None:
    async with serve(FakeEdge()) as edge:
        rest = Rest(edge.url, "k")
        counts = [await asyncio.to_thread(seed, rest) for _ in range(2)]
        channels = edge.channels
    greetings = sum(people.ROBIN in pair for pair in people.PAIRS)
    assert counts == [conversations.COUNT + asides.COUNT + greetings] * 2
    for name, lines in conversations.ROOMS.items():
        assert [(m["by"], m["text"]) for m in channels[name] if "thread" not in m] == list(lines)
    own = [m["text"] for m in channels["dm:alice-bob"] if "thread" not in m]
    assert own == [text for _, text in conversations.PAIRS["alice", "bob"]]
    for place, added in asides.ASIDES.items():
        said = channels[place if isinstance(place, str) else f"dm:{'-'.join(place)}"]
        replies = [(m["by"], m["text"]) for m in said if "thread" in m]
        assert replies == [reply for aside in added for reply in aside.replies]
    reactions = {(path, body["by"]) for _, path, body in edge.requests if "/reactions/" in path}
    assert len(reactions) == sum(len(a.reactions) for of in asides.ASIDES.values() for a in of)
    votes = [body["by"] for _, path, body in edge.requests if path.endswith("/vote")]
    assert sorted(votes) == sorted(["alice", "bob", "chloe", "dan", "emma"] * 2)
    assert "Alice" in channels["dm:alice-robin"][0]["text"]
    names = {body["name"] for _, path, body in edge.requests if path.startswith("/v1/users/")}
    assert names == {person.name for person in people.PEOPLE}


async def test_a_busy_server_is_waited_for() -> None:
    async with serve(FakeEdge()) as edge:
        edge.refuse = [web.json_response({"retry_after_ms": 5}, status=429) for _ in range(3)]
        edge.refuse.append(web.json_response({}, status=503))
        await asyncio.to_thread(seed, Rest(edge.url, "k"))
        assert edge.refuse == []
        lines = conversations.ROOMS["open:lobby"]
        assert len(edge.channels["open:lobby"]) == len(lines)


async def test_a_refusal_is_told() -> None:
    async with serve(FakeEdge()) as edge:
        refusal = {"detail": "no such right"}
        edge.refuse = [web.json_response(refusal, status=403) for _ in range(20)]
        with pytest.raises(Failure, match="no such right"):
            await asyncio.to_thread(seed, Rest(edge.url, "k"))
