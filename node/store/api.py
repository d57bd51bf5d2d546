"""What the node asks of a key-value store, and the six families that it keeps.

Rules:
1. Keys and values are bytes; keys sort as unsigned bytes. Which bytes: `node.keys`.
2. A batch is atomic. `write` makes it readable, `sync` makes everything written so far durable;
   only then may anything be acknowledged.
3. An iteration is a list of bounded length whose completeness was checked: a damaged file raises
   StoreError and never looks like fewer rows.
4. One thread at a time writes and syncs; `sync` may run in a thread while another one reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Protocol, TypeAlias

from msgspec import Struct


class Family(IntEnum):
    """A column family: rows of one kind, with options of their own. Never more than six."""

    META = 0  # per slot, per stream: positions, floors, counters
    LOG = 1  # slot | index → chain | entry
    CHAN = 2  # stream | seq → published event
    STATE = 3  # stream | table | row → row of a feature
    OUTBOX = 4  # source slot | target slot | n → Forward
    DEDUP = 5  # hour | slot | digest → answer


class DeleteRange(Struct, frozen=True):
    """Delete every key with start <= key < end."""

    family: Family
    start: bytes
    end: bytes


# (family, key, value); None deletes the key.
Put: TypeAlias = tuple[Family, bytes, bytes | None]
Op: TypeAlias = Put | DeleteRange


class StoreError(Exception):
    """The disk or the database failed; nothing that was not synced may be acknowledged."""


class StoreFull(StoreError):
    """There is no room on the disk. What was synced is on it, and opens once there is room."""


class StoreRefused(Exception):
    """The database must not be served: some of what it acknowledged is missing. Says the cure."""


class Snapshot(Protocol):
    """Everything as it was at one moment. It holds back compaction: close it soon."""

    def iterate(
        self, family: Family, start: bytes, end: bytes, *, limit: int
    ) -> list[tuple[bytes, bytes]]:
        """As Store.iterate, forwards."""
        ...

    def close(self) -> None:
        """Release it. May be called twice."""
        ...


class Store(Protocol):
    """A key-value store with families, atomic batches and an explicit sync."""

    def get(self, family: Family, key: bytes) -> bytes | None:
        """The value, None if absent. Raises StoreError."""
        ...

    def multi_get(self, family: Family, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values in the order of the keys."""
        ...

    def iterate(
        self, family: Family, start: bytes, end: bytes, *, limit: int, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        """At most `limit` rows with start <= key < end, in key order or backwards.

        Raises StoreError if any row of the range could not be read.
        """
        ...

    def tails(
        self,
        family: Family,
        ranges: Sequence[tuple[bytes, bytes]],
        limit: int,
        is_enough: Callable[[bytes], bool],
    ) -> list[list[tuple[bytes, bytes]]]:
        """Of each range (start, end) its rows from the last one on: down to the first whose value
        is enough, `limit` at most. Cheapest where the ranges ascend.

        Raises StoreError as `iterate`.
        """
        ...

    def scan(
        self, family: Family, start: bytes, end: bytes, *, limit: int
    ) -> list[tuple[bytes, bytes]]:
        """As `iterate`, for who reads everything once: no cache keeps it."""
        ...

    def write(self, ops: Sequence[Op]) -> int:
        """Apply in order, atomically; the latest sequence number. Not durable before `sync`."""
        ...

    def sync(self) -> None:
        """Return once every earlier write is durable. Never called again after an error."""
        ...

    def latest_sequence(self) -> int:
        """Number of writes that this database has seen; never falls while it is whole."""
        ...

    def snapshot(self) -> Snapshot:
        """What is written now, for as long as it is open. Between two writes, not in one."""
        ...

    def begin_flush(self) -> None:
        """Begin to write what is in memory to files, so that a checkpoint has little to do."""
        ...

    def is_flushing(self) -> bool:
        """Whether that is still under way."""
        ...

    def checkpoint(self, path: str) -> None:
        """A consistent copy of everything written, in a new folder."""
        ...

    def close(self) -> None:
        """Release everything. May be called twice."""
        ...
