"""The child on real pipes: started when wanted, fed, asked, killed, started again."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from hubbub.features.registry import REGISTRY
from hubbub.runtime.clock import SystemClock
from hubbub.runtime.tasks import statistics, supervise
from hubbub.wire.search import Criteria
from node.search import searcher as searcher_module
from node.search.feed import Feeding
from node.search.searcher import FINDS_MAX, Searcher
from node.search.shapes import Find, Found
from tests.node.rig import SLOTS, Rig

ROOM = "group:x"


class Bench:
    """A rig with a searcher."""

    def __init__(self, folder: Path) -> None:
        self.rig = Rig()
        self.feeding = Feeding(self.rig.slots, self.rig.store, REGISTRY)
        self.searcher = Searcher(folder, self.feeding, SystemClock(), lambda: 0.0)
        self.task = supervise("search", self.searcher.run())

    def send(self, text: str) -> int:
        seq: int = self.rig.send(ROOM, text).seq
        self.searcher.note(self.rig.slot(ROOM).number)
        return seq

    async def find(self, q: str) -> Found | None:
        answered: asyncio.Future[Found | None] = asyncio.get_running_loop().create_future()
        ask = Find(0, "demo", tuple(range(SLOTS)), (), Criteria(q), None, 100, 1_000)
        self.searcher.find(ask, answered.set_result)
        async with asyncio.timeout(10):
            return await answered

    async def until_found(self, q: str, seqs: list[int]) -> None:
        async with asyncio.timeout(20):
            while True:
                found = await self.find(q)
                if found is not None and [place[3] for place in found.places] == seqs:
                    return
                await asyncio.sleep(0.02)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - another process tells nobody
            await asyncio.sleep(0.02)


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr(searcher_module, "GATHER_S", 0.01)
    made = Bench(tmp_path / "search")
    yield made
    made.task.cancel()
    await asyncio.wait([made.task])
    await until(lambda: "search.end" not in statistics().live)


def test_a_busy_node_gathers_longer_until_it_is_quiet_again() -> None:
    quiet, busy = searcher_module.GATHER_S, searcher_module.BUSY_GATHER_S
    many = searcher_module.BUSY_CHANGES
    assert searcher_module.gather_s(many - 1, quiet) == quiet
    assert searcher_module.gather_s(many, quiet) == busy
    assert searcher_module.gather_s(int(many * busy / quiet), busy) == busy
    assert searcher_module.gather_s(many, busy) == quiet


async def test_no_child_before_there_is_anything_to_index(bench: Bench) -> None:
    bench.searcher.note(3)
    found = await bench.find("tea")
    assert found is not None
    assert (found.places, bench.searcher.pid) == ((), 0)


async def test_found_again_after_the_child_was_killed_and_after_the_files_are_gone(
    bench: Bench, tmp_path: Path
) -> None:
    bench.rig.create(ROOM)
    first = bench.send("tea")
    await bench.until_found("tea", [first])
    pid = bench.searcher.pid
    os.kill(pid, signal.SIGKILL)
    second = bench.send("tea too")
    await until(lambda: bench.searcher.pid not in (0, pid))
    await bench.until_found("tea", [second, first])
    for file in (tmp_path / "search").iterdir():
        file.unlink()
    assert await bench.find("tea") is None  # it noticed, and begins anew
    await bench.until_found("tea", [second, first])
    assert bench.searcher.counts.started_total >= 3


async def test_a_child_that_says_nothing_is_killed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.rig.create(ROOM)
    first = bench.send("tea")
    await bench.until_found("tea", [first])
    monkeypatch.setattr(searcher_module, "SILENCE_S", 0.2)
    pid = bench.searcher.pid
    os.kill(pid, signal.SIGSTOP)
    second = bench.send("tea too")
    await until(lambda: bench.searcher.pid != pid)
    monkeypatch.setattr(searcher_module, "SILENCE_S", 60.0)  # the next one may take its time
    await bench.until_found("tea", [second, first])


async def test_searches_of_a_child_that_ends_are_answered(bench: Bench) -> None:
    bench.rig.create(ROOM)
    await bench.until_found("tea", [bench.send("tea")])
    os.kill(bench.searcher.pid, signal.SIGSTOP)
    asks = [supervise("find", bench.find("tea")) for _ in range(FINDS_MAX + 1)]
    await until(lambda: bench.searcher.counts.refused_total == 1)
    os.kill(bench.searcher.pid, signal.SIGKILL)
    assert {await ask for ask in asks} == {None}


async def test_a_search_that_waits_too_long_is_answered(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searcher_module, "FIND_S", -1.0)
    bench.rig.create(ROOM)
    bench.send("tea")
    ask = supervise("find", bench.find("tea"))
    await until(lambda: bench.searcher.counts.finds_total == 1)
    bench.searcher.tick()
    assert await ask is None


async def test_while_the_disk_is_full_nothing_is_fed_and_afterwards_all_of_it(
    bench: Bench,
) -> None:
    bench.rig.create(ROOM)
    first = bench.send("tea")
    await bench.until_found("tea", [first])
    pid, feeds = bench.searcher.pid, bench.feeding.counts.feeds_total
    bench.searcher.tick(has_room=False)
    assert bench.searcher.is_paused
    second = bench.send("tea too")
    await until(lambda: not bench.searcher._noted.is_set())  # it would feed now
    found = await bench.find("tea")
    assert found is not None
    assert [place[3] for place in found.places] == [first]
    assert bench.feeding.counts.feeds_total == feeds
    bench.searcher.tick(has_room=True)
    assert not bench.searcher.is_paused
    await bench.until_found("tea", [second, first])
    assert bench.searcher.pid == pid


async def test_the_child_ends_with_its_task(bench: Bench) -> None:
    bench.rig.create(ROOM)
    await bench.until_found("tea", [bench.send("tea")])
    pid = bench.searcher.pid
    bench.task.cancel()
    await asyncio.wait([bench.task])
    await until(lambda: not Path(f"/proc/{pid}").exists() or _is_zombie(pid))


def _is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


async def test_a_child_that_ends_by_itself_while_it_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was gone between the deadline and the kill, and took its node with it."""
    monkeypatch.setattr(searcher_module, "STOP_S", 0.01)

    class Child:
        stdin = None
        pid = 1
        gone = asyncio.Event()

        async def wait(self) -> int:
            await self.gone.wait()
            return 0

        def kill(self) -> None:
            self.gone.set()
            raise ProcessLookupError

    await searcher_module._end(Child())  # type: ignore[arg-type]
    assert Child.gone.is_set()
