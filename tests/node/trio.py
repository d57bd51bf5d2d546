"""Three nodes' slots over three stores, joined by a network that delivers when it is told to."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from hubbub.base.ids import uuid7
from hubbub.features.contract import Registry
from hubbub.features.registry import REGISTRY
from hubbub.ring.map import Leader, SlotRecord, next_leader, placed
from hubbub.settings.profiles import BENCH
from hubbub.wire.codec import encode_json
from hubbub.wire.shapes import Submit, Viewer
from node.dedup import DedupWindow
from node.engine import AppInfo, Engine
from node.overlay import Caches
from node.ready import Publication, Ready, Record, Result
from node.replica import Copy, Mail
from node.slot import Backlog, Now, Slot, SlotContext
from node.snapshot import Sources
from node.store.api import Family
from node.store.memory import MemoryStore
from tests.node.rig import APP, SECRET, SLOTS, START_MS, write_records
from tests.node.rig import SEED as HASH_SEED

SLOT = 0
ROUNDS_MAX = 200
KEPT = 10


class Member:
    """One node: its store, and its copy of the slot."""

    def __init__(
        self,
        number: int,
        store: MemoryStore,
        boot: int,
        slot_number: int,
        registry: Registry = REGISTRY,
    ) -> None:
        self.copy = Copy(f"disk-{number}", Leader(f"node-{number}", boot))
        self.store = store
        engine = Engine(registry, {APP: AppInfo(SECRET, BENCH)}.get, SLOTS, HASH_SEED)
        self.engine = engine
        self.context = SlotContext(
            self.copy,
            engine,
            store,
            Caches(),
            DedupWindow(),
            Backlog(64 << 20),
            Sources(boot << 20),
            log_entries_kept=KEPT,
        )
        self.slot = Slot(slot_number, self.context)
        self.waiting: list[Record] = []
        self.published: list[Publication] = []
        self.results: dict[Any, Result] = {}
        self.forwards: list[Any] = []


class Trio:
    """The slot of one channel on three nodes. `cut` names nodes that nobody reaches."""

    def __init__(self, key: str, seed: int = 1, registry: Registry = REGISTRY) -> None:
        self.registry = registry
        self.key = key
        self.random = Random(seed)
        self.now_ms = START_MS
        engine = Engine(registry, {}.get, SLOTS, HASH_SEED)
        self.number = engine.target_of(APP, key)
        self.boots = 0
        self.members = [self._boot(number, MemoryStore()) for number in range(3)]
        self.record = placed(tuple(member.copy.storage for member in self.members))
        self.revision = 1
        self.mails: list[tuple[str, Mail]] = []
        self.cut: set[int] = set()
        self._requests = 0

    def _boot(self, number: int, store: MemoryStore) -> Member:
        self.boots += 1
        return Member(number, store, self.boots, self.number, self.registry)

    @property
    def now(self) -> Now:
        return Now(self.now_ms, self.now_ms)

    def elect(self, number: int) -> None:
        """A compare-and-swap makes a node the leader; everybody who is not cut off hears of it."""
        self.write(next_leader(self.record, self.members[number].copy.leader))
        self.run()

    def write(self, record: SlotRecord) -> None:
        """The coordinator's word."""
        self.record, self.revision = record, self.revision + 1
        for number, member in enumerate(self.members):
            if number not in self.cut:
                self.obey(member, member.slot.follow(record, self.revision, self.now))

    def restart(self, number: int) -> None:
        """The process dies, with whatever was not durable, and starts again."""
        self.members[number] = self._boot(number, self.members[number].store)
        member = self.members[number]
        self.obey(member, member.slot.follow(self.record, self.revision, self.now))

    def obey(self, member: Member, ready: Ready) -> None:
        self.mails += [(member.copy.storage, mail) for mail in ready.mails]
        member.waiting += ready.persist
        member.published += ready.committed
        member.forwards += ready.forwards
        for request, result in ready.results:
            assert request not in member.results, "answered twice"
            member.results[request] = result
        if ready.activate is not None:
            self.write(ready.activate)

    def run(self) -> None:
        """Until nothing moves: every disk syncs, every mail arrives unless its way is cut."""
        for _ in range(ROUNDS_MAX):
            if not self.mails and not any(member.waiting for member in self.members):
                return
            self.sync()
            self.deliver()
        raise AssertionError("it never comes to rest")

    def sync(self) -> None:
        """Every disk."""
        for member in self.members:
            records, member.waiting = member.waiting, []
            if records:
                for _, token in write_records(member.store, records):
                    self.obey(member, member.slot.persisted(token, self.now))

    def deliver(self) -> None:
        """Every mail that is under way."""
        mails, self.mails = self.mails, []
        names = [member.copy.storage for member in self.members]
        for sender, mail in mails:
            number = names.index(mail.to)
            if number in self.cut or names.index(sender) in self.cut:
                continue
            member = self.members[number]
            self.obey(member, member.slot.receive(mail.term, mail.body, self.now))

    def beat(self) -> None:
        """The leader's beat: followers learn what is committed."""
        for member in self.members:
            if member.slot.is_active:
                commit, boot = member.slot.replica.commit, member.copy.leader.boot_id
                for other in self.members:
                    if other is not member:
                        step = other.slot.hear_commit(member.slot.term, boot, commit, self.now)
                        self.obey(other, step)
        self.run()

    def submit(
        self, number: int, tag: str, body: Mapping[str, Any], *, cmid: str = "", user: str = "alice"
    ) -> int:
        """A command for one node; the request under which its `results` will have the answer."""
        self._requests += 1
        cmid = cmid or self.cmid()
        command = Submit(tag, Viewer(user, "client"), cmid, encode_json(body))
        member = self.members[number]
        entropy = self.random.randbytes(16)
        ready = member.slot.submit(self._requests, APP, self.key, command, self.now, entropy)
        self.obey(member, ready)
        return self._requests

    def cmid(self) -> str:
        return uuid7(self.now_ms, self.random.randbytes(10))

    def dump(self, number: int) -> dict[Family, list[tuple[bytes, bytes]]]:
        """Every row of one store, its promise apart."""
        store = self.members[number].store
        return {
            family: [
                row
                for row in store.iterate(family, b"", b"\xff" * 64, limit=1_000_000)
                if family is not Family.META or row[0][:1] != b"p"
            ]
            for family in Family
        }
