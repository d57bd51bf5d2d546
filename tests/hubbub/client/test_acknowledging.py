"""When a device acknowledges: a burst is one request, and what fails goes with the next."""

from __future__ import annotations

import asyncio
from typing import Any

from hubbub.base.errors import NOT_AVAILABLE
from hubbub.client.acknowledging import Acknowledging
from hubbub.client.acks import FULL
from hubbub.client.events import Closed, NoAnswer, NotFound, Published

X = "group:x"


def message(seq: int, channel: str = X) -> Published:
    return Published(channel, seq, {"t": "message.created", "by": "bob"}, None)


class Edge:
    """Plays the server; `answers` says what comes of each request, in order."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, int]] = []
        self.heard = asyncio.Event()

    async def mark(self, marks: dict[str, int]) -> Any:
        self.asked.append(marks)
        self.heard.set()
        answer = self.answers.pop(0) if self.answers else {}
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def wait(self) -> None:
        async with asyncio.timeout(5):
            await self.heard.wait()
        self.heard.clear()


async def test_a_burst_is_one_request_and_what_fails_goes_with_the_next() -> None:
    edge = Edge(NoAnswer("lost"), {"refused": {"dm:y": "not_a_member"}})
    async with asyncio.TaskGroup() as group:
        acknowledging = Acknowledging(edge.mark, group)
        for seq in range(1, 2 * FULL):
            acknowledging.got(message(seq))
        await edge.wait()
        acknowledging.got(message(1, "dm:y"))
        await edge.wait()
        assert edge.asked == [{X: 2 * FULL - 1}, {X: 2 * FULL - 1, "dm:y": 1}]
        acknowledging.got(message(2, "dm:y"))
        acknowledging.got(message(99))
        await edge.wait()
        assert edge.asked[2:] == [{X: 99}]
        acknowledging.close()


async def test_an_app_without_receipts_is_asked_once() -> None:
    refused = NotFound(NOT_AVAILABLE.code, "off", temporary=False, details={})
    edge = Edge(refused)
    async with asyncio.TaskGroup() as group:
        acknowledging = Acknowledging(edge.mark, group)
        acknowledging.got(message(3))
        await edge.wait()
        acknowledging.got(message(4, "dm:y"))
        assert not acknowledging.acks.is_waiting
        edge.answers.append(Closed("over"))
        acknowledging.close()
