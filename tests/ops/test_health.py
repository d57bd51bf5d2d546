"""What the answers of a cluster add up to."""

from __future__ import annotations

from typing import Any

import pytest

from ops.copies import NodeCopies, Replication, ShortSlots, added_up
from ops.health import Health, ProcessHealth, State, age, state_of, what_now


def process(name: str, state: State = "ready", **more: Any) -> ProcessHealth:
    url = f"http://127.0.0.1:{10_000 + len(name)}"
    return ProcessHealth(name.split("-")[0], name, state, 4242, url, **more)


def cluster(*processes: ProcessHealth, **more: Any) -> Health:
    values: dict[str, Any] = {
        "app": "main",
        "processes": processes,
        "slots": 1024,
        "slots_led": 1024,
        "copies": 1,
        "map_revision": 7,
        "supervisor_runs": True,
    }
    return Health(**{**values, **more})


WHOLE = (process("node-1"), process("router-1"), process("edge-1"))


def test_healthy_only_when_everything_is() -> None:
    assert cluster(*WHOLE).verdict == "HEALTHY"
    assert cluster(*WHOLE, process("edge-2", "silent")).verdict == "DEGRADED"
    assert cluster(*WHOLE, slots_led=1023).verdict == "DEGRADED"
    assert cluster(*WHOLE, supervisor_runs=False).verdict == "DEGRADED"
    assert cluster(*WHOLE, coordinator_error="away").verdict == "DEGRADED"


@pytest.mark.parametrize(
    "told",
    [
        NodeCopies(led=1024, short={2: 1}),
        NodeCopies(led=1024, failed=1),
        NodeCopies(led=1024, recovering=1),
        NodeCopies(led=1024, unheard=("node-1",)),
    ],
)
def test_degraded_when_a_copy_is_missing_although_all_is_served(told: NodeCopies) -> None:
    whole = added_up(3, {"node-1": NodeCopies(led=1024)}, {"node-1"})
    assert cluster(*WHOLE, replication=whole).verdict == "HEALTHY"
    sick = added_up(3, {"node-1": told}, {"node-1"})
    assert cluster(*WHOLE, replication=sick).verdict == "DEGRADED"


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_down_when_a_role_serves_nowhere(missing: int) -> None:
    down = [process(p.name, "down") if i == missing else p for i, p in enumerate(WHOLE)]
    assert cluster(*down).verdict == "DOWN"
    assert cluster(*down).unreachable == [WHOLE[missing].name]


def test_down_when_no_slot_is_served() -> None:
    assert cluster(*WHOLE, slots_led=0).verdict == "DOWN"


@pytest.mark.parametrize(
    ("runs", "status", "answer", "state", "reasons"),
    [
        (True, 200, {"ready": True}, "ready", []),
        (True, 503, {"reasons": ["no_router"]}, "starting", ["no_router"]),
        (True, 503, "not json", "starting", ["not ready"]),
        (True, None, None, "silent", ["no answer"]),
        (False, None, None, "down", []),
    ],
)
def test_states(
    runs: bool, status: int | None, answer: object, state: str, reasons: list[str]
) -> None:
    assert state_of(runs=runs, answer=answer, status=status) == (state, reasons)


def test_each_wrong_thing_gets_a_sentence() -> None:
    sick = cluster(
        process("node-1", "starting", reasons=["opening"]),
        process("router-1", "silent"),
        process("edge-1", "down"),
        supervisor_runs=False,
    )
    text = "\n".join(what_now(sick))
    for words in ("no supervisor", "node-1 says: opening", "router-1 (pid 4242)", "edge-1 is down"):
        assert words in text
    assert what_now(cluster(*WHOLE)) == []


def test_how_it_ended_and_whether_it_comes_back() -> None:
    ended = process("node-2", "down", last_end="killed by SIGKILL 42s ago")
    (line,) = what_now(cluster(*WHOLE, ended))
    assert "node-2 is down, killed by SIGKILL 42s ago; the supervisor starts it again" in line
    refusing = process("node-2", "down", last_end="exit code 5 3s ago", is_refusing=True)
    (line,) = what_now(cluster(*WHOLE, refusing))
    assert "it refuses to run, and run/logs/node-2.log says why" in line


def test_who_is_not_heard_by_whom() -> None:
    silent = process("node-2", "silent", suspected_by=("node-1", "node-3"))
    (line,) = what_now(cluster(*WHOLE, silent))
    assert "does not answer (not heard by node-1, node-3)" in line
    cut = process("node-2", suspected_by=("node-1",))
    (line,) = what_now(cluster(*WHOLE, cut))
    assert "node-2 is not heard by node-1: their link is cut" in line


def replication(**more: Any) -> Replication:
    told = NodeCopies(led=1024, **more)
    short = [ShortSlots({n: list(range(slots)) for n, slots in told.short.items()})]
    return added_up(3, {"node-1": told}, short=short)


def test_which_slots_lack_copies_and_what_becomes_of_them() -> None:
    (line,) = what_now(cluster(*WHOLE, replication=replication(short={2: 3})))
    assert "3 slots have 2 of 3 copies (0-2): served, and stored by a majority" in line
    (line,) = what_now(cluster(*WHOLE, slots_led=1020, unserved=[1, 2, 3, 9]))
    assert "4 of 1024 slots are not served (1-3,9): they wait for a majority" in line


def test_copies_that_have_no_vote_are_told_with_their_node() -> None:
    told = NodeCopies(failed=2, failures={7: "the disk is gone"}, recovering=3)
    lines = what_now(cluster(process("node-1", copies=told), *WHOLE[1:]))
    assert "node-1 gave up 2 slots, as slot 7: the disk is gone" in lines[0]
    assert "node-1 recovers 3 slots" in lines[1]


def test_ages() -> None:
    assert [age(s) for s in (None, 0.9, 59, 65, 11_520)] == ["-", "0s", "59s", "1m05s", "3h12m"]


def test_json_leaves_out_what_is_not_known() -> None:
    row = cluster(process("edge-1", "down")).data()["edges"]
    assert row == [
        {"name": "edge-1", "state": "down", "pid": 4242, "url": "http://127.0.0.1:10006"}
    ]


def test_json_gains_fields_and_keeps_those_it_had() -> None:
    told = NodeCopies(held=1024, led=341, short={2: 1}, follower_lag_max=7)
    data = cluster(process("node-1", slots_led=341, copies=told), *WHOLE[1:]).data()
    before = {"state", "map_revision", "slots", "slots_led", "copies", "supervisor_runs", "nodes"}
    assert before <= data.keys()
    (node,) = data["nodes"]  # type: ignore[misc]
    assert (node["slots_led"], node["slots_held"], node["lag_entries_max"]) == (341, 1024, 7)
    assert "failures" not in node
