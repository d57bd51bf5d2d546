"""From answers to health."""

from __future__ import annotations

import json

from ops.diagnosis import diagnose
from ops.health import Health
from ops.survey import Survey
from tests.ops.canned import SLOTS, Canned


def health_of(canned: Canned) -> Health:
    with Survey(canned.directory, 0.4) as survey:
        return diagnose(survey)


def test_all_is_well(canned: Canned) -> None:
    found = health_of(canned)
    assert (found.verdict, found.slots, found.slots_led, found.copies) == (
        "HEALTHY",
        SLOTS,
        SLOTS,
        3,
    )
    assert found.replication.by_copies == {3: SLOTS}
    assert found.map_digest == canned["router-1"].answers["/statistics"]["map"]["digest"]
    assert [one.connections for one in found.processes if one.role == "edge"] == [3, 3]


def test_a_silent_follower_degrades_and_is_named(canned: Canned) -> None:
    canned["node-3"].silence()
    more = {"under_replicated": SLOTS, "short": {"2": SLOTS}, "unheard": ["node-3"]}
    canned.tell_copies("node-1", more)
    row = {"by_copies": {"2": list(range(SLOTS))}}
    canned["node-1"].answers["/statistics/copies/short"] = row
    found = health_of(canned)
    assert (found.verdict, found.slots_led, found.unreachable) == ("DEGRADED", SLOTS, ["node-3"])
    assert found.replication.suspected == {"node-3": ["node-1"]}
    assert found.replication.short_slots == {2: list(range(SLOTS))}
    node = next(one for one in found.processes if one.name == "node-3")
    assert (node.state, list(node.suspected_by)) == ("silent", ["node-1"])


def test_slots_of_a_silent_leader_are_not_served(canned: Canned) -> None:
    canned.lead("node-3", range(2))
    canned.tell()
    canned["node-3"].silence()
    found = health_of(canned)
    assert (found.verdict, found.slots_led, list(found.unserved)) == ("DEGRADED", 14, [0, 1])
    canned["node-1"].silence()
    assert health_of(canned).verdict == "DOWN"


def test_a_leader_that_does_not_serve_yet_is_not_counted(canned: Canned) -> None:
    """The map names it, and its term has not begun."""
    canned.tell_copies("node-1", {"led": 10, "starting": 6})
    found = health_of(canned)
    assert (found.slots_led, found.verdict) == (10, "DEGRADED")


def test_a_node_that_tells_nothing_is_taken_at_the_maps_word(canned: Canned) -> None:
    canned["node-1"].answers["/statistics"] = {}
    found = health_of(canned)
    assert (found.verdict, found.slots_led) == ("HEALTHY", SLOTS)
    assert found.processes[0].copies is None
    assert found.processes[0].slots_led == SLOTS


def test_without_the_coordinator_the_processes_tell_what_they_know(canned: Canned) -> None:
    canned.directory.coordinator.unlink()
    found = health_of(canned)
    assert (found.verdict, found.slots, found.slots_led, found.copies) == (
        "DEGRADED",
        SLOTS,
        SLOTS,
        3,
    )
    assert found.map_revision > 0
    assert found.coordinator_error


def test_with_nobody(canned: Canned) -> None:
    for process in canned.processes.values():
        process.silence()
    found = health_of(canned)
    assert (found.verdict, found.slots_led, found.slots) == ("DOWN", 0, SLOTS)
    assert len(found.unreachable) == 7


def test_how_a_process_ended_is_told(canned: Canned) -> None:
    at = "2026-01-02T03:04:05.000Z"
    end = {"at": at, "event": "process.ended", "name": "node-2", "exit_code": -9}
    canned.directory.events.write_text(json.dumps(end) + "\n")
    node = next(one for one in health_of(canned).processes if one.name == "node-2")
    assert node.last_end.startswith("killed by SIGKILL ")
    assert node.last_end.endswith(" ago")


def test_an_edge_of_an_older_version_has_no_connections(canned: Canned) -> None:
    canned["edge-1"].answers["/statistics"] = {"clients": 7}
    found = health_of(canned)
    assert [one.connections for one in found.processes if one.role == "edge"] == [None, 3]
