"""The proxy does to a connection what was ordered, and nothing else."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import NamedTuple

import pytest

from tests.support.chaos.proxy import ChaosProxy
from tests.support.chaos.proxy_line import CHUNK_BYTES, HELD_BYTES_MAX, SLICE_S
from tests.support.chaos.proxy_orders import Way

WITHIN_S = 10.0
MIB = 1 << 20


class End(NamedTuple):
    """One end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def says(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def hears(self, count: int) -> bytes:
        async with asyncio.timeout(WITHIN_S):
            return await self.reader.readexactly(count)

    async def hears_end(self) -> bytes:
        async with asyncio.timeout(WITHIN_S):
            return await self.reader.read(1)


class Stage:
    """A target, a proxy before it, and clients of the proxy."""

    def __init__(self) -> None:
        self.arrived: asyncio.Queue[End] = asyncio.Queue()
        self.ends: list[End] = []
        self.proxy: ChaosProxy

    async def on_target(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.arrived.put(self.keep(End(reader, writer)))

    async def connect(self) -> End:
        async with asyncio.timeout(WITHIN_S):
            return self.keep(End(*await asyncio.open_connection(*self.proxy.address)))

    async def pair(self) -> tuple[End, End]:
        """A client's end, and the target's end of the same connection."""
        client = await self.connect()
        return client, await self.arrival()

    async def arrival(self) -> End:
        async with asyncio.timeout(WITHIN_S):
            return await self.arrived.get()

    def keep(self, end: End) -> End:
        self.ends.append(end)
        return end

    async def until(self, condition: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(WITHIN_S):
                while not condition():  # noqa: ASYNC110 - the proxy tells nobody when it counts
                    await asyncio.sleep(0.002)
        except TimeoutError:
            raise AssertionError(str(self.proxy.counts())) from None


@asynccontextmanager
async def stage_of_one() -> AsyncIterator[Stage]:
    stage = Stage()
    server = await asyncio.start_server(stage.on_target, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with ChaosProxy((host, port), seed=1) as stage.proxy:
        yield stage
    for end in stage.ends:
        end.writer.transport.abort()
    server.close()
    await server.wait_closed()


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with stage_of_one() as made:
        yield made


async def test_unharmed_it_hands_on_every_byte_both_ways(stage: Stage) -> None:
    client, target = await stage.pair()
    up, down = Random(1).randbytes(3 * MIB), Random(2).randbytes(2 * MIB)
    async with asyncio.TaskGroup() as group:
        group.create_task(client.says(up))
        group.create_task(target.says(down))
        heard_up = group.create_task(target.hears(len(up)))
        heard_down = group.create_task(client.hears(len(down)))
    assert heard_up.result() == up
    assert heard_down.result() == down
    counts = stage.proxy.counts()
    assert (counts.accepted, counts.live, counts.resets) == (1, 1, 0)
    assert counts.forward == (len(up), 0, 0)
    assert counts.back == (len(down), 0, 0)


@pytest.mark.parametrize("way", [Way.FORWARD, Way.BACK])
async def test_one_way_is_cut_and_the_other_passes(stage: Stage, way: Way) -> None:
    client, target = await stage.pair()
    sender, receiver = (client, target) if way is Way.FORWARD else (target, client)
    stage.proxy.cut(way)
    await sender.says(b"held")
    await stage.until(lambda: getattr(stage.proxy.counts(), way).held == 4)
    await receiver.says(b"the other way")
    assert await sender.hears(13) == b"the other way"
    await sender.says(b" back")
    await stage.until(lambda: getattr(stage.proxy.counts(), way).held == 9)
    assert getattr(stage.proxy.counts(), way).passed == 0
    stage.proxy.heal(way)
    assert await receiver.hears(9) == b"held back"
    assert getattr(stage.proxy.counts(), way) == (9, 0, 0)


async def test_swallowed_bytes_are_gone_and_the_connection_with_them(stage: Stage) -> None:
    client, target = await stage.pair()
    other, other_target = await stage.pair()
    stage.proxy.cut(Way.FORWARD, swallow=True)
    await client.says(b"lost")
    await stage.until(lambda: stage.proxy.counts().forward.swallowed == 4)
    await target.says(b"unaware")
    assert await client.hears(7) == b"unaware"
    stage.proxy.heal()
    for end in (client, target):
        with pytest.raises(ConnectionResetError):
            await end.hears_end()
    await other.says(b"whole")
    assert await other_target.hears(5) == b"whole", "a connection without a hole goes on"


async def test_bytes_arrive_late_in_order_and_not_before_their_time(stage: Stage) -> None:
    client, target = await stage.pair()
    stage.proxy.delay(60, jitter_ms=20, way=Way.FORWARD)
    loop, sent = asyncio.get_running_loop(), []
    for n in range(20):
        sent.append((loop.time(), b"%02d" % n))
        await client.says(sent[-1][1])
        await asyncio.sleep(0.001)
    for at, data in sent:
        assert await target.hears(2) == data
        assert loop.time() - at > 0.039, "too early: a lower bound does not depend on the machine"


async def test_an_order_acts_on_what_waits_already(stage: Stage) -> None:
    client, target = await stage.pair()
    stage.proxy.delay(3_600_000)
    await client.says(b"an hour")
    await stage.until(lambda: stage.proxy.counts().forward.held == 7)
    stage.proxy.heal()
    assert await target.hears(7) == b"an hour"


async def test_a_throttled_line_passes_no_more_than_its_rate(stage: Stage) -> None:
    client, target = await stage.pair()
    rate, count = 200_000, 40_000
    stage.proxy.rate(rate, Way.FORWARD)
    began = asyncio.get_running_loop().time()
    await client.says(bytes(count))
    await target.hears(count)
    took_s = asyncio.get_running_loop().time() - began
    assert took_s > (count - rate * SLICE_S) / rate - 0.001, "a lower bound: all but one slice"
    await target.says(bytes(count))
    assert await client.hears(count), "the way back has no limit"


async def test_held_bytes_are_bounded_by_back_pressure(stage: Stage) -> None:
    client, target = await stage.pair()
    stage.proxy.cut(Way.FORWARD)
    data = Random(3).randbytes(16 * MIB)
    sending = asyncio.get_running_loop().create_task(client.says(data))
    await stage.until(lambda: stage.proxy.counts().forward.held >= HELD_BYTES_MAX)
    for _ in range(20):
        await asyncio.sleep(0.002)
        assert stage.proxy.counts().forward.held <= HELD_BYTES_MAX + CHUNK_BYTES
    assert not sending.done(), "16 MiB were taken: there is no back-pressure"
    stage.proxy.heal()
    assert await target.hears(len(data)) == data
    await sending


async def test_half_open_accepts_and_goes_nowhere(stage: Stage) -> None:
    old, old_target = await stage.pair()
    stage.proxy.half_open()
    client = await stage.connect()
    await client.says(b"is anybody there?")
    await stage.until(lambda: stage.proxy.counts().half_open == 1)
    await old.says(b"old")
    assert await old_target.hears(3) == b"old"
    assert stage.arrived.empty()
    stage.proxy.heal()
    with pytest.raises(ConnectionResetError):
        await client.hears_end()
    assert stage.arrived.empty()
    await stage.pair()


async def test_refused_and_accepted_again_at_the_same_port(stage: Stage) -> None:
    old, old_target = await stage.pair()
    address = stage.proxy.address
    stage.proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        await stage.connect()
    await old.says(b"old")
    assert await old_target.hears(3) == b"old"
    stage.proxy.heal()
    assert stage.proxy.address == address
    await stage.pair()


async def test_both_ends_of_every_live_connection_are_reset(stage: Stage) -> None:
    pairs = [await stage.pair() for _ in range(3)]
    assert stage.proxy.reset() == 3
    for pair in pairs:
        for end in pair:
            with pytest.raises(ConnectionResetError):
                await end.hears_end()
    await stage.until(lambda: stage.proxy.counts().live == 0)
    assert stage.proxy.counts().resets == 3
    await stage.pair()


async def test_an_end_of_stream_leaves_the_other_way_open(stage: Stage) -> None:
    client, target = await stage.pair()
    client.writer.write_eof()
    assert await target.hears_end() == b""
    await target.says(b"the answer")
    assert await client.hears(10) == b"the answer"
    target.writer.close()
    assert await client.hears_end() == b""
    await stage.until(lambda: stage.proxy.counts().live == 0)
    assert stage.proxy.counts().resets == 0


async def test_an_end_travels_like_bytes(stage: Stage) -> None:
    client, target = await stage.pair()
    stage.proxy.delay(40, way=Way.BACK)
    began = asyncio.get_running_loop().time()
    target.writer.close()
    assert await client.hears_end() == b""
    assert asyncio.get_running_loop().time() - began > 0.039, "too early: a lower bound"


async def test_a_target_that_dies_and_one_that_is_not_there_are_told(stage: Stage) -> None:
    client, target = await stage.pair()
    target.writer.transport.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
    )
    target.writer.transport.abort()
    with pytest.raises(ConnectionResetError):
        await client.hears_end()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        stage.proxy.target = free.getsockname()
        nobody = await stage.connect()
        with pytest.raises(ConnectionResetError):
            await nobody.hears_end()


async def test_a_connection_made_during_a_cut_arrives_when_it_is_healed(stage: Stage) -> None:
    stage.proxy.cut(Way.BACK)
    client = await stage.connect()
    await client.says(b"early")
    await stage.until(lambda: stage.proxy.counts().live == 1)
    assert stage.arrived.empty()
    stage.proxy.heal()
    target = await stage.arrival()
    assert await target.hears(5) == b"early"


async def test_closing_resets_whatever_is_held(stage: Stage) -> None:
    client, target = await stage.pair()
    stage.proxy.cut()
    await client.says(b"held")
    await stage.until(lambda: stage.proxy.counts().forward.held == 4)
    await stage.proxy.close()
    for end in (client, target):
        with pytest.raises(ConnectionResetError):
            await end.hears_end()
    assert stage.proxy.counts().live == 0
    assert stage.proxy.counts().forward.held == 0
