"""Sets of seqs as one bit each, in blocks of 256: the rows of whoever counts or lists messages."""

from __future__ import annotations

from typing import Final

BLOCK_SEQS: Final = 256  # half: twice the rows to read; double: twice the bytes each change writes
SHIFT: Final = 8
_BYTES: Final = BLOCK_SEQS // 8
_LOW: Final = BLOCK_SEQS - 1


def block_of(seq: int) -> int:
    """The number of the block in which a seq lies."""
    return seq >> SHIFT


def with_seq(bits: bytes, seq: int) -> bytes:
    """The block (empty: a new one) with this seq."""
    return (int.from_bytes(bits, "big") | 1 << (seq & _LOW)).to_bytes(_BYTES, "big")


def without_seq(bits: bytes, seq: int) -> bytes:
    """The block without this seq."""
    return (int.from_bytes(bits, "big") & ~(1 << (seq & _LOW))).to_bytes(_BYTES, "big")


def seqs_in(block: int, bits: bytes) -> list[int]:
    """The seqs of a block, ascending."""
    number, first = int.from_bytes(bits, "big"), block << SHIFT
    found = []
    while number:
        lowest = number & -number
        found.append(first + lowest.bit_length() - 1)
        number ^= lowest
    return found
