"""The durable store: RocksDB. Sole owner of rocksdict.

Rules:
1. Raw mode everywhere: the binding's other mode pickles objects.
2. WAL recovery is `point_in_time`: it opens a prefix of what was written, and names a hole between
   two live WALs itself. That the prefix is whole is for `acked.map` to say (`node.store.open`).
3. An iteration that ends before its limit and its range asks `status()`: iterators end early on a
   damaged file, silently.
4. `write` never syncs: a synced write holds the interpreter's lock through the fsync, `flush_wal`
   does not. One writer at a time alternates the two (RocksDB issue 10560 needs two).
5. What the binding raises is mapped here to StoreError, with RocksDB's own words; to StoreFull
   where these say that there is no room.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final

import rocksdict
from msgspec import Struct

from hubbub.base.units import KIB, MIB
from node.store.api import DeleteRange, Family, Op, StoreError, StoreFull

_NAMES: Final = {Family.META: "default", **{f: f.name.lower() for f in Family if f.value}}
_BLOOM_BITS: Final = 10  # 1 % false positives; half of it 8 %, double saves nothing measurable
_BLOCK_BYTES: Final = 16 * KIB  # a history page of 50 is one or two blocks
_NO_ROOM: Final = os.strerror(errno.ENOSPC)  # as the database and the binding quote it
_INFO_LOGS: Final = 4  # RocksDB's own text logs of 4 MiB
_IMMUTABLE: Final = "rocksdb.num-immutable-mem-table"  # tables in memory that are being written


class RocksLimits(Struct, frozen=True):
    """Bounds of one database; the reasons stand at `settings.schema.NodeConfig`."""

    write_buffer_bytes: int = 16 * MIB
    write_buffers_bytes_max: int = 96 * MIB
    block_cache_bytes: int = 64 * MIB
    wal_bytes_max: int = 256 * MIB
    open_files_max: int = 2_048


@contextmanager
def _mapped() -> Iterator[None]:
    """The binding raises bare Exceptions; this is the one place that names them."""
    try:
        yield
    except StoreError:
        raise
    except Exception as error:  # boundary: the binding raises nothing more precise
        raise _named(error) from error


def _named(error: Exception) -> StoreError:
    text = str(error)
    return (StoreFull if _NO_ROOM in text else StoreError)(text)


class RocksStore:
    """One RocksDB with the six families. Opening may spin on a damaged file: guard it."""

    def __init__(
        self, path: str, limits: RocksLimits | None = None, *, is_read_only: bool = False
    ) -> None:
        """Args: is_read_only: of a database that nobody has open. Raises StoreError."""
        kind = rocksdict.AccessType
        access = kind.read_only() if is_read_only else kind.read_write()
        with _mapped():
            self._db = _open(path, limits or RocksLimits(), access)
            self._handles = [self._db.get_column_family_handle(_NAMES[f]) for f in Family]
            views = [self._db.get_column_family(_NAMES[f]) for f in Family]
        self._views = views
        self._gets: list[Callable[[Any], Any]] = [view.get for view in views]
        self._closed = False

    def get(self, family: Family, key: bytes) -> bytes | None:
        """As Store.get."""
        try:
            return self._gets[family](key)  # type: ignore[no-any-return]
        except Exception as error:  # boundary: as _mapped, without its cost on the hot path
            raise StoreError(str(error)) from error

    def multi_get(self, family: Family, keys: Sequence[bytes]) -> list[bytes | None]:
        """As Store.multi_get."""
        with _mapped():
            return list(self._gets[family](list(keys)))

    def iterate(
        self, family: Family, start: bytes, end: bytes, *, limit: int, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        """As Store.iterate."""
        try:
            view = self._views[family]
            if not reverse:
                return _taken(view, start, end, limit)
            found = _taken_back(view, start, end, limit)
            if found is not None:
                return found
            rows = view.iter()
            found = _backwards(rows, start, end, limit)
            rows.status()
            return found
        except Exception as error:  # boundary: as _mapped, without its cost on the hot path
            raise (_shut() if self._closed else _named(error)) from error

    def tails(
        self,
        family: Family,
        ranges: Sequence[tuple[bytes, bytes]],
        limit: int,
        is_enough: Callable[[bytes], bool],
    ) -> list[list[tuple[bytes, bytes]]]:
        """As Store.tails. [M] One iterator that seeks: 3 µs a range, one for each 16."""
        self._check_open()
        with _mapped():
            rows = self._views[family].iter()
            return [_tail(rows, start, end, limit, is_enough) for start, end in ranges]

    def scan(
        self, family: Family, start: bytes, end: bytes, *, limit: int
    ) -> list[tuple[bytes, bytes]]:
        """As Store.scan."""
        self._check_open()
        with _mapped():
            options = _below(end)
            options.fill_cache(False)
            rows = self._views[family].iter(options)
            found = _ahead(rows, start, end, limit)
            rows.status()
            return found

    def write(self, ops: Sequence[Op]) -> int:
        """As Store.write."""
        self._check_open()
        with _mapped():
            batch = rocksdict.WriteBatch(raw_mode=True)
            handles, put = self._handles, batch.put
            for op in ops:
                if isinstance(op, DeleteRange):
                    batch.delete_range(op.start, op.end, handles[op.family])
                    continue
                family, key, value = op
                if value is None:
                    batch.delete(key, handles[family])
                else:
                    put(key, value, handles[family])
            self._db.write(batch)
            return int(self._db.latest_sequence_number())

    def sync(self) -> None:
        """As Store.sync. Releases the interpreter's lock."""
        self._check_open()
        with _mapped():
            self._db.flush_wal(True)

    def latest_sequence(self) -> int:
        """As Store.latest_sequence."""
        self._check_open()
        with _mapped():
            return int(self._db.latest_sequence_number())

    def snapshot(self) -> RocksSnapshot:
        """As Store.snapshot."""
        self._check_open()
        with _mapped():
            return RocksSnapshot([view.iter() for view in self._views])

    def begin_flush(self) -> None:
        """As Store.begin_flush."""
        self._check_open()
        with _mapped():
            for view in self._views:
                view.flush(False)

    def is_flushing(self) -> bool:
        """As Store.is_flushing."""
        self._check_open()
        with _mapped():
            return any(view.property_int_value(_IMMUTABLE) for view in self._views)

    def checkpoint(self, path: str) -> None:
        """As Store.checkpoint: hard links.

        Holds the interpreter's lock while it writes what is in memory to files: [M] 0.1 s for
        24 MB, 10 ms after `begin_flush` has done it in the background.
        """
        self._check_open()
        with _mapped():
            self._db.flush_wal(True)
            rocksdict.Checkpoint(self._db).create_checkpoint(path)

    def close(self) -> None:
        """As Store.close."""
        if self._closed:
            return
        self._closed = True
        self._gets = [_closed] * len(self._views)
        self._views = []
        self._handles = []
        with _mapped():
            self._db.close()

    def _check_open(self) -> None:
        """Raises StoreError."""
        if self._closed:
            raise _shut()


