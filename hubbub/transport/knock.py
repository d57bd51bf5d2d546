"""Whether anybody listens at an address, by the kernel's word. Nothing is said to who answers.

A process that was killed leaves its addresses without a listener at once; one that is only busy
does not: the kernel goes on to take connections for it. So a refusal is worth more than any
silence. What a firewall refuses in a living peer's place misleads as its silence would.

Rules:
1. Knocks again every KNOCK_MS until it is refused or closed. Callbacks only, no task.
2. A tcp:// address with a host's name is never refused: to look it up could block.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Final

# The first knock is a while after the break: a process that dies closes one thing after the other.
KNOCK_MS: Final = 30
_REFUSALS: Final = frozenset({errno.ECONNREFUSED, errno.ENOENT})
_IPC: Final = "ipc://"
_TCP: Final = "tcp://"


class Knock:
    """Tries an address until nobody listens there. `close` it when that matters no more."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, address: str, refused: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._address = address
        self._refused = refused
        self._socket: socket.socket | None = None
        self._handle: asyncio.TimerHandle | None = None
        self._again()

    def close(self) -> None:
        """`refused` will not be called any more. May be called twice."""
        self._hang_up()
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _again(self) -> None:
        self._handle = self._loop.call_later(KNOCK_MS / 1_000, self._knock)

    def _knock(self) -> None:
        self._hang_up()
        if self._address.startswith(_IPC):
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._answered(self._try(self._address.removeprefix(_IPC)))
            return
        found = _numeric(self._address)
        if found is None:
            return
        family, to = found
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        code = self._try(to)
        if code == errno.EINPROGRESS:
            self._loop.add_writer(self._socket.fileno(), self._connected)
            self._again()  # whoever is silent until then
        else:
            self._answered(code)

    def _try(self, to: str | tuple[str, int]) -> int:
        assert self._socket is not None
        self._socket.setblocking(False)
        return self._socket.connect_ex(to)

    def _connected(self) -> None:
        assert self._socket is not None
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if self._handle is not None:
            self._handle.cancel()
        self._answered(code)

    def _answered(self, code: int) -> None:
        self._hang_up()
        if code in _REFUSALS:
            self._refused()
        else:
            self._again()

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._loop.remove_writer(self._socket.fileno())
            self._socket.close()
            self._socket = None


def _numeric(address: str) -> tuple[socket.AddressFamily, tuple[str, int]] | None:
    """Of tcp://: what to connect to; None: it is a name, or nothing to connect to."""
    host, _, port = address.removeprefix(_TCP).rpartition(":")
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host.strip("[]"))
        except OSError:
            continue
        return (family, (host.strip("[]"), int(port))) if port.isdecimal() else None
    return None
