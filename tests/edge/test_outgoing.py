"""The outgoing queues: order, coalescing, sharing, bounds. Time and the loop are the test's."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from edge.framing import WEBSOCKET_JSON, WEBSOCKET_PROTOBUF
from edge.outgoing import FLUSH_BYTES, FRAME_BYTES_MAX, Flusher, Outgoing
from hubbub.base.errors import SHUTDOWN, SLOW, CloseCode
from hubbub.base.units import KIB, MIB


class Wire:
    """A Connection that keeps what it is given; after `takes` frames its transport is full."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.takes = 1_000_000
        self.is_reading = True
        self.buffered_bytes = 0
        self.closed: CloseCode | None = None
        self.heartbeats = 0
        self.outgoing: Outgoing

    def write(self, frame: bytes) -> None:
        self.frames.append(frame)
        self.takes -= 1
        if self.takes == 0:
            self.buffered_bytes = len(frame)
            self.outgoing.blocked()

    def drain(self, takes: int = 1_000_000) -> None:
        self.takes = takes
        self.buffered_bytes = 0
        self.outgoing.drained()

    def write_heartbeat(self) -> None:
        self.heartbeats += 1

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True

    def close(self, close: CloseCode) -> None:
        self.closed = close

    def abort(self) -> None:
        raise AssertionError("nobody aborts")

    @property
    def messages(self) -> list[bytes]:
        """Everything written, frame heads and separators taken off."""
        found = []
        for frame in self.frames:
            head = {126: 4, 127: 10}.get(frame[1], 2)
            found += frame[head:].split(b"\n")
        return found


class Loop:
    """What a flusher needs of an event loop, turned by hand."""

    def __init__(self) -> None:
        self.now = 1_000
        self.soon: list[Callable[[], None]] = []
        self.later: list[tuple[int, Callable[[], None]]] = []

    def turn(self, ms: int = 0) -> None:
        self.now += ms
        for call in [self.soon.pop(0) for _ in list(self.soon)]:
            call()
        due = [entry for entry in self.later if entry[0] <= self.now]
        self.later = [entry for entry in self.later if entry[0] > self.now]
        for _, call in due:
            call()

    def flusher(self, **bounds: int) -> Flusher:
        return Flusher(
            soon=self.soon.append,
            later=lambda ms, call: self.later.append((self.now + ms, call)),
            now_ms=lambda: self.now,
            **bounds,
        )


def connect(flusher: Flusher, framing: object = WEBSOCKET_JSON) -> tuple[Wire, Outgoing]:
    wire = Wire()
    wire.outgoing = Outgoing(wire, framing, flusher)  # type: ignore[arg-type]
    return wire, wire.outgoing


def test_an_idle_connection_writes_at_the_end_of_the_turn() -> None:
    loop = Loop()
    wire, outgoing = connect(loop.flusher())
    outgoing.push(b"a")
    outgoing.push(b"b")
    assert wire.frames == []
    loop.turn()
    assert wire.frames == [b"\x81\x03a\nb"]


def test_a_busy_connection_waits_for_the_tick() -> None:
    loop = Loop()
    wire, outgoing = connect(loop.flusher(tick_ms=10))
    outgoing.push(b"a")
    loop.turn()
    outgoing.push(b"b")
    loop.turn(5)
    outgoing.push(b"c")
    assert wire.messages == [b"a"]
    loop.turn(5)
    assert wire.frames[1:] == [b"\x81\x03b\nc"]
    loop.turn(10)
    outgoing.push(b"d")
    loop.turn()
    assert wire.messages == [b"a", b"b", b"c", b"d"]


def test_a_reply_does_not_wait_and_takes_the_pushes_before_it_along() -> None:
    loop = Loop()
    wire, outgoing = connect(loop.flusher())
    outgoing.push(b"a")
    loop.turn()
    outgoing.push(b"push")
    outgoing.reply(b"ack")
    loop.turn()
    assert wire.messages == [b"a", b"push", b"ack"]
    loop.turn(10)
    assert len(wire.frames) == 2


