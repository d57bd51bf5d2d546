"""The index: at most eight SQLite files, each with the messages of its slots and their terms.

Rules:
1. A slot lives in file `slot % FILES`. How far it is indexed is written in the transaction of its
   rows: whatever ends the process, an entry is in the index once or not yet.
2. A row's id is its log time and a number: the newest come first without sorting, a span of time
   is a span of ids. Within a millisecond places are sorted by stream and seq, which are the same on
   every copy.
3. FTS5 keeps terms alone; to take a row's terms back it must be told them, so `messages` keeps the
   terms as text. Filters are terms too, of a column of their own: stream, author, type, attachment.
4. Rows go into FTS5 by ascending id: otherwise it begins a new segment with each.
5. A file of another version, or damaged, is deleted: whoever feeds it begins anew.
6. What is taken away leaves the file's bytes, too (`purging`): that a file owes this is written in
   the transaction that took it.

Long because what is written and what is asked is one schema.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from heapq import merge
from pathlib import Path
from typing import Final, NamedTuple

from hubbub.model.search_query import SearchQuery, expression, parse_query, score
from hubbub.model.words import indexed
from hubbub.wire.search import Criteria, Document, Place
from node.search.purging import OWED, Purging
from node.search.shapes import Change, Cleared, Feed, Find, Floor, Found, Stand

FILES: Final = 8
VERSION: Final = 4  # another one: the files are built anew
# Of one file: eight of them take 2 MiB. [M] Double saves a tenth of the writing.
CACHE_KIB: Final = 256
WAL_PAGES: Final = 256
# Streams whose number is known without a look-up, of one file: some 300 bytes each.
STREAMS_KNOWN_MAX: Final = 512
# Streams that become a filter of the index; more are sifted out row by row.
STREAMS_FILTERED_MAX: Final = 100
# Ranking reads what it ranks, of each file: [M] 30 ms for eight. Who finds more than 4,000 messages
# should look for more words.
RANKED_MAX: Final = 500
_LOOK_ROWS: Final = 64  # between two looks at the clock
_OPCODES: Final = 5_000  # of SQLite between two looks: some 100 µs

_SHIFT: Final = 21  # two million messages a millisecond; 42 bits of time last until 2109
_ID_MAX: Final = (1 << 63) - 1
_SCHEMA: Final = """
CREATE TABLE slots (slot INTEGER PRIMARY KEY, incarnation BLOB NOT NULL, applied INTEGER NOT NULL,
    scanned BLOB NOT NULL);
CREATE TABLE streams (id INTEGER PRIMARY KEY, slot INTEGER NOT NULL, app TEXT NOT NULL,
    key TEXT NOT NULL, floor INTEGER NOT NULL DEFAULT 0, UNIQUE (app, key));
CREATE INDEX streams_of ON streams (slot);
CREATE TABLE messages (id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, seq INTEGER NOT NULL,
    words TEXT NOT NULL, scope TEXT NOT NULL);
