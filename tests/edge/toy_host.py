"""A SessionHost that answers commands from memory: what the transports are tested with.

It has no rights, tokens or log; everything that touches the protocol is the edge's own code: the
session, the hub, the encodings, the outgoing queues.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import uvloop
from aiohttp import web

from edge.connection import Peer
from edge.door import Doors, DoorSite
from edge.hub import Hub, Repair
from edge.origins import Origins
from edge.outgoing import Outgoing
from edge.pace import Pace
from edge.pushes import PushEncoder
from edge.session import Session, SessionSettings, Subscription
from edge.streams import StreamEndpoints
from edge.variants import DELTA_FRESH, DELTA_OFF, Variant
from edge.websocket import WebSocketEndpoint
from hubbub.base.errors import (
    METHOD_NOT_FOUND,
    Rejected,
    RemoteProtocolError,
)
from hubbub.runtime.clock import SystemClock, entropy
from hubbub.settings.schema import EdgeConfig
from hubbub.wire import client_shapes as shapes
from hubbub.wire.event import StoredEvent, decode_event_body, encode_event_body, encode_row

APP = "toy"
NODE = "edge-1.2a"


def make_config(**changes: Any) -> EdgeConfig:
    """An edge's settings as the tests want them."""
    return EdgeConfig(name="edge-1", coordinator="solo:/nowhere", **changes)


class ToyHost:
    """Everybody may do everything. `rows`: the log of each channel."""

    def __init__(self, pace: Pace, config: EdgeConfig) -> None:
        self.pace = pace
        self.clock = SystemClock()
        self.encoder = PushEncoder()
        self.hub = Hub(
            self.encoder,
            pace.flusher,
            repair=lambda repair: self._repair(repair),
            interest=lambda stream, wanted: None,
            head=lambda channel, event: None,
            listed=lambda channel, event: None,
        )
        self.settings = SessionSettings(
            timers=pace.timers,
            on_ended=self._ended,
            ping_interval_ms=int(config.ping_interval_s * 1000),
            pong_timeout_ms=int(config.pong_timeout_s * 1000),
            connect_deadline_ms=int(config.connect_deadline_s * 1000),
            token_grace_ms=int(config.token_grace_s * 1000),
            channels_max=config.channels_per_connection_max,
        )
        self.rows: dict[str, list[bytes]] = {}
        self.sessions: dict[Session, None] = {}
        self.closed_count = 0
        self.idle = asyncio.Event()
        self.idle.set()
        self.is_full = False
        self._clients = count(1)

    # --- SessionHost

    def open(self, outgoing: Outgoing, peer: Peer) -> Session | None:
        if self.is_full:
            return None
        session = Session(outgoing, peer, self.settings, self.clock.monotonic_ms())
        self.sessions[session] = None
        self.idle.clear()
        return session

    def frame(self, session: Session, data: bytes) -> None:
        try:
            for command in session.receive(data):
                self._answer(session, command)
        except RemoteProtocolError as error:
            session.close(error.close)

    def closed(self, session: Session) -> None:
        del self.sessions[session]
        self.closed_count += 1
        if not self.sessions:
            self.idle.set()

    # --- the toy itself

    def publish(self, channel: str, data: bytes) -> None:
        """One more event of a channel, to its log and its subscribers."""
        rows = self.rows.setdefault(channel, [])
        body = encode_event_body(len(rows) + 1, encode_row(0, 1, 0, "toy", "", data))
        rows.append(body)
        self.hub.event(APP, channel, body)

    def _answer(self, session: Session, command: shapes.Command) -> None:
        encoding = session.encoding
        match command:
            case shapes.Connect():
                self._connect(session, command)
            case shapes.Subscribe():
                try:
                    self._subscribe(session, command)
                except Rejected as rejected:
                    session.reply_rejected(command.id, rejected)
            case shapes.Unsubscribe():
                session.unsubscribe(command)
            case shapes.Publish(channel=channel, data=data):
                self.publish(channel, data)
                session.reply(encoding.reply_publish(command.id))
            case shapes.Rpc(method="echo", data=data):
                session.reply_rpc(command.id, data)
            case shapes.PresenceStats():
                session.reply(encoding.reply_presence_stats(command.id, 0, 0))
            case shapes.PresenceList():
                info = b'{"user":"ann","client":"c1","conn_info":{"n":1}}'
                session.reply(encoding.reply_presence(command.id, {"c1": info}))
            case shapes.History(channel=channel):
                events = self._events(channel)
                publications = self.encoder.recovered(Variant(encoding.name, 0, 0), events)
                session.reply(
                    encoding.reply_history(command.id, publications, len(events), "epoch")
                )
            case _:
                session.reply_error(command.id, METHOD_NOT_FOUND)

    def _connect(self, session: Session, command: shapes.Connect) -> None:
        if command.token == "bad":
            session.refuse(command.id, METHOD_NOT_FOUND, "refused")
            return
        session.identify(APP, "ann", f"client-{next(self._clients)}")
        result = shapes.ConnectResult(
            client=session.client, version="toy", data=command.data or b'{"hello":"ann"}'
        )
        now = self.clock.monotonic_ms()
        for deferred in session.connected(command.id, result, now_ms=now, random=0.0):
            self._answer(session, deferred)

    def _subscribe(self, session: Session, command: shapes.Subscribe) -> None:
        channel = self.hub.open((APP, command.channel))
        is_compact = bool(command.flag & shapes.FLAG_COMPACTION)
        compact_id = self.hub.compact_id(channel) if is_compact else 0
        delta = DELTA_FRESH if command.delta else DELTA_OFF
        variant = Variant(session.encoding.name, compact_id, delta)
        subscription = session.begin(command, variant)
        self.hub.join((APP, command.channel), subscription)
        events = self._events(command.channel)
        missed = events[command.offset :] if command.recover else []
        result = shapes.SubscribeResult(
            recoverable=True,
            positioned=True,
            epoch="epoch",
            offset=command.offset if command.recover else len(events),
            was_recovering=command.recover,
            recovered=command.recover,
            publications=self.encoder.recovered(variant, missed),
            delta=bool(delta),
            id=compact_id,
        )

        def admit() -> None:
            if session.subscribed(subscription, result):
                self.hub.admitted(channel, subscription)

        self.hub.answer(channel, len(events), "epoch", admit)

    def _events(self, channel: str) -> list[StoredEvent]:
        return [decode_event_body(body) for body in self.rows.get(channel, [])]

    def _repair(self, repair: Repair) -> None:
        rows = self.rows[repair.stream[1]]
        self.hub.repaired(
            repair.stream, repair.epoch, len(rows), True, tuple(rows[repair.position :])
        )

    def _ended(self, subscription: Subscription) -> None:
        channel = self.hub.channels.get((APP, subscription.channel))
        if channel is not None:
            self.hub.leave(channel, subscription)


