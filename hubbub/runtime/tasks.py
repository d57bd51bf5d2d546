"""Tasks: the only place that makes one outside a TaskGroup. Named, referenced, never lost.

Rules:
1. Every task has a name and is referenced here until it ends, so that it is not collected.
2. A task that fails is logged and counted; then its `on_failure` decides. The default is the one of
   the process (`failure_handler`), which ends it: half a process is worse than none.
3. Cancellation is an order, no failure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any, TypeVar

from msgspec import Struct

from hubbub.runtime.logs import get_logger

T = TypeVar("T")
FailureHandler = Callable[[str, BaseException], None]

# Set by the process inside its main task; every task started from there inherits it.
failure_handler: ContextVar[FailureHandler | None] = ContextVar("failure_handler", default=None)

_live: set[asyncio.Task[Any]] = set()
_failed: dict[str, int] = {}
_log = get_logger()


class TasksStatistics(Struct, frozen=True):
    """Names of what runs, and how often a name failed."""

    live: tuple[str, ...]
    failed: dict[str, int]


def supervise(
    name: str, coroutine: Coroutine[Any, Any, T], *, on_failure: FailureHandler | None = None
) -> asyncio.Task[T]:
    """Run a coroutine as a named task. `on_failure(name, exception)` is called once if it fails.

    Without one the process' handler is called, and without that the loop's exception handler.
    """
    handler = on_failure or failure_handler.get()
    task = asyncio.get_running_loop().create_task(coroutine, name=name)
    _live.add(task)
    task.add_done_callback(lambda done: _finish(name, done, handler))
    return task


def _finish(name: str, task: asyncio.Task[Any], handler: FailureHandler | None) -> None:
    _live.discard(task)
    if task.cancelled():
        return
    failure = task.exception()
    if failure is None:
        return
    _failed[name] = _failed.get(name, 0) + 1
    _log.error("task.failed", task=name, exc_info=failure)
    if handler is not None:
        handler(name, failure)
    else:
        context = {"message": f"task {name} failed", "exception": failure, "task": task}
        task.get_loop().call_exception_handler(context)


def statistics() -> TasksStatistics:
    """All supervised tasks of the process."""
    return TasksStatistics(tuple(sorted(task.get_name() for task in _live)), dict(_failed))


class Tasks:
    """Tasks that end together: those of one link, one server, one connection."""

    __slots__ = ("_closed", "_name", "_on_failure", "_tasks")

    def __init__(self, name: str, *, on_failure: FailureHandler | None = None) -> None:
        self._name = name
        self._on_failure = on_failure
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, name: str, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Supervise one more, as `group.name`. Raises RuntimeError once the group is closed."""
        if self._closed:
            coroutine.close()
            raise RuntimeError(f"tasks {self._name} are closed")
        task = supervise(f"{self._name}.{name}", coroutine, on_failure=self._on_failure)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self, deadline_s: float) -> tuple[str, ...]:
        """Cancel all and wait for them. Returns the names of those that did not end in time.

        A task that closes its own group is left out: it ends by returning.
        Cancellation: all were told to stop; nothing else is kept.
        """
        self._closed = True
        waiting = self._tasks - {asyncio.current_task()}
        for task in waiting:
            task.cancel()
        if not waiting:
            return ()
        _, pending = await asyncio.wait(waiting, timeout=deadline_s)
        late = tuple(sorted(task.get_name() for task in pending))
        if late:
            _log.error("tasks.late", group=self._name, tasks=late, deadline_s=deadline_s)
        return late
