"""What every coordinator does: records, compare-and-swap, leases, resumable watches. Pure.

Rules, the same for the embedded one and for etcd (whose version 3 semantics these are):
1. One successful transaction that changes something = one revision, whatever it writes. A
   transaction whose guards fail, and one that deletes only what is not there, changes nothing.
   Revisions begin at 1 or above and only grow; there are gaps where a store is shared.
2. A record's `mod_revision` is the revision of its last write; `create_revision` that of the write
   that made it (again after a delete).
3. A watch yields every change of its prefix from a revision on, in order, never part of a revision.
4. A record with a lease is deleted when the lease expires; watchers see it as a delete.
5. What was answered is durable. After CoordinatorUnavailable the outcome of a write is unknown:
   read it again, or rely on its guards.
6. A lease's holder counts its time from before it asked; the store counts from later on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final, Protocol, TypeAlias

from msgspec import Struct

# etcd's --max-txn-ops, for guards and for operations: more is refused here as it is there.
TRANSACTION_OPS_MAX: Final = 128


class Record(Struct, frozen=True):
    """One key's value and its versions. `lease` 0: none."""

    key: str
    value: bytes
    create_revision: int
    mod_revision: int
    lease: int = 0


class Guard(Struct, frozen=True):
    """True while the key's mod_revision is this one; 0: while the key does not exist."""

    key: str
    mod_revision: int


class Put(Struct, frozen=True):
    """Write a record. A lease of 0 detaches the one that it had."""

    key: str
    value: bytes
    lease: int = 0


class Delete(Struct, frozen=True):
    """Delete a record; nothing if there is none."""

    key: str


Op: TypeAlias = Put | Delete


class TransactionResult(Struct, frozen=True):
    """`revision` is the store's after the transaction: its own if it changed something."""

    succeeded: bool
    revision: int


class WatchEvent(Struct, frozen=True):
    """A key's new record, None when it was deleted, at this revision."""

    key: str
    record: Record | None
    revision: int


class CoordinatorError(Exception):
    """What a coordinator refuses or fails with."""


class CoordinatorUnavailable(CoordinatorError):
    """No answer in time, or the store cannot be used: the outcome is unknown, try again."""


class LeaseExpired(CoordinatorError):
    """The lease is over or was never granted; its records are gone or going."""

    def __init__(self, lease: int) -> None:
        super().__init__(f"lease {lease:x} has expired")
        self.lease = lease


class Compacted(CoordinatorError):
    """The watch asks for changes that are no longer kept: read the range again.

    `compact_revision` is the earliest revision that a watch can start from now.
    """

    def __init__(self, compact_revision: int) -> None:
        super().__init__(f"changes before revision {compact_revision} are no longer kept")
        self.compact_revision = compact_revision


class Coordinator(Protocol):
    """The store. All methods raise CoordinatorUnavailable; a closed one raises it always.

    Cancellation: a write that was under way may still happen.
    """

    async def get(self, key: str) -> Record | None:
        """The key's record, as of an answered write or later."""

    async def range(self, prefix: str) -> tuple[list[Record], int]:
        """All records of a prefix, by key, and the revision at which they are true together."""

    async def transact(self, guards: Sequence[Guard], ops: Sequence[Op]) -> TransactionResult:
        """Do all operations if all guards are true, else none.

        Raises LeaseExpired if a Put names a lease that is over; ValueError if a key is written
        twice or there are more than TRANSACTION_OPS_MAX guards or operations. etcd takes 1.5 MiB
        in all; more is a CoordinatorError.
        """

    async def lease_grant(self, ttl_ms: int) -> int:
        """A new lease's id (u63, never 0), good for `ttl_ms` or more from now.

        etcd counts whole seconds, rounded up, and one or two at least.
        """

    async def lease_keepalive(self, lease: int) -> None:
        """Good for its ttl from now on again. Raises LeaseExpired: it never comes back."""

    async def lease_revoke(self, lease: int) -> None:
        """End it now and delete its records. Raises LeaseExpired if it was over."""

    def watch(self, prefix: str, from_revision: int) -> AsyncIterator[list[WatchEvent]]:
        """Batches of changes of a prefix at `from_revision` (≥ 1) or later, without end.

        Changes that took place already come first. After any error, and after a restart, go on
        with the last revision seen + 1. Raises Compacted; CoordinatorUnavailable.
        """

    async def close(self) -> None:
        """Release everything; running watches end with CoordinatorUnavailable. Leases stay."""


def check_transaction(guards: Sequence[Guard], ops: Sequence[Op]) -> None:
    """Raises ValueError for a transaction that no coordinator takes."""
    if max(len(guards), len(ops)) > TRANSACTION_OPS_MAX:
        raise ValueError(f"a transaction has at most {TRANSACTION_OPS_MAX} guards and operations")
    keys = {op.key for op in ops}
    if len(keys) != len(ops):
        raise ValueError("a transaction writes each key at most once")
    if "" in keys:
        raise ValueError("a key has at least one character")


def prefix_end(prefix: bytes) -> bytes | None:
    """The first key after all keys of a prefix; None: there is no end (empty, or all 0xFF)."""
    kept = prefix.rstrip(b"\xff")
    return kept[:-1] + bytes((kept[-1] + 1,)) if kept else None
