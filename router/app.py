"""A router from its config to its end: builds the parts and joins them.

Order of a start: cluster → listen → dial the nodes → register. Order of a stop: unregister (edges
go to another router), answer what waits, close the links.
"""

from __future__ import annotations

import asyncio
from typing import Final, Never, cast

from hubbub.coordinator.api import Coordinator
from hubbub.coordinator.cluster import ClusterView, ProcessRecord, Registration, register
from hubbub.coordinator.open import open_coordinator
from hubbub.ring.report import MapReport
from hubbub.runtime.admin import AdminServer
from hubbub.runtime.clock import SystemClock, boot_id
from hubbub.runtime.logs import get_logger
from hubbub.runtime.metrics import Metrics
from hubbub.runtime.process import Process
from hubbub.runtime.tasks import supervise
from hubbub.settings.schema import RouterConfig
from hubbub.transport.curve import Keys
from hubbub.transport.limits import limits_of
from hubbub.transport.peer import Peers
from router.relay import RelayLimits
from router.service import Service

# Requests under way are answered within some 15 ms; what takes longer is asked again through
# another router, which the edges already use by then.
_DRAIN_DEADLINE_S: Final = 0.5

_log = get_logger()


async def main(process: Process) -> None:
    """Run a router until the process stops."""
    await Router(process, cast(RouterConfig, process.config)).start()


class Router:
    """All parts of one router process."""

    def __init__(self, process: Process, config: RouterConfig) -> None:
        self._process = process
        self._config = config
        self._boot_id = boot_id()
        self._clock = SystemClock()
        self._coordinator: Coordinator = open_coordinator(config.coordinator)
        self._view = ClusterView(self._coordinator)
        self._metrics = Metrics("router")
        self._admin = AdminServer(self._metrics, self._missing)
        self._service: Service | None = None
        self._registration: Registration
        self._keeper: asyncio.Task[Never]

    async def start(self) -> None:
        """Everything, in the order that the module names."""
        config, on_stop = self._config, self._process.on_stop
        on_stop("coordinator", self._coordinator.close)
        await self._view.load()
        service, peers = self._build()
        on_stop("links", peers.close)
        address = peers.listen(config.listen)
        service.start()
        self._view.on_change(service.cluster_changed)
        supervise("view", self._view.follow())
        supervise("ticks", service.tick_for_ever())
        on_stop("requests", lambda: _drain(service))
        url = await self._admin.start(config.admin_host, config.admin_port)
        on_stop("admin", self._admin.close)
        await self._register(address, url)
        supervise("lag", self._metrics.sample_loop_lag())
        self._service = service
        self._process.started()
        _log.info("router.started", link=address, admin=url)

    def _build(self) -> tuple[Service, Peers]:
        config = self._config
        limits = RelayLimits(
            budget_ms=config.retry_budget_ms,
            retry_ms_min=config.retry_delay_ms_min,
            retry_ms_max=config.retry_delay_ms_max,
            requests_max=config.requests_max,
            bytes_max=config.requests_bytes_max,
        )
        service = Service(
            self._view,
            self._clock,
            limits,
            first_id=(self._boot_id & 0xFFFF_FFFF) << 31,  # room for 2^31 requests of this boot
            soon=self._process.loop.call_soon,
        )
        peers = Peers(
            config.name,
            self._boot_id,
            self._view.cluster.generation,
            service,
            self._clock,
            keys=self._keys(),
            limits=limits_of(config),
        )
        service.links = peers
        self._expose(service, peers)
        return service, peers

    def _keys(self) -> Keys | None:
        return Keys(self._config.keys_dir, self._config.name) if self._config.keys_dir else None

    def _expose(self, service: Service, peers: Peers) -> None:
        self._metrics.expose("router_link", peers.counts)
        self._metrics.expose("router_relay", service.relay.counts)
        self._metrics.expose("router_fanout", service.fanout.counts)
        self._metrics.gauge("router_requests_waiting", lambda: len(service.relay))
        self._admin.register("links", peers)
        self._admin.register("router", service)
        self._admin.register("view", self._view)
        self._metrics.gauge("map_revision", lambda: self._view.slot_map.revision)
        self._admin.register("map", MapReport(self._view.slot_map))

    async def _register(self, address: str, url: str) -> None:
        config, keys = self._config, self._keys()
        record = ProcessRecord(
            name=config.name,
            role="router",
            boot_id=self._boot_id,
            address=address,
            public_key=keys.public.decode() if keys is not None else "",
            admin_url=url,
        )
        self._registration = await register(self._coordinator, record)
        self._keeper = supervise("registration", self._registration.keep())
        self._process.on_stop("registration", self._leave)

    async def _leave(self) -> None:
        self._keeper.cancel()  # else it would register again what is released here
        await self._registration.release()

    def _missing(self) -> list[str]:
        """Why the router is not ready, for /readyz."""
        return ["starting"] if self._service is None else self._service.missing()


async def _drain(service: Service) -> None:
    try:
        async with asyncio.timeout(_DRAIN_DEADLINE_S):
            await service.wait_idle()
    except TimeoutError:
        _log.warning("router.requests_left", requests=len(service.relay))
