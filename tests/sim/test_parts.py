"""The simulator's own parts: each must be able to harm, and each check to find."""

from __future__ import annotations

from dataclasses import fields
from random import Random

import pytest

from node.replica import Persist, Replica
from node.store.api import Family, Op
from tests.sim.clients import Message
from tests.sim.disk import Disk
from tests.sim.faults import Harm
from tests.sim.history import check_history
from tests.sim.machine import NO_STREAM, Line
from tests.sim.network import HELD_MAX, Network
from tests.sim.planting import Edit, planted
from tests.sim.profiles import PROFILES, Plan, draw, parse
from tests.sim.run import run_plan
from tests.sim.shrink import shrink
from tests.sim.world import EVENTS_MAX, Violation, World


def test_equal_times_keep_their_order() -> None:
    world, seen = World(0), list[int]()
    for n in range(5):
        world.after(3.0, seen.append, n)
    world.after(1.0, seen.append, 9)
    world.run(2.0)
    assert (seen, world.now) == ([9], 2.0)
    world.run(10.0)
    assert seen == [9, 0, 1, 2, 3, 4]


def test_an_endless_loop_is_found() -> None:
    world = World(0)

    def again() -> None:
        world.after(0.0, again)

    again()
    with pytest.raises(Violation, match=f"{EVENTS_MAX} events"):
        world.run(1.0)


# --- plans


@pytest.mark.parametrize("profile", PROFILES)
def test_a_plan_is_its_text(profile: str) -> None:
    for seed in range(20):
        plan = draw(seed, profile)
        assert parse(plan.text()) == plan
        assert draw(seed, profile) == plan


def test_swarm_draws_everything_somewhere_and_nothing_everywhere() -> None:
    plans = [draw(seed, "swarm") for seed in range(200)]
    kinds = [{fault.kind for fault in plan.faults} for plan in plans]
    assert set().union(*kinds) == PROFILES["swarm"].faults.keys()
    assert all(any(kind not in drawn for drawn in kinds) for kind in PROFILES["swarm"].faults)
    for name in (f.name for f in fields(Plan) if f.type == "float"):
        assert len({getattr(plan, name) for plan in plans}) > 1, name


def test_every_fault_that_is_drawn_can_be_done() -> None:
    kinds = {kind for profile in PROFILES.values() for kind in profile.faults}
    assert {kind for kind in kinds if not callable(getattr(Harm, f"_{kind}", None))} == set()


def test_a_failing_plan_is_made_small() -> None:
    """No promise is ever stored: little harm is needed to see that."""
    edit = Edit(Replica._say_promised, "self._mail_after(", "(lambda mail: None)(")
    plan = draw(3, "terms")
    with planted([edit]):
        assert run_plan(plan).rule
        small = shrink(plan, runs_max=60)
        assert run_plan(small).rule
    assert len(small.faults) < len(plan.faults) // 4
    assert not run_plan(small).rule
    with pytest.raises(ValueError, match="breaks nothing"):
        shrink(small)


# --- disks


def batches(count: int) -> list[Persist]:
    ops: list[list[Op]] = [[(Family.LOG, bytes([n]), b"x")] for n in range(count)]
    return [Persist(n + 1, one, 1) for n, one in enumerate(ops)]


def disk(world: World, seed: int = 0) -> tuple[Disk, list[int], list[str]]:
    made = Disk(world, Random(seed), sync_ms=2.0, sync_tail=0.0)
    tokens, failures = list[int](), list[str]()
    made.attach(tokens.append, lambda: failures.append("failed"))
    return made, tokens, failures


def rows(made: Disk) -> int:
    return len(made.store.iterate(Family.LOG, b"", b"\xff", limit=99))


def test_what_waits_is_synced_together() -> None:
    world = World(0)
    made, tokens, _ = disk(world)
    for batch in batches(4):
        made.submit([batch])
    assert (tokens, rows(made), made.is_idle) == ([], 0, False)
    world.run(100.0)
    assert (tokens, rows(made), made.is_idle) == ([1, 4], 4, True)


def test_a_crash_keeps_any_prefix_and_says_nothing() -> None:
    kept = set()
    for seed in range(50):
        world = World(0)
        made, tokens, _ = disk(world, seed)
        made.submit(batches(3))
        made.crash()
        world.run(100.0)
        assert tokens == []
        kept.add(rows(made))
        assert made.store.iterate(Family.LOG, b"", b"\xff", limit=99) == [
            (bytes([n]), b"x") for n in range(rows(made))
        ]
    assert kept == {0, 1, 2, 3}


