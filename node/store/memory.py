"""The store's twin in memory: same answers, no durability. It passes the suite of the real one."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from pathlib import Path

from hubbub.wire.codec import encode_pack
from node.store.api import DeleteRange, Family, Op, StoreError


class MemoryStore:
    """Sorted dictionaries, one a family."""

    def __init__(self) -> None:
        self._values: dict[Family, dict[bytes, bytes]] = {family: {} for family in Family}
        self._keys: dict[Family, list[bytes]] = {family: [] for family in Family}
        self._sequence = 0
        self._closed = False
        self.syncs = 0

    def get(self, family: Family, key: bytes) -> bytes | None:
        """As Store.get."""
        self._check_open()
        return self._values[family].get(key)

    def multi_get(self, family: Family, keys: Sequence[bytes]) -> list[bytes | None]:
        """As Store.multi_get."""
        return [self.get(family, key) for key in keys]

    def iterate(
        self, family: Family, start: bytes, end: bytes, *, limit: int, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        """As Store.iterate."""
        self._check_open()
        keys, values = self._keys[family], self._values[family]
        found = keys[bisect_left(keys, start) : bisect_left(keys, end)]
        if reverse:
            found.reverse()
        return [(key, values[key]) for key in found[:limit]]

    def tails(
        self,
        family: Family,
        ranges: Sequence[tuple[bytes, bytes]],
        limit: int,
        is_enough: Callable[[bytes], bool],
    ) -> list[list[tuple[bytes, bytes]]]:
        """As Store.tails."""
        found: list[list[tuple[bytes, bytes]]] = []
        for start, end in ranges:
            rows = self.iterate(family, start, end, limit=limit, reverse=True)
            enough = next((n for n, row in enumerate(rows, 1) if is_enough(row[1])), limit)
            found.append(rows[:enough])
        return found

    def scan(
        self, family: Family, start: bytes, end: bytes, *, limit: int
    ) -> list[tuple[bytes, bytes]]:
        """As Store.scan."""
        return self.iterate(family, start, end, limit=limit)

    def write(self, ops: Sequence[Op]) -> int:
        """As Store.write."""
        self._check_open()
        for op in ops:
            self._sequence += 1
            if isinstance(op, DeleteRange):
                for key, _ in self.iterate(op.family, op.start, op.end, limit=1 << 60):
                    self._delete(op.family, key)
            elif op[2] is None:
                self._delete(op[0], op[1])
            else:
                self._put(op[0], op[1], op[2])
        return self._sequence

    def sync(self) -> None:
        """As Store.sync; there is nothing that could be lost."""
        self._check_open()
        self.syncs += 1

    def latest_sequence(self) -> int:
        """As Store.latest_sequence."""
        self._check_open()
        return self._sequence

    def begin_flush(self) -> None:
        """As Store.begin_flush; there are no files."""
        self._check_open()

    def is_flushing(self) -> bool:
        """As Store.is_flushing."""
        self._check_open()
        return False

    def snapshot(self) -> MemoryStore:
        """As Store.snapshot."""
        self._check_open()
        copy = MemoryStore()
        copy._values = {family: dict(rows) for family, rows in self._values.items()}
        copy._keys = {family: list(keys) for family, keys in self._keys.items()}
        return copy

    def checkpoint(self, path: str) -> None:
        """As Store.checkpoint: one file with all rows."""
        self._check_open()
        folder = Path(path)
        folder.mkdir()
        rows = {int(family): values for family, values in self._values.items()}
        (folder / "rows.msgpack").write_bytes(encode_pack(rows))

    def close(self) -> None:
        """As Store.close."""
        self._closed = True

    def _put(self, family: Family, key: bytes, value: bytes) -> None:
        values = self._values[family]
        if key not in values:
            insort(self._keys[family], key)
        values[key] = value

    def _delete(self, family: Family, key: bytes) -> None:
        if self._values[family].pop(key, None) is not None:
            keys = self._keys[family]
            del keys[bisect_left(keys, key)]

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("the store is closed")
