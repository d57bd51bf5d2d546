"""What falls due, through the service: its time, its answers, its retries."""

from __future__ import annotations

from typing import Any

from hubbub.wire.codec import decode_json
from hubbub.wire.shapes import Kind, Status
from tests.node import alarms
from tests.node.bench import ROOM, Bench
from tests.node.rig import APP, START_MS


def alarm(bench: Bench, name: str, after_ms: int, mode: str = "") -> None:
    body = {"channel": ROOM, "name": name, "at": bench.clock.wall_ms() + after_ms, "mode": mode}
    request = bench.command(ROOM, "alarm.set", body)
    bench.settle()
    assert bench.answer(request).flags == Status.OK


def rung(bench: Bench) -> list[str]:
    tables = bench.rig.slot(ROOM).overlay
    rows = tables.committed(tables.stream(APP, ROOM)).published_range(limit=1_000)
    return [decode_json(row.data, dict[str, Any])["name"] for row in rows]


def test_what_falls_due_is_proposed_at_its_time_and_once() -> None:
    bench = Bench(alarms.REGISTRY)
    woken: list[int] = []
    late: list[float] = []
    bench.service.firing.wake, bench.service.firing.fired = lambda: woken.append(1), late.append
    bench.want(ROOM)
    alarm(bench, "b", 400)
    alarm(bench, "a", 300)
    assert woken
    assert bench.service.firing.fire() == 300
    bench.clock.advance(300)
    bench.service.firing.fire()
    assert rung(bench) == [], "not before it is durable"
    bench.service.firing.fire()
    bench.settle()
    assert rung(bench) == ["a"]
    assert [m.type for m in bench.out if m.type == Kind.EVENT] == [Kind.EVENT]
    bench.clock.advance(150)
    bench.service.firing.fire()
    bench.settle()
    assert rung(bench) == ["a", "b"]
    assert late == [0.0, 0.05]
    counts = bench.service.firing.dues.counts
    assert (counts.set_total, counts.fired_total, counts.gone_total) == (2, 2, 0)
    assert len(bench.service.firing.dues) == 0


def test_what_fails_is_counted_and_tried_again() -> None:
    bench = Bench(alarms.REGISTRY)
    alarm(bench, "bug", 10, "break")
    alarm(bench, "busy", 10, "later")
    alarm(bench, "no", 10, "refuse")
    bench.clock.advance(10)
    bench.service.firing.fire()
    bench.settle()
    assert bench.service.intake.counts.features_failed_total == 1
    assert bench.service.firing.dues.counts.refused_total == 1
    request = bench.command(ROOM, "alarm.mend", {"channel": ROOM})
    bench.settle()
    assert bench.answer(request).flags == Status.OK
    bench.clock.advance(400)
    bench.service.firing.fire()
    bench.settle()
    assert rung(bench) == ["bug"], "the other one named 500 ms"
    bench.clock.advance(100)
    bench.service.firing.fire()
    bench.settle()
    assert rung(bench) == ["bug", "busy"]


def test_a_slot_that_pauses_or_a_node_that_goes_proposes_nothing() -> None:
    bench = Bench(alarms.REGISTRY)
    alarm(bench, "a", 10)
    bench.clock.advance(10)
    bench.service.intake.paused = {bench.rig.slot(ROOM).number}
    bench.service.firing.fire()
    bench.settle()
    assert rung(bench) == []
    bench.service.intake.paused = ()
    bench.service.stop_intake()
    bench.clock.advance(1_000)
    bench.service.firing.fire()
    bench.settle()
    assert rung(bench) == []


def test_a_clock_that_is_set_back_holds_nothing_up() -> None:
    bench = Bench(alarms.REGISTRY)
    alarm(bench, "a", 5_000)
    bench.clock.advance(5_000)
    alarm(bench, "b", 60_000)  # the slot's log time is at a's time now
    bench.clock.set_wall(START_MS)
    bench.clock.advance(1_000)
    bench.service.firing.fire()
    bench.settle()
    assert rung(bench) == ["a"]


def test_a_clock_that_is_set_back_long_after_the_term_began_is_noticed_and_kept_in_mind() -> None:
    bench = Bench(alarms.REGISTRY)
    now_ms = bench.clock.wall_ms()
    alarm(bench, "a", 5_000)
    alarm(bench, "b", 9_000)
    for _ in range(4):
        bench.clock.advance(1_000)
        bench.service.firing.fire()  # nothing is ahead: the slot is not looked at any more
    alarm(bench, "c", 60_000)
    bench.clock.advance(1_500)
    alarm(bench, "d", 60_000)  # the slot's log time is behind a's time now
    bench.clock.set_wall(now_ms - 60_000)
    bench.clock.advance(1_000)
    bench.service.firing.fire()
    bench.settle()
    assert rung(bench) == ["a"]
    bench.clock.advance(1_000)
    bench.service.firing.fire()
    bench.settle()
    assert rung(bench) == ["a"], "b is due by log time in 3.5 s, and log time stands still"
    bench.clock.advance(70_000)
    bench.service.firing.fire()
    bench.settle()
    assert rung(bench) == ["a", "b"]
