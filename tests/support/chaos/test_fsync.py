"""The shim is seen by what really writes: RocksDB through its binding, SQLite, Python itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tests.support.chaos.fsync import DISKS_MAX, FsyncShim, environment
from tests.support.cluster import wait_for

ROOT = Path(__file__).resolve().parents[3]
WITHIN_S = 10.0
DELAY_MS = 60.0

# Obeys one line after another: `put` writes and syncs, `read` counts what is there. Answers with
# what came of it, and how long it took.
PROGRAM = """
import json, sys, time
from node.store.api import Family, StoreError
from node.store.rocks import RocksStore
store, n = RocksStore(sys.argv[1]), 0
for line in sys.stdin:
    began, answer = time.monotonic(), "done"
    try:
        match line.split():
            case ["put", size]:
                n += 1
                store.write([(Family.LOG, b"%08d" % n, bytes(int(size)))])
                store.sync()
            case ["read"]:
                answer = len(store.iterate(Family.LOG, b"", b"~", limit=10_000))
    except StoreError as error:
        answer = str(error)
    print(json.dumps([answer, (time.monotonic() - began) * 1_000]), flush=True)
"""


class Writer:
    """A child process with a RocksDB."""

    def __init__(self, folder: Path, words: dict[str, str]) -> None:
        command = [sys.executable, "-c", PROGRAM, str(folder)]
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # a database that cannot be closed complains at exit
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        with self._process:
            self._process.kill()

    def order(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def answer(self) -> tuple[Any, float]:
        """What came of an order, and its milliseconds."""
        assert self._process.stdout is not None
        outcome, ms = json.loads(self._process.stdout.readline())
        return outcome, ms

    def ask(self, line: str) -> tuple[Any, float]:
        self.order(line)
        return self.answer()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the library is made, once."""
    return tmp_path_factory.mktemp("shim")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir()
    return made


@pytest.fixture
def shim(folder: Path, data: Path) -> Iterator[FsyncShim]:
    with FsyncShim(folder, below=data) as disk:
        yield disk


@pytest.fixture
def writer(shim: FsyncShim, data: Path) -> Iterator[Writer]:
    with Writer(data / "db", shim.environment) as started:
        assert started.ask("put 100")[0] == "done"
        yield started


def test_syncs_of_rocksdb_are_counted(shim: FsyncShim, writer: Writer) -> None:
    before = shim.counts
    assert before.fdatasyncs > 0
    for _ in range(5):
        writer.ask("put 100")
    assert shim.counts == before._replace(fdatasyncs=before.fdatasyncs + 5)
    assert shim.calls == before.fsyncs + before.fdatasyncs + 5


def test_a_delay_makes_flush_wal_slow_until_it_is_taken_back(
    shim: FsyncShim, writer: Writer
) -> None:
    shim.delay_ms(DELAY_MS)
    outcome, ms = writer.ask("put 100")
    assert outcome == "done"
    assert ms > DELAY_MS, "a lower bound does not depend on the machine"
    assert writer.ask("read")[0] == 2
    shim.delay_ms(3_600_000)
    writer.order("put 100")
    wait_for(lambda: shim.counts.waiting == 1, WITHIN_S, lambda: str(shim.counts))
    shim.delay_ms(0)
    assert writer.answer()[0] == "done"
    assert shim.counts.waiting == 0


def test_a_failed_sync_is_an_error_for_good(shim: FsyncShim, writer: Writer) -> None:
    """One EIO is enough: RocksDB takes no write afterwards, and goes on reading."""
    shim.fail_next(after=2)
    assert [writer.ask("put 100")[0] for _ in range(2)] == ["done", "done"]
    assert "IO error: While fdatasync" in writer.ask("put 100")[0]
    assert shim.counts.failed_syncs == 1
    assert "IO error" in writer.ask("put 100")[0], "healed too early to be believed"
    assert shim.counts.failed_syncs == 1, "it was asked for one"
    assert writer.ask("read")[0] >= 3


