"""A backup is found, trusted or not, and read to its last byte; whatever was harmed is named."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubbub.base.ids import uuid7
from ops.answer import Exit, Failure
from ops.backup.create import create
from ops.backup.manifest import Manifest, Sealed, seal, unseal
from ops.backup.signing import BackupKey, make_key, read_key
from ops.backup.target import FolderTarget
from ops.backup.verify import ids, judge, listed, missing, named, open_backup, verify
from tests.ops.backup.samples import ID, manifest
from tests.ops.backup.small import Small


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Manifest]]:
    """A real backup of a small cluster; do not harm it."""
    small = Small()
    root = tmp_path_factory.mktemp("place")
    try:
        small.start()
        small.chat("group:x", 20)
        key = read_key(make_key(small.directory.keys))
        yield root, create(small.directory, FolderTarget(root), key, silent).manifest
    finally:
        small.close()


@pytest.fixture
def place(made: tuple[Path, Manifest], tmp_path: Path) -> Path:
    """A copy of it that may be harmed."""
    shutil.copytree(made[0], tmp_path / "place")
    return tmp_path / "place"


@pytest.fixture
def key(tmp_path: Path) -> BackupKey:
    return read_key(make_key(tmp_path))


class Remote(FolderTarget):
    """A folder whose files are nowhere on this machine."""

    def path(self, name: str) -> Path | None:
        return None


def silent(_line: str) -> None:
    """Nobody listens."""


@pytest.mark.parametrize("kind", [FolderTarget, Remote])
def test_a_whole_backup_is_whole_wherever_it_lies(
    made: tuple[Path, Manifest], tmp_path: Path, kind: type[FolderTarget]
) -> None:
    root, whole = made
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    found = verify(kind(root), whole, silent, scratch=tmp_path)
    assert found.damages == ()
    assert (found.files, found.bytes) == (len(whole.files), whole.bytes)
    assert found.entries == whole.entries > 20
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
    assert list(tmp_path.iterdir()) == [], "scratch is given back"


def test_quick_reads_every_byte_and_opens_nothing(made: tuple[Path, Manifest]) -> None:
    found = verify(FolderTarget(made[0]), made[1], silent, is_quick=True)
    assert (found.damages, found.entries) == ((), 0)


@pytest.mark.parametrize("is_quick", [True, False])
@pytest.mark.parametrize("harm", ["flipped", "gone"])
def test_every_harmed_file_is_named(
    made: tuple[Path, Manifest], place: Path, harm: str, is_quick: bool
) -> None:
    for file in made[1].files:
        path = place / file.path
        data = path.read_bytes()
        if harm == "gone":
            path.unlink()
        else:
            path.write_bytes(data[:-1] + bytes([data[-1] ^ 4]) if data else b"more")
    found = verify(FolderTarget(place), made[1], silent, is_quick=is_quick)
    assert len(found.damages) == len(made[1].files)
    assert len(missing(FolderTarget(place), made[1])) >= (
        len(made[1].files) if harm == "gone" else 1
    )


def test_a_log_that_is_not_what_the_manifest_says_is_told(
    made: tuple[Path, Manifest],
) -> None:
    """All hashes are right, and a slot stands elsewhere: such a backup was never whole."""
    from msgspec.structs import replace

    slots = list(made[1].slots)
    slots[5] = replace(slots[5], applied=slots[5].applied + 1)
    lying = replace(made[1], slots=tuple(slots))
    (damage,) = verify(FolderTarget(made[0]), lying, silent).damages
    assert "slot 5" in damage


def test_the_newest_finished_backup_is_taken_and_the_others_are_listed(
    tmp_path: Path, key: BackupKey
) -> None:
    from msgspec.structs import replace

    target = FolderTarget(tmp_path / "place")
    assert (ids(target), listed(target)) == ([], [])
    old, new = ID, ID.replace("2026", "2027", 1)
    unfinished = ID.replace("2026", "2028", 1)
    for name in (old, new):
        data = seal(replace(manifest(), id=name), key)
        target.write(f"{name}/manifest.json", [data])
    target.write(f"{unfinished}/nodes/node-1/CURRENT", [b"x"])
    target.write("notes/hello.txt", [b"somebody's"])
    assert [(one.id, one.sealed is None) for one in listed(target)] == [
        (old, False),
        (new, False),
        (unfinished, True),
    ]
    assert open_backup(target, "").manifest.id == new
    assert open_backup(target, old).manifest.id == old
    for name in (unfinished, "notes", "../place", uuid7(1, b"0123456789")):
        with pytest.raises(Failure) as refused:
            open_backup(target, name)
        assert refused.value.exit_code is Exit.NOT_FOUND


def test_a_manifest_at_anothers_place_is_refused(tmp_path: Path, key: BackupKey) -> None:
    target = FolderTarget(tmp_path / "place")
    other = ID.replace("2026", "2027", 1)
    target.write(f"{other}/manifest.json", [seal(manifest(), key)])
    with pytest.raises(Failure, match="belongs to") as refused:
        open_backup(target, other)
    assert refused.value.exit_code is Exit.REFUSED


def test_only_the_right_key_is_silent(tmp_path: Path, key: BackupKey) -> None:
    (tmp_path / "other").mkdir()
    other = read_key(make_key(tmp_path / "other"))
    data = seal(manifest(), key)
    right = unseal(data, "m")
    changed = unseal(data.replace(b'"term_max":9', b'"term_max":8'), "m")
    bare = Sealed(right.manifest, right.signed, "", b"")
    assert judge(right, key, is_unsigned_allowed=False) == []
    for sealed, given, why in (
        (right, other, "not with"),
        (right, None, "no key was given"),
        (changed, key, "changed after it was made"),
        (bare, key, "not signed"),
        (bare, None, "not signed"),
    ):
        with pytest.raises(Failure, match=why) as refused:
            judge(sealed, given, is_unsigned_allowed=False)
        assert refused.value.exit_code is Exit.REFUSED
        (warning,) = judge(sealed, given, is_unsigned_allowed=True)
        assert warning.startswith("NOT VERIFIED")
        assert why in warning


def test_long_lists_are_cut() -> None:
    assert named(["a", "b"], 2) == ["a", "b"]
    assert named(["a", "b", "c"], 2) == ["a", "b", "and 1 more"]
