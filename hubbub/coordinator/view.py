"""A process's picture of its cluster: everything read once, then one watch.

Rules:
1. `load` and each batch of changes are applied whole before anyone is told.
2. The picture only goes forward, and stays when the coordinator is away: chatting does not need it.
3. A record that cannot be read is counted and left out, or left as it was: one bad key must not
   stop every process. Only /cluster must be readable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Literal, Never, TypeAlias, TypeVar, cast

from msgspec import DecodeError, Struct

from hubbub.coordinator.api import (
    Compacted,
    Coordinator,
    CoordinatorError,
    CoordinatorUnavailable,
    Record,
)
from hubbub.coordinator.backups import BackupRequest
from hubbub.coordinator.records import (
    CLUSTER_KEY,
    AppRecord,
    ClusterRecord,
    ProcessRecord,
    RebalanceRecord,
    StorageRecord,
)
from hubbub.ring.map import SlotMap, parse_slot_record
from hubbub.wire.codec import decode_json

T = TypeVar("T")
Kind: TypeAlias = Literal[
    "cluster", "slot", "node", "router", "edge", "app", "storage", "rebalance", "backup"
]
OnChange: TypeAlias = Callable[[Kind, str], None]

# Between tries while the coordinator is away. Half doubles the load on one that is overloaded;
# double delays every failover by as much.
_RETRY_S: Final = 0.5

_KIND_OF_FOLDER: Final[dict[str, Kind]] = {
    "slots": "slot",
    "nodes": "node",
    "routers": "router",
    "edges": "edge",
    "apps": "app",
    "storage": "storage",
    "rebalance": "rebalance",
    "backups": "backup",
}


class ClusterMissing(CoordinatorError):
    """There is no cluster at this coordinator yet."""


class ViewStatistics(Struct, frozen=True):
    """How the picture was kept."""

    revision: int
    reloads: int
    unavailable: int
    unreadable: int


class ClusterView:
    """The cluster as last heard. `load` first, then run `follow` for as long as it is used."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._cluster: ClusterRecord | None = None
        self._slot_map: SlotMap | None = None
        self.nodes: dict[str, ProcessRecord] = {}
        self.routers: dict[str, ProcessRecord] = {}
        self.edges: dict[str, ProcessRecord] = {}
        self.apps: dict[str, AppRecord] = {}
        self.storages: dict[str, StorageRecord] = {}  # by storage id
        self.backups: dict[str, BackupRequest] = {}  # by id: those under way
        self._plans: dict[str, RebalanceRecord] = {}
        self.revision = 0
        self._keys: set[str] = set()
        self._callbacks: list[OnChange] = []
        self._waiters: set[asyncio.Event] = set()
        self._reloads = self._unavailable = self._unreadable = 0

    @property
    def cluster(self) -> ClusterRecord:
        """The cluster's own record. Only after `load`."""
        assert self._cluster is not None, "load the view first"
        return self._cluster

    @property
    def slot_map(self) -> SlotMap:
        """Who leads what. Only after `load`; the same object for ever."""
        assert self._slot_map is not None, "load the view first"
        return self._slot_map

    @property
    def plan(self) -> RebalanceRecord | None:
        """The moves under way, or the last ones; None if there never were any."""
        return self._plans.get("plan")

    def on_change(self, callback: OnChange) -> None:
        """Call `callback(kind, name)` after each change from now on; a slot's name is its number.

        It must not wait, and what it raises ends `follow`.
        """
        self._callbacks.append(callback)

    async def load(self) -> None:
        """Read everything. Raises ClusterMissing; CoordinatorUnavailable; DecodeError."""
        records, revision = await self._coordinator.range("/")
        by_key: dict[str, Record | None] = dict.fromkeys(self._keys)  # those that are gone: None
        by_key.update((record.key, record) for record in records)
        cluster = by_key.pop(CLUSTER_KEY, None)
        if cluster is None:
            raise ClusterMissing("there is no cluster here yet")
        changes = [self._apply_cluster(cluster)]
        for key, record in by_key.items():
            changes.append(self._apply(key, record, record.mod_revision if record else revision))
        self.revision = revision
        self._tell(changes)

    async def follow(self) -> Never:
        """Keep the picture up to date, for ever, through restarts of the coordinator."""
        while True:
            try:
                await self._watch()
            except Compacted:
                self._reloads += 1
                await self._reload()
            except CoordinatorUnavailable:
                self._unavailable += 1
                await asyncio.sleep(_RETRY_S)

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition()` is true, looking after each change. Needs `follow` to run."""
        changed = asyncio.Event()
        self._waiters.add(changed)
        try:
            while not condition():
                changed.clear()
                await changed.wait()
        finally:
            self._waiters.discard(changed)

    def statistics(self) -> ViewStatistics:
        """Counters since it was made."""
        return ViewStatistics(self.revision, self._reloads, self._unavailable, self._unreadable)

    async def _watch(self) -> None:
        async for events in self._coordinator.watch("/", self.revision + 1):
            changes = []
            for event in events:
                if event.key != CLUSTER_KEY:
                    changes.append(self._apply(event.key, event.record, event.revision))
                elif event.record is not None:
                    changes.append(self._apply_cluster(event.record))
            self.revision = events[-1].revision
            self._tell(changes)

    async def _reload(self) -> None:
        try:
            await self.load()
        except (ClusterMissing, CoordinatorUnavailable):
            # Deleted under our feet, or away: nothing that we hold becomes truer by dropping it.
            await asyncio.sleep(_RETRY_S)

    def _apply_cluster(self, record: Record) -> tuple[Kind, str] | None:
        cluster = decode_json(record.value, ClusterRecord)
        if cluster == self._cluster:
            return None
        if self._slot_map is None:
            self._slot_map = SlotMap(cluster.slots)
        elif cluster.slots != self._slot_map.slots:
            raise CoordinatorError("the number of slots of a cluster cannot change")
        self._cluster = cluster
        return "cluster", cluster.id

    def _apply(self, key: str, record: Record | None, revision: int) -> tuple[Kind, str] | None:
        """Take one key's change; what changed, None for nothing."""
        folder, _, name = key.removeprefix("/").partition("/")
        kind = _KIND_OF_FOLDER.get(folder)
        if kind is None or not name:
            return None
        if record is None:
            self._keys.discard(key)
        else:
            self._keys.add(key)
        try:
            changed = self._take(kind, name, record, revision)
        except (DecodeError, ValueError):
            self._unreadable += 1
            return None
        return (kind, str(int(name)) if kind == "slot" else name) if changed else None

    def _take(self, kind: Kind, name: str, record: Record | None, revision: int) -> bool:
        value = record.value if record is not None else None
        if kind == "slot":
            parsed = parse_slot_record(value) if value is not None else None
            return self.slot_map.apply(int(name), parsed, revision)
        if kind == "app":
            return _set(self.apps, name, value, AppRecord)
        if kind == "storage":
            return _set(self.storages, name, value, StorageRecord)
        if kind == "rebalance":
            return _set(self._plans, name, value, RebalanceRecord)
        if kind == "backup":
            return _set(self.backups, name, value, BackupRequest)
        processes = {"node": self.nodes, "router": self.routers, "edge": self.edges}[
            cast(str, kind)
        ]
        return _set(processes, name, value, ProcessRecord)

    def _tell(self, changes: Sequence[tuple[Kind, str] | None]) -> None:
        for change in dict.fromkeys(change for change in changes if change is not None):
            for callback in self._callbacks:
                callback(*change)
        for waiter in self._waiters:
            waiter.set()


def _set(table: dict[str, T], name: str, value: bytes | None, shape: type[T]) -> bool:
    """Put or remove one entry; whether that changed anything."""
    if value is None:
        return table.pop(name, None) is not None
    parsed = decode_json(value, shape)
    if table.get(name) == parsed:
        return False
    table[name] = parsed
    return True
