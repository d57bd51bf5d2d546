"""What a service does for slots that move: those that pause, and those that were deleted."""

from __future__ import annotations

from hubbub.wire.codec import decode_pack
from hubbub.wire.shapes import Kind, Outcome, Redirect, Status
from node.removals import REMOVED, removal, slots_with_rows
from tests.node import test_engine
from tests.node.rig import APP, write_records
from tests.node.test_service import ROOM, Bench, elsewhere, tally


def test_a_paused_slot_says_ask_again_and_goes_on_reading() -> None:
    bench = Bench()
    bench.create()
    paused: set[int] = set()
    bench.service.paused = paused
    paused.add(bench.rig.engine.target_of(APP, ROOM))
    request = bench.command(ROOM, "message.send", {"channel": ROOM, "text": "hi"})
    assert bench.answer(request).flags == Status.REDIRECT
    assert decode_pack(bench.answer(request).body, Redirect) == Redirect(7, "node-2")
    assert bench.waiting == [], "nothing is pending because of it"
    assert bench.subscribe(ROOM).flags == Status.OK
    paused.clear()
    request = bench.command(ROOM, "message.send", {"channel": ROOM, "text": "hi"})
    bench.settle()
    assert decode_pack(bench.answer(request).body, Outcome).seq == 2


def test_a_forward_to_a_paused_slot_waits() -> None:
    bench = Bench(registry=test_engine.REGISTRY)
    bench.service.paused = {bench.rig.engine.target_of(APP, "#bob")}
    tally(bench, "n>#bob!n")
    assert bench.rig.slot("#bob").overlay.stream(APP, "#bob").committed.seq == 0
    assert elsewhere(bench) == []
    assert bench.service.has_forwards
    bench.service.paused = ()
    bench.clock.advance(10_000)
    bench.service.tick([])
    bench.settle()
    assert bench.rig.slot("#bob").overlay.stream(APP, "#bob").committed.seq == 1


def test_a_deletion_on_disk_is_told_and_what_the_slot_wrote_before_is_not() -> None:
    bench = Bench()
    bench.create()
    slot, gone = bench.rig.slot(ROOM), []
    bench.service.removed = gone.append
    bench.command(ROOM, "message.send", {"channel": ROOM, "text": "late"})
    earlier = [(slot.number, record.token) for record in bench.waiting]
    del bench.led[slot.number]
    bench.service.persisted(earlier)
    assert gone == []
    tokens = write_records(bench.rig.store, [*bench.waiting, removal(bench.rig.store, slot.number)])
    assert tokens == [(slot.number, REMOVED)]
    bench.service.persisted(tokens)
    assert gone == [slot.number]
    assert slot.number not in slots_with_rows(bench.rig.store)
    request = bench.command(ROOM, "message.send", {"channel": ROOM, "text": "hi"})
    assert bench.answer(request).flags == Status.REDIRECT
    assert bench.answers(request)[0].type == Kind.RESULT
