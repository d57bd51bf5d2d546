"""inproc:// links: the ends of a connection alone, then whole `Peers` over them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from hubbub.base.units import KIB
from hubbub.runtime.clock import SystemClock
from hubbub.transport.inproc import InprocListener, InprocSocket
from hubbub.transport.limits import LinkLimits
from hubbub.transport.peer import Peers
from hubbub.transport.sockets import AddressError
from hubbub.wire.frame import encode_message
from hubbub.wire.shapes import Kind
from tests.hubbub.transport.recording import Recorder

ADDRESS = "inproc://router-1"
DEADLINE_S = 15
FRAMES_MAX = 3


def submit(body: bytes) -> bytes:
    return encode_message(Kind.SUBMIT, body, app="demo", key="group:x")


async def until(condition: Callable[[], object]) -> None:
    """Wait for what later turns of the loop, or its timers, bring."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - no event exists for it
            await asyncio.sleep(0.001)


class End:
    """A socket that writes down what it is told."""

    def __init__(self, socket: InprocSocket | None = None) -> None:
        self.socket = socket or InprocSocket(asyncio.get_running_loop(), FRAMES_MAX)
        self.socket.arrive = lambda frame: self.heard.append(frame)
        self.socket.left = lambda: self.heard.append("left")
        self.heard: list[bytes | str] = []

    def send(self, frame: bytes) -> bool:
        return self.socket.send(b"", frame)


class Listener:
    """A bound address; `met` by identity."""

    def __init__(self) -> None:
        self.met: dict[bytes, End] = {}
        loop = asyncio.get_running_loop()
        self.listener = InprocListener(ADDRESS, loop, self.accept, FRAMES_MAX)

    def accept(self, identity: bytes, socket: InprocSocket) -> None:
        self.met[identity] = End(socket)


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    made = Listener()
    yield made
    made.listener.close()


async def connected(listener: Listener) -> tuple[End, End]:
    """A dialler's end and the listener's."""
    dialler = End()
    dialler.socket.connect(ADDRESS, b"edge-1.7")
    await until(lambda: listener.met)
    return dialler, listener.met[b"edge-1.7"]


# --- the ends


async def test_frames_arrive_in_order_and_never_inside_a_send(listener: Listener) -> None:
    dialler, ours = await connected(listener)
    assert dialler.send(b"1")
    assert dialler.send(b"2")
    assert ours.send(b"back")
    assert (ours.heard, dialler.heard) == ([], [])
    await until(lambda: dialler.heard)
    assert (ours.heard, dialler.heard) == ([b"1", b"2"], [b"back"])


async def test_more_than_may_be_under_way_is_not_taken(listener: Listener) -> None:
    dialler, ours = await connected(listener)
    assert [dialler.send(b"%d" % n) for n in range(FRAMES_MAX + 2)] == [True] * 3 + [False] * 2
    await until(lambda: len(ours.heard) == FRAMES_MAX)
    assert dialler.send(b"again")


async def test_nobody_there_takes_nothing(listener: Listener) -> None:
    alone = End()
    assert not alone.send(b"x")
    alone.socket.connect("inproc://nobody", b"a.1")
    assert not alone.send(b"x")
    alone.socket.close()


async def test_who_comes_early_meets_the_listener_when_it_binds() -> None:
    early, gone = End(), End()
    gone.socket.connect(ADDRESS, b"gone.1")
    early.socket.connect(ADDRESS, b"early.1")
    gone.socket.close()
    late = Listener()
    await until(lambda: late.met)
    assert list(late.met) == [b"early.1"]
    assert early.send(b"at last")
    await until(lambda: late.met[b"early.1"].heard == [b"at last"])
    late.listener.close()


async def test_the_other_end_hears_of_a_close_after_the_last_frame(listener: Listener) -> None:
    dialler, ours = await connected(listener)
    dialler.send(b"last words")
    ours.send(b"too late")
    dialler.socket.close()
    await until(lambda: "left" in ours.heard)
    assert ours.heard == [b"last words", "left"]
    assert dialler.heard == []
    assert not ours.send(b"hello?")


async def test_a_closed_listener_leaves_and_gives_its_address_back(listener: Listener) -> None:
    dialler, _ = await connected(listener)
    with pytest.raises(AddressError, match="bound already"):
        Listener()
    listener.listener.close()
    listener.listener.close()
    await until(lambda: dialler.heard == ["left"])
    Listener().listener.close()


async def test_a_listener_that_closes_in_between_is_as_if_it_never_was() -> None:
    first = Listener()
    dialler = End()
    dialler.socket.connect(ADDRESS, b"edge-1.7")
    first.listener.close()
    await asyncio.sleep(0)
    assert not first.met
    second = Listener()
    await until(lambda: second.met)
    second.listener.close()


async def test_another_loop_is_refused(listener: Listener) -> None:
    other = asyncio.new_event_loop()
    with pytest.raises(AddressError, match="another event loop"):
        InprocSocket(other, 1).connect(ADDRESS, b"a.1")
    other.close()


# --- whole links over them

MakePeers = Callable[..., Peers]


@pytest.fixture
async def make_peers() -> AsyncIterator[MakePeers]:
    made: list[Peers] = []

    def make(name: str, boot_id: int, handler: Recorder, **limits: float) -> Peers:
        bounds = LinkLimits(gather_ms=0, **limits)  # type: ignore[arg-type]
        made.append(Peers(name, boot_id, 1, handler, SystemClock(), limits=bounds))
        return made[-1]

    yield make
    for peers in made:
        await peers.close()


