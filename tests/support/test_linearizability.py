"""The search agrees with trying every order, says why, and knows its bound."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations, product
from math import inf
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.linearizability import (
    UNKNOWN,
    Answer,
    Call,
    HighMark,
    Model,
    Register,
    check,
)


def write(began: float, ended: float, value: Any) -> Call:
    return Call("x", began, ended, ("write", value))


def read(began: float, ended: float, value: Any) -> Call:
    return Call("x", began, ended, ("read",), value)


def by_trying(calls: Sequence[Call], model: Model) -> bool:
    """Every order of all answered calls and any of the others."""
    open_calls = [call for call in calls if call.result is UNKNOWN]
    closed = [call for call in calls if call.result is not UNKNOWN]
    for chosen in product([False, True], repeat=len(open_calls)):
        some = closed + [call for call, is_in in zip(open_calls, chosen, strict=True) if is_in]
        if any(_is_right(order, model) for order in permutations(some)):
            return True
    return False


def _is_right(order: Sequence[Call], model: Model) -> bool:
    state = model.initial()
    for n, call in enumerate(order):
        if any(
            later.result is not UNKNOWN and later.ended_at < call.began_at for later in order[n:]
        ):
            return False
        state, result = model.step(state, call.action)
        if call.result is not UNKNOWN and call.result != result:
            return False
    return True


TIMES = st.integers(0, 6)
VALUES = st.integers(0, 2)
REGISTER_CALLS = st.one_of(
    st.tuples(st.tuples(st.just("write"), VALUES), st.just(None)),
    st.tuples(st.just(("read",)), VALUES),
    st.tuples(st.tuples(st.just("swap"), VALUES, VALUES), st.booleans()),
)
MARK_CALLS = st.one_of(
    st.tuples(st.tuples(st.just("raise"), VALUES), VALUES),
    st.tuples(st.just(("read",)), VALUES),
)


@st.composite
def histories(draw: st.DrawFn, of: st.SearchStrategy[Any]) -> list[Call]:
    calls = []
    for _ in range(draw(st.integers(1, 5))):
        action, result = draw(of)
        began, ended = sorted((draw(TIMES), draw(TIMES)))
        is_open = draw(st.integers(0, 4)) == 0
        calls.append(
            Call("x", began, inf, action, UNKNOWN)
            if is_open
            else Call("x", began, ended, action, result)
        )
    return calls


@settings(max_examples=300)
@given(calls=histories(REGISTER_CALLS))
def test_a_register_is_judged_as_by_trying_every_order(calls: list[Call]) -> None:
    assert check(calls, Register(0)).is_clean is by_trying(calls, Register(0))


@settings(max_examples=200)
@given(calls=histories(MARK_CALLS))
def test_a_mark_is_judged_as_by_trying_every_order(calls: list[Call]) -> None:
    assert check(calls, HighMark()).is_clean is by_trying(calls, HighMark())


def run_register(seed: int, clients: int, calls_each: int) -> list[Call]:
    """Overlapping calls to one register that acts at one moment within each."""
    random, register = Random(seed), Register(0)
    plan: list[tuple[float, float, float, tuple[Any, ...]]] = []
    for _ in range(clients):
        at = random.random()
        for n in range(calls_each):
            ended = at + random.expovariate(1)
            action = random.choice([("read",), ("write", n), ("swap", random.randrange(5), n)])
            plan.append((random.uniform(at, ended), at, ended, action))
            at = ended + random.random()
    state, calls = register.initial(), []
    for _, began, ended, action in sorted(plan):
        state, result = register.step(state, action)
        is_known = random.random() > 0.05
        calls.append(
            Call("x", began, ended if is_known else inf, action, result if is_known else UNKNOWN)
        )
    random.shuffle(calls)
    return calls


@pytest.mark.parametrize("seed", range(10))
def test_what_a_register_really_answered_is_linearizable(seed: int) -> None:
    assert check(run_register(seed, clients=4, calls_each=25), Register(0)).is_clean


@pytest.mark.parametrize("seed", range(10))
def test_one_impossible_read_is_found(seed: int) -> None:
    calls = run_register(seed, clients=4, calls_each=10)
    n = next(n for n, call in enumerate(calls) if call.action == ("read",) and call.result != 99)
    calls[n] = calls[n]._replace(result=99, ended_at=calls[n].began_at + 1)
    verdict = check(calls, Register(0))
    assert verdict.answer is Answer.VIOLATED
    assert "x: no order explains its 40 calls" in verdict.story


def test_a_stale_read_is_found_and_an_overlapping_one_is_not() -> None:
    history = [write(0, 1, "old"), write(2, 3, "new")]
    assert check([*history, read(2.5, 4, "old")], Register()).is_clean
    stale = check([*history, read(3.5, 4, "old")], Register())
    assert stale.answer is Answer.VIOLATED
    assert "holds 'new'" in stale.story
    assert "result='old'" in stale.story


def test_a_call_without_an_answer_may_have_happened_later_or_never() -> None:
    lost = Call("x", 0, inf, ("write", "doubtful"), UNKNOWN)
    assert check([lost, read(1, 2, None), read(3, 4, "doubtful")], Register()).is_clean
    assert check([lost, read(1, 2, None), read(3, 4, None)], Register()).is_clean
    wrong = check([lost, read(1, 2, "doubtful"), read(3, 4, None)], Register())
    assert wrong.answer is Answer.VIOLATED


def test_keys_are_registers_of_their_own() -> None:
    """A membership: one register for each user of a channel."""
    ann, bob = ("group:x", "ann"), ("group:x", "bob")
    calls = [
        Call(ann, 0, 1, ("write", True)),
        Call(ann, 2, 3, ("read",), True),
        Call(bob, 2, 3, ("read",), False),
        Call(ann, 4, 5, ("write", False)),
    ]
    assert check(calls, Register(False)).is_clean
    verdict = check([*calls, Call(ann, 6, 7, ("read",), True)], Register(False))
    assert verdict.answer is Answer.VIOLATED
    assert verdict.story.startswith(str(ann))


def test_a_mark_that_falls_is_found() -> None:
    calls = [Call("x", 0, 1, ("raise", 5), 5), Call("x", 2, 3, ("raise", 3), 5)]
    assert check([*calls, Call("x", 4, 5, ("read",), 5)], HighMark()).is_clean
    assert not check([*calls, Call("x", 4, 5, ("read",), 3)], HighMark()).is_clean


def test_past_its_bound_the_search_says_so_and_a_violation_outweighs_it() -> None:
    hard = [Call("hard", 0, 10, ("write", n)) for n in range(12)]
    hard += [Call("hard", 11, 12, ("read",), "never written")]
    verdict = check(hard, Register(), steps_max=1_000)
    assert verdict.answer is Answer.UNDECIDED
    assert "1000 steps" in verdict.story
    stale = [Call("easy", 0, 1, ("read",), "x")]
    assert check([*hard, *stale], Register(), steps_max=1_000).answer is Answer.VIOLATED


def test_a_long_history_of_one_client_needs_no_stack() -> None:
    calls = [write(n, n + 0.5, n) for n in range(5_000)]
    assert check([*calls, read(5_000, 5_001, 4_999)], Register()).is_clean


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="ended before it began"):
        check([write(2, 1, 0)], Register())
    with pytest.raises(ValueError, match="knows no"):
        check([Call("x", 0, 1, ("increment",))], Register())
    with pytest.raises(ValueError, match="knows no"):
        check([Call("x", 0, 1, ("increment",))], HighMark())
