"""From a word on the command line to the place that it names: a folder, or an object store.

Rules:
1. The place is the operator's own word, and the only address that is ever opened. Nothing that a
   client, a record or a manifest says becomes one (no request is forged through the server): names
   in a manifest are names below the place.
2. http and https are refused. Endpoints other than the store's own come from the operator's
   environment alone, as its keys do.
3. A place is printed and recorded, so one with a password or a query in it is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from ops.answer import Exit, Failure
from ops.backup.target import FolderTarget, Target

OBJECT_SCHEMES: Final = ("s3", "s3a", "gs", "az", "adl", "azure", "abfs", "abfss")


def open_target(place: str) -> tuple[Target, str]:
    """The target of a word, and the id of a backup behind its `#`, else "". Raises Failure."""
    place, _, backup = place.partition("#")
    parts = urlsplit(place)
    if not place or parts.query or parts.password or parts.username:
        raise _refused(place)
    if not parts.scheme or "://" not in place:
        return FolderTarget(Path(place)), backup
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path:
        return FolderTarget(Path(unquote(parts.path))), backup
    if parts.scheme not in OBJECT_SCHEMES or not parts.netloc:
        raise _refused(place)
    from ops.backup.objects import open_objects  # an extra: only who asks for it needs it

    return open_objects(place), backup


def _refused(place: str) -> Failure:
    return Failure(
        f"{place!r} is no place for backups",
        exit_code=Exit.USAGE,
        cause=[
            "a folder, file:///FOLDER, or BUCKET/PREFIX behind one of "
            + " ".join(f"{scheme}://" for scheme in OBJECT_SCHEMES),
            "keys and endpoints of an object store come from the environment",
        ],
    )
