"""One cluster on this machine, from its directory to its last process, for `up` and `demo`.

Order of a start: lock, processes of a killed supervisor gone, stale cluster.json gone, records
(made at the first start), configs, processes, all ready, cluster.json. The lock outlives the
processes, so that nobody else can start in between.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

from ops import cluster_file, guards, ports
from ops.answer import Exit, Failure, progress
from ops.api import is_ready
from ops.backup.signing import make_key
from ops.cluster_file import ClusterFile, ProcessEntry
from ops.directory import Directory, DirectoryLock, SocketFolder
from ops.plan import Place, Shape, child_environment, configs, write_compact, write_configs
from ops.records import Records, Wanted
from ops.signals import Signals
from ops.supervisor import Child, Journal, ProcessSpec, Supervisor

START_S: Final = 60.0  # a node may take 20 s to open its database before it is given up
LEFTOVERS_S: Final = 5.0
LONGEST_NAME: Final = "node-9999"  # nodes may be added: their sockets must fit, too
LOOK_S: Final = 0.03  # between two looks at who is registered, while something is not ready
Link = Literal["ipc", "tcp"]


@dataclass(frozen=True)
class Options:
    """What the person asked for. Port 0: free ports, the last ones if they still are.

    `is_compact`: one process for the node, the router and the edge; then there is one of each.
    """

    directory: Directory
    wanted: Wanted
    routers: int
    edges: int
    host: str
    port: int
    link: Link
    is_demo: bool = False
    is_compact: bool = False


@dataclass
class LocalCluster:
    """Lives from `open` to `close`. `ready_s` and `warnings` are for the person."""

    options: Options
    signals: Signals
    on_ready: Callable[[ProcessSpec], None] = lambda _spec: None
    warnings: list[str] = field(default_factory=list)
    ready_s: float = 0.0
    _began_at: float = field(default_factory=time.monotonic)
    _looked_at: float = 0.0
    _admin_urls: dict[str, str] = field(default_factory=dict)

    def open(self) -> None:
        """Takes the directory and prepares everything; starts nothing. Raises Failure."""
        directory = self.options.directory
        guards.check_disk(directory.root)
        self.warnings += guards.raise_open_files()
        directory.make()
        self._lock = DirectoryLock(directory)
        self._lock.acquire()
        try:
            make_key(directory.keys)
            self._wait_leftovers_gone()
            directory.cluster_file.unlink(missing_ok=True)
            self.records = Records.open_or_create(directory, self.options.wanted)
            self._prepare()
        except BaseException:
            self._lock.release()
            raise

    def start(self) -> None:
        """Starts every process and returns when all are ready and cluster.json says so."""
        self.supervisor.start(START_S)
        self.ready_s = self.elapsed_s()

    def elapsed_s(self) -> float:
        """Since the command began."""
        return time.monotonic() - self._began_at

    def run(self) -> None:
        """Watches until a stop signal."""
        self.supervisor.run()

    def close(self) -> None:
        """Stops whatever runs and gives the directory back; may be called after a failed start."""
        self.supervisor.stop()
        self.options.directory.cluster_file.unlink(missing_ok=True)
        os.close(self._lifeline_write_fd)
        os.close(self._lifeline_read_fd)
        self._sockets.remove()
        self.records.close()
        self._lock.release()

    # --- what is known of it

    @property
    def entries(self) -> list[ProcessEntry]:
        """Every node, router and edge with its present pid and urls."""
        return [
            self._entry(role, name, child.process.pid)
            for child in self.supervisor.children.values()
            for role, name in child.spec.registered
        ]

    @property
    def process_count(self) -> int:
        """This one included."""
        return len(self.supervisor.children) + 1

    @property
    def edge_urls(self) -> list[str]:
        return [f"http://{self.options.host}:{port}" for port in self._ports.values()]

    def memory_bytes(self) -> int:
        """Memory of every process, this one included; shared pages count once where known."""
        import psutil

        pids = [child.process.pid for child in self.supervisor.children.values()]
        total = 0
        for pid in [os.getpid(), *pids]:
            try:
                used = psutil.Process(pid).memory_full_info()
            except psutil.Error:
                continue  # it is being restarted
            total += getattr(used, "pss", used.rss)
        return total

    # --- steps of `open`

    def _prepare(self) -> None:
        options, directory = self.options, self.options.directory
        nodes = self.records.nodes
        shape = Shape(len(nodes), options.routers, options.edges, nodes)
        if options.is_compact:
            _check_is_one_of_each(shape)
        bound = [*shape.names("node"), *shape.names("router")]
        self._ports = self._edge_ports(shape.names("edge"))
        self._sockets = SocketFolder(directory, [*bound, LONGEST_NAME])
        if options.link == "tcp":
            _make_link_keys(directory, [*bound, *shape.names("edge")])
        self._lifeline_read_fd, self._lifeline_write_fd = os.pipe()
        place = self._place = Place(
            directory=directory,
            app=self.records.app,
            profile=self.records.profile,
            copies=self.records.copies,
            slots=self.records.slots,
            host=options.host,
            listen=self._listen(bound),
            ports=self._ports,
            lifeline_fd=self._lifeline_read_fd,
            has_keys=options.link == "tcp",
            is_demo=options.is_demo,
        )
        wanted = configs(shape, place)
        write = write_compact if options.is_compact else write_configs
        self.supervisor = Supervisor(
            write(directory, wanted),
            Journal(directory.events),
            self.signals,
            self._is_ready,
            self._write_cluster_file,
            child_environment(),
            self._lifeline_read_fd,
            self.on_ready,
            self._look_for_nodes,
        )

    def _edge_ports(self, names: list[str]) -> dict[str, int]:
        options = self.options
        if options.port == 0:
            last = [_last_port(options.directory, name) for name in names]
            found = ports.free_ports(options.host, len(names), preferred=filter(None, last))
            return dict(zip(names, found, strict=True))
        wanted = {name: options.port + i for i, name in enumerate(names)}
        for port in wanted.values():
            if not ports.is_free(options.host, port):
                raise Failure(
                    f"port {port} is in use by {ports.holder(port)}",
                    tries=[f"hubbub up --dir {options.directory.root} --port 0"],
                )
        return wanted

    def _listen(self, bound: list[str]) -> dict[str, str]:
        if self.options.is_compact:
            return {name: f"inproc://{name}" for name in bound}
        if self.options.link == "ipc":
            return {name: self._sockets.address(name) for name in bound}
        free = ports.free_ports("127.0.0.1", len(bound))
        return {n: f"tcp://127.0.0.1:{port}" for n, port in zip(bound, free, strict=True)}

    def _wait_leftovers_gone(self) -> None:
        """Waits for the children of a supervisor that was killed: they hold databases and ports."""
        path = self.options.directory.cluster_file
        if not path.exists():
            return
        try:
            left = [entry for entry in cluster_file.read(path).processes]
        except Failure:
            return  # a damaged file tells nothing; a locked database will
        ends_at = time.monotonic() + LEFTOVERS_S
        while running := [e for e in left if _runs(e, self.options.directory)]:
            if time.monotonic() > ends_at:
                first = running[0]
                raise Failure(
                    f"{first.name} of an earlier run is still there (pid {first.pid})",
                    cause=["its supervisor was killed, and it did not leave"],
                    tries=[f"kill -9 {first.pid}"],
                )
            self.signals.wait(0.05)

    # --- what the supervisor asks

    def _is_ready(self, spec: ProcessSpec) -> bool:
        now = time.monotonic()
        if now - self._looked_at >= LOOK_S:
            self._looked_at = now
            self.records.look_for_processes()
        urls = [self.records.admin_url(name) for _, name in spec.registered]
        return all(urls) and all(map(is_ready, urls))

    def _look_for_nodes(self) -> bool:
        """Starts nodes that were added, stops those that were removed; True if there were any."""
        if self.options.is_compact:
            return False
        try:
            wanted = self.records.look_for_nodes()
            present = [c.spec.name for c in self.supervisor.children.values() if _is_node(c)]
            for name in [name for name in wanted if name not in present]:
                self.supervisor.add(self._new_node(name))
        except (Failure, OSError) as error:
            self.supervisor.journal.write("nodes.unknown", f" nodes were not looked at: {error}")
            return False
        removed = [name for name in present if name not in wanted]
        for name in removed:
            self.supervisor.retire(name)
        return bool(removed)

    def _new_node(self, name: str) -> ProcessSpec:
        """One more node beside those that run. Raises Failure, OSError."""
        if self.options.link == "tcp":
            _make_link_keys(self.options.directory, [name])
        place = replace(self._place, listen=self._listen([name]))
        return write_configs(self.options.directory, configs(Shape(1, 0, 0, [name]), place))[0]

    def _write_cluster_file(self, _children: Mapping[str, Child]) -> None:
        content = ClusterFile(
            os.getpid(),
            self.records.app,
            self.records.server_key,
            self.records.token_secret,
            self.entries,
            self.records.root_key,
        )
        cluster_file.write(self.options.directory.cluster_file, content)

    def _entry(self, role: str, name: str, pid: int) -> ProcessEntry:
        # A lease may lapse while its process hangs: it has the url that it had.
        admin_url = self.records.admin_url(name) or self._admin_urls.get(name, "")
        self._admin_urls[name] = admin_url
        is_edge = role == "edge"
        url = f"http://{self.options.host}:{self._ports[name]}" if is_edge else admin_url
        return ProcessEntry(role, name, pid, url, admin_url)


def _check_is_one_of_each(shape: Shape) -> None:
    """Raises Failure unless a compact cluster can have this shape."""
    for role in ("node", "router", "edge"):
        if (count := len(shape.names(role))) != 1:
            raise Failure(
                f"--compact is for one node, one router and one edge: here are {count} {role}s",
                exit_code=Exit.CONFLICT,
                tries=["the same command without --compact", "another --dir"],
            )


def _is_node(child: Child) -> bool:
    return child.spec.role == "node"


def _make_link_keys(directory: Directory, names: list[str]) -> None:
    """CURVE keys of every process; those that exist stay."""
    from hubbub.transport.curve import make_keys  # loads libzmq, which ipc:// does not need here

    make_keys(directory.keys, names)


def say_warnings(warnings: list[str]) -> None:
    for warning in warnings:
        progress(f" warning: {warning}")


def _last_port(directory: Directory, name: str) -> int | None:
    """The port that an edge had at the last start."""
    import json

    try:
        port = json.loads(directory.config(name).read_text())["port"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return port if isinstance(port, int) and port > 0 else None


def _runs(entry: ProcessEntry, directory: Directory) -> bool:
    """Whether the pid is still that process, not another one that was given its number."""
    import psutil

    try:
        words = psutil.Process(entry.pid).cmdline()
    except psutil.Error:
        return False
    return any(Path(word) == directory.config(entry.name).absolute() for word in words)
