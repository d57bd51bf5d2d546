"""The write lock in turn, and what another process does meanwhile."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from hubbub.coordinator import solo_connection
from hubbub.coordinator.solo_connection import connect, transaction

SCHEMA = "CREATE TABLE one (n INTEGER)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.sqlite"


@pytest.fixture
def other(path: Path) -> Iterator[sqlite3.Connection]:
    connect(path, "OFF", SCHEMA).close()
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    yield connection
    connection.close()


def test_a_lock_that_is_held_is_waited_for(path: Path, other: sqlite3.Connection) -> None:
    ours = connect(path, "OFF", SCHEMA)
    other.execute("BEGIN IMMEDIATE")
    freed = threading.Timer(0.05, lambda: other.execute("COMMIT"))
    freed.start()
    with transaction(ours):
        ours.execute("INSERT INTO one VALUES (1)")
    freed.join()
    assert other.execute("SELECT n FROM one").fetchall() == [(1,)]
    ours.close()


def test_a_lock_that_is_never_free_is_given_up(
    path: Path, other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solo_connection, "BUSY_MS_MAX", 30)
    ours = connect(path, "OFF", SCHEMA)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"), transaction(ours):
        raise AssertionError("it began")
    with transaction(ours, reads=True):
        assert ours.execute("SELECT n FROM one").fetchall() == []
    other.execute("COMMIT")
    assert ours.execute("PRAGMA busy_timeout").fetchone() == (30,)
    ours.close()


def test_what_fails_leaves_nothing(path: Path, other: sqlite3.Connection) -> None:
    ours = connect(path, "OFF", SCHEMA)
    with suppress(ZeroDivisionError), transaction(ours):
        ours.execute("INSERT INTO one VALUES (1)")
        raise ZeroDivisionError
    assert other.execute("SELECT n FROM one").fetchall() == []
    ours.close()


def test_a_file_of_another_format_is_refused(path: Path) -> None:
    connect(path, "OFF", SCHEMA).close()
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(sqlite3.DatabaseError, match="format 99"):
        connect(path, "OFF", SCHEMA)
