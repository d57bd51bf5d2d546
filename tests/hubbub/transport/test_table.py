"""Who is up, who is down, and what a new boot means: scripted on the memory network."""

from __future__ import annotations

import pytest

from hubbub.base.units import KIB
from hubbub.transport.limits import LinkLimits
from hubbub.transport.memory import MemoryNetwork, MemoryPeers
from hubbub.wire.frame import encode_message
from hubbub.wire.shapes import Kind
from tests.hubbub.transport.recording import Recorder


def event(body: bytes) -> bytes:
    return encode_message(Kind.EVENT, body, app="demo", key="group:x")


class Pair:
    """`edge` dials `router`."""

    def __init__(self, **options: object) -> None:
        self.network = MemoryNetwork()
        self.options = options
        self.router_saw, self.edge_saw = Recorder(b"r-digest"), Recorder(b"e-digest")
        self.router = self.network.peers("router", 11, self.router_saw, **options)
        self.edge = self.network.peers("edge", 22, self.edge_saw, **options)
        self.router.listen("ipc:///r")
        self.edge.dial("router", "ipc:///r")
        self.network.run()

    def new_router(self, boot_id: int) -> MemoryPeers:
        router = self.network.peers("router", boot_id, self.router_saw, **self.options)
        router.listen("ipc:///r")
        return router


def test_both_sides_come_up_without_waiting_for_a_beat() -> None:
    pair = Pair()
    assert pair.router_saw.taken() == [("up", "edge", 22)]
    assert pair.edge_saw.taken() == [("up", "router", 11)]
    assert pair.router.live("edge")
    assert pair.edge.boot_of("router") == 11
    assert pair.router_saw.beats == [("edge", b"e-digest")]
    assert pair.edge_saw.beats == [("router", b"r-digest")]


def test_messages_pass_both_ways_and_nothing_goes_to_strangers() -> None:
    pair = Pair()
    assert pair.edge.send("router", event(b"1"))
    assert pair.edge.send_windowed("router", event(b"2"))
    assert pair.router.send("edge", event(b"3"))
    assert not pair.router.send("nobody", event(b"4"))
    assert not pair.router.send_windowed("nobody", event(b"4"))
    pair.router.note_hole("nobody")
    pair.network.advance(2)
    assert pair.router_saw.taken()[1:] == [("got", "edge", b"1"), ("got", "edge", b"2")]
    assert pair.edge_saw.taken()[1:] == [("got", "router", b"3")]


def test_beats_go_once_a_second_and_keep_an_idle_link_up() -> None:
    pair = Pair()
    pair.router_saw.beats.clear()
    pair.network.advance(60_000)
    assert len(pair.router_saw.beats) in (60, 61)
    assert pair.router_saw.taken() == [("up", "edge", 22)]


def test_what_a_turn_of_the_loop_sends_is_one_frame_and_busy_links_gather() -> None:
    pair = Pair()
    pair.network.advance(10)
    before = pair.edge.counts.frames_sent_total
    for n in range(5):
        pair.edge.send("router", event(b"%d" % n))
    pair.network.run()
    assert pair.edge.counts.frames_sent_total == before + 1
    for n in range(5):
        pair.edge.send("router", event(b"%d" % n))
        pair.network.run()
    assert pair.edge.counts.frames_sent_total == before + 1
    pair.network.advance(2)
    assert pair.edge.counts.frames_sent_total == before + 2
    assert len(pair.router_saw.taken()) == 1 + 10


def test_a_loss_on_an_idle_link_shows_with_the_next_beat() -> None:
    pair = Pair()
    pair.network.advance(100)
    pair.router_saw.taken()
    pair.network.drop = lambda sender, _receiver, _frame: sender == "edge"
    pair.edge.send_windowed("router", event(b"lost"))
    pair.network.advance(10)
    pair.network.drop = lambda *_: False
    pair.network.advance(1_000)
    assert pair.router_saw.taken() == [("hole", "edge")]


def test_a_noted_hole_reaches_the_peer_at_once() -> None:
    pair = Pair()
    pair.network.advance(10)
    pair.router.note_hole("edge")
    pair.network.advance(2)
    assert ("hole", "router") in pair.edge_saw.taken()


def test_silence_takes_a_peer_down_on_both_sides_and_a_frame_brings_it_back_with_a_hole() -> None:
    pair = Pair()
    pair.network.drop = lambda *_: True
    pair.network.advance(3_400)
    assert pair.edge.live("router")
    pair.network.advance(200)
    assert pair.router_saw.taken()[1:] == [("down", "edge")]
    assert pair.edge_saw.taken()[1:] == [("down", "router")]
    assert not pair.edge.send("router", event(b"x"))
    pair.network.advance(60_000)
    pair.network.drop = lambda *_: False
    pair.network.advance(1_100)
    assert pair.router_saw.taken() == [("up", "edge", 22)]
    assert pair.edge_saw.taken() == [("up", "router", 11)]


def test_one_sided_silence_ends_with_a_hole_on_the_other_side() -> None:
    """Only the router missed the edge: it came up again, and the edge hears of a loss."""
    pair = Pair()
    pair.network.drop = lambda sender, _receiver, _frame: sender == "edge"
    pair.network.advance(3_600)
    assert pair.router_saw.taken()[1:] == [("down", "edge")]
    assert pair.edge_saw.taken()[1:] == []
    pair.network.drop = lambda *_: False
    pair.network.advance(1_100)
    assert pair.router_saw.taken() == [("up", "edge", 22)]
    assert ("hole", "router") in pair.edge_saw.taken()


