"""Writes slot records: who takes over, what is activated; in batches, against their revisions.

Rules:
1. Once guards of a batch fail, all slots are read, and whatever is as it was is tried again: a lost
   slot delays no other, and losing all of them costs one read.
2. What was written is followed at once; the watch brings it again, and is ignored then.
3. While the coordinator is away nothing is given up: takeovers are proposed again, activations
   are tried every `RETRY_S`.
4. Slots are written in the order in which they are given. A takeover waits after each batch until
   its terms have begun, for at most `BEGUN_S`: who is first is led first, and not when all are.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from hubbub.coordinator.api import Coordinator, CoordinatorUnavailable, Guard, Put
from hubbub.coordinator.cluster import SLOTS_PER_TRANSACTION
from hubbub.coordinator.records import SLOTS_PREFIX, slot_key
from hubbub.runtime.logs import get_logger
from node.elections import Takeover

RETRY_S: Final = 0.3
# Two round trips and four syncs: some 30 ms, and many times that on a machine full of other work.
# With half, all slots begin at once there; double lets one slow copy delay the others.
BEGUN_S: Final = 0.25
_LOOK_S: Final = 0.005  # a batch takes some 30 ms
_log = get_logger()


class Campaign:
    """The one writer of slot records in this node."""

    def __init__(
        self,
        coordinator: Coordinator,
        on_written: Callable[[Takeover, int], None],
        is_beginning: Callable[[int], bool] = lambda _: False,
    ) -> None:
        """Args: on_written: called with what was written and its revision. is_beginning: a term
        that was won here is still on its way to its first entry.
        """
        self._coordinator = coordinator
        self._on_written = on_written
        self._is_beginning = is_beginning

    async def write(self, takeovers: Sequence[Takeover]) -> list[Takeover]:
        """Write as many as possible; those that lost their guard. Raises CoordinatorUnavailable."""
        return await self._write_all(takeovers, is_paced=False)

    async def _write_all(self, takeovers: Sequence[Takeover], *, is_paced: bool) -> list[Takeover]:
        lost: list[Takeover] = []
        waiting = deque(takeovers)
        while waiting:
            batch = [waiting.popleft() for _ in range(min(len(waiting), SLOTS_PER_TRANSACTION))]
            if await self._write(batch):
                if is_paced and waiting:
                    await self._begun(batch)
            elif len(batch) == 1:
                lost += batch
            else:
                unchanged, late = await self._compared([*batch, *waiting])
                waiting = deque(unchanged)
                lost += late
        return lost

    async def _write(self, batch: Sequence[Takeover]) -> bool:
        """One transaction. False: a guard failed, and nothing was written."""
        guards = [Guard(slot_key(one.slot), one.revision) for one in batch]
        puts = [Put(slot_key(one.slot), one.record.to_json()) for one in batch]
        result = await self._coordinator.transact(guards, puts)
        if result.succeeded:
            for one in batch:
                self._on_written(one, result.revision)
        return result.succeeded

    async def _compared(
        self, proposals: Sequence[Takeover]
    ) -> tuple[list[Takeover], list[Takeover]]:
        """Those whose record is as it was, and the others, of which there are some: a revision that
        a guard did not find never comes back.
        """
        records, _ = await self._coordinator.range(SLOTS_PREFIX)
        revisions = {record.key: record.mod_revision for record in records}
        unchanged, late = list[Takeover](), list[Takeover]()
        for one in proposals:
            is_late = revisions.get(slot_key(one.slot), 0) != one.revision
            (late if is_late else unchanged).append(one)
        return unchanged, late

    async def _begun(self, batch: Sequence[Takeover]) -> None:
        """Rule 4; a slot's role has no event."""
        with suppress(TimeoutError):
            async with asyncio.timeout(BEGUN_S):
                while any(self._is_beginning(one.slot) for one in batch):  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK_S)

    async def take_over(self, takeovers: Sequence[Takeover]) -> None:
        """Lead these slots, if nobody was faster; the first ones first."""
        try:
            lost = await self._write_all(takeovers, is_paced=True)
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
