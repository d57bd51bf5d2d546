"""One process from start to exit: loop, signals, lifeline, ordered stop. Sole owner of uvloop.

Rules:
1. `run(main, config)` is all that `python -m node|router|edge` does. `main` builds things and
   registers how they stop; it may return at once or wait for `stopping`.
2. Stop steps run one after the other, last registered first (what was built last stands on what was
   built before): stop accepting, drain, flush, close. Each has its own deadline. Where roles share
   a process, each has its `part` of it; the steps of the last part run first.
3. SIGTERM and SIGINT ask for a drain. A second one, or the EOF of the lifeline pipe (the supervisor
   is gone), shortens every deadline. A thread watches over the whole: whatever hangs, the process
   ends, so that no lock and no port outlives its cluster.
4. Exit codes tell which part failed:
   0 stopped as asked · 1 `main` or a task failed · 2 a setting is wrong (runtime.config)
   3 the stop hung and was cut · 40 + n stop step n (in order of running) failed or was late
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import resource
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Final

from hubbub.runtime import collector, logs
from hubbub.runtime.tasks import failure_handler
from hubbub.settings.schema import ProcessConfig

EXIT_STOPPED: Final = 0
EXIT_FAILED: Final = 1
EXIT_HUNG: Final = 3
EXIT_STOP_STEP: Final = 40
STEPS_MAX: Final = 20  # keeps 40 + n below the codes that shells use for signals

STEP_DEADLINE_S: Final = 1.0  # of a step that names none
FAST_STEP_DEADLINE_S: Final = 0.3  # nobody waits for us any more
FAST_STOP_DEADLINE_S: Final = 1.5
MAIN_GRACE_S: Final = 0.5  # for `main` to return after `stopping`; then it is cancelled
# Many systems allow 2^30; the kernel and libraries size tables by the soft limit.
DESCRIPTORS_MAX: Final = 1_048_576

Step = Callable[[], Awaitable[object]]
_log = logs.get_logger()


class Process:
    """What `main` gets: the loop, the stop event, and the list of how to stop."""

    def __init__(self, config: ProcessConfig, loop: asyncio.AbstractEventLoop) -> None:
        self.config = config
        self.loop = loop
        self.stopping = asyncio.Event()
        self.exit_code = EXIT_STOPPED
        self.fast = False
        self._steps: list[tuple[str, Step, float]] = []
        self._parts: list[Part] = []
        self._running: asyncio.Timeout | None = None  # the deadline of the step under way
        self._watch: threading.Timer | None = None

    def started(self) -> None:
        """What stands now stays, and is never looked at again by the collector of cycles."""
        collector.keep_what_stands()
        collector.look_seldom()

    def part(self, config: ProcessConfig) -> Process:
        """What the `main` of one of several roles gets. Make all parts before one has started."""
        made = Part(self, config)
        self._parts.append(made)
        return made

    def part_started(self) -> None:
        """One part stands; `started` is for the last of them."""
        if all(part.has_started for part in self._parts):
            self.started()

    def on_stop(self, name: str, step: Step, deadline_s: float = STEP_DEADLINE_S) -> None:
        """Register how a part stops. Steps run in reverse order of registration."""
        assert len(self._steps) < STEPS_MAX, name
        self._steps.append((name, step, deadline_s))

    def stop(self, reason: str, *, fast: bool = False) -> None:
        """Begin to stop; called again with `fast`, hurry. Only from the loop's thread."""
        first = not self.stopping.is_set()
        if first:
            _log.info("process.stopping", reason=reason, fast=fast)
        if first or (fast and not self.fast):
            self.fast = self.fast or fast
            self._guard(FAST_STOP_DEADLINE_S if self.fast else self.config.stop_deadline_s)
            if self.fast and self._running is not None:
                with suppress(RuntimeError):  # it is expiring at this moment
                    self._running.reschedule(self.loop.time() + FAST_STEP_DEADLINE_S)
        self.stopping.set()

    def fail(self, part: str, failure: BaseException) -> None:
        """A part broke and cannot be mended: stop with EXIT_FAILED."""
        _log.error("process.failed", part=part, error=repr(failure))
        self.exit_code = EXIT_FAILED
        self.stop(f"{part} failed")

    async def run_steps(self) -> None:
        """All stop steps. A failure or a miss is logged, sets the exit code and skips no other."""
        steps = [*self._steps, *(step for part in self._parts for step in part._steps)]
        for number, (name, step, deadline_s) in enumerate(reversed(steps)):
            limit_s = min(deadline_s, FAST_STEP_DEADLINE_S) if self.fast else deadline_s
            try:
                async with asyncio.timeout(limit_s) as self._running:
                    await step()
            except TimeoutError:
                _log.error("process.stop_late", step=name, deadline_s=limit_s)
                self.exit_code = self.exit_code or EXIT_STOP_STEP + number
            except Exception as failure:  # noqa: BLE001 - boundary: the other steps must still run
                _log.error("process.stop_failed", step=name, exc_info=failure)
                self.exit_code = self.exit_code or EXIT_STOP_STEP + number
            self._running = None

    def result(self) -> int:
        """The exit code; what a part set goes before what followed from it."""
        codes = (process.exit_code for process in (*self._parts, self))
        return next((code for code in codes if code), EXIT_STOPPED)

    def release(self) -> None:
        """The loop is done: nothing is left to guard."""
        if self._watch is not None:
            self._watch.cancel()

    def _guard(self, deadline_s: float) -> None:
        """End the process after the deadline even if its loop is blocked in a foreign call."""
        self.release()
        self._watch = threading.Timer(deadline_s, cut, [self.config.name])
        self._watch.daemon = True
        self._watch.start()