def test_a_killed_listener_is_missed_soon_and_its_next_boot_is_new() -> None:
    pair = Pair()
    pair.edge_saw.taken()
    pair.router.kill()
    pair.network.advance(1_600)
    assert pair.edge_saw.taken() == [("down", "router")]
    pair.new_router(12)
    pair.network.advance(1_100)
    assert pair.edge_saw.taken() == [("up", "router", 12)]
    ups = [event for event in pair.router_saw.taken() if event[0] == "up"]
    assert ups == [("up", "edge", 22)] * 2  # of the old router and of the new one
    assert pair.edge.counts.refused_late_total == 0


def test_a_listener_that_restarts_at_once_gives_down_and_up() -> None:
    pair = Pair()
    pair.network.advance(10)
    pair.edge_saw.taken()
    pair.edge.send_windowed("router", event(b"a"))
    pair.router.kill()
    router = pair.new_router(12)
    pair.network.advance(1_100)
    assert pair.edge_saw.taken() == [("down", "router"), ("up", "router", 12)]
    router.send("edge", event(b"hello"))
    pair.edge.send("router", event(b"back"))
    pair.network.advance(5)
    assert pair.edge_saw.taken() == [("got", "router", b"hello")]
    assert pair.router_saw.taken()[-1] == ("got", "edge", b"back")


def test_a_new_boot_of_a_dialler_replaces_the_old_one_for_ever() -> None:
    pair = Pair()
    pair.router_saw.taken()
    again = pair.network.peers("edge", 23, Recorder())
    again.dial("router", "ipc:///r")
    pair.network.advance(10)
    assert pair.router_saw.taken() == [("down", "edge"), ("up", "edge", 23)]
    assert pair.router.boot_of("edge") == 23
    pair.edge.send("router", event(b"from the dead"))
    pair.network.advance(5_000)
    assert pair.router_saw.taken() == []
    assert pair.router.counts.refused_boot_total > 0


def test_a_cut_connection_that_mends_in_time_is_only_a_hole() -> None:
    pair = Pair()
    pair.network.advance(10)
    pair.edge_saw.taken()
    pair.router_saw.taken()
    pair.network.cut("edge", "router")
    pair.edge.send_windowed("router", event(b"lost"))
    pair.network.advance(100)
    pair.network.mend("edge", "router")
    pair.edge.send_windowed("router", event(b"kept"))
    pair.network.advance(10)
    assert pair.edge_saw.taken() == []
    assert pair.router_saw.taken() == [("hole", "edge"), ("got", "edge", b"kept")]


def test_a_cut_connection_that_stays_cut_is_down_after_half_a_second() -> None:
    pair = Pair()
    pair.network.advance(10)
    pair.edge_saw.taken()
    pair.network.cut("edge", "router")
    pair.network.advance(600)
    assert pair.edge_saw.taken() == [("down", "router")]


def test_hangup_and_dial_again_keeps_numbers_so_that_nothing_looks_old() -> None:
    pair = Pair()
    for n in range(20):
        pair.edge.send("router", event(b"%d" % n))
        pair.network.advance(3)
    pair.edge.hangup("router")
    pair.network.run()
    assert pair.edge_saw.taken()[-1] == ("down", "router")
    assert not pair.edge.live("router")
    pair.edge.dial("router", "ipc:///r")
    pair.network.advance(5)
    assert pair.edge_saw.taken() == [("up", "router", 11)]
    pair.router_saw.taken()
    pair.edge.send("router", event(b"again"))
    pair.network.advance(5)
    assert pair.router_saw.taken() == [("got", "edge", b"again")]
    assert pair.router.counts.refused_late_total == 0


def test_another_generation_is_never_up() -> None:
    pair = Pair()
    stranger_saw = Recorder()
    stranger = pair.network.peers("stranger", 33, stranger_saw, generation=2)
    stranger.dial("router", "ipc:///r")
    pair.network.advance(3_000)
    assert stranger_saw.taken() == []
    assert not pair.router.live("stranger")
    assert pair.router.counts.refused_generation_total > 0


def test_a_peer_that_does_not_acknowledge_is_felt_and_repaired() -> None:
    pair = Pair(limits=LinkLimits(window_bytes_max=64 * KIB, ack_bytes=8 * KIB))
    pair.network.advance(10)
    pair.router_saw.taken()
    sent = [pair.edge.send_windowed("router", event(b"x" * KIB)) for _ in range(100)]
    assert sent.count(True) in range(55, 64)
    assert pair.edge.statistics()["live"]["router"]["window_used"] <= 64 * KIB
    pair.network.advance(50)
    assert pair.edge.statistics()["live"]["router"]["window_used"] == 0
    assert pair.edge.send_windowed("router", event(b"after"))
    pair.network.advance(10)
    got = pair.router_saw.taken()
    assert got.count(("hole", "edge")) == 1
    assert got[-1] == ("got", "edge", b"after")
    assert len(got) == sent.count(True) + 2


def test_a_broken_frame_is_counted_and_seen_as_a_hole() -> None:
    pair = Pair()
    pair.network.advance(10)
    pair.router_saw.taken()
    entry = pair.router._entries["edge"]
    pair.edge._entries["router"].link.take_frame(pair.network.now_ms)
    pair.router.arrived(entry, b"\x00" * 60)
    assert pair.router.counts.refused_malformed_total == 1
    assert pair.router.live("edge")


@pytest.mark.parametrize("peers_max", [1])
def test_strangers_are_bounded(peers_max: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubbub.transport.table.PEERS_MAX", peers_max)
    pair = Pair()
    second = pair.network.peers("second", 33, Recorder())
    second.dial("router", "ipc:///r")
    pair.network.advance(2_000)
    assert pair.router.live("edge")
    assert not pair.router.live("second")
