"""Real etcd members for tests: on loopback, free ports, a temporary folder; gone after `stop`.

Rules: everything is waited for with a deadline; processes end by pid; a member keeps its ports and
its folder over `kill` and `restart`. `ETCD_BIN` names another program than the one on the path.
Blocking: call it from a thread where a loop must go on.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.requirement import missing

START_S = 30.0
CALL_S = 5.0
_STARTS_MAX = 3  # another program may take a free port before etcd does
HEARTBEAT_MS, ELECTION_MS = 50, 500


def etcd_program() -> str:
    """The path of etcd; skips the test, or fails it where etcd is required."""
    found = shutil.which(os.environ.get("ETCD_BIN", "etcd"))
    if found is None:
        missing("etcd", "no etcd on this machine (Debian: etcd-server), and ETCD_BIN names none")
    assert found is not None
    return found


class EtcdMember:
    """One process. `client` and `peer` are its ports; `peers_dial` the one that the others use."""

    def __init__(self, name: str, folder: Path, client: int, peer: int, peers_dial: int) -> None:
        self.name = name
        self.folder = folder
        self.client = client
        self.peer = peer
        self.peers_dial = peers_dial
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.client}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self, program: str, everybody: str, options: tuple[str, ...]) -> None:
        assert self.process is None
        listen = f"http://127.0.0.1:{self.peer}"
        words = {
            "name": self.name,
            "data-dir": str(self.folder / self.name),
            "listen-client-urls": self.url,
            "advertise-client-urls": self.url,
            "listen-peer-urls": listen,
            "initial-advertise-peer-urls": f"http://127.0.0.1:{self.peers_dial}",
            "initial-cluster": everybody,
            "heartbeat-interval": str(HEARTBEAT_MS),
            "election-timeout": str(ELECTION_MS),
        }
        # Its own settings may come from the environment: only ours are meant.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ETCD_")}
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [program, *(f"--{k}={v}" for k, v in words.items()), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
            )

    def end(self) -> None:
        """kill -9, and wait."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()


class Etcd:
    """An etcd of `members` members, started by `start` (or as a context manager).

    Args: options: further words for each. peers_dial: the ports under which members reach each
        other, one a member, where something stands between them; as they listen unless given.
    """

    def __init__(
        self, members: int = 1, *options: str, peers_dial: list[int] | None = None
    ) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="etcd-"))
        self.members: list[EtcdMember] = []
        self._options = options
        self._dial = peers_dial
        self._count = members
        self._program = ""

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

    @property
    def urls(self) -> list[str]:
        """The members' urls."""
        return [member.url for member in self.members]

    def place(self, namespace: str, *indexes: int) -> str:
        """What `open_coordinator` takes: these members in this order, all of them if none."""
        chosen = [self.members[i] for i in indexes or range(self._count)]
        addresses = ",".join(f"127.0.0.1:{member.client}" for member in chosen)
        return f"etcd={addresses}/{namespace}"

    # --- life

    def start(self) -> None:
        """Starts all and waits until each answers. Raises RuntimeError with the end of a log."""
        self._program = etcd_program()
        for attempt in range(1, _STARTS_MAX + 1):
            self.members = self._planned(attempt)
            for member in self.members:
                self._spawn(member)
            try:
                for index in range(self._count):
                    self.wait_healthy(index)
                return
            except RuntimeError:
                for member in self.members:
                    member.end()
                if attempt == _STARTS_MAX or self._dial is not None:
                    raise

    def stop(self) -> None:
        """Ends all and removes the folder."""
        for member in self.members:
            member.end()
        shutil.rmtree(self.root, ignore_errors=True)

    def kill(self, index: int) -> None:
        """kill -9."""
        self.members[index].end()

    def restart(self, index: int) -> None:
        """Starts a killed one on what it has, and waits until it answers."""
        self._spawn(self.members[index])
        self.wait_healthy(index)

    def pause(self, index: int) -> None:
        """SIGSTOP, and wait until all of it stands: its connections stay, and it says nothing."""
        pid = self.members[index].pid
        os.kill(pid, signal.SIGSTOP)
        deadline = time.monotonic() + CALL_S
        while not all(_stands(thread) for thread in Path(f"/proc/{pid}/task").iterdir()):
            assert time.monotonic() < deadline, f"etcd {index} does not stop"
            time.sleep(0.001)

    def go_on(self, index: int) -> None:
        """SIGCONT."""
        os.kill(self.members[index].pid, signal.SIGCONT)

    # --- questions

    def wait_healthy(self, index: int) -> None:
        """Until this member reads through a leader."""
        member = self.members[index]
        deadline = time.monotonic() + START_S
        while not self._is_healthy(member):
            if member.process is None or member.process.poll() is not None:
                raise RuntimeError(f"etcd {member.name} ended: {self._log(member)}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"etcd {member.name} does not answer: {self._log(member)}")
            time.sleep(0.02)

    def leader(self) -> int:
        """Which one leads, by the word of any that answers, once one leads."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            for member in self.members:
                try:
                    status = self.post(self.members.index(member), "maintenance/status", {})
                except OSError:
                    continue
                for index, other in enumerate(self.members):
                    if status.get("leader") == self._id(other):
                        return index
            time.sleep(0.02)
        raise RuntimeError("no member leads")

    def post(self, index: int, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """One call of a member's gateway, past our client. Raises OSError."""
        request = urllib.request.Request(
            f"{self.members[index].url}/v3/{path}", json.dumps(body).encode(), method="POST"
        )
        with urllib.request.urlopen(request, timeout=CALL_S) as response:
            answer: dict[str, Any] = json.load(response)
            return answer

    def _id(self, member: EtcdMember) -> str | None:
        """Its own id, which `leader` names; None while it does not answer."""
        if member.process is None:
            return None
        try:
            header = self.post(self.members.index(member), "maintenance/status", {})["header"]
        except OSError:
            return None
        return str(header["member_id"])

    def _planned(self, attempt: int) -> list[EtcdMember]:
        folder = self.root / str(attempt)
        folder.mkdir()
        ports = free_ports(2 * self._count)
        members = []
        for i in range(self._count):
            client, peer = ports[2 * i], ports[2 * i + 1]
            dial = self._dial[i] if self._dial else peer
            members.append(EtcdMember(f"m{i}", folder, client, peer, dial))
        return members

    def _spawn(self, member: EtcdMember) -> None:
        everybody = ",".join(f"{m.name}=http://127.0.0.1:{m.peers_dial}" for m in self.members)
        member.start(self._program, everybody, self._options)

    def _is_healthy(self, member: EtcdMember) -> bool:
        try:
            with urllib.request.urlopen(f"{member.url}/health", timeout=CALL_S) as response:
                return bool(json.load(response).get("health") == "true")
        except (OSError, ValueError):
            return False

    def _log(self, member: EtcdMember) -> str:
        lines = (member.folder / f"{member.name}.log").read_text(errors="replace").splitlines()
        return "\n".join(lines[-10:])


def _stands(thread: Path) -> bool:
    """Whether a thread is stopped, by its state in /proc (behind the name in brackets)."""
    return (thread / "stat").read_text().rpartition(")")[2].split()[0] in "Tt"


def free_ports(count: int) -> list[int]:
    """Different TCP ports of loopback that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
