"""What is in a backup: its manifest, how that becomes bytes, and who has signed it.

Shape of a backup, below the place that was given:
  <id>/manifest.json               written last, at once: without it there is no backup
  <id>/coordinator.json            CoordinatorExport
  <id>/nodes/<name>/<file>         one node's database, as RocksDB froze it

manifest.json is the canonical JSON of {"manifest": {…}, "signature": {"algorithm", "key_id",
"value"}}; `value` is the hexadecimal signature (ops.backup.signing) of the canonical JSON of the
manifest. Canonical: UTF-8, keys sorted, no white space, no floats, nothing escaped without need.

Rules:
1. A manifest is judged as bytes first (canonical, signed), and shaped afterwards. Fields that this
   version does not know are covered by the signature and ignored; another `format` is refused.
2. Names in a manifest become paths. Each is checked here: no name leads out of its folder.
3. 64-bit numbers that are no counts (chains) are hexadecimal text: not every reader of JSON has
   such integers.

What it holds already for backups to come. Incremental: a file's `path` is relative to the place
and not to its backup, so that a later manifest may name files of earlier ones; table files
never change, so name, `bytes` and `sha256` under one `storage_id` say which are there; `base` names
the backup it builds on. Point in time: `ts_ms` of every slot (log time never falls within one), and
`last_index` above `applied`, say from where entries are missing up to a moment.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import msgspec
from msgspec import Struct

from hubbub.base.errors import Rejected
from hubbub.coordinator.backups import SlotCopy
from hubbub.coordinator.records import ClusterRecord
from hubbub.wire.codec import parse_json
from ops.answer import Exit, Failure
from ops.backup.signing import ALGORITHM, BackupKey

FORMAT: Final = 1
MANIFEST_FILE: Final = "manifest.json"
EXPORT_FILE: Final = "coordinator.json"
# 16,384 slots are 4 MB, a file 200 bytes. Half would refuse a cluster of 100,000 files.
MANIFEST_BYTES_MAX: Final = 64 << 20
ID: Final = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")


class FileEntry(Struct, frozen=True):
    """One stored file. `path` is relative to the place, with `/`; `sha256` in hexadecimal."""

    path: str
    bytes: int
    sha256: str

    @property
    def name(self) -> str:
        """Its last part: the name in the folder that it came from."""
        return self.path.rpartition("/")[2]


class NodeEntry(Struct, frozen=True):
    """One node. `files` are its database's, none if nothing of it was needed."""

    name: str
    storage_id: str
    sequence: int = 0
    files: tuple[FileEntry, ...] = ()


class SlotEntry(Struct, frozen=True, kw_only=True):
    """The copy of one slot that is the backup's: see SlotCopy."""

    slot: int
    storage_id: str
    applied: int
    chain: str
    ts_ms: int
    incarnation: str
    last_index: int
    last_term: int
    last_chain: str
    promised: int


class Manifest(Struct, frozen=True, kw_only=True):
    """One backup. `began_ms`, `made_ms`: wall clock; acknowledged before `began_ms` is in it.

    `silent`: nodes that did not answer, whose slots others had. `unheld`: those of them that may
    have gone on sending Forwards (a user's list of channels may lack some). `term_max`: no
    slot ever had a higher term.
    """

    format: int
    id: str
    version: str
    began_ms: int
    made_ms: int
    cluster: ClusterRecord
    copies: int
    term_max: int
    coordinator: FileEntry
    revision: int
    nodes: tuple[NodeEntry, ...]
    slots: tuple[SlotEntry, ...]
    silent: tuple[str, ...] = ()
    unheld: tuple[str, ...] = ()
    base: str = ""

    @property
    def files(self) -> list[FileEntry]:
        """Every stored file but the manifest."""
        return [self.coordinator, *(file for node in self.nodes for file in node.files)]

    @property
    def bytes(self) -> int:
        """Of all of them."""
        return sum(file.bytes for file in self.files)

    @property
    def entries(self) -> int:
        """Log entries of all slots."""
        return sum(slot.last_index for slot in self.slots)


class ExportedRecord(Struct, frozen=True):
    """One record of the coordinator; its value is JSON text."""

    key: str
    value: str