class RocksSnapshot:
    """One iterator a family: each sees what was written when it was made, wherever it seeks."""

    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows

    def iterate(
        self, family: Family, start: bytes, end: bytes, *, limit: int
    ) -> list[tuple[bytes, bytes]]:
        """As Snapshot.iterate."""
        if not self._rows:
            raise StoreError("the snapshot is closed")
        with _mapped():
            rows = self._rows[family]
            found = _ahead(rows, start, end, limit)
            rows.status()
            return found

    def close(self) -> None:
        """As Snapshot.close."""
        self._rows = []


def sequence_at_rest(path: str, limits: RocksLimits) -> int:
    """The latest sequence number that an open would find; no file is changed by asking.

    Replays the whole log into memory, as an open does, and may spin on a damaged one: guard it.
    Nobody else may have the database open meanwhile. Raises StoreError where an open would.
    """
    with _mapped():
        database = _open(path, limits, rocksdict.AccessType.read_only())
        try:
            return int(database.latest_sequence_number())
        finally:
            database.close()


def _open(path: str, limits: RocksLimits, access: Any) -> Any:
    cache = rocksdict.Cache(limits.block_cache_bytes)
    options = {family: _family_options(family, limits, cache) for family in Family}
    return rocksdict.Rdict(
        path,
        options=_database_options(options[Family.META], limits),
        column_families={_NAMES[f]: options[f] for f in Family if f.value},
        access_type=access,
    )


def _closed(_key: object) -> None:
    raise _shut()


def _shut() -> StoreError:
    return StoreError("the store is closed")


def _below(end: bytes) -> Any:
    """Nothing from there on is looked at: rows that were deleted lie there by the ten thousand,
    until they are compacted, and an iterator walks through them to the next living one. (The
    binding's lower bound has no effect.)"""
    options: Any = rocksdict.ReadOptions()  # whose stub lacks this
    options.set_iterate_upper_bound(end)
    return options


