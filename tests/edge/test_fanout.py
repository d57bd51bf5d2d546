"""What many get at once: sharing, order, bounds. Time and the loop are the test's."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edge.fanout import Fanout
from edge.framing import SSE, WEBSOCKET_JSON, WEBSOCKET_PROTOBUF
from edge.outgoing import FLUSH_BYTES, Flusher, Outgoing
from edge.variants import PLAIN
from hubbub.base.errors import SLOW, CloseCode
from hubbub.base.units import KIB
from tests.edge.test_outgoing import Loop, Wire, connect


class Somebody:
    """A hub's Member on a connection of its own."""

    def __init__(self, flusher: Flusher, framing: object = WEBSOCKET_JSON) -> None:
        self.user = "ann"
        self.variant = PLAIN["json"]
        self.history_from = 0
        self.wire: Wire
        self.outgoing: Outgoing
        self.wire, self.outgoing = connect(flusher, framing)

    def hold(self, message: bytes, seq: int, ref_seq: int = 0) -> None:
        raise AssertionError("he is in")

    def end(self, close: CloseCode) -> None:
        raise AssertionError("nobody ends him")


def crowd(flusher: Flusher, count: int) -> tuple[Fanout, list[Somebody]]:
    fanout = Fanout(flusher)
    people = [Somebody(flusher) for _ in range(count)]
    for somebody in people:
        fanout.add(somebody)
    return fanout, people


def test_all_get_one_frame_object_at_the_end_of_the_turn() -> None:
    loop = Loop()
    flusher = loop.flusher()
    fanout, people = crowd(flusher, 3)
    fanout.push(b"a")
    fanout.push(b"b")
    assert [somebody.wire.frames for somebody in people] == [[], [], []]
    loop.turn()
    assert people[0].wire.frames == [b"\x81\x03a\nb"]
    assert all(somebody.wire.frames[0] is people[0].wire.frames[0] for somebody in people)
    statistics = flusher.statistics
    assert (statistics.frames_total, statistics.messages_total) == (3, 6)
    assert (statistics.joined_total, flusher.total_bytes) == (1, 0)
    assert (len(fanout), list(fanout)) == (3, people)


def test_each_way_of_framing_is_built_once() -> None:
    loop = Loop()
    flusher = loop.flusher()
    fanout = Fanout(flusher)
    framings: list[Any] = [WEBSOCKET_JSON, SSE, WEBSOCKET_PROTOBUF] * 4
    people = [Somebody(flusher, framing) for framing in framings]
    for somebody in people:
        fanout.add(somebody)
    fanout.push(b"a")
    loop.turn()
    expected = [framing.frame([b"a"]) for framing in framings]
    assert [somebody.wire.frames for somebody in people] == [[frame] for frame in expected]
    assert flusher.statistics.joined_total == 3


def test_a_newcomer_gets_what_comes_after_him_and_a_leaver_what_came_before() -> None:
    loop = Loop()
    flusher = loop.flusher()
    fanout, [ann, bob] = crowd(flusher, 2)
    fanout.push(b"1")
    fanout.remove(ann)
    fanout.remove(ann)
    carl = Somebody(flusher)
    fanout.add(carl)
    fanout.push(b"2")
    loop.turn()
    assert (ann.wire.messages, bob.wire.messages) == ([b"1"], [b"1", b"2"])
    assert carl.wire.messages == [b"2"]


def test_a_push_stands_before_a_later_reply_and_behind_an_earlier_one() -> None:
    loop = Loop()
    flusher = loop.flusher()
    fanout, [ann, bob] = crowd(flusher, 2)
    fanout.push(b"push")
    ann.outgoing.reply(b"later")
    loop.turn()
    assert ann.wire.messages == [b"push", b"later"]
    assert bob.wire.messages == [b"push"]
    loop.turn(1_000)
    bob.outgoing.reply(b"earlier")
    fanout.push(b"push")
    loop.turn()
    assert bob.wire.messages[1:] == [b"earlier", b"push"]
    assert flusher.total_bytes == 0


def test_whoever_was_written_to_within_the_tick_waits_for_it() -> None:
    loop = Loop()
    fanout, [ann, bob] = crowd(loop.flusher(tick_ms=10), 2)
    ann.outgoing.push(b"alone")
    loop.turn()
    for message in (b"1", b"2"):
        fanout.push(message)
        loop.turn(3)
    assert ann.wire.messages == [b"alone"]
    assert bob.wire.messages == [b"1"]
    loop.turn(10)
    assert ann.wire.messages == [b"alone", b"1", b"2"]
    assert len(ann.wire.frames) == 2
    assert bob.wire.messages == [b"1", b"2"]


