"""One slot and its copies, from what the map and the nodes say."""

from __future__ import annotations

from typing import Any

from hubbub.ring.map import Leader, SlotRecord
from ops.location import CopyPlace, Location, copies_of

LEADER = Leader("node-1", 1)


def record(**more: Any) -> SlotRecord:
    values: dict[str, Any] = {"members": ("a", "b"), "prev": ("a", "b"), **more}
    return SlotRecord(term=3, leader=LEADER, activated=True, **values)


def places(*storages: str) -> dict[str, CopyPlace]:
    return {
        storage: CopyPlace(f"node-{storage}", storage, "follower", "ready", "host", "ipc:///x")
        for storage in storages
    }


def row(role: str, last_index: int, **more: Any) -> dict[str, Any]:
    return {"role": role, "term": 3, "applied": 1, "commit": 2, "last_index": last_index, **more}


def test_the_leader_knows_the_lag_of_the_others() -> None:
    told = {"a": row("active", 9, copies={"b": {"lag": 4}}), "b": row("follower", 8)}
    leader, follower = copies_of(record(), places("a", "b"), told)
    assert (leader.role, leader.lag, leader.last_index) == ("leader", 0, 9)
    assert (follower.role, follower.lag) == ("follower", 4)


def test_without_the_leader_the_longest_log_is_compared_with() -> None:
    told = {"a": None, "b": row("follower", 8), "c": row("follower", 5, recall=7)}
    found = copies_of(record(members=("a", "b", "c")), places("a", "b", "c"), told)
    assert [(one.role, one.lag) for one in found] == [
        ("follower", None),
        ("follower", 0),
        ("recovering", 3),
    ]


def test_copies_that_come_and_go_are_told_apart() -> None:
    moving = record(prev=("a", "x"), learners=("c",))
    told = {"c": row("follower", 1), "x": row("follower", 9)}
    found = copies_of(moving, places("a", "b", "c", "x"), told)
    assert [(one.storage, one.role) for one in found] == [
        ("a", "follower"),
        ("b", "follower"),
        ("c", "learner"),
        ("x", "leaving"),
    ]


def test_lines_say_what_is_wrong_and_nothing_else() -> None:
    told = {"a": row("active", 9), "b": row("failed", 8, failure="the disk is gone")}
    copies = copies_of(record(), places("a", "b"), told)
    location = Location("main", "#ann", 5, 1024, 7, 3, "node-1", is_served=False, copies=copies)
    lines = location.lines()
    assert max(map(len, lines)) <= 80
    assert "node-b gave this copy up: the disk is gone" in "\n".join(lines)
    assert "nobody serves it" in lines[-1]
    well = Location("main", "#ann", 5, 1024, 7, 3, "node-1", is_served=True, copies=copies[:1])
    assert "what now" not in "\n".join(well.lines())
    assert well.lines()[-1].startswith("node-a")
    assert location.data()["copies"][1]["failure"] == "the disk is gone"  # type: ignore[index]
