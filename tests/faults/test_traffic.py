"""The checker of the kill tests finds what it is there for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.traffic import CREATED, Findings, compare

SENT = {
    "ann": [("a1", {"seq": 2}), ("a2", {"seq": 4})],
    "bob": [("b1", {"seq": 3})],
}


def log(*rows: tuple[int, str]) -> list[dict[str, Any]]:
    """A log that begins with the channel's own event."""
    created = [{"t": CREATED, "cmid": cmid, "seq": seq} for seq, cmid in rows]
    return [{"t": "channel.created", "seq": 1}, *created]


CASES = {
    "whole": (log((2, "a1"), (3, "b1"), (4, "a2")), Findings()),
    "lost": (log((2, "a1"), (3, "b1")), Findings(lost=1)),
    "at-another-seq": (log((2, "a1"), (3, "a2"), (4, "b1")), Findings(lost=2)),
    "doubled": (log((2, "a1"), (3, "b1"), (4, "a2"), (5, "a2")), Findings(lost=1, doubled=1)),
    "gap": (log((2, "a1"), (4, "a2"), (5, "b1")), Findings(lost=1, gaps=1)),
    "disorder": (log((2, "a2"), (3, "b1"), (4, "a1")), Findings(lost=2, reordered=1)),
    "unsent": (log((2, "a1"), (3, "b1"), (4, "a2"), (5, "x")), Findings(unsent=1)),
}


@pytest.mark.parametrize("name", list(CASES))
def test_each_fault_is_counted(name: str) -> None:
    events, expected = CASES[name]
    found = Findings()
    compare("group:x", SENT, events, found)
    assert (found.lost, found.doubled, found.reordered, found.gaps, found.unsent) == (
        expected.lost,
        expected.doubled,
        expected.reordered,
        expected.gaps,
        expected.unsent,
    )
    assert found.is_clean is (name == "whole")
    assert found.acknowledged == 3