def test_a_full_transport_gets_no_more_than_its_queue_may_hold() -> None:
    loop = Loop()
    flusher = loop.flusher(outgoing_bytes_max=16 * KIB)
    fanout, [ann, bob] = crowd(flusher, 2)
    ann.wire.takes = 1
    for _ in range(20):
        fanout.push(b"y" * KIB)
        loop.turn(1_000)
    assert len(ann.wire.frames) == 1
    assert ann.outgoing.is_blocked
    assert len(bob.wire.frames) == 20
    for _ in range(70):  # beyond FLUSH_BYTES the bound is looked at
        fanout.push(b"y" * KIB)
        loop.turn(1_000)
    assert ann.wire.closed is SLOW
    assert len(bob.wire.frames) == 90


def test_a_burst_goes_to_the_queues_within_the_turn() -> None:
    loop = Loop()
    flusher = loop.flusher()
    fanout, [ann] = crowd(flusher, 1)
    sent = [b"%04d" % n + b"y" * KIB for n in range(FLUSH_BYTES // KIB + 5)]
    for message in sent:
        fanout.push(message)
    assert ann.wire.frames, "nothing as long as this waits"
    loop.turn(1_000)
    loop.turn(1_000)
    assert ann.wire.messages == sent


def test_what_has_no_offset_follows_what_waits_and_is_dropped_under_pressure() -> None:
    loop = Loop()
    flusher = loop.flusher(outgoing_bytes_max=4 * KIB)
    fanout, [ann, bob] = crowd(flusher, 2)
    fanout.push(b"1")
    fanout.push_signal(b"typing")
    loop.turn()
    assert ann.wire.messages == [b"1", b"typing"]
    bob.outgoing.blocked()
    fanout.push(b"y" * 3 * KIB)
    loop.turn(1_000)
    fanout.push_signal(b"typing")
    loop.turn(1_000)
    bob.wire.drain()
    assert ann.wire.messages[2:] == [b"y" * 3 * KIB, b"typing"]
    assert bob.wire.messages[2:] == [b"y" * 3 * KIB]
    assert flusher.statistics.dropped_signals_total == 1


def test_the_common_bound_also_holds_while_many_are_written_to() -> None:
    loop = Loop()
    flusher = loop.flusher(total_bytes_max=100 * KIB)
    fanout, people = crowd(flusher, 4)
    for somebody in people[:3]:
        somebody.outgoing.blocked()
    for _ in range(80):
        fanout.push(b"y" * KIB)
        loop.turn(1_000)
    assert flusher.total_bytes <= 101 * KIB
    assert SLOW in [somebody.wire.closed for somebody in people[:3]]
    assert len(people[3].wire.messages) == 80


Step = tuple[str, int]
steps = st.lists(
    st.tuples(
        st.sampled_from(["push", "reply", "own", "join", "leave", "turn", "block", "drain"]),
        st.integers(0, 3),
    ),
    max_size=60,
)


class Script:
    """Does a step of a script, and writes down what each must get."""

    def __init__(self, tick_ms: int) -> None:
        self.loop = Loop()
        self.flusher = self.loop.flusher(tick_ms=tick_ms)
        self.fanout = Fanout(self.flusher)
        self.people = [Somebody(self.flusher) for _ in range(4)]
        self.pushes: list[list[bytes]] = [[] for _ in self.people]
        self.replies: list[list[bytes]] = [[] for _ in self.people]

    def push(self, _: int, message: bytes) -> None:
        for at, somebody in enumerate(self.people):
            if somebody in list(self.fanout):
                self.pushes[at].append(message)
        self.fanout.push(message)

    def reply(self, who: int, message: bytes) -> None:
        self.replies[who].append(message)
        self.people[who].outgoing.reply(message)

    def own(self, who: int, message: bytes) -> None:
        self.people[who].outgoing.push(message)

    def join(self, who: int, _: bytes) -> None:
        self.fanout.add(self.people[who])

    def leave(self, who: int, _: bytes) -> None:
        self.fanout.remove(self.people[who])

    def block(self, who: int, _: bytes) -> None:
        if not self.people[who].outgoing.is_blocked:
            self.people[who].outgoing.blocked()

    def drain(self, who: int, _: bytes) -> None:
        self.people[who].wire.drain()

    def turn(self, who: int, _: bytes) -> None:
        self.loop.turn(who * 5)

    def settle(self) -> None:
        for somebody in self.people:
            somebody.wire.drain()
        for _ in range(3):
            self.loop.turn(1_000)


@given(steps, st.sampled_from([0, 10]))
def test_whatever_happens_each_member_gets_his_pushes_once_and_in_order(
    steps: list[Step], tick_ms: int
) -> None:
    script = Script(tick_ms)
    for number, (what, who) in enumerate(steps):
        getattr(script, what)(who, f"{what} {number}".encode())
    script.settle()
    for at, somebody in enumerate(script.people):
        written = somebody.wire.messages
        assert [m for m in written if m.startswith(b"push")] == script.pushes[at]
        assert [m for m in written if m.startswith(b"reply")] == script.replies[at]
    assert script.flusher.total_bytes == 0
