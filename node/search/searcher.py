"""Starts the indexing child, feeds it, asks it, watches it, and starts it again.

Rules:
1. It runs from the moment when there is something to index or to find. It sleeps when there is
   nothing to do, and so does this: one wake-up a feed.
2. Nothing of the node waits for it. What it does not answer in time, or takes with it, is answered
   as "cannot be searched now"; what it lacks it is told from its own stand (`feed`).
3. Both pipes end with the child, and the child with either of them. A child that answers nothing
   for SILENCE_S is killed; one that ends is started again, later each time it ends soon.
4. While the disk is full (the node's own level, or what the child met) nothing is fed and no child
   is started to be fed; searches go on with what is there. Afterwards it catches up by itself.
5. At most FINDS_MAX searches wait; more are answered like those of rule 2, at once.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from hubbub.base.backoff import full_jitter_ms
from hubbub.base.units import SECOND_MS
from hubbub.runtime.clock import Clock
from hubbub.runtime.logs import get_logger
from hubbub.runtime.tasks import supervise
from hubbub.wire.codec import decode_pack
from node.search.feed import Feeding
from node.search.shapes import FRAME_BYTES_MAX, HEAD, Find, Found, Hello, Kind, encode_frame

FINDS_MAX: Final = 64
# From an entry to its place in the index: what comes within it is one transaction a file. Half
# costs twice the wake-ups, four times as much is felt by who looks for what he just wrote.
GATHER_S: Final = 0.25
# Eight files share what comes, and a transaction costs as much as ten messages in it: [M] 113 us a
# message with 6 of them in each (200/s gathered so), 45 with 25. So a busy node gathers longer.
BUSY_GATHER_S: Final = 1.0
BUSY_CHANGES: Final = 20  # in GATHER_S; half gains little, double leaves 150/s at what they cost
SILENCE_S: Final = 60.0  # a disk that writes 1 MB so slowly serves nobody
STOP_S: Final = 0.5
FULL_S: Final = 5.0  # until a full disk is tried again: room is made by people
# An answer that is late is of no use to anybody: the edge waits 2.5 s.
FIND_S: Final = 2.0
_BACKOFF_MS_MIN: Final = 100
_BACKOFF_MS_MAX: Final = 30_000
_HEALTHY_MS: Final = 10_000  # a child that lived so long did not end "soon"
_log = get_logger()

Done = Callable[[Found | None], None]


class SearcherCounts(msgspec.Struct):
    """What /metrics shows of it."""

    started_total: int = 0
    finds_total: int = 0
    refused_total: int = 0
    unanswered_total: int = 0
    failed_total: int = 0  # our bugs
    full_total: int = 0  # feeds for which the disk had no room


class ChildGone(Exception):
    """The child ended, or says nothing any more."""


class Searcher:
    """The child of this node and everything that is asked of it (`answers.Finder`)."""

    def __init__(self, folder: Path, feeding: Feeding, clock: Clock, random: Callable[[], float]):
        """Args: folder: of the files. random: 0 to 1."""
        self.counts = SearcherCounts()
        self.feeding = feeding
        self.pid = 0
        self._folder = folder
        self._clock = clock
        self._random = random
        self._wanted = asyncio.Event()
        self._noted = asyncio.Event()
        self._fed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._is_full = False  # the child met a full disk, and was not fed since
        self._finds: dict[int, tuple[Find, Done, float]] = {}
        self._next_id = 1
        self._pipe: asyncio.StreamWriter | None = None

    # --- what happens

    def note(self, slot: int) -> None:
        """Entries of a slot were applied."""
        self.feeding.note(slot)
        if not self._noted.is_set():
            self._noted.set()
        if not self._wanted.is_set():
            self._wanted.set()

    def find(self, ask: Find, done: Done) -> None:
        """As `answers.Finder.find`."""
        self.counts.finds_total += 1
        if len(self._finds) >= FINDS_MAX:
            self.counts.refused_total += 1
            done(None)
            return
        if self._pipe is None and not self.feeding.has_rows():
            done(Found(0, ()))
            return
        number = self._next_id
        self._next_id += 1
        ends_ms = self._clock.monotonic_ms() + ask.ms
        ask = msgspec.structs.replace(ask, id=number, ends_ms=ends_ms)
        ends = asyncio.get_running_loop().time() + FIND_S
        self._finds[number] = (ask, done, ends)
        self._wanted.set()
        if self._pipe is not None:
            self._pipe.write(encode_frame(Kind.FIND, ask))

    def indexed_ms(self, slots: Sequence[int]) -> int:
        """As `answers.Finder.indexed_ms`."""
        now_ms = self._clock.wall_ms()
        return min(self.feeding.indexed_ms(slot, now_ms) for slot in slots)

    @property
    def is_paused(self) -> bool:
        """Nothing is indexed now, since the disk has no room."""
        return self._is_full or not self._room.is_set()

    def tick(self, *, has_room: bool = True) -> None:
        """Once a second: searches that wait for too long, slots that are not held any more. Args:
        has_room: the disk is not full."""
        if has_room:
            self._room.set()
        else:
            self._room.clear()
        if self._pipe is not None and self.feeding.note_gone():
            self._noted.set()
        now = asyncio.get_running_loop().time()
        late = [number for number, (_, _, ends) in self._finds.items() if ends < now]
        for number in late:
            self._answer(number, None)

    def _answer(self, number: int, found: Found | None) -> None:
        waiting = self._finds.pop(number, None)
        if waiting is not None:
            self.counts.unanswered_total += found is None
            waiting[1](found)

    # --- the child's life

    async def run(self) -> NoReturn:
        """Start it when it is wanted, and again when it ends. Cancellation ends the child."""
        attempt = 0
        while True:
            await self._wanted.wait()
            if not self._finds:
                await self._room.wait()
            if not self.feeding.has_rows():
                self._wanted.clear()
                continue
            began_ms = self._clock.monotonic_ms()
            try:
                await self._live()
            except (ChildGone, OSError) as error:
                _log.warning("search.child_ended", reason=str(error))
            except Exception as error:  # noqa: BLE001 - boundary: a bug of ours, or of a feature, costs the search
                self.counts.failed_total += 1
                _log.error("search.failed", exc_info=error)
            lived_ms = self._clock.monotonic_ms() - began_ms
            attempt = 0 if lived_ms > _HEALTHY_MS else attempt + 1
            wait_ms = full_jitter_ms(
                attempt, base_ms=_BACKOFF_MS_MIN, max_ms=_BACKOFF_MS_MAX, random=self._random()
            )
            await asyncio.sleep(wait_ms / SECOND_MS)

    async def _live(self) -> NoReturn:
        """One child, from its start to its end. Raises ChildGone, OSError."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "node.search.child",
            str(self._folder),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=_environment(),
        )
        assert process.stdin is not None
        assert process.stdout is not None
        self.counts.started_total += 1
        self.pid = process.pid
        try:
            await self._begin(process.stdout, process.stdin)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read(process.stdout), name="search.read")
                group.create_task(self._feed(process.stdin), name="search.feed")
        except ExceptionGroup as ended:
            if ended.split((ChildGone, OSError))[1] is not None:
                raise
            raise ChildGone(str(ended.exceptions[0])) from None
        finally:
            self._ended()
            await asyncio.shield(supervise("search.end", _end(process)))
        raise AssertionError("both tasks run until the child is gone")

    async def _begin(self, answers: asyncio.StreamReader, pipe: asyncio.StreamWriter) -> None:
        async with _patience():
            kind, body = await _frame(answers)
        if kind != Kind.HELLO:
            raise ChildGone(f"it began with {kind}")
        self.feeding.begin(decode_pack(body, Hello).stands)
        self._pipe = pipe
        self._noted.set()
        for ask, _, _ in self._finds.values():
            pipe.write(encode_frame(Kind.FIND, ask))

    def _ended(self) -> None:
        self.pid = 0
        self._pipe = None
        self._is_full = False
        self.feeding.end()
        for number in list(self._finds):
            self._answer(number, None)

    async def _read(self, answers: asyncio.StreamReader) -> NoReturn:
        while True:
            kind, body = await _frame(answers)
            if kind == Kind.FED:
                self.feeding.fed()
                self._is_full = False
                self._fed.set()
            elif kind == Kind.FULL:
                self.counts.full_total += 1
                self.feeding.refused()
                self._is_full = True
                self._fed.set()
            elif kind == Kind.FOUND:
                found = decode_pack(body, Found)
                self._answer(found.id, found)

    async def _feed(self, pipe: asyncio.StreamWriter) -> NoReturn:
        wait_s, counts = GATHER_S, self.feeding.counts
        while True:
            await self._noted.wait()
            await asyncio.sleep(wait_s)
            self._noted.clear()
            before = counts.changes_total
            while self.feeding.has_more:
                await self._room.wait()
                feed = self.feeding.next()
                if feed is None:
                    await asyncio.sleep(0)  # others have their turn
                    continue
                self._fed.clear()
                pipe.write(encode_frame(Kind.FEED, feed))
                async with _patience():
                    await pipe.drain()
                    await self._fed.wait()
                if self._is_full:
                    _log.warning("search.disk_full", behind=self.feeding.behind())
                    await asyncio.sleep(FULL_S)
            wait_s = gather_s(counts.changes_total - before, wait_s)


