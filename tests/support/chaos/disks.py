"""Disks of a chosen size that fill up, fail and lose power: a tmpfs, or ext4 in a file. Needs root.

Without the rights a test is skipped with the reason, or fails where `HUBBUB_REQUIRE` names "disks".

Rules:
1. Whatever happens, `__exit__` unmounts, lazily if a process still uses the disk, and removes the
   folder. What a killed test left is unmounted, by its name, by the next one (`sweep`).
2. Only a disk in a file (`FileDisk`) can lose power: what was written and not synced is gone when
   it is mounted again. End the processes that use it in between, as a power cut would.
3. It is mounted below a shared mount: a namespace that another test makes (`ip netns exec`) copies
   all mounts, and would keep a disk without power alive when it is unmounted here.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from struct import pack
from types import TracebackType
from typing import Final, Self

from hubbub.base.units import KIB, MIB
from tests.support.requirement import missing

WITHIN_S: Final = 30.0
PREFIX: Final = "hubtest-disk"
EXT4_BYTES_MIN: Final = 8 * MIB  # below this mkfs makes no journal
BALLAST: Final = "ballast"
_SHUTDOWN: Final = 0x8004587D  # EXT4_IOC_SHUTDOWN
_NO_LOG_FLUSH: Final = 2  # not even the journal that is in memory reaches the disk
_LEFT: Final = re.compile(rf"(/\S*/{PREFIX}-(\d+)-[^/]+)(/mount)?")


class _Disk(ABC):
    """A mounted file system in a folder of its own."""

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self._root: Path | None = None

    @property
    def path(self) -> Path:
        """Where it is mounted."""
        assert self._root is not None, "used outside of its `with`"
        return self._root / "mount"

    def __enter__(self) -> Self:
        need()
        sweep()
        # Short, for sockets below it, and beside nothing that a test would remove.
        self._root = Path(tempfile.mkdtemp(prefix=f"{PREFIX}-{os.getpid()}-", dir="/tmp"))
        try:
            self.path.mkdir()
            _run("mount", "--bind", str(self._root), str(self._root))
            _run("mount", "--make-shared", str(self._root))
            self.mount()
        except subprocess.CalledProcessError as error:
            self.remove()
            missing("disks", f"mounting does not work here: {error.stderr}")
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.remove()

    @abstractmethod
    def mount(self) -> None:
        """Mount it, as after a power cut."""

    def unmount(self) -> None:
        """Raises CalledProcessError if a process uses it for long: whoever was killed is just
        ending, and so are his children."""
        ends_at = time.monotonic() + WITHIN_S
        while True:
            try:
                return _run("umount", str(self.path))
            except subprocess.CalledProcessError:
                if time.monotonic() > ends_at:
                    raise
                time.sleep(0.05)

    def remove(self) -> None:
        """Unmount whatever uses it, and forget its files. May be called twice."""
        if self._root is not None:
            root, self._root = self._root, None
            _remove(root)

    @property
    def free_bytes(self) -> int:
        """What may still be written."""
        said = os.statvfs(self.path)
        return said.f_bavail * said.f_frsize

    def fill(self, spare_bytes: int = 0) -> None:
        """Take all room but `spare_bytes` (in the file system's blocks). Repeat it to take more."""
        with (self.path / BALLAST).open("ab") as ballast:
            step = MIB
            while step >= KIB:
                wanted = min(step, self.free_bytes - spare_bytes)
                if wanted <= 0:
                    return
                try:
                    end = os.fstat(ballast.fileno()).st_size
                    os.posix_fallocate(ballast.fileno(), end, wanted)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    step //= 2

    def free(self) -> None:
        """Give back what `fill` took."""
        (self.path / BALLAST).unlink(missing_ok=True)


class MemoryDisk(_Disk):
    """A tmpfs. Its contents end with the mount."""

    def mount(self) -> None:
        """As _Disk.mount."""
        _run("mount", "-t", "tmpfs", "-o", f"size={self.size_bytes}", "none", str(self.path))


class FileDisk(_Disk):
    """An ext4 in a file, by a loop device: it syncs, and it can lose power."""

    def mount(self) -> None:
        """As _Disk.mount; replays the journal."""
        if not self._image.exists():
            self._format()
        _run("mount", "-o", "loop", str(self._image), str(self.path))

    def cut_power(self) -> None:
        """As the function; `restore_power` brings back what was synced."""
        cut_power(self.path)

    def restore_power(self) -> None:
        """Mount it anew. Raises CalledProcessError while a process still has it open: kill it."""
        self.unmount()
        self.mount()

    def _format(self) -> None:
        assert self.size_bytes >= EXT4_BYTES_MIN, self.size_bytes
        with self._image.open("wb") as image:
            image.truncate(self.size_bytes)
        # No blocks are kept for root, who would otherwise never see it full.
        _run("mkfs.ext4", "-q", "-F", "-m", "0", str(self._image))

    @property
    def _image(self) -> Path:
        return self.path.with_name("image")


def cut_power(mountpoint: Path) -> None:
    """From now on nothing reaches this ext4, not even its journal; every call on it is EIO.

    Raises OSError where it is no ext4, or without the right.
    """
    folder = os.open(mountpoint, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(folder, _SHUTDOWN, pack("I", _NO_LOG_FLUSH))
    finally:
        os.close(folder)


def need() -> None:
    """Skips the running test, or fails it where "disks" is required, if this cannot work here."""
    if os.geteuid() != 0:
        missing("disks", "mounting needs root")
    for tool in ("mount", "umount", "mkfs.ext4"):
        if shutil.which(tool) is None:
            missing("disks", f"no {tool} on this machine")


def sweep() -> list[Path]:
    """Unmount and remove the disks of tests that no longer run; their folders."""
    stale = {
        Path(found[1])
        for place in _mounts()
        if (found := _LEFT.fullmatch(place)) and not Path(f"/proc/{found[2]}").exists()
    }
    for root in stale:
        _remove(root)
    return sorted(stale)


def _remove(root: Path) -> None:
    for place in (str(root / "mount"), str(root)):
        if place in _mounts():
            try:
                _run("umount", place)
            except subprocess.CalledProcessError:
                _run("umount", "--lazy", place)  # gone when its last user is
    shutil.rmtree(root)


def _mounts() -> list[str]:
    """Asked of the kernel: a file system without power answers nothing about itself."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return [line.split()[4] for line in lines]


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=WITHIN_S)
    if done.returncode != 0:
        error = subprocess.CalledProcessError(done.returncode, words, done.stdout, done.stderr)
        error.add_note(done.stderr)
        raise error
