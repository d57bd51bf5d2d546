"""Every hash of the cluster: slots, digests, chains, rendezvous order. Sole owner of mmh3.

Rules:
1. Results are unsigned and never change: they are stored (chains, request hashes) and compared
   between processes of different versions (slots, digests).
2. Nothing here is a secret or resists an attacker; ids that must not be guessed are made elsewhere.
3. Caches are bounded. They pay because a busy stream is hashed for each of its messages.

Source: MurmurHash3, the x64 128-bit variant, and for `text_hash` x86_32 (Austin Appleby, public
domain).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

import mmh3

SLOTS_MIN: Final = 16  # fewer cannot be balanced over even three nodes
SLOTS_MAX: Final = 16_384  # a slot travels as u16, and the map must stay cheap to read whole

_U64: Final = (1 << 64) - 1
# One seed a purpose, so that equal bytes of two purposes share no hash. Fixed for ever.
_KEY_SEED: Final = 0x6B657973
_CHAIN_SEED: Final = 0x6C6F6773
_REQUEST_SEED: Final = 0x72657175
_RENDEZVOUS_SEED: Final = 0x68727721
_RING_SEED: Final = 0x72696E67

# 64 Ki streams in use at once: about 10 MiB. Beyond it a stream costs one more hash (0.3 us).
_STREAMS_CACHED: Final = 65_536


@lru_cache(maxsize=_STREAMS_CACHED)
def slot_of(app: str, key: str, slots: int, seed: int) -> int:
    """The slot of a stream key: the low bits of mmh3(app ‖ 0x00 ‖ key, the cluster's seed).

    Args: slots: a power of two. seed: u32, drawn when the cluster is made.
    Raises ValueError if `slots` is no power of two.
    """
    _check_slots(slots)
    return mmh3.hash128(f"{app}\0{key}".encode(), seed, signed=False) & (slots - 1)


def slots_of(app: str, keys: Iterable[str], slots: int, seed: int) -> list[int]:
    """The same of many keys; the cache keeps what is asked for one by one."""
    _check_slots(slots)
    start, mask, hashed = f"{app}\0".encode(), slots - 1, mmh3.hash128
    return [hashed(start + key, seed, signed=False) & mask for key in map(str.encode, keys)]


def _check_slots(slots: int) -> None:
    if slots < 1 or slots & (slots - 1):
        raise ValueError(f"slots must be a power of two, not {slots}")


@lru_cache(maxsize=_STREAMS_CACHED)
def key_hash(app: str, key: str) -> int:
    """u64 of a stream key; the digest of an interest set is the xor of its keys' hashes."""
    return _hash64(f"{app}\0{key}".encode(), _KEY_SEED)


def chain(previous: int, entry: bytes) -> int:
    """u64 over (previous chain as 8 bytes big-endian, entry bytes): checksum and history in one.

    The first entry of a log has the previous chain 0.
    """
    return _hash64(previous.to_bytes(8, "big") + entry, _CHAIN_SEED)


def request_hash(tag: str, body: bytes) -> int:
    """u64 that tells a retry from another request under the same cmid."""
    return _hash64(tag.encode() + b"\0" + body, _REQUEST_SEED)


def text_hash(text: str) -> str:
    """16 hex digits: two MurmurHash3_x86_32 of the UTF-8 bytes, with the seeds 0 and 1. The variant
    that every language has, so that clients compute it as well; part of the public protocol."""
    data = text.encode()
    return f"{mmh3.hash(data, 0, signed=False):08x}{mmh3.hash(data, 1, signed=False):08x}"


def rendezvous(slot: int, names: Sequence[str]) -> list[str]:
    """All names in the slot's order of preference: highest random weight first.

    Order: does not depend on the order of `names`; a name that comes or goes moves no other.
    """
    return list(_rendezvous(slot, tuple(sorted(names))))


def ring_point(text: str) -> int:
    """u64 place of a virtual node or of a slot on the placement ring."""
    return _hash64(text.encode(), _RING_SEED)


@lru_cache(maxsize=SLOTS_MAX)
def _rendezvous(slot: int, names: tuple[str, ...]) -> tuple[str, ...]:
    place = b"\0" + slot.to_bytes(4, "big")

    def rank(name: str) -> tuple[int, str]:
        return -_hash64(name.encode() + place, _RENDEZVOUS_SEED), name

    return tuple(sorted(names, key=rank))


def _hash64(data: bytes, seed: int) -> int:
    return mmh3.hash128(data, seed, signed=False) & _U64
