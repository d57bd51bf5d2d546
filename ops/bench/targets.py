"""The servers that a benchmark measures: a Hubbub cluster of its own, and the reference.

Rules:
1. Each runs in processes of its own, on free loopback ports, in a folder of its own, and has ended
   when its context ends.
2. A target says which processes are to be measured; the generator is never one of them.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from ops.answer import Failure
from ops.bench.dialects import Centrifuge, Dialect, Plain
from ops.cluster_file import ClusterFile, read
from ops.processes import role_environment

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0


@dataclass(frozen=True)
class Shape:
    """How many processes of each role a cluster has; compact: one process is all of them."""

    edges: int
    routers: int
    nodes: int
    is_compact: bool = False


SHAPES = {
    "single": Shape(1, 1, 1),
    "compact": Shape(1, 1, 1, is_compact=True),
    "demo": Shape(edges=2, routers=2, nodes=3),
}


@dataclass(frozen=True)
class Target:
    """A running server. Connections are spread over `urls`."""

    name: str
    dialect: Dialect
    urls: Sequence[str]
    pids: Sequence[int]
    admin_urls: Sequence[str] = ()
    server_key: str = ""

    def url_of(self, number: int) -> str:
        """The address for connection `number`."""
        return self.urls[number % len(self.urls)]

    async def create_rooms(self, rooms: dict[str, list[str]]) -> None:
        """Makes channels with their members; the reference makes rooms by itself."""
        if not self.server_key:
            return
        head = {"Authorization": f"Bearer {self.server_key}"}
        async with aiohttp.ClientSession(self.urls[0], headers=head) as session:
            for channel, members in rooms.items():
                body = {"channel": channel, "members": members}
                async with session.post("/v1/channels", json=body) as answer:
                    if answer.status >= 300:
                        text = await answer.text()
                        raise Failure(f"POST /v1/channels: {answer.status} {text[:200]}")


@contextmanager
def hubbub(shape: Shape, folder: Path | None, copies: int = 1) -> Iterator[Target]:
    """A cluster with the profile `bench`, in a new folder below `folder`."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="hb-", dir=folder) as name:
        counts = {"nodes": shape.nodes, "routers": shape.routers, "edges": shape.edges}
        options = [f"--{key}={value}" for key, value in {**counts, "copies": copies}.items()]
        options += ["--compact"] if shape.is_compact else []
        command = ["up", "--dir", name, "--port=0", "--profile=bench", *options]
        with _running([*_module("ops"), *command], Path(name) / "up.log") as process:
            cluster = _cluster_file(Path(name) / "run" / "cluster.json", process)
            yield _target_of(cluster)


@contextmanager
def reference() -> Iterator[Target]:
    """The reference server."""
    with tempfile.TemporaryDirectory(prefix="hb-") as name:
        log = Path(name) / "reference.log"
        with _running(_module("ops.bench.reference"), log) as process:
            url = _first_line(log, process)
            yield Target("reference", Plain(), [url], [process.pid])


def _module(name: str) -> list[str]:
    return [sys.executable, "-P", "-m", name]


def _target_of(cluster: ClusterFile) -> Target:
    return Target(
        name="hubbub",
        dialect=Centrifuge(cluster.token_secret),
        urls=[entry.url for entry in cluster.processes if entry.role == "edge"],
        pids=[cluster.supervisor_pid, *(entry.pid for entry in cluster.processes)],
        admin_urls=[entry.admin_url for entry in cluster.processes],
        server_key=cluster.server_key,
    )


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a server until the context ends; SIGTERM first, SIGKILL when it does not obey."""
    environment = {**role_environment(), "PYTHONUNBUFFERED": "1"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=output, env=environment
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()


def _cluster_file(path: Path, process: subprocess.Popen[bytes]) -> ClusterFile:
    _until(path.exists, process, path.parent.parent / "up.log")
    return read(path)


def _first_line(log: Path, process: subprocess.Popen[bytes]) -> str:
    _until(lambda: _is_announced(log.read_bytes()), process, log)
    return log.read_text().splitlines()[0]


def _is_announced(said: bytes) -> bool:
    """A whole first line that is an address; what else a process says is no announcement."""
    return said.startswith(b"http://") and b"\n" in said


def _until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Waits for a server to be ready. Raises Failure with the end of its log."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            lines = log.read_text(errors="replace").splitlines()[-8:]
            raise Failure(f"{os.path.basename(log)[:-4]} did not start", cause=lines)
        time.sleep(0.05)
