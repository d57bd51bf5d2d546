"""What a service does for slots that move: those that pause or go, and those that were deleted."""

from __future__ import annotations

from hubbub.wire.codec import decode_pack, encode_pack
from hubbub.wire.shapes import Kind, Outcome, Query, Redirect, Status, Viewer
from node.held import HELD_MS
from node.removals import REMOVED, removal, slots_with_rows
from tests.node import test_engine
from tests.node.bench import ROOM, Bench, elsewhere, tally
from tests.node.rig import APP, write_records


def test_commands_for_a_paused_slot_wait_in_their_order_and_reads_go_on() -> None:
    bench = Bench()
    bench.create()
    paused = {bench.rig.engine.target_of(APP, ROOM)}
    bench.service.intake.paused = paused
    first, second = (_send(bench, text) for text in ("hi", "ho"))
    bench.service.look_at_held()
    assert bench.waiting == [], "nothing is pending because of it"
    assert bench.answers(first) == []
    assert bench.subscribe(ROOM).flags == Status.OK
    paused.clear()
    bench.service.look_at_held()
    bench.settle()
    assert [decode_pack(bench.answer(n).body, Outcome).seq for n in (first, second)] == [2, 3]


def test_a_command_that_waits_for_too_long_is_told_to_ask_again() -> None:
    bench = Bench()
    bench.create()
    bench.service.intake.paused = {bench.rig.engine.target_of(APP, ROOM)}
    request = _send(bench, "hi")
    bench.clock.advance(HELD_MS - 1)
    bench.service.look_at_held()
    assert bench.answers(request) == []
    bench.clock.advance(1)
    bench.service.look_at_held()
    assert bench.answer(request).flags == Status.REDIRECT
    assert decode_pack(bench.answer(request).body, Redirect) == Redirect(7, "node-2")
    bench.service.intake.paused = ()
    bench.service.look_at_held()
    bench.settle()
    assert bench.answer(request).flags == Status.REDIRECT, "it is answered once"


def test_what_waits_for_a_slot_goes_where_the_slot_goes() -> None:
    bench = Bench()
    bench.create()
    slot = bench.rig.slot(ROOM)
    bench.service.intake.paused = {slot.number}
    request = _send(bench, "hi")
    assert bench.answers(request) == []
    bench.service.obey(slot, slot.step_down())
    assert bench.answer(request).flags == Status.REDIRECT


def test_a_request_of_a_later_term_waits_for_the_map() -> None:
    bench = Bench()
    bench.create()
    later = bench.rig.slot(ROOM).term + 1
    request = _send(bench, "hi", term=later)
    assert bench.answers(request) == []
    bench.clock.advance(HELD_MS)
    bench.service.look_at_held()
    assert bench.answer(request).flags == Status.REDIRECT


def test_a_read_that_any_copy_may_answer_does_not_wait_for_one_that_is_behind() -> None:
    bench = Bench()
    bench.create()
    slot = bench.rig.slot(ROOM)
    bench.service.obey(slot, slot.step_down())
    body = encode_pack(Query("history.get", Viewer("alice"), b"{}"))
    later = slot.term + 1
    waits = bench.ask(Kind.QUERY, ROOM, body, term=later)
    any_copy = bench.ask(Kind.QUERY_ANY, ROOM, body, term=later)
    assert bench.answers(waits) == []
    assert bench.answer(any_copy).flags == Status.REDIRECT


def test_nothing_waits_in_a_node_that_goes() -> None:
    bench = Bench()
    bench.create()
    bench.service.intake.paused = {bench.rig.engine.target_of(APP, ROOM)}
    held = _send(bench, "hi")
    bench.service.stop_intake()
    assert bench.answer(held).flags == Status.REDIRECT
    assert bench.answer(_send(bench, "ho")).flags == Status.REDIRECT


def test_a_forward_to_a_paused_slot_waits() -> None:
    bench = Bench(registry=test_engine.REGISTRY)
    bench.service.intake.paused = {bench.rig.engine.target_of(APP, "#bob")}
    tally(bench, "n>#bob!n")
    assert bench.rig.slot("#bob").overlay.stream(APP, "#bob").committed.seq == 0
    assert elsewhere(bench) == []
    assert len(bench.service.forwarding)
    bench.service.intake.paused = ()
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


def _send(bench: Bench, text: str, **more: int) -> int:
    return bench.command(ROOM, "message.send", {"channel": ROOM, "text": text}, **more)
