"""What `ring check` adds up to."""

from __future__ import annotations

from typing import Any

import pytest

from hubbub.ring.report import MapStatistics
from ops.agreement import Agreement
from ops.answer import Exit
from ops.copies import NodeCopies, ShortSlots, added_up
from ops.health import Health, ProcessHealth
from ops.ring_points import Point, data, exit_code, lines, points
from ops.shares import Share, Shares

TOLD = MapStatistics(7, "ab" * 8, 16, 16, 3)
SHARES = Shares("main", 16, 3, 7, "ab" * 8, [Share("node-1", "ready", "", 16, 16)])


def process(name: str, state: Any = "ready") -> ProcessHealth:
    return ProcessHealth(name.split("-")[0], name, state, 1, "")


def health(*processes: ProcessHealth, **more: Any) -> Health:
    values: dict[str, Any] = {
        "app": "main",
        "processes": processes or (process("node-1"), process("router-1")),
        "slots": 16,
        "slots_led": 16,
        "copies": 3,
        "map_revision": 7,
        "supervisor_runs": True,
        "replication": added_up(3, {"node-1": NodeCopies(led=16)}),
    }
    return Health(**{**values, **more})


def agreement(**more: Any) -> Agreement:
    values: dict[str, Any] = {"told": {"node-1": TOLD, "router-1": TOLD}, **more}
    return Agreement("coordinator", TOLD, **values)


def judged(found: Health, agreed: Agreement) -> tuple[dict[str, str], Exit]:
    shown = points(found, agreed, SHARES)
    assert max(map(len, lines(found, agreed, shown))) <= 80
    assert [p["name"] for p in data(found, agreed, shown)["points"]] == [  # type: ignore[attr-defined]
        point.name for point in shown
    ]
    return {point.name: point.mark for point in shown}, exit_code(shown, found, agreed)


def test_all_is_well() -> None:
    marks, code = judged(health(), agreement())
    assert marks == {"coverage": "ok", "copies": "ok", "agreement": "ok", "balance": "--"}
    assert code == Exit.DONE


SHORT = added_up(3, {"node-1": NodeCopies(led=16, short={2: 1})}, short=[ShortSlots({2: [4]})])
FAILED = added_up(3, {"node-1": NodeCopies(led=16, failed=1)})


@pytest.mark.parametrize(
    ("found", "agreed", "name", "mark", "code"),
    [
        (health(slots_led=15, unserved=[3]), agreement(), "coverage", "FAIL", Exit.UNHEALTHY),
        (health(replication=SHORT), agreement(), "copies", "WARN", Exit.UNHEALTHY),
        (health(replication=FAILED), agreement(), "copies", "WARN", Exit.UNHEALTHY),
        (
            health(),
            agreement(stories={"router-1": "is behind " * 20}),
            "agreement",
            "FAIL",
            Exit.UNHEALTHY,
        ),
        (health(coordinator_error="away"), agreement(), "agreement", "WARN", Exit.UNHEALTHY),
        (health(), agreement(told={}), "agreement", "FAIL", Exit.UNHEALTHY),
        (
            health(process("node-1"), process("router-1", "silent")),
            agreement(told={"node-1": TOLD}),
            "agreement",
            "--",
            Exit.PARTIAL,
        ),
        (
            health(),
            agreement(told={"node-1": TOLD}, untold=["router-1"]),
            "agreement",
            "--",
            Exit.PARTIAL,
        ),
    ],
)
def test_each_thing_that_may_be_wrong(
    found: Health, agreed: Agreement, name: str, mark: str, code: Exit
) -> None:
    marks, exited = judged(found, agreed)
    assert (marks[name], exited) == (mark, code)


def test_nobody_answers() -> None:
    silent = health(process("node-1", "silent"), process("router-1", "down"), slots_led=0)
    assert judged(silent, agreement(told={}))[1] == Exit.UNREACHABLE


def test_words_of_a_process() -> None:
    old = MapStatistics(6, "cd" * 8, 16, 16, 3)
    agreed = agreement(told={"node-1": old, "router-1": TOLD}, stories={"node-1": "is behind"})
    found = health(process("node-1"), process("router-1"), process("edge-1", "silent"))
    words = [one["map"] for one in data(found, agreed, [])["processes"]]  # type: ignore[attr-defined]
    assert words == ["behind", "agrees", "no answer"]


def test_a_point_is_one_line() -> None:
    assert Point("ok", "coverage", "all").line() == "[ok]   coverage   all"
    assert Point("WARN", "copies", "few").line() == "[WARN] copies     few"


def test_without_the_coordinator_there_is_no_balance() -> None:
    assert [point.name for point in points(health(), agreement(), None)][-1] == "agreement"
