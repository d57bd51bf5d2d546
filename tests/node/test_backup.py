"""A node's part in a backup: it holds, freezes, says what it has, and lets go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from hubbub.coordinator.api import Coordinator, CoordinatorUnavailable
from hubbub.coordinator.backups import (
    HOLD_MS_MAX,
    AnswerState,
    BackupRequest,
    NodeAnswer,
    Phase,
    SlotCopies,
    answer_key,
    page_key,
)
from hubbub.coordinator.solo import SoloCoordinator
from hubbub.wire.codec import decode_json
from node.backup import Backups
from node.store.api import StoreError
from node.store.rocks import RocksStore
from node.survey import survey
from tests.node.rig import SLOTS, Rig
from tests.support.clock import FakeClock

ROOM = "group:x"
DEADLINE_S = 10.0
ID = "20260101T000000Z-00000001"


class Part:
    """One node: a database with some messages, and what the backup does to it."""

    def __init__(self, folder: Path, coordinator: Coordinator) -> None:
        self.store = RocksStore(str(folder / "db"))
        self.rig = Rig(self.store)
        self.rig.create(ROOM)
        self.rig.send(ROOM, "hello")
        self.folder = folder / "checkpoints"
        self.coordinator = coordinator
        self.clock = FakeClock()
        self.requests: dict[str, BackupRequest] = {}
        self.holds: list[bool] = []
        self.broken: set[int] = set()
        self.freeze_error: Exception | None = None
        self.backups = self.start()

    def start(self) -> Backups:
        """As a process start does."""
        return Backups(
            self.coordinator,
            self.requests,
            self.store,
            self.rig.copy,
            self.folder,
            SLOTS,
            hold=self.holds.append,
            freeze=self.freeze,
            broken=lambda: self.broken,
            open_copy=lambda path: RocksStore(path, is_read_only=True),
            clock=self.clock,
        )

    async def freeze(self, path: str) -> None:
        if self.freeze_error is not None:
            raise self.freeze_error
        assert self.holds[-1:] == [True], "frozen only while Forwards are held"
        self.store.checkpoint(path)

    def ask(self, phase: Phase, backup: str = ID) -> None:
        self.requests[backup] = BackupRequest(backup, "/b", 1, phase)
        self.backups.changed()

    def end(self, backup: str = ID) -> None:
        del self.requests[backup]
        self.backups.changed()

    async def answer(self, state: AnswerState, backup: str = ID) -> NodeAnswer:
        """Waits for it."""
        ends_at = time.monotonic() + DEADLINE_S
        key = answer_key(backup, self.rig.copy.leader.node)
        while True:
            found = await self.coordinator.get(key)
            if found is not None:
                answer = decode_json(found.value, NodeAnswer)
                if answer.state is state:
                    return answer
            assert time.monotonic() < ends_at, (state, found)
            await asyncio.sleep(0.005)


@asynccontextmanager
async def part(folder: Path) -> AsyncIterator[Part]:
    """A node whose part runs."""
    coordinator = SoloCoordinator(folder / "c.sqlite")
    made = Part(folder, coordinator)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(made.backups.run())
        try:
            yield made
        finally:
            task.cancel()
    made.store.close()
    await coordinator.close()


def is_there(path: str) -> bool:
    return Path(path).exists()


async def until(condition: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < ends_at
        await asyncio.sleep(0.005)


async def test_it_holds_then_freezes_then_goes_on_and_forgets(tmp_path: Path) -> None:
    async with part(tmp_path) as node:
        node.ask(Phase.HOLD)
        assert node.holds == [True], "at once, before it is said"
        held = await node.answer(AnswerState.HELD)
        assert (held.storage_id, held.boot_id) == ("rig", node.rig.copy.leader.boot_id)
        node.ask(Phase.CHECKPOINT)
        made = await node.answer(AnswerState.MADE)
        before = survey(node.store, range(SLOTS))
        node.rig.send(ROOM, "after it was frozen")
        assert survey(node.store, range(SLOTS)) != before
        page = await node.coordinator.get(page_key(ID, made.node, 0))
        assert page is not None
        assert made.pages == 1
        assert list(decode_json(page.value, SlotCopies).copies) == before
        frozen = RocksStore(made.path, is_read_only=True)
        assert survey(frozen, range(SLOTS)) == before
        assert frozen.latest_sequence() == made.sequence
        frozen.close()
        assert node.holds == [True]
        node.ask(Phase.COPY)
        assert node.holds == [True, False]
        assert is_there(made.path)
        node.end()
        await until(lambda: not is_there(made.path))


async def test_it_holds_no_longer_than_its_limit_and_says_so(tmp_path: Path) -> None:
    async with part(tmp_path) as node:
        node.ask(Phase.HOLD)
        await node.answer(AnswerState.HELD)
        node.clock.advance(HOLD_MS_MAX)
        await until(lambda: node.holds == [True, False])
        node.ask(Phase.CHECKPOINT)
        failed = await node.answer(AnswerState.FAILED)
        assert "60 s" in failed.reason
        assert node.holds == [True, False]
        assert not is_there(str(node.folder / ID))


async def test_a_slot_that_is_broken_here_is_not_counted(tmp_path: Path) -> None:
    async with part(tmp_path) as node:
        node.broken = {3, 5}
        node.ask(Phase.CHECKPOINT)
        made = await node.answer(AnswerState.MADE)
        page = await node.coordinator.get(page_key(ID, made.node, 0))
        assert page is not None
        slots = {copy.slot for copy in decode_json(page.value, SlotCopies).copies}
        assert slots == set(range(SLOTS)) - {3, 5}


async def test_a_disk_that_fails_is_said(tmp_path: Path) -> None:
    async with part(tmp_path) as node:
        node.freeze_error = StoreError("No space left on device")
        node.ask(Phase.CHECKPOINT)
        assert (await node.answer(AnswerState.FAILED)).reason == "No space left on device"
        node.end()
        assert node.holds == [True, False]


async def test_a_checkpoint_that_a_dead_process_left_is_made_anew_or_goes(tmp_path: Path) -> None:
    left, gone = tmp_path / "checkpoints" / ID, tmp_path / "checkpoints" / "another"
    for folder in (left, gone):
        folder.mkdir(parents=True)
        (folder / "CURRENT").write_text("half")
    async with part(tmp_path) as node:
        node.ask(Phase.CHECKPOINT)
        made = await node.answer(AnswerState.MADE)
        assert not gone.exists()
        RocksStore(made.path, is_read_only=True).close()


async def test_a_start_in_the_middle_holds_from_the_start(tmp_path: Path) -> None:
    coordinator = SoloCoordinator(tmp_path / "c.sqlite")
    node = Part(tmp_path, coordinator)
    node.requests[ID] = BackupRequest(ID, "/b", 1, Phase.HOLD)
    node.start().changed()
    assert node.holds == [True]
    node.store.close()
    await coordinator.close()


async def test_while_the_coordinator_is_away_the_answer_waits(tmp_path: Path) -> None:
    async with part(tmp_path) as node:
        real = node.coordinator
        calls = 0

        class Away:
            async def transact(self, *_: object) -> None:
                nonlocal calls
                calls += 1
                raise CoordinatorUnavailable("away")

        node.backups._coordinator = Away()  # type: ignore[assignment]
        node.ask(Phase.HOLD)
        await until(lambda: calls > 0)
        node.backups._coordinator = real
        await node.answer(AnswerState.HELD)


async def test_two_requests_hold_until_the_last_is_over(tmp_path: Path) -> None:
    other = ID.replace("00000001", "00000002")
    async with part(tmp_path) as node:
        node.ask(Phase.HOLD)
        node.ask(Phase.HOLD, other)
        await node.answer(AnswerState.HELD)
        await node.answer(AnswerState.HELD, other)
        node.end()
        assert node.holds == [True]
        node.end(other)
        assert node.holds == [True, False]
