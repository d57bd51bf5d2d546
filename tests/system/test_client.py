"""The client of `hubbub.client` on a real cluster: an edge dies in the middle, nobody notices."""

from __future__ import annotations

import asyncio

from hubbub.client.aio import Client, Token, connected
from hubbub.client.events import Cut, Published, Reset, Subscribed
from tests.support.cluster import Cluster

ROOM = "group:client"
MESSAGES = 40
KILLED_AT = 10
DEADLINE_S = 60.0


def token_of(cluster: Cluster, user: str) -> Token:
    made = cluster.token(user)  # before an edge dies: REST asks one edge only

    async def token() -> str:
        return made

    return token


async def test_an_edge_dies_and_every_message_is_stored_and_read_once() -> None:
    with Cluster("--profile", "bench", nodes=1, routers=1, edges=2) as cluster:
        cluster.rest("POST", "/v1/channels", {"channel": ROOM, "members": ["ann", "bob"]})
        urls = cluster.urls  # both begin at the edge that dies
        async with (
            asyncio.timeout(DEADLINE_S),
            connected(urls, token_of(cluster, "ann")) as ann,
            connected(urls, token_of(cluster, "bob")) as bob,
        ):
            start = (await bob.subscribe(ROOM)).offset
            async with asyncio.TaskGroup() as group:
                sending = group.create_task(send_all(cluster, ann))
                reading = group.create_task(read_all(bob, start))
        assert reading.result() == sending.result()


async def send_all(cluster: Cluster, client: Client) -> dict[int, str]:
    """Text by seq, as they were acknowledged; the edge is killed in the middle."""
    sent: dict[int, str] = {}
    for n in range(MESSAGES):
        if n == KILLED_AT:
            cluster.kill("edge-1")
        answer = await client.send(ROOM, f"message {n}")
        assert answer["seq"] not in sent
        sent[answer["seq"]] = f"message {n}"
    return sent


async def read_all(client: Client, start: int) -> dict[int, str]:
    """Text by seq, as they were delivered: contiguous, across one cut at least."""
    read: dict[int, str] = {}
    cuts = resumes = 0
    async for event in client:
        assert not isinstance(event, Reset), event
        cuts += isinstance(event, Cut)
        if isinstance(event, Subscribed) and event.channel == ROOM:
            resumes += event.resumed
        if isinstance(event, Published) and event.channel == ROOM:
            assert event.offset == start + len(read) + 1
            assert event.data["seq"] == event.offset
            read[event.offset] = event.data["text"]
            if len(read) == MESSAGES:
                break
    assert cuts >= 1, "its edge did not die"
    assert resumes >= 1
    return read
