"""`hubbub demo`: a cluster with people in it, on loopback only, to try and to show."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Final

import click

from hubbub import VERSION
from ops import ports
from ops.answer import Exit, Failure, envelope, print_json, progress
from ops.cli import Row, json_wanted, noun
from ops.commands.up import ready_line
from ops.demo.show import MARKER, Show, read_marker, write_marker
from ops.directory import Directory, lock_holder
from ops.local import LocalCluster, Options, say_warnings
from ops.records import Wanted
from ops.signals import Signals
from ops.supervisor import ProcessSpec

HOST: Final = "127.0.0.1"  # its tokens are for everyone: never on another address
DEFAULT_DIR: Final = ".hubbub-demo"


@noun(
    "demo",
    invoke_without_command=True,
    elsewhere={
        "break": Row("ops.commands.demo_break", "break_", "Let a process of the demo hang."),
        "heal": Row("ops.commands.demo_break", "heal", "Let it go on."),
    },
)
@click.option(
    "--dir",
    "root",
    type=click.Path(file_okay=False, path_type=Path),
    help=f"Where its data stays: ./{DEFAULT_DIR}; with --check a folder that is removed.",
)
@click.option("--fresh", is_flag=True, help="Wipe the demo's data first.")
@click.option("--check", "only_check", is_flag=True, help="Test it headless; exit 0 or 1.")
@click.option("--nodes", type=click.IntRange(1, 9), help="Storage nodes (first start: 3).")
@click.option("--routers", type=click.IntRange(1, 9), default=2, show_default=True)
@click.option("--edges", type=click.IntRange(1, 9), default=2, show_default=True)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8080,
    show_default=True,
    help="Of the first edge; a taken one is passed over. 0: free ports.",
)
@click.pass_context
def demo(
    ctx: click.Context,
    root: Path | None,
    fresh: bool,
    only_check: bool,
    nodes: int | None,
    routers: int,
    edges: int,
    port: int,
) -> Exit | None:
    """Start a cluster with people, channels and a bot in it; Ctrl-C stops it.

    Signing in needs no password, so it listens on loopback only.

    \b
    Examples:
      hubbub demo
      hubbub demo --fresh --port 0
      hubbub demo --check
      hubbub demo break node-2    then keep chatting; hubbub demo heal node-2
    """
    if ctx.invoked_subcommand is not None:
        return None
    temporary = Path(tempfile.mkdtemp(prefix="hubbub-")) if only_check and root is None else None
    directory = Directory(temporary / "demo" if temporary else root or Path(DEFAULT_DIR))
    try:
        claim(directory, fresh=fresh)
        nodes = nodes if nodes or directory.has_cluster else 3
        options = Options(
            directory=directory,
            wanted=Wanted(nodes=nodes, app="demo"),
            routers=routers,
            edges=edges,
            host=HOST,
            port=0 if only_check else choose_port(port, edges),
            link="ipc",
            is_demo=True,
        )
        return run(options, only_check=only_check)
    finally:
        if temporary:
            shutil.rmtree(temporary, ignore_errors=True)


def claim(directory: Directory, *, fresh: bool) -> None:
    """Takes a directory for the demo, emptied if `fresh`; never anybody else's. Raises Failure."""
    root = directory.root
    is_ours = read_marker(root / MARKER).get("made_by") == "hubbub demo"
    if root.exists() and any(root.iterdir()) and not is_ours:
        raise Failure(
            f"{root} holds something else than a demo",
            exit_code=Exit.CONFLICT,
            cause=[f"there is no {MARKER} of ours in it, so it is left alone"],
            tries=["hubbub demo --dir ANOTHER_DIRECTORY"],
        )
    pid = lock_holder(directory)
    if pid is not None:
        raise Failure(
            f"the demo in {root} runs already (pid {pid})",
            exit_code=Exit.CONFLICT,
            tries=[f"hubbub status --dir {root}", f"hubbub down --dir {root}"],
        )
    if fresh and is_ours:
        shutil.rmtree(root)
    root.mkdir(parents=True, exist_ok=True)
    if fresh or not is_ours:
        write_marker(root / MARKER, 0)


def choose_port(port: int, edges: int) -> int:
    """The wanted port, or the next where all edges fit; says who is in the way."""
    if port == 0:
        return 0
    for taken in range(port, port + edges):
        if not ports.is_free(HOST, taken):
            chosen = ports.next_free(HOST, port, edges)
            progress(f" port {taken} is in use by {ports.holder(taken)}: taking {chosen}")
            return chosen
    return port


