"""Moving files to and from a place: in pieces, each byte hashed on its way.

Rules:
1. What is stored is hashed while it is read from the frozen file; what is fetched is hashed while
   it arrives, and is given its name only if it is what the manifest says.
2. A journal beside the cluster remembers what was stored, so that a command that died goes on
   where it was. It is believed only if the place still has a file of that size.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from hubbub.wire.codec import decode_json, encode_json
from ops.answer import Failure
from ops.backup.manifest import FileEntry
from ops.backup.target import PIECE_BYTES, NotThere, Target


class Damaged(Exception):
    """A stored file is not what the manifest says; the text tells which and how."""


class Hashed:
    """Passes pieces on, and knows their length and SHA-256."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self._hash = hashlib.sha256()
        self.byte_count = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self._hash.update(piece)
            self.byte_count += len(piece)
            yield piece

    def entry(self, path: str) -> FileEntry:
        """What went through, under a name."""
        return FileEntry(path, self.byte_count, self._hash.hexdigest())


class CopyJournal:
    """What a backup has stored already."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = {entry.path: entry for entry in _entries(path)}

    def find(self, target: Target, name: str) -> FileEntry | None:
        """A file that was stored, and is there."""
        entry = self._known.get(name)
        return entry if entry is not None and target.size(name) == entry.bytes else None

    def add(self, entry: FileEntry) -> None:
        """One more."""
        with self._path.open("ab") as file:
            file.write(encode_json(entry) + b"\n")

    def remove(self) -> None:
        """The backup is over."""
        self._path.unlink(missing_ok=True)


def pieces_of(path: Path) -> Iterator[bytes]:
    """A local file. Raises Failure."""
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                yield piece
    except OSError as error:
        raise Failure(f"cannot read {path}", cause=[str(error)]) from None


def store(target: Target, name: str, pieces: Iterable[bytes]) -> FileEntry:
    """Write a file; what the manifest says of it. Raises Failure."""
    hashed = Hashed(pieces)
    target.write(name, hashed)
    return hashed.entry(name)


def check(target: Target, entry: FileEntry) -> None:
    """Read a stored file to its end. Raises Damaged, Failure."""
    for _ in verified(target, entry):
        pass


def fetch(target: Target, entry: FileEntry, path: Path) -> None:
    """A stored file as a new local one, synced. Raises Damaged (no file is left), Failure."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            for piece in verified(target, entry):
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise Failure(f"cannot write {path}", cause=[str(error)]) from None
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def verified(target: Target, entry: FileEntry) -> Iterator[bytes]:
    """A stored file in pieces. Raises Damaged behind the last one if it is another file."""
    hashed = Hashed(target.read(entry.path))
    try:
        yield from hashed
    except NotThere:
        raise Damaged(f"{entry.path} is missing") from None
    found = hashed.entry(entry.path)
    if found.bytes != entry.bytes:
        raise Damaged(f"{entry.path} has {found.bytes} bytes, not {entry.bytes}")
    if found != entry:
        raise Damaged(f"{entry.path} is not what was stored (SHA-256 differs)")


def _entries(path: Path) -> Iterator[FileEntry]:
    """The whole lines of a journal: the last one may have been cut."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            yield decode_json(line, FileEntry)
        except msgspec.MsgspecError:
            return
