"""A router dies under load: no send fails, no event is missing, with one router left or none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from tests.support.cluster import Cluster
from tests.support.steadfast import Doors, Reader, Sender, close_all

SENDERS = 20
GAP_S = 0.1  # of one sender: 200 messages a second in all
CHANNELS = 10

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]


@pytest.fixture(params=[2, 1], ids=["one-left", "none-left"])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with Cluster("--profile", "bench", nodes=1, routers=request.param, edges=2) as running:
        yield running


async def test_no_send_fails_and_nothing_is_missed(cluster: Cluster) -> None:
    channels = [f"group:router-{n}" for n in range(CHANNELS)]
    users = [f"sender-{n}" for n in range(SENDERS)]
    for channel in channels:
        cluster.rest("POST", "/v1/channels", {"channel": channel, "members": [*users, "reader"]})
    doors = Doors(cluster)
    readers = [Reader(doors, "reader", channels, edge) for edge in range(2)]
    senders = [Sender(doors, user, n) for n, user in enumerate(users)]
    for reader in readers:
        await reader.enter()
    acked: dict[str, set[str]] = {channel: set() for channel in channels}
    progress, over = asyncio.Event(), asyncio.Event()

    async def send(number: int, sender: Sender) -> None:
        while not over.is_set():
            channel = channels[number % CHANNELS]
            started = time.monotonic()
            ack = await sender.ask("message.send", channel=channel, text="under load")
            acked[channel].add(ack["id"])
            progress.set()
            number += 1
            await asyncio.sleep(max(0.0, GAP_S - (time.monotonic() - started)))

    async def sent_more(count: int) -> None:
        target = count + sum(map(len, acked.values()))
        while sum(map(len, acked.values())) < target:
            progress.clear()
            await progress.wait()

    async def kill_in_turn() -> None:
        for name in [entry.name for entry in cluster.of_role("router")]:
            await sent_more(SENDERS * 10)
            pid = cluster.kill(name)
            await asyncio.to_thread(cluster.wait_restarted, name, pid)
        await sent_more(SENDERS * 10)
        over.set()

    def is_read(reader: Reader) -> bool:
        return over.is_set() and all(
            acked[channel] <= {event["id"] for event in stream.events}
            for channel, stream in reader.streams.items()
        )

    async with asyncio.TaskGroup() as group:
        for reader in readers:
            group.create_task(reader.follow(lambda reader=reader: is_read(reader)))  # type: ignore[misc]
        for number, sender in enumerate(senders):
            group.create_task(send(number, sender))
        group.create_task(kill_in_turn())

    for reader in readers:
        for channel, stream in reader.streams.items():
            ids = [event["id"] for event in stream.events]
            assert len(ids) == len(set(ids)), "a message was stored twice"
            assert set(ids) == acked[channel]
        assert reader.resumes == 0, "a router's death is no business of a client's connection"
    await close_all(*readers, *senders)
