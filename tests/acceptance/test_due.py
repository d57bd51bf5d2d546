"""What falls due happens exactly once, whoever dies: a leader just before, and the whole cluster.

A cluster of its own, because it breaks it. HUBBUB_DUE (24) is the number of scheduled messages of
each of the two harms.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import pytest

from tests.support.client import Client, new_cmid
from tests.support.cluster import Cluster, wait_for
from tests.support.harm import three_copies
from tests.support.leaders import leaders_of

COUNT = int(os.environ.get("HUBBUB_DUE", "24"))
ROOMS = [f"group:due-{n}" for n in range(6)]
USER = "due-ann"
TAKEN_OVER_S = 30.0

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with three_copies() as running:
        yield running


def now_ms() -> int:
    return int(time.time() * 1_000)


async def schedule(client: Client, words: str, at: int) -> list[str]:
    """One message after the other over the rooms, 20 ms apart; their texts."""
    texts = [f"{words}-{n}" for n in range(COUNT)]
    for n, text in enumerate(texts):
        await client.rpc(
            "schedule.create",
            channel=ROOMS[n % len(ROOMS)],
            at=at + n * 20,
            cmid=new_cmid(),
            message={"text": text},
        )
    return texts


def sent(cluster: Cluster) -> list[str]:
    """The texts in all rooms, by room and seq; empty while somebody does not answer."""
    found: list[str] = []
    for room in ROOMS:
        answer = cluster.rest_answer("GET", f"/v1/channels/{room}/messages?linear=true&limit=200")
        if answer.status != 200:
            return []
        found += [message["text"] for message in answer.body["messages"]]
    return found


def figures(cluster: Cluster, name: str) -> float:
    """A metric's sum over all nodes."""
    total = 0.0
    for process in cluster.of_role("node"):
        with urlopen(f"{process.url}/metrics", timeout=5) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(f"hubbub_node_due_{name} "):
                    total += float(line.split()[-1])
    return total


def in_order(texts: list[str], words: str) -> bool:
    """Within each room, by the times that were asked for."""
    numbers = [int(text.rpartition("-")[2]) for text in texts if text.startswith(words)]
    rooms: dict[int, list[int]] = {}
    for number in numbers:
        rooms.setdefault(number % len(ROOMS), []).append(number)
    return all(row == sorted(row) for row in rooms.values())


async def test_it_happens_exactly_once(cluster: Cluster) -> None:
    for room in ROOMS:
        cluster.rest("POST", "/v1/channels", {"channel": room, "members": [USER]})
    victim = max(
        (leaders := await leaders_of(cluster, ROOMS)).values(), key=list(leaders.values()).count
    )

    # A leader dies just before the time.
    async with Client(cluster.url, cluster.token(USER)) as client:
        at = now_ms() + 3_000
        texts = await schedule(client, "leader", at)
        assert now_ms() < at, "the machine is too busy for this test"
        assert figures(cluster, "pending") == COUNT
        await asyncio.to_thread(
            wait_for, lambda: now_ms() >= at - 100, 10.0, lambda: "time stands still"
        )
        cluster.kill(victim)
    await _all_sent(cluster, texts)
    assert in_order(sent(cluster), "leader")

    # Everybody dies before, and is back after the time.
    await asyncio.to_thread(_all_nodes_up, cluster)
    async with Client(cluster.urls[1], cluster.token(USER)) as client:
        at = now_ms() + 2_500
        more = await schedule(client, "all", at)
        assert now_ms() < at, "the machine is too busy for this test"
    cluster.kill_all()
    wait_for(lambda: now_ms() >= at + COUNT * 20, 10.0, lambda: "time stands still")
    cluster.start()
    await _all_sent(cluster, texts + more)
    assert in_order(sent(cluster), "all")
    # Rooms with messages have a sweep of their own that falls due.
    assert figures(cluster, "pending") <= len(ROOMS)
    assert COUNT <= figures(cluster, "fired_total") <= COUNT + len(ROOMS)
    assert figures(cluster, "late_ms") == 0


async def _all_sent(cluster: Cluster, texts: list[str]) -> None:
    """Waits until all are there; each of them once."""

    def is_done() -> bool:
        return set(sent(cluster)) >= set(texts)

    def story() -> str:
        there = set(sent(cluster))
        return f"missing {[text for text in texts if text not in there]}"

    await asyncio.to_thread(wait_for, is_done, TAKEN_OVER_S, story)
    found: list[Any] = sent(cluster)
    assert sorted(found) == sorted(texts)


def _all_nodes_up(cluster: Cluster) -> None:
    wait_for(
        lambda: all(_is_ready(process.url) for process in cluster.of_role("node")),
        TAKEN_OVER_S,
        cluster.said,
    )


def _is_ready(url: str) -> bool:
    try:
        with urlopen(f"{url}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
