"""An edge dies with all its clients: everybody resumes on the other one, at the right place. One
that is asked to go answers first what it gathered.

HUBBUB_EDGE_CLIENTS=1000 is the whole form.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from functools import partial

import pytest

from tests.support.client import Client
from tests.support.cluster import Cluster
from tests.support.steadfast import Doors, Reader, Sender, close_all

CLIENTS = int(os.environ.get("HUBBUB_EDGE_CLIENTS", "200"))
ROOM = 20
SENT_BEFORE, SENT_IN_ALL = 5, 30

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180 + CLIENTS // 10)]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster("--profile", "bench", nodes=1, routers=1, edges=2) as running:
        yield running


async def test_all_clients_resume_on_the_other_edge(cluster: Cluster) -> None:
    rooms = [f"group:edge-{n}" for n in range(CLIENTS // ROOM)]
    users = {room: [f"{room[6:]}-{n}" for n in range(ROOM)] for room in rooms}
    for room in rooms:
        cluster.rest("POST", "/v1/channels", {"channel": room, "members": [*users[room], "sender"]})
    token = cluster.token(users[rooms[0]][0])
    doors = Doors(cluster)
    readers = [Reader(doors, user, [room], edge=0) for room in rooms for user in users[room]]
    for reader in readers:
        await reader.enter()
    senders = [Sender(doors, "sender", edge=1) for _ in rooms]
    sent: dict[str, list[str]] = {room: [] for room in rooms}
    half = asyncio.Event()

    async def send(room: str, sender: Sender) -> None:
        for n in range(SENT_IN_ALL):
            ack = await sender.ask("message.send", channel=room, text=f"{room} {n}")
            sent[room].append(ack["id"])
            if all(len(ids) >= SENT_BEFORE for ids in sent.values()):
                half.set()
            if n == SENT_BEFORE:
                await half.wait()

    def received(reader: Reader) -> list[str]:
        return [event["id"] for stream in reader.streams.values() for event in stream.events]

    unfinished = set(readers)
    killed_at = resumed_at = 0.0

    def all_have_all(reader: Reader) -> bool:
        nonlocal resumed_at
        if reader in unfinished and len(received(reader)) >= SENT_IN_ALL:
            unfinished.remove(reader)
            resumed_at = time.monotonic()
        return not unfinished

    async def kill() -> None:
        nonlocal killed_at
        await half.wait()
        killed_at = time.monotonic()
        cluster.kill("edge-1")

    async with asyncio.TaskGroup() as group:
        for reader in readers:
            group.create_task(reader.follow(partial(all_have_all, reader)))
        for room, sender in zip(rooms, senders, strict=True):
            group.create_task(send(room, sender))
        group.create_task(kill())

    for reader in readers:
        room = next(iter(reader.streams))
        assert received(reader) == sent[room], reader.user
        assert reader.resumes >= 1, f"{reader.user} was not on the edge that died"
        assert reader.recovered == reader.resumes, f"{reader.user} had to reload"
    print(f"{len(readers)} clients had everything {resumed_at - killed_at:.1f} s after the kill")
    await close_all(*readers, *senders)
    await asked_to_go(cluster, rooms[0], token)


async def asked_to_go(cluster: Cluster, room: str, token: str) -> None:
    """A mark waits at an edge for others; the edge gets SIGTERM: the mark is told to be made."""
    async with Client(cluster.urls[1], token) as client, asyncio.TaskGroup() as group:
        mark = group.create_task(client.rpc("mark.read", channel=room, upto=2))
        await client.rpc("unread.total")  # the mark came before it, and waits
        assert not mark.done()
        cluster.kill("edge-2", signal.SIGTERM)
        assert (await mark)["upto"] == 2
        assert (await client.wait_closed()).code == 3001
