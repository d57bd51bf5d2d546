"""A real cluster for tests: `hubbub up` as a subprocess in a short temporary directory.

Rules: everything is waited for with a deadline; whatever happens, `stop` (or the fixture) leaves no
process behind, by pid. A cluster can be killed process by process and restarted on its data.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ops.api import Response, Rest
from ops.cluster_file import ClusterFile, ProcessEntry, read
from ops.processes import SOURCE_ROOT
from tests.support.processes import Process, process

START_S = 60.0
STOP_S = 10.0
TOKEN_S = 30.0
# Of what is promised within 2 s: a full machine takes longer, and a token would last for an hour.
AT_ONCE_S = 6.0


class Cluster:
    """One cluster, started by `start` (or as a context manager) and gone after `stop`.

    Args: options: further words for `hubbub up`, as `"--profile", "bench"`.
    """

    def __init__(
        self, *options: str, nodes: int = 1, routers: int = 1, edges: int = 1, copies: int = 1
    ) -> None:
        # Short: the paths of ipc sockets are limited to 107 bytes.
        self.root = Path(tempfile.mkdtemp(prefix="hub-", dir="/tmp"))
        self.dir = self.root / "d"
        shape = {"nodes": nodes, "routers": routers, "edges": edges, "copies": copies}
        self.words = [word for k, v in shape.items() for word in (f"--{k}", str(v))]
        self.words += ["--port", "0", *options]
        self.command = [sys.executable, "-m", "ops"]
        self.supervisor: subprocess.Popen[str] | None = None
        self._file: ClusterFile | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.stop()

    # --- life

    def start(self, *more: str) -> None:
        """Starts it and waits until cluster.json says that it is ready."""
        assert self.supervisor is None
        log = (self.root / "up.log").open("a")
        with log:
            self.supervisor = subprocess.Popen(
                [*self.command, "up", "--dir", str(self.dir), *self.words, *more],
                cwd=SOURCE_ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                text=True,
            )
        path = self.dir / "run" / "cluster.json"
        supervisor = self.supervisor

        def is_ready() -> bool:
            if supervisor.poll() is not None:
                raise AssertionError(f"up ended with {supervisor.returncode}:\n{self.said()}")
            return path.exists() and read(path).supervisor_pid == supervisor.pid

        wait_for(is_ready, START_S, lambda: f"up was not ready:\n{self.said()}")
        self._file = read(path)

    def stop(self) -> int | None:
        """Stops everything, kills what is left, removes the data. Returns up's exit code."""
        code = self.halt()
        shutil.rmtree(self.root, ignore_errors=True)
        return code

    def halt(self) -> int | None:
        """Stops everything as an operator does; the data stays. Returns up's exit code."""
        if self.supervisor is None:
            return None
        supervisor, self.supervisor = self.supervisor, None
        if supervisor.poll() is None:
            supervisor.terminate()
        try:
            code = supervisor.wait(STOP_S)
        except subprocess.TimeoutExpired:
            supervisor.kill()
            code = supervisor.wait()
        self._wait_children_gone()
        return code

    def restart(self) -> None:
        """Stops and starts on the same data."""
        self.halt()
        self.start()

    def kill_all(self) -> None:
        """SIGKILL to every process, the supervisor first, so that it cannot react."""
        assert self.supervisor is not None
        supervisor, self.supervisor = self.supervisor, None
        supervisor.kill()
        for entry in self.file.processes:
            _kill(entry.pid, signal.SIGKILL)
        supervisor.wait()
        self._wait_children_gone()

    def kill(self, name: str, number: int = signal.SIGKILL) -> int:
        """Sends a signal to one process. Returns its pid."""
        pid = self.process(name).pid
        _kill(pid, number)
        return pid

    def wait_restarted(self, name: str, old_pid: int, seconds: float = 60.0) -> None:
        """Waits until the supervisor has a new process of that name ready.

        Long: a node that was killed a hundred times reads its whole log first, on a busy machine.
        """
        wait_for(
            lambda: self.process(name).pid != old_pid,
            seconds,
            lambda: f"{name} did not come back:\n{self.said()}",
        )

    # --- what is known of it

    @property
    def file(self) -> ClusterFile:
        """cluster.json as it is now, or as it was while the cluster ran."""
        if self.supervisor is not None:
            self._file = read(self.dir / "run" / "cluster.json")
        assert self._file is not None
        return self._file

    def process(self, name: str) -> ProcessEntry:
        return next(entry for entry in self.file.processes if entry.name == name)

    def of_role(self, role: str) -> list[ProcessEntry]:
        return [entry for entry in self.file.processes if entry.role == role]

    @property
    def edges(self) -> list[ProcessEntry]:
        return self.of_role("edge")

    @property
    def urls(self) -> list[str]:
        """The public url of every edge."""
        return [entry.url for entry in self.edges]

    @property
    def url(self) -> str:
        return self.urls[0]

    @property
    def server_key(self) -> str:
        return self.file.server_key

    @property
    def token_secret(self) -> str:
        return self.file.token_secret

    def said(self) -> str:
        """What `up` printed, and the end of every process's log."""
        parts = [(self.root / "up.log").read_text()]
        logs = sorted((self.dir / "run" / "logs").glob("*.log"))
        parts += [
            f"--- {log.name}\n" + "\n".join(log.read_text().splitlines()[-15:]) for log in logs
        ]
        return "\n".join(parts)

    # --- REST

    def rest(self, method: str, path: str, body: object = None, *, edge: int = 0) -> Any:
        """The body of a 2xx answer of the REST interface; ops.answer.Failure otherwise."""
        return Rest(self.urls[edge], self.server_key).need(method, path, body)

    def rest_answer(
        self, method: str, path: str, body: object = None, *, edge: int = 0, key: str = ""
    ) -> Response:
        """Any answer of the REST interface."""
        return Rest(self.urls[edge], self.server_key).call(method, path, body, key=key)

    def token(self, user: str) -> str:
        """A connection token for a user, who is created if unknown; asked for again while the
        answer is that there is none yet."""
        body = {"user": user}
        ends_at = time.monotonic() + TOKEN_S
        while (answer := self.rest_answer("POST", "/v1/tokens", body)).status == 503:
            assert time.monotonic() < ends_at, answer.body
        assert answer.status < 300, answer.body
        token: str = answer.body["token"]
        return token

    def events(self) -> list[dict[str, Any]]:
        """What the supervisor noted of its processes."""
        text = (self.dir / "run" / "events.ndjson").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def _wait_children_gone(self) -> None:
        """Waits for the children, and kills those that stay."""
        left = self._children()
        try:
            wait_for(lambda: not any(p.is_alive for p in left), STOP_S, lambda: str(left))
        finally:
            for child in left:
                if child.is_alive:
                    _kill(child.pid, signal.SIGKILL)

    def _children(self) -> list[Process]:
        """Those that the supervisor started, and their own children: they live, or their files are
        not closed yet."""
        found = []
        events = self.events() if self._has_events() else []
        started = {event["pid"] for event in events if "pid" in event}
        running = {int(entry.name) for entry in Path("/proc").glob("[0-9]*")}
        for pid in started | set(filter(self._is_ours, running)):
            try:
                child = process(pid)
            except ProcessLookupError:
                continue
            if child.is_exiting or self._is_ours(pid):  # a pid may have been used again
                found.append(child)
        return found

    def _has_events(self) -> bool:
        return (self.dir / "run" / "events.ndjson").exists()

    def _is_ours(self, pid: int) -> bool:
        """Whether the pid's command line names this cluster. One that exits has none any more."""
        try:
            return str(self.dir) in Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return False


def wait_for(condition: Callable[[], bool], seconds: float, story: Callable[[], str]) -> None:
    """Waits until a condition holds. Raises AssertionError with the story of what is."""
    ends_at = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends_at:
            raise AssertionError(story())
        time.sleep(0.03)


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
