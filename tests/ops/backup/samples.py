"""A manifest for tests: small, whole, and like a real one."""

from __future__ import annotations

from typing import Any

from hubbub.coordinator.records import ClusterRecord
from ops.backup.manifest import FileEntry, Manifest, NodeEntry, SlotEntry

ID = "20260102T030405Z-0badcafe"
SLOTS = 16


def slot_entry(slot: int, storage_id: str = "disk-1") -> SlotEntry:
    return SlotEntry(
        slot=slot,
        storage_id=storage_id,
        applied=slot + 1,
        chain=f"{slot:016x}",
        ts_ms=1_760_000_000_000,
        incarnation=f"{slot:016x}",
        last_index=slot + 2,
        last_term=3,
        last_chain="ffffffffffffffff",
        promised=4,
    )


def file_entry(name: str, byte_count: int = 10) -> FileEntry:
    return FileEntry(f"{ID}/{name}", byte_count, "0" * 64)


def manifest(**more: Any) -> Manifest:
    fields: dict[str, Any] = {
        "format": 1,
        "id": ID,
        "version": "0.1.0",
        "began_ms": 1_767_323_045_000,
        "made_ms": 1_767_323_046_000,
        "cluster": ClusterRecord("c1", SLOTS, 7, 1),
        "copies": 3,
        "term_max": 9,
        "coordinator": file_entry("coordinator.json"),
        "revision": 12,
        "nodes": (
            NodeEntry("node-1", "disk-1", 99, (file_entry("nodes/node-1/CURRENT"),)),
            NodeEntry("node-2", "disk-2"),
        ),
        "slots": tuple(slot_entry(slot) for slot in range(SLOTS)),
        **more,
    }
    return Manifest(**fields)
