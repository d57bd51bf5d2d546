"""A node's cores without sockets: engine, slots, and a writer that works when it is told to."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from hubbub.base.ids import uuid7
from hubbub.features.contract import Registry
from hubbub.features.registry import REGISTRY
from hubbub.ring.map import Leader, SlotRecord
from hubbub.settings.app import AppSettings
from hubbub.settings.profiles import BENCH
from hubbub.wire.codec import encode_json
from hubbub.wire.shapes import Json, Outcome, Submit, Viewer
from node import keys
from node.dedup import DedupWindow
from node.engine import AppInfo, Engine
from node.overlay import Caches
from node.ready import Publication, Ready, Record, Result
from node.replica import Copy
from node.slot import Backlog, Now, Slot, SlotContext
from node.snapshot import Sources
from node.store.api import Family, Op, Store
from node.store.memory import MemoryStore

APP = "demo"
SLOTS = 16
SEED = 7
START_MS = 1_769_860_800_000
SECRET = b"rig"


def write_records(store: Store, records: list[Record]) -> list[tuple[int, int]]:
    """One batch as the writer makes it; what is durable with it."""
    ops: list[Op] = [op for record in records for op in record.ops]
    metas = {record.slot: record.meta for record in records if record.meta}
    ops += [(Family.META, keys.slot_meta(slot), meta) for slot, meta in metas.items()]
    store.write(ops)
    store.sync()
    return list({record.slot: record.token for record in records}.items())


def led_alone(copy: Copy, term: int) -> SlotRecord:
    """The record of a slot that one copy holds and leads."""
    members = (copy.storage,)
    return SlotRecord(term=term, leader=copy.leader, members=members, prev=members, activated=True)


class Rig:
    """Slots over a store. `now_ms` is the wall clock; `settle` is the disk."""

    def __init__(
        self,
        store: Store | None = None,
        *,
        settings: AppSettings = BENCH,
        term: int = 1,
        seed: int = 1,
        registry: Registry = REGISTRY,
        backlog_bytes_max: int = 64 << 20,
        is_deleted: bool = False,
    ) -> None:
        self.store = store if store is not None else MemoryStore()
        self.random = Random(seed)
        self.now_ms = START_MS
        info = AppInfo(SECRET, settings, is_deleted)
        self.apps = {APP: info, "other": info}
        self.engine = Engine(registry, self.apps.get, SLOTS, SEED)
        self.backlog = Backlog(backlog_bytes_max)
        self.copy = Copy("rig", Leader("rig", self.random.getrandbits(63)))
        self.context = SlotContext(
            self.copy,
            self.engine,
            self.store,
            Caches(),
            DedupWindow(),
            self.backlog,
            Sources(0),
        )
        self.slots = {number: Slot(number, self.context) for number in range(SLOTS)}
        self.waiting: list[Record] = []
        self.results: dict[Any, Result] = {}
        self.published: list[Publication] = []
        self.forwards: list[Any] = []
        self._requests = 0
        for slot in self.slots.values():
            self.obey(slot.follow(led_alone(self.copy, term), term, self.now))
        self.settle()

    def obey(self, ready: Ready) -> None:
        """Take what a slot says."""
        assert not ready.mails, "a lone copy talks to nobody"
        self.published += ready.signals
        self.waiting += ready.persist
        self.published += ready.committed
        self.forwards += ready.forwards
        for request, result in ready.results:
            assert request not in self.results, "answered twice"
            self.results[request] = result

    def settle(self) -> None:
        """What was handed to the writer becomes durable."""
        while self.waiting:
            records, self.waiting = self.waiting, []
            for number, token in write_records(self.store, records):
                self.obey(self.slots[number].persisted(token, self.now))

    @property
    def now(self) -> Now:
        """Both clocks show the same."""
        return Now(self.now_ms, self.now_ms)

    def slot(self, key: str, app: str = APP) -> Slot:
        """Who leads a stream."""
        return self.slots[self.engine.target_of(app, key)]

    def cmid(self) -> str:
        """A fresh id of now."""
        return uuid7(self.now_ms, self.random.randbytes(10))

    def command(
        self,
        tag: str,
        body: Mapping[str, Any],
        *,
        user: str = "alice",
        authority: str = "client",
        cmid: str = "",
        info: Json = b"",
        **origin: Any,
    ) -> Submit:
        """A SUBMIT's body."""
        viewer = Viewer(user, authority, info=info)
        return Submit(tag, viewer, cmid or self.cmid(), encode_json(body), **origin)

    def submit(self, key: str, submit: Submit, app: str = APP) -> int:
        """Send; the request's number under which `results` will have the answer."""
        self._requests += 1
        self.obey(
            self.slot(key, app).submit(
                self._requests, app, key, submit, self.now, self.random.randbytes(16)
            )
        )
        return self._requests

    def do(self, key: str, tag: str, body: Mapping[str, Any], **more: Any) -> Any:
        """Send and settle; the answer."""
        request = self.submit(key, self.command(tag, body, **more))
        self.settle()
        return self.results[request]

    def create(self, key: str, owner: str = "alice", members: tuple[str, ...] = ()) -> Outcome:
        """A group channel."""
        made = self.do(
            key, "channel.create", {"channel": key, "members": list(members)}, user=owner
        )
        assert isinstance(made, Outcome), made
        return made

    def send(self, key: str, text: str, user: str = "alice", **more: Any) -> Any:
        """A message."""
        return self.do(key, "message.send", {"channel": key, "text": text}, user=user, **more)

    def dump(self) -> dict[Family, list[tuple[bytes, bytes]]]:
        """Every row of the store."""
        return {
            family: self.store.iterate(family, b"", b"\xff" * 64, limit=1_000_000)
            for family in Family
        }