def run(options: Options, *, only_check: bool) -> Exit:
    """The demo from its first process to its last."""
    root = options.directory.root
    progress(f"hubbub {VERSION}   demo cluster   data: {root}   (kept; --fresh wipes it)")
    with Signals() as signals:
        cluster = LocalCluster(options, signals)
        cluster.on_ready = Steps(cluster).ready
        cluster.open()
        show: Show | None = None
        try:
            cluster.start()
            say_warnings(cluster.warnings)
            show = start_show(cluster, signals, only_check=only_check)
            cluster.run()
            show.stop()
        finally:
            cluster.close()
    return tell_end(show, root, only_check=only_check)


def start_show(cluster: LocalCluster, signals: Signals, *, only_check: bool) -> Show:
    """Seeds and plays beside the supervisor."""
    as_json = json_wanted()  # the show's thread has no click context

    def seeded(what: str) -> None:
        progress(step("sample data", what, cluster.elapsed_s()))
        if not only_check:
            say_ready(cluster, as_json=as_json)

    show = Show(
        cluster.options.directory,
        [(entry.name, entry.url) for entry in cluster.entries if entry.role == "edge"],
        cluster.records.server_key,
        only_check,
        on_seeded=seeded,
        on_end=signals.request_stop,
    )
    show.start()
    return show


def say_ready(cluster: LocalCluster, *, as_json: bool) -> None:
    """READY, and where to look."""
    cluster.ready_s = cluster.elapsed_s()
    urls, root = cluster.edge_urls, cluster.options.directory.root
    if as_json:
        data = {
            "ready_s": round(cluster.ready_s, 3),
            "process_count": cluster.process_count,
            "memory_bytes": cluster.memory_bytes(),
            "urls": urls,
            "cluster_file": str(cluster.options.directory.cluster_file),
        }
        print_json(envelope("hubbub.demo/1", "demo", data, warnings=cluster.warnings))
        return
    print(f" {ready_line(cluster)}\n")
    print(f"   Chat page    {urls[0]}/   choose Alice, Bob, Chloé …: no password")
    print(f"   Side by side {urls[0]}/?split=alice,bob")
    if len(urls) > 1:
        print(f"   Other edges  {' '.join(urls[1:])}   the same people, the same messages")
    print(f"   Try          hubbub status --dir {root}")
    if cluster.records.copies > 1:
        print("   Or           hubbub demo break node-2   then keep chatting")
    print(
        " Demo tokens are public: it listens on loopback only.   Ctrl-C stops everything",
        flush=True,
    )


class Steps:
    """One line for each role when all its processes are ready."""

    WHAT: Final = {"node": "storage nodes", "router": "routers", "edge": "edges"}

    def __init__(self, cluster: LocalCluster) -> None:
        self._cluster = cluster
        self._ready: dict[str, list[str]] = {}

    def ready(self, spec: ProcessSpec) -> None:
        wanted = [s.name for s in self._cluster.supervisor.specs if s.role == spec.role]
        names = self._ready.setdefault(spec.role, [])
        if spec.name in names:
            return  # a restart: the supervisor says so
        names.append(spec.name)
        if len(names) == len(wanted):
            title = f"{len(wanted)} {self.WHAT[spec.role]}"
            progress(step(title, " ".join(wanted), self._cluster.elapsed_s()))


def step(title: str, what: str, seconds: float) -> str:
    return f" [ok] {title:<18}{what:<46}{seconds:>5.1f}s"


def tell_end(show: Show | None, root: Path, *, only_check: bool) -> Exit:
    """How it went. Raises Failure if seeding or the self-test failed."""
    if show is not None and show.failure is not None:
        raise show.failure
    if not only_check:
        progress(f"stopped; the data is in {root}")
        return Exit.DONE
    if show is None or show.outcome is None:
        raise Failure("stopped before the self-test was done", exit_code=Exit.INTERRUPTED)
    outcome = show.outcome
    if json_wanted():
        data = {"passed": True, "delivered_ms": round(outcome.delivered_ms, 1)}
        print_json(envelope("hubbub.demo_check/1", "demo", data))
    else:
        print(f" [ok] self-test         {outcome.line()}")
    return Exit.DONE
