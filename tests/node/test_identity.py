"""A database is opened as what it is, and as nothing else."""

from __future__ import annotations

import pytest

from node.identity import Identity, marks
from node.store.api import StoreRefused
from node.store.memory import MemoryStore

MINE = Identity("storage-1", "cluster-1", 3)


def marked(whose: Identity = MINE) -> MemoryStore:
    store = MemoryStore()
    store.write(marks(store, whose, 0, "data"))
    return store


def test_a_new_database_says_whose_it_is_and_then_needs_nothing_more() -> None:
    assert marks(marked(), MINE, 0, "data") == []
    assert marks(marked(), MINE, 17, "data") == []


def test_a_new_database_does_not_stand_in_for_one_that_is_gone() -> None:
    with pytest.raises(StoreRefused, match=r"^data: this copy held 17 slots"):
        marks(MemoryStore(), MINE, 17, "data")


def test_one_that_was_made_before_generations_were_noted_gets_the_mark() -> None:
    store = MemoryStore()
    (database, generation) = marks(store, MINE, 0, "data")
    store.write([database])
    assert marks(store, MINE, 17, "data") == [generation]


@pytest.mark.parametrize(
    ("other", "story"),
    [
        (MINE._replace(storage_id="storage-2"), "another copy's"),
        (MINE._replace(cluster_id="cluster-2"), "generation 3 of cluster cluster-2"),
        (MINE._replace(generation=2), "generation 2 of cluster cluster-1; this is generation 3"),
    ],
)
def test_another_one_is_refused(other: Identity, story: str) -> None:
    with pytest.raises(StoreRefused, match=story):
        marks(marked(other), MINE, 0, "data")
