"""Bytes that move are hashed on their way, and a journal knows which have arrived."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ops.answer import Failure
from ops.backup import transfer
from ops.backup.manifest import FileEntry
from ops.backup.target import PIECE_BYTES, FolderTarget

DATA = bytes(range(256)) * 10_000


@pytest.fixture
def target(tmp_path: Path) -> FolderTarget:
    return FolderTarget(tmp_path / "place")


@pytest.fixture
def entry(target: FolderTarget, tmp_path: Path) -> FileEntry:
    (tmp_path / "source").write_bytes(DATA)
    return transfer.store(target, "b1/file", transfer.pieces_of(tmp_path / "source"))


def place(target: FolderTarget) -> Path:
    path = target.path("b1/file")
    assert path is not None
    return path


def test_what_is_stored_is_known_by_its_hash(target: FolderTarget, entry: FileEntry) -> None:
    assert entry == FileEntry("b1/file", len(DATA), hashlib.sha256(DATA).hexdigest())
    assert len(DATA) > 2 * PIECE_BYTES
    assert place(target).read_bytes() == DATA
    transfer.check(target, entry)


def test_what_is_fetched_is_what_was_stored(
    target: FolderTarget, entry: FileEntry, tmp_path: Path
) -> None:
    transfer.fetch(target, entry, tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == DATA
    assert (tmp_path / "fetched").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("harm", ["flipped", "shortened", "longer", "gone"])
def test_a_damaged_file_is_told_and_not_kept(
    target: FolderTarget, entry: FileEntry, tmp_path: Path, harm: str
) -> None:
    path = place(target)
    harmed = {
        "flipped": DATA[:-1] + bytes([DATA[-1] ^ 1]),
        "shortened": DATA[:-1],
        "longer": DATA + b"x",
    }
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(harmed[harm])
    with pytest.raises(transfer.Damaged, match="b1/file"):
        transfer.check(target, entry)
    with pytest.raises(transfer.Damaged):
        transfer.fetch(target, entry, tmp_path / "fetched")
    assert not (tmp_path / "fetched").exists()


def test_a_fetched_file_replaces_none(
    target: FolderTarget, entry: FileEntry, tmp_path: Path
) -> None:
    (tmp_path / "there").write_text("mine")
    with pytest.raises(FileExistsError):
        transfer.fetch(target, entry, tmp_path / "there")
    assert (tmp_path / "there").read_text() == "mine"


def test_a_source_that_cannot_be_read_is_said(target: FolderTarget, tmp_path: Path) -> None:
    with pytest.raises(Failure, match="cannot read"):
        transfer.store(target, "x", transfer.pieces_of(tmp_path / "missing"))
    assert target.size("x") is None


def test_a_journal_knows_what_arrived_and_is_still_there(
    target: FolderTarget, entry: FileEntry, tmp_path: Path
) -> None:
    path = tmp_path / "journal"
    journal = transfer.CopyJournal(path)
    assert journal.find(target, "b1/file") is None
    journal.add(entry)
    journal.add(FileEntry("b1/never", 5, "0" * 64))
    with path.open("ab") as file:
        file.write(b'{"path":"b1/cut","by')  # the command died here
    again = transfer.CopyJournal(path)
    assert again.find(target, "b1/file") == entry
    assert again.find(target, "b1/never") is None, "it is not at the place"
    place(target).write_bytes(DATA[:-1])
    assert again.find(target, "b1/file") is None, "it is not what was stored"
    again.remove()
    assert not path.exists()
