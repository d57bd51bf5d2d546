"""Where backups lie: what is asked of a place, and the simplest one, a folder of this machine.

Rules:
1. A file is there whole or not at all. What a backup is made of is never changed once its manifest
   is there; `is_new` refuses to replace.
2. Data passes in pieces of PIECE_BYTES: memory does not grow with a file.
3. Names have `/` between their parts and are checked by whoever reads them (ops.backup.manifest).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from hubbub.base.units import MIB
from ops.answer import Exit, Failure

PIECE_BYTES: Final = 1 * MIB


class NotThere(Exception):
    """There is no file of this name."""


class Target(Protocol):
    """A place. What fails is raised as Failure, with the library's words as its cause."""

    url: str

    def write(self, name: str, pieces: Iterable[bytes], *, is_new: bool = False) -> None:
        """Store a file, durably. What `pieces` raises leaves nothing behind.

        Args: is_new: Failure(CONFLICT) if there is one.
        """
        ...

    def read(self, name: str) -> Iterator[bytes]:
        """A file in pieces. Raises NotThere, before the first piece."""
        ...

    def size(self, name: str) -> int | None:
        """Bytes of a file; None: there is none."""
        ...

    def folders(self) -> list[str]:
        """The first parts of all names, sorted."""
        ...

    def path(self, name: str) -> Path | None:
        """Where a file is on this machine; None: it must be read."""
        ...


class FolderTarget:
    """A folder of this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self.url = str(self._root)

    def write(self, name: str, pieces: Iterable[bytes], *, is_new: bool = False) -> None:
        """As Target.write."""
        path = self._root / name
        draft = path.with_name(path.name + ".part")
        try:
            _make_private(path.parent)
            self._write(draft, pieces)
            if is_new:
                os.link(draft, path)
            else:
                draft.replace(path)
            _sync_folder(path.parent)
        except FileExistsError:
            raise Failure(f"{path} is there already", exit_code=Exit.CONFLICT) from None
        except OSError as error:
            raise Failure(f"cannot write {path}", cause=[str(error)]) from None
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)

    def _write(self, draft: Path, pieces: Iterable[bytes]) -> None:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())

    def read(self, name: str) -> Iterator[bytes]:
        """As Target.read."""
        try:
            file = (self._root / name).open("rb")
        except (FileNotFoundError, NotADirectoryError):
            raise NotThere(name) from None
        except OSError as error:
            raise Failure(f"cannot read {self._root / name}", cause=[str(error)]) from None
        with file:
            while piece := file.read(PIECE_BYTES):
                yield piece

    def size(self, name: str) -> int | None:
        """As Target.size."""
        path = self._root / name
        return path.stat().st_size if path.is_file() else None

    def folders(self) -> list[str]:
        """As Target.folders."""
        if not self._root.is_dir():
            return []
        return sorted(found.name for found in self._root.iterdir() if found.is_dir())

    def path(self, name: str) -> Path | None:
        """As Target.path."""
        return self._root / name


def _make_private(folder: Path) -> None:
    """A folder, and those above it that are missing, for their owner alone."""
    for missing in reversed([folder, *folder.parents]):
        if not missing.exists():
            missing.mkdir(mode=0o700, exist_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
