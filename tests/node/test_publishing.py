"""What is published, to whom, and what is told of figures that changed."""

from __future__ import annotations

from typing import Any

from hubbub.wire.codec import decode_json, decode_pack
from hubbub.wire.shapes import Kind, Outcome
from tests.node.bench import ROOM, Bench
from tests.node.rig import APP


def told_by(bench: Bench) -> list[dict[str, Any]]:
    return [decode_json(m.body, dict[str, Any]) for m in bench.out if m.type == Kind.SIGNAL]


def test_figures_that_changed_are_told_once_at_the_tick() -> None:
    bench = Bench()
    bench.create()
    bench.want(ROOM)
    request = bench.command(ROOM, "message.send", {"channel": ROOM, "text": "root"})
    bench.settle()
    root = decode_pack(bench.answer(request).body, Outcome).id
    for _ in range(3):
        reply = {"channel": ROOM, "text": "re", "thread": root}
        bench.command(ROOM, "message.send", reply)
    bench.service.tick(())
    assert told_by(bench) == [], "nothing that is not committed"
    bench.settle()
    bench.service.tick(())
    (told,) = told_by(bench)
    assert (told["t"], told["id"], told["replies"]) == ("thread.updated", root, 3)
    bench.service.tick(())
    assert len(told_by(bench)) == 1


def test_a_pulse_that_breaks_silences_nobody_else() -> None:
    bench = Bench()
    bench.create()
    bench.want(ROOM)
    request = bench.command(ROOM, "message.send", {"channel": ROOM, "text": "root"})
    bench.settle()
    root = decode_pack(bench.answer(request).body, Outcome).id
    bench.command(ROOM, "message.send", {"channel": ROOM, "text": "re", "thread": root})
    bench.settle()
    bench.service.publishing.pulses.note((APP, ROOM), [("nobody", 1), ("threads", 2)])
    bench.service.tick(())
    assert [told["t"] for told in told_by(bench)] == ["thread.updated"]


def test_nobody_who_did_not_ask_gets_an_event() -> None:
    bench = Bench()
    bench.create()
    bench.command(ROOM, "message.send", {"channel": ROOM, "text": "hi"})
    bench.settle()
    assert [m for m in bench.out if m.type == Kind.EVENT] == []


def test_what_the_link_drops_is_counted() -> None:
    bench = Bench()
    bench.create()
    bench.want(ROOM)
    bench.is_open = False
    bench.command(ROOM, "message.send", {"channel": ROOM, "text": "hi"})
    bench.settle()
    assert bench.service.intake.counts.dropped_total == 1
