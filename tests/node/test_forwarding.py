"""Forwards: here, through a router, again, held."""

from __future__ import annotations

from hubbub.base.errors import NOT_A_MEMBER
from hubbub.wire.codec import encode_pack
from hubbub.wire.frame import encode_message
from hubbub.wire.shapes import Kind, Outcome, Redirect, Refusal, Status
from node.store.api import Family
from tests.node import test_engine
from tests.node.bench import ROOM, ROUTER, Bench, elsewhere, tally
from tests.node.rig import APP


def test_forwards_stay_here_when_the_target_is_led_here() -> None:
    bench = Bench(registry=test_engine.REGISTRY)
    for _ in range(100):  # each answered at once: no recursion may come of it
        bench.command(ROOM, "tally", {"channel": ROOM, "steps": ["n>#bob!x"] * 16})
    bench.settle()
    assert not len(bench.service.forwarding)
    tally(bench, "n>#bob!n", "n>#bob!n>#carol!n")
    assert bench.rig.slot("#bob").overlay.stream(APP, "#bob").committed.seq == 3
    assert [m for m in bench.out if m.type == Kind.SUBMIT] == []
    bench.service.tick([])
    bench.settle()
    assert bench.rig.dump()[Family.OUTBOX] == []


def test_forwards_to_another_node_go_through_a_router_until_they_are_answered() -> None:
    bench = Bench(registry=test_engine.REGISTRY)
    target = bench.rig.engine.target_of(APP, "#bob")
    assert target != bench.rig.engine.target_of(APP, ROOM)
    del bench.led[target]
    tally(bench, "n>#bob!n", "n>#bob!s")
    (first,) = elsewhere(bench)
    assert (first.slot, first.key) == (target, "#bob")
    for status in (Status.UNKNOWN, Status.REDIRECT):
        sent = elsewhere(bench)[-1]
        body = encode_pack(Redirect(1, "")) if status is Status.REDIRECT else b""
        bench._receive(
            [encode_message(Kind.RESULT, body, request_id=sent.request_id, flags=status)]
        )
        bench.clock.advance(100)
        bench.service.tick([])
    assert len({m.request_id for m in elsewhere(bench)}) == 3
    assert len({m.body for m in elsewhere(bench)}) == 1
    last = elsewhere(bench)[-1]
    done = encode_message(Kind.RESULT, encode_pack(Outcome(1, 1, "")), request_id=last.request_id)
    bench._receive([done])
    assert len(elsewhere(bench)) == 4, "the second one leaves after the first one's answer"
    refusal = encode_pack(Refusal(NOT_A_MEMBER.code, "no"))
    bench._receive(
        [
            encode_message(
                Kind.RESULT,
                refusal,
                request_id=elsewhere(bench)[-1].request_id,
                flags=Status.REJECTED,
            )
        ]
    )
    assert not len(bench.service.forwarding)


def test_without_a_router_forwards_wait() -> None:
    bench = Bench(registry=test_engine.REGISTRY)
    del bench.led[bench.rig.engine.target_of(APP, "#bob")]
    bench.service.peer_down(ROUTER)
    tally(bench, "n>#bob!n")
    assert elsewhere(bench) == []
    bench.service.peer_up(ROUTER, 2)
    bench.clock.advance(100)
    bench.service.tick([])
    assert len(elsewhere(bench)) == 1


def test_while_they_are_held_no_forward_leaves_and_none_is_forgotten() -> None:
    """The cut of a backup: forgotten by the source <= seen by the target <= sent by the source."""
    bench = Bench(registry=test_engine.REGISTRY)
    tally(bench, "n>#bob!n")
    assert bench.rig.slot("#bob").overlay.stream(APP, "#bob").committed.seq == 1
    bench.service.forwarding.hold(True)
    tally(bench, "n>#bob!n")
    for _ in range(3):
        bench.clock.advance(10_000)
        bench.service.tick([])
        bench.settle()
    assert bench.rig.slot("#bob").overlay.stream(APP, "#bob").committed.seq == 1
    assert len(bench.rig.dump()[Family.OUTBOX]) == 2, "answered or not, they stay"
    bench.service.forwarding.hold(False)
    bench.settle()
    assert bench.rig.slot("#bob").overlay.stream(APP, "#bob").committed.seq == 2
    bench.service.tick([])
    bench.settle()
    assert bench.rig.dump()[Family.OUTBOX] == []
