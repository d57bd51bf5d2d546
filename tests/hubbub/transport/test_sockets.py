"""The bare sockets: what a drain takes, what a send says, which addresses can work.

Whole links over them, with processes at the other end, are in `test_peer.py`.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq

from hubbub.settings.schema import IPC_PATH_BYTES_MAX
from hubbub.transport import sockets
from hubbub.transport.limits import LinkLimits
from hubbub.transport.sockets import (
    AddressError,
    DisconnectMonitor,
    FrameSocket,
    check_address,
    set_dealer_options,
    set_options,
    set_router_options,
)

LIMITS = LinkLimits(hwm_frames=1_000)


@pytest.fixture
def address() -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="hub"))
    yield f"ipc://{folder}/s"
    shutil.rmtree(folder)


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    made = zmq.Context()
    yield made
    made.destroy(linger=0)


def router(context: zmq.Context[zmq.Socket[bytes]], address: str) -> zmq.Socket[bytes]:
    socket = context.socket(zmq.ROUTER)
    set_options(socket, LIMITS)
    set_router_options(socket)
    socket.bind(address)
    return socket


def dealer(
    context: zmq.Context[zmq.Socket[bytes]], address: str, identity: bytes
) -> zmq.Socket[bytes]:
    socket = context.socket(zmq.DEALER)
    set_options(socket, LIMITS)
    set_dealer_options(socket, identity)
    socket.connect(address)
    return socket


class Arrivals:
    """What a ROUTER heard."""

    def __init__(self) -> None:
        self.frames: list[tuple[bytes, bytes]] = []
        self.probes: list[bytes] = []

    def arrive(self, identity: bytes, body: bytes) -> None:
        self.frames.append((identity, body))


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - another thread's work has no event
            await asyncio.sleep(0.002)


@pytest.mark.parametrize(
    "address", ["ipc://" + "x" * IPC_PATH_BYTES_MAX, "tcp://127.0.0.1:0", "ipc://a"]
)
def test_addresses_that_work(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize(
    "address",
    ["", "ipc://", "ipc://" + "x" * (IPC_PATH_BYTES_MAX + 1), "ipc://" + "é" * 54, "inproc://"],
)
def test_addresses_that_cannot_work(address: str) -> None:
    with pytest.raises(AddressError):
        check_address(address)


async def test_a_router_hears_the_probe_and_then_each_frame_with_its_sender(
    context: zmq.Context[zmq.Socket[bytes]], address: str
) -> None:
    loop, heard, answers = asyncio.get_running_loop(), Arrivals(), Arrivals()
    listener = FrameSocket(router(context, address), loop, heard.arrive, heard.probes.append)
    dialler = FrameSocket(dealer(context, address, b"ann.1"), loop, answers.arrive)
    await until(lambda: heard.probes)
    assert heard.probes == [b"ann.1"]
    sent = [b"%d" % n for n in range(300)]
    for body in sent:
        assert dialler.send(b"", body)
    await until(lambda: len(heard.frames) == len(sent))
    assert heard.frames == [(b"ann.1", body) for body in sent]
    assert listener.send(b"ann.1", b"answer")
    await until(lambda: answers.frames)
    assert answers.frames == [(b"", b"answer")]
    listener.close()
    dialler.close()


async def test_a_send_that_nobody_can_take_says_so(
    context: zmq.Context[zmq.Socket[bytes]], address: str
) -> None:
    loop, heard = asyncio.get_running_loop(), Arrivals()
    lonely = FrameSocket(dealer(context, address, b"ann.1"), loop, heard.arrive)
    assert not lonely.send(b"", b"to nobody"), "a frame must not wait for a connection"
    listener = FrameSocket(router(context, address), loop, heard.arrive, heard.probes.append)
    assert not listener.send(b"stranger.1", b"x")
    lonely.close()
    listener.close()


async def test_a_drain_takes_its_share_and_comes_back_for_the_rest(
    context: zmq.Context[zmq.Socket[bytes]], address: str
) -> None:
    loop, heard = asyncio.get_running_loop(), Arrivals()
    listener = FrameSocket(router(context, address), loop, heard.arrive, heard.probes.append)
    sender = FrameSocket(dealer(context, address, b"ann.1"), loop, heard.arrive)
    await until(lambda: heard.probes)
    count = 3 * sockets._DRAIN_FRAMES_MAX
    for n in range(count):
        assert sender.send(b"", b"%d" % n)
    taken: list[int] = []
    while sum(taken) < count:  # this task does not yield: only these calls can take frames
        taken.append(listener.drain())
    assert max(taken) <= sockets._DRAIN_FRAMES_MAX
    assert [body for _, body in heard.frames] == [b"%d" % n for n in range(count)]
    sender.close()
    listener.close()


async def test_a_handler_that_breaks_loses_only_its_own_frame(
    context: zmq.Context[zmq.Socket[bytes]], address: str
) -> None:
    """Story: the edge of the descriptor is used up, so nobody would come for what lies behind."""
    loop, heard = asyncio.get_running_loop(), Arrivals()
    problems: list[object] = []
    loop.set_exception_handler(lambda _, details: problems.append(details["exception"]))

    def arrive(identity: bytes, body: bytes) -> None:
        if body == b"bad":
            raise ValueError(body)
        heard.arrive(identity, body)

    listener = FrameSocket(router(context, address), loop, arrive, heard.probes.append)
    sender = FrameSocket(dealer(context, address, b"ann.1"), loop, heard.arrive)
    await until(lambda: heard.probes)
    for body in (b"bad", b"good"):
        assert sender.send(b"", body)
    await until(lambda: heard.frames)
    assert heard.frames == [(b"ann.1", b"good")]
    assert [type(problem) for problem in problems] == [ValueError]
    sender.close()
    listener.close()


async def test_without_a_checked_key_no_name_is_believed(
    context: zmq.Context[zmq.Socket[bytes]], address: str
) -> None:
    loop, heard = asyncio.get_running_loop(), Arrivals()
    refused: list[bytes] = []
    listener = FrameSocket(
        router(context, address),
        loop,
        heard.arrive,
        heard.probes.append,
        check_names=True,
        refused=refused.append,
    )
    dialler = FrameSocket(dealer(context, address, b"ann.1"), loop, heard.arrive)
    await until(lambda: refused)
    await until(lambda: dialler.send(b"", b"hello"))
    await until(lambda: len(refused) >= 2)
    assert heard.frames == []
    assert heard.probes == []
    assert set(refused) == {b"ann.1"}
    listener.close()
    dialler.close()


async def test_a_broken_connection_is_told(
    context: zmq.Context[zmq.Socket[bytes]], address: str
) -> None:
    loop, heard = asyncio.get_running_loop(), Arrivals()
    listener = FrameSocket(router(context, address), loop, heard.arrive, heard.probes.append)
    socket = dealer(context, address, b"ann.1")
    broken: list[bool] = []
    monitor = DisconnectMonitor(socket, loop, lambda: broken.append(True))
    dialler = FrameSocket(socket, loop, heard.arrive)
    await until(lambda: heard.probes)
    assert not broken
    listener.close()
    await until(lambda: broken)
    monitor.close()
    monitor.close()
    monitor.drain()  # a wake-up that was under way
    dialler.close()
