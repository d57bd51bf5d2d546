"""Row versions by index over the store: what one slot's entries have changed so far. Pure.

Rules:
1. A row that an entry changes becomes a cell: its committed value, then one version an index. The
   live view (decide, apply) reads the newest; the committed view (queries, history) the oldest.
   So a batch that is written but not yet synced shows nowhere.
2. `begin`, changes, `finish` make one entry; `commit` takes entries in index order from the front,
   `truncate` from the back. An entry touches one stream at most.
3. Committed rows may reach the store later: their cells end with `written`, not before. Rows that
   were read or written lately stay decoded in a bounded cache.
4. A range of events is read from the store once for all who ask: the page stays until one of its
   events changes in the store, which is when that event's cell ends.
5. A stream's head is found by one seek and then kept; above the floor its seqs have no holes.

Long because versions and the two views of them are one invariant: rule 1.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from itertools import count
from typing import Any, Final, Generic, TypeVar, cast

from hubbub.base.bounded import BoundedCache
from hubbub.base.units import KIB
from hubbub.features.contract import Table
from hubbub.wire.codec import decode_pack, encode_pack
from hubbub.wire.event import CHANGED, COUNTABLE, StoredEvent, decode_row, time_of, with_flags
from node import keys
from node.lines import KeptLines
from node.orders import Orders
from node.store.api import DeleteRange, Family, Op, Store

K = TypeVar("K")
V = TypeVar("V")
S = TypeVar("S", bound=Sized)

# Rows kept decoded. A larger row is read again each time: 16,384 of them stay below 64 MiB, and
# usually below 8. Half of it costs a busy node more decoding, double only memory.
CACHED_ROWS_MAX: Final = 16_384
CACHED_ROW_BYTES_MAX: Final = 4_096
# Streams whose head is known without a seek; about 600 bytes each.
CACHED_STREAMS_MAX: Final = 16_384
# Pages of events as the store has them: what people open first, and scroll back to. 32 MiB at most,
# usually 4; half reads hot rooms again, double helps only who scrolls through everything.
CACHED_PAGES_MAX: Final = 512
CACHED_PAGE_BYTES_MAX: Final = 64 * KIB
_PAGES_A_STREAM: Final = 16
# What features make of a stream's rows: first screens of users who were here lately, some 10 KB
# each, 64 MiB at most. Half: 1,000 people who connect to a node again and again.
CACHED_MADE_MAX: Final = 2_048
CACHED_MADE_BYTES_MAX: Final = 32 * KIB  # a larger one is made anew each time

# Members of an enum cost ten times a global's look-up (Python 3.11).
_META, _CHAN, _STATE, _DEDUP = Family.META, Family.CHAN, Family.STATE, Family.DEDUP
_ABSENT: Final = object()
_FIRST_SEQ: Final = 1
# How far back the last message is looked for when a stream is loaded: first cheaply, then once
# more. Behind 1,000 events that are none it counts as forgotten.
_NEAR_EVENTS: Final = 4
_FAR_EVENTS: Final = 1_000


class Cell:
    """One row: the committed value (None: absent) and (index, value) of what is pending."""

    __slots__ = ("base", "byte_count", "pending", "unwritten")

    def __init__(self, base: Any) -> None:
        self.base = base
        self.pending: list[tuple[int, Any]] = []
        self.unwritten = 0  # versions that are committed and not in the store
        self.byte_count = 0

    def live(self) -> Any:
        """The newest value."""
        return self.pending[-1][1] if self.pending else self.base

    def put(self, index: int, value: Any) -> bool:
        """A version at `index`; True if this entry had not touched the row yet."""
        pending = self.pending
        if pending and pending[-1][0] == index:
            pending[-1] = (index, value)
            return False
        pending.append((index, value))
        return True


class Head:
    """Where a stream stands: one immutable step of it. `message_seq`: of the last countable
    event above the floor, 0 if there is none."""

    __slots__ = ("floor", "message_ms", "message_seq", "seq", "ts_ms")

    def __init__(
        self, seq: int, ts_ms: int, floor: int, message_seq: int = 0, message_ms: int = 0
    ) -> None:
        self.seq = seq
        self.ts_ms = ts_ms
        self.floor = floor
        self.message_seq = message_seq if message_seq >= floor else 0
        self.message_ms = message_ms if message_seq >= floor else 0

    @property
    def place(self) -> int:
        """Where it stands in an order of last messages, the newest first: negative ms of the last
        one, or of the last event if there is none."""
        return -(self.message_ms or self.ts_ms)

    @property
    def is_silent(self) -> bool:
        """Whether surely nothing countable is above the floor: a load looks no further back."""
        return not self.message_seq and self.seq - self.floor < _FAR_EVENTS


class Stream:
    """One stream key of this slot: its place on disk, its heads, its pending rows."""

    __slots__ = (
        "app",
        "committed",
        "events",
        "figures",
        "head",
        "id_bytes",
        "kept",
        "key",
        "opening",
        "pages",
        "pending_count",
        "prefix",
        "preview",
        "rows",
        "serial",
        "tables",
        "unread",
    )

    def __init__(self, app: str, key: str, prefix: bytes, head: Head, serial: int = 0) -> None:
        """Args: serial: of this object: pages of an earlier one of the same key are not its own."""
        self.serial = serial
        self.pages: list[tuple[int, int]] = []  # cached ranges of events
        self.app = app
        self.key = key
        self.prefix = prefix
        self.id_bytes = f"{app}\0{key}".encode()
        self.head = head
        self.committed = head
        self.figures: dict[str, bytes] = {}  # by user; of what is committed, like `preview`
        self.unread: dict[str, int] = {}  # likewise
        self.preview: bytes | None = None
        self.opening: bytes | None = None  # of its line among heads, likewise
        # What the caches keep of it, and the prefixes of the rows that it was made of.
        self.kept: dict[str, tuple[bytes, ...]] = {}
        self.rows: dict[bytes, Cell] = {}
        self.events: dict[int, Cell] = {}
        self.pending_count = 0
        self.tables: StreamTables | None = None


class Change:
    """What one entry changes, while it is made and until it is committed or cut."""

    __slots__ = ("answer", "before", "head", "index", "meta", "rows", "seqs", "stream")

    def __init__(self, index: int, stream: Stream | None) -> None:
        self.index = index
        self.stream = stream
        self.before = stream.head if stream else None
        self.head: Head | None = None
        self.rows: list[tuple[bytes, Cell]] = []
        self.seqs: list[int] = []
        self.meta: list[bytes] = []
        self.answer: tuple[bytes, bytes] | None = None


class Caches:
    """What all slots of a node share: decoded rows, stream heads, pages of events."""

    def __init__(
        self, rows_max: int = CACHED_ROWS_MAX, streams_max: int = CACHED_STREAMS_MAX
    ) -> None:
        self.rows: BoundedCache[bytes, Any] = BoundedCache(rows_max)
        self.streams: BoundedCache[tuple[str, str], Stream] = BoundedCache(streams_max)
        self.pages: BoundedCache[tuple[int, int, int], list[tuple[int, bytes]]] = BoundedCache(
            CACHED_PAGES_MAX
        )
        self.kept: BoundedCache[tuple[int, str], Any] = BoundedCache(CACHED_MADE_MAX)
        self.lines = KeptLines()
        self.orders = Orders()
        self.serials = count(1)
        self.pages_read = self.pages_found = 0

    def places(self, app: str, names: Iterable[str]) -> dict[str, int]:
        """Where those of these streams stand that are in memory, of whatever slot."""
        peek = self.streams.peek
        found: dict[str, int] = {}
        for key in names:
            stream = peek((app, key))
            if stream is not None:
                head = stream.committed
                found[key] = -(head.message_ms or head.ts_ms)  # `place`, thousands of times
        return found

    def clear(self) -> None:
        """Rows were deleted by another way than a slot's own entries: know nothing."""
        self.rows.clear()
        self.streams.clear()
        self.pages.clear()
        self.kept.clear()
        self.lines.clear()


