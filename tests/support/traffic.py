"""Steady traffic through a cluster that is being harmed, recorded for an independent check.

Rules: a sender retries one message under its cmid until it is acknowledged, so what was sent is
what must be stored, once; a failed send fails the test. What the cluster kept is read from its log
by a client that was not there; it, the senders and what readers saw live are `history`'s to judge.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from random import Random
from types import TracebackType
from typing import Any, Self

from ops.api import Rest
from tests.support.client import Client, ReplyError, new_cmid
from tests.support.cluster import Cluster
from tests.support.history import Operation, Outcome, Report, Seen, View, check
from tests.support.steadfast import RETRY_S, Doors, Reader, Sender, close_all

PAGE = 300
CREATED = "message.created"
TEXT = "under load"
CAUGHT_UP_S = 60.0
READ_S = 15.0  # of a page, as of a send


class Traffic:
    """Users who send into channels, one after another, and readers of all of them.

    Args: gap_s: of one sender, between two sends. deadline_s: of one send, retries included.
    roams: each sender goes from channel to channel; else it stays with its own, so that one that
    cannot be written holds up nobody else.
    """

    def __init__(
        self,
        cluster: Cluster,
        prefix: str,
        *,
        channels: int,
        senders: int,
        gap_s: float,
        readers: int = 2,
        deadline_s: float = 15.0,
        roams: bool = True,
    ) -> None:
        self.doors = Doors(cluster)
        self.channels = [f"group:{prefix}-{n}" for n in range(channels)]
        users = [f"{prefix}-sender-{n}" for n in range(senders)]
        _create(cluster, self.channels, [*users, "reader"])
        self._arrived = asyncio.Event()
        self.readers = [
            Reader(self.doors, "reader", self.channels, n, self._arrived) for n in range(readers)
        ]
        self.senders = [Sender(self.doors, user, n, deadline_s) for n, user in enumerate(users)]
        self.acked: list[tuple[Operation, dict[str, Any]]] = []  # with the whole acknowledgement
        self.heads = dict.fromkeys(self.channels, 0)  # the highest acknowledged seq of each
        self.acked_at: dict[str, list[float]] = {channel: [] for channel in self.channels}
        self.count = 0
        self.slowest_s = 0.0
        self._gap_s = gap_s
        self._step = 1 if roams else 0
        self._progress = asyncio.Event()
        self._over = asyncio.Event()
        self._is_sent = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await close_all(*self.readers, *self.senders)

    async def run(self, harm: Callable[[], Awaitable[None]]) -> None:
        """Sends while `harm()` runs; returns when the readers have read all that was sent."""
        for reader in self.readers:
            await reader.enter()
        async with asyncio.TaskGroup() as reading:
            for reader in self.readers:
                reading.create_task(reader.follow(self._is_read))
            async with asyncio.TaskGroup() as sending:
                for number, sender in enumerate(self.senders):
                    sending.create_task(self._send(number, sender))
                sending.create_task(self._harm(harm))
            self._is_sent = True
            await self.read_up_to(self.heads, CAUGHT_UP_S)

    async def sent_more(self, count: int) -> None:
        """Waits until that many more messages are acknowledged."""
        target = self.count + count
        while self.count < target:
            self._progress.clear()
            await self._progress.wait()

    async def everybody_sent(self, times: int) -> None:
        """Waits until every sender has had that many more acknowledgements."""
        targets = [sender.answered + times for sender in self.senders]
        while any(s.answered < target for s, target in zip(self.senders, targets, strict=True)):
            self._progress.clear()
            await self._progress.wait()

    async def read_up_to(self, heads: Mapping[str, int], within_s: float) -> float:
        """Waits until every reader has read these; how long it took. Raises TimeoutError."""
        began = time.monotonic()
        async with asyncio.timeout(within_s):
            while not self._has_read(heads):
                self._arrived.clear()
                await self._arrived.wait()
        return time.monotonic() - began

    async def check(self, more: Iterable[View] = ()) -> Report:
        """Reads every channel's log anew, and compares it with what was answered and seen.

        Args: more: what others read of these channels.
        """
        views = list(more)
        client = await self.doors.enter("reader", 0)
        try:
            for channel in self.channels:
                events = _seen(await _log_of(client, channel))
                views.append(View("log", channel, events, is_final=True))
                for n, reader in enumerate(self.readers):
                    events = _seen(reader.streams[channel].events)
                    after = events[0].seq - 1 if events else self.heads[channel]
                    views.append(View(f"reader {n}", channel, events, after, self.heads[channel]))
        finally:
            await client.close()
        return check((operation for operation, _ in self.acked), views)

    async def check_retries(self, random: Random, count: int) -> None:
        """The same request again, under the same id, has the answer that it had."""
        senders = {sender.user: sender for sender in self.senders}
        for asked, ack in random.sample(self.acked, min(count, len(self.acked))):
            again = await senders[asked.client].ask(
                "message.send", cmid=asked.cmid, channel=asked.channel, text=TEXT
            )
            assert again["dup"] is True
            assert (again["seq"], again["id"]) == (ack["seq"], ack["id"])

    # ---

    async def _harm(self, harm: Callable[[], Awaitable[None]]) -> None:
        try:
            await harm()
        finally:
            self._over.set()

    async def _send(self, number: int, sender: Sender) -> None:
        while not self._over.is_set():
            channel = self.channels[number % len(self.channels)]
            started, cmid = time.monotonic(), new_cmid()
            ack = await sender.ask("message.send", cmid=cmid, channel=channel, text=TEXT)
            sent = Operation(sender.user, channel, cmid, started, Outcome.ACKED, time.monotonic())
            self.acked.append((sent._replace(seq=ack["seq"], ts=_ms(ack["ts"])), ack))
            self.heads[channel] = max(self.heads[channel], ack["seq"])
            self.acked_at[channel].append(time.monotonic())
            self.slowest_s = max(self.slowest_s, time.monotonic() - started)
            self.count += 1
            self._progress.set()
            number += self._step
            await asyncio.sleep(max(0.0, self._gap_s - (time.monotonic() - started)))

    def _is_read(self) -> bool:
        return self._is_sent and self._has_read(self.heads)

    def _has_read(self, heads: Mapping[str, int]) -> bool:
        return all(
            stream.offset >= heads[channel]
            for reader in self.readers
            for channel, stream in reader.streams.items()
        )


def _create(cluster: Cluster, channels: Sequence[str], members: list[str]) -> None:
    rest = Rest(cluster.url, cluster.server_key)
    for channel in channels:
        rest.need("POST", "/v1/channels", {"channel": channel, "members": members})


async def _log_of(client: Client, channel: str) -> list[dict[str, Any]]:
    """All events of a channel, in the order of its log, by the protocol's own history."""
    events: list[dict[str, Any]] = []
    top = await client.subscribe(channel, recoverable=True, positioned=True)
    since = {"offset": 0, "epoch": top["epoch"]}
    while since["offset"] < top["offset"]:
        page = await _page_of(client, channel, since)
        publications = page["publications"]
        assert publications, f"{channel}: nothing after {since} although it ends at {top['offset']}"
        events += [
            {**publication["data"], "seq": publication["offset"]} for publication in publications
        ]
        since["offset"] = publications[-1]["offset"]
    return events


async def _page_of(client: Client, channel: str, since: dict[str, Any]) -> dict[str, Any]:
    """One page. Who led may have to go first: what is refused for now is asked for again."""
    async with asyncio.timeout(READ_S):
        while True:
            try:
                page: dict[str, Any] = await client.command(
                    history={"channel": channel, "since": since, "limit": PAGE}
                )
                return page
            except ReplyError as refused:
                if not refused.temporary:
                    raise
                await asyncio.sleep(RETRY_S)


def _seen(events: Sequence[dict[str, Any]]) -> list[Seen]:
    """Events as they are compared. Whose cmid is not that of a message was not sent here."""
    return [
        Seen(event["seq"], event["cmid"] if event["t"] == CREATED else "", _ms(event["ts"]))
        for event in events
    ]


def _ms(time_of: str) -> int:
    """Milliseconds since 1970 of a time as clients get it."""
    return round(datetime.fromisoformat(time_of).timestamp() * 1_000)
