"""What client commands mean: the host of all sessions of this edge.

Rules:
1. Every command is answered once or closes the connection; a handler that breaks is our bug, is
   counted, and closes only that connection, also when it breaks later, in an answer.
2. Rights are the log's: here only what the edge alone knows (tokens, limits, own subscriptions).
3. While too many commands of a connection wait for an answer, no more are read.

Long because every command of a connection passes here on its way to a session.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from edge.audience import Audience
from edge.auth import Auth
from edge.blocking import Blocked, changed, scrub
from edge.channel_commands import ChannelCommands
from edge.client_context import ClientContext, UserHeads, context_of, refusal_text
from edge.connecting import Connects
from edge.connection import Peer
from edge.devices import Description, Devices
from edge.dispatch import App, Dispatch
from edge.heads import Greeting, Heads
from edge.hub import Channel
from edge.limits import SharedLimits
from edge.outgoing import Outgoing
from edge.presences import Presences
from edge.quotas import AppQuotas
from edge.refreshing import Refreshing
from edge.screens import Screens
from edge.session import Phase, Session, SessionSettings, State, Subscription
from edge.subscribing import Enter, Position, Subscribing
from edge.variants import PLAIN
from hubbub.base.errors import (
    APP_DELETED,
    BAD_PROTOCOL,
    BAD_REQUEST,
    CLOSE_NOT_AVAILABLE,
    CONNECTION_LIMIT,
    INSUFFICIENT_STATE,
    NOT_AVAILABLE,
    REVOKED,
    SERVER_ERROR,
    SHUTDOWN,
    CloseCode,
    Rejected,
    RemoteProtocolError,
)
from hubbub.base.names import check_channel, user_stream
from hubbub.base.units import SECOND_MS
from hubbub.features.contract import Local
from hubbub.runtime.logs import get_logger
from hubbub.wire import client_shapes as shapes
from hubbub.wire.client_shapes import Command, Publication, SubscribeResult
from hubbub.wire.codec import convert, decode_json, with_details
from hubbub.wire.event import BLOCKS, LISTS, SIGNS_OUT, UNLISTS, StoredEvent
from hubbub.wire.receipts import ReceiptsRequest
from hubbub.wire.shapes import Subscribed, Viewer

_log = get_logger("edge")

DISCONNECTS_PER_TICK: Final = 200  # a drain is spread, so that clients do not come back at once
# What the other edges take besides their work: a resume costs about 1 ms in all processes.
RETURNS_PER_S: Final = 500
FIGURES_MISSED_MAX: Final = 64  # channels in the moments of a connect; beyond, all are asked for


class ClientsStatistics(msgspec.Struct, frozen=True):
    """Open connections, and counts since the start."""

    connections: int
    commands: int
    broken: int


class Clients:
    """All sessions. `wall_ms`, `now_ms` (monotonic), `random` and `new_id` are passed in."""

    def __init__(
        self,
        *,
        apps: dict[str, App],
        default_app: str,
        auth: Auth,
        dispatch: Dispatch,
        subscribing: Subscribing,
        heads: Heads,
        limits: SharedLimits,
        now_ms: Callable[[], int],
        wall_ms: Callable[[], int],
        random: Callable[[], float],
        new_id: Callable[[], str],
        connections_max: int,
        in_flight_max: int,
    ) -> None:
        self.settings: SessionSettings  # set by the wiring: its `on_ended` is ours
        self.screens: Screens  # set by the wiring: it asks through our dispatch
        self.presences: Presences  # likewise
        self.audience: Audience  # likewise
        self.quotas = AppQuotas(lambda: (0, 1))  # replaced by the wiring: it knows the other edges
        self._auth = auth
        self._apps = apps
        self._dispatch = dispatch
        self._subscribing = subscribing
        self._heads = heads
        self._now_ms = now_ms
        self._wall_ms = wall_ms
        self._connections_max = connections_max
        self._connects = Connects(
            self,
            apps=apps,
            default_app=default_app,
            auth=auth,
            limits=limits,
            subscribing=subscribing,
            now_ms=now_ms,
            wall_ms=wall_ms,
            random=random,
            new_id=new_id,
            in_flight_max=in_flight_max,
        )
        self._refreshing = Refreshing(auth, now_ms, wall_ms, self._expiry, subscribing.set_guest)
        self._devices = Devices(dispatch, wall_ms)
        self._channels = ChannelCommands(dispatch, now_ms, self.guarded)
        self.sessions: dict[Session, None] = {}
        self._by_user: dict[tuple[str, str], dict[Session, None]] = {}
        self._by_client: dict[str, Session] = {}
        self._of_app: dict[str, int] = {}  # how many have signed in
        self.accepting = True
        self._random = random
        self._spread_ms = 0  # over which those come back whom a drain closed
        self.commands = 0
        self.broken = 0

    # --- SessionHost

    def open(self, outgoing: Outgoing, peer: Peer) -> Session | None:
        if not self.accepting or len(self.sessions) >= self._connections_max:
            return None
        session = Session(outgoing, peer, self.settings, self._now_ms())
        self.sessions[session] = None
        return session

    def frame(self, session: Session, data: bytes) -> None:
        try:
            self.run_commands(session, session.receive(data))
        except Exception as error:  # noqa: BLE001 - boundary: costs this connection, not the edge
            self._failed(session, error)

    def guarded(self, session: Session, step: Callable[[], None]) -> None:
        """Whatever goes wrong in this step closes this session."""
        try:
            step()
        except Exception as error:  # noqa: BLE001 - boundary: costs this connection, not the edge
            self._failed(session, error)

    def _failed(self, session: Session, error: Exception) -> None:
        if isinstance(error, RemoteProtocolError):
            session.close(error.close)
            return
        self.broken += 1
        _log.error("client.command_failed", exc_info=error)
        session.close(SERVER_ERROR)

    def closed(self, session: Session) -> None:
        context = session.context
        if isinstance(context, ClientContext) and context.heads and context.heads.of:
            self._heads.close(context.heads.of)  # first: what it has open stays watched
        session.ended()
        self.sessions.pop(session, None)
        if isinstance(context, ClientContext):
            self.presences.closed(context)
            self._by_client.pop(session.client, None)
            self._of_app[session.app] -= 1
            mine = self._by_user.get((session.app, session.user))
            if mine is not None:
                mine.pop(session, None)
                if not mine:
                    del self._by_user[(session.app, session.user)]
            session.context = None

    def statistics(self) -> ClientsStatistics:
        """For the admin server and `hubbub status`."""
        return ClientsStatistics(len(self.sessions), self.commands, self.broken)

    # --- from elsewhere in the edge

    def ended(self, subscription: Subscription) -> None:
        """A subscription is over (SessionSettings.on_ended)."""
        session = subscription.session
        context = session.context
        # Watched again first, so that a channel that stays of interest is not let go in between.
        if (
            session.is_connected
            and isinstance(context, ClientContext)
            and context.heads
            and context.heads.of
        ):
            self._heads.unsubscribed(context.heads.of, subscription.channel)
        self._subscribing.left(subscription)
        self.audience.changed((session.app, subscription.channel))
        self.screens.left((session.app, subscription.channel), subscription)
        if subscription.is_server_side and session.state is State.CONNECTING:
            session.close(INSUFFICIENT_STATE)  # its connect could never be answered

    def revoked(self, app: str, user: str, jti: str) -> None:
        """Close the sessions whose token was revoked, or whose user is excluded."""
        excluded = self._auth.excluded(app, user) if user else None
        if excluded is not None and app in self._apps:
            self._dispatch.end_signs(self._apps[app], user)
        for session in list(self._by_user.get((app, user), ()) if user else self.sessions):
            context = session.context
            if excluded is not None:
                session.close(excluded)
            elif isinstance(context, ClientContext) and self._auth.is_revoked(
                session.app, session.user, context.issued_ms, context.jti, context.secret
            ):
                session.close(REVOKED)

    def app_deleted(self, app: str) -> None:
        """Close every session of an app."""
        self.quotas.forget(app)
        for session in list(self.sessions):
            if session.app == app:
                session.close(APP_DELETED)

    def run(self, action: Local, app: App, viewer: Viewer) -> bytes:
        """LocalActions: what the edge does itself."""
        session = self._by_client.get(viewer.client)
        if session is None:
            raise Rejected(NOT_AVAILABLE, "only on a connection")
        if action.name == "receipts.watch":
            self._watch(session, app, viewer, action)
            return b"{}"
        context = session.context
        if action.name.startswith("presence.") and isinstance(context, ClientContext):
            return self.presences.run(context, action)
        if action.name != "screen.set":
            raise Rejected(NOT_AVAILABLE)
        channels = frozenset(convert(msgspec.to_builtins(action.args), _Screen).channels)
        if isinstance(context, ClientContext) and context.heads and context.heads.of:
            self._heads.set_screen(context.heads.of, channels)
        return b"{}"

    def _watch(self, session: Session, app: App, viewer: Viewer, action: Local) -> None:
        asked = convert(msgspec.to_builtins(action.args), ReceiptsRequest)
        subscription = session.subscriptions.get(asked.channel)
        if subscription is None or subscription.phase is not Phase.SUBSCRIBED:
            raise Rejected(NOT_AVAILABLE, "subscribe to the channel first")
        self.screens.watch(app, asked.channel, subscription, viewer, asked.seqs)

    def present(self, channel: Channel) -> tuple[tuple[str, bytes], ...]:
        """(connection id, ClientInfo) of every session in a channel."""
        found = []
        for member in self._subscribing.members_of(channel):
            context = member.session.context
            if isinstance(context, ClientContext):
                is_own = context.session_info and member.channel[0] == "#"
                info = context.session_info if is_own else context.viewer.info
                found.append((member.session.client, info))
        return tuple(found)

    def drain(self) -> bool:
        """Close some sessions with 3001, each told when to come back; False when none is left."""
        if self.accepting:
            self.accepting = False
            self._spread_ms = len(self.sessions) * SECOND_MS // RETURNS_PER_S
        for session in list(self.sessions)[:DISCONNECTS_PER_TICK]:
            after_ms = int(self._random() * self._spread_ms)
            advice: dict[str, object] = {"retry_after_ms": after_ms}
            session.close(CloseCode(SHUTDOWN.code, with_details(SHUTDOWN.reason, advice)))
        return bool(self.sessions)

    # --- commands

    def run_commands(self, session: Session, commands: list[Command]) -> None:
        """Answer commands in their order."""
        for command in commands:
            if not session.is_connected and session.state is not State.CONNECTING:
                return  # closed by one of those before
            self.commands += 1
            try:
                if isinstance(command, shapes.Rpc):
                    self._rpc(session, command)
                else:
                    self._command(session, command)
            except Rejected as rejected:
                session.reply_rejected(command.id, rejected)

    def _command(self, session: Session, command: Command) -> None:
        match command:
            case shapes.Connect():
                self._connects.start(session, command)
            case shapes.Subscribe():
                self.subscribe(session, command)
            case shapes.Unsubscribe():
                session.unsubscribe(command)
            case shapes.Publish():
                self._channels.publish(session, command)
            case shapes.PresenceList():
                self._channels.presence(session, command)
            case shapes.PresenceStats():
                self._channels.presence_stats(session, command)
            case shapes.History():
                self._channels.history(session, command)
            case shapes.Refresh():
                self._refreshing.refresh(session, command)
            case shapes.SubRefresh():
                self._refreshing.sub_refresh(session, command)
            case shapes.Send():
                raise RemoteProtocolError(CLOSE_NOT_AVAILABLE)
            case _:
                raise RemoteProtocolError(BAD_PROTOCOL)

    def _rpc(self, session: Session, command: shapes.Rpc) -> None:
        context = context_of(session)
        context.limits.command(context.app.settings, self._now_ms())
        context.wait()

        def reply(refusal: Rejected | None, data: bytes) -> None:
            context.answered()
            if refusal is None:
                session.reply_rpc(command.id, _shown(session, data))
            else:
                session.reply_rejected(command.id, refusal)

        self._dispatch.verb(command.method, command.data, context.app, context.viewer, reply)

    # --- connect

    def admit(self, app: App) -> None:
        """Raises Rejected(QUOTA_EXCEEDED): its app has as many connections as it may."""
        self.quotas.connection(app, self._of_app.get(app.name, 0), self._wall_ms())

    def signed_in(self, session: Session, context: ClientContext) -> None:
        """Who it is is known (`Connects`). Raises RemoteProtocolError: he has too many."""
        self._by_client[session.client] = session
        self._of_app[session.app] = self._of_app.get(session.app, 0) + 1
        mine = self._by_user.setdefault((session.app, session.user), {})
        mine[session] = None
        devices_max = context.app.settings.devices_per_user_max
        if session.user and devices_max and len(mine) > devices_max:
            raise RemoteProtocolError(CONNECTION_LIMIT)

    def open_heads(
        self,
        session: Session,
        context: ClientContext,
        channels: tuple[str, ...],
        greeting: Greeting | None,
    ) -> None:
        """From now on it hears of these channels, once its connect is answered."""
        stream = user_stream(session.user)

        def push(data: bytes) -> None:
            message = session.encoding.push_publication(stream, Publication(data))
            context.once_answered(lambda: session.outgoing.push_signal(message))

        context.heads = UserHeads(session, push)
        limit = context.app.settings.head_channels_max
        mine = context.heads.of = self._heads.open(context.heads, channels, limit, greeting)
        missed, context.figures_missed = context.figures_missed, {}
        every = len(missed) >= FIGURES_MISSED_MAX
        self._heads.ask_figures(mine, [c for c in mine.channels if every or c in missed])
        if greeting is not None:
            self._heads.greet(mine, greeting)

    def device_came(self, context: ClientContext, about: Description) -> None:
        """The connect of this device was answered."""
        self._devices.came(context, about)

    def listed(self, app: str, key: str, event: StoredEvent) -> None:
        """An event of a user's stream that changes his list of channels, or signs him out."""
        if event.head.flags & SIGNS_OUT:
            sessions = self._by_user.get((app, key[1:]), ())
            self._devices.signed_out(sessions, decode_json(event.info, list[str]))
        if event.head.flags & BLOCKS == BLOCKS:
            self._blocks(app, key[1:], decode_json(event.info, list[str]))
            return
        if not event.head.flags & (LISTS | UNLISTS):
            return
        channels = decode_json(event.info, list[str])
        for session in self._by_user.get((app, key[1:]), ()):
            context = session.context
            if not isinstance(context, ClientContext) or not context.heads or not context.heads.of:
                continue
            if event.head.flags & LISTS:
                limit = context.app.settings.head_channels_max
                self._heads.listed(context.heads.of, channels, limit)
            else:
                self._heads.unlisted(context.heads.of, channels)

    def _blocks(self, app: str, user: str, changes: list[str]) -> None:
        """A user blocks somebody (+ before the name), or no more (-)."""
        for session in self._by_user.get((app, user), ()):
            context = context_of(session)
            if context.blocks_missed is not None:
                context.blocks_missed += changes
            else:
                self._hear(session, context, changed(session.blocked, changes))
                if context.heads is not None and context.heads.of is not None:
                    mine = context.heads.of
                    self._heads.ask_figures(mine, mine.channels)  # every one may be another

    def block(self, session: Session, blocked: Blocked) -> None:
        """The leader's answer to a new session: whom its user blocks."""
        context = context_of(session)
        missed, context.blocks_missed = context.blocks_missed or [], None
        self._hear(session, context, changed(blocked, missed))

    def _hear(self, session: Session, context: ClientContext, blocked: Blocked) -> None:
        """Nothing more of these: what is pushed, and what reads are told of whom he blocks."""
        self._subscribing.block(session, context.app, blocked)
        blocks = tuple(sorted(blocked))
        context.viewer = msgspec.structs.replace(context.viewer, blocks=blocks)

    def blocked_of(self, app: str, user: str) -> Blocked | None:
        """Whom a user blocks, as his sessions here know; None: he has none."""
        for session in self._by_user.get((app, user), ()):
            if session.is_connected:
                return session.blocked
        return None

    def figures_changed(self, app: str, user: str, channel: str) -> None:
        """What heads say of a channel to this user is another now: tell all his sessions here."""
        for session in self._by_user.get((app, user), ()):
            context = session.context
            if not isinstance(context, ClientContext):
                continue
            if not context.heads or not context.heads.of:
                if len(context.figures_missed) < FIGURES_MISSED_MAX:
                    context.figures_missed[channel] = None
            elif channel in context.heads.of.channels:
                self._heads.ask_figures(context.heads.of, (channel,))

    # --- subscribe

    def subscribe(self, session: Session, command: shapes.Subscribe) -> None:
        """Begin a subscription. Raises Rejected, RemoteProtocolError."""
        context = context_of(session)
        context.limits.subscribe(context.app.settings, self._now_ms())
        channel = check_channel(command.channel)
        if command.kind:
            raise Rejected(NOT_AVAILABLE, "only stream subscriptions")
        if command.filtered:
            raise Rejected(BAD_REQUEST, "tag filters are not available here")
        self._channels.check_known(channel, context.app)
        expires_ms = 0
        if command.token:
            grant = self._auth.subscription(
                command.token,
                app=session.app,
                user=session.user,
                channel=channel,
                client=session.client,
            )
            expires_ms = grant.expires_ms
        position = Position(
            command.recover,
            command.offset,
            command.epoch,
            command.delta == "fossil",
            command.flag,
            command.data,
            bool(command.token),
        )
        # Begun first: a refused subscribe must not open the channel.
        subscription = session.begin(command, PLAIN[session.encoding.name])
        subscription.variant = self._subscribing.variant(session, context.app, channel, position)

        def admitted(_: Subscribed, result: SubscribeResult, enter: Enter) -> None:
            ttl_ms = expires_ms - self._wall_ms() if expires_ms else 0
            if ttl_ms:
                result = msgspec.structs.replace(
                    result, expires=True, ttl=max(1, -(-ttl_ms // SECOND_MS))
                )
            is_in = session.subscribed(
                subscription, result, expires_ms=self._expiry(ttl_ms) if ttl_ms else 0
            )
            if is_in:
                enter()
                self.audience.changed((session.app, channel))
                if context.heads is not None and context.heads.of is not None:
                    self._heads.subscribed(context.heads.of, channel)

        def failed(refusal: Rejected) -> None:
            session.subscribe_failed(subscription, refusal.error, refusal_text(refusal))

        self._subscribing.start(
            subscription,
            context.app,
            context.viewer,
            position,
            admitted,
            failed,
            context.once_answered,
        )

    def _expiry(self, ttl_ms: int) -> int:
        return self._now_ms() + ttl_ms + self.settings.token_grace_ms


def _shown(session: Session, data: bytes) -> bytes:
    """An answer without those whom its user blocks."""
    return scrub(data, session.blocked) if session.blocked else data


class _Screen(msgspec.Struct, frozen=True):
    channels: tuple[str, ...] = ()