class Overlay:
    """The pending rows of one slot over the store."""

    def __init__(self, slot: int, store: Store, caches: Caches) -> None:
        self._slot = slot
        self._store = store
        self._caches = caches
        self._journal: deque[Change] = deque()  # not committed
        self._unwritten: deque[Change] = deque()  # committed, and not in the store
        self._answers: dict[bytes, bytes] = {}  # DEDUP rows of the same
        self._pinned: dict[tuple[str, str], Stream] = {}
        self._meta: dict[bytes, Cell] = {}
        self._change: Change | None = None

    def __len__(self) -> int:
        """Entries that are not committed."""
        return len(self._journal)

    # --- streams and views

    def stream(self, app: str, key: str) -> Stream:
        """The stream of a key, from memory or by one seek."""
        name = (app, key)
        found = self._pinned.get(name) or self._caches.streams.get(name)
        if found is None:
            found = self._load(app, key)
            self._caches.streams.put(name, found)
        return found

    def live(self, stream: Stream) -> StreamTables:
        """The view of decide and apply: everything, pending included. Only apply may write."""
        if stream.tables is None:
            stream.tables = StreamTables(self, stream, is_live=True)
        return stream.tables

    def committed(self, stream: Stream) -> StreamTables:
        """The view of queries: what is committed."""
        return StreamTables(self, stream, is_live=False)

    def known_places(self, app: str, names: Iterable[str]) -> dict[str, int]:
        """Where those of these streams stand that are in the node's memory, whatever their slot."""
        return self._caches.places(app, names)

    def places(self, app: str, names: Sequence[str]) -> dict[str, int]:
        """Where these streams of this slot stand in an order of last messages.

        What is not in memory is read together, and not kept: one long list would drive out the
        streams of everybody else.
        """
        found = self._caches.places(app, names)
        for key in names:
            if key not in found and (stream := self._pinned.get((app, key))) is not None:
                found[key] = stream.committed.place
        unread = [key for key in names if key not in found]
        if unread:
            found.update(self._stored_places(app, unread))
        return found

    def _stored_places(self, app: str, names: list[str]) -> Iterator[tuple[str, int]]:
        """The same of streams that nothing is pending in, from the store."""
        places = sorted(zip(keys.stream_prefixes(self._slot, app, names), names, strict=True))
        ranges = [(prefix, keys.prefix_end(prefix)) for prefix, _ in places]
        tails = self._store.tails(_CHAN, ranges, _NEAR_EVENTS, _is_message)
        for (_, key), rows in zip(places, tails, strict=True):
            if rows and rows[-1][1][0] & COUNTABLE:
                yield key, -time_of(rows[-1][1])
            elif 0 < len(rows) < _NEAR_EVENTS:
                yield key, -time_of(rows[0][1])
            else:  # it takes more than a look: all was deleted, or much was no message
                yield key, self.stream(app, key).committed.place

    def load(self, app: str, names: Iterable[str]) -> None:
        """Have these streams in memory, as far as there is room: a quarter of what `stream` takes
        for each that is not there yet."""
        pinned, peek = self._pinned, self._caches.streams.peek
        lacking = [key for key in names if not (peek((app, key)) or (app, key) in pinned)]
        if not lacking:
            return
        places = sorted(zip(keys.stream_prefixes(self._slot, app, lacking), lacking, strict=True))
        ranges = [(prefix, keys.prefix_end(prefix)) for prefix, _ in places]
        tails = self._store.tails(_CHAN, ranges, _NEAR_EVENTS, _is_message)
        for (prefix, key), newest in zip(places, tails, strict=True):
            self._caches.streams.put((app, key), self._made(app, key, prefix, newest))

    def _load(self, app: str, key: str) -> Stream:
        prefix = keys.stream_prefix(self._slot, app, key)
        return self._made(app, key, prefix, self._newest(prefix, _NEAR_EVENTS))

    def _made(
        self, app: str, key: str, prefix: bytes, newest: Sequence[tuple[bytes, bytes]]
    ) -> Stream:
        """Args: newest: rows from the last one on, _NEAR_EVENTS or down to a message."""
        seq = ts_ms = 0
        floor = _FIRST_SEQ
        if newest:
            seq = keys.seq_of(newest[0][0])
            ts_ms = time_of(newest[0][1])
        message = _last_message(newest)
        if len(newest) == _NEAR_EVENTS and not message[0]:
            message = _last_message(self._newest(prefix, _FAR_EVENTS))
        stored = self._store.get(Family.META, keys.stream_meta(prefix))
        if stored is not None:
            floor = keys.read_u64(stored)
            if seq < floor - 1:  # everything was deleted; its numbers are not used again
                seq, ts_ms = floor - 1, keys.read_u64(stored, keys.SEQ_BYTES)
        head = Head(seq, ts_ms, floor, *message)
        return Stream(app, key, prefix, head, next(self._caches.serials))

    def _newest(self, prefix: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        end = keys.prefix_end(prefix)
        return self._store.iterate(Family.CHAN, prefix, end, limit=limit, reverse=True)

    # --- one entry

    def begin(self, index: int, stream: Stream | None) -> Change:
        """Start an entry: changes go to it until `finish` or `abandon`."""
        assert self._change is None, "an entry is open"
        self._change = Change(index, stream)
        return self._change

    def append_event(self, seq: int, ts_ms: int, row: bytes) -> None:
        """A numbered event at the head's next seq."""
        change, stream = self._open()
        assert seq == stream.head.seq + 1, (seq, stream.head.seq)
        cell = stream.events[seq] = Cell(None)
        cell.put(change.index, row)
        change.seqs.append(seq)
        old = stream.head
        message = (seq, ts_ms) if row[0] & COUNTABLE else (old.message_seq, old.message_ms)
        self._set_head(change, stream, Head(seq, ts_ms, old.floor, *message))

    def put_meta(self, key: bytes, value: bytes | None) -> None:
        """A row of META that belongs to this entry (None: deleted)."""
        change = self._change
        assert change is not None
        cell = self._meta.get(key)
        if cell is None:
            cell = self._meta[key] = Cell(self._store.get(Family.META, key))
        if cell.put(change.index, value):
            change.meta.append(key)

    def get_meta(self, key: bytes) -> bytes | None:
        """The newest value of a row of META."""
        cell = self._meta.get(key)
        if cell is not None:
            value: bytes | None = cell.live()
            return value
        return self._store.get(Family.META, key)

    def meta_keys(self, start: bytes, end: bytes, limit: int) -> list[bytes]:
        """The committed keys of META with start <= key < end, ascending, at most `limit`."""
        changed = {key: cell for key, cell in self._meta.items() if start <= key < end}
        found = self._store.iterate(Family.META, start, end, limit=limit + len(changed))
        stored = {key for key, _ in found}
        is_cut = len(found) == limit + len(changed)
        for key, cell in changed.items():
            if cell.base is None:
                stored.discard(key)
            elif not is_cut or key < found[-1][0]:
                stored.add(key)
        return sorted(stored)[:limit]

    def finish(self) -> list[Op]:
        """End the entry; everything that it writes besides the log."""
        change = self._change
        assert change is not None
        self._change = None
        self._journal.append(change)
        ops: list[Op] = [(_META, key, self._meta[key].live()) for key in change.meta]
        stream = change.stream
        if stream is None:
            return ops
        if not stream.pending_count:
            self._pinned[(stream.app, stream.key)] = stream
        stream.pending_count += 1
        for key, cell in change.rows:
            value = cell.live()
            data = None if value is None else encode_pack(value)
            cell.byte_count = 0 if data is None else len(data)
            ops.append((_STATE, key, data))
        prefix, events = stream.prefix, stream.events
        ops += [(_CHAN, prefix + keys.pack_u64(s), events[s].live()) for s in change.seqs]
        assert change.before is not None
        if change.head is not None and change.head.floor != change.before.floor:
            ops.extend(_floor_ops(prefix, change.head))
        return ops

    def abandon(self) -> None:
        """Undo the open entry: a feature broke, nothing of it may stay."""
        change = self._change
        assert change is not None
        self._change = None
        self._undo(change)

    def put_answer(self, row: bytes, answer: bytes) -> None:
        """The row of DEDUP of the entry that was finished last."""
        self._journal[-1].answer = row, answer

    def answers(self, rows: Sequence[bytes]) -> list[bytes | None]:
        """Rows of DEDUP of committed entries."""
        known = self._answers
        if len(rows) == 1:  # a tenth of what asking for several costs
            row = rows[0]
            return [known.get(row) or self._store.get(_DEDUP, row)]
        found = self._store.multi_get(Family.DEDUP, rows)
        return [known.get(row, value) for row, value in zip(rows, found, strict=True)]

    # --- commit and truncation

    def commit(self, index: int, *, is_written: bool = False) -> None:
        """Entries up to `index` are committed: queries see them. `is_written`: rows are stored."""
        journal = self._journal
        while journal and journal[0].index <= index:
            change = journal.popleft()
            self._settle(change, is_written=is_written)
            if not is_written:
                self._unwritten.append(change)
            elif change.stream is not None:
                self._unpin(change.stream)

    def written(self, index: int) -> None:
        """Rows of committed entries up to `index` are in the store."""
        unwritten = self._unwritten
        while unwritten and unwritten[0].index <= index:
            self._release(unwritten.popleft())

    def truncate(self, index: int) -> None:
        """Entries above `index` were cut."""
        while self._journal and self._journal[-1].index > index:
            change = self._journal.pop()
            self._undo(change)
            if change.stream is not None:
                self._unpin(change.stream)

    def reset(self) -> None:
        """The slot's rows are going, or others take their place: remember nothing of them."""
        assert self._change is None, "an entry is open"
        for forgotten in (self._journal, self._unwritten, self._pinned, self._meta, self._answers):
            forgotten.clear()
        start, end = keys.slot_range(self._slot)
        self._caches.rows.discard_if(lambda key, _: start <= key < end)
        self._caches.streams.discard_if(lambda _, stream: start <= stream.prefix < end)
        self._caches.lines.clear()  # rare, and most have a stream of it

    def _settle(self, change: Change, *, is_written: bool) -> None:
        for key in change.meta:
            _shift(self._meta, key, self._meta[key], is_written=is_written)
        if change.answer is not None and not is_written:
            self._answers[change.answer[0]] = change.answer[1]
        stream = change.stream
        if stream is None:
            return
        stream.figures.clear()
        stream.unread.clear()
        stream.preview = stream.opening = None
        if self._caches.lines:
            self._caches.lines.moved((stream.app, stream.key))
        if stream.kept and change.rows:
            self._forget_made(stream, change)
        for row_key, cell in change.rows:
            if _shift(stream.rows, row_key, cell, is_written=is_written):
                self._keep(row_key, cell)
        for seq in change.seqs:
            _shift(stream.events, seq, stream.events[seq], is_written=is_written)
        if is_written:
            self._forget_pages(stream, change.seqs)
        if change.head is not None:
            stream.committed = change.head
            if self._caches.orders:
                self._caches.orders.moved((stream.app, stream.key))

    def _forget_made(self, stream: Stream, change: Change) -> None:
        """What was made of rows that are others now."""
        for name, prefixes in list(stream.kept.items()):
            if any(row_key.startswith(prefixes) for row_key, _ in change.rows):
                del stream.kept[name]
                self._caches.kept.pop((stream.serial, name))

    def made(
        self, stream: Stream, name: str, rests_on: Sequence[Table[Any, Any]], make: Callable[[], S]
    ) -> S:
        """The same of committed rows as long as none of them changes, and the caches have room."""
        place = stream.serial, name
        if name in stream.kept and (kept := self._caches.kept.get(place)) is not None:
            return cast(S, kept)
        made = make()
        if len(made) <= CACHED_MADE_BYTES_MAX:
            prefixes = tuple(stream.prefix + keys.table_suffix(table.name) for table in rests_on)
            stream.kept[name] = prefixes
            self._caches.kept.put(place, made)
        return made

    def _release(self, change: Change) -> None:
        for key in change.meta:
            _end(self._meta, key, self._meta[key])
        if change.answer is not None:
            self._answers.pop(change.answer[0], None)
        stream = change.stream
        if stream is None:
            return
        for row_key, cell in change.rows:
            if _end(stream.rows, row_key, cell):
                self._keep(row_key, cell)
        for seq in change.seqs:
            _end(stream.events, seq, stream.events[seq])
        self._forget_pages(stream, change.seqs)
        self._unpin(stream)

    def _keep(self, row_key: bytes, cell: Cell) -> None:
        """A cell ended: its row stays decoded for a while."""
        if cell.byte_count <= CACHED_ROW_BYTES_MAX:
            self._caches.rows.put(row_key, _ABSENT if cell.base is None else cell.base)
        else:
            self._caches.rows.pop(row_key)

    def _undo(self, change: Change) -> None:
        for key in change.meta:
            _drop(self._meta, key, self._meta[key])
        stream = change.stream
        if stream is None:
            return
        for row_key, cell in change.rows:
            if _drop(stream.rows, row_key, cell):
                # An older version may have been committed under this one, unseen by the cache.
                self._caches.rows.pop(row_key)
        for seq in change.seqs:
            _drop(stream.events, seq, stream.events[seq])
        self._forget_pages(stream, change.seqs)
        if change.before is not None:
            stream.head = change.before

    def _unpin(self, stream: Stream) -> None:
        stream.pending_count -= 1
        if not stream.pending_count:
            name = (stream.app, stream.key)
            del self._pinned[name]
            self._caches.streams.put(name, stream)

    # --- what the views read and write

    def cell(self, stream: Stream, key: bytes, row_type: Any) -> Cell:
        """The cell of a row that is about to change."""
        cell = stream.rows.get(key)
        if cell is None:
            cell = stream.rows[key] = Cell(self.stored(key, row_type))
        return cell

    def stored(self, key: bytes, row_type: Any) -> Any:
        """The committed value of a row without pending versions, decoded; None if absent."""
        cache = self._caches.rows
        found = cache.get(key)
        if found is not None:
            return None if found is _ABSENT else found
        data = self._store.get(_STATE, key)
        if data is None:
            cache.put(key, _ABSENT)
            return None
        value = decode_pack(data, row_type)
        if len(data) <= CACHED_ROW_BYTES_MAX:
            cache.put(key, value)
        return value

    def stored_many(self, names: Sequence[bytes], row_type: Any) -> list[Any]:
        """The same of many rows: what no cache has is read at once."""
        cache = self._caches.rows
        found = cache.get_many(names)
        lacking = [at for at, value in enumerate(found) if value is None]
        if lacking:
            read = self._store.multi_get(_STATE, [names[at] for at in lacking])
            kept: dict[bytes, Any] = {}
            for at, data in zip(lacking, read, strict=True):
                found[at] = value = _ABSENT if data is None else decode_pack(data, row_type)
                if data is None or len(data) <= CACHED_ROW_BYTES_MAX:
                    kept[names[at]] = value
            cache.put_many(kept)
        return [None if value is _ABSENT else value for value in found]

    def put_row(self, stream: Stream, key: bytes, row_type: Any, value: Any) -> None:
        """A new version of a row in the open entry (None: deleted)."""
        change, current = self._open()
        assert current is stream, "an entry writes its own stream"
        cell = self.cell(stream, key, row_type)
        if cell.put(change.index, value):
            change.rows.append((key, cell))

    def put_rows(self, stream: Stream, rows: Mapping[bytes, Any], row_type: Any) -> None:
        """The same of many rows."""
        change, current = self._open()
        assert current is stream, "an entry writes its own stream"
        cells = stream.rows
        lacking = [key for key in rows if key not in cells]
        for key, base in zip(lacking, self.stored_many(lacking, row_type), strict=True):
            cells[key] = Cell(base)
        index, changed = change.index, change.rows
        for key, value in rows.items():
            cell = cells[key]
            if cell.put(index, value):
                changed.append((key, cell))

    def stored_rows(
        self, start: bytes, end: bytes, limit: int, reverse: bool
    ) -> list[tuple[bytes, bytes]]:
        """Rows of STATE as they are in the store."""
        return self._store.iterate(Family.STATE, start, end, limit=limit, reverse=reverse)

    def event_rows(
        self, stream: Stream, first: int, last: int, *, is_live: bool
    ) -> list[tuple[int, bytes]]:
        """(seq, row) of the published events first..last, ascending; the caller bounds it."""
        if last < first:
            return []
        rows = self._page(stream, first, last)
        if not stream.events:
            return rows[:]
        merged: dict[int, bytes | None] = dict(rows)
        for seq, cell in stream.events.items():
            if first <= seq <= last:
                merged[seq] = cell.live() if is_live else cell.base
        return sorted((seq, row) for seq, row in merged.items() if row is not None)

    def _page(self, stream: Stream, first: int, last: int) -> list[tuple[int, bytes]]:
        """What the store has of a range: rule 4."""
        caches, name = self._caches, (stream.serial, first, last)
        page = caches.pages.get(name)
        if page is not None:
            caches.pages_found += 1
            return page
        caches.pages_read += 1
        prefix = stream.prefix
        found = self._store.iterate(
            Family.CHAN,
            prefix + keys.pack_u64(first),
            prefix + keys.pack_u64(last + 1),
            limit=last - first + 1,
        )
        rows = [row for _, row in found]
        if len(rows) == last - first + 1:  # all of them: their seqs need not be read
            page = list(zip(range(first, last + 1), rows, strict=True))
        else:
            unpack, at = keys.unpack_u64, len(prefix)
            page = [(unpack(key, at)[0], row) for key, row in found]
        if sum(map(len, rows)) <= CACHED_PAGE_BYTES_MAX:
            if (first, last) not in stream.pages:  # else it had to make room
                if len(stream.pages) == _PAGES_A_STREAM:
                    caches.pages.pop((stream.serial, *stream.pages.pop(0)))
                stream.pages.append((first, last))
            caches.pages.put(name, page)
        return page

    def _forget_pages(self, stream: Stream, seqs: Sequence[int]) -> None:
        """The store has, or is about to have, other rows of these events."""
        if seqs and stream.pages:
            for first, last in stream.pages[:]:
                if any(first <= seq <= last for seq in seqs):
                    stream.pages.remove((first, last))
                    self._caches.pages.pop((stream.serial, first, last))

    def event_row(self, stream: Stream, seq: int, *, is_live: bool) -> bytes | None:
        """The row of one published event, None if there is none."""
        cell = stream.events.get(seq)
        if cell is not None:
            row: bytes | None = cell.live() if is_live else cell.base
            return row
        return self._store.get(Family.CHAN, stream.prefix + keys.pack_u64(seq))

    def mark_changed(self, stream: Stream, seq: int) -> None:
        """Set CHANGED in the head of one event, in the open entry."""
        change, _ = self._open()
        row = self.event_row(stream, seq, is_live=True)
        if row is None or row[0] & CHANGED:
            return
        cell = stream.events.get(seq)
        if cell is None:
            cell = stream.events[seq] = Cell(row)
        if cell.put(change.index, with_flags(row, row[0] | CHANGED)):
            change.seqs.append(seq)

    def set_floor(self, stream: Stream, seq: int) -> None:
        """Raise the floor, in the open entry. It never falls, and never passes the head by two."""
        change, _ = self._open()
        head = stream.head
        floor = min(max(head.floor, seq), head.seq + 1)
        if floor != head.floor:
            message = (head.message_seq, head.message_ms)
            self._set_head(change, stream, Head(head.seq, head.ts_ms, floor, *message))

    def _set_head(self, change: Change, stream: Stream, head: Head) -> None:
        stream.head = change.head = head

    def _open(self) -> tuple[Change, Stream]:
        change = self._change
        assert change is not None, "only apply may write"
        assert change.stream is not None
        return change, change.stream


def _is_message(row: bytes) -> bool:
    return bool(row[0] & COUNTABLE)


def _last_message(newest: Sequence[tuple[bytes, bytes]]) -> tuple[int, int]:
    """(seq, ms) of the first countable event among rows from the newest on, (0, 0) if none."""
    for key, row in newest:
        if row[0] & COUNTABLE:
            return keys.seq_of(key), time_of(row)
    return 0, 0


def _floor_ops(prefix: bytes, head: Head) -> list[Op]:
    value = keys.pack_u64(head.floor) + keys.pack_u64(head.ts_ms)
    below = DeleteRange(Family.CHAN, prefix + keys.pack_u64(0), prefix + keys.pack_u64(head.floor))
    return [(Family.META, keys.stream_meta(prefix), value), below]


def _shift(cells: dict[K, Cell], key: K, cell: Cell, *, is_written: bool) -> bool:
    """The oldest version becomes the committed value; True if the cell ended with that."""
    cell.base = cell.pending.pop(0)[1]
    if not is_written:
        cell.unwritten += 1
    elif not cell.unwritten and not cell.pending:
        del cells[key]
        return True
    return False


def _end(cells: dict[K, Cell], key: K, cell: Cell) -> bool:
    """One more version is in the store; True if that was the last one anybody waits for."""
    cell.unwritten -= 1
    if cell.unwritten or cell.pending:
        return False
    del cells[key]
    return True


def _drop(cells: dict[K, Cell], key: K, cell: Cell) -> bool:
    """The newest version was cut; True if nothing of the cell is left."""
    cell.pending.pop()
    if cell.unwritten or cell.pending:
        return False
    del cells[key]
    return True


class TableRows(Generic[K, V]):
    """The rows of one table under one stream key, in one view (contract: Rows)."""

    __slots__ = ("_is_live", "_key_type", "_overlay", "_prefix", "_row_type", "_stream")

    def __init__(
        self, overlay: Overlay, stream: Stream, table: Table[K, V], *, is_live: bool
    ) -> None:
        self._overlay = overlay
        self._stream = stream
        self._is_live = is_live
        self._key_type = table.key_type
        self._row_type = table.row_type
        self._prefix = stream.prefix + keys.table_suffix(table.name)

    def get(self, key: K) -> V | None:
        """The row, None if absent."""
        full = self._prefix + keys.row_suffix(key)
        cell = self._stream.rows.get(full)
        if cell is not None:
            value: V | None = cell.live() if self._is_live else cell.base
            return value
        found: V | None = self._overlay.stored(full, self._row_type)
        return found

    def get_many(self, keys: Sequence[K]) -> list[V | None]:
        """The row of each key, None if absent."""
        if len(keys) == 1:
            return [self.get(keys[0])]
        names, cells = self._names(keys), self._stream.rows
        lacking = [name for name in names if name not in cells] if cells else names
        stored = self._overlay.stored_many(lacking, self._row_type)
        if len(lacking) == len(names):
            return stored
        read, is_live = iter(stored), self._is_live
        found: list[V | None] = []
        for name in names:
            cell = cells.get(name)
            if cell is None:
                found.append(next(read))
            else:
                found.append(cell.live() if is_live else cell.base)
        return found

    def put(self, key: K, row: V) -> None:
        """Insert or replace (apply only)."""
        assert row is not None
        self._write(key, row)

    def put_many(self, rows: Mapping[K, V]) -> None:
        """Insert or replace each of them (apply only)."""
        assert self._is_live, "a query writes nothing"
        if len(rows) == 1:
            for key, row in rows.items():
                self._write(key, row)
            return
        named = dict(zip(self._names(list(rows)), rows.values(), strict=True))
        self._overlay.put_rows(self._stream, named, self._row_type)

    def _names(self, row_keys: Sequence[Any]) -> list[bytes]:
        prefix = self._prefix
        return [prefix + suffix for suffix in keys.row_suffixes(row_keys)]

    def delete(self, key: K) -> None:
        """Remove; nothing if it is absent (apply only)."""
        self._write(key, None)

    def scan(
        self, *, after: K | None = None, limit: int = 1_000, reverse: bool = False
    ) -> list[tuple[K, V]]:
        """At most `limit` rows in key order, strictly behind `after` in the chosen direction."""
        start, end = self._prefix, keys.prefix_end(self._prefix)
        if after is not None:
            edge = self._prefix + keys.row_suffix(after)
            start, end = (start, edge) if reverse else (edge + b"\x00", end)
        pending = {k: c for k, c in self._stream.rows.items() if start <= k < end}
        found = self._overlay.stored_rows(start, end, limit + len(pending), reverse)
        if not pending:  # a stream at rest, and lists of thousands
            at, parse, row_type = len(self._prefix), keys.parse_row_suffix, self._row_type
            return [(cast(K, parse(key[at:])), decode_pack(row, row_type)) for key, row in found]
        rows: dict[bytes, Any] = dict(found)
        is_cut = len(found) == limit + len(pending)
        for key, cell in pending.items():
            if is_cut and (key < found[-1][0] if reverse else key > found[-1][0]):
                continue  # lies behind what was read: it has its turn on the next page
            rows[key] = cell
        return self._decoded(sorted(rows.items(), reverse=reverse, key=_first), limit)

    def stored(self, limit: int) -> dict[K, bytes]:
        """The first rows in key order, each as it is stored."""
        if self._stream.rows or self._key_type is not str:  # something is pending, here perhaps
            return {key: encode_pack(row) for key, row in self.scan(limit=limit)}
        start = self._prefix
        found = self._overlay.stored_rows(start, keys.prefix_end(start), limit, reverse=False)
        at = len(start)
        names = keys.parse_text_suffixes([key[at:] for key, _ in found])
        return cast("dict[K, bytes]", dict(zip(names, [row for _, row in found], strict=True)))

    def _decoded(self, rows: list[tuple[bytes, Any]], limit: int) -> list[tuple[K, V]]:
        at = len(self._prefix)
        result: list[tuple[K, V]] = []
        for key, value in rows:
            if isinstance(value, Cell):
                row = value.live() if self._is_live else value.base
            else:
                row = decode_pack(value, self._row_type)
            if row is not None:
                result.append((cast(K, keys.parse_row_suffix(key[at:])), row))
                if len(result) == limit:
                    break
        return result

    def _write(self, key: K, row: V | None) -> None:
        full = self._prefix + keys.row_suffix(key)
        assert self._is_live, "a query writes nothing"
        self._overlay.put_row(self._stream, full, self._row_type, row)


def _first(item: tuple[bytes, Any]) -> bytes:
    return item[0]


class StreamTables:
    """All rows of one stream key, and its published events (contract: Tables)."""

    __slots__ = ("_is_live", "_overlay", "_rows", "stream")

    def __init__(self, overlay: Overlay, stream: Stream, *, is_live: bool) -> None:
        self._overlay = overlay
        self.stream = stream
        self._is_live = is_live
        self._rows: dict[str, TableRows[Any, Any]] = {}

    def __getitem__(self, table: Table[K, V]) -> TableRows[K, V]:
        rows = self._rows.get(table.name)
        if rows is None:
            rows = TableRows(self._overlay, self.stream, table, is_live=self._is_live)
            self._rows[table.name] = rows
        return rows

    @property
    def head(self) -> Head:
        """The stream's position in this view."""
        return self.stream.head if self._is_live else self.stream.committed

    @property
    def head_seq(self) -> int:
        """The stream's last seq, 0 if it is empty."""
        return self.head.seq

    @property
    def head_ts_ms(self) -> int:
        """The log time of the last published event."""
        return self.head.ts_ms

    @property
    def floor_seq(self) -> int:
        """The lowest readable seq."""
        return self.head.floor

    def published(self, seq: int) -> StoredEvent | None:
        """The event at `seq`; None outside floor..head."""
        head = self.head
        if not head.floor <= seq <= head.seq:
            return None
        row = self._overlay.event_row(self.stream, seq, is_live=self._is_live)
        return None if row is None else decode_row(seq, row)

    def published_range(
        self, *, after: int = 0, before: int | None = None, limit: int = 50, reverse: bool = False
    ) -> list[StoredEvent]:
        """Events with after < seq < before; ascending, or descending when `reverse`."""
        rows = self.published_rows(after=after, before=before, limit=limit, reverse=reverse)
        return [decode_row(seq, row) for seq, row in rows]

    def published_rows(
        self, *, after: int = 0, before: int | None = None, limit: int = 50, reverse: bool = False
    ) -> list[tuple[int, bytes]]:
        """As published_range, as they are stored: (seq, row)."""
        head = self.head
        first = max(after + 1, head.floor)
        last = head.seq if before is None else min(before - 1, head.seq)
        if reverse:
            first = max(first, last - limit + 1)
        else:
            last = min(last, first + limit - 1)
        rows = self._overlay.event_rows(self.stream, first, last, is_live=self._is_live)
        return rows[::-1] if reverse else rows

    def kept(
        self, name: str, rests_on: Sequence[Table[Any, Any]], make: Callable[[StreamTables], S]
    ) -> S:
        """See the contract; a command sees rows that may be cut again, and has it made anew."""
        if self._is_live:
            return make(self)
        return self._overlay.made(self.stream, name, rests_on, lambda: make(self))

    def mark_changed(self, seqs: Iterable[int]) -> None:
        """Set CHANGED in the heads of these events (apply only)."""
        for seq in seqs:
            self._overlay.mark_changed(self.stream, seq)

    def set_floor(self, seq: int) -> None:
        """Raise the lowest readable seq (apply only)."""
        self._overlay.set_floor(self.stream, seq)