def gather_s(changes: int, waited_s: float) -> float:
    """How long the next feed gathers after one of so many changes that gathered so long."""
    is_busy = changes * GATHER_S >= BUSY_CHANGES * waited_s
    return BUSY_GATHER_S if is_busy else GATHER_S


async def _frame(answers: asyncio.StreamReader) -> tuple[int, bytes]:
    """The next frame. Raises ChildGone at the end."""
    try:
        length, kind = HEAD.unpack(await answers.readexactly(HEAD.size))
        if length > FRAME_BYTES_MAX:
            raise ChildGone(f"a frame of {length} bytes")
        return kind, await answers.readexactly(length)
    except asyncio.IncompleteReadError:
        raise ChildGone("its output ended") from None


@asynccontextmanager
async def _patience() -> AsyncIterator[None]:
    """Within it the child has SILENCE_S. Raises ChildGone."""
    try:
        async with asyncio.timeout(SILENCE_S):
            yield
    except TimeoutError:
        raise ChildGone(f"nothing in {SILENCE_S:.0f} s") from None


async def _end(process: asyncio.subprocess.Process) -> None:
    """Close its input; kill it if that does not end it."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        _log.warning("search.child_killed", pid=process.pid)
        with suppress(ProcessLookupError):  # it ended by itself just now
            process.kill()
        await process.wait()


def _environment() -> dict[str, str]:
    """Ours; and one arena: a process of one thread needs no more memory pools."""
    return {**os.environ, "MALLOC_ARENA_MAX": "1"}
