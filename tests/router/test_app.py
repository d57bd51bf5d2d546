"""Real router processes between edges and nodes of this process, over real sockets."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from hubbub.coordinator.cluster import (
    ClusterRecord,
    ClusterView,
    ProcessRecord,
    Registration,
    claim_slots,
    create_cluster,
    register,
)
from hubbub.coordinator.open import open_coordinator
from hubbub.ring.hashing import slot_of
from hubbub.runtime.clock import SystemClock, boot_id
from hubbub.runtime.tasks import supervise
from hubbub.transport.curve import Keys, make_keys
from hubbub.transport.peer import Peers
from hubbub.wire.shapes import Status
from tests.router.parties import Edge, Node

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 20
SLOTS = 16


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that another process causes; polls, because nothing tells us."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - no event exists for it
            await asyncio.sleep(0.01)


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="hbr"))
    yield path
    # A coordinator that closes does so in its threads, which remove files of their own.
    shutil.rmtree(path, ignore_errors=True)


class Cluster:
    """A coordinator file, router processes, and our own edges and nodes."""

    def __init__(self, folder: Path, *, tcp: bool) -> None:
        self.folder = folder
        self.tcp = tcp
        self.coordinator = open_coordinator(f"solo:{folder}/c.db")
        self.view = ClusterView(self.coordinator)
        self.record: ClusterRecord
        self.routers: dict[str, asyncio.subprocess.Process] = {}
        self._peers: list[Peers] = []
        self._tasks: list[asyncio.Task[object]] = []
        if tcp:
            make_keys(folder / "keys", ["r1", "r2", "n1", "n2", "e1"])

    async def start(self) -> None:
        self.record = await create_cluster(self.coordinator, SLOTS)
        await self.view.load()
        self._tasks.append(supervise("test-view", self.view.follow()))

    def peers(self, name: str, boot: int, party: Edge | Node) -> Peers:
        keys = Keys(self.folder / "keys", name) if self.tcp else None
        made = Peers(name, boot, self.record.generation, party, SystemClock(), keys=keys)
        party.links = made
        self._peers.append(made)
        return made

    async def node(self, name: str, slots: list[int], *, members: bool = True) -> Node:
        party, boot = Node(name), boot_id()
        made = self.peers(name, boot, party)
        address = made.listen(self.address(name))
        if members:
            await claim_slots(self.coordinator, self.view, name, boot, slots)
        await self.register(
            ProcessRecord(name=name, role="node", boot_id=boot, address=address, storage_id=name)
        )
        return party

    async def register(self, record: ProcessRecord) -> Registration:
        registration = await register(self.coordinator, record)
        self._tasks.append(supervise(f"keep-{record.name}", registration.keep()))
        return registration

    def address(self, name: str) -> str:
        return "tcp://127.0.0.1:0" if self.tcp else f"ipc://{self.folder}/{name}"

    async def router(self, name: str) -> asyncio.subprocess.Process:
        config = {
            "role": "router",
            "name": name,
            "coordinator": f"solo:{self.folder}/c.db",
            "listen": self.address(name),
            "log_file": f"{self.folder}/{name}.log",
        }
        if self.tcp:
            config["keys_dir"] = f"{self.folder}/keys"
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(config))
        process = self.routers[name] = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "router",
            "--config",
            str(path),
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        return process

    async def edge(self, name: str) -> Edge:
        """Dials every router that is registered."""
        party = Edge()
        made = self.peers(name, boot_id(), party)
        for router in list(self.view.routers.values()):
            made.dial(router.name, router.address)
        await until(lambda: all(made.live(router) for router in self.view.routers))
        return party

    async def ready(self, name: str) -> dict[str, object]:
        """The router's answer at /readyz."""
        url = self.view.routers[name].admin_url

        def ask() -> dict[str, object]:
            try:
                with urlopen(url + "/readyz", timeout=5) as answer:
                    return json.loads(answer.read())  # type: ignore[no-any-return]
            except OSError as error:
                return json.loads(error.read())  # type: ignore[attr-defined, no-any-return]

        return await asyncio.to_thread(ask)

    async def close(self) -> None:
        for process in self.routers.values():
            if process.returncode is None:
                process.kill()
                await process.wait()
        for task in self._tasks:
            task.cancel()
        for peers in self._peers:
            await peers.close()
        await self.coordinator.close()


