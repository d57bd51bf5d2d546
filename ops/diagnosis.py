"""From the answers of a survey to its `Health`: who is well, which slots are served by how many.

Rules:
1. A slot is served if the node that leads it says so. A node that says nothing of its copies (an
   older one) is taken at the map's word while it is ready.
2. Without the coordinator the newest map of any process stands in, for what it tells.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from hubbub.coordinator.cluster import ClusterView
from hubbub.ring.report import MapReport
from ops import health
from ops.copies import added_up, told_copies, told_short
from ops.directory import Directory, lock_holder
from ops.ends import End, last_ends
from ops.health import Health, ProcessHealth
from ops.survey import Answers, Known, Survey

_STATISTICS: Final = "/statistics"
_SHORT: Final = "/statistics/copies/short"
_EVENTS_BYTES: Final = 256 * 1024  # the end of events.ndjson: some 2,000 events


def diagnose(survey: Survey) -> Health:
    """Asks everybody how they are."""
    wanted = {
        one.name: ("/readyz", _STATISTICS, *((_SHORT,) if one.role == "node" else ()))
        for one in survey.known
    }
    answers = survey.ask(wanted)
    by_map = slots_led(survey.view) if survey.view is not None else Counter[str]()
    processes = [_process(one, answers, by_map) for one in survey.known]
    found = _added_up(survey, processes, answers, by_map)
    ends, now = _ends(survey.directory), datetime.now(UTC)
    suspected = found.replication.suspected
    known = [
        replace(
            process,
            suspected_by=suspected.get(process.name, ()),
            last_end=f"{end.text} {health.age(end.ago_s(now))} ago" if end is not None else "",
            is_refusing=end is not None and end.is_refusal,
        )
        for process in processes
        for end in [ends.get(process.name)]
    ]
    return replace(found, processes=known)


def map_told(statistics: Any) -> Mapping[str, Any]:
    """What a process's /statistics says of its map; empty if nothing."""
    told = statistics.get("map") if isinstance(statistics, Mapping) else None
    return told if isinstance(told, Mapping) else {}


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


def _process(known: Known, answers: Answers, by_map: Counter[str]) -> ProcessHealth:
    answer = answers.response(known.name, "/readyz")
    statistics = answers.body(known.name, _STATISTICS)
    used = usage(known.pid)
    state, reasons = health.state_of(
        runs=used is not None,
        answer=answer.body if answer else None,
        status=answer.status if answer else None,
    )
    memory_bytes, age_s = used or (None, None)
    copies = told_copies(statistics) if known.role == "node" else None
    led = by_map[known.name] if copies is None else copies.led
    return ProcessHealth(
        role=known.role,
        name=known.name,
        state=state,
        pid=known.pid,
        url=known.url,
        reasons=reasons,
        memory_bytes=memory_bytes,
        age_s=age_s,
        slots_led=led if known.role == "node" else None,
        connections=_connections(statistics),
        copies=copies,
    )


def _added_up(
    survey: Survey, processes: Sequence[ProcessHealth], answers: Answers, by_map: Counter[str]
) -> Health:
    view, records = survey.view, survey.records
    told = {one.name: one.copies for one in processes if one.copies is not None}
    ready = {one.name for one in processes if one.role == "node" and one.state == "ready"}
    untold_led = sum(by_map[name] for name in ready - told.keys())
    maps = [map_told(answers.body(one.name, _STATISTICS)) for one in processes]
    newest = max(maps, key=lambda one: int(one.get("revision", 0)), default={})
    copies, thin = int(newest.get("copies", 0)), dict[int, int]()
    slots, revision = int(newest.get("slots", 0)), int(newest.get("revision", 0))
    digest, unserved = str(newest.get("digest", "")), list[int]()
    if view is not None and records is not None:
        slots, copies, revision = records.slots, records.copies, view.slot_map.revision
        digest = MapReport(view.slot_map).statistics().digest
        members = {slot: len(record.members) for slot, record in view.slot_map.items()}
        thin = {slot: count for slot, count in members.items() if count < copies}
        unserved = _unserved(view, ready | told.keys())
    short = [told_short(answers.body(name, _SHORT)) for name in told]
    names = {one.name for one in processes if one.role == "node"}
    led = sum(one.led for one in told.values()) + untold_led
    return Health(
        app=survey.app,
        processes=processes,
        slots=slots,
        slots_led=min(slots, led),
        copies=copies,
        map_revision=revision,
        supervisor_runs=_supervisor_runs(survey),
        map_digest=digest,
        replication=added_up(copies, told, names, short, untold_led, thin),
        unserved=unserved,
        coordinator_error=survey.coordinator_error,
    )


def _unserved(view: ClusterView, serving: set[str]) -> list[int]:
    """Slots whose leader, as the map has it, does not answer or is not that process any more."""
    found = []
    for slot in range(view.slot_map.slots):
        leader = view.slot_map.leader_of(slot)
        present = view.nodes.get(leader.node) if leader is not None else None
        is_gone = present is not None and leader is not None and present.boot_id != leader.boot_id
        if leader is None or leader.node not in serving or is_gone:
            found.append(slot)
    return found


def _connections(statistics: Any) -> int | None:
    """Open client connections, as an edge's statistics tell."""
    clients = statistics.get("clients") if isinstance(statistics, Mapping) else None
    count = clients.get("connections") if isinstance(clients, Mapping) else None
    return count if isinstance(count, int) else None


def usage(pid: int) -> tuple[int, float] | None:
    """Resident bytes and age in seconds; None if there is no such process."""
    import psutil

    if not pid:
        return None
    try:
        process: Any = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return process.memory_info().rss, round(time.time() - process.create_time(), 1)
    except psutil.Error:
        return None


def _supervisor_runs(survey: Survey) -> bool:
    content = survey.content
    return content is not None and lock_holder(survey.directory) == content.supervisor_pid


def _ends(directory: Directory) -> dict[str, End]:
    """How each process ended that was not started again."""
    try:
        with directory.events.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _EVENTS_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return {}
    return last_ends(lines)
