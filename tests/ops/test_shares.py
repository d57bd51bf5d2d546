"""Who leads and holds how much."""

from __future__ import annotations

import pytest

from hubbub.ring.map import Leader, SlotMap, next_leader, placed
from ops.shares import Share, Shares, against, shares_of


def shares(*nodes: Share) -> Shares:
    return Shares("main", 1024, 3, 9, "ab" * 8, nodes)


def test_slots_are_counted_by_the_map() -> None:
    slot_map = SlotMap(4)
    for slot in range(3):
        record = placed(("a", "b"))
        slot_map.apply(slot, next_leader(record, Leader("node-1", 1)) if slot else record, slot + 1)
    names = {"a": "node-1", "b": "disk b"}
    assert shares_of(slot_map, ["node-1", "node-2"], names.__getitem__) == {
        "node-1": (2, 3),
        "node-2": (0, 0),
        "disk b": (0, 3),
    }


def test_lines_fit_80_columns_and_data_has_the_means() -> None:
    found = shares(
        Share("node-1", "ready", "eu-west-1a.rack-12", 1024, 1024),
        Share("node-2", "silent", "", 0, 1024),
    )
    lines = found.lines()
    assert max(map(len, lines)) <= 80
    assert "+100%" in lines[3]
    assert "-100%" in lines[4]
    data = found.data()
    assert (data["leads_mean"], data["holds_mean"]) == (512, 1024)


def test_of_no_node() -> None:
    assert shares().lines()
    assert shares().data()["holds_mean"] == 0


@pytest.mark.parametrize(
    ("count", "mean", "text"), [(341, 341.3, "+0%"), (0, 10, "-100%"), (15, 10, "+50%"), (1, 0, "")]
)
def test_against_the_mean(count: int, mean: float, text: str) -> None:
    assert against(count, mean) == text