class ToyServer:
    """The real endpoints over a ToyHost on a free port of loopback."""

    def __init__(
        self, host: ToyHost, websocket: WebSocketEndpoint, endpoints: StreamEndpoints, port: int
    ) -> None:
        self.host = host
        self.websocket = websocket
        self.endpoints = endpoints
        self.port = port
        self.forwarded: list[tuple[str, str, bytes]] = []

    def url(self, path: str, scheme: str = "http") -> str:
        """An address on this server."""
        return f"{scheme}://127.0.0.1:{self.port}{path}"


@asynccontextmanager
async def serve(
    *, origins: tuple[str, ...] = ("*",), has_doors: bool = True, **changes: Any
) -> AsyncIterator[ToyServer]:
    """A running toy server. `has_doors` False: every request is read by aiohttp."""
    config = make_config(**changes)
    pace = Pace(config, SystemClock())
    host = ToyHost(pace, config)
    policy = Origins(origins)

    async def forward(node: str, session_id: str, data: bytes) -> bool:
        server.forwarded.append((node, session_id, data))
        return node == "edge-2.1"

    sockets = WebSocketEndpoint(
        host, pace.flusher, policy, message_bytes_max=config.frame_bytes_max
    )
    streams = StreamEndpoints(
        host,
        pace.flusher,
        policy,
        node=NODE,
        forward=forward,
        session_id=lambda: entropy(16).hex(),
        frame_bytes_max=config.frame_bytes_max,
    )
    app = web.Application(client_max_size=2 * config.frame_bytes_max)
    app.router.add_get("/connection/websocket", sockets.handle)
    app.router.add_route("*", "/connection/http_stream", streams.http_stream)
    app.router.add_route("*", "/connection/sse", streams.sse)
    app.router.add_route("*", "/emulation", streams.emulation)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    assert runner.server is not None
    doors = Doors(sockets, runner.server, config.connect_deadline_s)
    if has_doors:
        await DoorSite(runner, doors, "127.0.0.1", 0, backlog=16).start()
    else:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    server = ToyServer(host, sockets, streams, port)
    pace.start()
    try:
        yield server
    finally:
        pace.stop()
        for session in list(host.sessions):
            session.outgoing.connection.abort()
        async with asyncio.timeout(5):
            await host.idle.wait()
        await runner.cleanup()
        doors.close()


def new_uvloop() -> asyncio.AbstractEventLoop:
    """The loop that real processes run on."""
    return uvloop.new_event_loop()
