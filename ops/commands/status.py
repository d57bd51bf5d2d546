"""`hubbub status`: every process of a cluster on this machine, and what is wrong.

Reads cluster.json, the coordinator's file and each admin server; whatever of these answers is
shown, the rest is named. Works with one process alive, and with none.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import click

from hubbub.coordinator.cluster import ClusterView
from ops import cluster_file, health
from ops.answer import Exit, Failure, envelope, print_json
from ops.api import Response, ask_all
from ops.cli import json_wanted, verb
from ops.cluster_file import ClusterFile, ProcessEntry
from ops.directory import Directory, lock_holder
from ops.health import Health, ProcessHealth
from ops.records import Records

LOOKED_FOR: Final = (".hubbub", ".hubbub-demo")


@verb("status")
@click.option(
    "--dir",
    "root",
    type=click.Path(file_okay=False, path_type=Path),
    help="The cluster's directory; else ./.hubbub or ./.hubbub-demo.",
)
@click.option("--timeout", "timeout_s", type=click.FloatRange(0.1, 60), default=2.0)
def status(root: Path | None, timeout_s: float) -> Exit:
    """Show every process of a running cluster; exit code 10 if it is not healthy.

    \b
    Examples:
      hubbub status --dir data
      hubbub status --dir data --json | jq .data.state
    """
    directory = Directory(root or _find())
    found = look(directory, timeout_s)
    if json_wanted():
        print_json(
            envelope(
                "hubbub.status/1",
                found.app,
                found.data(),
                warnings=health.what_now(found),
                unreachable=found.unreachable,
            )
        )
    else:
        print("\n".join(health.table(found)))
    return Exit.DONE if found.verdict == "HEALTHY" else Exit.UNHEALTHY


def look(directory: Directory, timeout_s: float) -> Health:
    """Asks everything that may know something. Raises Failure if no cluster runs here."""
    content = cluster_file.read(directory.cluster_file)
    records = Records.open(directory)
    try:
        view = records.view
        live = {**view.nodes, **view.routers, **view.edges}
        urls = {
            e.name: live[e.name].admin_url if e.name in live else e.admin_url
            for e in content.processes
        }
        ready = ask_all({n: f"{u}/readyz" for n, u in urls.items() if u}, timeout_s=timeout_s)
        led = slots_led(view)
        edges = {e.name: urls[e.name] for e in content.processes if e.role == "edge"}
        told = ask_all({n: f"{u}/statistics" for n, u in edges.items() if u}, timeout_s=timeout_s)
        processes = [
            _health(entry, ready.get(entry.name), led, _connections(told.get(entry.name)))
            for entry in content.processes
        ]
        serving = {p.name for p in processes if p.state == "ready"}
        return Health(
            app=content.app,
            processes=processes,
            slots=records.slots,
            slots_led=sum(count for name, count in led.items() if name in serving),
            copies=records.copies,
            map_revision=view.slot_map.revision,
            supervisor_runs=_supervisor_runs(directory, content),
        )
    finally:
        records.close()


def slots_led(view: ClusterView) -> Counter[str]:
    """How many slots each node leads, of those whose leader is a process that is registered."""
    leaders = (record.leader for _, record in view.slot_map.items())
    return Counter(
        leader.node
        for leader in leaders
        if leader is not None
        and leader.node in view.nodes
        and view.nodes[leader.node].boot_id == leader.boot_id
    )


def _find() -> Path:
    for name in LOOKED_FOR:
        if Directory(Path(name)).cluster_file.exists():
            return Path(name)
    raise Failure(
        "no cluster runs in " + " or ".join(f"./{name}" for name in LOOKED_FOR),
        exit_code=Exit.NOT_FOUND,
        tries=["hubbub status --dir DIRECTORY", "hubbub demo"],
    )


def _health(
    entry: ProcessEntry, answer: Response | None, led: Counter[str], connections: int | None
) -> ProcessHealth:
    usage = _usage(entry.pid)
    state, reasons = health.state_of(
        runs=usage is not None,
        answer=answer.body if answer else None,
        status=answer.status if answer else None,
    )
    memory_bytes, age_s = usage or (None, None)
    return ProcessHealth(
        role=entry.role,
        name=entry.name,
        state=state,
        pid=entry.pid,
        url=entry.url,
        reasons=reasons,
        memory_bytes=memory_bytes,
        age_s=age_s,
        slots_led=led[entry.name] if entry.role == "node" else None,
        connections=connections,
    )


def _connections(told: Response | None) -> int | None:
    """Open client connections, as an edge's statistics tell."""
    clients = told.body.get("clients") if told and isinstance(told.body, dict) else None
    count = clients.get("connections") if isinstance(clients, dict) else None
    return count if isinstance(count, int) else None


def _usage(pid: int) -> tuple[int, float] | None:
    """Resident bytes and age in seconds; None if there is no such process."""
    import psutil

    try:
        process: Any = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return process.memory_info().rss, round(time.time() - process.create_time(), 1)
    except psutil.Error:
        return None


def _supervisor_runs(directory: Directory, content: ClusterFile) -> bool:
    return lock_holder(directory) == content.supervisor_pid
