"""What stands between the members of an etcd, so that one of them can be cut off from the others.

Each member is reached by the others through a port of ours. Who dials is told by its process: the
socket at the other end is one of its own. What is cut off is held in silence, as where packets
vanish. Clients do not come this way: they still reach everybody. Belongs to the running loop, which
must not be blocked: elections would follow.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Self

import psutil

from tests.support.etcd import Etcd

CHUNK_BYTES = 64 * 1024


class EtcdPeers:
    """`etcd` has one member for each port, and is started by its owner while this runs."""

    def __init__(self, members: int) -> None:
        self.etcd: Etcd
        self.cut = 0  # connections that were broken off or refused
        self._members = members
        self._servers: list[asyncio.Server] = []
        self._isolated: int | None = None
        self._healed = asyncio.Event()
        self._links: dict[asyncio.Task[None], tuple[int, int]] = {}  # → source port, target

    async def __aenter__(self) -> Self:
        for index in range(self._members):
            serve = partial(self._serve, index)
            self._servers.append(await asyncio.start_server(serve, "127.0.0.1", 0))
        ports = [server.sockets[0].getsockname()[1] for server in self._servers]
        self.etcd = Etcd(self._members, peers_dial=ports)
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        for server in self._servers:
            server.close()
        ending = list(self._links)
        for task in ending:
            task.cancel()
        if ending:
            await asyncio.wait(ending)

    def isolate(self, index: int) -> None:
        """Cut this member off from all others, and them from it."""
        self._isolated = index
        self._healed.clear()
        ports = self._ports_of(index)
        for task, (source_port, target) in list(self._links.items()):
            if target == index or source_port in ports:
                self.cut += 1
                task.cancel()

    def heal(self) -> None:
        """Everybody reaches everybody again."""
        self._isolated = None
        self._healed.set()

    async def _serve(
        self, index: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        source_port = writer.get_extra_info("peername")[1]
        self._links[task] = source_port, index
        try:
            if self._is_cut(source_port, index):
                self.cut += 1
                await self._healed.wait()
            else:
                await self._join(self.etcd.members[index].peer, reader, writer)
        except asyncio.CancelledError:
            pass  # cut, or the end of it all: nobody waits for this task
        finally:
            writer.transport.abort()
            del self._links[task]

    def _is_cut(self, source_port: int, target: int) -> bool:
        if self._isolated is None:
            return False
        return target == self._isolated or source_port in self._ports_of(self._isolated)

    def _ports_of(self, index: int) -> set[int]:
        """The local ports of a member's sockets."""
        sockets = psutil.Process(self.etcd.members[index].pid).net_connections("tcp")
        return {socket.laddr.port for socket in sockets}

    async def _join(
        self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            there, here = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return  # that member is down
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_pump(reader, here))
                tasks.create_task(_pump(there, writer))
        finally:
            here.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end, then close the way on."""
    with suppress(OSError):
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
