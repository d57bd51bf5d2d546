"""Stores: both keep the last value, whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubbub.base.errors import Rejected
from hubbub.client.stores import FileStore, MemoryStore, Store


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_the_last_value_replaces_what_was_there(kind: str, tmp_path: Path) -> None:
    store: Store = MemoryStore() if kind == "memory" else FileStore(tmp_path / "kept")
    assert store.load() is None
    for value in ({"a": [1, "🫖"], "b": None}, {"c": 2}):
        store.save(value)
        assert store.load() == value


def test_what_is_loaded_is_not_shared_with_what_was_saved() -> None:
    store, value = MemoryStore(), {"a": [1]}
    store.save(value)
    value["a"].append(2)
    assert store.load() == {"a": [1]}


def test_a_file_outlives_its_store_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    FileStore(tmp_path / "kept").save({"a": 1})
    assert FileStore(tmp_path / "kept").load() == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_file_that_is_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("{not json", encoding="utf-8")
    with pytest.raises(Rejected):
        FileStore(tmp_path / "kept").load()