class Part(Process):
    """One role of several in a process: its own config, stop steps and exit code, else the whole's.

    What fails one part ends them all: half a process is worse than none.
    """

    def __init__(self, whole: Process, config: ProcessConfig) -> None:
        super().__init__(config, whole.loop)
        self.has_started = False
        self.stopping = whole.stopping
        self._whole = whole

    def started(self) -> None:
        self.has_started = True
        self._whole.part_started()

    def on_stop(self, name: str, step: Step, deadline_s: float = STEP_DEADLINE_S) -> None:
        super().on_stop(f"{self.config.role}.{name}", step, deadline_s)

    def stop(self, reason: str, *, fast: bool = False) -> None:
        self._whole.stop(reason, fast=fast)

    def fail(self, part: str, failure: BaseException) -> None:
        self._whole.fail(f"{self.config.role}.{part}", failure)


def cut(name: str) -> None:
    """Leave without cleaning up: what is acknowledged is on disk already."""
    with suppress(OSError):
        sys.stderr.write(f"{name}: the stop hung, ending now\n")
        faulthandler.dump_traceback()
        sys.stderr.flush()
    os._exit(EXIT_HUNG)


def run(main: Callable[[Process], Awaitable[None]], config: ProcessConfig) -> int:
    """Run a process to its end; the exit code. Call it from the main thread."""
    logs.configure(config.log_level, config.log_file, role=config.role, name=config.name)
    raise_descriptor_limit()
    if sys.stderr is not None:
        with suppress(ValueError, OSError):  # a captured stderr has no descriptor
            faulthandler.enable()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(_supervised(main, config))


async def _supervised(main: Callable[[Process], Awaitable[None]], config: ProcessConfig) -> int:
    loop = asyncio.get_running_loop()
    process = Process(config, loop)
    failure_handler.set(process.fail)
    with _Signals(process), _Lifeline(process):
        await _run_main(main, process)
        await process.run_steps()
    process.release()
    _log.info("process.stopped", exit_code=process.result())
    return process.result()


async def _run_main(main: Callable[[Process], Awaitable[None]], process: Process) -> None:
    """Until `main` has returned and `stopping` is set; or it failed; or it would not end."""
    try:
        async with asyncio.TaskGroup() as group:
            work = group.create_task(_call(main, process), name="main")
            await process.stopping.wait()
            if not work.done():
                await asyncio.wait({work}, timeout=MAIN_GRACE_S)
            work.cancel()
    except* Exception as failures:  # noqa: BLE001 - boundary: stop the parts that stand
        for failure in failures.exceptions:
            _log.error("process.main_failed", exc_info=failure)
            process.fail("main", failure)


async def _call(main: Callable[[Process], Awaitable[None]], process: Process) -> None:
    await main(process)


class _Signals:
    """SIGTERM and SIGINT while the process runs: the first drains, the second hurries."""

    _NUMBERS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self, process: Process) -> None:
        self._process = process

    def __enter__(self) -> None:
        for number in self._NUMBERS:
            self._process.loop.add_signal_handler(number, self._receive, number)

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _at: TracebackType | None,
    ) -> None:
        for number in self._NUMBERS:
            self._process.loop.remove_signal_handler(number)

    def _receive(self, number: signal.Signals) -> None:
        self._process.stop(number.name, fast=self._process.stopping.is_set())


class _Lifeline:
    """A thread that reads the pipe whose other end the supervisor holds.

    A thread and not the loop: while the loop is inside a long RocksDB call the EOF must still start
    the clock of the end.
    """

    def __init__(self, process: Process) -> None:
        self._process = process
        self._fd = process.config.lifeline_fd

    def __enter__(self) -> None:
        if self._fd < 0:
            return
        os.set_inheritable(self._fd, False)
        os.set_blocking(self._fd, True)  # else "nothing to read yet" would look like a broken pipe
        threading.Thread(target=self._read, name="lifeline", daemon=True).start()

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _at: TracebackType | None,
    ) -> None:
        self._fd = -1

    def _read(self) -> None:
        with suppress(OSError):  # a broken descriptor is as good as an EOF
            while os.read(self._fd, 64):
                pass
        if self._fd < 0:
            return
        watch = threading.Timer(2 * FAST_STOP_DEADLINE_S, cut, [self._process.config.name])
        watch.daemon = True
        watch.start()
        with suppress(RuntimeError):  # the loop is closed: the process ends anyway
            self._process.loop.call_soon_threadsafe(self._stop, watch)

    def _stop(self, watch: threading.Timer) -> None:
        watch.cancel()  # the loop is alive; the process' own guard takes over
        self._process.stop("lifeline", fast=True)


def raise_descriptor_limit() -> int:
    """Raise the soft limit of open files to the hard one; what holds now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS_MAX if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS_MAX)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return soft


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes an event loop here; None is asyncio's own choice."""
    try:
        import uvloop
    except ImportError:  # no wheel for this platform: slower, but the same
        return None
    return uvloop.new_event_loop
