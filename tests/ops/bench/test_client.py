"""The generator's connection reads its bytes however they are cut; no socket is needed."""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import cast

import pytest

from ops.answer import Failure
from ops.bench.client import Connection, Tally
from ops.bench.dialects import Plain, stamped_text

UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
PONG = b"\x81\x82\x00\x00\x00\x00{}"


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)


def frame(payload: bytes, opcode: int = 1) -> bytes:
    if len(payload) < 126:
        return bytes((0x80 | opcode, len(payload))) + payload
    if len(payload) < 1 << 16:
        return bytes((0x80 | opcode, 126)) + len(payload).to_bytes(2, "big") + payload
    return bytes((0x80 | opcode, 127)) + len(payload).to_bytes(8, "big") + payload


def publication(stamp_ns: int) -> bytes:
    return b'{"room":"r","pub":{"seq":1,"text":"%s"}}' % stamped_text(stamp_ns).encode()


def opened(tally: Tally) -> tuple[Connection, Wire]:
    connection, wire = Connection(Plain(), tally, 0, times_deliveries=True), Wire()
    connection.connection_made(cast(asyncio.Transport, wire))
    connection.data_received(UPGRADED)
    return connection, wire


@pytest.mark.parametrize("seed", range(20))
async def test_deliveries_are_counted_however_the_stream_is_cut(seed: int) -> None:
    random, tally = Random(seed), Tally()
    connection = Connection(Plain(), tally, 0, times_deliveries=True)
    connection.connection_made(cast(asyncio.Transport, Wire()))
    counts = [random.choice([1, 1, 1, 3, 40, 700]) for _ in range(8)]
    stream = UPGRADED + b"".join(
        frame(b"\n".join(publication(time.monotonic_ns()) for _ in range(count)))
        for count in counts
    )
    while stream:
        cut = random.choice([1, 2, 7, 100, 5_000, 200_000])
        connection.data_received(stream[:cut])
        stream = stream[cut:]
    assert tally.delivered == sum(counts)
    assert len(tally.deliver_ns) == sum(counts)
    assert all(0 < sample < 10_000_000_000 for sample in tally.deliver_ns)


async def test_a_preview_in_heads_is_no_delivery() -> None:
    """Story: the first heads after a connect told of a message that had just been delivered."""
    tally = Tally()
    connection, _ = opened(tally)
    heads = b'{"push":{"channel":"#ann","pub":{"data":{"t":"heads","heads":{"r":{"preview":%b}}}}}}'
    line = heads % publication(1)
    stamp = time.monotonic_ns()
    connection.data_received(frame(line) + frame(publication(stamp) + b"\n" + line + b"\n{}"))
    assert tally.delivered == 1
    assert len(tally.deliver_ns) == 1
    assert tally.deliver_ns[0] < 10_000_000_000


async def test_a_ping_is_answered_alone_or_among_others_and_never_elsewhere() -> None:
    tally = Tally()
    connection, wire = opened(tally)
    for payload in (b"{}", b"{}\n" + publication(1), publication(1) + b"\n{}\n" + publication(2)):
        connection.data_received(frame(payload))
    assert wire.written == [PONG] * 3
    connection.data_received(frame(b'{"id":9,"unsubscribe":{}}'))
    assert wire.written == [PONG] * 3


async def test_an_ack_ends_its_message_and_an_error_is_not_one() -> None:
    tally = Tally()
    connection, _ = opened(tally)
    connection.send("r", time.monotonic_ns())
    connection.send("r", time.monotonic_ns())
    connection.data_received(frame(publication(1) + b'\n{"id":1,"published":{"seq":1}}'))
    assert (tally.sent, tally.acked, tally.errors) == (2, 1, [])
    refusal = b'{"id":2,"error":{"code":103,"message":"permission_denied: no"}}'
    connection.data_received(frame(refusal))
    assert (tally.acked, tally.errors) == (1, [refusal.decode()])


async def test_what_awaits_a_page_gets_its_bytes_or_the_refusal() -> None:
    connection, _ = opened(Tally())
    page = b'{"id":1,"page":{"messages":[]}}'
    refusal = b'{"id":2,"error":{"code":107,"message":"bad"}}'
    asyncio.get_running_loop().call_soon(connection.data_received, frame(page))
    assert await connection.page("r", 51, 50) == page
    asyncio.get_running_loop().call_soon(connection.data_received, frame(refusal))
    with pytest.raises(Failure, match="107"):
        await connection.page("r", 51, 50)


async def test_a_close_or_a_lost_connection_is_an_error() -> None:
    tally = Tally()
    connection, _ = opened(tally)
    connection.data_received(frame(b"\x0b\xc0slow", opcode=8))
    assert "slow" in tally.errors[0]
    connection.connection_lost(ConnectionResetError("gone"))
    assert "gone" in tally.errors[1]


async def test_every_frame_that_leaves_is_masked_and_says_its_length() -> None:
    connection, wire = opened(Tally())
    connection.send("r", 1)
    sent = wire.written[-1]
    assert sent[0] == 0x81
    assert sent[1] == 0x80 | 126
    assert sent[4:8] == bytes(4)
    assert int.from_bytes(sent[2:4], "big") == len(sent) - 8
