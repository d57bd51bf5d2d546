"""An edge dies with all its users: they are offline for others after the grace, and no ghost stays.

Then a leader dies: who is there does not go by that, and since when somebody is gone is kept.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.support.client import Client
from tests.support.cluster import Cluster, wait_for

USERS = 50
GRACE_S = 10.0
LATE_S = 2.0

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster("--profile", "bench", nodes=3, routers=1, edges=2, copies=3) as running:
        yield running


def told(client: Client) -> dict[str, list[str]]:
    """The states that the client was told of, by user."""
    found: dict[str, list[str]] = {}
    for push in client.pushes:
        data = push.get("pub", {}).get("data", {})
        for user, row in data.get("users", {}).items() if data.get("t") == "presence" else ():
            found.setdefault(user, []).append(row["state"])
    return found


async def all_online(watcher: Client, users: list[str]) -> None:
    while True:
        seen: dict[str, Any] = (await watcher.rpc("presence.watch", users=users))["users"]
        if all(row["state"] == "online" for row in seen.values()):
            return
        await asyncio.sleep(0.1)


async def enter(stack: AsyncExitStack, cluster: Cluster, edge: int, user: str) -> Client:
    return await stack.enter_async_context(Client(cluster.urls[edge], cluster.token(user)))


async def test_the_users_of_a_dead_edge_are_gone_after_the_grace(cluster: Cluster) -> None:
    users, stays = [f"ghost-{n}" for n in range(USERS)], "stays"
    async with AsyncExitStack() as stack:
        watcher = await enter(stack, cluster, 1, "watcher")
        await enter(stack, cluster, 1, stays)
        for user in users:
            await enter(stack, cluster, 0, user)
        await enter(stack, cluster, 0, stays)
        await all_online(watcher, [*users, stays])
        cluster.kill("edge-1")
        killed_at = time.monotonic()
        while not all(told(watcher).get(user) == ["offline"] for user in users):
            late = time.monotonic() - killed_at
            assert late < GRACE_S + LATE_S, f"after {late:.1f} s {len(told(watcher))} are gone"
            await asyncio.sleep(0.02)
        took_s = time.monotonic() - killed_at
        print(f"{len(users)} users were gone {took_s:.1f} s after the kill")
        assert stays not in told(watcher), "he is on the other edge"
        found = (await watcher.rpc("presence.get", users=users))["users"]
        assert all(row["state"] == "offline" and row["last_seen"] for row in found.values())


async def test_a_new_leader_says_of_nobody_that_he_went(cluster: Cluster) -> None:
    users = [f"calm-{n}" for n in range(USERS)]
    async with AsyncExitStack() as stack:
        watcher = await enter(stack, cluster, 1, "watcher")
        for n, user in enumerate(users):
            await enter(stack, cluster, n % 2, user)
        leaver = Client(cluster.urls[0], cluster.token("leaver"))
        await leaver.__aenter__()
        await all_online(watcher, [*users, "leaver"])
        pid = cluster.kill("node-1")
        await asyncio.to_thread(cluster.wait_restarted, "node-1", pid)
        await leaver.close()
        await watcher.wait_until(
            lambda: told(watcher).get("leaver") == ["offline"], "leaver", 4 * GRACE_S
        )
        assert set(told(watcher)) == {"leaver"}
    path = "/v1/users/leaver/presence"
    seen = await asyncio.to_thread(cluster.rest, "GET", path)
    assert seen["last_seen"]

    def is_the_same() -> bool:
        answer = cluster.rest_answer("GET", path)  # 503 until every slot is led again
        return answer.status == 200 and answer.body == seen

    await asyncio.to_thread(cluster.restart)
    await asyncio.to_thread(wait_for, is_the_same, 20.0, lambda: "last_seen is not in the log")
