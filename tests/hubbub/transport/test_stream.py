"""ipc:// links: our own ends against one another, and against libzmq's.

Whole links over them, with processes at the other end, are in `test_peer.py`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq

from hubbub.base.units import KIB
from hubbub.transport import stream, zmtp
from hubbub.transport.limits import LinkLimits
from hubbub.transport.stream import StreamListener, StreamSocket

LIMITS = LinkLimits(hwm_frames=100, frame_bytes_max=256 * KIB)


@pytest.fixture
def path() -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="hub"))
    yield f"{folder}/s"
    shutil.rmtree(folder)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the kernel's work has no event
            await asyncio.sleep(0.002)


def is_there(path: str) -> bool:
    return os.path.exists(path)


class Heard:
    """What an end's owner was told; `ends` by the identity of their peer."""

    def __init__(self) -> None:
        self.frames: list[tuple[bytes, bytes]] = []
        self.left: list[bytes] = []
        self.ends: dict[bytes, StreamSocket] = {}

    def frame(self, end: StreamSocket, peer: bytes, frame: bytes) -> None:
        self.frames.append((peer, frame))
        self.ends[peer] = end

    def gone(self, _end: StreamSocket, peer: bytes) -> None:
        self.left.append(peer)


def listener(path: str, heard: Heard, limits: LinkLimits = LIMITS) -> StreamListener:
    return StreamListener(path, asyncio.get_running_loop(), limits, heard.frame, heard.gone)


def dialler(path: str, heard: Heard, identity: bytes = b"ann.1") -> StreamSocket:
    made = StreamSocket(asyncio.get_running_loop(), LIMITS, heard.frame, heard.gone)
    made.dial(path, identity)
    return made


async def test_the_probe_comes_first_then_each_frame_in_order(path: str) -> None:
    heard, answers = Heard(), Heard()
    ours, theirs = listener(path, heard), dialler(path, answers)
    assert not theirs.send(b"", b"early"), "a frame must not wait for a connection"
    await until(lambda: heard.frames)
    assert heard.frames == [(b"ann.1", b"")]
    sent = [b"%d" % n for n in range(300)] + [b"x" * LIMITS.frame_bytes_max]
    for body in sent[:-1]:
        assert theirs.send(b"", body)
    assert theirs.send(b"", sent[-1])
    await until(lambda: len(heard.frames) == len(sent) + 1)
    assert heard.frames[1:] == [(b"ann.1", body) for body in sent]
    assert heard.ends[b"ann.1"].send(b"", b"answer")
    await until(lambda: answers.frames)
    assert answers.frames == [(b"", b"answer")]
    ours.close()
    theirs.close()


async def test_who_does_not_read_is_felt_and_gets_the_rest_later(path: str) -> None:
    heard = Heard()
    ours, theirs = listener(path, heard), dialler(path, Heard())
    await until(lambda: heard.frames)
    asyncio.get_running_loop().remove_reader(heard.ends[b"ann.1"]._socket.fileno())  # type: ignore[union-attr]
    taken = 0
    while theirs.send(b"", b"%09d" % taken + b"x" * KIB):
        taken += 1
        assert taken < 10_000, "the queue has no bound"
    assert theirs._waiting_bytes < LIMITS.frame_bytes_max + 2 * KIB
    assert len(theirs._waiting) <= LIMITS.hwm_frames + 1
    asyncio.get_running_loop().add_reader(
        heard.ends[b"ann.1"]._socket.fileno(),  # type: ignore[union-attr]
        heard.ends[b"ann.1"]._read,
    )
    await until(lambda: len(heard.frames) == taken + 1)
    assert [int(body[:9]) for _, body in heard.frames[1:]] == list(range(taken))
    assert theirs.send(b"", b"again")
    ours.close()
    theirs.close()


async def test_a_dialler_finds_the_next_listener_and_both_hear_of_the_break(path: str) -> None:
    heard, told = Heard(), Heard()
    theirs = dialler(path, told)  # before anybody is there
    first = listener(path, heard)
    await until(lambda: heard.frames)
    first.close()
    await until(lambda: told.left)
    assert not is_there(path)
    assert not theirs.send(b"", b"nobody")
    again = Heard()
    second = listener(path, again)
    await until(lambda: again.frames)
    assert theirs.send(b"", b"hello")
    await until(lambda: (b"ann.1", b"hello") in again.frames)
    theirs.close()
    await until(lambda: again.left == [b"ann.1"])
    second.close()
    second.close()


