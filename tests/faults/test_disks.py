"""Disks are full when they are full, forget what was not synced, and are gone afterwards."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubbub.base.units import KIB, MIB
from node.store.api import Family, StoreError
from node.store.rocks import RocksStore
from tests.support.chaos.disks import PREFIX, FileDisk, MemoryDisk, cut_power, sweep
from tests.support.chaos.signals import kill
from tests.support.cluster import wait_for

pytestmark = [pytest.mark.faults, pytest.mark.timeout(60)]

SIZE = 32 * MIB
SYNCED, UNSYNCED = 50, 20
# Writes and syncs, says so, writes on without a sync, and says so.
WRITER = """
import sys
from node.store.api import Family
from node.store.rocks import RocksStore
store = RocksStore(sys.argv[1])
for count, is_synced in ((int(sys.argv[2]), True), (int(sys.argv[3]), False)):
    for n in range(count):
        store.write([(Family.LOG, b"%d %08d" % (is_synced, n), bytes(100))])
    if is_synced:
        store.sync()
    print("written", flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=[MemoryDisk, FileDisk])
def disk(request: pytest.FixtureRequest) -> Iterator[MemoryDisk | FileDisk]:
    with request.param(SIZE) as mounted:
        yield mounted


def test_it_fills_up_and_has_room_again(disk: MemoryDisk | FileDisk) -> None:
    before = disk.free_bytes
    assert SIZE // 2 < before <= SIZE
    (disk.path / "small").write_bytes(b"x")
    disk.fill()
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        (disk.path / "more").write_bytes(bytes(MIB))
    assert (disk.path / "small").read_bytes() == b"x"
    disk.free()
    (disk.path / "more").write_bytes(bytes(MIB))
    disk.fill(spare_bytes=2 * MIB)
    assert MIB < disk.free_bytes <= 2 * MIB
    (disk.path / "still").write_bytes(bytes(MIB))


def test_a_database_on_a_full_disk_says_so_and_reads_on(disk: MemoryDisk | FileDisk) -> None:
    store = RocksStore(str(disk.path / "db"))
    store.write([(Family.LOG, b"0", b"before")])
    store.sync()
    disk.fill(spare_bytes=64 * KIB)
    with pytest.raises(StoreError, match="No space left on device"):
        store.write([(Family.LOG, b"1", bytes(4 * MIB))])
    assert store.get(Family.LOG, b"0") == b"before"
    disk.free()
    try:
        store.close()
    except StoreError:
        pass  # the failed write is told again


def test_power_is_lost_with_what_was_not_synced() -> None:
    with FileDisk(SIZE) as disk:
        command = [sys.executable, "-c", WRITER, str(disk.path / "db"), str(SYNCED), str(UNSYNCED)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert [writer.stdout.readline() for _ in range(2)] == [b"written\n"] * 2
            disk.cut_power()
            with pytest.raises(OSError, match=os.strerror(errno.EIO)):
                (disk.path / "late").write_bytes(b"x")
            with pytest.raises(subprocess.CalledProcessError):
                disk.restore_power()  # a machine without power runs no processes
            kill(writer.pid)
        disk.restore_power()
        store = RocksStore(str(disk.path / "db"))
        rows = store.iterate(Family.LOG, b"", b"~", limit=1_000)
        store.close()
        assert [key for key, _ in rows] == [b"1 %08d" % n for n in range(SYNCED)]


def test_power_comes_back_whatever_namespace_was_made_meanwhile() -> None:
    with FileDisk(SIZE) as disk:
        command = ["unshare", "--mount", "--propagation", "slave", "sleep", "60"]
        with subprocess.Popen(command) as other:
            try:
                own, theirs = (Path(f"/proc/{of}/ns/mnt") for of in ("self", other.pid))
                wait_for(lambda: theirs.readlink() != own.readlink(), 10.0, lambda: "no namespace")
                disk.cut_power()
                disk.restore_power()
                (disk.path / "late").write_bytes(b"x")
            finally:
                kill(other.pid)


def test_power_is_cut_on_ext4_only() -> None:
    with MemoryDisk(SIZE) as disk, pytest.raises(OSError, match=r"ioctl|not supported|argument"):
        cut_power(disk.path)


def test_a_failure_inside_leaves_nothing_mounted(disk: MemoryDisk | FileDisk) -> None:
    root = disk.path.parent
    # Still in use: it is detached all the same, and gone with its last user.
    with (disk.path / "open").open("wb"):
        disk.remove()
        assert str(root) not in Path("/proc/self/mountinfo").read_text()
        assert not root.exists()
    disk.remove()


def test_what_a_killed_test_left_is_swept_and_what_runs_is_not(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    left = tmp_path / f"{PREFIX}-{gone.pid}-x" / "mount"
    left.mkdir(parents=True)
    with MemoryDisk(SIZE) as disk:
        subprocess.run(["mount", "-t", "tmpfs", "none", str(left)], check=True)
        try:
            assert left.parent in sweep()
            assert not left.parent.exists()
        finally:
            subprocess.run(["umount", str(left)], check=False, stderr=subprocess.DEVNULL)
        assert disk.path.is_mount()


def test_without_rights_it_is_skipped_or_fails_where_required(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1_000)
    monkeypatch.delenv("HUBBUB_REQUIRE", raising=False)
    with pytest.raises(pytest.skip.Exception, match="needs root"), MemoryDisk(SIZE):
        pass
    monkeypatch.setenv("HUBBUB_REQUIRE", "disks")
    with pytest.raises(pytest.fail.Exception, match="HUBBUB_REQUIRE names disks"):
        MemoryDisk(SIZE).__enter__()