CREATE UNIQUE INDEX message_at ON messages (stream, seq);
CREATE TABLE owes (what TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE VIRTUAL TABLE found USING fts5(words, scope, content='', columnsize=0, tokenize='ascii');
"""
_ADD: Final = "INSERT INTO found (rowid, words, scope) VALUES (?, ?, ?)"
_TAKE: Final = "INSERT INTO found (found, rowid, words, scope) VALUES ('delete', ?, ?, ?)"
_KEEP: Final = "INSERT INTO messages (id, stream, seq, words, scope) VALUES (?, ?, ?, ?, ?)"
_MATCHING: Final = (
    "SELECT m.id, m.stream, m.seq, m.words FROM found JOIN messages m ON m.id = found.rowid "
    "WHERE found MATCH ? AND found.rowid >= ? AND found.rowid < ? ORDER BY found.rowid DESC"
)
_ALL: Final = (
    "SELECT id, stream, seq, words FROM messages WHERE id >= ? AND id < ? ORDER BY id DESC"
)

Row = tuple[int, int, int, str]  # id, stream, seq, words


class Gone(Exception):
    """A file is not the one any more that was opened: begin anew."""


class _Page(NamedTuple):
    """What one file found. `reached`: it gave up there."""

    places: list[Place]
    has_more: bool
    reached: Place | None = None
    is_whole: bool = True


class File:
    """One file."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        """Opens or makes it. Raises sqlite3.Error where the disk does not let it."""
        self.path = path
        try:
            self._db = self._opened()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and not _is_foreign(error):
                raise
            self._delete()
            self._db = self._opened()
        self._inode = path.stat().st_ino
        self._streams: dict[tuple[str, str], tuple[int, int]] = {}  # → (id, floor)
        newest = self._db.execute("SELECT max(id) FROM messages").fetchone()[0]
        self._newest_ms = (newest or 0) >> _SHIFT
        self.purging = Purging(self._db, path, clock)

    def _opened(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.path, timeout=10, isolation_level=None)
        try:
            for pragma in (
                "locking_mode = EXCLUSIVE",
                "journal_mode = WAL",
                "synchronous = NORMAL",
                f"cache_size = -{CACHE_KIB}",
                f"wal_autocheckpoint = {WAL_PAGES}",
                "secure_delete = ON",  # FAST leaves what stood in pages that are freed whole
            ):
                database.execute(f"PRAGMA {pragma}")
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                schema = f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;"
                database.executescript(schema)
            elif version != VERSION:
                raise sqlite3.DatabaseError(f"version {version}")
        except BaseException:
            database.close()
            raise
        return database

    def _delete(self) -> None:
        for ending in ("", "-wal", "-shm", "-journal"):
            Path(f"{self.path}{ending}").unlink(missing_ok=True)

    def check(self) -> None:
        """Raises Gone if somebody took the file away."""
        try:
            is_there = os.stat(self.path).st_ino == self._inode
        except FileNotFoundError:
            is_there = False
        if not is_there:
            raise Gone(str(self.path))

    def close(self) -> None:
        """Release it."""
        self._db.close()

    def stands(self) -> list[Stand]:
        """How far each slot is."""
        rows = self._db.execute("SELECT slot, incarnation, applied, scanned FROM slots")
        return [Stand(*row) for row in rows]

    # --- writing

    def apply(self, feed: Feed) -> None:
        """All of it, or nothing."""
        database = self._db
        database.execute("BEGIN IMMEDIATE")
        try:
            for slot in feed.drops:
                self._drop(slot)
            self._write(feed.changes)
            for floor in feed.floors:
                self._raise(floor)
            for cleared in feed.cleared:
                self._clear(cleared)
            database.executemany(
                "INSERT OR REPLACE INTO slots VALUES (?, ?, ?, ?)",
                [(s.slot, s.incarnation, s.applied, s.scanned) for s in feed.stands],
            )
            database.execute("COMMIT")
            self.purging.look()
        except BaseException:
            self._streams.clear()
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise

    def _write(self, changes: Sequence[Change]) -> None:
        """The last word on each message, by ascending id (rule 4)."""
        last = {(c.slot, c.app, c.key, c.seq): c.document for c in changes}
        taken: list[tuple[int, str, str]] = []
        added: list[tuple[int, int, int, str, str]] = []
        numbered: dict[int, int] = {}  # ms → the last id given there
        for (slot, app, key, seq), document in last.items():
            stream, floor = self._stream(slot, app, key)
            old = self._db.execute(
                "SELECT id, words, scope FROM messages WHERE stream = ? AND seq = ?", (stream, seq)
            ).fetchone()
            if old is not None:
                taken.append(old)
            if document is None or seq < floor:
                continue
            row_id = old[0] if old is not None else self._free_id(document.ts_ms, numbered)
            scope = _scope(stream, document)
            added.append((row_id, stream, seq, indexed(document.text), scope))
        self._exchange(taken, added)

    def _exchange(
        self, taken: list[tuple[int, str, str]], added: list[tuple[int, int, int, str, str]]
    ) -> None:
        database = self._db
        database.executemany("DELETE FROM messages WHERE id = ?", [(row[0],) for row in taken])
        added.sort()
        database.executemany(_KEEP, added)
        terms = [(row[0], 1, row[3], row[4]) for row in added]
        if not taken:
            database.executemany(
                _ADD, [(row_id, words, scope) for row_id, _, words, scope in terms]
            )
            return
        database.execute(OWED)
        taken.sort()
        for row_id, is_added, words, scope in merge([(t[0], 0, t[1], t[2]) for t in taken], terms):
            database.execute(_ADD if is_added else _TAKE, (row_id, words, scope))

    def _free_id(self, ts_ms: int, numbered: dict[int, int]) -> int:
        first = ts_ms << _SHIFT
        if ts_ms in numbered:
            row_id = numbered[ts_ms] + 1
        elif ts_ms > self._newest_ms:
            row_id = first
        else:
            end = first + (1 << _SHIFT)
            row = self._db.execute(
                "SELECT max(id) FROM messages WHERE id >= ? AND id < ?", (first, end)
            )
            last = row.fetchone()[0]
            row_id = first if last is None else last + 1
        numbered[ts_ms] = row_id
        self._newest_ms = max(self._newest_ms, ts_ms)
        return row_id

    def _stream(self, slot: int, app: str, key: str) -> tuple[int, int]:
        known = self._streams.get((app, key))
        if known is not None:
            return known
        row = self._db.execute(
            "SELECT id, floor FROM streams WHERE app = ? AND key = ?", (app, key)
        ).fetchone()
        if row is None:
            made = self._db.execute(
                "INSERT INTO streams (slot, app, key) VALUES (?, ?, ?)", (slot, app, key)
            )
            row = (made.lastrowid, 0)
        if len(self._streams) >= STREAMS_KNOWN_MAX:
            self._streams.clear()
        self._streams[app, key] = row
        stream, floor = row
        return stream, floor

    def _raise(self, floor: Floor) -> None:
        stream, before = self._stream(floor.slot, floor.app, floor.key)
        if floor.seq <= before:
            return
        self._take_all("stream = ? AND seq < ?", (stream, floor.seq))
        self._db.execute("UPDATE streams SET floor = ? WHERE id = ?", (floor.seq, stream))
        self._streams[floor.app, floor.key] = (stream, floor.seq)

    def _drop(self, slot: int) -> None:
        self._take_all("stream IN (SELECT id FROM streams WHERE slot = ?)", (slot,))
        self._db.execute("DELETE FROM streams WHERE slot = ?", (slot,))
        self._db.execute("DELETE FROM slots WHERE slot = ?", (slot,))
        self._streams.clear()

    def _clear(self, cleared: Cleared) -> None:
        which = "slot = ? AND app = ?"
        place = cleared.slot, cleared.app
        self._take_all(f"stream IN (SELECT id FROM streams WHERE {which})", place)
        self._db.execute(f"DELETE FROM streams WHERE {which}", place)
        self._streams.clear()

    def _take_all(self, which: str, arguments: tuple[int | str, ...]) -> None:
        rows = f"FROM messages WHERE {which}"
        order = "ORDER BY id"
        taken = self._db.execute(f"SELECT id, words, scope {rows} {order}", arguments).fetchall()
        if not taken:
            return
        self._db.execute(OWED)
        self._db.executemany(_TAKE, taken)
        self._db.execute(f"DELETE {rows}", arguments)

    # --- reading

    def find(self, ask: Find, ends: float, clock: Callable[[], float]) -> _Page:
        """The first places behind `ask.before`. Args: ends: when to give up, by `clock`."""
        criteria = ask.criteria
        streams = self._wanted(ask)
        if streams is not None and not streams:
            return _Page([], False)
        query = parse_query(criteria.q)
        match = _match(query, criteria, streams)
        low = criteria.since_ms << _SHIFT
        high = criteria.until_ms << _SHIFT if criteria.until_ms else _ID_MAX
        if ask.before is not None and not criteria.is_ranked:
            high = min(high, (ask.before[1] + 1) << _SHIFT)
        is_late = [False]

        def look() -> bool:
            is_late[0] = is_late[0] or clock() > ends
            return is_late[0]

        self._db.set_progress_handler(look, _OPCODES)
        try:
            if match:
                rows = self._db.execute(_MATCHING, (match, low, high))
            else:
                rows = self._db.execute(_ALL, (low, high))
            sifted = self._sifted(ask, streams, rows)
            if criteria.is_ranked:
                return _ranked(query, ask, sifted, look)
            return _newest(ask, sifted, look)
        except sqlite3.OperationalError as error:
            if not is_late[0]:
                raise
            del error
            return _Page([], True, ask.before, is_whole=False)
        finally:
            self._db.set_progress_handler(None, 0)

    def _wanted(self, ask: Find) -> set[int] | None:
        """The streams to search, None: all that `_sifted` lets through."""
        if not ask.keys:
            return None
        found: set[int] = set()
        for key in ask.keys:
            row = self._db.execute(
                "SELECT id FROM streams WHERE app = ? AND key = ?", (ask.app, key)
            ).fetchone()
            if row is not None:
                found.add(row[0])
        return found

    def _sifted(
        self, ask: Find, streams: set[int] | None, rows: Iterator[Row]
    ) -> Iterator[tuple[Row, str] | None]:
        """Rows of the wanted streams with their key; None for each of the others."""
        keys: dict[int, str] = {}
        slots = set(ask.slots)
        for row in rows:
            stream = row[1]
            if streams is not None and stream not in streams:
                yield None
                continue
            if stream not in keys:
                slot, app, key = self._db.execute(
                    "SELECT slot, app, key FROM streams WHERE id = ?", (stream,)
                ).fetchone()
                keys[stream] = key if app == ask.app and slot in slots else ""
            yield (row, keys[stream]) if keys[stream] else None


def _is_foreign(error: sqlite3.OperationalError) -> bool:
    """What is there has another shape: no trouble of the disk."""
    return "no such table" in str(error) or "already exists" in str(error)


def _scope(stream: int, document: Document) -> str:
    words = [f"c{stream}", _named("s", document.by)]
    if document.type:
        words.append(_named("t", document.type))
    if document.attached:
        words.append("a")
    return " ".join(words)


def _named(kind: str, name: str) -> str:
    """A name as a term: what is found is looked at once more, so that few bits are enough."""
    return kind + blake2b(name.encode(), digest_size=6).hexdigest()


def _match(query: SearchQuery, criteria: Criteria, streams: set[int] | None) -> str:
    """All that the index itself can tell, in the language of FTS5."""
    found: list[str] = []
    if streams is not None and len(streams) <= STREAMS_FILTERED_MAX:
        found.append(" OR ".join(f'"c{stream}"' for stream in sorted(streams)))
    if criteria.by:
        found.append(f'"{_named("s", criteria.by)}"')
    if criteria.type:
        found.append(f'"{_named("t", criteria.type)}"')
    if criteria.attached:
        found.append('"a"')
    scopes = [f"scope : ({one})" for one in found]
    words = expression(query)
    return " AND ".join([*scopes, f"words : {words}"] if words else scopes)


Sifted = Iterator[tuple[Row, str] | None]


def _newest(ask: Find, rows: Sifted, look: Callable[[], bool]) -> _Page:
    """The newest places, one millisecond after the other."""
    found: list[Place] = []
    together: list[Place] = []
    at_ms = -1
    try:
        for count, row in enumerate(rows):
            if count % _LOOK_ROWS == 0 and look():
                return _late(found, at_ms, ask)
            if row is None:
                continue
            (row_id, _, seq, _), key = row
            if row_id >> _SHIFT != at_ms:
                found += sorted(together, reverse=True)
                if len(found) > ask.limit:
                    return _Page(found[: ask.limit], True)
                together, at_ms = [], row_id >> _SHIFT
            place = (0, at_ms, key, seq)
            if ask.before is None or place < ask.before:
                together.append(place)
    except sqlite3.OperationalError:
        if not look():
            raise
        return _late(found, at_ms, ask)
    found += sorted(together, reverse=True)
    return _Page(found[: ask.limit], len(found) > ask.limit)


def _late(found: list[Place], at_ms: int, ask: Find) -> _Page:
    """Everything newer than the millisecond where it stood was looked at."""
    reached: Place = (0, at_ms + 1, "", 0)
    if at_ms < 0 or (ask.before is not None and reached >= ask.before):
        return _Page([], True, ask.before, is_whole=False)
    return _Page(found[: ask.limit], True, reached)


def _ranked(query: SearchQuery, ask: Find, rows: Sifted, look: Callable[[], bool]) -> _Page:
    """Of the newest RANKED_MAX that fit at all, those that fit best."""
    found: list[Place] = []
    count = 0
    for count, row in enumerate(rows, 1):
        if len(found) >= RANKED_MAX or (count % _LOOK_ROWS == 0 and look()):
            break
        if row is not None:
            (row_id, _, seq, words), key = row
            found.append((score(query, words), row_id >> _SHIFT, key, seq))
    if ask.before is not None:
        found = [place for place in found if place < ask.before]
    found.sort(reverse=True)
    return _Page(found[: ask.limit], len(found) > ask.limit, is_whole=not look())


class Index:
    """All files of a node."""

    def __init__(self, folder: Path, clock: Callable[[], float]) -> None:
        """Args: clock: monotonic seconds. Raises sqlite3.Error, OSError."""
        folder.mkdir(mode=0o700, exist_ok=True)
        self._clock = clock
        self._files = [File(folder / f"{number}.db", clock) for number in range(FILES)]

    def stands(self) -> list[Stand]:
        """How far each slot is."""
        return [stand for file in self._files for stand in file.stands()]

    def apply(self, feed: Feed) -> None:
        """Each file's share in a transaction of its own. Raises Gone, sqlite3.Error."""
        for number, file in enumerate(self._files):
            share = Feed(
                tuple(slot for slot in feed.drops if slot % FILES == number),
                [change for change in feed.changes if change.slot % FILES == number],
                tuple(floor for floor in feed.floors if floor.slot % FILES == number),
                tuple(stand for stand in feed.stands if stand.slot % FILES == number),
                tuple(one for one in feed.cleared if one.slot % FILES == number),
            )
            if share != Feed(changes=[]):
                file.check()
                file.apply(share)

    def purge_wait_s(self) -> float | None:
        """In how many seconds there is something to purge; None: nothing is owed."""
        waits = [wait for file in self._files if (wait := file.purging.wait_s()) is not None]
        return min(waits, default=None)

    def purge(self) -> None:
        """One bounded step, if any is due. Raises Gone, sqlite3.Error."""
        for file in self._files:
            if file.purging.wait_s() == 0:
                file.check()
                file.purging.step()
                return

    def find(self, ask: Find) -> Found:
        """The first places behind `ask.before`, of all files. Raises Gone, sqlite3.Error."""
        now = self._clock()
        ends = now + ask.ms / 1_000
        if ask.ends_ms:
            ends = min(ends, ask.ends_ms / 1_000)
            if now > ends:
                return Found(ask.id, (), True, ask.before, is_whole=False)
        pages: list[_Page] = []
        for number in sorted({slot % FILES for slot in ask.slots}):
            file = self._files[number]
            file.check()
            mine = ask
            if ask.keys:
                pairs = [p for p in zip(ask.slots, ask.keys, strict=True) if p[0] % FILES == number]
                slots, keys = zip(*pairs, strict=True)
                mine = Find(
                    ask.id, ask.app, slots, keys, ask.criteria, ask.before, ask.limit, ask.ms
                )
            pages.append(file.find(mine, ends, self._clock))
        places = sorted((place for page in pages for place in page.places), reverse=True)
        reached = max((page.reached for page in pages if page.reached is not None), default=None)
        if reached is not None:
            places = [place for place in places if place >= reached]
        return Found(
            ask.id,
            tuple(places[: ask.limit]),
            len(places) > ask.limit or any(page.has_more for page in pages),
            reached,
            all(page.is_whole for page in pages),
        )

    def close(self) -> None:
        """Release all files."""
        for file in self._files:
            file.close()