def _taken(view: Any, start: bytes, end: bytes, limit: int) -> list[tuple[bytes, bytes]]:
    """One call a row in place of four. An iterator that ended so cannot be asked for its status, so
    another one looks behind its last row."""
    options = _below(end)
    found = list(islice(view.items(from_key=start, read_opt=options), limit))
    if len(found) < limit:
        rows = view.iter(options)
        rows.seek(found[-1][0] + b"\x00" if found else start)
        if rows.valid():  # written meanwhile
            found = _ahead(rows, start, end, limit)
        rows.status()
    return found


def _taken_back(
    view: Any, start: bytes, end: bytes, limit: int
) -> list[tuple[bytes, bytes]] | None:
    """Portions of rows in place of four calls for each. None where the rows ended by themselves:
    such an iterator cannot be asked for its status."""
    found: list[tuple[bytes, bytes]] = []
    walk = view.items(backwards=True, from_key=end)
    count = 1  # doubles: what lies behind the range is read at most as often as what is in it
    while len(found) < limit:
        wanted = min(count, limit - len(found))
        part = list(islice(walk, wanted))
        is_whole = len(part) == wanted
        if part and part[0][0] == end:
            del part[0]  # where it begins, and not one of them
        if part and part[-1][0] < start:
            return found + [row for row in part if start <= row[0]]
        if not is_whole:
            return None
        found += part
        count *= 2
    return found


def _ahead(rows: Any, start: bytes, end: bytes, limit: int) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    rows.seek(start)
    while rows.valid() and len(found) < limit:
        key = rows.key()
        if key >= end:
            break
        found.append((key, rows.value()))
        rows.next()
    return found


def _backwards(rows: Any, start: bytes, end: bytes, limit: int) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    rows.seek_for_prev(end)
    if rows.valid() and rows.key() == end:
        rows.prev()
    while rows.valid() and len(found) < limit:
        key = rows.key()
        if key < start:
            break
        found.append((key, rows.value()))
        rows.prev()
    return found


def _tail(
    rows: Any, start: bytes, end: bytes, limit: int, is_enough: Callable[[bytes], bool]
) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    rows.seek_for_prev(end)
    key = rows.key()
    if key == end:
        rows.prev()
        key = rows.key()
    while key is not None and key >= start:
        value = rows.value()
        found.append((key, value))
        if len(found) == limit or is_enough(value):
            return found
        rows.prev()
        key = rows.key()
    if key is None:
        rows.status()  # before the next seek forgets it
    return found


def _database_options(options: Any, limits: RocksLimits) -> Any:
    options.create_if_missing(True)
    options.create_missing_column_families(True)
    options.set_wal_recovery_mode(rocksdict.DBRecoveryMode.point_in_time())
    options.set_db_write_buffer_size(limits.write_buffers_bytes_max)
    options.set_max_total_wal_size(limits.wal_bytes_max)
    options.set_max_open_files(limits.open_files_max)
    options.set_max_background_jobs(2)
    options.set_keep_log_file_num(_INFO_LOGS)
    options.set_max_log_file_size(4 * MIB)
    options.set_bytes_per_sync(1 * MIB)  # a flush does not leave one long fsync to the writer
    return options


def _family_options(family: Family, limits: RocksLimits, cache: Any) -> Any:
    options = rocksdict.Options(raw_mode=True)
    options.set_write_buffer_size(limits.write_buffer_bytes)
    options.set_max_write_buffer_number(3)
    options.set_level_compaction_dynamic_level_bytes(True)
    table = rocksdict.BlockBasedOptions()
    table.set_block_cache(cache)
    table.set_block_size(_BLOCK_BYTES)
    table.set_cache_index_and_filter_blocks(True)
    table.set_pin_l0_filter_and_index_blocks_in_cache(True)
    if family in (Family.META, Family.STATE, Family.DEDUP, Family.CHAN):
        table.set_bloom_filter(_BLOOM_BITS, False)
    options.set_block_based_table_factory(table)
    if family is Family.DEDUP:  # digests do not compress, and a day's rows are soon dropped
        options.set_compression_type(rocksdict.DBCompressionType.none())
    else:
        options.set_compression_type(rocksdict.DBCompressionType.lz4())
    if family in (Family.LOG, Family.CHAN):
        options.set_bottommost_compression_type(rocksdict.DBCompressionType.zstd())
    return options
