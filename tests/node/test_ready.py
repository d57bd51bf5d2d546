"""The order of a slot's output, as drivers read it."""

from __future__ import annotations

import pytest

from node.ready import NOTHING, Ready, Record


def test_the_fields_stand_in_the_order_in_which_they_are_obeyed() -> None:
    assert Ready._fields == (
        "mails",
        "signals",
        "persist",
        "activate",
        "committed",
        "forwards",
        "dues",
        "results",
    )


def test_nothing_is_nothing_and_cannot_be_filled() -> None:
    assert not any(NOTHING)
    assert Ready() == NOTHING
    with pytest.raises(AttributeError):
        NOTHING.results.append(("request", None))  # type: ignore[attr-defined]


def test_a_record_is_urgent_unless_it_says_otherwise() -> None:
    assert not Record(1, 2, [], b"", 0).lazy
