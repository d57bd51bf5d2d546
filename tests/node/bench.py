"""A node's service over real slots: messages in, messages out; the test plays links and writer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hubbub.features.contract import Registry
from hubbub.features.registry import REGISTRY
from hubbub.ring.map import SlotMap
from hubbub.settings.app import AppSettings, Namespace
from hubbub.transport.replicated_set import SetSource
from hubbub.wire.codec import encode_json, encode_pack
from hubbub.wire.frame import Message, decode_frame, encode_frame, encode_message
from hubbub.wire.shapes import Kind, Status, Subscribe, Viewer
from node.copies import Copies
from node.forward_rows import ForwardRows
from node.outbox import Outbox
from node.ready import Record
from node.service import Service
from tests.node.rig import APP, SLOTS, START_MS, Rig, write_records
from tests.support.clock import FakeClock

ROOM = "group:x"
RAW = "raw:x"
ROUTER = "router-1"
SPACE = Namespace(
    publish="everyone", presence="everyone", history_size=9, history_ttl_s=60, join_leave=True
)
SETTINGS = AppSettings(namespaces={"raw": SPACE})


class Bench:
    """A service; `settle` is the disk, `out` what left towards the router."""

    def __init__(self, registry: Registry = REGISTRY, **led: Any) -> None:
        self.clock = FakeClock(START_MS)
        self.rig = Rig(settings=SETTINGS, registry=registry)
        self.rig.now_ms = self.clock.wall_ms()
        self.out: list[Message] = []
        self.waiting: list[Record] = []
        self.is_open = True
        self.led = dict(self.rig.slots)
        copies = Copies(self.rig.copy, self.led, {}, SlotMap(SLOTS), self.clock)
        self.service = Service(
            self.led,
            copies,
            self.rig.engine,
            Outbox(ForwardRows(self.rig.store).load),
            self.clock,
            lambda slot: (7, "node-2"),
            lambda: 0.0,
            lambda peer: False,
        )
        self.service.intake.links = copies.links = self
        self.service.writer = self
        self.service.load_outbox = lambda slot: []
        copies.obey = self.service.obey
        self.interest = SetSource()
        self.service.peer_up(ROUTER, 1)
        self._receive(self.interest.fulls())
        self._next_id = 0

    # --- links and writer

    def send(self, peer: str, message: bytes) -> bool:
        frame = encode_frame([message], generation=1, boot_id=1, n=1, ack=0)
        self.out += decode_frame(frame)[1]
        return self.is_open

    send_windowed = send

    def submit(self, records: Sequence[Record]) -> None:
        self.waiting += records

    def settle(self) -> None:
        while self.waiting:
            records, self.waiting = self.waiting, []
            self.service.persisted(write_records(self.rig.store, records))

    # --- requests

    def _receive(self, messages: list[bytes]) -> None:
        frame = encode_frame(messages, generation=1, boot_id=1, n=1, ack=0)
        self.service.receive(ROUTER, decode_frame(frame)[1])

    def want(self, key: str) -> None:
        self.interest.add((APP, key))
        self._receive(self.interest.deltas())

    def ask(self, kind: Kind, key: str, body: bytes, **more: int) -> int:
        self._next_id += 1
        slot = more.pop("slot", self.rig.engine.target_of(APP, key))
        self._receive(
            [
                encode_message(
                    kind, body, slot=slot, request_id=self._next_id, app=APP, key=key, **more
                )
            ]
        )
        return self._next_id

    def command(self, key: str, tag: str, body: Any, user: str = "alice", **more: int) -> int:
        submit = self.rig.command(tag, body, user=user)
        return self.ask(Kind.SUBMIT, key, encode_pack(submit), **more)

    def answers(self, request: int) -> list[Message]:
        return [m for m in self.out if m.type == Kind.RESULT and m.request_id == request]

    def answer(self, request: int) -> Message:
        (message,) = self.answers(request)
        return message

    def create(self, key: str = ROOM) -> None:
        request = self.command(key, "channel.create", {"channel": key})
        self.settle()
        assert self.answer(request).flags == Status.OK

    def subscribe(self, key: str, user: str = "alice", **more: Any) -> Message:
        viewer = Viewer(user, client=f"c-{user}", info=encode_json({"user": user}))
        return self.answer(
            self.ask(Kind.SUBSCRIBE, key, encode_pack(Subscribe(viewer, "edge-1.7", **more)))
        )


def tally(bench: Bench, *steps: str) -> None:
    bench.command(ROOM, "tally", {"channel": ROOM, "steps": steps})
    bench.settle()


def elsewhere(bench: Bench) -> list[Message]:
    return [m for m in bench.out if m.type == Kind.SUBMIT]
