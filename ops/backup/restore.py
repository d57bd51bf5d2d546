"""A new cluster directory from a backup, and what that would be.

What is kept: the cluster's id, slots and seed, the apps with their secrets (tokens and server keys
stay valid), every log and row, the answers to retries. What is new:
- the generation, one higher (or a given one): links of the old cluster's processes are refused;
- every node's storage id: no old disk passes for a restored one;
- every slot's term, TERM_STEP above the highest there ever was, with one copy as its only member;
- every slot's epoch, drawn by the first leader: a client that saw more than was backed up is
  told that its stream was not recovered, and loads it anew.

Rules:
1. The new directory is built beside its name and gets it at the end: it is whole or not there. What
   an interrupted restore left is taken away by the next one.
2. Every file is hashed while it is fetched, every slot is compared with the manifest.
3. Two clusters that were restored from one backup have the same generation unless told otherwise:
   the second one must be given a higher one if the first still runs where its links can reach.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from hubbub.base.errors import Rejected
from hubbub.coordinator.backups import Restored, RestoreOrder
from hubbub.coordinator.records import CLUSTER_KEY, SLOTS_PREFIX, slot_key
from hubbub.ring.map import SlotRecord
from hubbub.wire.codec import encode_json, parse_json
from ops.answer import Exit, Failure
from ops.backup import transfer
from ops.backup.desk import Desk
from ops.backup.manifest import CoordinatorExport, Manifest, NodeEntry, slot_copy
from ops.backup.programs import ask
from ops.backup.target import Target
from ops.directory import Directory
from ops.records import NODES_KEY, make_storage_id

# Terms that the old cluster may have used since the backup: a million leader changes of one slot.
TERM_STEP: Final = 1 << 20
_TERM_MAX: Final = (1 << 32) - 1
_GENERATION_MAX: Final = (1 << 32) - 1
DATABASE_FOLDER: Final = "db"  # in a node's data folder; node/store reads the same
_UNDER_WAY: Final = ".restoring"
_MARK: Final = "restoring"  # a file in such a folder: it is ours
# Records that speak of processes, disks and moves of the old cluster.
_LEFT_OUT: Final = (
    *(CLUSTER_KEY, SLOTS_PREFIX, NODES_KEY, "/storage/", "/rebalance/"),
    *("/nodes/", "/routers/", "/edges/"),
)


@dataclass(frozen=True)
class Restoration:
    """What a restore makes of a backup."""

    manifest: Manifest
    generation: int
    term: int

    @property
    def nodes(self) -> list[tuple[str, int, int]]:
        """(name, slots that it will lead, bytes) of every node."""
        slots = [slot.storage_id for slot in self.manifest.slots]
        return [
            (node.name, slots.count(node.storage_id), sum(file.bytes for file in node.files))
            for node in self.manifest.nodes
        ]


def restoration(manifest: Manifest, generation: int | None) -> Restoration:
    """What would be made. Raises Failure if the numbers cannot be."""
    old = manifest.cluster.generation
    new = old + 1 if generation is None else generation
    if not old < new <= _GENERATION_MAX:
        raise Failure(
            f"--generation must be above {old}, that of the backed-up cluster",
            exit_code=Exit.USAGE,
        )
    term = manifest.term_max + TERM_STEP
    if term >= _TERM_MAX - TERM_STEP:
        raise Failure(f"no terms are left above {manifest.term_max}")
    return Restoration(manifest, new, term)


def check_new(root: Path) -> None:
    """Raises Failure unless a directory may be made there."""
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise Failure(
            f"{root} is not empty: a restore makes a new directory and replaces none",
            exit_code=Exit.CONFLICT,
            tries=["another --dir"],
        )


def restore(
    target: Target, wanted: Restoration, root: Path, say: Callable[[str], None]
) -> dict[str, int]:
    """Make the directory; node → how many slots it leads. Raises Failure; then it is not there."""
    root = root.resolve()
    check_new(root)
    manifest = wanted.manifest
    draft = _draft(root)
    directory = Directory(draft)
    try:
        _check_room(draft, manifest)
        led = {node.name: _node(target, wanted, node, directory, say) for node in manifest.nodes}
        _records(target, wanted, directory)
        _sync([Path(folder) for folder, _, _ in os.walk(draft)])
        if root.exists():
            root.rmdir()  # empty: checked above, and refused by the kernel if not
        (draft / _MARK).unlink()
        draft.rename(root)
        _sync([root.parent])
    except transfer.Damaged as damage:
        raise Failure(
            f"backup {manifest.id} is damaged",
            cause=[str(damage)],
            tries=[f"hubbub backup verify --from {target.url}#{manifest.id}", "another backup"],
        ) from None
    except OSError as error:
        raise Failure(f"cannot make {root}", cause=[str(error)]) from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return led


def _draft(root: Path) -> Path:
    """The folder that will be `root`; one of an interrupted restore goes, one of anybody's not."""
    draft = root.with_name(root.name + _UNDER_WAY)
    if draft.exists() and not (draft / _MARK).exists():
        raise Failure(f"{draft} is in the way", exit_code=Exit.CONFLICT, tries=["another --dir"])
    shutil.rmtree(draft, ignore_errors=True)
    try:
        draft.mkdir(parents=True)
        (draft / _MARK).touch()
    except OSError as error:
        raise Failure(f"cannot make {draft}", cause=[str(error)]) from None
    Directory(draft).make()
    return draft


