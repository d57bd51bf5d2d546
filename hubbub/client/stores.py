"""Where a client keeps what must outlive it: one JSON object a store, replaced whole.

Rules: `save` replaces all that was saved; `load` gives it back, or None. A store has one owner.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from hubbub.client.events import Json
from hubbub.wire.codec import dump_json, parse_json


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
        return parse_json(self._text.decode()) if self._text else None

    def save(self, value: Json) -> None:
        self._text = dump_json(value)


class FileStore:
    """A file that is whole at any time. It outlives the program; a power cut may take the last
    change, since nothing is flushed to the disk."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)

    def load(self) -> Json | None:
        """Raises Rejected when the file is not what `save` wrote."""
        return parse_json(self._path.read_text("utf-8")) if self._path.exists() else None

    def save(self, value: Json) -> None:
        new = self._path.with_name(self._path.name + ".new")
        new.write_bytes(dump_json(value))
        os.replace(new, self._path)
