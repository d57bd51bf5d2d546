"""Fossil deltas: what changed from one publication of a channel to the next. Pure.

Rules:
1. A delta is built only where it pays: it must be smaller than the whole, and a payload over
   `TARGET_BYTES_MAX` is sent whole (the scan is a loop over its bytes).
2. A copy begins and ends between characters, so that a delta of UTF-8 texts is UTF-8 itself and
   fits into a JSON string.

Shape: `<size>\\n`, then copies `<count>@<offset>,` and inserts `<count>:<bytes>`, then
`<checksum>;`. Numbers are base 64 of the digits 0-9A-Z_a-z~, most significant first.

Source: the delta format of the Fossil project; Centrifuge client protocol v2 (delta "fossil").
"""

from __future__ import annotations

from struct import unpack
from typing import Final

BLOCK_BYTES: Final = 16  # what must be equal to be found; a copy costs at most 12 bytes
TARGET_BYTES_MAX: Final = 8 * 1024  # about 1 ms of scanning at worst, once for a publication
_DIGITS: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~"
_STRIDE: Final = 64  # extending a match compares this many bytes at once while they are equal


def make_delta(source: bytes, target: bytes) -> bytes | None:
    """The delta that turns `source` into `target`; None if the whole is not longer."""
    if not BLOCK_BYTES <= len(target) <= TARGET_BYTES_MAX:
        return None
    delta = _encode(source, target)
    return delta if len(delta) < len(target) else None


def _encode(source: bytes, target: bytes) -> bytes:
    blocks = {
        source[at : at + BLOCK_BYTES]: at
        for at in range(len(source) - len(source) % BLOCK_BYTES - BLOCK_BYTES, -1, -BLOCK_BYTES)
    }
    parts = [_number(len(target)), b"\n"]
    written = at = 0
    while at <= len(target) - BLOCK_BYTES:
        found = blocks.get(target[at : at + BLOCK_BYTES])
        if found is not None:
            start, end = _extend(source, target, found, at, written)
            if end - start >= BLOCK_BYTES:
                _insert(parts, target[written:start])
                parts += (_number(end - start), b"@", _number(found + start - at), b",")
                written = at = end
                continue
        at += 1
    _insert(parts, target[written:])
    parts += (_number(_checksum(target)), b";")
    return b"".join(parts)


def _extend(source: bytes, target: bytes, found: int, at: int, written: int) -> tuple[int, int]:
    """The widest equal range of the target around a hit, cut to whole characters."""
    shift = found - at
    start = at
    while start > written and start + shift > 0 and source[start + shift - 1] == target[start - 1]:
        start -= 1
    end = at + BLOCK_BYTES
    last = min(len(target), len(source) - shift)
    while (
        end + _STRIDE <= last
        and source[end + shift : end + shift + _STRIDE] == target[end : end + _STRIDE]
    ):
        end += _STRIDE
    while end < last and source[end + shift] == target[end]:
        end += 1
    while start < end and target[start] & 0xC0 == 0x80:
        start += 1
    while start < end < len(target) and target[end] & 0xC0 == 0x80:
        end -= 1
    return start, end


def _insert(parts: list[bytes], data: bytes) -> None:
    if data:
        parts += (_number(len(data)), b":", data)


def _number(value: int) -> bytes:
    digits = bytearray()
    while True:
        digits.append(_DIGITS[value & 0x3F])
        value >>= 6
        if not value:
            digits.reverse()
            return bytes(digits)


def _checksum(data: bytes) -> int:
    """The sum of big-endian 32-bit words, the last one padded with zeros, mod 2^32."""
    padded = data + bytes(-len(data) % 4)
    words: tuple[int, ...] = unpack(f">{len(padded) // 4}I", padded)
    return sum(words) & 0xFFFFFFFF
