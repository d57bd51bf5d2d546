"""The network of the tests: it delivers in order, loses only what it is told to, and is a clock.

What its links do is the suite of `test_table.py`, and for real sockets that of `test_peer.py`.
"""

from __future__ import annotations

import pytest

from hubbub.transport.memory import MemoryNetwork, MemoryPeers
from hubbub.wire.frame import encode_message
from hubbub.wire.shapes import Kind
from tests.hubbub.transport.recording import Recorder


def submit(body: bytes) -> bytes:
    return encode_message(Kind.SUBMIT, body, app="demo", key="group:x")


class Pair:
    """Ann dials Ben."""

    def __init__(self) -> None:
        self.network = MemoryNetwork()
        self.heard_by_ann, self.heard_by_ben = Recorder(), Recorder()
        self.ben = self.network.peers("ben", 1, self.heard_by_ben)
        self.ann = self.network.peers("ann", 1, self.heard_by_ann)
        self.ben.listen("mem://ben")
        self.ann.dial("ben", "mem://ben")
        self.network.advance(10)  # idle: the next frame does not wait for more
        self.forget()

    def forget(self) -> None:
        self.heard_by_ann.taken()
        self.heard_by_ben.taken()

    def bodies(self) -> list[object]:
        return [event[2] for event in self.heard_by_ben.taken() if event[0] == "got"]


def test_nothing_arrives_before_the_network_runs() -> None:
    pair = Pair()
    assert pair.ann.send("ben", submit(b"1"))
    assert pair.bodies() == []
    pair.network.run()
    assert pair.bodies() == [b"1"]


def test_frames_arrive_in_the_order_of_sending() -> None:
    pair = Pair()
    bodies = [b"%d" % n for n in range(100)]
    for body in bodies:
        pair.ann.send("ben", submit(body))
        pair.network.advance(3)
    assert pair.bodies() == bodies


def test_only_what_a_test_drops_is_lost() -> None:
    pair = Pair()
    asked: list[tuple[str, str]] = []

    def drop(sender: str, receiver: str, frame: bytes) -> bool:
        asked.append((sender, receiver))
        return b"lost" in frame

    pair.network.drop = drop
    for body in (b"kept", b"lost", b"kept too"):
        pair.ann.send("ben", submit(body))
        pair.network.advance(5)
    assert pair.bodies() == [b"kept", b"kept too"]
    assert ("ann", "ben") in asked


def test_time_stands_still_unless_it_is_moved() -> None:
    network = MemoryNetwork()
    began = network.monotonic_ms()
    network.run()
    assert network.monotonic_ms() == began
    network.advance(1_234)
    assert network.monotonic_ms() == began + 1_234


def test_a_dialler_waits_for_its_listener() -> None:
    network, heard = MemoryNetwork(), Recorder()
    ann = network.peers("ann", 1, heard)
    ann.dial("ben", "mem://ben")
    network.advance(5_000)
    assert heard.taken() == []
    network.peers("ben", 7, Recorder()).listen("mem://ben")
    network.advance(2_000)
    assert heard.taken() == [("up", "ben", 7)]


def test_a_frame_under_way_is_lost_with_its_connection() -> None:
    pair = Pair()
    pair.ann.send("ben", submit(b"under way"))
    assert pair.ann.flush_if_woken()
    pair.network.cut("ann", "ben")
    pair.network.run()
    assert pair.bodies() == []
    pair.network.mend("ann", "ben")
    pair.network.run()
    pair.ann.send("ben", submit(b"after"))
    pair.network.advance(5)
    assert pair.bodies() == [b"after"]


async def test_close_delivers_what_waits_and_kill_does_not() -> None:
    for end, arrives in (("close", [b"last"]), ("kill", [])):
        pair = Pair()
        pair.ann.send("ben", submit(b"last"))
        if end == "close":
            await pair.ann.close()
        else:
            pair.ann.kill()
        pair.network.run()
        assert pair.bodies() == arrives


def test_two_that_answer_each_other_for_ever_are_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hubbub.transport.memory._TURNS_MAX", 1_000)
    pair = Pair()

    def echo(peers: MemoryPeers, to: str) -> None:
        peers.send(to, submit(b"again"))
        pair.network.later(lambda: echo(peers, to))

    echo(pair.ann, "ben")
    with pytest.raises(AssertionError, match="quiet"):
        pair.network.run()
