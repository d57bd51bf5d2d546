"""Links ↔ cores: order, redirection, refusals, what breaks and what is forgotten."""

from __future__ import annotations

import msgspec
import pytest

from hubbub.base.errors import BAD_REQUEST, INTERNAL
from hubbub.transport.replicated_set import PULL
from hubbub.wire.codec import decode_pack, encode_pack
from hubbub.wire.frame import encode_message
from hubbub.wire.shapes import (
    HeadAsk,
    HeadsQuery,
    Kind,
    Outcome,
    Presence,
    Redirect,
    Refusal,
    SignalKind,
    Status,
    Subscribed,
)
from node.held import HELD_MS
from node.ready import NOTHING
from tests.node import test_engine
from tests.node.bench import RAW, ROOM, ROUTER, Bench
from tests.node.rig import APP, SLOTS


def test_an_event_leaves_before_the_answer_and_both_after_the_disk() -> None:
    bench = Bench()
    bench.create()
    bench.want(ROOM)
    bench.out.clear()
    request = bench.command(ROOM, "message.send", {"channel": ROOM, "text": "hi"})
    assert bench.out == []
    bench.settle()
    assert [m.type for m in bench.out] == [Kind.EVENT, Kind.RESULT]
    assert decode_pack(bench.answer(request).body, Outcome).seq == 2
    assert bench.service.intake.counts.published_total == 1


@pytest.mark.parametrize("kind", [Kind.SUBMIT, Kind.QUERY, Kind.SUBSCRIBE, Kind.PRESENCE])
def test_a_slot_that_is_not_led_here_is_redirected(kind: Kind) -> None:
    bench = Bench()
    nowhere, later = bench.ask(kind, ROOM, b"", slot=SLOTS), bench.ask(kind, ROOM, b"", term=2)
    assert bench.answers(later) == [], "the map may say so in a moment"
    bench.clock.advance(HELD_MS)
    bench.service.look_at_held()
    for request in (nowhere, later):
        answer = bench.answer(request)
        assert answer.flags == Status.REDIRECT
        assert decode_pack(answer.body, Redirect) == Redirect(7, "node-2")


def test_a_node_that_is_going_answers_what_it_took_and_redirects_the_rest() -> None:
    bench = Bench()
    taken = bench.command(ROOM, "channel.create", {"channel": ROOM})
    bench.service.stop_intake()
    late = bench.command("group:y", "channel.create", {"channel": "group:y"})
    bench.settle()
    assert bench.answer(taken).flags == Status.OK
    assert bench.answer(late).flags == Status.REDIRECT


@pytest.mark.parametrize("body", [b"", b"\xff", b"\x93\x01\x02\x03", encode_pack({"a": 1})])
@pytest.mark.parametrize("kind", [Kind.SUBMIT, Kind.QUERY, Kind.SUBSCRIBE, Kind.HEADS])
def test_a_malformed_body_is_answered(kind: Kind, body: bytes) -> None:
    bench = Bench()
    answer = bench.answer(bench.ask(kind, ROOM, body))
    assert answer.flags == Status.REJECTED
    assert decode_pack(answer.body, Refusal).code == BAD_REQUEST.code


def test_unknown_kinds_and_stray_results_are_counted_and_ignored() -> None:
    bench = Bench()
    bench._receive([encode_message(99, b""), encode_message(Kind.RESULT, b"", request_id=5)])
    assert bench.out == []
    assert bench.service.intake.counts.malformed_total == 1


def test_a_feature_that_breaks_costs_one_request() -> None:
    bench = Bench(registry=test_engine.REGISTRY)
    broken = bench.command(ROOM, "tally", {"channel": ROOM, "steps": ["break"]})
    fine = bench.command(ROOM, "tally", {"channel": ROOM, "steps": ["n"]})
    bench.settle()
    assert decode_pack(bench.answer(broken).body, Refusal).code == INTERNAL.code
    assert bench.answer(fine).flags == Status.OK
    assert bench.service.intake.counts.features_failed_total == 1


def test_a_failed_disk_makes_what_waits_unknown() -> None:
    bench = Bench()
    waiting = bench.command(ROOM, "channel.create", {"channel": ROOM})
    bench.service.fail()
    assert bench.answer(waiting).flags == Status.UNKNOWN
    bench.settle()
    assert len(bench.answers(waiting)) == 1


def signals(bench: Bench) -> list[int]:
    return [m.flags for m in bench.out if m.type == Kind.SIGNAL]


def test_presence_follows_subscribe_leave_report_and_the_edges_death() -> None:
    bench = Bench()
    bench.want(RAW)
    assert decode_pack(bench.subscribe(RAW).body, Subscribed).presence
    assert signals(bench) == [SignalKind.JOIN]
    left = encode_pack(Presence("edge-1.7", ("c-alice",)))
    assert bench.answer(bench.ask(Kind.PRESENCE, RAW, left)).flags == Status.OK
    assert signals(bench) == [SignalKind.JOIN, SignalKind.LEAVE]
    bench.subscribe(RAW, "bob")
    ask = HeadAsk(bench.rig.engine.target_of(APP, RAW), APP, RAW, clients=())
    bench.ask(Kind.HEADS, "", encode_pack(HeadsQuery("edge-1.7", (ask,))))
    assert signals(bench)[2:] == [SignalKind.JOIN, SignalKind.LEAVE]
    bench.subscribe(RAW, "carol")
    for _ in range(12):
        bench.service.tick([])
        bench.clock.advance(1_000)
    assert signals(bench)[4:] == [SignalKind.JOIN, SignalKind.LEAVE]


def test_a_digest_that_disagrees_asks_for_everything() -> None:
    bench = Bench()
    bench.service.beat_received(ROUTER, bench.interest.beat())
    assert bench.out == []
    bench.interest.add((APP, ROOM))
    bench.interest.deltas()  # lost
    bench.service.beat_received(ROUTER, bench.interest.beat())
    assert [m.type for m in bench.out] == [Kind.INTEREST_PULL]
    assert bench.out[0].raw == PULL
    assert bench.service.beat(ROUTER) == b""


def test_stepping_down_forgets_what_belongs_to_the_slot() -> None:
    bench = Bench()
    bench.want(RAW)
    bench.subscribe(RAW)
    waiting = bench.command(RAW, "event.publish", {"channel": RAW, "data": 1})
    slot = bench.led[bench.rig.engine.target_of(APP, RAW)]
    bench.service.obey(slot, slot.step_down())
    assert bench.answer(waiting).flags == Status.UNKNOWN
    assert bench.service.attendance.presence.streams() == []
    assert bench.answer(bench.ask(Kind.SUBSCRIBE, RAW, b"")).flags == Status.REDIRECT
    assert msgspec.structs.asdict(bench.service.attendance.presence.statistics())["clients"] == 0


def test_whoever_reads_the_log_later_hears_of_each_slot_that_moved_on() -> None:
    bench = Bench()
    noted: list[int] = []
    bench.service.applied = noted.append
    bench.create()
    slot = bench.rig.engine.target_of(APP, ROOM)
    assert noted[0] == slot
    before = list(noted)  # the room's, and what it forwarded
    bench.service.obey(bench.rig.slots[slot], NOTHING)
    assert noted == before
