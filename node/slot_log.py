"""The log of one slot: its end, its terms, and its entries, in memory until they are applied. Pure.

Rules:
1. What changes the log returns the operations that store it; the caller writes them in order and
   each list atomically. `terms` changes with the entries that it speaks of.
2. Entries stay in memory until `forget`; older ones are read from the store.
3. Entries up to `base` are gone: whoever lacks one of them needs a snapshot. Their terms stay known
   as far as they tell where two logs part.
4. Two logs that hold the same (term, index) are equal up to there: a term has one leader, who
   writes each index once. So a table of terms is enough to find where two logs part.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from hubbub.ring.hashing import chain as chain_of
from node import keys
from node.entry import CHAIN_BYTES, BrokenChain
from node.store.api import DeleteRange, Family, Op, Store

# Terms that a message names. Logs that part before them start over from the first entry, which is
# slow and right.
TERMS_SENT_MAX: Final = 64
_LOG: Final = Family.LOG  # an enum's member costs ten times a global's look-up
_PAGE: Final = 500


class Logged(Struct, frozen=True, gc=False):
    """One entry as it is stored. `value` = u64 chain | entry."""

    index: int
    term: int
    value: bytes

    @property
    def chain(self) -> int:
        """The chain up to and with this entry."""
        return keys.read_u64(self.value)


class SlotLog:
    """The log of one slot on this node."""

    __slots__ = (
        "_recent",
        "_slot",
        "_store",
        "base",
        "base_chain",
        "last_chain",
        "last_index",
        "last_term",
        "terms",
    )

    def __init__(self, slot: int, store: Store) -> None:
        """Reads where the log ends. Raises StoreError."""
        self._slot = slot
        self._store = store
        self._recent: deque[Logged] = deque()
        rows = store.iterate(Family.META, *keys.term_range(slot), limit=1 << 30)
        self.terms: list[tuple[int, int]] = [
            (keys.term_of(key), keys.read_u64(row)) for key, row in rows
        ]
        base = store.get(Family.META, keys.log_base(slot))
        self.base = keys.read_u64(base) if base is not None else 0
        self.base_chain = keys.read_u64(base, keys.SEQ_BYTES) if base is not None else 0
        start, end = keys.log(slot, self.base + 1), keys.log(slot, keys.U64_MAX)
        newest = store.iterate(Family.LOG, start, end, limit=1, reverse=True)
        self.last_index = keys.log_index(newest[0][0]) if newest else self.base
        self.last_chain = keys.read_u64(newest[0][1]) if newest else self.base_chain
        self.last_term = self.terms[-1][0] if self.terms else 0

    # --- reading

    def term_at(self, index: int) -> int:
        """The term of an entry, 0 before the first one."""
        terms = self.terms
        if terms and index >= terms[-1][1]:
            return terms[-1][0]
        at = bisect_right(terms, index, key=_first_index)
        return terms[at - 1][0] if at else 0

    def chain_at(self, index: int) -> int:
        """The chain up to an entry from `base` on. Raises BrokenChain."""
        if index == self.last_index:
            return self.last_chain
        if index == self.base:
            return self.base_chain
        return self.read(index, 1)[0].chain

    def read(self, first: int, bytes_max: int) -> list[Logged]:
        """Entries from `first` on, at least one, until `bytes_max` is reached.

        Raises BrokenChain if one of them is missing.
        """
        found: list[Logged] = []
        size, index, recent = 0, first, self._recent
        known_from = recent[0].index if recent else self.last_index + 1
        while index <= self.last_index and size < bytes_max:
            if index >= known_from:
                page = [recent[index - known_from]]
            else:
                page = self._stored(index, known_from)
            for logged in page:
                found.append(logged)
                size += len(logged.value)
                if size >= bytes_max:
                    break
            index = found[-1].index + 1
        return found

    def recent_terms(self) -> tuple[tuple[int, int], ...]:
        """The newest terms, for another copy."""
        return tuple(self.terms[-TERMS_SENT_MAX:])

    def common(self, terms: Sequence[tuple[int, int]], last_index: int) -> int:
        """The last index that this log and another one surely share (rule 3)."""
        theirs = list(terms)
        for at in range(len(self.terms) - 1, -1, -1):
            term, first = self.terms[at]
            for there in range(len(theirs) - 1, -1, -1):
                if theirs[there] == (term, first):
                    our_end = _end(self.terms, at, self.last_index)
                    return min(our_end, _end(theirs, there, last_index))
        return 0

    def verify(self, above: int, chain: int) -> None:
        """Check the chain of everything above an index whose chain is known. Raises BrokenChain."""
        index = above
        while index < self.last_index:
            for logged in self._stored(index + 1, self.last_index + 1):
                if chain_of(chain, logged.value[CHAIN_BYTES:]) != logged.chain:
                    raise BrokenChain(f"slot {self._slot}: entry {logged.index} does not follow")
                chain, index = logged.chain, logged.index

    def _stored(self, first: int, end: int) -> list[Logged]:
        until = min(end, first + _PAGE)
        start = keys.log(self._slot, first)
        rows = self._store.iterate(
            Family.LOG, start, keys.log(self._slot, until), limit=until - first
        )
        if len(rows) != until - first:
            raise BrokenChain(f"slot {self._slot}: entries {first} to {until - 1} are incomplete")
        return [
            Logged(first + at, self.term_at(first + at), row) for at, (_, row) in enumerate(rows)
        ]

    def following(self, term: int, data: bytes) -> Logged:
        """The entry that would come next."""
        chain = chain_of(self.last_chain, data)
        return Logged(self.last_index + 1, term, keys.pack_u64(chain) + data)

    # --- changing

    def append(self, entries: Sequence[Logged]) -> list[Op]:
        """Put entries behind the last one."""
        ops: list[Op] = []
        for logged in entries:
            assert logged.index == self.last_index + 1, (logged.index, self.last_index)
            if logged.term != self.last_term:
                assert logged.term > self.last_term, (logged.term, self.last_term)
                self.terms.append((logged.term, logged.index))
                row = keys.term(self._slot, logged.term), keys.pack_u64(logged.index)
                ops.append((Family.META, *row))
                self.last_term = logged.term
            self._recent.append(logged)
            ops.append((_LOG, keys.log(self._slot, logged.index), logged.value))
            self.last_index = logged.index
        if entries:
            self.last_chain = entries[-1].chain
        return ops

    def truncate(self, after: int) -> list[Op]:
        """Cut everything above an index."""
        chain = self.chain_at(after)
        while self._recent and self._recent[-1].index > after:
            self._recent.pop()
        end = self.last_index + 1
        self.last_index, self.last_chain = after, chain
        ops: list[Op] = [
            DeleteRange(Family.LOG, keys.log(self._slot, after + 1), keys.log(self._slot, end))
        ]
        while self.terms and self.terms[-1][1] > after:
            ops.append((Family.META, keys.term(self._slot, self.terms.pop()[0]), None))
        self.last_term = self.terms[-1][0] if self.terms else 0
        return ops

    def trim(self, upto: int) -> list[Op]:
        """Drop entries up to an index that no reader needs."""
        chain = self.chain_at(upto)
        start = keys.log(self._slot, self.base + 1)
        ops: list[Op] = [DeleteRange(Family.LOG, start, keys.log(self._slot, upto + 1))]
        self.forget(upto)
        return ops + self._begin_behind(upto, chain)

    def install(self, base: int, chain: int, terms: Sequence[tuple[int, int]]) -> list[Op]:
        """Begin an emptied log behind a snapshot."""
        self.clear()
        self.terms = [row for row in terms if row[1] <= base]
        self.last_index, self.last_chain = base, chain
        self.last_term = self.terms[-1][0] if self.terms else 0
        ops: list[Op] = [
            (Family.META, keys.term(self._slot, term), keys.pack_u64(first))
            for term, first in self.terms
        ]
        return ops + self._begin_behind(base, chain)

    def clear(self) -> None:
        """Nothing is in it any more; the caller deletes the rows."""
        self._recent.clear()
        self.terms = []
        self.base = self.base_chain = self.last_index = self.last_chain = self.last_term = 0

    def _begin_behind(self, index: int, chain: int) -> list[Op]:
        self.base, self.base_chain = index, chain
        row = keys.pack_u64(index) + keys.pack_u64(chain)
        return [(Family.META, keys.log_base(self._slot), row)]

    def forget(self, upto: int) -> None:
        """Entries up to an index are in the store, and nobody here needs them soon."""
        recent = self._recent
        while recent and recent[0].index <= upto:
            recent.popleft()


def _first_index(row: tuple[int, int]) -> int:
    return row[1]


def _end(terms: Sequence[tuple[int, int]], at: int, last_index: int) -> int:
    """The last index of a term in a log."""
    return terms[at + 1][1] - 1 if at + 1 < len(terms) else last_index
