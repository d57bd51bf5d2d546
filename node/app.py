"""A storage node from its config to its last sync: builds the parts and joins them.

Order of a start: database (or a refusal) → cluster → every slot of which it holds a copy → its
place is announced → listen → register → elections. Order of a stop: the lease is given back (others
take over), intake ends, what was taken is committed and answered, links close, the database closes.

Long because whatever has to do with the process is joined here, and nowhere else.
"""

from __future__ import annotations

import asyncio
import platform
import random
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final, Never, cast

from hubbub.coordinator.api import Coordinator
from hubbub.coordinator.cluster import (
    ClusterView,
    Kind,
    ProcessRecord,
    Registration,
    register,
)
from hubbub.coordinator.membership import announce_storage
from hubbub.coordinator.open import open_coordinator
from hubbub.features.registry import REGISTRY
from hubbub.ring.map import Leader, SlotRecord
from hubbub.ring.moves import is_held_by
from hubbub.ring.report import MapReport
from hubbub.runtime.admin import AdminServer
from hubbub.runtime.clock import SystemClock, boot_id, until_turn_s
from hubbub.runtime.logs import get_logger
from hubbub.runtime.metrics import Metrics
from hubbub.runtime.process import Process
from hubbub.runtime.tasks import supervise
from hubbub.settings.schema import NodeConfig
from hubbub.transport.curve import Keys
from hubbub.transport.limits import limits_of
from hubbub.transport.peer import AddressError, KeysError, Peers
from node.apps import Apps
from node.backup import Backups
from node.beats import BEAT_MS
from node.campaign import Campaign
from node.clearing import Clearing
from node.copies import Copies
from node.dedup import DedupWindow
from node.elections import Takeover
from node.engine import Engine
from node.entry import BrokenChain
from node.forward_rows import ForwardRows
from node.identity import Identity, marks
from node.mover import Mover
from node.outbox import Outbox
from node.overlay import Caches
from node.replica import Copy, Role
from node.room import Level, Room, RoomLimits
from node.scrubbing import Scrubbing
from node.search.answers import Answers
from node.search.feed import Feeding
from node.search.searcher import Searcher
from node.service import Service
from node.slot import Backlog, Now, Slot, SlotContext
from node.snapshot import Sources
from node.standing import Standing
from node.store.api import StoreError, StoreFull, StoreRefused
from node.store.open import CURE, Opened, open_store
from node.store.rocks import RocksLimits, RocksStore
from node.usage import AppUsage
from node.writer import Writer, WriterLimits

EXIT_STORE_REFUSED: Final = 5  # the data is damaged or gone: restarting does not help
EXIT_DISK_FAILED: Final = 6  # a write or sync failed: the next start verifies what is there
_TICK_S: Final = 1.0
_FORWARD_TICK_S: Final = 0.1
_LEASES_TICK_S: Final = BEAT_MS / 1_000  # together with the beats
_SLOTS_TICKS: Final = 60
# Retries and elections: their own patience is counted in hundreds of milliseconds.
_COPIES_TICK_S: Final = 0.1
_BEAT_SOON_S: Final = 0.02  # what was admitted meanwhile goes with it
_TOLD_MS: Final = 60_000
_DUE_BUCKETS_S: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0, 3_600.0)
_SYNC_BUCKETS_S: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.0)

_log = get_logger()


async def main(process: Process) -> None:
    """Run a node until the process stops."""
    config = cast(NodeConfig, process.config)
    try:
        opened = open_store(config.data_dir, _rocks_limits(config), config.open_deadline_s)
        node = Node(process, config, opened)
        await node.start()
    except (StoreRefused, BrokenChain) as refusal:
        _refuse(process, str(refusal))
    except StoreFull as full:
        _disk_failed(process, str(full), full)
    except StoreError as damage:  # what a start reads: starting again would find the same
        _refuse(process, f"{config.data_dir}: the database cannot be read: {damage}; {CURE}")


