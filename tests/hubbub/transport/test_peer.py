"""Links over real sockets, with real processes at the other end."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import zmq

from hubbub.base.units import KIB, MIB
from hubbub.runtime.clock import SystemClock
from hubbub.transport.curve import Keys, KeysError, make_keys
from hubbub.transport.limits import LinkLimits
from hubbub.transport.peer import AddressError, Peers
from hubbub.transport.sockets import FrameSocket
from hubbub.wire.frame import encode_message
from hubbub.wire.shapes import Kind
from tests.hubbub.transport.recording import Recorder

ROOT = Path(__file__).resolve().parents[3]
CHILD = Path(__file__).with_name("link_process.py")
DEADLINE_S = 15


def submit(body: bytes) -> bytes:
    return encode_message(Kind.SUBMIT, body, app="demo", key="group:x")


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that other processes cause; polls, because nothing tells us."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - no event exists for it
            await asyncio.sleep(0.005)


class Child:
    """A `link_process.py`; its lines in order."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []

    async def line(self, start: str) -> str:
        """The next line that begins so."""
        assert self.process.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            while True:
                line = (await self.process.stdout.readline()).decode().strip()
                if not line:
                    raise AssertionError(f"the process ended before it said {start!r}")
                self.lines.append(line)
                if line.startswith(start):
                    return line

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


Spawn = Callable[..., Awaitable[Child]]
MakePeers = Callable[..., Peers]


