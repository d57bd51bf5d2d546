"""Places for backups: one suite for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.answer import Exit, Failure
from ops.backup.target import FolderTarget, NotThere, Target
from tests.support.requirement import missing


@pytest.fixture(params=["folder", "objects on a disk", "objects in memory"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    if request.param == "folder":
        return FolderTarget(tmp_path / "place")
    try:
        from obstore.store import LocalStore, MemoryStore

        from ops.backup.objects import ObjectTarget
    except ImportError:
        missing("obstore", "obstore is not installed")
    store = (
        MemoryStore()
        if request.param == "objects in memory"
        else LocalStore(tmp_path / "place", mkdir=True)
    )
    return ObjectTarget(store, "memory:///")


def read(target: Target, name: str) -> bytes:
    return b"".join(target.read(name))


def test_what_was_written_is_there(target: Target) -> None:
    target.write("b1/nodes/n/CURRENT", [b"one", b"two"])
    assert read(target, "b1/nodes/n/CURRENT") == b"onetwo"
    assert target.size("b1/nodes/n/CURRENT") == 6
    target.write("b1/empty", [])
    assert (read(target, "b1/empty"), target.size("b1/empty")) == (b"", 0)
    target.write("b1/empty", [b"again"])
    assert read(target, "b1/empty") == b"again"


def test_large_files_pass_in_pieces(target: Target) -> None:
    piece = bytes(range(256)) * 4096  # 1 MiB
    target.write("large", (piece for _ in range(12)))
    assert target.size("large") == 12 << 20
    pieces = list(target.read("large"))
    assert len(pieces) > 1 or target.url == "memory:///"
    assert b"".join(pieces) == piece * 12


def test_a_new_file_never_replaces_one(target: Target) -> None:
    target.write("b1/manifest.json", [b"first"], is_new=True)
    with pytest.raises(Failure, match="there already") as refused:
        target.write("b1/manifest.json", [b"second"], is_new=True)
    assert refused.value.exit_code is Exit.CONFLICT
    assert read(target, "b1/manifest.json") == b"first"


def test_what_breaks_in_the_middle_leaves_nothing(target: Target) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"x" * (6 << 20)
        raise RuntimeError("the disk it is read from failed")

    with pytest.raises(RuntimeError):
        target.write("b1/half", pieces())
    assert target.size("b1/half") is None
    with pytest.raises(NotThere):
        read(target, "b1/half")


def test_what_is_not_there_is_not_there(target: Target) -> None:
    assert target.size("b1/x") is None
    assert target.folders() == []
    with pytest.raises(NotThere):
        read(target, "b1/x")


def test_folders_are_the_first_parts_of_names(target: Target) -> None:
    for name in ("b2/a/b", "b1/c", "b1/d/e/f"):
        target.write(name, [b"x"])
    assert target.folders() == ["b1", "b2"]


def test_files_of_a_folder_are_for_their_owner_alone(tmp_path: Path) -> None:
    target = FolderTarget(tmp_path / "place")
    target.write("b1/coordinator.json", [b"secrets"])
    path = target.path("b1/coordinator.json")
    assert path is not None
    assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "place").stat().st_mode & 0o777 == 0o700
    assert list((tmp_path / "place" / "b1").iterdir()) == [path], "no draft stays"


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Failure, match="cannot write"):
        FolderTarget(tmp_path / "file").write("a/b", [b"x"])
