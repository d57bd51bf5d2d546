"""Stores: both keep the last value, whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hubbub.base.errors import TOO_LARGE, Rejected
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


def test_a_file_is_bounded_and_keeps_what_it_had(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "kept", bytes_max=40)
    store.save({"a": "x" * 20})
    with pytest.raises(Rejected) as refused:
        store.save({"a": "x" * 60})
    assert refused.value.error is TOO_LARGE
    assert store.load() == {"a": "x" * 20}
    (tmp_path / "kept").write_text('"' + "x" * 60 + '"', encoding="utf-8")
    with pytest.raises(Rejected):
        store.load()


def test_it_is_on_the_disk_before_it_bears_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    flush, replace = os.fsync, os.replace

    def note_flush(fd: int) -> None:
        done.append("folder" if os.path.isdir(f"/proc/self/fd/{fd}") else "file")
        flush(fd)

    def note_replace(old: Path, new: Path) -> None:
        done.append("name")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", note_flush)
    monkeypatch.setattr(os, "replace", note_replace)
    FileStore(tmp_path / "kept").save({"a": 1})
    assert done == ["file", "name", "folder"]


def test_a_failed_save_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileStore(tmp_path / "kept")
    store.save({"a": 1})

    def fail(_: int) -> None:
        raise OSError("no room")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no room"):
        store.save({"a": 2})
    assert store.load() == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
