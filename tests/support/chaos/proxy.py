"""A TCP proxy between two processes that delays, throttles, cuts, resets and refuses, as ordered.

Rules:
1. A connection is forwarded as `proxy_line` says: in order, within a bound, slowed and cut.
2. Orders act at once, also on bytes that wait already; `counts` tells what passed, so that nobody
   needs to sleep.
3. A connection that lost bytes is reset when its direction is healed: no network hands on a stream
   with a hole.
4. A connection that is opened while a direction is cut reaches the target when it is healed.

`proxy_drivers` runs a proxy in a thread or a child process under the same orders. Unlike a network
it accepts at once, whatever the delay, and before it knows whether the target does.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from contextlib import suppress
from itertools import zip_longest
from math import inf
from random import Random
from struct import pack
from types import TracebackType
from typing import Any, Final, Self

from tests.support.chaos.proxy_line import CHUNK_BYTES, Cut, Line, Pump, ResetPassed
from tests.support.chaos.proxy_orders import Controls, Counts, Way

CONNECT_S: Final = 5.0
BACKLOG: Final = 256


class ChaosProxy(Controls):
    """A proxy in the running event loop, from `start` to `close` or as a context manager.

    Args: target: host and port. seed: of the jitter.
    """

    def __init__(self, target: tuple[str, int], *, seed: int = 0) -> None:
        self.target = target
        self.lines = {way: Line() for way in (Way.FORWARD, Way.BACK)}
        self.random = Random(seed)
        self._tasks: set[asyncio.Task[None]] = set()
        self._live: set[_Connection] = set()
        self._stranded: list[socket.socket] = []
        self._is_half_open = False
        self._accepted = 0
        self._resets = 0
        self._listener: socket.socket | None = None
        # Bound and never listening: the port stays ours while new connections are refused.
        self._claim = socket.socket()
        self._claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._claim.bind(("127.0.0.1", 0))
        host, port = self._claim.getsockname()
        self.address: tuple[str, int] = (host, port)

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.close()

    def start(self) -> None:
        """Listen at `address`. Called in the event loop."""
        if self._listener is not None:
            return
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(self.address)
        self._listener.listen(BACKLOG)
        self._listener.setblocking(False)
        asyncio.get_running_loop().add_reader(self._listener, self._accept, self._listener)

    async def close(self) -> None:
        """Everything is reset, and the port given back."""
        self._stop_listening()
        self._claim.close()
        self._reset_stranded()
        for task in self._tasks:
            task.cancel()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def order(self, verb: str, words: Mapping[str, Any]) -> Any:
        """As Controls.order; called in the event loop."""
        return getattr(self, f"_do_{verb}")(**words)

    # --- orders

    def _do_delay(self, ms: float, jitter_ms: float, way: Way) -> None:
        for line in self._lines(way):
            line.change(delay_s=ms / 1_000, jitter_s=jitter_ms / 1_000)

    def _do_rate(self, bytes_per_s: float, way: Way) -> None:
        for line in self._lines(way):
            line.change(bytes_per_s=bytes_per_s or inf)

    def _do_cut(self, way: Way, swallow: bool) -> None:
        for line in self._lines(way):
            line.change(cut=Cut.SWALLOW if swallow else Cut.HOLD)

    def _do_half_open(self) -> None:
        self._is_half_open = True

    def _do_refuse(self) -> None:
        self._stop_listening()

    def _do_reset(self) -> int:
        connections = list(self._live)
        for connection in connections:
            connection.reset()
        return len(connections)

    def _do_heal(self, way: Way) -> None:
        for line in self._lines(way):
            line.change(delay_s=0.0, jitter_s=0.0, bytes_per_s=inf, cut=Cut.NONE)
        for connection in list(self._live):
            if connection.has_hole(way):
                connection.reset()
        if way == Way.BOTH:
            self._is_half_open = False
            self._reset_stranded()
            self.start()

    def _do_counts(self) -> Counts:
        live, stranded = len(self._live), len(self._stranded)
        ways = [line.counts for line in self.lines.values()]
        return Counts(self._accepted, live, stranded, self._resets, *ways)

    def _lines(self, way: Way) -> list[Line]:
        return [line for name, line in self.lines.items() if way in (name, Way.BOTH)]

    # --- connections

    def _stop_listening(self) -> None:
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        with suppress(BlockingIOError, ConnectionAbortedError):
            while True:
                client, _ = listener.accept()
                client.setblocking(False)
                # From now on, so that no way out can forget it; a good end takes it back.
                _close_by_reset(client, True)
                self._accepted += 1
                if self._is_half_open:
                    self._stranded.append(client)
                    continue
                task = asyncio.get_running_loop().create_task(self._serve(client))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def _reset_stranded(self) -> None:
        stranded, self._stranded = self._stranded, []
        for client in stranded:
            client.close()
        self._resets += len(stranded)

    async def _serve(self, client: socket.socket) -> None:
        """One connection, from its accept to its end."""
        connection = _Connection(self, client)
        self._live.add(connection)
        try:
            await connection.run()
        finally:
            self._live.discard(connection)
            self._resets += connection.was_reset


class _Connection:
    """Two sockets and the pumps between them."""

    def __init__(self, proxy: ChaosProxy, client: socket.socket) -> None:
        self.was_reset = False
        self._proxy = proxy
        self._sockets = [client]
        self._writers: list[asyncio.StreamWriter] = []
        self._pumps: dict[Way, Pump] = {}
        self._reset = asyncio.Event()

    def has_hole(self, way: Way) -> bool:
        return any(pump.has_hole for name, pump in self._pumps.items() if way in (name, Way.BOTH))

    def reset(self) -> None:
        """Both ends are to get a reset, at the next turn of the loop."""
        self._reset.set()

    async def run(self) -> None:
        """Until both directions have ended, or it is reset. Cancellation resets it."""
        is_over = False
        try:
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(self._wait_reset())
                await self._open()
                async with asyncio.TaskGroup() as pumping:
                    for pump in self._pumps.values():
                        pumping.create_task(pump.read())
                        pumping.create_task(pump.write())
                watch.cancel()
            is_over = True
        except* (ResetPassed, OSError, TimeoutError):
            pass  # the target refused, or somebody was reset: so are both ends
        finally:
            self.was_reset = not is_over
            for pump in self._pumps.values():
                pump.drop()
            self._close(is_over)

    async def _wait_reset(self) -> None:
        await self._reset.wait()
        raise ResetPassed

    async def _open(self) -> None:
        """Connect to the target, once no direction is cut. Raises OSError, TimeoutError."""
        while shut := [line for line in self._proxy.lines.values() if line.cut is not Cut.NONE]:
            await shut[0].wait_open()
        target = socket.socket()
        self._sockets.append(target)
        target.setblocking(False)
        _close_by_reset(target, True)
        async with asyncio.timeout(CONNECT_S):
            await asyncio.get_running_loop().sock_connect(target, self._proxy.target)
        for end in self._sockets:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        readers: list[asyncio.StreamReader] = []
        for end in self._sockets:
            reader, writer = await asyncio.open_connection(sock=end, limit=CHUNK_BYTES)
            readers.append(reader)
            self._writers.append(writer)
        ends = zip(self._proxy.lines.items(), readers, reversed(self._writers), strict=True)
        for (way, line), reader, writer in ends:
            self._pumps[way] = Pump(line, self._proxy.random, reader, writer)

    def _close(self, is_over: bool) -> None:
        for end, writer in zip_longest(self._sockets, self._writers):
            if writer is None:
                end.close()
            elif is_over:
                _close_by_reset(end, False)
                writer.close()
            else:
                writer.transport.abort()


def _close_by_reset(end: socket.socket, is_on: bool) -> None:
    """Whether closing it sends a reset and drops what is unsent."""
    with suppress(OSError):  # it is closed already
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack("ii", is_on, 0))
