"""Acknowledges on asyncio what `acks` has gathered: one request at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from hubbub.base.errors import NOT_AVAILABLE
from hubbub.base.units import SECOND_MS
from hubbub.client.acks import ACK_MS, Acks
from hubbub.client.events import Closed, Json, NoAnswer, Published, Refused


class Acknowledging:
    """Args: mark: asks `mark.delivered`; raises Refused, NoAnswer, Closed. group: lives as long."""

    def __init__(
        self, mark: Callable[[dict[str, int]], Awaitable[Json]], group: asyncio.TaskGroup
    ) -> None:
        self.acks = Acks()
        self._mark = mark
        self._group = group
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def got(self, event: Published) -> None:
        """A publication was handed on."""
        if self.acks.got(event) and self._task is None:
            self._later()

    def close(self) -> None:
        """Nothing more is said."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _later(self) -> None:
        """Unless it is set already; what is full goes behind what is being read just now."""
        if self._timer is not None:
            if not self.acks.is_full:
                return
            self._timer.cancel()
        after_s = 0 if self.acks.is_full else ACK_MS / SECOND_MS
        self._timer = asyncio.get_running_loop().call_later(after_s, self._start)

    def _start(self) -> None:
        self._timer = None
        if marks := self.acks.take():
            self._task = self._group.create_task(self._acknowledge(marks), name="chat.ack")

    async def _acknowledge(self, marks: dict[str, int]) -> None:
        try:
            answer = await self._mark(marks)
            self.acks.refused(answer.get("refused", ()))
        except Refused as refusal:
            self.acks.is_off |= refusal.reason == NOT_AVAILABLE.name
            if refusal.temporary:
                self.acks.again(marks)
            else:
                self.acks.refused(marks)
        except NoAnswer:
            self.acks.again(marks)
        except Closed:
            return
        finally:
            self._task = None
        if self.acks.is_waiting:
            self._later()