def test_the_same_messages_become_one_frame_object() -> None:
    loop = Loop()
    flusher = loop.flusher()
    wires = [connect(flusher) for _ in range(5)]
    other, other_outgoing = connect(flusher, WEBSOCKET_PROTOBUF)
    for _, outgoing in wires:
        outgoing.push(b"a")
        outgoing.push(b"b")
    other_outgoing.push(b"a")
    loop.turn()
    assert {id(wire.frames[0]) for wire, _ in wires} == {id(wires[0][0].frames[0])}
    assert other.frames == [b"\x82\x01a"]
    assert flusher.statistics.joined_total == 2
    assert flusher.statistics.frames_total == 6
    assert flusher.total_bytes == 0


def test_a_blocked_connection_keeps_its_queue_and_goes_on_when_drained() -> None:
    loop = Loop()
    flusher = loop.flusher()
    wire, outgoing = connect(flusher)
    wire.takes = 1
    outgoing.push(b"a")
    loop.turn()
    assert outgoing.is_blocked
    outgoing.push(b"b")
    outgoing.reply(b"c")
    loop.turn(100)
    assert wire.messages == [b"a"]
    assert flusher.statistics.blocked_connections == 1
    wire.drain()
    assert wire.messages == [b"a", b"b", b"c"]
    assert (flusher.total_bytes, flusher.statistics.blocked_connections) == (0, 0)


def test_too_many_live_pushes_close_with_3008_and_leave_nothing() -> None:
    loop = Loop()
    flusher = loop.flusher(outgoing_bytes_max=100 * KIB)
    wire, outgoing = connect(flusher)
    wire.takes = 1
    outgoing.push(b"x")
    loop.turn()
    for _ in range(101):
        outgoing.push(b"y" * KIB)
    assert wire.closed is SLOW
    assert (outgoing.held_bytes, flusher.total_bytes) == (0, 0)
    outgoing.push(b"z")
    wire.drain()
    assert wire.messages == [b"x"]
    assert flusher.statistics.slow_closes_total == 1


def test_a_burst_within_one_tick_closes_nobody_who_reads() -> None:
    loop = Loop()
    wire, outgoing = connect(loop.flusher(outgoing_bytes_max=100 * KIB))
    for _ in range(1_000):
        outgoing.push(b"y" * KIB)
    loop.turn(10)
    assert wire.closed is None
    assert len(wire.messages) == 1_000


def test_replies_do_not_count_as_slow_and_pause_reading() -> None:
    loop = Loop()
    flusher = loop.flusher(outgoing_bytes_max=100 * KIB, reply_bytes_max=300 * KIB)
    wire, outgoing = connect(flusher)
    wire.takes = 1
    outgoing.push(b"x")
    loop.turn()
    for _ in range(299):
        outgoing.reply(b"y" * KIB)
    assert wire.is_reading
    for _ in range(3):
        outgoing.reply(b"y" * KIB)
    assert not wire.is_reading
    assert wire.closed is None
    assert outgoing.outstanding_bytes > 300 * KIB
    wire.drain()
    assert wire.is_reading
    assert len(wire.messages) == 303


def test_a_long_queue_leaves_in_bounded_frames() -> None:
    loop = Loop()
    flusher = loop.flusher(outgoing_bytes_max=4 * MIB)
    wire, outgoing = connect(flusher)
    wire.takes = 1
    outgoing.push(b"first")
    loop.turn()
    sent = [b"%06d" % number + b"x" * 10 * KIB for number in range(100)]
    for number, message in enumerate(sent):
        if number % 3:
            outgoing.push(message)
        else:
            outgoing.reply(message)
    outgoing.reply(b"large" * 100 * KIB)
    wire.drain(takes=2)
    assert len(wire.frames) == 3
    assert outgoing.live_bytes + outgoing.reply_bytes == flusher.total_bytes - wire.buffered_bytes
    wire.drain()
    assert wire.messages == [b"first", *sent, b"large" * 100 * KIB]
    assert all(len(frame) <= FRAME_BYTES_MAX + 1_000 for frame in wire.frames[:-1])
    assert (outgoing.live_bytes, outgoing.reply_bytes, flusher.total_bytes) == (0, 0, 0)


