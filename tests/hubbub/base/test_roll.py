"""A roll's changes: whoever knows it as of a number learns exactly what came since, or all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hubbub.base.roll import CHANGES_MAX, Roll

KEYS = st.sampled_from("abcdef")


@given(st.lists(st.tuples(st.booleans(), KEYS), max_size=40), st.integers(0, 40))
def test_changes_make_an_old_copy_a_new_one(steps: list[tuple[bool, str]], at: int) -> None:
    roll = Roll("abc")
    copy, number = set(roll.keys), roll.number
    for n, (is_in, key) in enumerate(steps):
        if n == at:
            copy, number = set(roll.keys), roll.number
        (roll.add if is_in else roll.remove)(key)
    changes = roll.since(number)
    assert changes is not None
    for key, is_in in changes:
        (copy.add if is_in else copy.remove)(key)  # each step is one: nothing is told twice
    assert copy == set(roll.keys)
    assert len(roll) == len(copy)


def test_what_changes_nothing_has_no_number() -> None:
    roll = Roll("ab")
    number = roll.number
    roll.add("a")
    roll.remove("z")
    assert (roll.number, roll.since(number)) == (number, [])


def test_behind_too_many_changes_the_whole_is_needed() -> None:
    roll = Roll([])
    number = roll.number
    for n in range(CHANGES_MAX):
        roll.add(str(n))
    assert len(roll.since(number) or ()) == CHANGES_MAX
    roll.add("one more")
    assert roll.since(number) is None
    assert len(roll.since(number + 1) or ()) == CHANGES_MAX
