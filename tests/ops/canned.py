"""A cluster directory whose processes answer what a test says: real records, real HTTP, no process.

Node 1 leads every slot; each answers with the coordinator's map unless the test gives it another.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec

from hubbub.coordinator.api import Coordinator, Put
from hubbub.coordinator.cluster import ClusterView, ProcessRecord, register
from hubbub.coordinator.open import open_coordinator
from hubbub.coordinator.records import Role, process_key, slot_key
from hubbub.ring.map import Leader, SlotMap, next_leader
from hubbub.ring.report import MapReport
from ops import cluster_file
from ops.cluster_file import ClusterFile, ProcessEntry
from ops.directory import Directory, DirectoryLock
from ops.records import Records, Wanted

SLOTS = 16
ROLES: tuple[Role, ...] = ("node", "router", "edge")
BOOT = 7
METRICS = "".join(
    f'hubbub_node_fsync_seconds_bucket{{le="{bound}"}} 0\n' for bound in ("0.001", "0.1", "+Inf")
)


class Process:
    """One admin server; `answers` by path, each a body, a (status, body), or None for silence."""

    def __init__(self, role: Role, name: str) -> None:
        self.role, self.name = role, name
        self.answers: dict[str, Any] = {"/readyz": {"ready": True, "reasons": []}}
        self.freed = threading.Event()
        process = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = process.answers.get(self.path, (404, {"error": "no such path"}))
                if found is None:
                    process.freed.wait()  # a process that stands still; the test ends it
                    return
                status, body = found if isinstance(found, tuple) else (200, found)
                data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def silence(self) -> None:
        """It accepts, and says nothing."""
        self.answers = dict.fromkeys(self.answers)

    def close(self) -> None:
        self.freed.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class Canned:
    """Three nodes, two routers, two edges, 16 slots, three copies; `close` it."""

    def __init__(self, root: Path) -> None:
        self.directory = Directory(root / "d")
        self.directory.make()
        self.lock = DirectoryLock(self.directory)
        self.lock.acquire()
        wanted = Wanted(nodes=3, copies=3, slots=SLOTS)
        with_records = Records.open_or_create(self.directory, wanted)
        self.storage_ids = dict(with_records.storage_ids)
        keys = (with_records.app, with_records.server_key, with_records.token_secret)
        with_records.close()
        self.processes = {
            f"{role}-{number}": Process(role, f"{role}-{number}")
            for role, count in zip(ROLES, (3, 2, 2), strict=True)
            for number in range(1, count + 1)
        }
        self._run(self._register)
        entries = [
            ProcessEntry(one.role, one.name, os.getpid(), one.url, one.url)
            for one in self.processes.values()
        ]
        content = ClusterFile(os.getpid(), *keys, entries)
        cluster_file.write(self.directory.cluster_file, content)
        self.tell()

    def __getitem__(self, name: str) -> Process:
        return self.processes[name]

    def close(self) -> None:
        self.lock.release()
        for process in self.processes.values():
            process.close()

    # --- the coordinator

    def lead(self, node: str, slots: range = range(SLOTS)) -> None:
        """Another term of some slots, led by a node."""

        async def write(coordinator: Coordinator) -> None:
            slot_map = await _map(coordinator)
            puts = [
                Put(slot_key(slot), next_leader(record, Leader(node, BOOT)).to_json())
                for slot, record in slot_map.items()
                if slot in slots
            ]
            assert (await coordinator.transact([], puts)).succeeded

        self._run(write)

    def forget(self, name: str) -> None:
        """The lease of a process has ended."""

        async def revoke(coordinator: Coordinator) -> None:
            found = await coordinator.get(process_key(self[name].role, name))
            assert found is not None
            await coordinator.lease_revoke(found.lease)

        self._run(revoke)

    def map(self) -> SlotMap:
        """The coordinator's."""
        found: list[SlotMap] = []

        async def read(coordinator: Coordinator) -> None:
            found.append(await _map(coordinator))

        self._run(read)
        return found[0]

    async def _register(self, coordinator: Coordinator) -> None:
        slot_map = await _map(coordinator)
        puts = [
            Put(slot_key(slot), next_leader(record, Leader("node-1", BOOT)).to_json())
            for slot, record in slot_map.items()
        ]
        await coordinator.transact([], puts)
        for one in self.processes.values():
            record = ProcessRecord(
                name=one.name,
                role=one.role,
                boot_id=BOOT,
                address="" if one.role == "edge" else f"tcp://127.0.0.1:{7000 + len(one.name)}",
                admin_url=one.url,
                domain=f"host-{one.name[-1]}" if one.role == "node" else "",
                storage_id=self.storage_ids.get(one.name, ""),
            )
            await register(coordinator, record, ttl_ms=600_000)

    def _run(self, work: Callable[[Coordinator], Any]) -> None:
        async def run() -> None:
            coordinator = open_coordinator(f"solo:{self.directory.coordinator}")
            try:
                await work(coordinator)
            finally:
                await coordinator.close()

        asyncio.run(run())

    # --- what the processes tell

    def tell(self) -> None:
        """Everybody has the coordinator's map, and every copy is there."""
        slot_map = self.map()
        for one in self.processes.values():
            self.tell_map(one.name, slot_map)
        for name in self.storage_ids:
            self.tell_copies(name, {})
            self[name].answers["/metrics"] = METRICS

    def tell_map(self, name: str, slot_map: SlotMap) -> None:
        report, answers = MapReport(slot_map), self[name].answers
        told = {**answers.get("/statistics", {}), "map": _plain(report.statistics())}
        if self[name].role == "edge":
            told["clients"] = {"connections": 3}
        answers["/statistics"] = told
        answers["/statistics/map/slots"] = _plain(report.row("slots"))

    def tell_copies(self, name: str, more: Mapping[str, Any]) -> None:
        """What a node says of its copies, other than that all are there."""
        led = len(self.map().slots_led_by(name))
        answers = self[name].answers
        copies = {
            "storage": self.storage_ids[name],
            "held": SLOTS,
            "led": led,
            "following": SLOTS - led,
            **more,
        }
        answers["/statistics"] = {**answers["/statistics"], "copies": copies}
        answers["/statistics/copies/short"] = {"by_copies": {}}


async def _map(coordinator: Coordinator) -> SlotMap:
    view = ClusterView(coordinator)
    await view.load()
    return view.slot_map


def _plain(value: object) -> Any:
    return msgspec.to_builtins(value, str_keys=True)
