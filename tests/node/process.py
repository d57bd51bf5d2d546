"""A real node process, and a router that a test plays over real sockets."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hubbub.base.ids import uuid7
from hubbub.coordinator.cluster import (
    AppRecord,
    ClusterView,
    create_app,
    create_cluster,
    place_slots,
)
from hubbub.coordinator.open import open_coordinator
from hubbub.ring.hashing import slot_of
from hubbub.runtime.clock import SystemClock, boot_id, entropy
from hubbub.transport.peer import Peers
from hubbub.transport.replicated_set import SetSource
from hubbub.wire.codec import decode_pack, encode_json, encode_pack
from hubbub.wire.event import StoredEvent, decode_event_body
from hubbub.wire.frame import Message, encode_message
from hubbub.wire.shapes import (
    HeadAsk,
    HeadsAnswer,
    HeadsQuery,
    Kind,
    Outcome,
    Query,
    Refusal,
    Status,
    Submit,
    Subscribe,
    Subscribed,
    Viewer,
)

APP = "demo"
SLOTS = 16
ROOT = Path(__file__).resolve().parents[2]
ANSWER_S = 10.0
STARTED_S = 30.0  # a program starts and opens its database, beside other tests


class NodeProcess:
    """`python -m node` in a short temporary folder; `close` it."""

    def __init__(self, *, profile: str = "bench", **config: Any) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hn"))
        self.coordinator = f"solo:{self.folder}/c.db"
        self.data = self.folder / "data"
        self.config = {
            "name": "node-1",
            "coordinator": self.coordinator,
            "listen": f"ipc://{self.folder}/n",
            "data_dir": str(self.data),
            **config,
        }
        self._profile = profile
        self.process: subprocess.Popen[str] | None = None
        self._signalled = False

    async def prepare(self) -> None:
        """The records that `up` would make."""
        coordinator = open_coordinator(self.coordinator)
        await create_cluster(coordinator, SLOTS)
        record = AppRecord(
            app=APP, id_secret="i", token_secret="t", server_key="k", profile=self._profile
        )
        await create_app(coordinator, record)
        self.data.mkdir(exist_ok=True)
        (self.data / "storage_id").write_text("disk-1")
        await place_slots(coordinator, {slot: ("disk-1",) for slot in range(SLOTS)})
        await coordinator.close()

    def start(self) -> subprocess.Popen[str]:
        """Start the process; returns at once."""
        self._signalled = False
        path = self.folder / "node.json"
        path.write_text(json.dumps(self.config))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "node", "--config", str(path)],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        return self.process

    @property
    def is_running(self) -> bool:
        """Started and not yet signalled to end."""
        return self.process is not None and not self._signalled

    def send_signal(self, number: int) -> None:
        """Send a signal and do not wait."""
        assert self.process is not None
        self._signalled = True
        os.kill(self.process.pid, number)

    def kill(self, number: int = signal.SIGKILL) -> tuple[int, str]:
        """End it; (return code, what it wrote to stderr)."""
        assert self.process is not None
        if self.process.poll() is None:
            os.kill(self.process.pid, number)
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors

    def close(self) -> None:
        """Kill it if it runs, and remove everything."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
        # A coordinator that closes does so in its threads, which remove files of their own.
        shutil.rmtree(self.folder, ignore_errors=True)


