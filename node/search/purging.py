"""Words that were taken away leave a file's bytes: its segments are merged into one, step by step.

Rules:
1. FTS5 of SQLite 3.40 takes a row back by writing its terms once more, as taken; both stand in the
   file until their segments are merged down to the oldest one. So a file from which something was
   taken owes a merge of all its segments. That is a row of its own (`owes`), and so outlives the
   process.
2. It begins AFTER_S later, to gather what is taken meanwhile, and not before it is paid for: each
   MiB of the file is PAUSE_S_PER_MIB since the last one. So words are gone within AFTER_S + 2 ×
   PAUSE_S_PER_MIB × size + what the steps take, and merging writes at most 0.25 MiB/s a file.
3. A step writes STEP_PAGES pages; between two of them searches and feeds are answered, and as long
   again as the step took, times REST, is left to others.
4. Freed pages are overwritten (`secure_delete`), and the write-ahead log is emptied at the end.
5. What is taken while it goes on is owed anew.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hubbub.base.units import MIB

AFTER_S: Final = 60.0  # half: twice the merges of who edits all day; double: as much later
PAUSE_S_PER_MIB: Final = 4.0
STEP_PAGES: Final = 64  # 256 KiB, some 10 ms: what a search may have to wait
REST: Final = 4.0  # a fifth of one core at most, and that with the child's niceness
OWED: Final = "INSERT OR IGNORE INTO owes VALUES ('merge'), ('again')"
_MERGE: Final = "INSERT INTO found (found, rank) VALUES ('merge', ?)"
_NOTHING: Final = 2  # `merge` that had nothing to do changes fewer rows


class Purging:
    """What one file owes."""

    def __init__(self, database: sqlite3.Connection, path: Path, clock: Callable[[], float]):
        """Args: clock: monotonic seconds."""
        self._db = database
        self._path = path
        self._clock = clock
        self._is_merging = False
        self._at: float | None = None  # when the next step is due
        self._not_before = 0.0
        self.look()

    def look(self) -> None:
        """Something was committed: is a merge owed now?"""
        if self._at is None and self._owes("merge"):
            self._at = max(self._clock() + AFTER_S, self._not_before)

    def wait_s(self) -> float | None:
        """Seconds to the next step; None: nothing is owed."""
        return None if self._at is None else max(0.0, self._at - self._clock())

    def step(self) -> None:
        """Merge a little. Raises sqlite3.Error."""
        began = self._clock()
        pages = STEP_PAGES
        if not self._is_merging:
            self._db.execute("DELETE FROM owes WHERE what = 'again'")
            pages = -STEP_PAGES  # all segments from now on are one merge
        before = self._db.total_changes
        self._db.execute(_MERGE, (pages,))
        is_done = self._is_merging and self._db.total_changes - before < _NOTHING
        self._is_merging = not is_done
        if is_done:
            self._end()
        else:
            self._at = self._clock() + REST * (self._clock() - began)

    def _end(self) -> None:
        if not self._owes("again"):
            self._db.execute("DELETE FROM owes")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        size = self._path.stat().st_size / MIB
        self._not_before = self._clock() + PAUSE_S_PER_MIB * size
        self._at = None
        self.look()

    def _owes(self, what: str) -> bool:
        found = self._db.execute("SELECT 1 FROM owes WHERE what = ?", (what,)).fetchone()
        return found is not None
