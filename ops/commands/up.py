"""`hubbub up`: a cluster in the foreground; `hubbub down`: ends it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Final

import click

from hubbub.coordinator.records import SigningKey
from ops.answer import Exit, Failure, envelope, print_json, progress
from ops.cli import json_wanted, verb
from ops.directory import Directory, lock_holder
from ops.local import LocalCluster, Options, say_warnings
from ops.records import Wanted
from ops.signals import Signals

DOWN_S: Final = 10.0  # the supervisor needs at most 5

DIRECTORY = click.option(
    "--dir",
    "root",
    default=".hubbub",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The cluster's directory.",
)


TOKEN_ALGORITHMS = ("HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "EdDSA")


def _token_key(text: str) -> SigningKey:
    """KID=ALG:FILE. Raises Failure(USAGE)."""
    kid, _, rest = text.partition("=")
    algorithm, _, path = rest.partition(":")
    if not kid or algorithm not in TOKEN_ALGORITHMS or not path:
        raise Failure(
            f"--token-key {text}: not KID=ALG:FILE",
            exit_code=Exit.USAGE,
            cause=[f"algorithms: {', '.join(TOKEN_ALGORITHMS)}"],
            tries=["--token-key backend=RS256:public.pem"],
        )
    try:
        key = Path(path).read_text().strip()
    except OSError as error:
        raise Failure(f"--token-key {text}", exit_code=Exit.USAGE, cause=[str(error)]) from None
    if (algorithm.startswith("HS")) == key.startswith("-----BEGIN"):
        raise Failure(
            f"--token-key {text}: the file does not fit {algorithm}",
            exit_code=Exit.USAGE,
            cause=["HS* takes a secret, the others the PEM of a public key"],
        )
    return SigningKey(kid, algorithm, key)


@verb("up")
@DIRECTORY
@click.option(
    "--compact",
    "is_compact",
    is_flag=True,
    help="One node, one router and one edge in one process: cheaper while little is said, but no "
    "more than one core. The data is the same with and without it.",
)
@click.option("--nodes", type=click.IntRange(1, 99), help="Storage nodes (first start: 1).")
@click.option("--routers", type=click.IntRange(1, 99), default=1, show_default=True)
@click.option("--edges", type=click.IntRange(1, 99), default=1, show_default=True)
@click.option(
    "--copies",
    type=click.IntRange(1, 7),
    help="Copies of each slot (first start: 3, or 1 if there are fewer than three nodes).",
)
@click.option("--slots", type=click.IntRange(16, 16_384), help="Slots (first start: 1024).")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where edges listen.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8080,
    show_default=True,
    help="Of the first edge, the next takes the next one; 0: free ports.",
)
@click.option("--profile", help="default, bench or centrifuge-compat: the limits to start with.")
@click.option("--app", help="The app's name (first start: main).")
@click.option(
    "--token-key",
    "token_keys",
    multiple=True,
    metavar="KID=ALG:FILE",
    help="Also accept tokens signed with this key (RS256, EdDSA: public PEM; HS256: secret).",
)
@click.option(
    "--link",
    type=click.Choice(["ipc", "tcp"]),
    default="ipc",
    show_default=True,
    help="How processes reach each other; tcp is encrypted with CURVE.",
)
@click.option(
    "--coordinator",
    metavar="URL",
    help="Where the cluster's records are: etcd=HOST:PORT[,HOST:PORT...][/NAMESPACE] "
    "(first start: a file in the directory).",
)
def up(
    root: Path,
    is_compact: bool,
    nodes: int | None,
    routers: int,
    edges: int,
    copies: int | None,
    slots: int | None,
    host: str,
    port: int,
    profile: str | None,
    app: str | None,
    token_keys: tuple[str, ...],
    link: str,
    coordinator: str | None,
) -> Exit:
    """Start a cluster and keep it running until Ctrl-C.

    Restarts what crashes. Data stays in the directory; while the cluster runs, run/cluster.json
    there says how to reach it.

    \b
    Examples:
      hubbub up --dir data
      hubbub up --dir data --compact
      hubbub up --dir data --nodes 3 --routers 2 --edges 2 --port 0 --json
    """
    if is_compact:
        _check_compact(link, nodes=nodes, routers=routers, edges=edges, copies=copies)
    directory = Directory(root)
    if coordinator is not None:
        directory.use_coordinator(coordinator)
    options = Options(
        directory=directory,
        wanted=Wanted(nodes, copies, slots, app, profile, tuple(map(_token_key, token_keys))),
        routers=routers,
        edges=edges,
        host=host,
        port=port,
        link="tcp" if link == "tcp" else "ipc",
        is_compact=is_compact,
    )
    with Signals() as signals:
        cluster = LocalCluster(options, signals)
        cluster.open()
        try:
            cluster.start()
            say_warnings(cluster.warnings)
            _say_ready(cluster, as_json=json_wanted())
            cluster.run()
        finally:
            cluster.close()
    progress(f"stopped; the data is in {root}")
    return Exit.DONE


def _check_compact(link: str, **counts: int | None) -> None:
    """Raises Failure(USAGE) unless one process can be all that was asked for."""
    for name, count in counts.items():
        if count not in (None, 1):
            raise Failure(
                f"--compact is one node, one router and one edge, not --{name} {count}",
                exit_code=Exit.USAGE,
                tries=["the same command without --compact", f"without --{name}"],
            )
    if link != "ipc":
        raise Failure(
            f"--compact has no links that --link {link} could be for",
            exit_code=Exit.USAGE,
            tries=["the same command without --link"],
        )


def _say_ready(cluster: LocalCluster, *, as_json: bool) -> None:
    memory = cluster.memory_bytes()
    path = cluster.options.directory.cluster_file
    if as_json:
        data = {
            "ready_s": round(cluster.ready_s, 3),
            "process_count": cluster.process_count,
            "memory_bytes": memory,
            "urls": cluster.edge_urls,
            "cluster_file": str(path),
        }
        print_json(envelope("hubbub.up/1", cluster.records.app, data, warnings=cluster.warnings))
        return
    print(ready_line(cluster))
    for url in cluster.edge_urls:
        print(f"   edge        {url}/")
    print(f"   keys, pids  {path}")
    print(f"   next        hubbub status --dir {cluster.options.directory.root}", flush=True)


def ready_line(cluster: LocalCluster) -> str:
    """What a person waits for: time, processes (this one included), memory."""
    count, megabytes = cluster.process_count, cluster.memory_bytes() >> 20
    return f"READY in {cluster.ready_s:.1f}s   {count} processes   {megabytes} MB"


@verb("down")
@DIRECTORY
def down(root: Path) -> Exit:
    """Stop the cluster that runs in a directory; its data stays.

    \b
    Example: hubbub down --dir data
    """
    directory = Directory(root)
    pid = lock_holder(directory)
    if pid is None:
        raise Failure(
            f"no cluster runs in {root}",
            exit_code=Exit.NOT_FOUND,
            tries=[f"hubbub up --dir {root}"],
        )
    os.kill(pid, signal.SIGTERM)
    ends_at = time.monotonic() + DOWN_S
    while lock_holder(directory) == pid:
        if time.monotonic() > ends_at:
            raise Failure(
                f"the supervisor (pid {pid}) did not stop within {DOWN_S:.0f} s",
                exit_code=Exit.UNREACHABLE,
                tries=[
                    f"kill -9 {pid}   (its processes leave with it; nothing acknowledged is lost)"
                ],
            )
        time.sleep(0.03)
    if json_wanted():
        print_json(envelope("hubbub.down/1", "", {"supervisor_pid": pid, "dir": str(root)}))
    else:
        print(f"stopped; the data is in {root}")
    return Exit.DONE
