"""A cluster's directory D: what lies where, who holds it, and where its sockets may be.

    D/coordinator.sqlite   the cluster's records, or       D/nodes/NAME   one node's database
    D/coordinator.url      where else they are
    D/keys/                link keys, root.key, mode 0700  D/run/         valid while a cluster runs
    D/run/cluster.json     what outside programs read      D/run/lock     held by the supervisor
    D/run/config/NAME.json D/run/logs/NAME.log             D/run/events.ndjson
    D/run/s/               sockets of ipc:// links

Rules: whoever holds the lock on D/run/lock owns the directory; the kernel frees it with the
process. A socket's path is at most 107 bytes, else all sockets move to a private directory under
the temporary one.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ops.answer import Exit, Failure

SOCKET_PATH_BYTES_MAX: Final = 107  # sun_path of Linux is 108 bytes with its final zero


@dataclass(frozen=True)
class Directory:
    """The paths of one cluster directory."""

    root: Path

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def coordinator(self) -> Path:
        return self.root / "coordinator.sqlite"

    @property
    def has_cluster(self) -> bool:
        """Whether a cluster was made here, wherever its records are."""
        return self.coordinator.exists() or self._elsewhere.exists()

    @property
    def coordinator_url(self) -> str:
        """Where the cluster's records are: in a file here, unless another place was named."""
        if self._elsewhere.exists():
            return self._elsewhere.read_text(encoding="ascii").strip()
        return f"solo:{self.coordinator.absolute()}"

    def use_coordinator(self, url: str) -> None:
        """Name another place, before anything else is made. Raises Failure for a second one."""
        if url == self.coordinator_url:
            return
        if self.has_cluster:
            raise Failure(
                f"the records of the cluster in {self.root} are at {self.coordinator_url}",
                exit_code=Exit.CONFLICT,
                cause=["where they are is fixed when a cluster is made"],
                tries=["the same command without --coordinator, or another --dir"],
            )
        self.root.mkdir(parents=True, exist_ok=True)
        draft = self._elsewhere.with_suffix(".draft")
        draft.write_text(f"{url}\n", encoding="ascii")
        draft.replace(self._elsewhere)

    @property
    def _elsewhere(self) -> Path:
        return self.root / "coordinator.url"

    @property
    def root_key(self) -> Path:
        """The text of the key that makes and deletes apps."""
        return self.keys / "root.key"

    @property
    def cluster_file(self) -> Path:
        return self.run / "cluster.json"

    @property
    def events(self) -> Path:
        return self.run / "events.ndjson"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    def config(self, name: str) -> Path:
        return self.run / "config" / f"{name}.json"

    def log(self, name: str) -> Path:
        return self.run / "logs" / f"{name}.log"

    def node_data(self, name: str) -> Path:
        return self.root / "nodes" / name

    def make(self) -> None:
        """Creates what is missing; what holds secrets is closed to others."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            for private in (self.run, self.keys, self.run / "config", self.root / "nodes"):
                private.mkdir(exist_ok=True)
                private.chmod(0o700)
            (self.run / "logs").mkdir(exist_ok=True)
        except OSError as error:
            raise Failure(
                f"cannot use the directory {self.root}",
                cause=[str(error)],
                tries=["hubbub up --dir ANOTHER_DIRECTORY"],
            ) from None


class DirectoryLock:
    """The right to run a cluster in a directory; freed by `release` or by the process's end."""

    def __init__(self, directory: Directory) -> None:
        self._path = directory.run / "lock"
        self._root = directory.root
        self._fd: int | None = None

    def acquire(self) -> None:
        """Takes the lock and writes this pid into it.

        Raises Failure(CONFLICT) that names the pid of the holder.
        """
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(fd, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(fd)
            raise Failure(
                f"a cluster already runs in {self._root} (supervisor pid {holder})",
                exit_code=Exit.CONFLICT,
                tries=[f"hubbub status --dir {self._root}", f"hubbub down --dir {self._root}"],
            ) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def lock_holder(directory: Directory) -> int | None:
    """The pid of the supervisor that holds the directory; None if nobody does."""
    try:
        fd = os.open(directory.run / "lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(fd, 32, 0).decode(errors="replace").strip()
        return int(text) if text.isdigit() else None
    finally:
        os.close(fd)
    return None


class SocketFolder:
    """Where the sockets of ipc:// links lie: D/run/s, or a short private folder if that is long."""

    def __init__(self, directory: Directory, names: Iterable[str]) -> None:
        self.path = directory.run / "s"
        self.is_temporary = not fits(self.path, names)
        if self.is_temporary:
            self.path = Path(tempfile.mkdtemp(prefix="hubbub-"))  # mode 0700
        else:
            shutil.rmtree(self.path, ignore_errors=True)  # sockets of processes that are gone
            self.path.mkdir(mode=0o700)

    def address(self, name: str) -> str:
        """The ipc:// address that the process `name` binds."""
        return f"ipc://{self.path / name}"

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def fits(folder: Path, names: Iterable[str]) -> bool:
    """Whether every socket path in `folder` is short enough."""
    return all(
        len(os.fsencode(folder.absolute() / name)) <= SOCKET_PATH_BYTES_MAX for name in names
    )
