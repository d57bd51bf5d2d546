"""Wakes the loop when a file is written, by the kernel's word (inotify) and not by looking.

Linux alone has it. Where it cannot be had, `FileSign.open` answers None, and the caller looks as
often as it must.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

_IN_MODIFY: Final = 0x2
_EVENTS_BYTES: Final = 4_096


class FileSign:
    """One file, watched until `close`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._loop: asyncio.AbstractEventLoop | None = None

    @classmethod
    def open(cls, path: Path) -> FileSign | None:
        """Watch a file that is there. None if the system cannot."""
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
            watch = libc.inotify_add_watch
        except (OSError, AttributeError):
            return None
        if descriptor < 0:
            return None
        if watch(descriptor, os.fsencode(path), _IN_MODIFY) < 0:
            os.close(descriptor)
            return None
        return cls(descriptor)

    def attach(self, loop: asyncio.AbstractEventLoop, written: Callable[[], None]) -> None:
        """Call `written` in the loop after each write, several writes together."""

        def drain() -> None:
            try:
                os.read(self._descriptor, _EVENTS_BYTES)
            except BlockingIOError:
                return
            written()

        self._loop = loop
        loop.add_reader(self._descriptor, drain)

    def close(self) -> None:
        """Watch no more."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)