def test_a_full_disk_takes_nothing_more(shim: FsyncShim, writer: Writer) -> None:
    shim.fill(free_bytes=10_000)
    assert writer.ask("put 1000")[0] == "done"
    assert "No space left on device" in writer.ask("put 20000")[0]
    assert shim.counts.failed_writes > 0
    assert writer.ask("read")[0] >= 2


def test_other_folders_are_other_disks(folder: Path, data: Path, tmp_path: Path) -> None:
    """One environment for all: the disk of one node is slow, of another one full."""
    (tmp_path / "data2").mkdir()  # whose name begins like that of another folder
    with (
        FsyncShim(folder, below=data, name="one") as one,
        FsyncShim(folder, below=tmp_path / "data2", name="two") as two,
    ):
        words = environment(one, two)
        with (
            Writer(data / "db", words) as first,
            Writer(tmp_path / "data2" / "db", words) as second,
            Writer(tmp_path / "elsewhere", words) as third,
        ):
            for writer in (first, second, third):
                assert writer.ask("put 100")[0] == "done"
            two.fill()
            one.fail_always()
            assert "fdatasync" in first.ask("put 100")[0]
            assert "No space left" in second.ask("put 100")[0]
            assert third.ask("put 100")[0] == "done"
            assert (one.counts.failed_writes, two.counts.failed_syncs) == (0, 0)


PYTHON = """
import os, sqlite3, sys
folder = sys.argv[1]
def attempt(what):
    try:
        what()
        print("done")
    except (OSError, sqlite3.Error) as error:
        print(type(error).__name__, getattr(error, "errno", ""))
file = os.open(folder + "/file", os.O_RDWR | os.O_CREAT)
attempt(lambda: os.fsync(file))
attempt(lambda: os.fdatasync(file))
attempt(lambda: os.write(file, b"x"))
attempt(lambda: os.pwrite(file, b"x", 0))
attempt(lambda: os.writev(file, [b"x", b"y"]))
attempt(lambda: sqlite3.connect(folder + "/sqlite").execute("create table t(x)"))
"""


def run_python(shim: FsyncShim, data: Path) -> list[str]:
    words = [sys.executable, "-c", PYTHON, str(data)]
    done = subprocess.run(words, env=shim.environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_every_call_of_python_and_sqlite_passes_the_shim(shim: FsyncShim, data: Path) -> None:
    assert run_python(shim, data) == ["done"] * 6
    assert shim.calls > 2
    shim.fail_always()
    assert run_python(shim, data)[:2] == ["OSError 5", "OSError 5"]
    shim.heal()
    shim.fill()
    full = ["done", "done", *["OSError 28"] * 3]
    assert run_python(shim, data)[:5] == full
    assert run_python(shim, data)[5].startswith("OperationalError")
    shim.heal()
    (data / "sqlite").unlink()
    assert run_python(shim, data) == ["done"] * 6


def test_a_whole_process_can_be_one_disk_but_not_a_full_one(folder: Path, data: Path) -> None:
    with FsyncShim(folder, name="everything") as shim:
        assert run_python(shim, data) == ["done"] * 6
        assert shim.calls > 2
        with pytest.raises(ValueError, match="needs `below`"):
            shim.fill()


def test_a_process_does_not_start_without_its_disk(shim: FsyncShim) -> None:
    """A test that believes in its faults would prove nothing without them."""
    words = {**shim.environment, "CHAOS_DISKS": f"{shim.control}.gone"}
    done = subprocess.run(["true"], env=words, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "cannot map" in done.stderr


def test_environments_keep_what_is_preloaded_already(folder: Path, shim: FsyncShim) -> None:
    words = environment(shim, base={"LD_PRELOAD": "other.so", "HOME": "h"})
    assert words["LD_PRELOAD"] == f"{shim.library}:other.so"
    assert words["HOME"] == "h"
    with pytest.raises(AssertionError):
        environment(*[shim] * (DISKS_MAX + 1))
