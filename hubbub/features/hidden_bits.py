"""Which messages of a block of seqs somebody blocked has written: what the blocker's figures leave
out (decision record 0034).

Rule: nothing is kept for it. Of few messages their authors are looked at; of more than he blocks
users, the rows that each author has anyway.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Final

from hubbub.features.contract import Table, Tables
from hubbub.features.seq_bits import seqs_in

Blocked = Set[str]
NONE_BLOCKED: Final[frozenset[str]] = frozenset()


def hidden_in(
    bits: int,
    block: int,
    blocked: Blocked,
    tables: Tables,
    authors: Table[tuple[str, int], bytes],
) -> int:
    """Those of the bits that stand for messages of somebody blocked. `authors`: (author, block) →
    his messages."""
    if not (bits and blocked):
        return 0
    hidden = 0
    if bits.bit_count() <= len(blocked):
        for seq in seqs_in(block, bits.to_bytes(32, "big")):
            stored = tables.published(seq)
            if stored is not None and stored.head.by in blocked:
                hidden |= 1 << (seq & 255)
        return hidden
    for author in blocked:
        hidden |= int.from_bytes(tables[authors].get((author, block)) or b"", "big")
    return bits & hidden