def test_a_failed_sync_says_nothing_but_that() -> None:
    world = World(0)
    made, tokens, failures = disk(world)
    made.fails_next = True
    made.submit(batches(1))
    world.run(100.0)
    assert (tokens, failures, rows(made)) == ([], ["failed"], 0)


def test_a_lying_disk_loses_what_it_said_and_nothing_in_between() -> None:
    kept = set()
    for seed in range(60):
        world = World(0)
        made, tokens, _ = disk(world, seed)
        made.submit(batches(1))
        world.run(100.0)
        made.lie()
        made.submit(batches(3)[1:])
        world.run(200.0)
        assert tokens == [1, 3]
        made.submit([Persist(4, [(Family.LOG, b"\x09", b"x")], 1)])
        made.crash()
        left = [key[0] for key, _ in made.store.iterate(Family.LOG, b"", b"\xff", limit=99)]
        assert left == [0, 1, 2, 9][: len(left)]
        kept.add(len(left))
    assert kept == {1, 2, 3, 4}


# --- links


def network(**rates: float) -> tuple[World, Network, list[int]]:
    world, seen = World(1), list[int]()
    made = Network(world, Random(1))
    for name, rate in rates.items():
        setattr(made, name, rate)
    return world, made, seen


def test_messages_are_lost_doubled_and_overtaken() -> None:
    world, made, seen = network(loss=0.2, duplicates=0.2, tail=0.05)
    for n in range(1_000):
        made.carry(0, 1, seen.append, n)
    world.run(5_000.0)
    assert 700 < len(set(seen)) < 900
    assert len(seen) - len(set(seen)) > 100
    assert seen != sorted(seen)


def test_a_cut_is_one_way_and_what_is_held_comes_later() -> None:
    world, made, seen = network(holds=1.0)
    made.cut(0, 1)
    for n in range(HELD_MAX + 50):
        made.carry(0, 1, seen.append, n)
    made.carry(1, 0, seen.append, -1)
    world.run(1_000.0)
    assert seen == [-1]
    made.mend(0, 1)
    world.run(2_000.0)
    assert len(seen) == HELD_MAX + 1
    made.cut(0, 1)
    made.mend_all()
    made.carry(0, 1, seen.append, -2)
    world.run(3_000.0)
    assert seen[-1] == -2


# --- histories


def message(cmid: int, sent: float, acked: float, seq: int) -> Message:
    made = Message(cmid, 0, sent, is_extra=False)
    made.acked, made.seq = acked, seq
    return made


def good() -> tuple[list[Message], list[Line]]:
    messages = [message(n, 10.0 * n, 10.0 * n + 5, n) for n in (1, 2, 3)]
    log = [Line(1, 1, NO_STREAM, 0, 77), *(Line(1, n + 1, 0, n, n) for n in (1, 2, 3))]
    return messages, log


def test_a_good_history_passes() -> None:
    check_history(*good())


def test_a_message_that_nobody_heard_of_may_be_there_or_not() -> None:
    messages, log = good()
    messages.append(message(4, 40.0, float("inf"), 0))
    check_history(messages, log)
    check_history(messages, [*log, Line(1, 5, 0, 4, 4)])


@pytest.mark.parametrize(
    ("rule", "log"),
    [
        ("lost", [(1, 1), (2, 2)]),
        ("lost", [(1, 2), (2, 1), (3, 3)]),
        ("doubled", [(1, 1), (2, 2), (3, 3), (4, 1)]),
        ("phantom", [(1, 1), (2, 2), (3, 3), (4, 9)]),
        ("gap", [(1, 1), (2, 2), (4, 3)]),
        ("gap", [(2, 1), (3, 2), (4, 3)]),
    ],
)
def test_a_bad_history_is_found(rule: str, log: list[tuple[int, int]]) -> None:
    """Args: log: (seq, cmid)."""
    lines = [Line(1, at, 0, seq, cmid) for at, (seq, cmid) in enumerate(log, 1)]
    with pytest.raises(Violation) as found:
        check_history(good()[0], lines)
    assert found.value.rule in (rule, "order")


def test_an_order_against_real_time_is_found() -> None:
    """The second one was acknowledged before the first one was sent."""
    messages = [message(1, 20.0, 25.0, 1), message(2, 10.0, 15.0, 2)]
    lines = [Line(1, 1, 0, 1, 1), Line(1, 2, 0, 2, 2)]
    with pytest.raises(Violation, match="acknowledged before"):
        check_history(messages, lines)


def test_a_refused_message_that_is_stored_is_found() -> None:
    messages, log = good()
    messages[2].acked, messages[2].is_refused = float("inf"), True
    with pytest.raises(Violation, match="I8"):
        check_history(messages, log)
