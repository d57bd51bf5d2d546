"""The private server, asked over a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from aiohttp import ClientSession

from hubbub.runtime import logs
from hubbub.runtime.admin import AdminServer
from hubbub.runtime.metrics import Metrics


class LinkStatistics(msgspec.Struct, frozen=True):
    peers: int
    states: dict[int, str]


class Link:
    def statistics(self) -> LinkStatistics:
        return LinkStatistics(2, {1: "live"})


class Map:
    """Too large to be told whole."""

    def statistics(self) -> LinkStatistics:
        return LinkStatistics(0, {})

    def row(self, name: str) -> list[int] | None:
        return [1, 2] if name == "slots" else None


@asynccontextmanager
async def serving(reasons: list[str]) -> AsyncIterator[tuple[AdminServer, ClientSession]]:
    server = AdminServer(Metrics("edge"), lambda: reasons)
    url = await server.start("127.0.0.1", 0)
    async with ClientSession(url) as client:
        yield server, client
    await server.close()
    await server.close()  # twice does no harm


async def test_ready_says_what_is_missing() -> None:
    reasons = ["no_router"]
    async with serving(reasons) as (_, client):
        async with client.get("/readyz") as answer:
            assert answer.status == 503
            assert await answer.json() == {"ready": False, "reasons": ["no_router"]}
        async with client.get("/metrics") as answer:
            assert "hubbub_ready 0.0" in await answer.text()
        reasons.clear()
        async with client.get("/readyz") as answer:
            assert answer.status == 200
        async with client.get("/metrics") as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            assert "hubbub_ready 1.0" in await answer.text()
        async with client.get("/healthz") as answer:
            assert answer.status == 200


async def test_statistics_of_registered_objects() -> None:
    async with serving([]) as (server, client):
        server.register("link", Link())
        with pytest.raises(ValueError, match="link"):
            server.register("link", Link())
        async with client.get("/statistics") as answer:
            found = await answer.json()
    assert found["link"] == {"peers": 2, "states": {"1": "live"}}
    assert {"logs", "tasks", "counts"} <= found.keys()


async def test_what_is_large_is_told_by_rows() -> None:
    async with serving([]) as (server, client):
        server.register("map", Map())
        server.register("link", Link())
        async with client.get("/statistics/map/slots") as answer:
            assert (answer.status, await answer.json()) == (200, [1, 2])
        for path in ("/statistics/map/17", "/statistics/link/x", "/statistics/nothing/x"):
            async with client.get(path) as answer:
                assert answer.status == 404
                assert path in (await answer.json())["error"]


async def test_the_log_level_can_be_changed_by_json_only() -> None:
    logs.set_level("info")
    async with serving([]) as (_, client):
        async with client.post("/log-level", json={"level": "debug"}) as answer:
            assert answer.status == 200
        assert logs.statistics().level == "debug"
        for body in ("{", "[]", '{"level":"loud"}', '{"level":5}', "null"):
            headers = {"Content-Type": "application/json"}
            async with client.post("/log-level", data=body, headers=headers) as answer:
                assert answer.status == 400, body
        async with client.post("/log-level", data='{"level":"error"}') as answer:
            assert answer.status == 415
        assert logs.statistics().level == "debug"
    logs.set_level("info")


async def test_the_url_is_the_bound_one_and_a_taken_port_is_an_error() -> None:
    async with serving([]) as (server, _):
        port = int(server.url.rpartition(":")[2])
        assert port > 0
        second = AdminServer(Metrics("edge"), list)
        with pytest.raises(OSError, match="in use"):
            await second.start("127.0.0.1", port)