async def test_links_are_the_same_over_inproc(make_peers: MakePeers) -> None:
    edge_saw, router_saw, node_saw = Recorder(), Recorder(), Recorder()
    node, router, edge = (
        make_peers("node-1", 1, node_saw),
        make_peers("router-1", 2, router_saw),
        make_peers("edge-1", 3, edge_saw),
    )
    edge.dial("router-1", ADDRESS)  # before it is there
    assert router.listen(ADDRESS) == ADDRESS
    node.listen("inproc://node-1")
    router.dial("node-1", "inproc://node-1")
    await until(lambda: edge.live("router-1") and node.live("router-1"))
    assert (router.boot_of("edge-1"), router.boot_of("node-1")) == (3, 1)
    for n in range(3):
        assert edge.send_windowed("router-1", submit(b"%d" % n))
    assert router.send("node-1", submit(b"down"))
    assert node.send("router-1", submit(b"up"))
    await until(lambda: len(router_saw.events) == 6)
    assert [e[2] for e in router_saw.events if e[1] == "edge-1"] == [3, b"0", b"1", b"2"]
    assert node_saw.events == [("up", "router-1", 2), ("got", "router-1", b"down")]
    assert router.counts.lost_wakeups_total == router.counts.holes_seen_total == 0


async def test_one_turn_is_one_frame_and_waits_for_nothing(make_peers: MakePeers) -> None:
    router_saw = Recorder()
    router, edge = make_peers("router-1", 2, router_saw), make_peers("edge-1", 3, Recorder())
    router.listen(ADDRESS)
    edge.dial("router-1", ADDRESS)
    await until(lambda: edge.live("router-1"))
    for _ in range(2):  # the second at once after the first: it would be gathered elsewhere
        router_saw.taken()
        before = edge.counts.frames_sent_total
        edge.send("router-1", submit(b"a"))
        edge.send("router-1", submit(b"b"))
        for _turn in range(2):  # one flushes, the next hands over
            await asyncio.sleep(0)
        assert len(router_saw.taken()) == 2
        assert edge.counts.frames_sent_total == before + 1


async def test_traffic_makes_no_timer_busy(make_peers: MakePeers) -> None:
    """The safety drain of sockets has nothing to look for here."""
    router, edge = make_peers("router-1", 2, Recorder()), make_peers("edge-1", 3, Recorder())
    router.listen(ADDRESS)
    edge.dial("router-1", ADDRESS)
    await until(lambda: edge.live("router-1"))
    for _ in range(200):
        edge.send("router-1", submit(b"x"))
        await asyncio.sleep(0)
    await until(lambda: router.counts.messages_received_total >= 200)
    later_ms = SystemClock().monotonic_ms() + 5_000  # a sample of the rate would be due
    router._drain_for_safety(later_ms)
    assert router._safety_ms - later_ms == 1_000


async def test_an_overrun_shows_as_a_hole(make_peers: MakePeers) -> None:
    router_saw = Recorder()
    router = make_peers("router-1", 2, router_saw, hwm_frames=4)
    edge = make_peers("edge-1", 3, Recorder(), hwm_frames=4, gather_bytes=1 * KIB)
    router.listen(ADDRESS)
    edge.dial("router-1", ADDRESS)
    await until(lambda: edge.live("router-1"))
    for _ in range(10):  # each is a frame of its own, sent at once
        edge.send("router-1", submit(b"x" * 2 * KIB))
    assert edge.counts.dropped_unsent_total > 0
    await until(lambda: len(router_saw.events) > 2)
    edge.send("router-1", submit(b"after"))
    await until(lambda: ("got", "edge-1", b"after") in router_saw.events)
    assert ("hole", "edge-1") in router_saw.events


async def test_who_leaves_is_down_and_its_next_boot_is_heard(make_peers: MakePeers) -> None:
    edge_saw = Recorder()
    router, edge = (
        make_peers("router-1", 2, Recorder()),
        make_peers("edge-1", 3, edge_saw, suspect_ms=20),
    )
    router.listen(ADDRESS)
    edge.dial("router-1", ADDRESS)
    await until(lambda: edge.live("router-1"))
    await router.close()
    await until(lambda: ("down", "router-1") in edge_saw.events)
    again = make_peers("router-1", 4, Recorder())
    again.listen(ADDRESS)
    await until(lambda: edge.boot_of("router-1") == 4)


async def test_a_dialler_that_leaves_is_missed(make_peers: MakePeers) -> None:
    router_saw = Recorder()
    router = make_peers("router-1", 2, router_saw, suspect_ms=20)
    edge = make_peers("edge-1", 3, Recorder())
    router.listen(ADDRESS)
    edge.dial("router-1", ADDRESS)
    await until(lambda: router.live("edge-1") and edge.live("router-1"))
    edge.send("router-1", submit(b"last words"))
    await edge.close()
    await until(lambda: ("down", "edge-1") in router_saw.events)
    assert router_saw.events[1] == ("got", "edge-1", b"last words")


async def test_a_hangup_ends_it(make_peers: MakePeers) -> None:
    router_saw, edge_saw = Recorder(), Recorder()
    router = make_peers("router-1", 2, router_saw, suspect_ms=20)
    edge = make_peers("edge-1", 3, edge_saw)
    router.listen(ADDRESS)
    edge.dial("router-1", ADDRESS)
    await until(lambda: router.live("edge-1"))
    edge.hangup("router-1")
    assert edge_saw.events[-1] == ("down", "router-1")
    await until(lambda: ("down", "edge-1") in router_saw.events)


async def test_a_name_without_boot_is_refused(make_peers: MakePeers) -> None:
    router = make_peers("router-1", 2, Recorder())
    router.listen(ADDRESS)
    stranger = End()
    stranger.socket.connect(ADDRESS, b"no-boot")
    await until(lambda: stranger.heard == ["left"])
    assert router.counts.refused_identity_total == 1
