"""Backups in an object store (S3, Google Cloud Storage, Azure). Sole owner of obstore here.

Rules:
1. obstore is an extra (`pip install 'hubbub[backup]'`); this module is imported only for such a
   place.
2. An object appears whole: uploads in parts are given up, not completed, when a piece fails.
3. Whatever the library raises is mapped here to Failure, with its first line as the cause: the rest
   of its text is for its own authors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hubbub.base.units import MIB
from ops.answer import Exit, Failure
from ops.backup.target import PIECE_BYTES, NotThere, Target

try:
    import obstore
    from obstore.exceptions import AlreadyExistsError, BaseError
    from obstore.store import from_url
except ImportError:
    raise Failure(
        "object stores need the package obstore, which is not installed",
        exit_code=Exit.USAGE,
        tries=["pip install 'hubbub[backup]'"],
    ) from None

if TYPE_CHECKING:
    from obstore.store import ObjectStore

# S3's smallest part. Double only takes more memory: PART_BYTES * PARTS_AT_ONCE, 20 MiB.
PART_BYTES: Final = 5 * MIB
PARTS_AT_ONCE: Final = 4


class ObjectTarget:
    """One bucket, or a prefix of it."""

    def __init__(self, store: ObjectStore, url: str) -> None:
        self._store = store
        self.url = url

    def write(self, name: str, pieces: Iterable[bytes], *, is_new: bool = False) -> None:
        """As Target.write. `is_new` is for small files: they are sent at once."""
        with self._mapped(name):
            if is_new:
                obstore.put(self._store, name, b"".join(pieces), mode="create")
            else:
                obstore.put(
                    self._store,
                    name,
                    iter(pieces),
                    chunk_size=PART_BYTES,
                    max_concurrency=PARTS_AT_ONCE,
                )

    def read(self, name: str) -> Iterator[bytes]:
        """As Target.read."""
        with self._mapped(name):
            try:
                found = obstore.get(self._store, name)
            except FileNotFoundError:
                raise NotThere(name) from None
            for piece in found.stream(min_chunk_size=PIECE_BYTES):
                yield bytes(piece)

    def size(self, name: str) -> int | None:
        """As Target.size."""
        with self._mapped(name):
            try:
                return obstore.head(self._store, name)["size"]
            except FileNotFoundError:
                return None

    def folders(self) -> list[str]:
        """As Target.folders."""
        with self._mapped(""):
            found = obstore.list_with_delimiter(self._store)
            return sorted(prefix.strip("/") for prefix in found["common_prefixes"])

    def path(self, name: str) -> Path | None:
        """As Target.path: nothing is on this machine."""
        return None

    @contextmanager
    def _mapped(self, name: str) -> Iterator[None]:
        try:
            yield
        except AlreadyExistsError:
            raise Failure(f"{self.url}/{name} is there already", exit_code=Exit.CONFLICT) from None
        except (BaseError, OSError) as error:
            raise Failure(
                f"{self.url}/{name}: the object store refuses or does not answer",
                exit_code=Exit.UNREACHABLE,
                cause=[str(error).partition("\n")[0]],
            ) from None


def open_objects(url: str) -> Target:
    """The store of a url; keys and region come from the environment. Raises Failure."""
    try:
        return ObjectTarget(from_url(url), url.rstrip("/"))
    except (BaseError, OSError, ValueError) as error:
        raise Failure(
            f"cannot open {url}", exit_code=Exit.USAGE, cause=[str(error).partition("\n")[0]]
        ) from None
