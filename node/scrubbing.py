"""Reads slot after slot for ever, each once in its period, as slowly as that allows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, Never

from hubbub.base.units import DAY_MS
from hubbub.runtime.clock import Clock
from hubbub.runtime.logs import get_logger
from node.ready import Record
from node.scrub import BYTES_PER_S, DamagedLog, Scrub
from node.slot import Slot
from node.store.api import Store, StoreError

_LOOK_S: Final = 60.0

_log = get_logger()


class Scrubbing:
    """`node.scrub` in time. What is damaged is told, and fails its slot here."""

    def __init__(
        self,
        store: Store,
        slots: Mapping[int, Slot],
        clock: Clock,
        *,
        submit: Callable[[list[Record]], None],
        unreadable: Callable[[Slot, StoreError], None],
        days: float,
        slot_count: int,
    ) -> None:
        """Args: slots: those held here, live. submit: to the writer. unreadable: told of a slot
        that cannot be read. days: the period. slot_count: of the cluster. Raises StoreError.
        """
        period_ms = int(days * DAY_MS)
        self._scrub = Scrub(store, slots, period_ms, clock.wall_ms())
        self.counts = self._scrub.counts
        self._slots = slots
        self._submit = submit
        self._clock = clock
        self._unreadable = unreadable
        self._look_s = min(_LOOK_S, period_ms / 1_000 / (2 * slot_count))

    async def run(self) -> Never:
        """Until cancelled."""
        while True:
            slot = self._scrub.due(self._clock.wall_ms())
            if slot is None:
                await asyncio.sleep(self._look_s)
            else:
                await self._read(slot)

    async def _read(self, slot: Slot) -> None:
        try:
            for byte_count in self._scrub.read(slot, slot.hours()):
                await asyncio.sleep(byte_count / BYTES_PER_S)
                if self._slots.get(slot.number) is not slot:
                    return
        except (StoreError, DamagedLog) as error:
            self.counts.damaged_total += 1
            _log.error("scrub.damaged", slot=slot.number, reason=str(error))
            self._unreadable(slot, StoreError(f"scrub: {error}"))
            return
        token = slot.replica.next_token()
        cursor = Record(slot.number, token, [self._scrub.cursor()], b"", 0, lazy=True)
        self._submit([cursor])
