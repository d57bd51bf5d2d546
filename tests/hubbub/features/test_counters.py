"""Bounded counters: the n-th gets the n-th place, and nobody more."""

from __future__ import annotations

import pytest

from hubbub.base.errors import (
    BAD_REQUEST,
    COUNTER_BOUND,
    NOT_FOUND,
    PERMISSION_DENIED,
    TOO_MANY,
    Rejected,
)
from hubbub.features.capabilities import (
    SetMemberCapabilities,
)
from hubbub.features.counters import (
    COUNTERS_MAX,
    VALUE_MAX,
    CountersRequest,
    DeleteCounter,
    IncrementCounter,
    SetCounter,
)
from tests.support.playbook import Playbook

X = "group:x"


def group() -> Playbook:
    book = Playbook(X, owner="ann", members=["bob", "cid"])
    book.do("ann", SetCounter(channel=X, name="seats", max=3))
    return book


def add(amount: int = 1, **bounds: int) -> IncrementCounter:
    return IncrementCounter(channel=X, name="seats", amount=amount, **bounds)


def test_who_comes_first_gets_a_seat() -> None:
    book = group()
    for n, user in enumerate(("bob", "cid", "bob"), 1):
        book.do(user, add())
        assert book.reply == {"value": n, "order": n}
    late = book.refusal("cid", add())
    assert (late.error, late.details) == (COUNTER_BOUND, {"value": 3, "min": 0, "max": 3})
    book.do("bob", add(-1))
    assert book.reply == {"value": 2, "order": 4}
    book.do("cid", add())
    shown = book.query("bob", "counter.get", CountersRequest(X))["counters"]
    assert shown == {"seats": {"value": 3, "min": 0, "max": 3, "order": 5}}
    book.assert_replay_equal()


def test_a_move_may_be_bounded_more_narrowly() -> None:
    book = group()
    assert book.refused("bob", add(2, max=1)) is COUNTER_BOUND
    book.do("bob", add(1, max=1))
    assert book.refused("bob", add(1, max=1)) is COUNTER_BOUND
    assert book.refused("bob", add(-1, min=1)) is COUNTER_BOUND
    assert book.refused("bob", add(-2)) is COUNTER_BOUND


def test_bounds_change_while_seats_are_taken() -> None:
    book = group()
    for user in ("bob", "cid"):
        book.do(user, add())
    [event] = book.do("ann", SetCounter(channel=X, name="seats", max=2))
    assert (event.value, event.min, event.max, event.order) == (2, 0, 2, 2)
    assert book.do("ann", SetCounter(channel=X, name="seats", max=2)) == []
    refusal = book.refusal("ann", SetCounter(channel=X, name="seats", max=1))
    assert (refusal.error, refusal.details["value"]) == (COUNTER_BOUND, 2)
    book.do("ann", SetCounter(channel=X, name="seats", max=5))
    book.do("bob", add())
    assert book.reply == {"value": 3, "order": 3}
    book.do("ann", SetCounter(channel=X, name="seats", value=0))
    book.do("bob", add())
    assert book.reply == {"value": 1, "order": 1}, "set anew, counted anew"
    assert book.refused("ann", SetCounter(channel=X, name="new", value=-1)) is COUNTER_BOUND
    book.assert_replay_equal()


def test_the_staff_define_and_remove() -> None:
    book = group()
    assert book.refused("bob", SetCounter(channel=X, name="own")) is PERMISSION_DENIED
    assert book.refused("bob", IncrementCounter(channel=X, name="own")) is NOT_FOUND
    book.do("bob", add())
    book.do("ann", SetCounter(channel=X, name="seats", value=2, max=2))
    assert book.refused("bob", add()) is COUNTER_BOUND
    book.do("ann", DeleteCounter(channel=X, name="seats"))
    assert book.do("ann", DeleteCounter(channel=X, name="seats")) == []
    assert book.refused("bob", add()) is NOT_FOUND
    with pytest.raises(Rejected):
        book.query("bob", "counter.get", CountersRequest(X, "seats"))
    for n in range(COUNTERS_MAX):
        book.do("ann", SetCounter(channel=X, name=f"c{n}"))
    assert book.refused("ann", SetCounter(channel=X, name="more")) is TOO_MANY
    book.do("ann", SetCounter(channel=X, name="c0", min=-2))
    book.do("bob", IncrementCounter(channel=X, name="c0", amount=-2))
    assert book.refused("bob", DeleteCounter(channel=X, name="c0")) is PERMISSION_DENIED
    book.do("ann", SetMemberCapabilities(channel=X, user="bob", deny=("count",)))
    assert book.refused("bob", IncrementCounter(channel=X, name="c0")) is PERMISSION_DENIED
    book.assert_replay_equal()


@pytest.mark.parametrize(
    "wrong",
    [
        SetCounter(channel=X, name="a", value=2, max=1),
        SetCounter(channel=X, name="a b"),
        SetCounter(channel=X, name="a", max=VALUE_MAX + 1),
        IncrementCounter(channel=X, name="a", amount=0),
        IncrementCounter(channel=X, name="a b"),
        IncrementCounter(channel=X, name="a", amount=VALUE_MAX + 1),
        DeleteCounter(channel=X, name="a b"),
    ],
)
def test_what_is_no_counter(wrong: SetCounter) -> None:
    assert group().refused("ann", wrong) is BAD_REQUEST
