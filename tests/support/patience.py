"""Asking as a client should: what has no answer for now is asked again, under the same id.

Rules: on a busy machine a node may answer late, and says so with 503 (a temporary error over the
socket); nobody knows then whether it was done. Asked again under its id it is done once. Any other
refusal is a failure.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from ops.answer import Failure
from ops.api import Response
from ops.bench.dialects import token_of
from tests.support.client import Client, ReplyError, new_cmid
from tests.support.cluster import Cluster

OPERATIONS_MAX = 100  # of one POST /v1/batch
AT_ONCE = 4
ATTEMPTS = 30
PAUSE_S = 0.5


def answered(send: Callable[[], Response]) -> Response:
    """The first answer that says something: `send` does the same each time, under the same key."""
    for _ in range(ATTEMPTS):
        try:
            answer = send()
        except Failure:  # not within the client's own time
            continue
        if answer.status != 503:
            return answer
        time.sleep(PAUSE_S)
    raise AssertionError("no answer")


async def rest(
    cluster: Cluster, method: str, path: str, body: object = None, *, edge: int = 0
) -> Any:
    """The body of a 2xx answer."""
    key = new_cmid()
    send = partial(cluster.rest_answer, method, path, body, edge=edge, key=key)
    answer = await asyncio.to_thread(answered, send)
    assert answer.status < 300, f"{method} {path}: {answer.status} {answer.body}"
    return answer.body


async def rpc(call: Callable[[], Awaitable[Any]]) -> Any:
    """What `call()` answers: the same command each time, with its cmid if it has one."""
    for _ in range(ATTEMPTS):
        try:
            return await call()
        except ReplyError as refused:
            if not refused.temporary:
                raise
        except TimeoutError:
            pass
        await asyncio.sleep(PAUSE_S)
    raise AssertionError("no answer")


async def entered(cluster: Cluster, user: str, number: int) -> Client:
    """A connected client, at edge `number` of all; whoever gets it closes it."""
    token = token_of(cluster.token_secret, user, int(time.time()))
    url = cluster.urls[number % len(cluster.urls)]
    client: Client = await rpc(lambda: Client(url, token).__aenter__())
    return client


async def batch(
    cluster: Cluster, operations: Sequence[dict[str, Any]], *, at_once: int = AT_ONCE
) -> list[Any]:
    """The body of each operation's answer, in their order; a hundred go in one request.

    Args: operations: method, path and body. at_once: requests under way.
    """
    keyed = [operation | {"idempotency_key": new_cmid()} for operation in operations]
    found: list[Any] = [None] * len(keyed)
    gate = asyncio.Semaphore(at_once)

    async def some(left: list[int]) -> None:
        async with gate:
            for _ in range(ATTEMPTS):
                body = {"operations": [keyed[n] for n in left]}
                results = (await rest(cluster, "POST", "/v1/batch", body))["results"]
                for n, result in zip(left, results, strict=True):
                    assert result["status"] < 300 or result["status"] == 503, result
                    found[n] = result["body"] if result["status"] < 300 else None
                left = [n for n in left if found[n] is None]
                if not left:
                    return
                await asyncio.sleep(PAUSE_S)
            raise AssertionError(f"{len(left)} operations without an answer")

    async with asyncio.TaskGroup() as tasks:
        for first in range(0, len(keyed), OPERATIONS_MAX):
            tasks.create_task(some(list(range(first, min(first + OPERATIONS_MAX, len(keyed))))))
    return found
