"""Finds backups at a place, says who signed one, and reads one to its last byte.

Rules:
1. A backup is what has a manifest. A folder without one is unfinished, and is listed as such.
2. Nothing of a manifest is used before its signature was judged; who overrides that hears it.
3. Verifying changes nothing at the place: a database is opened in a scratch folder, as links to
   its table files where the place is a folder, else as copies of them, one node at a time.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from hubbub.coordinator.backups import Verified, VerifyOrder
from ops.answer import Exit, Failure
from ops.backup import transfer
from ops.backup.manifest import (
    ID,
    MANIFEST_BYTES_MAX,
    MANIFEST_FILE,
    FileEntry,
    Manifest,
    NodeEntry,
    Sealed,
    is_signed_by,
    slot_copy,
    unseal,
)
from ops.backup.programs import ask
from ops.backup.signing import BackupKey
from ops.backup.target import NotThere, Target

_TABLE: Final = ".sst"  # table files never change; RocksDB may want to touch the others


@dataclass(frozen=True)
class Listed:
    """One line of `backup list`; `sealed` None: unfinished."""

    id: str
    sealed: Sealed | None


@dataclass(frozen=True)
class Findings:
    """What was read, and everything that is wrong with it, a line each."""

    files: int
    bytes: int
    entries: int
    damages: tuple[str, ...]


def ids(target: Target) -> list[str]:
    """All backups of a place, the oldest first, unfinished ones too."""
    return [name for name in target.folders() if ID.fullmatch(name)]


def listed(target: Target) -> list[Listed]:
    """Every backup of a place. Raises Failure."""
    found = []
    for backup in ids(target):
        try:
            found.append(Listed(backup, read(target, backup)))
        except NotThere:
            found.append(Listed(backup, None))
    return found


def open_backup(target: Target, backup: str) -> Sealed:
    """One backup; the newest finished one unless it is named. Raises Failure(NOT_FOUND)."""
    for name in [backup] if backup else reversed(ids(target)):
        try:
            return read(target, name)
        except NotThere:
            continue
    raise Failure(
        f"there is no finished backup {backup}".rstrip() + f" at {target.url}",
        exit_code=Exit.NOT_FOUND,
        tries=[f"hubbub backup list --from {target.url}"],
    )


def read(target: Target, backup: str) -> Sealed:
    """A backup's manifest, whoever signed it. Raises NotThere, Failure(REFUSED)."""
    name = f"{backup}/{MANIFEST_FILE}"
    if not ID.fullmatch(backup):
        raise NotThere(name)
    data = bytearray()
    for piece in target.read(name):
        data += piece
        if len(data) > MANIFEST_BYTES_MAX:
            raise Failure(f"{name} is too large to be a manifest", exit_code=Exit.REFUSED)
    sealed = unseal(bytes(data), name)
    if sealed.manifest.id != backup:
        raise Failure(f"{name} belongs to {sealed.manifest.id}", exit_code=Exit.REFUSED)
    return sealed


def judge(sealed: Sealed, key: BackupKey | None, *, is_unsigned_allowed: bool) -> list[str]:
    """Warnings about who signed it; none if it was the given key. Raises Failure(REFUSED)."""
    if key is not None and is_signed_by(sealed, key):
        return []
    if not sealed.signature:
        why = "it is not signed"
    elif key is None:
        why = f"it is signed with key {sealed.key_id}, and no key was given to verify that"
    elif key.id == sealed.key_id:
        why = "its signature is wrong: it was changed after it was made"
    else:
        why = f"it is signed with key {sealed.key_id}, not with {key.id}"
    if not is_unsigned_allowed:
        raise Failure(
            f"backup {sealed.manifest.id} is not trusted: {why}",
            exit_code=Exit.REFUSED,
            tries=[
                "--key FILE: keys/backup.pub of the cluster that made it",
                "--allow-unsigned: trust whoever can write to that place",
            ],
        )
    return [f"NOT VERIFIED: {why}; whoever can write to that place may have made it up"]


def missing(target: Target, manifest: Manifest) -> list[str]:
    """Files that are not there, or not as long as they were; nothing is read."""
    found = []
    for file in manifest.files:
        size = target.size(file.path)
        if size is None:
            found.append(f"{file.path} is missing")
        elif size != file.bytes:
            found.append(f"{file.path} has {size} bytes, not {file.bytes}")
    return found


def verify(
    target: Target,
    manifest: Manifest,
    say: Callable[[str], None],
    *,
    is_quick: bool = False,
    scratch: Path | None = None,
) -> Findings:
    """Read every byte, and every entry of every slot. Raises Failure if that cannot be done.

    Args: is_quick: hashes only. scratch: where databases are opened, room for the largest one.
    """
    damages: list[str] = []
    _collect(damages, partial(transfer.check, target, manifest.coordinator))
    entries = 0
    for node in manifest.nodes:
        if not node.files:
            continue
        with tempfile.TemporaryDirectory(prefix="hubbub-verify-", dir=scratch) as folder:
            before = len(damages)
            for file in node.files:
                _collect(damages, partial(_lay, target, file, Path(folder), is_quick))
            if is_quick or len(damages) > before:
                continue
            verified = _open(manifest, node, folder)
        say(f"{node.name}: {verified.entries} entries")
        entries += verified.entries
        damages += [f"{node.name}: {why}" for why in verified.damaged.values()]
    return Findings(len(manifest.files), manifest.bytes, entries, tuple(damages))


def _lay(target: Target, file: FileEntry, folder: Path, is_quick: bool) -> None:
    """Check a file; put it where the database can be opened."""
    local = target.path(file.path)
    if local is None and not is_quick:
        transfer.fetch(target, file, folder / file.name)
        return
    transfer.check(target, file)
    if local is None or is_quick:
        return
    if file.name.endswith(_TABLE):
        (folder / file.name).symlink_to(local)
    else:
        shutil.copyfile(local, folder / file.name)


def _open(manifest: Manifest, node: NodeEntry, folder: str) -> Verified:
    copies = [slot_copy(s) for s in manifest.slots if s.storage_id == node.storage_id]
    size = sum(file.bytes for file in node.files)
    try:
        return ask("node.verify", VerifyOrder(folder, tuple(copies)), Verified, size)
    except Failure as failure:
        return Verified(0, {-1: f"the database does not open: {'; '.join(failure.cause)}"})


def _collect(damages: list[str], work: Callable[[], None]) -> None:
    try:
        work()
    except transfer.Damaged as damage:
        damages.append(str(damage))


def named(damages: Sequence[str], most: int = 20) -> list[str]:
    """Some of them, and how many more there are."""
    more = [f"and {len(damages) - most} more"] if len(damages) > most else []
    return [*damages[:most], *more]
