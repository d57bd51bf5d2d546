"""Whose word counts: terms only grow, and at the same term the map is right."""

from __future__ import annotations

from router.leaders import Leaders, Moved


def test_a_higher_term_wins_whoever_says_so() -> None:
    leaders = Leaders(4)
    assert leaders.from_map(1, 1, "a") == Moved(1, "", "a")
    assert leaders.from_node(1, 3, "b") == Moved(1, "a", "b")
    assert leaders.from_map(1, 2, "c") is None
    assert leaders.from_node(1, 3, "c") is None
    assert leaders.from_node(1, 9, "") is None
    assert (leaders.name(1), leaders.term(1)) == ("b", 3)


def test_at_the_same_term_the_map_is_right() -> None:
    leaders = Leaders(4)
    leaders.from_node(0, 3, "b")
    assert leaders.from_map(0, 3, "c") == Moved(0, "b", "c")
    assert leaders.from_map(0, 3, "c") is None


def test_a_new_term_of_the_same_node_is_a_move() -> None:
    leaders = Leaders(4)
    leaders.from_map(0, 1, "a")
    assert leaders.from_map(0, 2, "a") == Moved(0, "a", "a")


def test_names_and_slots() -> None:
    leaders = Leaders(4)
    for slot, name in enumerate(("a", "b", "a", "")):
        leaders.from_map(slot, 1, name)
    assert leaders.names() == {"a", "b"}
    assert leaders.led_by("a") == [0, 2]
    assert leaders.slots == 4