def _node(
    target: Target,
    wanted: Restoration,
    node: NodeEntry,
    directory: Directory,
    say: Callable[[str], None],
) -> int:
    """One node's folder: a new disk, with the database if the backup has it."""
    storage_id = make_storage_id(directory, node.name)
    if not node.files:
        return 0
    folder = directory.node_data(node.name)
    database = folder / DATABASE_FOLDER
    database.mkdir(mode=0o700)
    for file in node.files:
        transfer.fetch(target, file, database / file.name)
    copies = [
        slot_copy(slot) for slot in wanted.manifest.slots if slot.storage_id == node.storage_id
    ]
    order = RestoreOrder(
        data_dir=str(folder.absolute()),
        storage_id=storage_id,
        cluster=wanted.manifest.cluster.id,
        generation=wanted.generation,
        copies=tuple(copies),
    )
    size = sum(file.bytes for file in node.files)
    done = ask("node.restore", order, Restored, size)
    say(f"{node.name}: {len(node.files)} files, {size} bytes, leads {done.slots} slots")
    return done.slots


def _records(target: Target, wanted: Restoration, directory: Directory) -> None:
    """The coordinator of the new directory."""
    manifest = wanted.manifest
    export = _export(target, manifest)
    ids = {node.name: make_storage_id(directory, node.name) for node in manifest.nodes}
    new_id = {node.storage_id: ids[node.name] for node in manifest.nodes}
    records = {
        record.key: record.value.encode()
        for record in export.records
        if not record.key.startswith(_LEFT_OUT)
    }
    records[CLUSTER_KEY] = encode_json(replace(manifest.cluster, generation=wanted.generation))
    records[NODES_KEY] = encode_json(ids)
    for slot in manifest.slots:
        members = (new_id[slot.storage_id],)
        record = SlotRecord(term=wanted.term, leader=None, members=members, prev=members)
        records[slot_key(slot.slot)] = record.to_json()
    directory.coordinator.touch(mode=0o600)
    with Desk(directory) as desk:
        desk.write_new(records)
    if list(directory.root.glob("*-wal")):  # its name must not change while it is open
        raise Failure(f"{directory.coordinator} was not closed in time")


def _export(target: Target, manifest: Manifest) -> CoordinatorExport:
    data = b"".join(transfer.verified(target, manifest.coordinator))
    try:
        return msgspec.convert(parse_json(data), CoordinatorExport)
    except (Rejected, msgspec.MsgspecError) as error:
        raise transfer.Damaged(f"{manifest.coordinator.path}: {error}") from None


def _check_room(folder: Path, manifest: Manifest) -> None:
    free = shutil.disk_usage(folder).free
    if free < manifest.bytes:
        raise Failure(
            f"{folder.parent} has {free} bytes free, the backup needs {manifest.bytes}",
            tries=["--dir on a larger disk"],
        )


def _sync(folders: list[Path]) -> None:
    """The names in them are durable."""
    for folder in folders:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
