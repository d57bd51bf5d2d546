"""Supervised tasks: named, referenced, loud when they fail, bounded when they end."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from hubbub.runtime import tasks
from hubbub.runtime.tasks import Tasks, failure_handler, supervise


class Failures:
    """Records calls and lets a test wait for the first."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self.happened = asyncio.Event()

    def __call__(self, name: str, failure: BaseException) -> None:
        self.seen.append((name, str(failure)))
        self.happened.set()


async def fail(text: str) -> None:
    raise ValueError(text)


async def wait_for_ever() -> None:
    await asyncio.Event().wait()


async def test_a_task_is_named_and_gives_its_result() -> None:
    async def answer() -> int:
        return 42

    task = supervise("question", answer())
    assert task.get_name() == "question"
    assert "question" in tasks.statistics().live
    assert await task == 42
    assert "question" not in tasks.statistics().live


async def test_a_failure_reaches_its_handler_once_and_is_counted() -> None:
    failures = Failures()
    supervise("broken-one", fail("oh"), on_failure=failures)
    await failures.happened.wait()
    assert failures.seen == [("broken-one", "oh")]
    assert tasks.statistics().failed["broken-one"] == 1


async def test_without_a_handler_the_one_of_the_process_is_called() -> None:
    failures = Failures()
    token = failure_handler.set(failures)
    try:
        supervise("broken-two", fail("no"))
        await failures.happened.wait()
    finally:
        failure_handler.reset(token)
    assert failures.seen == [("broken-two", "no")]


async def test_without_any_handler_the_loop_hears_of_it() -> None:
    heard: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: heard.set_result(context))
    supervise("broken-three", fail("hm"))
    context = await heard
    assert "broken-three" in context["message"]


async def test_cancellation_is_no_failure() -> None:
    failures = Failures()
    task = supervise("stopped", wait_for_ever(), on_failure=failures)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert failures.seen == []


async def test_a_task_that_nobody_holds_is_not_collected() -> None:
    gate = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def work() -> None:
        await gate
        done.set()

    supervise("orphan", work())
    await asyncio.sleep(0)
    gc.collect()
    gate.set_result(None)
    await done.wait()


async def test_a_group_ends_its_tasks_and_takes_no_more() -> None:
    group = Tasks("link")
    first = group.start("reader", wait_for_ever())
    second = group.start("writer", wait_for_ever())
    await asyncio.sleep(0)
    assert len(group) == 2
    assert first.get_name() == "link.reader"
    assert await group.close(5) == ()
    assert first.cancelled()
    assert second.cancelled()
    with pytest.raises(RuntimeError, match="closed"):
        group.start("late", wait_for_ever())


async def test_a_group_names_those_that_do_not_end_in_time() -> None:
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    group = Tasks("disk")
    task = group.start("flush", stubborn())
    await asyncio.sleep(0)
    assert await group.close(0.01) == ("disk.flush",)
    release.set()
    await task


async def test_a_task_may_close_its_own_group() -> None:
    group = Tasks("session")

    async def last_act() -> tuple[str, ...]:
        return await group.close(5)

    other = group.start("other", wait_for_ever())
    assert await group.start("closer", last_act()) == ()
    assert other.cancelled()


async def test_an_ended_task_leaves_its_group() -> None:
    group = Tasks("short")
    await group.start("one", asyncio.sleep(0))
    await asyncio.sleep(0)
    assert len(group) == 0
    assert await group.close(1) == ()