async def test_a_path_is_taken_over_from_the_dead_and_not_given_back_twice(path: str) -> None:
    first = listener(path, Heard())
    second = listener(path, Heard())
    first.close()
    assert is_there(path), "the file is the second one's"
    second.close()
    assert not is_there(path)


async def test_what_waits_is_written_at_the_close(path: str) -> None:
    heard = Heard()
    ours, theirs = listener(path, heard), dialler(path, Heard())
    await until(lambda: heard.frames)
    theirs.send(b"", b"last words")
    theirs.close(100)
    await until(lambda: heard.left)
    assert heard.frames[-1] == (b"ann.1", b"last words")
    ours.close()


async def test_a_handler_that_breaks_loses_only_its_own_frame(path: str) -> None:
    heard, problems = Heard(), []
    asyncio.get_running_loop().set_exception_handler(lambda _, d: problems.append(d["exception"]))

    class Breaks(Heard):
        def frame(self, end: StreamSocket, peer: bytes, frame: bytes) -> None:
            if frame == b"bad":
                raise ValueError(frame)
            super().frame(end, peer, frame)

    heard = Breaks()
    ours, theirs = listener(path, heard), dialler(path, Heard())
    await until(lambda: heard.frames)
    theirs.send(b"", b"bad")
    theirs.send(b"", b"good")
    await until(lambda: (b"ann.1", b"good") in heard.frames)
    assert [type(problem) for problem in problems] == [ValueError]
    ours.close()
    theirs.close()


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        zmtp.GREETING + b"\x00\x01x",
        zmtp.GREETING + zmtp.ready(b"DEALER", b"a.1") * 2,
        zmtp.GREETING + zmtp.command(b"ERROR", b"\x02no"),
    ],
)
async def test_a_stranger_is_hung_up_on(path: str, data: bytes) -> None:
    ours = listener(path, Heard())
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(data)
    async with asyncio.timeout(10):
        await reader.read()
    writer.close()
    ours.close()


async def test_who_says_nothing_is_hung_up_on(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_HANDSHAKE_S", 0.01)
    ours = listener(path, Heard())
    with socket.socket(socket.AF_UNIX) as silent:
        silent.setblocking(False)
        silent.connect(path)
        reader, writer = await asyncio.open_unix_connection(sock=silent)
        async with asyncio.timeout(10):
            await reader.read()
        writer.close()
    ours.close()


async def test_a_dealer_of_libzmq_is_understood(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Heard()
    pings: list[bytes] = []
    pong = zmtp.pong
    monkeypatch.setattr(zmtp, "pong", lambda ping: pings.append(ping) or pong(ping))
    ours = listener(path, heard)
    with zmq.Context() as context, context.socket(zmq.DEALER) as theirs:
        theirs.setsockopt(zmq.ROUTING_ID, b"bob.2")
        theirs.setsockopt(zmq.PROBE_ROUTER, 1)
        theirs.setsockopt(zmq.HEARTBEAT_IVL, 20)
        theirs.connect(f"ipc://{path}")
        await until(lambda: heard.frames)
        theirs.send(b"x" * 100_000)
        await until(lambda: len(heard.frames) == 2)
        assert heard.frames == [(b"bob.2", b""), (b"bob.2", b"x" * 100_000)]
        await until(lambda: len(pings) > 2)  # it hangs up unless each is answered
        assert not heard.left
        heard.ends[b"bob.2"].send(b"", b"y" * 1_000)
        await until(lambda: theirs.poll(0))
        assert theirs.recv() == b"y" * 1_000
    await until(lambda: heard.left == [b"bob.2"])
    ours.close()


async def test_a_router_of_libzmq_is_understood(path: str) -> None:
    answers = Heard()
    with zmq.Context() as context, context.socket(zmq.ROUTER) as theirs:
        theirs.bind(f"ipc://{path}")
        ours = dialler(path, answers)
        await until(lambda: theirs.poll(0))
        assert theirs.recv_multipart() == [b"ann.1", b""]
        assert ours.send(b"", b"x" * 100_000)
        await until(lambda: theirs.poll(0))
        assert theirs.recv_multipart() == [b"ann.1", b"x" * 100_000]
        theirs.send_multipart([b"ann.1", b"answer"])
        await until(lambda: answers.frames)
        assert answers.frames[0][1] == b"answer"
        ours.close()
