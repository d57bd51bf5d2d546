"""What errands keep: by app, bounded, the longest unused goes first."""

from __future__ import annotations

from edge.memory import Memory


def test_a_value_belongs_to_its_app() -> None:
    memory = Memory()
    memory.keep("demo", "k", [1], 1)
    assert memory.recall("demo", "k") == [1]
    assert memory.recall("other", "k") is None
    memory.keep("demo", "k", None, 9)
    assert memory.recall("demo", "k") is None
    assert (memory.weight, len(memory)) == (0, 0)


def test_the_longest_unused_makes_room() -> None:
    memory = Memory(weight_max=10)
    memory.keep("demo", "a", "a", 4)
    memory.keep("demo", "b", "b", 4)
    memory.recall("demo", "a")
    memory.keep("demo", "c", "c", 4)
    assert [memory.recall("demo", key) for key in "abc"] == ["a", None, "c"]
    memory.keep("demo", "a", "larger", 6)
    assert (memory.weight, memory.dropped) == (10, 1)
    memory.keep("demo", "d", "too large", 11)
    assert memory.recall("demo", "d") is None
    assert memory.weight == 10
