"""Whose copy a database is: it says so in two rows, and is opened as nothing else.

Rules (replication.md 2.12):
1. A new database may only stand where this copy never held anything: what it held would be missed
   by nobody but its clients.
2. A database of another copy, of another cluster or of another generation of this one is refused:
   after a restore nothing of before may come back.
"""

from __future__ import annotations

from typing import NamedTuple

from node import keys
from node.store.api import Family, Op, Store, StoreRefused
from node.store.open import CURE


class Identity(NamedTuple):
    """What the coordinator says that a node's database is."""

    storage_id: str
    cluster_id: str
    generation: int


def marks(store: Store, whose: Identity, lost: int, folder: str) -> list[Op]:
    """What makes the database say whose it is; nothing if it does.

    Args: lost: slots that this copy holds by the map; a new database has none of them. folder: of
    the database, to be named.
    Raises StoreRefused: the database is another one. StoreError.
    """
    generation = keys.pack_u64(whose.generation) + whose.cluster_id.encode()
    found = store.get(Family.META, keys.GENERATION)
    if found is not None and found != generation:
        raise StoreRefused(
            f"{folder}: the database is of generation {keys.read_u64(found)} "
            f"of cluster {found[keys.SEQ_BYTES :].decode()}; this is generation "
            f"{whose.generation} of {whose.cluster_id}, and what the other one has acknowledged "
            "since it was backed up is not in it. Start the node on the folder that "
            "`hubbub restore` made for it, or on an empty one"
        )
    storage = store.get(Family.META, keys.DATABASE)
    if storage is not None and storage != whose.storage_id.encode():
        raise StoreRefused(f"{folder}: the database is another copy's; {CURE}")
    if storage is None and lost:
        raise StoreRefused(
            f"{folder}: this copy held {lost} slots, and its database is gone; {CURE}"
        )
    ops: list[Op] = []
    if storage is None:
        ops.append((Family.META, keys.DATABASE, whose.storage_id.encode()))
    if found is None:
        ops.append((Family.META, keys.GENERATION, generation))
    return ops
