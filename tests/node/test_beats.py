"""Suspicion, agreement, and contact that is never newer than it was."""

from __future__ import annotations

import pytest

from hubbub.wire.codec import decode_pack, encode_pack
from hubbub.wire.replication import NodeBeat
from node.beats import DEAF_MS, SUSPECT_MS, Beats

ME, B, C = "node-1", "node-2", "node-3"


def beat(n: int = 1, echo: int = 0, suspects: tuple[str, ...] = ()) -> NodeBeat:
    return NodeBeat(7, n, echo, suspects, ())


def trio() -> Beats:
    beats = Beats()
    for name in (B, C):
        beats.up(name, 0)
    return beats


def test_silence_is_suspect_and_a_word_ends_it() -> None:
    beats = trio()
    beats.heard(C, beat(), SUSPECT_MS)
    assert beats.suspects(SUSPECT_MS) == set()
    assert beats.suspects(SUSPECT_MS + 1) == {B}
    beats.heard(B, beat(), SUSPECT_MS + 1)
    assert beats.suspects(SUSPECT_MS + 1) == set()


def test_a_broken_link_is_suspect_at_once() -> None:
    beats = trio()
    beats.down(B)
    assert beats.suspects(1) == {B}


def test_who_beats_and_hears_nobody_is_suspect() -> None:
    beats = trio()
    for now_ms in range(0, DEAF_MS + 400, 200):
        to_c = beats.make(C, 7, (), now_ms)
        beats.heard(B, beat(), now_ms)
        beats.heard(C, beat(echo=to_c.n), now_ms)
    assert beats.suspects(DEAF_MS + 200) == {B}


def test_one_suspicion_condemns_nobody_while_there_are_others() -> None:
    beats = trio()
    beats.down(B)
    assert beats.condemned([B, C], 1) == set()
    beats.heard(C, beat(suspects=(B,)), 1)
    assert beats.condemned([B, C], 1) == {B}


def test_a_witness_that_is_suspect_itself_does_not_count() -> None:
    beats = trio()
    beats.heard(C, beat(suspects=(B,)), 1)
    beats.down(B)
    beats.down(C)
    assert beats.condemned([B, C], 1) == set()


def test_of_two_nodes_one_word_is_enough() -> None:
    beats = Beats()
    beats.up(B, 0)
    beats.down(B)
    assert beats.condemned([B], 1) == {B}


def test_who_is_no_node_any_more_is_not_condemned() -> None:
    beats = trio()
    beats.down(B)
    beats.heard(C, beat(suspects=(B,)), 1)
    assert beats.condemned([C], 1) == set()


def test_suspicion_is_told() -> None:
    beats = trio()
    beats.down(B)
    assert beats.make(C, 7, ((1, 2, 3),), 5) == NodeBeat(7, 1, 0, (B,), ((1, 2, 3),))


def test_contact_counts_from_when_the_answered_beat_left() -> None:
    beats = trio()
    first = beats.make(B, 7, (), 100)
    beats.make(B, 7, (), 300)
    beats.heard(B, beat(n=9, echo=first.n), 5_000)
    assert beats.in_contact(4_900, 5_000) == {B}
    assert beats.in_contact(4_899, 5_000) == set()
    assert beats.make(B, 7, (), 5_001).echo == 9


def test_how_well_a_node_is_goes_with_its_beats() -> None:
    beats = trio()
    made = beats.make(C, 7, (), 5, fsync_us=900, is_gray=True)
    assert (made.fsync_us, made.is_gray) == (900, True)
    beats.heard(B, NodeBeat(7, 1, 0, (), (), fsync_us=900, is_gray=True), 5)
    beats.heard(C, NodeBeat(8, 1, 0, (), (), fsync_us=0), 5)
    assert beats.gray(5) == {B}
    assert beats.fsyncs_us(5) == [900], "who synced nothing lately says nothing"


def test_what_a_dead_node_said_of_itself_is_forgotten() -> None:
    beats = trio()
    beats.heard(B, NodeBeat(7, 1, 0, (), (), fsync_us=900, is_gray=True), 0)
    assert beats.gray(SUSPECT_MS + 1) == set()
    assert beats.fsyncs_us(SUSPECT_MS + 1) == []


def test_a_node_of_an_older_build_says_nothing_of_itself() -> None:
    old = decode_pack(encode_pack((7, 1, 0, (), ())), NodeBeat)
    assert (old.fsync_us, old.is_gray) == (0, False)


@pytest.mark.parametrize(
    ("theirs", "ahead_ms"),
    [
        ((), 0),
        ((20_000,), 0),  # one of two is wrong, and nobody knows which
        ((0, 20_000), 0),
        ((-20_000, -20_100), 20_000),  # the odd one of three
        ((20_000, 20_100, 0), 0),
        ((20_000, 20_100, 20_200), -20_000),
    ],
)
def test_a_clock_is_compared_with_the_median(theirs: tuple[int, ...], ahead_ms: int) -> None:
    beats, wall_ms = Beats(), 1_700_000_000_000
    for number, their_ms in enumerate(theirs):
        beat = NodeBeat(1, 1, 0, (), (), wall_ms=wall_ms + their_ms)
        beats.heard(f"node-{number}", beat, 1_000, wall_ms)
    assert beats.clock_ahead_ms(1_000) == ahead_ms
    assert beats.clock_ahead_ms(1_000 + SUSPECT_MS + 1) == 0, "the silent say nothing"


def test_a_late_beat_makes_no_clock_wrong() -> None:
    """The loop stood still for eight seconds, and reads what came meanwhile."""
    beats, began_ms = trio(), 1_700_000_000_000

    def hear(sent_ms: int, now_ms: int, jumped_ms: int = 0) -> None:
        for name in (B, C):
            echo = beats.make(name, 1, (), now_ms).n
            told = NodeBeat(1, 1, echo, (), (), wall_ms=began_ms + sent_ms)
            beats.heard(name, told, now_ms, began_ms + now_ms + jumped_ms)

    for ms in range(0, 2_000, 200):
        hear(ms, ms)
    for ms in range(2_000, 10_000, 200):
        hear(ms, 10_000)
        assert abs(beats.clock_ahead_ms(10_000)) < 1_000
    for ms in range(10_000, 15_000, 200):
        hear(ms, ms, jumped_ms=60_000)  # our clock, for good
    assert beats.clock_ahead_ms(14_800) == 60_000
