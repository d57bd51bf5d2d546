"""Signals as something to wait for: one pipe that wakes a sleeping loop.

Used by the supervisor alone, which has no event loop: it sleeps until a child ends, a signal
arrives or a moment is due.
"""

from __future__ import annotations

import os
import select
import signal
from types import FrameType, TracebackType
from typing import Self

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Signals:
    """While entered, SIGCHLD wakes `wait`, and a stop signal is remembered in `stop_count`."""

    def __init__(self) -> None:
        self.stop_count = 0
        self._read_fd, self._write_fd = os.pipe()
        for fd in (self._read_fd, self._write_fd):
            os.set_blocking(fd, False)
        self._poll = select.poll()
        self._poll.register(self._read_fd, select.POLLIN)
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        for number in STOPPING:
            self._before[number] = signal.signal(number, self._stop)
        self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, self._child)
        signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        signal.set_wakeup_fd(-1)
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal() returned
        os.close(self._read_fd)
        os.close(self._write_fd)

    def wait(self, seconds: float | None) -> None:
        """Sleeps until a signal arrives, `wake` is called, or the time is over (None: for ever)."""
        if self._poll.poll(None if seconds is None else max(0.0, seconds) * 1000):
            try:
                os.read(self._read_fd, 4096)
            except BlockingIOError:
                pass

    def request_stop(self) -> None:
        """As if a stop signal had arrived; may be called from another thread."""
        self.stop_count += 1
        self.wake()

    def wake(self) -> None:
        """Ends the sleep; may be called from another thread."""
        try:
            os.write(self._write_fd, b"\0")
        except BlockingIOError:
            pass  # the pipe is full of wake-ups already

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stop_count += 1

    def _child(self, _number: int, _frame: FrameType | None) -> None:
        """Only the wake-up matters: `set_wakeup_fd` has written it."""