@pytest.fixture(params=["ipc", "tcp"])
async def cluster(folder: Path, request: pytest.FixtureRequest) -> AsyncIterator[Cluster]:
    made = Cluster(folder, tcp=request.param == "tcp")
    await made.start()
    yield made
    await made.close()


def key_in(cluster: Cluster, slots: range) -> str:
    """A stream key whose slot is one of these."""
    return next(
        key
        for key in (f"group:{n}" for n in range(10_000))
        if slot_of("demo", key, SLOTS, cluster.record.seed) in slots
    )


def _boot(cluster: Cluster, router: str) -> int:
    record = cluster.view.routers.get(router)
    return record.boot_id if record is not None else 0


async def test_requests_events_and_a_stop_in_order(cluster: Cluster) -> None:
    first = await cluster.node("n1", list(range(8)))
    second = await cluster.node("n2", list(range(8, SLOTS)))
    process = await cluster.router("r1")
    await until(lambda: "r1" in cluster.view.routers)
    async with asyncio.timeout(DEADLINE_S):
        while not (await cluster.ready("r1"))["ready"]:  # noqa: ASYNC110 - asked over HTTP
            await asyncio.sleep(0.02)
    edge = await cluster.edge("e1")
    low, high = key_in(cluster, range(8)), key_in(cluster, range(8, SLOTS))
    edge.want(low, high, router="r1")
    for n in range(1, 101):
        assert edge.ask(n, low if n % 2 else high, router="r1")
    await until(lambda: len(edge.results) == 100)
    assert {body for _, _, body in edge.results} == {b"n1", b"n2"}
    assert sorted(n for n, _, _ in edge.results) == list(range(1, 101))
    assert first.log[0] == f"want {low}"
    assert second.log[0] == f"want {high}"
    for n in range(500):
        assert first.publish(low, b"%d" % n) == 1
    await until(lambda: len(edge.events) == 500)
    assert edge.events == [b"%d" % n for n in range(500)]
    assert edge.holes == 0
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(DEADLINE_S):
        assert await process.wait() == 0
    await until(lambda: "r1" not in cluster.view.routers)


async def test_a_killed_router_costs_no_request_when_another_one_lives(cluster: Cluster) -> None:
    node = await cluster.node("n1", list(range(SLOTS)))
    for name in ("r1", "r2"):
        await cluster.router(name)
    await until(lambda: len(cluster.view.routers) == 2)
    edge = await cluster.edge("e1")
    node.answer = node.say_nothing
    assert edge.ask(1, router="r1")
    await until(lambda: node.log == ["ask 1"])
    cluster.routers["r1"].kill()
    links = edge.links
    assert isinstance(links, Peers)
    await until(lambda: not links.live("r1"))
    node.answer = node.say_ok
    assert edge.ask(1, router="r2")
    await until(lambda: edge.results)
    assert edge.results == [(1, Status.OK, b"n1")]
    before = _boot(cluster, "r1")
    await cluster.router("r1")
    await until(lambda: _boot(cluster, "r1") not in (0, before))
    links.dial("r1", cluster.view.routers["r1"].address)  # as an edge does: the port may differ
    await until(lambda: links.live("r1"))
    assert edge.ask(2, router="r1")
    await until(lambda: len(edge.results) == 2)


async def test_a_router_follows_the_map_to_a_new_leader(cluster: Cluster) -> None:
    """The first node goes silent; another process takes its name and its slots over."""
    node = await cluster.node("n1", list(range(SLOTS)))
    await cluster.router("r1")
    await until(lambda: "r1" in cluster.view.routers)
    edge = await cluster.edge("e1")
    edge.want("group:x", router="r1")
    node.answer = node.say_nothing
    assert edge.ask(7, router="r1")
    await until(lambda: "ask 7" in node.log)
    links = node.links
    assert isinstance(links, Peers)
    await links.close()
    fresh = await cluster.node("n1", list(range(SLOTS)))
    await until(lambda: edge.results)
    assert edge.results == [(7, Status.OK, b"n1")]
    assert fresh.log[:2] == ["want group:x", "ask 7"]
    await until(lambda: edge.holes)
