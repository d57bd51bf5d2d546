"""A set of stream keys that one process owns and its peer holds a copy of. Pure.

Rules (contracts.md 5):
1. The owner sends FULL when a link begins, then numbered DELTAs; each number follows the last.
2. The beat carries number, count and xor of key hashes. A copy that disagrees, or that misses a
   number, asks with PULL and gets FULL again. So any loss is repaired by the second next beat.
3. A set too large for one message is a FULL of its first keys, followed by DELTAs.
4. What refers to a key, and how often, is the caller's business: a key is in the set or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

import msgspec

from hubbub.ring.hashing import key_hash
from hubbub.wire.codec import decode_pack, encode_pack
from hubbub.wire.frame import Message, encode_message
from hubbub.wire.shapes import Beat, InterestDelta, InterestFull, Kind

Key: TypeAlias = tuple[str, str]  # app, stream key

# One message: 8,192 names of at most 255 + 64 bytes stay below 3 MiB. Half doubles the messages of
# a large set; at four times the longest names would not fit a frame.
CHUNK_KEYS = 8_192

PULL = encode_message(Kind.INTEREST_PULL, b"")


class SetChange(NamedTuple):
    """What a message changed. `pull`: the copy is wrong, ask its owner with PULL."""

    added: tuple[Key, ...] = ()
    removed: tuple[Key, ...] = ()
    pull: bool = False


class SetSource:
    """The owner's side. Changes wait until `deltas`, so that many travel as one message."""

    __slots__ = ("_added", "_keys", "_number", "_removed", "_xor")

    def __init__(self) -> None:
        self._keys: set[Key] = set()
        self._number = 0
        self._xor = 0
        self._added: set[Key] = set()
        self._removed: set[Key] = set()

    def __len__(self) -> int:
        """How many keys the set has with all changes that wait."""
        return len(self._keys) + len(self._added) - len(self._removed)

    def __contains__(self, key: Key) -> bool:
        return key in self._added or (key in self._keys and key not in self._removed)

    @property
    def changed(self) -> bool:
        """Changes wait to be sent."""
        return bool(self._added or self._removed)

    def add(self, key: Key) -> None:
        """Put a key into the set; nothing if it is there."""
        if key in self._removed:
            self._removed.discard(key)
        elif key not in self._keys:
            self._added.add(key)

    def remove(self, key: Key) -> None:
        """Take a key out of the set; nothing if it is absent."""
        if key in self._added:
            self._added.discard(key)
        elif key in self._keys:
            self._removed.add(key)

    def deltas(self) -> list[bytes]:
        """The waiting changes as encoded messages (usually none or one), in sending order."""
        if not self.changed:
            return []
        added, removed = tuple(self._added), tuple(self._removed)
        self._merge()
        if len(added) + len(removed) <= CHUNK_KEYS:
            return [self._delta(added, removed)]
        return [self._delta((), chunk) for chunk in _chunks(removed)] + [
            self._delta(chunk, ()) for chunk in _chunks(added)
        ]

    def fulls(self) -> list[bytes]:
        """The whole set as encoded messages, in sending order; contains the waiting changes."""
        self._merge()
        chunks = list(_chunks(tuple(self._keys))) or [()]
        self._number += 1
        full = encode_message(
            Kind.INTEREST_FULL, encode_pack(InterestFull(self._number, chunks[0]))
        )
        return [full] + [self._delta(chunk, ()) for chunk in chunks[1:]]

    def beat(self) -> bytes:
        """The body of a BEAT: the digest of what was sent (waiting changes not included)."""
        return encode_pack(Beat(self._number, len(self._keys), self._xor))

    def _merge(self) -> None:
        for app, key in self._added | self._removed:
            self._xor ^= key_hash(app, key)
        self._keys |= self._added
        self._keys -= self._removed
        self._added.clear()
        self._removed.clear()

    def _delta(self, added: tuple[Key, ...], removed: tuple[Key, ...]) -> bytes:
        self._number += 1
        body = encode_pack(InterestDelta(self._number, added, removed))
        return encode_message(Kind.INTEREST_DELTA, body)


class SetCopy:
    """The peer's side. `keys` is the copy; it is empty until the first FULL."""

    __slots__ = ("_number", "_pulling", "_xor", "keys")

    def __init__(self) -> None:
        self.keys: set[Key] = set()
        self._number = -1  # nothing yet
        self._xor = 0
        self._pulling = False

    def receive(self, message: Message) -> SetChange:
        """Apply an INTEREST_FULL or INTEREST_DELTA. A body that is none asks for a pull."""
        try:
            if message.type == Kind.INTEREST_FULL:
                return self._full(decode_pack(message.body, InterestFull))
            return self._delta(decode_pack(message.body, InterestDelta))
        except msgspec.MsgspecError:
            return self._lost()

    def beat(self, body: bytes) -> bool:
        """Compare with the digest in a beat; True: they disagree, ask with PULL."""
        try:
            beat = decode_pack(body, Beat)
        except msgspec.MsgspecError:
            return False
        return (beat.number, beat.count, beat.xor) != (
            max(self._number, 0),
            len(self.keys),
            self._xor,
        )

    def _full(self, full: InterestFull) -> SetChange:
        keys = set(full.keys)
        added, removed = tuple(keys - self.keys), tuple(self.keys - keys)
        self._change(added, removed)
        self._number = full.number
        self._pulling = False
        return SetChange(added, removed)

    def _delta(self, delta: InterestDelta) -> SetChange:
        if self._number < 0 or delta.number > self._number + 1:
            return self._lost()
        if delta.number <= self._number:
            return SetChange()
        self._number = delta.number
        added = tuple(key for key in delta.add if key not in self.keys)
        removed = tuple(key for key in delta.remove if key in self.keys)
        self._change(added, removed)
        return SetChange(added, removed)

    def _lost(self) -> SetChange:
        """Ask once; a lost answer is noticed by the next beat."""
        first = not self._pulling
        self._pulling = True
        return SetChange(pull=first)

    def _change(self, added: Iterable[Key], removed: Iterable[Key]) -> None:
        for app, key in added:
            self.keys.add((app, key))
            self._xor ^= key_hash(app, key)
        for app, key in removed:
            self.keys.discard((app, key))
            self._xor ^= key_hash(app, key)


def _chunks(keys: tuple[Key, ...]) -> Iterator[tuple[Key, ...]]:
    return (keys[at : at + CHUNK_KEYS] for at in range(0, len(keys), CHUNK_KEYS))