class RouterPlayer:
    """Plays a router: requests with answers, interest, events."""

    def __init__(self, coordinator: str) -> None:
        self._coordinator = open_coordinator(coordinator)
        self.view = ClusterView(self._coordinator)
        self.interest = SetSource()
        self.events: list[Message] = []
        self.arrived = asyncio.Event()
        self.up = asyncio.Event()
        self._answers: dict[int, asyncio.Future[Message]] = {}
        self._next_id = 1
        self._peers: Peers

    async def connect(self, address: str) -> None:
        """Dial the node and wait until it leads every slot."""
        await self.view.load()
        self._peers = Peers(
            "router-1", boot_id(), self.view.cluster.generation, self, SystemClock()
        )
        self._peers.dial("node-1", address)
        try:
            async with asyncio.timeout(STARTED_S):
                await self._led()
        except BaseException:
            await self.close()
            raise

    async def _led(self) -> None:
        await self.up.wait()
        asks = tuple(HeadAsk(slot, APP, f"#{slot}") for slot in range(SLOTS))
        while not all(  # noqa: ASYNC110 - another process works
            row.led for row in (await self.heads(HeadsQuery("", asks))).rows
        ):
            await asyncio.sleep(0.01)

    async def close(self) -> None:
        """Hang up."""
        await self._peers.close()
        await self._coordinator.close()

    # --- transport.Handler

    def peer_up(self, peer: str, boot_id: int) -> None:
        for message in self.interest.fulls():
            self._peers.send(peer, message)
        self.up.set()

    def peer_down(self, peer: str) -> None:
        self.up.clear()

    def peer_hole(self, peer: str) -> None:
        raise AssertionError("no hole is expected")

    def receive(self, peer: str, messages: list[Message]) -> None:
        for message in messages:
            if message.type == Kind.RESULT:
                waiting = self._answers.pop(message.request_id, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(message)
            elif message.type in (Kind.EVENT, Kind.SIGNAL):
                self.events.append(message)
                self.arrived.set()

    def beat(self, peer: str) -> bytes:
        return self.interest.beat()

    def beat_received(self, peer: str, body: bytes) -> None:
        pass

    # --- requests

    def slot_of(self, key: str) -> int:
        cluster = self.view.cluster
        return slot_of(APP, key, cluster.slots, cluster.seed)

    def want(self, key: str) -> None:
        """Interest in a stream, sent before whatever follows."""
        self.interest.add((APP, key))
        for message in self.interest.deltas():
            self._peers.send("node-1", message)

    def begin(self, kind: Kind, key: str, body: bytes, *, slot: int = -1, term: int = 0) -> Any:
        """Send a request; the future of its RESULT."""
        request_id = self._next_id
        self._next_id += 1
        waiting = self._answers[request_id] = asyncio.get_running_loop().create_future()
        slot = self.slot_of(key) if slot < 0 else slot
        self._peers.send_windowed(
            "node-1",
            encode_message(
                kind,
                body,
                slot=slot,
                term=term,
                request_id=request_id,
                ms_left=5_000,
                app=APP,
                key=key,
            ),
        )
        return waiting

    async def ask(self, kind: Kind, key: str, body: bytes, **more: int) -> Message:
        """A request and its RESULT."""
        async with asyncio.timeout(ANSWER_S):
            answer: Message = await self.begin(kind, key, body, **more)
            return answer

    async def submit(self, key: str, tag: str, body: dict[str, Any], user: str = "alice") -> Any:
        """A command; Outcome, Refusal or the status."""
        return answer_of(await self.ask(Kind.SUBMIT, key, command(tag, body, user)))

    async def subscribe(self, key: str, user: str = "alice", **more: Any) -> Any:
        """SUBSCRIBE with its interest before it."""
        self.want(key)
        viewer = Viewer(user, client=f"c-{user}", info=encode_json({"user": user}))
        ask = Subscribe(viewer, "edge-1.7", **more)
        answer = await self.ask(Kind.SUBSCRIBE, key, encode_pack(ask))
        if answer.flags == Status.OK:
            return decode_pack(answer.body, Subscribed)
        return answer_of(answer)

    async def query(self, key: str, name: str, args: Any, user: str = "alice") -> bytes:
        """QUERY; the JSON of its answer."""
        query = Query(name, Viewer(user), encode_json(args))
        answer = await self.ask(Kind.QUERY, key, encode_pack(query))
        assert answer.flags == Status.OK, answer_of(answer)
        return answer.body

    async def heads(self, query: HeadsQuery) -> HeadsAnswer:
        """HEADS."""
        answer = await self.ask(Kind.HEADS, "", encode_pack(query), slot=0)
        return decode_pack(answer.body, HeadsAnswer)

    async def next_event(self, key: str, seq: int) -> StoredEvent:
        """Wait for the event of a stream at `seq`."""
        async with asyncio.timeout(ANSWER_S):
            while True:
                for message in self.events:
                    if message.type == Kind.EVENT and message.key == key:
                        event = decode_event_body(message.body)
                        if event.seq == seq:
                            return event
                self.arrived.clear()
                await self.arrived.wait()


def command(tag: str, body: dict[str, Any], user: str, cmid: str = "") -> bytes:
    """The body of a SUBMIT."""
    cmid = cmid or uuid7(SystemClock().wall_ms(), entropy(10))
    return encode_pack(Submit(tag, Viewer(user), cmid, encode_json(body)))


def answer_of(message: Message) -> Any:
    """What a RESULT says."""
    if message.flags == Status.OK:
        return decode_pack(message.body, Outcome)
    if message.flags == Status.REJECTED:
        return decode_pack(message.body, Refusal)
    return Status(message.flags)


@asynccontextmanager
async def running_node(**config: Any) -> AsyncIterator[tuple[NodeProcess, RouterPlayer]]:
    """A node that serves, and a router that is connected to it."""
    node = NodeProcess(**config)
    try:
        await node.prepare()
        node.start()
        router = RouterPlayer(node.coordinator)
        await router.connect(str(node.config["listen"]))
        try:
            yield node, router
        finally:
            await router.close()
    finally:
        node.close()
