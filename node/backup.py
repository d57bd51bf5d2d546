"""This node's part in a backup: hold Forwards back, freeze the database, say what it has.

Rules (`hubbub.coordinator.backups` has the shapes and the reason for each phase):
1. Forwards are held from the moment a request is seen, before anything else is done for it, and
   until its COPY phase, its end, or `HOLD_MS_MAX`. A node that starts meanwhile holds from its
   start. Who gave up holding answers FAILED: what it would freeze now belongs to no cut.
2. A checkpoint is hard links beside the data, made between two batches of the writer. What is in
   memory is written to files in the background before, so that it takes some 10 ms.
3. What is said of a checkpoint is read from the checkpoint, not from the live database.
4. A checkpoint whose request is gone is deleted, also at the next start.
5. Answers are written until the coordinator takes them or the request is over.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path
from typing import Final, Never

from hubbub.coordinator.api import Coordinator, CoordinatorError, Put
from hubbub.coordinator.backups import (
    HOLD_MS_MAX,
    PAGE_SLOTS,
    AnswerState,
    BackupRequest,
    NodeAnswer,
    Phase,
    SlotCopies,
    SlotCopy,
    answer_key,
    page_key,
)
from hubbub.runtime.clock import Clock
from hubbub.runtime.logs import get_logger
from hubbub.wire.codec import encode_json
from node.entry import BrokenChain
from node.replica import Copy
from node.store.api import Store, StoreError
from node.survey import survey

# While something is under way: the coordinator may be away, and holding has an end. Half asks it
# more often for nothing; double makes every backup during a restart of it that much longer.
LOOK_S: Final = 0.5
_FLUSH_POLL_S: Final = 0.005
# A flush of all buffers is 96 MiB; a disk that takes longer makes the checkpoint wait instead.
_FLUSH_S_MAX: Final = 10.0
_log = get_logger()


class Backups:
    """Obeys the requests that the node's view shows. Run `run`; call `changed` when they change."""

    def __init__(
        self,
        coordinator: Coordinator,
        requests: Mapping[str, BackupRequest],
        store: Store,
        me: Copy,
        folder: Path,
        slots: int,
        *,
        hold: Callable[[bool], None],
        freeze: Callable[[str], Awaitable[None]],
        broken: Callable[[], Collection[int]],
        open_copy: Callable[[str], Store],
        clock: Clock,
    ) -> None:
        """Args: requests: live. folder: of the checkpoints, on the disk of the data. hold: told
        when Forwards are to be held and when not. freeze: makes a checkpoint. broken: slots whose
        copy here must not be counted. open_copy: opens a checkpoint read-only.
        """
        self._coordinator = coordinator
        self._requests = requests
        self._store = store
        self._me = me
        self._folder = folder
        self._slots = slots
        self._hold = hold
        self._freeze_at = freeze
        self._broken = broken
        self._open_copy = open_copy
        self._clock = clock
        self._news = asyncio.Event()
        self._seen_ms: dict[str, int] = {}
        self._answered: dict[str, Phase] = {}
        self._is_holding = False

    def changed(self) -> None:
        """The requests changed, or this is the start: rule 1, at once."""
        now_ms = self._clock.monotonic_ms()
        for backup in self._requests:
            self._seen_ms.setdefault(backup, now_ms)
        self._hold_or_go_on()
        self._news.set()

    async def run(self) -> Never:
        """Answer requests, for ever."""
        while True:
            self._news.clear()
            try:
                await self._look()
            except CoordinatorError as error:
                _log.warning("backup.coordinator_away", error=str(error))
            await self._wait()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(LOOK_S if self._requests else None):
                await self._news.wait()
        except TimeoutError:
            self._hold_or_go_on()

    def _hold_or_go_on(self) -> None:
        wanted = any(
            request.phase is not Phase.COPY and not self._is_late(request)
            for request in self._requests.values()
        )
        if wanted != self._is_holding:
            self._is_holding = wanted
            self._hold(wanted)

    def _is_late(self, request: BackupRequest) -> bool:
        seen_ms = self._seen_ms.get(request.id)
        return seen_ms is not None and self._clock.monotonic_ms() - seen_ms >= HOLD_MS_MAX

    async def _look(self) -> None:
        for gone in self._seen_ms.keys() - self._requests.keys():
            del self._seen_ms[gone]
            self._answered.pop(gone, None)
        await asyncio.to_thread(self._tidy, frozenset(self._requests))
        for request in list(self._requests.values()):
            if self._answered.get(request.id) is request.phase or request.phase is Phase.COPY:
                continue
            if request.phase is Phase.HOLD:
                await self._say(request, self._answer(AnswerState.HELD))
            else:
                await self._freeze(request)
            self._answered[request.id] = request.phase

    def _tidy(self, wanted: Collection[str]) -> None:
        """Rule 4."""
        if self._folder.exists():
            for found in self._folder.iterdir():
                if found.name.removesuffix(".tmp") not in wanted:
                    shutil.rmtree(found, ignore_errors=True)

    # --- the checkpoint

    async def _freeze(self, request: BackupRequest) -> None:
        path = self._folder / request.id
        try:
            copies, sequence = await self._make(request, path)
        except (StoreError, BrokenChain, OSError) as error:
            _log.error("backup.failed", backup=request.id, reason=str(error))
            await self._say(request, self._answer(AnswerState.FAILED, reason=str(error)))
            return
        pages = [copies[at : at + PAGE_SLOTS] for at in range(0, len(copies), PAGE_SLOTS)]
        node = self._me.leader.node
        for number, page in enumerate(pages):
            value = encode_json(SlotCopies(tuple(page)))
            await self._coordinator.transact([], [Put(page_key(request.id, node, number), value)])
        made = self._answer(
            AnswerState.MADE, path=str(path.absolute()), sequence=sequence, pages=len(pages)
        )
        await self._say(request, made)
        _log.info("backup.made", backup=request.id, slots=len(copies), sequence=sequence)

    async def _make(self, request: BackupRequest, path: Path) -> tuple[list[SlotCopy], int]:
        """A new checkpoint; what it has. One of an earlier try is replaced."""
        await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        await self._flushed()
        if self._is_late(request):
            raise OSError(f"Forwards were held for {HOLD_MS_MAX // 1_000} s, which is the limit")
        await self._freeze_at(str(path))
        broken = frozenset(self._broken())
        return await asyncio.to_thread(self._survey, path, broken)

    async def _flushed(self) -> None:
        """Most of what is in memory is in files, or the disk is slow."""
        self._store.begin_flush()
        deadline_ms = self._clock.monotonic_ms() + round(_FLUSH_S_MAX * 1_000)
        while (  # noqa: ASYNC110 - RocksDB's own threads work
            self._store.is_flushing() and self._clock.monotonic_ms() < deadline_ms
        ):
            await asyncio.sleep(_FLUSH_POLL_S)

    def _survey(self, path: Path, broken: Collection[int]) -> tuple[list[SlotCopy], int]:
        store = self._open_copy(str(path))
        try:
            whole = [slot for slot in range(self._slots) if slot not in broken]
            return survey(store, whole), store.latest_sequence()
        finally:
            store.close()

    # --- answers

    def _answer(
        self,
        state: AnswerState,
        *,
        path: str = "",
        sequence: int = 0,
        pages: int = 0,
        reason: str = "",
    ) -> NodeAnswer:
        return NodeAnswer(
            node=self._me.leader.node,
            boot_id=self._me.leader.boot_id,
            storage_id=self._me.storage,
            state=state,
            path=path,
            sequence=sequence,
            pages=pages,
            reason=reason,
        )

    async def _say(self, request: BackupRequest, answer: NodeAnswer) -> None:
        put = Put(answer_key(request.id, answer.node), encode_json(answer))
        await self._coordinator.transact([], [put])
