"""Links: numbers, holes, window, gathering. The network between them is Hypothesis."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.base.units import KIB, MIB
from hubbub.transport.counts import LinkCounts
from hubbub.transport.limits import LinkLimits
from hubbub.transport.link import Link, Verdict
from hubbub.wire.frame import FRAME_HEAD, MESSAGES_MAX, encode_message
from hubbub.wire.shapes import Kind

MakeLink = Callable[..., Link]
LIMITS = LinkLimits()


def link(boot_id: int = 1, peer: int = 2, limits: LinkLimits = LIMITS, generation: int = 1) -> Link:
    return Link(
        boot_id=boot_id,
        generation=generation,
        limits=limits,
        now_ms=0,
        counts=LinkCounts(),
        peer_boot_id=peer,
    )


def pair(limits: LinkLimits = LIMITS) -> tuple[Link, Link]:
    return link(1, 2, limits), link(2, 1, limits)


def event(body: bytes = b"{}") -> bytes:
    return encode_message(Kind.EVENT, body, app="demo", key="group:x")


def test_messages_arrive_in_order_and_numbers_count_up() -> None:
    ours, theirs = pair()
    for number in range(1, 4):
        ours.post(event(b"a%d" % number), True)
        ours.post(event(b"b%d" % number), False)
        received = theirs.receive(ours.take_frame(0), 0)
        assert received.verdict is Verdict.FRESH
        assert [m.body for m in received.messages] == [b"a%d" % number, b"b%d" % number]
        assert (ours.n, theirs.seen) == (number, number)


def test_the_first_frame_may_have_any_number() -> None:
    ours, theirs = pair()
    for _ in range(5):
        ours.post(event(), True)
        frame = ours.take_frame(0)
    assert theirs.receive(frame, 0).verdict is Verdict.FRESH


def test_an_empty_frame_repeats_the_number_and_is_no_hole() -> None:
    ours, theirs = pair()
    assert theirs.receive(ours.take_frame(0), 0).verdict is Verdict.FRESH
    ours.post(event(), True)
    assert theirs.receive(ours.take_frame(0), 0).verdict is Verdict.FRESH
    assert theirs.receive(ours.take_frame(0), 0).verdict is Verdict.FRESH
    ours.post(event(), True)
    assert theirs.receive(ours.take_frame(0), 0).verdict is Verdict.FRESH


def test_an_empty_frame_shows_the_loss_of_the_last_one() -> None:
    ours, theirs = pair()
    theirs.receive(ours.take_frame(0), 0)
    ours.post(event(), True)
    ours.take_frame(0)  # lost
    received = theirs.receive(ours.take_frame(0), 0)
    assert (received.verdict, received.messages) == (Verdict.HOLE, [])


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=60))
def test_every_loss_shows_by_the_next_frame_that_arrives(
    frames: list[tuple[int, bool]],
) -> None:
    """Each item is a frame: how many messages it carries, and whether it is lost."""
    ours, theirs = pair()
    theirs.receive(ours.take_frame(0), 0)
    lost = 0
    for count, is_lost in [*frames, (0, False)]:  # the last one is the beat
        for _ in range(count):
            ours.post(event(), False)
        frame = ours.take_frame(0)
        if is_lost:
            lost += count
            continue
        verdict = theirs.receive(frame, 0).verdict
        assert (verdict is Verdict.HOLE) == (lost > 0)
        lost = 0


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("post"), st.integers(0, 3_000), st.booleans()),
            st.tuples(st.just("frame"), st.just(0), st.booleans()),
            st.tuples(st.just("ack"), st.just(0), st.booleans()),
        ),
        max_size=120,
    )
)
def test_the_window_bounds_what_is_unacknowledged(steps: list[tuple[str, int, bool]]) -> None:
    """Sum over all windowed messages that were taken and not acknowledged, kept by the test."""
    limits = LinkLimits(window_bytes_max=8 * KIB)
    ours, theirs = pair(limits)
    waiting, under_way = 0, []  # bytes; (n, bytes)
    for what, size, flag in steps:
        if what == "post":
            message = event(b"x" * size)
            fits = waiting + sum(b for _, b in under_way) + len(message) <= 8 * KIB
            assert ours.post(message, flag) == (fits or not flag)
            waiting += len(message) if flag and fits else 0
        elif what == "frame":
            frame = ours.take_frame(0)
            under_way.append((ours.n, waiting))
            waiting = 0
            if not flag:  # else lost
                theirs.receive(frame, 0)
        else:
            ours.receive(theirs.take_frame(0), 0)
            under_way = [(n, b) for n, b in under_way if n > theirs.seen]
        assert ours.window_used == waiting + sum(b for _, b in under_way)
        assert ours.window_used <= 8 * KIB


def test_a_message_beyond_the_window_shows_as_a_hole_and_results_still_pass() -> None:
    ours, theirs = pair(LinkLimits(window_bytes_max=1 * KIB))
    theirs.receive(ours.take_frame(0), 0)
    assert ours.post(event(b"x" * 900), True)
    assert not ours.post(event(b"x" * 900), True)
    assert not ours.post(event(b"x" * 900), True)
    assert ours.post(encode_message(Kind.RESULT, b"r" * 900), False)
    received = theirs.receive(ours.take_frame(0), 0)
    assert received.verdict is Verdict.HOLE
    assert [m.type for m in received.messages] == [Kind.EVENT, Kind.RESULT]
    assert ours.counts.dropped_by_window_total == 2
    ours.receive(theirs.take_frame(0), 0)
    assert ours.window_used == 0
    assert ours.post(event(b"x" * 900), True)
    assert theirs.receive(ours.take_frame(0), 0).verdict is Verdict.FRESH


def test_a_noted_hole_is_due_by_itself_and_a_dropped_message_waits_for_the_next_frame() -> None:
    ours, theirs = pair(LinkLimits(window_bytes_max=1))
    theirs.receive(ours.take_frame(0), 0)
    assert not ours.post(event(), True)
    assert ours.due_ms() is None
    ours.note_hole()
    assert ours.due_ms() == LIMITS.gather_ms
    assert theirs.receive(ours.take_frame(0), 0).verdict is Verdict.HOLE


def test_idle_sends_at_once_and_busy_gathers() -> None:
    ours, _ = pair()
    assert ours.due_ms() is None
    ours.post(event(), True)
    due_ms = ours.due_ms()
    assert due_ms is not None
    assert due_ms < 0
    ours.take_frame(100)
    ours.post(event(), True)
    assert ours.due_ms() == 100 + LIMITS.gather_ms
    ours.post(event(b"x" * 64 * KIB), True)
    due_ms = ours.due_ms()
    assert due_ms is not None
    assert due_ms < 0


def test_more_messages_than_a_frame_holds_stay_due() -> None:
    ours, theirs = pair(LinkLimits(gather_bytes=64 * MIB))
    ours.take_frame(0)
    for _ in range(MESSAGES_MAX + 10):
        ours.post(event(b""), False)
    due_ms = ours.due_ms()
    assert due_ms is not None
    assert due_ms < 0
    assert len(theirs.receive(ours.take_frame(0), 0).messages) == MESSAGES_MAX
    assert ours.due_ms() == LIMITS.gather_ms
    assert len(theirs.receive(ours.take_frame(0), 0).messages) == 10


def test_no_frame_is_larger_than_the_peer_takes() -> None:
    limits = LinkLimits(frame_bytes_max=10 * KIB, gather_bytes=10 * KIB)
    ours, theirs = pair(limits)
    biggest = 10 * KIB - FRAME_HEAD.size
    overhead = len(event(b""))
    assert not ours.post(event(b"x" * (biggest - overhead + 1)), False)
    assert ours.counts.dropped_oversized_total == 1
    for size in (biggest - overhead, 1, 4 * KIB, 4 * KIB, 4 * KIB):
        assert ours.post(event(b"x" * size), False)
    sizes = []
    while ours.pending_bytes:
        frame = ours.take_frame(0)
        sizes.append(len(frame))
        theirs.receive(frame, 0)
    assert max(sizes) == 10 * KIB
    assert theirs.counts.messages_received_total == 5


def test_an_acknowledgement_alone_is_due_after_much_was_received() -> None:
    ours, theirs = pair(LinkLimits(ack_bytes=1 * KIB))
    ours.post(event(b"x" * 600), True)
    theirs.receive(ours.take_frame(0), 0)
    assert theirs.due_ms() is None
    ours.post(event(b"x" * 600), True)
    theirs.receive(ours.take_frame(0), 0)
    assert theirs.due_ms() is not None
    ours.receive(theirs.take_frame(0), 0)
    assert ours.window_used == 0
    assert theirs.due_ms() is None


def test_what_is_not_taken_changes_nothing() -> None:
    ours, theirs = pair()
    ours.post(event(), True)
    good = ours.take_frame(0)
    foreign, other = link(1, 2, generation=9), link(7, 2)
    other.post(event(), True)
    assert theirs.receive(good[:-1], 5).verdict is Verdict.MALFORMED
    assert theirs.receive(b"", 5).verdict is Verdict.MALFORMED
    assert theirs.receive(foreign.take_frame(0), 5).verdict is Verdict.FOREIGN
    received = theirs.receive(other.take_frame(0), 5)
    assert (received.verdict, received.boot_id, received.messages) == (Verdict.OTHER_BOOT, 7, [])
    assert (theirs.seen, theirs.heard_ms) == (-1, 0)
    assert theirs.receive(good, 5).verdict is Verdict.FRESH
    assert theirs.receive(good, 6).verdict is Verdict.LATE
    assert theirs.heard_ms == 5
    assert theirs.counts.refused_malformed_total == 2
    assert theirs.counts.refused_generation_total == 1
    assert theirs.counts.refused_late_total == 1


def test_a_link_that_was_given_up_goes_on_with_a_hole() -> None:
    ours, theirs = pair()
    for _ in range(3):
        ours.post(event(), True)
        theirs.receive(ours.take_frame(0), 0)
    ours.post(event(b"forgotten"), True)
    ours.give_up()
    assert (ours.window_used, ours.pending_bytes, ours.due_ms()) == (0, 0, None)
    assert theirs.receive(ours.take_frame(0), 0).verdict is Verdict.HOLE
    ours.post(event(b"new"), True)
    received = theirs.receive(ours.take_frame(0), 0)
    assert received.verdict is Verdict.FRESH
    assert [m.body for m in received.messages] == [b"new"]


def test_an_acknowledgement_of_what_was_never_sent_is_harmless() -> None:
    ours, theirs = pair()
    theirs.seen = 1_000
    ours.post(event(), True)
    ours.receive(theirs.take_frame(0), 0)
    ours.take_frame(0)
    assert ours.window_used > 0


@given(st.binary(max_size=200))
def test_garbage_is_malformed_or_foreign_but_never_an_exception(data: bytes) -> None:
    ours, _ = pair()
    assert ours.receive(data, 0).verdict in (
        Verdict.MALFORMED,
        Verdict.FOREIGN,
        Verdict.OTHER_BOOT,
        Verdict.FRESH,
    )


@pytest.mark.parametrize("field", ["gather_ms", "window_bytes_max", "silence_ms_max"])
def test_limits_come_from_the_settings(field: str) -> None:
    from hubbub.settings.schema import RouterConfig
    from hubbub.transport.limits import limits_of

    values = {"link_gather_ms": 7, "link_window_bytes_max": 7 * MIB, "link_silence_ms_max": 7_000}
    config = RouterConfig(name="r", coordinator="solo:x", listen="ipc:///x", **values)
    expected = {"gather_ms": 7, "window_bytes_max": 7 * MIB, "silence_ms_max": 7_000}
    assert getattr(limits_of(config), field) == expected[field]
