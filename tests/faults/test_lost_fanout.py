"""Events that were never delivered are noticed and fetched from the log, also on an idle link.

Dropped: an edge stands still while more is sent than its link may hold unacknowledged; the router
drops the rest for it. Nothing is sent afterwards, so that only the link's own number can tell.
Late: a router stands still; everything it held arrives, or is repaired.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from urllib.request import urlopen

import pytest

from tests.support.cluster import Cluster
from tests.support.steadfast import Doors, Reader, Sender, close_all
from tests.support.traffic import Traffic

REPAIRED_WITHIN_S = 2.0
STOOD_STILL_S = 2.0
WINDOW_BYTES = 4 << 20  # the default of link_window_bytes_max
# One subscriber may be sent 512 KiB of missed events at once; more channels make up the rest.
CHANNELS, MESSAGES, BYTES = 24, 7, 50_000
DROPPED = "hubbub_router_fanout_copies_dropped_total"

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120)]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster("--profile", "bench", nodes=1, routers=1, edges=2) as running:
        yield running


async def test_what_a_router_dropped_is_repaired_although_nothing_follows(cluster: Cluster) -> None:
    assert CHANNELS * MESSAGES * BYTES > WINDOW_BYTES * 3 / 2
    doors = Doors(cluster)
    channels = [f"group:dropped-{n}" for n in range(CHANNELS)]
    for channel in channels:
        cluster.rest("POST", "/v1/channels", {"channel": channel, "members": ["ann", "bob"]})
    senders = [Sender(doors, "ann", edge=1) for _ in channels]
    readers = [Reader(doors, "bob", [channel], edge=0) for channel in channels]
    for reader in readers:
        await reader.enter()
    heads = dict.fromkeys(channels, 0)
    sent, whole, dropped_before = asyncio.Event(), asyncio.Event(), _metric(cluster, DROPPED)

    def is_whole() -> bool:
        done = sent.is_set() and all(
            stream.offset >= heads[channel]
            for reader in readers
            for channel, stream in reader.streams.items()
        )
        if done:
            whole.set()
        return done

    async def send(channel: str, sender: Sender) -> None:
        for n in range(MESSAGES):
            data = {"n": n, "padding": "x" * BYTES}
            ack = await sender.ask("message.send", channel=channel, text="much", data=data)
            heads[channel] = ack["seq"]

    async with asyncio.TaskGroup() as group:
        for reader in readers:
            group.create_task(reader.follow(is_whole))
        cluster.kill("edge-1", signal.SIGSTOP)
        try:
            async with asyncio.TaskGroup() as sending:
                for channel, sender in zip(channels, senders, strict=True):
                    sending.create_task(send(channel, sender))
            dropped = _metric(cluster, DROPPED) - dropped_before
        finally:
            cluster.kill("edge-1", signal.SIGCONT)
        went_on = time.monotonic()
        sent.set()
        async with asyncio.timeout(30):
            await whole.wait()
        took_s = time.monotonic() - went_on

    print(f"{dropped:.0f} dropped events were repaired in {took_s:.2f} s")
    assert dropped > 0, "nothing was lost: this proves nothing"
    assert took_s < REPAIRED_WITHIN_S, f"{dropped:.0f} dropped events took {took_s:.1f} s"
    assert all(reader.resumes == 0 for reader in readers), "a client had to help"
    for reader in readers:
        for stream in reader.streams.values():
            assert [event["data"]["n"] for event in stream.events] == list(range(MESSAGES))
    await close_all(*readers, *senders)


async def test_a_router_that_stood_still_is_caught_up_with(cluster: Cluster) -> None:
    async with Traffic(cluster, "still", channels=10, senders=20, gap_s=0.1) as traffic:

        async def stand_still() -> None:
            await traffic.sent_more(200)
            cluster.kill("router-1", signal.SIGSTOP)
            await asyncio.sleep(STOOD_STILL_S)  # harm: how long it stands
            cluster.kill("router-1", signal.SIGCONT)
            await traffic.read_up_to(dict(traffic.heads), REPAIRED_WITHIN_S)
            await traffic.everybody_sent(3)

        await traffic.run(stand_still)
        findings = await traffic.check()
        assert findings.is_clean, (str(findings), findings.examples[:5])
        assert all(reader.resumes == 0 for reader in traffic.readers)


def _metric(cluster: Cluster, name: str) -> float:
    """A counter of the router."""
    with urlopen(f"{cluster.process('router-1').admin_url}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(name))
