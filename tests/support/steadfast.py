"""Clients that outlive their connections: they retry under one id and resume where they were.

Rules: what a client has to do after a cut, and no more: connect to the next edge, ask again with
the same cmid, subscribe with the last position. Nothing is repaired silently: what is doubled,
missing or out of order raises.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from ops.bench.dialects import token_of
from tests.support.client import Client, Closed, ReplyError, new_cmid
from tests.support.cluster import Cluster

SEND_DEADLINE_S = 15.0
RETRY_S = 0.05
GONE = (Closed, aiohttp.ClientError, OSError, TimeoutError)


class SendFailed(Exception):
    """No answer within the deadline, whatever was tried."""


class Doors:
    """Where a cluster's clients may connect; the addresses are read anew after a restart."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.secret = cluster.token_secret
        self.urls: Sequence[str] = cluster.urls

    def refresh(self) -> None:
        """After a restart."""
        self.urls = self._cluster.urls

    async def enter(self, user: str, first: int) -> Client:
        """A connected client, at edge `first` if it answers, else at the next one that does."""
        token = token_of(self.secret, user, int(time.time()))
        for turn in range(1_000_000):
            client = Client(self.urls[(first + turn) % len(self.urls)], token)
            try:
                return await client.__aenter__()
            except GONE:
                await asyncio.sleep(RETRY_S)
            except ReplyError as refused:
                if not refused.temporary:
                    raise
                await asyncio.sleep(RETRY_S)
        raise AssertionError("unreachable")


class Sender:
    """One user who sends; a request is retried under its cmid until it is answered."""

    def __init__(
        self, doors: Doors, user: str, edge: int, deadline_s: float = SEND_DEADLINE_S
    ) -> None:
        self.user = user
        self.retries = 0
        self.answered = 0
        self._doors = doors
        self._edge = edge
        self._deadline_s = deadline_s
        self._client: Client | None = None

    async def ask(self, method: str, *, cmid: str = "", **data: Any) -> Any:
        """The answer. Raises SendFailed after the deadline, ReplyError when refused for good."""
        cmid = cmid or new_cmid()
        try:
            async with asyncio.timeout(self._deadline_s):
                while True:
                    answer = await self._try(method, {**data, "cmid": cmid})
                    if answer is not None:
                        self.answered += 1
                        return answer
                    self.retries += 1
                    await asyncio.sleep(RETRY_S)
        except TimeoutError:
            raise SendFailed(f"{self.user}: {method} {cmid} after {self.retries} retries") from None

    async def _try(self, method: str, data: dict[str, Any]) -> Any:
        try:
            if self._client is None:
                self._client = await self._doors.enter(self.user, self._edge)
            async with asyncio.timeout(5):
                return await self._client.rpc(method, **data)
        except ReplyError as refused:
            if not refused.temporary:
                raise
        except GONE:
            await self.close()
            self._edge += 1
        return None

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()


@dataclass
class Stream:
    """What a reader knows of one channel: every publication once, at contiguous offsets."""

    channel: str
    epoch: str = ""
    offset: int = -1
    events: list[dict[str, Any]] = field(default_factory=list)

    def take(self, publication: dict[str, Any]) -> None:
        """Raises AssertionError on a gap, a double or a disorder. Signals have no offset."""
        offset = publication.get("offset", 0)
        if not offset:
            return
        assert offset == self.offset + 1, f"{self.channel}: {offset} after {self.offset}"
        self.offset = offset
        self.events.append(publication["data"])


class Reader:
    """One user who reads some channels; resumes by (epoch, offset) after every cut.

    Args: arrived: set whenever something was read.
    """

    def __init__(
        self,
        doors: Doors,
        user: str,
        channels: Sequence[str],
        edge: int,
        arrived: asyncio.Event | None = None,
    ) -> None:
        self.user = user
        self.streams = {channel: Stream(channel) for channel in channels}
        self.resumes = 0
        self.recovered = 0
        self._arrived = arrived or asyncio.Event()
        self._doors = doors
        self._edge = edge
        self._client: Client | None = None

    async def enter(self) -> None:
        """Connects and subscribes to everything."""
        self._client = client = await self._doors.enter(self.user, self._edge)
        for stream in self.streams.values():
            await self._subscribe(client, stream)
        self._arrived.set()

    async def follow(self, is_done: Callable[[], bool]) -> None:
        """Reads until `is_done()`, across any number of cuts."""
        while not is_done():
            try:
                if self._client is None:
                    await self.enter()
                await self._drain(is_done)
            except GONE:
                await self.close()
                self._edge += 1
                await asyncio.sleep(RETRY_S)
            except ReplyError as refused:
                if not refused.temporary:
                    raise
                await self.close()
                await asyncio.sleep(RETRY_S)

    async def _drain(self, is_done: Callable[[], bool]) -> None:
        client = self._client
        assert client is not None
        while not is_done():
            try:
                await client.wait_until(lambda: bool(client.pushes), seconds=0.2)
            except AssertionError:
                continue  # nothing came meanwhile
            pushes, client.pushes = client.pushes, []
            for push in pushes:
                stream = self.streams.get(push.get("channel", ""))
                if stream is None:
                    continue
                if "pub" in push:
                    stream.take(push["pub"])
                elif "unsubscribe" in push:  # 2500 and above: come back with the position
                    assert push["unsubscribe"]["code"] >= 2500, push
                    await self._subscribe(client, stream)
            self._arrived.set()

    async def _subscribe(self, client: Client, stream: Stream) -> None:
        if stream.offset < 0:
            result = await client.subscribe(stream.channel, recoverable=True, positioned=True)
            stream.offset, stream.epoch = result.get("offset", 0), result["epoch"]
            return
        self.resumes += 1
        result = await client.subscribe(
            stream.channel, recover=True, offset=stream.offset, epoch=stream.epoch
        )
        assert result["epoch"] == stream.epoch, "the stream's incarnation changed"
        if result.get("recovered"):
            self.recovered += 1
            for publication in result.get("publications", []):
                stream.take(publication)
        else:
            await self._page(client, stream, result["offset"])

    async def _page(self, client: Client, stream: Stream, head: int) -> None:
        """Too much was missed for one reply: it is read from history, as the protocol says."""
        while stream.offset < head:
            since = {"offset": stream.offset, "epoch": stream.epoch}
            page = await client.command(
                history={"channel": stream.channel, "since": since, "limit": 300}
            )
            publications = [p for p in page.get("publications", []) if p["offset"] <= head]
            assert publications, f"{stream.channel}: nothing between {stream.offset} and {head}"
            for publication in publications:
                stream.take(publication)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()


async def close_all(*clients: Sender | Reader) -> None:
    """Closes their connections."""
    for client in clients:
        await client.close()
