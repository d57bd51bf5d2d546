"""An edge process: how its parts are put together, and what goes around them (admin, stop).

Long because every part of an edge is made and joined here, and nowhere else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from random import random
from typing import Final

from aiohttp import web

from edge.addresses import Addresses
from edge.apps import Apps
from edge.audience import Audience
from edge.auth import Auth
from edge.carriers import Stream
from edge.clients import Clients
from edge.dispatch import Dispatch
from edge.errands import Errands
from edge.gathering import Gathering
from edge.heads import Heads
from edge.hub import Channel, Hub, Repair
from edge.line_questions import LineQuestions
from edge.origins import Origins
from edge.pace import Pace
from edge.presences import Presences
from edge.pushes import PushEncoder
from edge.quotas import AppQuotas
from edge.reading import Readings
from edge.relayed import Relayed
from edge.rolls import Rolls
from edge.screens import Screens
from edge.searching import Searches
from edge.server import Server
from edge.session import SessionSettings
from edge.streams import StreamEndpoints
from edge.subscribing import Subscribing
from edge.uplink import TICK_MS, Uplink
from edge.watching import TELL_MS, Watching
from edge.web import demo, docs
from edge.web.api import Api
from edge.web.compat import Compat
from edge.websocket import WebSocketEndpoint
from hubbub.base.units import SECOND_MS
from hubbub.coordinator.app_register import AppRegister
from hubbub.coordinator.cluster import ClusterView, ProcessRecord, register
from hubbub.coordinator.open import open_coordinator
from hubbub.features.registry import REGISTRY
from hubbub.model.permissions import Action
from hubbub.ring.report import MapReport
from hubbub.runtime.admin import AdminServer
from hubbub.runtime.clock import SystemClock, boot_id, entropy, until_turn_s
from hubbub.runtime.logs import get_logger
from hubbub.runtime.metrics import Metrics
from hubbub.runtime.process import Process
from hubbub.runtime.tasks import supervise
from hubbub.settings.schema import EdgeConfig
from hubbub.transport.curve import Keys
from hubbub.transport.limits import limits_of
from hubbub.transport.peer import Peers
from hubbub.wire.codec import decode_json, encode_pack
from hubbub.wire.event import StoredEvent
from hubbub.wire.receipts import Stirred

_log = get_logger("edge")
AUDIENCE_MS: Final = 2 * SECOND_MS  # what a leader adds up every two seconds
DRAIN_STEP_S: Final = 0.05  # between batches of closed connections while draining
DRAIN_ANSWERS_S: Final = 0.5  # for what was gathered; a leader that is gone answers nothing


async def main(process: Process) -> None:
    """Run an edge until it is told to stop."""
    assert isinstance(process.config, EdgeConfig)
    edge = Edge(process, process.config)
    await edge.start()
    await process.stopping.wait()


class Edge:
    """The wiring. Everything is made in `start`, in the order of what it needs."""

    def __init__(self, process: Process, config: EdgeConfig) -> None:
        self._process = process
        self._config = config
        self._clock = SystemClock()
        self._boot_id = boot_id()
        self._started = False

    async def start(self) -> None:
        """Connect to the cluster, serve clients, register. Raises what cannot be mended."""
        config, clock = self._config, self._clock
        name = self._name = f"{config.name}.{self._boot_id}"
        coordinator = open_coordinator(config.coordinator)
        self._process.on_stop("coordinator", coordinator.close)
        view = self._view = ClusterView(coordinator)
        await view.load()

        uplink = self._uplink = Uplink(
            view, clock, process=name, answer_ms=config.answer_deadline_ms
        )
        encoder = PushEncoder()
        pace = Pace(config, clock)
        hub = self._hub = Hub(
            encoder,
            pace.flusher,
            repair=self._repair,
            interest=uplink.interest,
            head=self._note,
            listed=lambda channel, event: self._clients.listed(*channel.stream, event),
            stirred=self._stirred,
            moved=lambda stream, data: self._watching.signal(stream, data),
            guests_see=self._guests_see,
        )
        ask_leader = uplink.ask_leader
        lines = self._lines = LineQuestions(
            ask_leader, name, uplink.slots_of, uplink.leaders_of, clock.monotonic_ms
        )
        self._heads = Heads(hub, ask=uplink.ask_heads, slot_of=uplink.slot_of, ask_lines=lines.ask)
        auth = self._auth = Auth(config.app, clock)
        auth.root_key_hash = view.cluster.root_key_hash
        self._apps = Apps(
            hub,
            auth,
            uplink.request,
            name,
            lambda *what: self._clients.revoked(*what),
            lambda app: self._clients.app_deleted(app),
        )
        dispatch = Dispatch(REGISTRY, uplink.request, now_ms=clock.wall_ms, entropy=entropy)
        dispatch.require_included = auth.require_included
        errands = self._errands = dispatch.errands = Errands(
            dispatch.turned,
            lambda asks, answered, failed: uplink.ask_heads(asks, answered, failed, ()),
            uplink.ask_newest,
            uplink.slot_of,
            clock.monotonic_ms,
        )
        rolls = Rolls(
            ask_leader,
            name,
            uplink.slots_of,
            uplink.leader_of,
            lambda: view.slot_map.revision,
        )
        errands.ask_roll = rolls.ask
        self._searches = Searches(
            uplink.request,
            view.cluster.slots,
            uplink.slot_of,
            uplink.leader_of,
            clock.monotonic_ms,
        )
        errands.search = self._searches.start
        subscribing = Subscribing(
            hub, encoder, uplink.request, name, config.recovery_connection_bytes_max
        )
        clients = self._clients = Clients(
            apps=self._apps.by_name,
            default_app=config.app,
            auth=auth,
            dispatch=dispatch,
            subscribing=subscribing,
            heads=self._heads,
            limits=dispatch.limits,
            now_ms=clock.monotonic_ms,
            wall_ms=clock.wall_ms,
            random=random,
            new_id=lambda: entropy(16).hex(),
            connections_max=config.connections_max,
            in_flight_max=config.commands_in_flight_max,
        )
        clients.quotas = self._quotas = AppQuotas(self._place)
        dispatch.count_message = self._quotas.message
        dispatch.local = clients
        self._readings = dispatch.readings = Readings(
            uplink.request, uplink.slot_of, uplink.leader_of, clock.monotonic_ms
        )
        self._gathering = dispatch.gathering = Gathering(
            dispatch.submit, clients.figures_changed, clock.monotonic_ms, name
        )
        self._screens = clients.screens = Screens(
            dispatch.ask, encoder.signal, hub.listen, hub.unlisten, self._apps.by_name.get
        )
        assert REGISTRY.lease is not None
        presences = clients.presences = Presences(REGISTRY.lease, dispatch, uplink.request, name)
        self._watching = presences.watching = Watching(
            hub,
            ask=uplink.ask_heads,
            look=presences.look,
            slot_of=uplink.slot_of,
            sight={event.TAG for event in REGISTRY.lease.sight},
        )
        clients.settings = _session_settings(config, pace, clients)
        streams = StreamEndpoints(
            clients,
            pace.flusher,
            Origins(config.allowed_origins),
            addresses=Addresses(config.trusted_proxies),
            node=name,
            forward=self._forward,
            session_id=lambda: entropy(16).hex(),
            frame_bytes_max=config.frame_bytes_max,
        )
        audience = clients.audience = Audience(hub, uplink.request, name)
        uplink.events = Relayed(hub, streams, self._present, self._watching.doubt, audience.number)
        keys = Keys(config.keys_dir, config.name) if config.keys_dir else None
        uplink.peers = Peers(
            config.name,
            self._boot_id,
            view.cluster.generation,
            uplink,
            clock,
            keys=keys,
            limits=limits_of(config),
        )
        self._process.on_stop("links", uplink.peers.close)
        view.on_change(self._changed)
        supervise("cluster.follow", view.follow())
        self._apps.set_records(view.apps)
        uplink.cluster_changed("router", "")
        pace.start()
        self._every(TICK_MS, self._tick)
        self._every(SECOND_MS, self._heads.tick)
        self._every(SECOND_MS, self._screens.tick)
        self._every(SECOND_MS, self._watching.tick)
        self._every(TELL_MS, lambda: self._watching.tell(clock.monotonic_ms()))
        self._every(AUDIENCE_MS, audience.tick)

        metrics = self._metrics(pace)
        api = Api(
            REGISTRY,
            dispatch,
            auth,
            self._apps.by_name,
            now_ms=clock.wall_ms,
            entropy=entropy,
            body_bytes_max=config.frame_bytes_max,
            blocked_of=clients.blocked_of,
            register=AppRegister(coordinator, clock.wall_ms, entropy),
            origins=Origins(config.allowed_origins),
            addresses=Addresses(config.trusted_proxies),
        )
        extra = [*Compat(api, auth, self._apps.by_name).routes()]
        if config.demo:
            extra += demo.routes(api, self._apps.by_name, config.app)
        websocket = WebSocketEndpoint(
            clients,
            pace.flusher,
            Origins(config.allowed_origins),
            addresses=Addresses(config.trusted_proxies),
            message_bytes_max=config.frame_bytes_max,
        )
        await self._serve(websocket, streams, api, extra, metrics)
        record = ProcessRecord(
            name=config.name,
            role="edge",
            boot_id=self._boot_id,
            address=self._url,
            admin_url=self._admin_url,
        )
        registration = await register(coordinator, record)
        supervise("cluster.register", registration.keep())
        self._process.on_stop("registration", registration.release)
        self._process.on_stop("clients", self._drain, deadline_s=2.0)
        self._process.started()
        self._started = True
        _log.info("edge.started", url=self._url)

    async def _serve(
        self,
        websocket: WebSocketEndpoint,
        streams: StreamEndpoints,
        api: Api,
        extra: Sequence[web.RouteDef],
        metrics: Metrics,
    ) -> None:
        config = self._config
        admin = AdminServer(metrics, self.missing)
        admin.register("clients", self._clients)
        admin.register("view", self._view)
        admin.register("quotas", self._quotas)
        admin.register("map", MapReport(self._view.slot_map))
        self._admin_url = await admin.start(config.admin_host, config.admin_port)
        self._process.on_stop("admin", admin.close)
        server = Server(
            websocket=websocket,
            streams=streams,
            api=api,
            extra=[*extra, *docs.routes(REGISTRY, api.own_rows())],
            metrics=metrics,
            readiness=self.missing,
            body_bytes_max=config.frame_bytes_max,
            silence_s=config.connect_deadline_s,
        )
        port = await server.start(config.host, config.port, config.backlog)
        self._url = f"http://{config.host}:{port}"
        self._process.on_stop("server", server.close)

    def missing(self) -> list[str]:
        """Why this edge is not ready; empty = ready."""
        reasons = []
        if not self._started:
            reasons.append("starting")
        if not self._uplink.ready:
            reasons.append("no_router")
        reasons += [f"app_{app}" for app in self._apps.missing]
        if self._process.stopping.is_set():
            reasons.append("stopping")
        return reasons

    # --- the clockwork

    def _every(self, ms: int, call: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()

        def turn() -> None:
            try:
                call()
            except Exception:  # noqa: BLE001 - boundary: the clock goes on; one turn is lost
                _log.error("clock.turn_failed", exc_info=True)
            if not self._process.stopping.is_set():
                loop.call_later(until_turn_s(loop.time(), ms / SECOND_MS), turn)

        loop.call_later(until_turn_s(loop.time(), ms / SECOND_MS), turn)

    def _tick(self) -> None:
        self._uplink.tick()
        self._lines.tick()
        self._apps.tick()
        self._gathering.tick()
        self._readings.tick()
        self._searches.tick()
        self._errands.tick()
        self._heads.flush()

    def _changed(self, kind: str, name: str) -> None:
        if kind == "app":
            try:
                self._apps.set_records(self._view.apps)
            except ValueError as error:  # the apps that are served stay as they were
                _log.error("app.unusable", app=name, reason=str(error))
        else:
            if kind == "cluster":
                self._auth.root_key_hash = self._view.cluster.root_key_hash
            self._uplink.cluster_changed(kind, name)

    # --- what crosses parts

    def _repair(self, repair: Repair) -> None:
        """Fetch a gap's events: a subscription of the edge itself, from its position."""
        self._uplink.repair(repair, self._hub)

    def _note(self, channel: Channel, event: StoredEvent) -> None:
        """An event of a channel that somebody here watches without a subscription."""
        if channel.stream[1][:1] == "#":
            self._watching.note(channel, event)
        else:
            self._heads.note(channel, event)

    def _guests_see(self, app: str, action: Action) -> bool:
        """Whether an app lets guests do this."""
        known = self._apps.by_name.get(app)
        return known is not None and action in known.settings.guest_capabilities

    def _stirred(self, stream: Stream, data: bytes) -> None:
        """Marks moved: by another edge's users, or by a server."""
        stirred = decode_json(data, Stirred)
        if stirred.counts:
            self._screens.stirred(stream)
        if stirred.edge != self._name:
            for user in stirred.users:
                self._clients.figures_changed(stream[0], user, stream[1])

    def _place(self) -> tuple[int, int]:
        """Which of the living edges this is, by name, and how many there are."""
        names = sorted({*self._view.edges, self._config.name})
        return names.index(self._config.name), len(names)

    async def _forward(self, process: str, session_id: str, data: bytes) -> bool:
        """An emulated POST for a session on another edge."""
        return self._uplink.to_process(process, encode_pack((session_id, data)))

    def _present(self, channel: Channel) -> tuple[tuple[str, bytes], ...]:
        """This edge's clients in a channel, as its leader shows them."""
        return self._clients.present(channel)

    async def _drain(self) -> None:
        """Answer what was gathered; then close clients with 3001, spread, so that they do not come
        back at once."""
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_ANSWERS_S):
                while self._gathering.flush():  # noqa: ASYNC110 - what comes meanwhile leaves, too
                    await asyncio.sleep(DRAIN_STEP_S)
        while self._clients.drain():  # noqa: ASYNC110 - a pace, not a wait
            await asyncio.sleep(DRAIN_STEP_S)

    def _metrics(self, pace: Pace) -> Metrics:
        metrics = Metrics("edge")
        clients, hub, uplink = self._clients, self._hub, self._uplink
        metrics.expose("edge_flush", pace.flusher.statistics)
        metrics.expose("edge_quota_exceeded", self._quotas.refused)
        metrics.gauge("map_revision", lambda: float(self._view.slot_map.revision))
        metrics.gauge("edge_connections", lambda: float(len(clients.sessions)))
        metrics.gauge("edge_channels", lambda: float(len(hub.channels)))
        metrics.gauge("edge_requests_waiting", lambda: float(uplink.waiting))
        metrics.expose("edge_unreadable", uplink.unreadable)
        supervise("metrics.lag", metrics.sample_loop_lag())
        return metrics


def _session_settings(config: EdgeConfig, pace: Pace, clients: Clients) -> SessionSettings:
    return SessionSettings(
        timers=pace.timers,
        on_ended=clients.ended,
        ping_interval_ms=int(config.ping_interval_s * SECOND_MS),
        pong_timeout_ms=int(config.pong_timeout_s * SECOND_MS),
        connect_deadline_ms=int(config.connect_deadline_s * SECOND_MS),
        token_grace_ms=int(config.token_grace_s * SECOND_MS),
        channels_max=config.channels_per_connection_max,
    )