@pytest.fixture
async def spawn() -> AsyncIterator[Spawn]:
    children: list[Child] = []

    async def start(*arguments: object) -> Child:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(CHILD),
            *map(str, arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        children.append(Child(process))
        return children[-1]

    yield start
    for child in children:
        await child.kill()


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="hbt"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
async def make_peers() -> AsyncIterator[MakePeers]:
    made: list[Peers] = []

    def make(name: str, boot_id: int, handler: Recorder, **options: object) -> Peers:
        made.append(Peers(name, boot_id, 1, handler, SystemClock(), **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for peers in made:
        await peers.close()


async def test_a_killed_peer_is_missed_and_its_next_boot_heard(
    folder: Path, spawn: Spawn, make_peers: MakePeers
) -> None:
    address = f"ipc://{folder}/r"
    saw = Recorder()
    edge = make_peers("edge", 22, saw)
    edge.dial("router", address)
    router = await spawn("listen", "router", 11, address)
    await until(lambda: edge.live("router"))
    assert await router.line("up") == "up edge 22"
    edge.send("router", submit(b"one"))
    await until(lambda: ("got", "router", b"one") in saw.events)
    await router.kill()
    await until(lambda: ("down", "router") in saw.events)
    assert not edge.send("router", submit(b"nobody"))
    router = await spawn("listen", "router", 12, address)
    await until(lambda: ("up", "router", 12) in saw.events)
    edge.send("router", submit(b"two"))
    await until(lambda: ("got", "router", b"two") in saw.events)
    assert edge.counts.refused_late_total == 0


async def test_a_restarted_dialler_takes_its_name_over(
    folder: Path, spawn: Spawn, make_peers: MakePeers
) -> None:
    saw = Recorder()
    router = make_peers("router", 11, saw)
    address = router.listen(f"ipc://{folder}/r")
    first = await spawn("dial", "edge", 21, address, "--server", "router")
    await until(lambda: router.boot_of("edge") == 21)
    await first.kill()
    second = await spawn("dial", "edge", 22, address, "--server", "router")
    await until(lambda: router.boot_of("edge") == 22)
    assert await second.line("up") == "up router 11"
    assert saw.events == [("up", "edge", 21), ("down", "edge"), ("up", "edge", 22)]


async def test_a_stopped_peer_is_felt_and_memory_stays_bounded(
    folder: Path, spawn: Spawn, make_peers: MakePeers
) -> None:
    """SIGSTOP: the peer reads nothing. 40 MiB are offered, at most the window is taken."""
    saw = Recorder()
    router = make_peers("router", 11, saw, window_bytes=1 * MIB)
    address = router.listen(f"ipc://{folder}/r")
    edge = await spawn("dial", "edge", 21, address, "--server", "router")
    await until(lambda: router.live("edge"))
    message = encode_message(Kind.EVENT, b"x" * 1_000, app="demo", key="group:x")
    edge.process.send_signal(signal.SIGSTOP)
    taken = 0
    for turn in range(40_000):
        taken += router.send_windowed("edge", message)
        if turn % 1_000 == 0:
            await asyncio.sleep(0)
    assert taken * len(message) <= 1 * MIB
    assert router.counts.dropped_by_window_total == 40_000 - taken
    assert router.statistics()["live"]["edge"]["window_used"] <= 1 * MIB
    edge.process.send_signal(signal.SIGCONT)
    await edge.line("hole router")
    await until(lambda: router.statistics()["live"]["edge"]["window_used"] == 0)
    assert router.send_windowed("edge", message)


async def test_a_busy_peer_neither_loses_nor_reorders(
    folder: Path, spawn: Spawn, make_peers: MakePeers
) -> None:
    saw = Recorder()
    edge = make_peers("edge", 22, saw)
    edge.dial("router", f"ipc://{folder}/r")
    await spawn("listen", "router", 11, f"ipc://{folder}/r")
    await until(lambda: edge.live("router"))
    edge.send("router", submit(b"sleep"))
    for n in range(20_000):
        assert edge.send_windowed("router", submit(b"%d" % n))
        if n % 500 == 0:
            await asyncio.sleep(0)
    await until(lambda: len(saw.events) == 20_002)
    assert saw.events[2:] == [("got", "router", b"%d" % n) for n in range(20_000)]
    assert edge.counts.frames_sent_total < 2_000
    assert edge.counts.lost_wakeups_total == 0


async def test_links_over_tcp_with_keys(folder: Path, spawn: Spawn, make_peers: MakePeers) -> None:
    make_keys(folder / "keys", ["router", "edge"])
    saw = Recorder()
    router = make_peers("router", 11, saw, keys=Keys(folder / "keys", "router"))
    address = router.listen("tcp://127.0.0.1:0")
    assert not address.endswith(":0")
    edge = await spawn("dial", "edge", 21, address, "--server", "router", "--keys", folder / "keys")
    await until(lambda: router.live("edge"))
    assert await edge.line("up") == "up router 11"
    assert router.counts.refused_identity_total == 0


async def test_an_unknown_key_does_not_get_in(
    folder: Path, spawn: Spawn, make_peers: MakePeers
) -> None:
    make_keys(folder / "ours", ["router"])
    make_keys(folder / "theirs", ["edge"])
    shutil.copy(folder / "ours/public/router.key", folder / "theirs/public/router.key")
    saw = Recorder()
    router = make_peers("router", 11, saw, keys=Keys(folder / "ours", "router"))
    address = router.listen("tcp://127.0.0.1:0")
    await spawn("dial", "edge", 21, address, "--server", "router", "--keys", folder / "theirs")
    await until(lambda: router.statistics()["refused_keys"])
    assert saw.events == []


async def test_a_key_that_is_added_later_gets_in(
    folder: Path, spawn: Spawn, make_peers: MakePeers
) -> None:
    make_keys(folder, ["router"])
    router = make_peers("router", 11, Recorder(), keys=Keys(folder, "router"))
    address = router.listen("tcp://127.0.0.1:0")
    make_keys(folder, ["edge"])
    await spawn("dial", "edge", 21, address, "--server", "router", "--keys", folder)
    await until(lambda: router.live("edge"))


async def test_a_listener_with_another_key_is_not_talked_to(
    folder: Path, spawn: Spawn, make_peers: MakePeers
) -> None:
    make_keys(folder / "ours", ["router", "edge"])
    make_keys(folder / "theirs", ["router"])
    shutil.copy(folder / "ours/public/edge.key", folder / "theirs/public/edge.key")
    impostor = await spawn("listen", "router", 66, "tcp://127.0.0.1:0", "--keys", folder / "theirs")
    address = (await impostor.line("bound")).split()[1]
    saw = Recorder()
    edge = make_peers("edge", 22, saw, keys=Keys(folder / "ours", "edge"))
    edge.dial("router", address)
    first = edge._entries["router"].route
    await until(lambda: edge._entries["router"].route is not first)  # it gave up and dials anew
    assert not edge.live("router")
    assert saw.events == []


async def test_a_stolen_name_is_refused_and_its_owner_stays(
    folder: Path, spawn: Spawn, make_peers: MakePeers
) -> None:
    """A process of the cluster with a key of its own claims the identity of another one."""
    make_keys(folder, ["router", "edge", "thief"])
    saw = Recorder()
    router = make_peers("router", 11, saw, keys=Keys(folder, "router"))
    address = router.listen("tcp://127.0.0.1:0")
    await spawn("dial", "edge", 21, address, "--server", "router", "--keys", folder)
    await until(lambda: router.live("edge"))
    thief = await spawn(
        "dial", "thief", 99, address, "--claim", "edge", "--server", "router", "--keys", folder
    )
    await until(lambda: router.counts.refused_identity_total)
    await thief.kill()
    assert router.boot_of("edge") == 21
    assert [event for event in saw.events if event[0] == "up"] == [("up", "edge", 21)]


async def test_an_oversized_frame_cuts_only_its_sender(folder: Path, make_peers: MakePeers) -> None:
    saw = Recorder()
    router = make_peers("router", 11, saw, limits=LinkLimits(frame_bytes_max=64 * KIB))
    address = router.listen(f"ipc://{folder}/r")
    good_saw = Recorder()
    good = make_peers("good", 1, good_saw)
    good.dial("router", address)
    await until(lambda: router.live("good"))
    with zmq.Context() as context, context.socket(zmq.DEALER) as raw:
        raw.setsockopt(zmq.ROUTING_ID, b"bad.2")
        raw.setsockopt(zmq.LINGER, 0)
        raw.setsockopt(zmq.RECONNECT_IVL, 10_000)
        monitor = raw.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        raw.connect(address)
        raw.send(b"\0" * 65 * KIB)
        await until(lambda: monitor.poll(0))
        raw.disable_monitor()
        monitor.close()
    good.send("router", submit(b"still here"))
    await until(lambda: ("got", "good", b"still here") in saw.events)
    assert good.counts.peers_down_total == 0


async def test_a_message_too_large_for_a_frame_is_refused_by_the_sender(
    folder: Path, make_peers: MakePeers
) -> None:
    limits = LinkLimits(frame_bytes_max=64 * KIB)
    saw = Recorder()
    router = make_peers("router", 11, saw, limits=limits)
    edge = make_peers("edge", 22, Recorder(), limits=limits)
    edge.dial("router", router.listen(f"ipc://{folder}/r"))
    await until(lambda: edge.live("router"))
    assert not edge.send("router", submit(b"x" * 64 * KIB))
    assert edge.send("router", submit(b"small"))
    await until(lambda: ("got", "edge", b"small") in saw.events)
    assert ("hole", "edge") in saw.events
    assert edge.counts.dropped_oversized_total == 1


async def test_garbage_on_the_socket_is_counted(folder: Path, make_peers: MakePeers) -> None:
    router = make_peers("router", 11, Recorder())
    address = router.listen(f"ipc://{folder}/r")
    with zmq.Context() as context:
        for identity in (b"no-boot", b"edge.7", b"x." + b"9" * 30, b"\xff.1"):
            with context.socket(zmq.DEALER) as raw:
                raw.setsockopt(zmq.ROUTING_ID, identity)
                raw.connect(address)
                raw.send(b"\x01garbage")
        await until(
            lambda: (
                router.counts.refused_identity_total == 2
                and router.counts.refused_malformed_total == 2
            )
        )
    assert router.statistics()["live"] == {}


async def test_the_safety_timer_finds_what_no_wake_up_told(
    folder: Path, make_peers: MakePeers
) -> None:
    """The wake-up is lost by force: the edge is used up without a drain."""
    make_keys(folder, ["router", "edge"])
    saw = Recorder()
    router = make_peers("router", 11, saw, keys=Keys(folder, "router"))
    edge = make_peers("edge", 22, Recorder(), keys=Keys(folder, "edge"))
    edge.dial("router", router.listen("tcp://127.0.0.1:0"))
    await until(lambda: router.live("edge"))
    assert router.counts.lost_wakeups_total == 0
    listener = router._listeners[0]
    assert isinstance(listener, FrameSocket)
    asyncio.get_running_loop().remove_reader(listener._socket.fileno())
    edge.send("router", submit(b"unseen"))
    await until(lambda: listener._socket.getsockopt(zmq.EVENTS) & zmq.POLLIN)  # swallows the edge
    assert ("got", "edge", b"unseen") not in saw.events
    router._drain_for_safety(SystemClock().monotonic_ms())
    assert ("got", "edge", b"unseen") in saw.events
    assert router.counts.lost_wakeups_total == 1


async def test_addresses_that_cannot_work_are_refused_by_name(
    folder: Path, make_peers: MakePeers
) -> None:
    peers = make_peers("router", 11, Recorder())
    for address in ("ipc://" + "x" * 108, "inproc://", "ipc://", "udp://x"):
        with pytest.raises(AddressError):
            peers.listen(address)
    with pytest.raises(KeysError, match="needs keys"):
        peers.listen("tcp://127.0.0.1:0")
    with pytest.raises(KeysError, match="needs keys"):
        peers.dial("node", "tcp://127.0.0.1:1")


async def test_close_hands_over_what_waits(folder: Path, make_peers: MakePeers) -> None:
    saw = Recorder()
    router = make_peers("router", 11, saw)
    edge = make_peers("edge", 22, Recorder())
    edge.dial("router", router.listen(f"ipc://{folder}/r"))
    await until(lambda: edge.live("router"))
    for n in range(100):
        edge.send("router", submit(b"%d" % n))
    await edge.close()
    await edge.close()
    await until(lambda: len([e for e in saw.events if e[0] == "got"]) == 100)


async def test_redial_moves_to_another_address(folder: Path, make_peers: MakePeers) -> None:
    saw = Recorder()
    first = make_peers("router", 11, Recorder())
    second = make_peers("router", 12, Recorder())
    edge = make_peers("edge", 22, saw)
    edge.dial("router", first.listen(f"ipc://{folder}/1"))
    await until(lambda: edge.boot_of("router") == 11)
    edge.dial("router", second.listen(f"ipc://{folder}/2"))
    await until(lambda: edge.boot_of("router") == 12)
    edge.hangup("router")
    assert not edge.live("router")
    assert saw.events == [
        ("up", "router", 11),
        ("down", "router"),
        ("up", "router", 12),
        ("down", "router"),
    ]
