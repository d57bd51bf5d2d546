"""What the tests of single faults share: a cluster of three copies, and what a fault cost.

Rules:
1. Figures are told, never judged: `Silences`, `ack_times`; a test asserts on what was lost.
2. A channel is silent from its last acknowledgement to the next one; the silence of a fault is the
   longest one that ends after it began.
3. `Heads` asks as a client does, again and again, and notes every answer with its times: what was
   older than what its session, or anybody, knew before it asked shows a leader that is none.
"""

from __future__ import annotations

import asyncio
import os
import time
from bisect import bisect_left
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles

import pytest

from ops.answer import Failure
from ops.api import Rest
from tests.support.chaos.fsync import FsyncShim, environment
from tests.support.chaos.signals import paused
from tests.support.client import Client, ReplyError
from tests.support.cluster import Cluster
from tests.support.history import View
from tests.support.leaders import leaders_of, view_of
from tests.support.steadfast import GONE, RETRY_S
from tests.support.traffic import Traffic

ROUNDS = int(os.environ.get("HUBBUB_ROUNDS", "1"))  # how often each fault is repeated
CHANNELS = 24
GAP_S = float(os.environ.get("HUBBUB_GAP_S", "0.1"))  # of one sender, between two sends
ASK_GAP_S = 0.01  # of one session of `Heads`: it is to watch, not to be the load
UNDER_WAY_MAX = 5  # entries of one slot while its channels are being written
# As long as a send may be retried. On a machine full of other work more, to learn what is lost.
TAKEN_OVER_S = float(os.environ.get("HUBBUB_SEND_S", "15"))
Disks = dict[str, FsyncShim]
SHAPE = {"nodes": 3, "routers": 2, "edges": 2, "copies": 3}
NODES = tuple(f"node-{n}" for n in range(1, SHAPE["nodes"] + 1))


def three_copies(*options: str) -> Cluster:
    """Three nodes, three copies, two routers, two edges; not started yet."""
    return Cluster("--profile", "bench", *options, **SHAPE)


def traffic_of(cluster: Cluster, prefix: str, deadline_s: float = TAKEN_OVER_S) -> Traffic:
    """One sender for each channel, which waits only for itself."""
    return Traffic(
        cluster,
        prefix,
        channels=CHANNELS,
        senders=CHANNELS,
        gap_s=GAP_S,
        deadline_s=deadline_s,
        roams=False,
    )


@contextmanager
def three_copies_on_disks(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Cluster, Disks]]:
    """A running cluster, and a disk with faults for each of its nodes, by name.

    Args: folder: of the test, for the disks' own files.
    """
    cluster = three_copies()
    disks = {n: FsyncShim(folder, below=cluster.dir / "nodes" / n, name=n) for n in NODES}
    for name, value in environment(*disks.values()).items():
        monkeypatch.setenv(name, value)
    with cluster:
        yield cluster, disks


