"""`hubbub nodes`: which storage nodes a cluster has; they come and go while people chat.

In a directory's cluster a node is a folder, a line in the records and a process: the supervisor is
woken and brings the processes in line with the records. Elsewhere a node is whatever runs
`hubbub node` with a config of its own; it announces its place itself.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path
from typing import Final

import click

from hubbub.ring.moves import HolderState
from ops import cluster_file
from ops.answer import Exit, Failure, envelope, print_json, progress
from ops.api import is_ready
from ops.census import NodePlace
from ops.cli import json_wanted, noun
from ops.commands.rebalance import (
    AT_ONCE,
    NO_WAIT,
    SAME_DOMAIN,
    carry_out,
    find,
    membership_options,
    node_lines,
)
from ops.directory import Directory, lock_holder
from ops.membership import Membership
from ops.records import make_storage_id

START_S: Final = 60.0  # a node may take 20 s to open its database before it is given up
STOP_S: Final = 20.0  # the supervisor gives it 2.2, a lease lasts 3
_WAKE_S: Final = 1.0  # between two wakings of the supervisor: one signal might be early
_LOOK_S: Final = 0.1


@noun("nodes")
def nodes() -> None:
    """Add, drain and remove storage nodes, while people chat.

    \b
    Examples:
      hubbub nodes list --dir data
      hubbub nodes add --dir data --count 2      then: hubbub rebalance start --dir data
      hubbub nodes drain node-2 --dir data       then: hubbub nodes remove node-2 --dir data
    """


@nodes.verb("list")
@membership_options
def list_(root: Path | None, url: str) -> Exit:
    """Show every node: its state, its copies, what it leads.

    \b
    Example: hubbub nodes list --dir data
    """
    with find(root, url) as cluster:
        _say(cluster, node_lines(cluster.places()))
    return Exit.DONE


@nodes.verb("add")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@membership_options
@click.option("--count", type=click.IntRange(1, 64), help="So many, with the next free names.")
def add(names: tuple[str, ...], root: Path | None, url: str, count: int | None) -> Exit:
    """Start more nodes. They hold nothing before `hubbub rebalance start`.

    \b
    Examples:
      hubbub nodes add --dir data
      hubbub nodes add node-9 --dir data
    """
    with find(root, url) as cluster:
        directory = _own_directory(cluster)
        _check_is_not_compact(directory)
        wanted = list(names) or free_names(cluster.names, directory, count or 1)
        _check_names(wanted, cluster.names, directory)
        cluster.add({name: make_storage_id(directory, name) for name in wanted})
        supervisor = lock_holder(directory)
        if supervisor is None:
            progress(f"no cluster runs in {directory.root}: they start with the next `hubbub up`")
        else:
            _wait(cluster, supervisor, START_S, lambda: _are_ready(cluster, wanted), wanted)
        then = f"hubbub rebalance start --dir {directory.root}"
        _say(cluster, [f"added {', '.join(wanted)}   next: {then}"])
    return Exit.DONE


@nodes.verb("drain")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@membership_options
@SAME_DOMAIN
@AT_ONCE
@NO_WAIT
def drain(
    names: tuple[str, ...],
    root: Path | None,
    url: str,
    allow_same_domain: bool,
    moves_per_node: int,
    no_wait: bool,
) -> Exit:
    """Move everything off these nodes; its leaders leave first.

    \b
    Example: hubbub nodes drain node-2 --dir data
    """
    with find(root, url) as cluster:
        changes: dict[str, HolderState] = {cluster.place(n).storage: "draining" for n in names}
        draft = cluster.draft(changes=changes, allow_same_domain=allow_same_domain)
        return carry_out(cluster, draft, moves_per_node, is_watched=not no_wait)


@nodes.verb("undrain")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@membership_options
def undrain(names: tuple[str, ...], root: Path | None, url: str) -> Exit:
    """Let these nodes hold copies again. A plan that is under way is not changed.

    \b
    Example: hubbub nodes undrain node-2 --dir data
    """
    with find(root, url) as cluster:
        cluster.change_states({cluster.place(name).storage: "active" for name in names})
        _say(cluster, [f"{', '.join(names)} may hold copies   next: hubbub rebalance start"])
    return Exit.DONE


@nodes.verb("remove")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@membership_options
def remove(names: tuple[str, ...], root: Path | None, url: str) -> Exit:
    """Take nodes out of the cluster that hold nothing any more. Their folders stay.

    \b
    Example: hubbub nodes remove node-2 --dir data
    """
    with find(root, url) as cluster:
        places = [cluster.place(name) for name in names]
        for place in places:
            cluster.check_empty(place)
        for place in places:
            cluster.begin_removal(place)
            cluster.look()
        supervisor = lock_holder(cluster.directory) if cluster.directory is not None else None
        _wait(cluster, supervisor, STOP_S, lambda: _are_gone(cluster, places), names)
        for place in places:
            cluster.end_removal(place)
            cluster.look()
        gone = [place.name for place in places]
        _say(cluster, [f"removed {', '.join(gone)}", *_folders(cluster.directory, gone)])
    return Exit.DONE


# --- names


def free_names(taken: Iterable[str], directory: Directory, wanted: int) -> list[str]:
    """The next names that no node has, and no folder: what lies there is another node's data."""
    used = {*taken}
    found: list[str] = []
    for number in count(1):
        name = f"node-{number}"
        if name not in used and not directory.node_data(name).exists():
            found.append(name)
        if len(found) == wanted:
            break
    return found


