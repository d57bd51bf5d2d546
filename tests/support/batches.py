"""Somebody who sends in batches, many messages of a channel at once, and wants them in his order.

Each batch is sent again under the same keys, to one edge after the other, until every message of it
is stored. Then all messages of a channel stand in the order in which they were sent, each once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp

from tests.support.cluster import Cluster

CHANNELS: Final = 3  # led by one node each, more or less
EACH: Final = 30  # messages of a channel in one batch
_PAGE: Final = 100


class Batches:
    """One sender; `stored` counts his messages in each channel."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster = cluster
        self._name = name
        self.channels = [f"group:{name}-{number}" for number in range(CHANNELS)]
        self.stored = 0
        self.repeated = 0  # batches that had to be sent again
        self.refusals: set[str] = set()

    def create(self) -> None:
        for channel in self.channels:
            body = {"channel": channel, "members": [self._name]}
            self._cluster.rest("POST", "/v1/channels", body)

    async def send_for_ever(self, turn: Callable[[], Awaitable[object]]) -> None:
        """One batch after the other, each in its turn."""
        by_key = {"Authorization": f"Bearer {self._cluster.server_key}"}
        async with aiohttp.ClientSession(headers=by_key) as http:
            while True:
                numbers = range(self.stored, self.stored + EACH)
                operations = [self._send(c, number) for number in numbers for c in self.channels]
                edge = 0
                while not await self._ask(http, edge, operations):
                    self.repeated += 1
                    edge += 1
                self.stored += EACH
                await turn()

    def _send(self, channel: str, number: int) -> dict[str, Any]:
        return {
            "method": "POST",
            "path": f"/v1/channels/{channel}/messages",
            "body": {"by": self._name, "text": str(number)},
            "idempotency_key": f"{channel} {number}",
        }

    async def _ask(
        self, http: aiohttp.ClientSession, edge: int, operations: list[dict[str, Any]]
    ) -> bool:
        """Whether all of it is stored."""
        url = self._cluster.urls[edge % len(self._cluster.urls)] + "/v1/batch"
        try:
            async with http.post(
                url, json={"operations": operations}, timeout=aiohttp.ClientTimeout(30)
            ) as response:
                results = (await response.json())["results"]
        except (aiohttp.ClientError, TimeoutError):
            return False
        self.refusals |= {row["body"]["code"] for row in results if row["status"] >= 400}
        return all(row["status"] < 400 for row in results)

    def check(self) -> None:
        """Every channel: each message once, in order. What was under way may be there, too."""
        assert self.stored > 0
        assert self.refusals <= {"unknown_outcome"}, self.refusals
        for channel in self.channels:
            texts = self._texts(channel)
            assert texts == [str(number) for number in range(len(texts))], channel
            assert self.stored <= len(texts) <= self.stored + EACH

    def _texts(self, channel: str) -> list[str]:
        """From the first to the last."""
        found: dict[int, str] = {}
        path = f"/v1/channels/{channel}/messages?limit={_PAGE}"
        while page := self._cluster.rest("GET", f"{path}&after_seq={max(found, default=0)}")[
            "messages"
        ]:
            assert min(row["seq"] for row in page) > max(found, default=0)
            found |= {row["seq"]: row["text"] for row in page}
        return [found[seq] for seq in sorted(found)]


@asynccontextmanager
async def batches_of(
    cluster: Cluster, name: str, turn: Callable[[], Awaitable[object]]
) -> AsyncIterator[Batches]:
    """Sends until the end of the block, then checks. `turn`: waited for between batches, so that
    they are no more than some of the load."""
    batches = Batches(cluster, name)
    await asyncio.to_thread(batches.create)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(batches.send_for_ever(turn), name="batches")
        yield batches
        task.cancel()
    await asyncio.to_thread(batches.check)