def stay_follower(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has lost its slots does not get them back while the test goes on. Before the start."""
    monkeypatch.setenv("HUBBUB_LEADER_RETURN_S", "3600")


class Silences:
    """How long channels took no message, of all rounds of one fault."""

    def __init__(self, fault: str) -> None:
        self._fault = fault
        self._seconds: list[float] = []

    def add(self, traffic: Traffic, channels: Iterable[str], since: float) -> None:
        """A round that began at `since` (monotonic) and is over. Infinite: never written again."""
        self._seconds += [_silence_s(traffic.acked_at[channel], since) for channel in channels]

    def __str__(self) -> str:
        found = self._seconds
        if not found:
            return f"{self._fault}: no channel was concerned"
        p99 = quantiles(found, n=100, method="inclusive")[98] if len(found) > 1 else found[0]
        return (
            f"{self._fault}: {len(found)} channels silent for {median(found):.2f} s (median), "
            f"{p99:.2f} s (p99), {max(found):.2f} s (longest)"
        )


def _silence_s(acked_at: Sequence[float], since: float) -> float:
    first = bisect_left(acked_at, since)
    if first == len(acked_at):
        return float("inf")
    times = [acked_at[first - 1] if first else since, *acked_at[first:]]
    return max(later - earlier for earlier, later in pairwise(times))


def ack_times(traffic: Traffic, since: float, until: float) -> str:
    """From the first try of a send to its acknowledgement, of the sends that began in a stretch."""
    took_ms = [
        (sent.ended_at - sent.sent_at) * 1_000
        for sent, _ in traffic.acked
        if since <= sent.sent_at < until
    ]
    assert len(took_ms) > 1, "nothing was sent meanwhile"
    p99 = quantiles(took_ms, n=100, method="inclusive")[98]
    rate = len(took_ms) / (until - since)
    return f"acks p50 {median(took_ms):.0f} ms, p99 {p99:.0f} ms at {rate:.0f}/s"


async def lasted(since: float, seconds: float) -> None:
    """Harm lasts so long, and longer if that is over already."""
    await asyncio.sleep(max(0.0, since + seconds - time.monotonic()))


async def led_by(cluster: Cluster, traffic: Traffic, name: str) -> list[str]:
    """The channels that a node leads, by the map."""
    leaders = await leaders_of(cluster, traffic.channels)
    return [channel for channel, leader in leaders.items() if leader == name]


async def busiest(cluster: Cluster, traffic: Traffic) -> str:
    """The node that leads most of the channels."""
    leaders = list((await leaders_of(cluster, traffic.channels)).values())
    return max(sorted(set(leaders)), key=leaders.count)


async def wait_leads_nothing(cluster: Cluster, name: str, within_s: float) -> float:
    """Waits until the map has other leaders for all of a node's slots; how long that took."""
    began = time.monotonic()
    async with asyncio.timeout(within_s):
        while slots := [
            number
            for number, record in (await view_of(cluster)).slot_map.items()
            if record.leader is not None and record.leader.node == name
        ]:
            assert slots
            await asyncio.sleep(0.1)
    return time.monotonic() - began


async def make_follower(cluster: Cluster, traffic: Traffic, name: str) -> None:
    """The node leads nothing any more: it stood still until others led."""
    with paused(cluster.process(name).pid):
        await wait_leads_nothing(cluster, name, TAKEN_OVER_S)
    await wait_caught_up(cluster)
    assert not await led_by(cluster, traffic, name)


async def wait_caught_up(cluster: Cluster, within_s: float = 30.0) -> float:
    """Waits until every slot is led and has all of its copies; how long that took."""
    began, said = time.monotonic(), ""
    while said != "whole":
        assert time.monotonic() - began < within_s, said
        said = await asyncio.to_thread(_standing, cluster)
        await asyncio.sleep(0.1)
    return time.monotonic() - began


def _standing(cluster: Cluster) -> str:
    """What is missing of a whole cluster, by the nodes' own word."""
    led = 0
    for entry in cluster.of_role("node"):
        try:
            copies = Rest(entry.url, "").need("GET", "/statistics")["copies"]
        except (OSError, Failure) as error:  # it may be starting; the deadline decides
            return f"{entry.name} says nothing: {error}"
        led += copies["led"]
        for what in ("starting", "recovering", "failed", "under_replicated"):
            if copies[what]:
                return f"{entry.name}: {copies[what]} slots {what.replace('_', ' ')}"
        if copies["follower_lag_max"] > UNDER_WAY_MAX:
            return f"{entry.name}: a copy lacks {copies['follower_lag_max']} entries"
    return "whole" if led else "no slot is led"


@asynccontextmanager
async def asking(traffic: Traffic) -> AsyncIterator[list[Heads]]:
    """Sessions that ask for heads inside, one through each edge; what they saw stays known."""
    sessions = [Heads(traffic, number) for number in range(len(traffic.doors.urls))]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(session.ask_for_ever()) for session in sessions]
        yield sessions
        for task in tasks:
            task.cancel()


class Heads:
    """A session that asks for the heads of channels in turn, through one edge.

    Args: number: which edge; sessions through different ones are independent.
    """

    def __init__(self, traffic: Traffic, number: int) -> None:
        self.views: list[View] = []
        self._traffic = traffic
        self._number = number
        self._client: Client | None = None

    async def ask_for_ever(self) -> None:
        """Until it is cancelled. What gets no answer is no answer."""
        try:
            while True:
                for channel in self._traffic.channels:
                    await self._ask(channel)
                    await asyncio.sleep(ASK_GAP_S)
        finally:
            await self._leave()

    async def _ask(self, channel: str) -> None:
        asked_at = time.monotonic()
        try:
            if self._client is None:
                self._client = await self._traffic.doors.enter("reader", self._number)
            async with asyncio.timeout(5):
                page = await self._client.rpc("history.get", channel=channel, limit=1)
        except ReplyError as refused:
            if not refused.temporary:
                raise
            await asyncio.sleep(RETRY_S)
        except GONE:
            await self._leave()
            await asyncio.sleep(RETRY_S)
        else:
            self.views.append(
                View(
                    f"heads {self._number}",
                    channel,
                    (),
                    upto=page["head"],
                    is_whole=False,
                    asked_at=asked_at,
                    got_at=time.monotonic(),
                )
            )

    async def _leave(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def stale(self) -> list[str]:
        """Answers that lacked what anybody had acknowledged before the question."""
        acked = {channel: _Floor() for channel in self._traffic.channels}
        for sent, _ in self._traffic.acked:
            acked[sent.channel].add(sent.ended_at, sent.seq)
        return [
            f"{view.channel}: {view.head}, and {floor} was acknowledged"
            for view in self.views
            if view.head < (floor := acked[view.channel].at(view.asked_at))
        ]


class _Floor:
    """The highest seq that was acknowledged before a time. Filled in the order of time."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._seqs: list[int] = []

    def add(self, at: float, seq: int) -> None:
        self._times.append(at)
        self._seqs.append(max(seq, self._seqs[-1] if self._seqs else 0))

    def at(self, time_s: float) -> int:
        before = bisect_left(self._times, time_s)
        return self._seqs[before - 1] if before else 0