def _refuse(process: Process, reason: str) -> None:
    _log.error("store.refused", reason=reason)
    sys.stderr.write(f"error: {reason}\n")
    sys.stderr.flush()
    process.exit_code = EXIT_STORE_REFUSED
    process.stop("store refused")


def _disk_failed(process: Process, reason: str, error: StoreError) -> None:
    sys.stderr.write(f"error: {reason}\n")
    sys.stderr.flush()
    process.fail("disk", error)
    process.exit_code = EXIT_DISK_FAILED


class Node:
    """All parts of one node process."""

    def __init__(self, process: Process, config: NodeConfig, opened: Opened) -> None:
        self._process = process
        self._config = config
        self._store = opened.store
        self._acked = opened.acked
        self._storage_id = opened.storage_id
        self._boot_id = boot_id()
        self._generation = 0  # of the cluster when this process started
        self._clock = SystemClock()
        self._coordinator: Coordinator = open_coordinator(config.coordinator)
        self._view = ClusterView(self._coordinator)
        self._apps = Apps(self._view.apps)
        self._slots: dict[int, Slot] = {}
        self._forwards = ForwardRows(self._store)
        self._metrics = Metrics("node")
        self._admin = AdminServer(self._metrics, self._missing)
        self._backlog = Backlog(config.batch_waiting_bytes_max)
        self._me = Copy(self._storage_id, Leader(config.name, self._boot_id))
        self._campaign = Campaign(self._coordinator, self._written, self._is_beginning)
        self._dialled: dict[str, str] = {}
        self._backups: Backups
        self._mover: Mover
        self._scrubbing: Scrubbing
        self._searcher: Searcher
        self._searching: asyncio.Task[Never]
        self._copies: Copies
        self._service: Service
        self._writer: Writer
        self._context: SlotContext
        self._peers: Peers
        self._registration: Registration
        self._keeper: asyncio.Task[Never]
        self._usage: AppUsage
        self._beat_near: asyncio.TimerHandle | None = None
        self._quotas_told: dict[tuple[str, str], int] = {}
        self._due_nearer = asyncio.Event()
        self._elects = asyncio.Event()

    # --- start

    async def start(self) -> None:
        """Everything, in the order that the module names."""
        on_stop = self._process.on_stop
        on_stop("store", self._close_store)
        on_stop("coordinator", self._coordinator.close)
        await self._view.load()
        self._build()
        on_stop("links", self._peers.close)
        on_stop("writer", self._drain, 3.0)
        self._prove()
        self._backups.changed()
        self._mover.load()
        self._hold_slots()
        self._view.on_change(self._changed)
        supervise("view", self._view.follow())
        await self._announce()
        address = self._peers.listen(self._config.listen)
        url = await self._admin.start(self._config.admin_host, self._config.admin_port)
        on_stop("admin", self._admin.close)
        await self._register(address, url)
        self._dial_nodes()
        supervise("copies", self._tick_copies_for_ever())
        supervise("ticks", self._tick_for_ever())
        supervise("due", self._fire_for_ever())
        supervise("leases", self._lease_for_ever())
        supervise("backups", self._backups.run())
        supervise("mover", self._mover.run())
        supervise("removals", self._mover.remove_for_ever())
        supervise("scrub", self._scrubbing.run())
        self._searching = supervise("search", self._searcher.run())
        supervise("lag", self._metrics.sample_loop_lag())
        self._process.started()
        _log.info("node.started", slots=len(self._slots), address=address, admin=url)

    def _build(self) -> None:
        config, cluster = self._config, self._view.cluster
        self._generation = cluster.generation
        engine = Engine(REGISTRY, self._apps.info, cluster.slots, cluster.seed)
        caches = Caches()
        window = DedupWindow(config.dedup_hours * 3_600_000, config.cmid_ahead_ms_max)
        self._context = SlotContext(
            self._me,
            engine,
            self._store,
            caches,
            window,
            self._backlog,
            Sources((self._boot_id & 0xFFFF_FFFF) << 20),
            config.log_entries_kept,
            lambda tag: self._copies.room.refuses(tag),
        )
        self._copies = Copies(
            self._me, self._slots, self._view.nodes, self._view.slot_map, self._clock
        )
        self._clearing = Clearing(self._store, self._slots, self._apps.deleted)
        self._service = Service(
            self._slots,
            self._copies,
            engine,
            Outbox(self._forwards.load),
            self._clock,
            self._leader_of,
            random.random,
            self._view.nodes.__contains__,
        )
        self._service.reads.orders, self._service.reads.lines = caches.orders, caches.lines
        self._copies.usage = self._usage = engine.usage
        self._usage.hasten, self._usage.tell = self._beat_soon, self._tell_quota
        syncs = self._metrics.histogram("node_fsync_seconds", _SYNC_BUCKETS_S)

        def synced(took_s: float) -> None:
            syncs.observe(took_s)
            self._copies.gray.synced(took_s, self._clock.monotonic_ms())

        self._writer = Writer(
            self._store,
            self._acked,
            WriterLimits(
                config.batch_bytes_max,
                config.batch_records_max,
                config.batch_gather_ms,
                config.batch_gather_bytes,
                config.batch_sync_in_place_ms,
                config.rows_idle_flush_ms,
            ),
            self._service.persisted,
            self._disk_failed,
            synced,
        )
        self._peers = Peers(
            config.name,
            self._boot_id,
            cluster.generation,
            self._service,
            self._clock,
            keys=self._keys(),
            limits=limits_of(config),
        )
        self._service.intake.links = self._peers
        self._service.writer = self._writer
        self._service.activate = self._activate
        self._service.load_outbox = self._forwards.of
        self._service.firing.wake = self._due_nearer.set
        self._service.firing.fired = self._metrics.histogram(
            "node_due_lag_seconds", _DUE_BUCKETS_S
        ).observe
        self._copies.syncing_ms = self._writer.syncing_ms
        self._copies.room = Room(
            RoomLimits(
                config.disk_alarm_percent,
                config.disk_moves_percent,
                config.disk_full_percent,
                config.disk_headroom_bytes,
            )
        )
        self._look_at_disk()
        self._scrubbing = Scrubbing(
            self._store,
            self._slots,
            self._clock,
            submit=self._writer.submit,
            unreadable=self._copies.unreadable,
            days=config.scrub_days,
            slot_count=cluster.slots,
        )
        self._peers.address_of = self._address_of
        self._copies.links = self._peers
        self._copies.hurry = self._elects.set
        self._copies.obey = self._service.obey
        self._backups = self._make_backups()
        self._mover = self._make_mover()
        self._service.intake.paused = self._mover.moves.paused
        self._service.removed = self._mover.removed
        self._make_search()
        self._expose(self._context)

    def _make_search(self) -> None:
        clock, service = self._clock, self._service
        feeding = Feeding(self._slots, self._store, REGISTRY)
        folder = Path(self._config.data_dir) / "search"
        self._searcher = Searcher(folder, feeding, clock, random.random)
        service.applied = self._searcher.note
        service.questions.searches = Answers(
            self._slots, service.reads, self._searcher, clock.wall_ms, clock.monotonic_ms
        )

    def _make_backups(self) -> Backups:
        config = self._config
        limits = _rocks_limits(config)
        return Backups(
            self._coordinator,
            self._view.backups,
            self._store,
            self._me,
            Path(config.data_dir) / "checkpoints",
            self._view.cluster.slots,
            hold=self._service.forwarding.hold,
            freeze=self._writer.checkpoint,
            broken=lambda: {n for n, slot in self._slots.items() if not slot.replica.is_ok},
            open_copy=lambda path: RocksStore(path, limits, is_read_only=True),
            clock=self._clock,
        )

    def _make_mover(self) -> Mover:
        return Mover(
            self._me,
            self._slots,
            self._view,
            self._coordinator,
            self._campaign,
            self._copies,
            self._store,
            self._writer,
            self._clock,
            healthy_ms=int(self._config.leader_return_s * 1_000),
            grace_ms=int(self._config.copy_grace_s * 1_000),
            forget_rows=self._context.caches.clear,
            follow=self._follow,
            resume=self._service.look_at_held,
        )

    def _keys(self) -> Keys | None:
        config = self._config
        return Keys(config.keys_dir, config.name) if config.keys_dir else None

    def _expose(self, context: SlotContext) -> None:
        dues = self._service.firing.dues
        self._metrics.expose("node_writer", self._writer.counts)
        self._metrics.expose("node_requests", self._service.intake.counts)
        self._metrics.expose("node_backlog", self._backlog)
        leases = self._service.attendance.leases
        self._metrics.expose("presence", leases.counts)
        self._metrics.gauge("presence_online_users", lambda: leases.statistics().users)
        self._metrics.expose("node_link", self._peers.counts)
        self._metrics.expose("node_copies", self._copies.counts)
        self._metrics.expose("node_due", dues.counts)
        self._metrics.gauge("node_due_pending", lambda: len(dues))
        self._metrics.gauge("node_due_spilled_slots", lambda: dues.spilled_count)
        self._metrics.gauge("node_due_late_ms", lambda: dues.late_ms(self._clock.wall_ms()))
        self._metrics.expose("node_moves", self._mover.moves.counts)
        self._metrics.expose("node_removals", self._mover.counts)
        self._metrics.expose("node_clearing", self._clearing.counts)
        self._metrics.expose("node_scrub", self._scrubbing.counts)
        self._expose_usage()
        feeding = self._searcher.feeding
        self._metrics.expose("node_search", self._searcher.counts)
        self._metrics.expose("node_index", feeding.counts)
        self._metrics.gauge("node_index_behind_entries", feeding.behind)
        self._metrics.gauge("node_search_pid", lambda: self._searcher.pid)
        self._metrics.gauge("node_search_paused", lambda: int(self._searcher.is_paused))
        room = self._copies.room
        self._metrics.gauge("node_disk_used_percent", lambda: room.used_percent)
        self._metrics.gauge("node_disk_level", lambda: room.level)
        self._metrics.gauge("node_disk_refused_total", lambda: room.refused_total)
        self._metrics.gauge("node_is_gray", lambda: self._copies.gray.is_gray)
        self._metrics.gauge("node_is_clock_off", lambda: self._copies.gray.is_clock_off)
        self._metrics.gauge("node_clock_ahead_ms", lambda: self._copies.gray.clock_ahead_ms)
        self._metrics.gauge("node_slots_held", lambda: len(self._slots))
        self._metrics.gauge("node_slots_led", lambda: sum(s.is_active for s in self._led()))
        self._metrics.gauge("node_records_per_fsync", self._records_per_fsync)
        caches = context.caches
        self._metrics.gauge("node_rows_cached", lambda: len(caches.rows))
        self._metrics.gauge("node_pages_cached", lambda: len(caches.pages))
        self._metrics.gauge("node_pages_read", lambda: caches.pages_read)
        self._metrics.gauge("node_pages_found", lambda: caches.pages_found)
        self._metrics.gauge("node_streams_cached", lambda: len(context.caches.streams))
        self._admin.register("writer", self._writer)
        self._admin.register("interest", self._service.publishing.interest)
        self._admin.register("presence", self._service.attendance.presence)
        self._admin.register("leases", self._service.attendance.leases)
        self._admin.register("view", self._view)
        self._admin.register("usage", self._usage)
        standing = Standing(self._storage_id, self._slots, self._copies, self._clock)
        standing.expose(self._metrics)
        self._admin.register("copies", standing)
        self._metrics.gauge("map_revision", lambda: self._view.slot_map.revision)
        self._admin.register("map", MapReport(self._view.slot_map))

    def _prove(self) -> None:
        """The database is this copy's, and says so from now on. Before there is a writer's batch.

        Raises StoreRefused, StoreError.
        """
        view, storage_id = self._view, self._storage_id
        held = sum(
            record.term > 0 and storage_id in (*record.members, *record.prev)
            for _, record in view.slot_map.items()
        )
        # A place that was never announced never ran: the others were faster to lead its slots.
        lost = held if storage_id in view.storages else 0
        whose = Identity(storage_id, view.cluster.id, view.cluster.generation)
        ops = marks(self._store, whose, lost, str(self._config.data_dir))
        if ops:
            sequence = self._store.write(ops)
            self._store.sync()
            self._acked.store(sequence)

    def _hold_slots(self) -> None:
        """Every slot of which this node has, or is to have, a copy. Raises BrokenChain."""
        for number in range(self._view.slot_map.slots):
            self._follow(number)

    def _follow(self, number: int) -> None:
        """The map's word on one slot."""
        slot_map = self._view.slot_map
        record = slot_map.record_of(number)
        if record is None or self._mover.is_leaving(number):
            return
        slot = self._slots.get(number)
        if slot is None:
            if not is_held_by(record, self._storage_id):
                return
            slot = self._slots[number] = Slot(number, self._context)
        now = Now(self._clock.wall_ms(), self._clock.monotonic_ms())
        self._copies.run(slot, slot.follow, record, slot_map.revision_of(number), now)

    def _take_slot(self, number: int) -> None:
        """A slot's record changed."""
        self._follow(number)
        self._mover.slot_changed(number)

    def _dial_nodes(self) -> None:
        """One link a pair of nodes: the lesser name dials."""
        for name, record in self._view.nodes.items():
            if name > self._config.name and self._dialled.get(name) != record.address:
                self._dialled[name] = record.address
                try:
                    self._peers.dial(name, record.address)
                except (AddressError, KeysError) as error:  # its own fault must not be ours
                    _log.error("node.not_dialled", node=name, error=str(error))
        self._copies.nodes_changed()

    def _address_of(self, name: str) -> str:
        """Where another node listens, by the coordinator."""
        record = self._view.nodes.get(name)
        return record.address if record is not None else ""

    def _hang_up(self) -> None:
        """On nodes that were removed: their address may become another one's."""
        places = {place.name for place in self._view.storages.values()}
        for name in self._dialled.keys() - places - self._view.nodes.keys():
            self._peers.hangup(name)
            del self._dialled[name]

    async def _announce(self) -> None:
        """Before any link: whatever is acknowledged from here on, this place is known to have."""
        config = self._config
        domain = config.domain or platform.node()
        await announce_storage(self._coordinator, self._storage_id, config.name, domain)

    async def _register(self, address: str, url: str) -> None:
        config, public = self._config, self._keys()
        record = ProcessRecord(
            name=config.name,
            role="node",
            boot_id=self._boot_id,
            address=address,
            public_key=public.public.decode() if public is not None else "",
            admin_url=url,
            domain=config.domain or platform.node(),
            storage_id=self._storage_id,
        )
        self._registration = await register(self._coordinator, record)
        self._keeper = supervise("registration", self._registration.keep())
        self._process.on_stop("registration", self._leave)

    async def _leave(self) -> None:
        self._keeper.cancel()  # else it would register again what is released here
        await self._registration.release()

    async def _drain(self) -> None:
        """Take nothing more; sync and answer what was taken."""
        self._service.stop_intake()
        self._searching.cancel()
        await self._writer.close()

    # --- while it runs

    async def _tick_for_ever(self) -> None:
        ticks = 0
        while True:
            waiting = len(self._service.forwarding) > 0
            await _turn(_FORWARD_TICK_S if waiting else _TICK_S)
            self._service.tick(self._live_edges())
            self._look_at_disk()
            self._clear()
            self._searcher.tick(has_room=self._copies.room.level is not Level.FULL)
            ticks += 1
            if ticks % _SLOTS_TICKS == 0:
                self._service.tick_slots()

    def _clear(self) -> None:
        """A step towards disks without deleted apps; what cannot be read is told by its readers."""
        now = Now(self._clock.wall_ms(), self._clock.monotonic_ms())
        try:
            found = self._clearing.step(*now)
        except StoreError as error:
            _log.error("app.not_cleared", reason=str(error))
            return
        if found is not None:
            slot, app, dues = found
            _log.info("app.cleared", app=app, slot=slot.number, dues=len(dues))
            self._service.obey(slot, slot.app_gone(app, dues, now))

    async def _lease_for_ever(self) -> None:
        """Who is there is told five times a second: a grace of 10 s ends at most so late."""
        while True:
            await _turn(_LEASES_TICK_S)
            self._service.attendance.tick_leases()

    def _live_edges(self) -> list[str]:
        return [f"{edge.name}.{edge.boot_id}" for edge in self._view.edges.values()]

    async def _fire_for_ever(self) -> None:
        """What falls due, at its time; earlier if something nearer was set meanwhile."""
        while True:
            wait_ms = self._service.firing.fire()
            self._due_nearer.clear()
            try:
                async with asyncio.timeout(wait_ms / 1_000):
                    await self._due_nearer.wait()
            except TimeoutError:
                continue

    def _look_at_disk(self) -> None:
        room = self._copies.room
        usage = shutil.disk_usage(self._config.data_dir)
        if room.look(usage.used, usage.free):
            tell = _log.error if room.level > Level.ALARM else _log.warning
            tell("disk.room", level=room.level.name.lower(), used_percent=round(room.used_percent))

    async def _tick_copies_for_ever(self) -> None:
        """Beats keep time whatever the coordinator does: takeovers run beside them."""
        loop = asyncio.get_running_loop()
        takeover: asyncio.Task[None] | None = None
        while True:
            self._copies.tick()
            self._service.look_at_held()
            if takeover is None or takeover.done():
                wanted = self._copies.elect()
                takeover = (
                    supervise("takeover", self._campaign.take_over(wanted)) if wanted else None
                )
            self._elects.clear()
            period_s = _COPIES_TICK_S if self._copies.is_busy else BEAT_MS / 1_000
            with suppress(TimeoutError):
                async with asyncio.timeout(until_turn_s(loop.time(), period_s)):
                    await self._elects.wait()

    def _beat_soon(self, at_once: bool) -> None:
        """Apart from the round: others are to hear what an app has. At once: behind this step, so
        that it leaves with the entry, which others have to have before somebody is answered."""
        loop, near = asyncio.get_running_loop(), self._beat_near
        if near is not None and at_once:
            near.cancel()
            near = None
        if near is None:
            self._beat_near = loop.call_later(0 if at_once else _BEAT_SOON_S, self._beat_now)

    def _beat_now(self) -> None:
        self._beat_near = None
        self._copies.beat()

    def _tell_quota(self, app: str, quota: str, limit: int) -> None:
        """Each refusal is counted, and logged for an app once a minute."""
        self._metrics.counters.inc("app_quota_exceeded_total", app=app, quota=quota)
        now_ms = self._clock.monotonic_ms()
        if now_ms - self._quotas_told.get((app, quota), -_TOLD_MS) >= _TOLD_MS:
            self._quotas_told[app, quota] = now_ms
            _log.warning("quota.exceeded", app=app, quota=quota, limit=limit)

    def _expose_usage(self) -> None:
        """What is led here, so that the sum over all nodes is what an app has."""
        usage = self._usage
        self._metrics.expose("node_usage", usage.counts)
        self._metrics.gauges(
            "app_users", "app", lambda: {app: one.users for app, one in usage.own().items()}
        )
        self._metrics.gauges(
            "app_channels", "app", lambda: {app: one.channels for app, one in usage.own().items()}
        )

    def _written(self, written: Takeover, revision: int) -> None:
        """This node changed a slot's record: do not wait for the watch."""
        self._view.slot_map.apply(written.slot, written.record, revision)
        self._take_slot(written.slot)

    def _is_beginning(self, number: int) -> bool:
        """The slot has a term of ours without its first entry."""
        slot = self._slots.get(number)
        return slot is not None and slot.replica.is_leading and not slot.is_active

    def _activate(self, slot: Slot, record: SlotRecord) -> None:
        replica = slot.replica
        revision = replica.revision

        def is_wanted() -> bool:
            return replica.role is Role.ACTIVATING and replica.revision == revision

        def lost() -> None:
            now = Now(self._clock.wall_ms(), self._clock.monotonic_ms())
            self._copies.run(slot, lambda: slot.cas_answered(now, ok=False))

        proposal = Takeover(slot.number, record, revision)
        task = self._campaign.activate(proposal, is_wanted, lost)
        supervise(f"activate {slot.number}", task)

    def _changed(self, kind: Kind, name: str) -> None:
        if kind == "app":
            self._apps.take(name)
            if name in self._apps.deleted():
                self._usage.drop(name)
        elif kind == "slot":
            self._take_slot(int(name))
        elif kind == "node":
            self._dial_nodes()
        elif kind == "edge":
            self._service.attendance.edges_are(self._live_edges())
        elif kind in ("storage", "rebalance"):
            self._mover.changed(kind)
            self._hang_up()
        elif kind == "backup":
            self._backups.changed()
        elif kind == "cluster" and self._view.cluster.generation != self._generation:
            _refuse(self._process, "the cluster was restored: this process is of the old one")

    def _leader_of(self, slot: int) -> tuple[int, str]:
        slot_map = self._view.slot_map
        leader = slot_map.leader_of(slot) if slot < slot_map.slots else None
        return (slot_map.term_of(slot), leader.node) if leader is not None else (0, "")

    def _led(self) -> list[Slot]:
        return list(self._slots.values())

    def _missing(self) -> list[str]:
        """Why the node is not ready, for /readyz."""
        reasons = set()
        for number, record in self._view.slot_map.items():
            slot = self._slots.get(number)
            if slot is None:
                continue
            if record.leader is None:
                reasons.add("slots_unclaimed")
            elif record.leader == self._me.leader and not slot.is_active:
                reasons.add("slots_starting")
        return sorted(reasons)

    def _records_per_fsync(self) -> float:
        counts = self._writer.counts
        return counts.records_total / max(1, counts.batches_total)

    def _disk_failed(self, error: StoreError) -> None:
        """Nothing more may be acknowledged: answer UNKNOWN and end."""
        self._service.fail()
        text = f"{self._config.data_dir}: the disk failed, nothing more is acknowledged: {error}"
        _disk_failed(self._process, text, error)

    async def _close_store(self) -> None:
        self._acked.close()
        try:
            self._store.close()
        except StoreError as error:  # after a failed fsync closing fails as well
            _log.error("store.close_failed", error=str(error))


async def _turn(period_s: float) -> None:
    await asyncio.sleep(until_turn_s(asyncio.get_running_loop().time(), period_s))


def _rocks_limits(config: NodeConfig) -> RocksLimits:
    return RocksLimits(
        write_buffer_bytes=config.rocks_write_buffer_bytes,
        write_buffers_bytes_max=config.rocks_write_buffers_bytes_max,
        block_cache_bytes=config.rocks_block_cache_bytes,
        wal_bytes_max=config.rocks_wal_bytes_max,
        open_files_max=config.rocks_open_files_max,
    )
