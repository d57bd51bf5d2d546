"""The lock of a cluster directory and the place of its sockets."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from ops.answer import Exit, Failure
from ops.directory import Directory, DirectoryLock, SocketFolder, fits, lock_holder
from ops.processes import SOURCE_ROOT

HOLD = """
import sys, pathlib
from ops.directory import Directory, DirectoryLock
DirectoryLock(Directory(pathlib.Path(sys.argv[1]))).acquire()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    result = Directory(tmp_path / "d")
    result.make()
    return result


def test_a_second_holder_learns_the_first_ones_pid(directory: Directory) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(directory.root)],
        cwd=SOURCE_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == b"held\n"
        assert lock_holder(directory) == holder.pid
        with pytest.raises(Failure, match=str(holder.pid)) as refused:
            DirectoryLock(directory).acquire()
        assert refused.value.exit_code is Exit.CONFLICT
        holder.stdin.close()
        holder.wait(10)
    assert lock_holder(directory) is None
    lock = DirectoryLock(directory)
    lock.acquire()  # the kernel freed it with the process
    lock.release()


def test_nobody_holds_a_directory_that_was_never_used(tmp_path: Path) -> None:
    assert lock_holder(Directory(tmp_path / "nothing")) is None


def test_a_path_that_cannot_be_a_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Failure, match="cannot use the directory"):
        Directory(tmp_path / "file").make()


def test_sockets_move_when_a_path_would_be_too_long() -> None:
    with tempfile.TemporaryDirectory(prefix="hub-", dir="/tmp") as short:
        for root, expected in ((Path(short) / "d", False), (Path(short) / ("d" * 90), True)):
            directory = Directory(root)
            directory.make()
            folder = SocketFolder(directory, ["router-1", "node-1"])
            assert folder.is_temporary is expected
            assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
            address = folder.address("router-1").removeprefix("ipc://")
            with socket.socket(socket.AF_UNIX) as bound:
                bound.bind(address)  # the kernel is the judge of the length
            folder.remove()
            assert not folder.path.exists()


def test_the_length_limit_counts_bytes(tmp_path: Path) -> None:
    root = Path("/tmp")
    assert fits(root, ["n" * (107 - 5)])
    assert not fits(root, ["n" * (108 - 5)])
    assert not fits(root, ["\u00e9" * (104 // 2)])
    assert os.fsencode(root / "x")[:5] == b"/tmp/"


def test_the_records_may_be_elsewhere_from_the_first_start_on(tmp_path: Path) -> None:
    directory = Directory(tmp_path / "d")
    assert directory.coordinator_url == f"solo:{tmp_path}/d/coordinator.sqlite"
    directory.use_coordinator(directory.coordinator_url)
    assert not directory.has_cluster
    directory.use_coordinator("etcd=127.0.0.1:2379/chat")
    assert directory.has_cluster
    assert Directory(tmp_path / "d").coordinator_url == "etcd=127.0.0.1:2379/chat"
    directory.use_coordinator("etcd=127.0.0.1:2379/chat")
    with pytest.raises(Failure) as refused:
        directory.use_coordinator("etcd=127.0.0.1:2379/other")
    assert refused.value.exit_code is Exit.CONFLICT


def test_records_that_are_here_stay_here(tmp_path: Path) -> None:
    directory = Directory(tmp_path)
    directory.coordinator.touch()
    with pytest.raises(Failure, match="the records of the cluster"):
        directory.use_coordinator("etcd=127.0.0.1:2379")