class CoordinatorExport(Struct, frozen=True):
    """All records without a lease, as of a revision. Holds the apps' secrets."""

    revision: int
    records: tuple[ExportedRecord, ...]


class Sealed(Struct, frozen=True):
    """A manifest as it was read, and the signature that came with it (`signature` empty: none)."""

    manifest: Manifest
    signed: bytes
    key_id: str
    signature: bytes


def slot_entry(storage_id: str, copy: SlotCopy) -> SlotEntry:
    """A copy as the manifest names it."""
    return SlotEntry(
        slot=copy.slot,
        storage_id=storage_id,
        applied=copy.applied,
        chain=f"{copy.chain:016x}",
        ts_ms=copy.ts_ms,
        incarnation=copy.incarnation,
        last_index=copy.last_index,
        last_term=copy.last_term,
        last_chain=f"{copy.last_chain:016x}",
        promised=copy.promised,
    )


def slot_copy(entry: SlotEntry) -> SlotCopy:
    """And back."""
    return SlotCopy(
        entry.slot,
        entry.applied,
        int(entry.chain, 16),
        entry.ts_ms,
        entry.incarnation,
        entry.last_index,
        entry.last_term,
        int(entry.last_chain, 16),
        entry.promised,
    )


def canonical(value: Any) -> bytes:
    """The one form of a JSON value; see the module."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def seal(manifest: Manifest, key: BackupKey) -> bytes:
    """The bytes of manifest.json."""
    body = msgspec.to_builtins(manifest)
    signature = {
        "algorithm": ALGORITHM,
        "key_id": key.id,
        "value": key.sign(canonical(body)).hex(),
    }
    return canonical({"manifest": body, "signature": signature})


def unseal(data: bytes, name: str) -> Sealed:
    """What manifest.json holds, whoever signed it. Raises Failure(REFUSED)."""
    try:
        whole = parse_json(data)
        body = whole["manifest"]
        if canonical(whole) != data:
            raise ValueError("it is not in canonical form")
        if not isinstance(body["format"], int) or body["format"] > FORMAT:
            raise Failure(
                f"{name} has format {body['format']}, this version knows {FORMAT}",
                exit_code=Exit.REFUSED,
                tries=["the version that made it, or a newer one"],
            )
        manifest = msgspec.convert(body, Manifest)
        _check(manifest)
        signature = whole.get("signature") or {}
        if signature and signature["algorithm"] != ALGORITHM:
            signature = {}
        value = bytes.fromhex(signature.get("value", ""))
        return Sealed(manifest, canonical(body), str(signature.get("key_id", "")), value)
    except (Rejected, msgspec.MsgspecError, ValueError, KeyError, TypeError, AttributeError) as bad:
        raise Failure(
            f"{name} is no manifest of a backup", exit_code=Exit.REFUSED, cause=[str(bad)]
        ) from None


def is_signed_by(sealed: Sealed, key: BackupKey) -> bool:
    """Whether this key signed exactly what was read."""
    return key.is_valid(sealed.signature, sealed.signed)


def _check(manifest: Manifest) -> None:
    """Rule 2, and every slot once. Raises ValueError."""
    if not ID.fullmatch(manifest.id):
        raise ValueError(f"{manifest.id!r} is no id of a backup")
    for file in manifest.files:
        if not all(map(_NAME.fullmatch, file.path.split("/"))) or file.bytes < 0:
            raise ValueError(f"{file.path!r} is no name of a file")
    for node in manifest.nodes:
        if not _NAME.fullmatch(node.name):
            raise ValueError(f"{node.name!r} is no name of a node")
        if len({file.name for file in node.files}) != len(node.files):
            raise ValueError(f"two files of {node.name} have one name")
    if [slot.slot for slot in manifest.slots] != list(range(manifest.cluster.slots)):
        raise ValueError("not every slot stands in it once")
    full = {node.storage_id for node in manifest.nodes if node.files}
    if not {slot.storage_id for slot in manifest.slots} <= full:
        raise ValueError("a slot's database is not in it")
    for slot in manifest.slots:
        slot_copy(slot)
