"""`acked.map`: the highest sequence number that was ever acknowledged from one database.

Shape: one u64, big-endian, in a file of 8 bytes that is mapped into memory.

Rules (contracts.md 3):
1. Stored after the sync that made a batch durable and before anything about it is acknowledged.
2. It never falls. It is not synced itself: it survives the death of the process, and after a power
   cut it can only lag behind.
3. It is made before the database: a database without one cannot be trusted.
"""

from __future__ import annotations

import mmap
import os
from struct import Struct
from typing import Final

_VALUE: Final = Struct(">Q")


class AckedMap:
    """The mapped number. One process at a time has it open (the database's lock sees to that)."""

    def __init__(self, path: str) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(descriptor).st_size < _VALUE.size:
                os.ftruncate(descriptor, _VALUE.size)
                os.fsync(descriptor)
            self._map = mmap.mmap(descriptor, _VALUE.size)
        finally:
            os.close(descriptor)
        self._highest: int = _VALUE.unpack_from(self._map)[0]

    @property
    def highest(self) -> int:
        """The highest number stored so far, 0 in a new file."""
        return self._highest

    def store(self, sequence: int) -> None:
        """Raise it. A lower number is a bug and raises AssertionError."""
        assert sequence >= self._highest, (sequence, self._highest)
        self._highest = sequence
        _VALUE.pack_into(self._map, 0, sequence)

    def close(self) -> None:
        """Unmap. May be called twice."""
        if not self._map.closed:
            self._map.close()
