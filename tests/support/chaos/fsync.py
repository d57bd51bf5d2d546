"""A disk that is slow, failing or full, for processes that the test starts. Needs gcc, no rights.

The faults are in `fsync_shim.c`, which LD_PRELOAD puts before the C library: delays and errors of
`fsync` and `fdatasync`, and no space left for `write`, `pwrite`, `writev`. An `FsyncShim` is one
such disk: a small file that both sides map.

Rules:
1. Orders act at once, also on processes that run already; counters are read at any time.
2. A shim is about the files below one folder, so that one environment serves a whole cluster:
   `environment(slow, full)` has a disk for each node. The first whose folder holds a file wins.
3. A sync that fails does not reach the disk; one that is delayed does so afterwards.
"""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from tests.support.requirement import missing, program

SOURCE: Final = Path(__file__).with_name("fsync_shim.c")
VARIABLE: Final = "CHAOS_DISKS"
COMPILE_S: Final = 60.0
DISKS_MAX: Final = 8  # as in the C source
ALL: Final = -1
NO_LIMIT: Final = -1
# struct disk of the C source: nine fields of 64 bits, then the folder's path.
_DELAY, _PASSES, _FAILURES, _FREE = range(4)
_COUNTERS: Final = slice(4, 9)
_FIELDS: Final = 9
_FIELD_BYTES: Final = 8
_PATH_BYTES: Final = 4096


class Counts(NamedTuple):
    """What passed since the shim was made; `waiting` syncs are being delayed at this moment."""

    fsyncs: int
    fdatasyncs: int
    failed_syncs: int
    failed_writes: int
    waiting: int


class FsyncShim:
    """One disk with faults, for all files below a folder.

    Args: folder: of the test, for the library and the control file. below: the files it is about;
        None: all. name: tells several shims in one folder apart.
    Skips the test, with the reason, where the library cannot be made.
    """

    def __init__(self, folder: Path, below: Path | None = None, name: str = "disk") -> None:
        self.library = compiled(folder)
        self.control = folder / f"{name}.control"
        self._has_folder = below is not None
        path = os.fsencode(below.resolve()) if below is not None else b""
        assert len(path) < _PATH_BYTES, path
        fields = [0, 0, 0, NO_LIMIT, *[0] * (_FIELDS - 4)]
        head = b"".join(n.to_bytes(_FIELD_BYTES, sys.byteorder, signed=True) for n in fields)
        self.control.write_bytes(head + path.ljust(_PATH_BYTES, b"\0"))
        with self.control.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        # Stores through this view are single 64-bit ones, as those of the other side.
        self._fields = memoryview(self._map)[: _FIELDS * _FIELD_BYTES].cast("q")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Heals, and forgets the file; processes that still run have it mapped."""
        if not self._map.closed:
            self.heal()
            self._fields.release()
            self._map.close()

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment for a child process with this disk."""
        return environment(self)

    # --- orders

    def delay_ms(self, ms: float) -> None:
        """Every sync takes this much longer; 0 also ends the waits that have begun."""
        self._fields[_DELAY] = round(ms * 1_000)

    def fail_next(self, n: int = 1, *, after: int = 0) -> None:
        """The next `n` syncs fail with EIO, `after` that many that still succeed."""
        self._fields[_FAILURES] = 0
        self._fields[_PASSES] = after
        self._fields[_FAILURES] = n

    def fail_always(self, *, after: int = 0) -> None:
        """All syncs fail with EIO, `after` that many that still succeed."""
        self.fail_next(ALL, after=after)

    def fill(self, free_bytes: int = 0) -> None:
        """Only so many bytes may still be written, then ENOSPC. Raises ValueError without `below`.

        What is removed is not given back: say `heal` when there is room again.
        """
        if not self._has_folder:
            raise ValueError("a full disk needs `below`: not every file of a process is data")
        self._fields[_FREE] = free_bytes

    def heal(self) -> None:
        """No delay, no errors, room for everything."""
        self._fields[_FAILURES] = self._fields[_PASSES] = self._fields[_DELAY] = 0
        self._fields[_FREE] = NO_LIMIT

    # --- what happened

    @property
    def counts(self) -> Counts:
        """The counters as they are now."""
        return Counts(*self._fields[_COUNTERS])

    @property
    def calls(self) -> int:
        """Syncs so far, whether they failed or not; one that is being delayed comes later."""
        counts = self.counts
        return counts.fsyncs + counts.fdatasyncs


def environment(*shims: FsyncShim, base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """An environment with these disks, asked in this order."""
    assert 0 < len(shims) <= DISKS_MAX, len(shims)
    loaded = [str(shims[0].library), *filter(None, [base.get("LD_PRELOAD")])]
    controls = ":".join(str(shim.control) for shim in shims)
    return {**base, "LD_PRELOAD": ":".join(loaded), VARIABLE: controls}


def compiled(folder: Path) -> Path:
    """The library in `folder`, made once for each version of its source. Skips without gcc."""
    if sys.platform != "linux":
        missing("gcc", "the fsync shim is for Linux")
    gcc = program("gcc")
    library = folder / f"fsync_shim-{sha256(SOURCE.read_bytes()).hexdigest()[:12]}.so"
    if not library.exists():
        words = [gcc, "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o"]
        making = library.with_suffix(f".{os.getpid()}")
        done = subprocess.run(
            [*words, str(making), str(SOURCE), "-ldl"],
            capture_output=True,
            text=True,
            check=False,
            timeout=COMPILE_S,
        )
        assert done.returncode == 0, done.stderr
        making.rename(library)
    return library
