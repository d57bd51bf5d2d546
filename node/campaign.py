"""Writes slot records: who takes over, what is activated; in batches, against their revisions.

Rules:
1. A batch whose guards fail is halved and tried again, so that one lost slot delays no other.
2. What was written is followed at once; the watch brings it again, and is ignored then.
3. While the coordinator is away nothing is given up: takeovers are proposed again, activations
   are tried every `RETRY_S`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from hubbub.coordinator.api import Coordinator, CoordinatorUnavailable, Guard, Put
from hubbub.coordinator.cluster import SLOTS_PER_TRANSACTION
from hubbub.coordinator.records import slot_key
from hubbub.runtime.logs import get_logger
from node.elections import Takeover

RETRY_S: Final = 0.3
_log = get_logger()


class Campaign:
    """The one writer of slot records in this node."""

    def __init__(
        self, coordinator: Coordinator, on_written: Callable[[Takeover, int], None]
    ) -> None:
        """Args: on_written: called with what was written and its revision."""
        self._coordinator = coordinator
        self._on_written = on_written

    async def write(self, takeovers: Sequence[Takeover]) -> list[Takeover]:
        """Write as many as possible; those that lost their guard. Raises CoordinatorUnavailable."""
        lost: list[Takeover] = []
        batches = [
            takeovers[at : at + SLOTS_PER_TRANSACTION]
            for at in range(0, len(takeovers), SLOTS_PER_TRANSACTION)
        ]
        while batches:
            batch = batches.pop()
            guards = [Guard(slot_key(one.slot), one.revision) for one in batch]
            puts = [Put(slot_key(one.slot), one.record.to_json()) for one in batch]
            result = await self._coordinator.transact(guards, puts)
            if result.succeeded:
                for one in batch:
                    self._on_written(one, result.revision)
            elif len(batch) == 1:
                lost += batch
            else:
                half = len(batch) // 2
                batches += [batch[:half], batch[half:]]
        return lost

    async def take_over(self, takeovers: Sequence[Takeover]) -> None:
        """Lead these slots, if nobody was faster."""
        try:
            lost = await self.write(takeovers)
        except CoordinatorUnavailable as error:
            _log.warning("election.coordinator_away", slots=len(takeovers), error=str(error))
            return
        _log.info("election.won", slots=len(takeovers) - len(lost), lost=len(lost))

    async def activate(
        self, proposal: Takeover, is_wanted: Callable[[], bool], on_lost: Callable[[], None]
    ) -> None:
        """Write an activation until it is answered, or nobody wants it any more."""
        while is_wanted():
            try:
                if await self.write([proposal]):
                    on_lost()
                return
            except CoordinatorUnavailable:
                await asyncio.sleep(RETRY_S)