def test_signals_are_dropped_under_pressure() -> None:
    loop = Loop()
    flusher = loop.flusher(outgoing_bytes_max=100 * KIB)
    wire, outgoing = connect(flusher)
    wire.takes = 1
    outgoing.push_signal(b"typing")
    loop.turn()
    assert wire.messages == [b"typing"]
    for _ in range(51):
        outgoing.push(b"y" * KIB)
    outgoing.push_signal(b"typing")
    wire.drain()
    assert wire.messages.count(b"typing") == 1
    assert flusher.statistics.dropped_signals_total == 1


def test_the_longest_queue_is_cut_first() -> None:
    loop = Loop()
    flusher = loop.flusher(outgoing_bytes_max=10 * MIB, total_bytes_max=1 * MIB)
    small, small_outgoing = connect(flusher)
    large, large_outgoing = connect(flusher)
    for wire, outgoing in ((small, small_outgoing), (large, large_outgoing)):
        wire.takes = 1
        outgoing.push(b"x")
    loop.turn()
    for _ in range(4):
        small_outgoing.push(b"s" * 100 * KIB)
    for _ in range(7):
        large_outgoing.push(b"l" * 100 * KIB)
    assert (small.closed, large.closed) == (None, SLOW)
    small.drain()
    assert small.messages == [b"x", *[b"s" * 100 * KIB] * 4]
    assert flusher.total_bytes == 0


def test_closing_writes_what_waits_and_then_nothing() -> None:
    loop = Loop()
    wire, outgoing = connect(loop.flusher())
    outgoing.reply(b"last words")
    outgoing.close(SHUTDOWN)
    outgoing.close(SLOW)
    outgoing.push(b"more")
    outgoing.reply(b"more")
    outgoing.push_signal(b"more")
    loop.turn(10)
    assert (wire.messages, wire.closed) == ([b"last words"], SHUTDOWN)


def test_a_lost_connection_gives_its_bytes_back() -> None:
    loop = Loop()
    flusher = loop.flusher()
    wire, outgoing = connect(flusher)
    outgoing.push(b"x" * KIB)
    outgoing.lost()
    outgoing.lost()
    loop.turn()
    assert (wire.frames, flusher.total_bytes) == ([], 0)


def test_heartbeats_go_to_the_transport() -> None:
    wire, outgoing = connect(Loop().flusher())
    outgoing.heartbeat()
    assert wire.heartbeats == 1


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 3 * FLUSH_BYTES)), max_size=40))
def test_whatever_happens_order_is_kept_and_the_books_are_right(
    steps: list[tuple[int, int]],
) -> None:
    loop = Loop()
    flusher = loop.flusher(outgoing_bytes_max=64 * MIB)
    wire, outgoing = connect(flusher)
    sent = []
    for number, (action, size) in enumerate(steps):
        message = b"%d:" % number + b"x" * size
        if action == 0:
            outgoing.push(message)
            sent.append(message)
        elif action == 1:
            outgoing.reply(message)
            sent.append(message)
        elif action == 2:
            loop.turn(size % 15)
        elif action == 3 and not outgoing.is_blocked:
            wire.takes = 1
        elif action == 4:
            wire.drain(takes=1 + size % 3)
        assert flusher.total_bytes == outgoing.held_bytes
    wire.drain()
    loop.turn(20)
    assert wire.messages == sent
    assert flusher.total_bytes == 0
