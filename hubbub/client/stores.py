"""Where a client keeps what must outlive it: one JSON object a store, replaced whole.

Rules: `save` replaces all that was saved; `load` gives it back, or None. A store has one owner.
A file is bounded: what is larger is refused, and what was saved before stays.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Protocol

from hubbub.base.errors import TOO_LARGE, Rejected
from hubbub.base.units import MIB
from hubbub.client.events import Json
from hubbub.wire.codec import dump_json, load_json

# 500 unsent messages of the largest size are 6 MB, positions in 10,000 channels 1 MB.
FILE_BYTES_MAX: Final = 16 * MIB


class Store(Protocol):
    """What a program may write for itself (over its database, say)."""

    def load(self) -> Json | None:
        """What was saved last, None if nothing was."""

    def save(self, value: Json) -> None:
        """Keep this from now on."""


class MemoryStore:
    """Forgets with the program."""

    def __init__(self) -> None:
        self._text = b""

    def load(self) -> Json | None:
        return load_json(self._text.decode()) if self._text else None

    def save(self, value: Json) -> None:
        self._text = dump_json(value)


class FileStore:
    """A file that is whole at any time, and outlives the program and a power cut: what `save`
    returned from is on the disk. A save costs two flushes, a few ms on most disks."""

    def __init__(self, path: str | Path, bytes_max: int = FILE_BYTES_MAX) -> None:
        self._path = Path(path)
        self._bytes_max = bytes_max

    def load(self) -> Json | None:
        """Raises Rejected when the file is not what `save` wrote."""
        try:
            with self._path.open("rb") as file:
                data = file.read(self._bytes_max + 1)
        except FileNotFoundError:
            return None
        self._check(data)
        return load_json(data)

    def save(self, value: Json) -> None:
        """Raises Rejected(TOO_LARGE), OSError; what was saved before stays then."""
        data = dump_json(value)
        self._check(data)
        new = self._path.with_name(self._path.name + ".new")
        try:
            with new.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, self._path)
        except OSError:
            new.unlink(missing_ok=True)
            raise
        # The name, too: a rename alone is in the directory, which has its own flush.
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _check(self, data: bytes) -> None:
        if len(data) > self._bytes_max:
            limit = self._bytes_max
            raise Rejected(TOO_LARGE, f"{self._path.name}: at most {limit} bytes", limit=limit)