def _check_names(names: list[str], taken: Iterable[str], directory: Directory) -> None:
    used = {*taken}
    for name in names:
        if name in used:
            raise Failure(f"there is a node {name} already", exit_code=Exit.CONFLICT)
        if not _is_name(name):
            raise Failure(
                f"{name!r} is no name for a node",
                exit_code=Exit.USAGE,
                cause=["node- and a number, as node-4"],
            )
        if directory.node_data(name).exists():
            raise Failure(
                f"{directory.node_data(name)} holds the data of a node that was removed",
                exit_code=Exit.CONFLICT,
                tries=["another name", f"rm -r {directory.node_data(name)}"],
            )
        used.add(name)


def _is_name(name: str) -> bool:
    number = name.removeprefix("node-")
    return name.startswith("node-") and number.isdigit() and len(number) <= 4


def _folders(directory: Directory | None, names: Iterable[str]) -> list[str]:
    if directory is None:
        return []
    return [f"   its folder {directory.node_data(name)} may be deleted" for name in names]


# --- processes


def _own_directory(cluster: Membership) -> Directory:
    """Raises Failure where this command cannot start processes."""
    if cluster.directory is None:
        raise Failure(
            "nodes of this cluster are started on their machines",
            exit_code=Exit.USAGE,
            cause=["a node announces itself when it starts"],
            tries=["hubbub node --config FILE   there, then: hubbub rebalance start"],
        )
    return cluster.directory


def _check_is_not_compact(directory: Directory) -> None:
    if not directory.cluster_file.exists():
        return
    pids = [entry.pid for entry in cluster_file.read(directory.cluster_file).processes]
    if len(set(pids)) == 1:
        raise Failure(
            "this cluster runs in one process",
            exit_code=Exit.CONFLICT,
            tries=[f"hubbub down --dir {directory.root}, then `hubbub up` without --compact"],
        )


def _wait(
    cluster: Membership,
    supervisor: int | None,
    seconds: float,
    is_done: Callable[[], bool],
    names: Iterable[str],
) -> None:
    """Wakes the supervisor until it is done. Raises Failure(UNREACHABLE)."""
    ends_at, woken_at = time.monotonic() + seconds, 0.0
    while True:
        cluster.look()
        if is_done():
            return
        now = time.monotonic()
        if now > ends_at:
            raise Failure(
                f"{', '.join(names)}: not done within {seconds:.0f} s",
                exit_code=Exit.UNREACHABLE,
                cause=["it is recorded, and goes on"],
                tries=["hubbub nodes list", "the same command again"],
            )
        if supervisor is not None and now - woken_at >= _WAKE_S:
            woken_at = now
            wake(supervisor)
        time.sleep(_LOOK_S)


def wake(supervisor: int) -> None:
    """Makes a supervisor look at the records.

    SIGCHLD wakes it as the end of a child does, and harms nobody who does not wait for it.
    """
    try:
        os.kill(supervisor, signal.SIGCHLD)
    except ProcessLookupError:
        pass  # it reads the records at its next start


def _are_ready(cluster: Membership, names: Iterable[str]) -> bool:
    live, told = cluster.view.nodes, _told(cluster)
    return all(name in live and name in told and is_ready(live[name].admin_url) for name in names)


def _are_gone(cluster: Membership, places: Iterable[NodePlace]) -> bool:
    storages = {place.storage for place in places}
    return not cluster.live_storages() & storages and not _told(cluster) & {p.name for p in places}


def _told(cluster: Membership) -> set[str]:
    """The processes that cluster.json names; outside programs read it."""
    if cluster.directory is None or not cluster.directory.cluster_file.exists():
        return set()
    return {entry.name for entry in cluster_file.read(cluster.directory.cluster_file).processes}


def _say(cluster: Membership, lines: Iterable[str]) -> None:
    cluster.look()
    if json_wanted():
        rows = [place.row() for place in cluster.places()]
        print_json(envelope("hubbub.nodes/1", cluster.app, {"nodes": rows}))
    else:
        print("\n".join(lines), flush=True)
