"""Kept orders are what sorting all heads would give, whatever happens in between."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from hubbub.wire.shapes import NewestAsk
from node.orders import Orders

APP = "demo"
KEYS = [f"group:{n}" for n in range(24)]
SLOTS = {key: n % 3 for n, key in enumerate(KEYS)}


class Node:
    """Heads and terms that the test sets, and the orders over them."""

    def __init__(self, keys_max: int = 1_000) -> None:
        self.orders = Orders(keys_max)
        self.ms = dict.fromkeys(KEYS, 0)
        self.terms: dict[int, int | None] = {0: 1, 1: 1, 2: 1}

    def commit(self, key: str, ms: int) -> None:
        self.ms[key] = ms
        self.orders.moved((APP, key))

    def ask(
        self,
        keys: list[str],
        *,
        base: int = 0,
        number: int = 1,
        gone: tuple[str, ...] = (),
        best: int = 100,
        after: tuple[int, str] | None = None,
        roll: str = "r",
    ) -> list[str] | None:
        slots = tuple(SLOTS[key] for key in keys)
        ask = NewestAsk(APP, slots, tuple(keys), best, after, roll, base, number, gone)
        order = self.orders.take(ask, self.terms.get)
        if order is None:
            return None
        return [key for _, key in order.page(best, after, self.places)]

    def places(self, slots: Mapping[str, int]) -> dict[str, int]:
        return {key: -self.ms[key] for key in slots}

    def sorted(self, keys: list[str]) -> list[str]:
        return sorted(keys, key=lambda key: (-self.ms[key], key))


def test_whoever_speaks_comes_first() -> None:
    node = Node()
    assert node.ask(KEYS) == sorted(KEYS)
    node.commit("group:7", 5)
    node.commit("group:3", 9)
    assert (node.ask([], base=1, best=3) or [])[:2] == ["group:3", "group:7"]
    assert node.ask([], base=1, best=2, after=(-9, "group:3")) == ["group:7", "group:0"]


def test_a_number_that_is_not_known_wants_the_whole() -> None:
    node = Node()
    assert node.ask([], base=1) is None
    node.ask(KEYS[:4])
    assert node.ask([KEYS[5]], base=1, number=2, gone=(KEYS[0],)) == sorted([*KEYS[1:4], KEYS[5]])
    again = node.ask([KEYS[5]], base=1, number=2, gone=(KEYS[0],))
    assert again == sorted([*KEYS[1:4], KEYS[5]]), "a question that is asked twice"
    assert node.ask([KEYS[6]], base=3, number=4) is None
    assert node.ask([], base=2, number=2) is None, "what was doubtful is not kept"
    assert len(node.orders) == 0


def test_a_slot_that_changed_hands_ends_the_order() -> None:
    node = Node()
    node.ask(KEYS)
    node.terms[1] = 2
    assert node.ask([], base=1) is None
    assert node.ask(KEYS) == sorted(KEYS)
    node.terms[1] = None
    assert node.ask([], base=1) is None
    assert len(node.orders) == 0
    node.commit(KEYS[0], 1)  # nobody holds it


def test_what_was_asked_for_longest_ago_makes_room() -> None:
    node = Node(keys_max=10)
    node.ask(KEYS[:5], roll="a")
    node.ask(KEYS[:5], roll="b")
    node.ask([], base=1, roll="a")
    node.ask(KEYS[5:9], roll="c")
    assert node.ask([], base=1, roll="b") is None
    assert node.ask([], base=1, roll="a") == sorted(KEYS[:5])
    assert (node.orders.dropped, len(node.orders)) == (1, 9)
    assert node.ask(KEYS[:20], roll="d") == sorted(KEYS[:20]), "one alone may be larger"
    assert len(node.orders) == 20


key = st.sampled_from(KEYS)
step = st.one_of(
    st.tuples(st.just("commit"), key, st.integers(0, 40)),
    st.tuples(st.just("change"), st.lists(key, max_size=4), st.lists(key, max_size=4)),
    st.tuples(st.just("page"), st.integers(1, 9), st.integers(-1, 23)),
)


@settings(max_examples=150)
@given(st.lists(key, unique=True, min_size=1), st.lists(step, max_size=40))
def test_a_page_is_what_sorting_would_give(
    first: list[str], steps: list[tuple[object, ...]]
) -> None:
    node, inside, number = Node(), dict.fromkeys(first), 1
    assert node.ask(list(first)) == node.sorted(first)
    for kind, one, other in steps:
        if kind == "commit":
            assert isinstance(one, str)
            assert isinstance(other, int)
            node.commit(one, other)
        elif kind == "change":
            assert isinstance(one, list)
            assert isinstance(other, list)
            gone = [k for k in dict.fromkeys(one) if k in inside]
            new = [k for k in dict.fromkeys(other) if k not in inside]
            inside = {k: None for k in inside if k not in gone} | dict.fromkeys(new)
            answer = node.ask(new, base=number, number=number + 1, gone=tuple(gone))
            number += 1
            assert answer == node.sorted(list(inside))
        else:
            assert isinstance(one, int)
            assert isinstance(other, int)
            after = (-node.ms[KEYS[other]], KEYS[other]) if other >= 0 else None
            behind = [
                k for k in node.sorted(list(inside)) if after is None or (-node.ms[k], k) > after
            ]
            assert node.ask([], base=number, number=number, best=one, after=after) == behind[:one]
