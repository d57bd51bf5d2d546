"""What client commands mean: the host of all sessions of this edge.

Rules:
1. Every command is answered once or closes the connection; a handler that breaks is our bug, is
   counted, and closes only that connection, also when it breaks later, in an answer.
2. Rights are the log's: here only what the edge alone knows (tokens, limits, own subscriptions).
3. While too many commands of a connection wait for an answer, no more are read.

Long because connect, subscribe and refresh are one session's life: each sees what the others left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from edge.auth import Auth, Identity
from edge.channel_commands import ChannelCommands
from edge.client_context import ClientContext, UserHeads, context_of, refusal_text
from edge.connection import Peer
from edge.dispatch import App, Dispatch
from edge.heads import Heads
from edge.hub import DELTA_OFF, Channel, Variant
from edge.limits import SharedLimits
from edge.outgoing import Outgoing
from edge.session import Phase, Session, SessionSettings, State, Subscription
from edge.subscribing import Admitted, Enter, Position, Subscribing
from hubbub import VERSION
from hubbub.base.errors import (
    BAD_PROTOCOL,
    BAD_REQUEST,
    CLOSE_NOT_AVAILABLE,
    CONNECTION_EXPIRED,
    CONNECTION_LIMIT,
    INSUFFICIENT_STATE,
    INTERNAL,
    INVALID_TOKEN,
    NOT_AVAILABLE,
    PERMISSION_DENIED,
    REVOKED,
    SERVER_ERROR,
    SHUTDOWN,
    SUBSCRIPTION_EXPIRED,
    TOKEN_EXPIRED,
    Rejected,
    RemoteProtocolError,
)
from hubbub.base.names import check_channel, user_stream
from hubbub.base.units import SECOND_MS
from hubbub.features.contract import Local
from hubbub.runtime.logs import get_logger
from hubbub.wire import client_shapes as shapes
from hubbub.wire.client_shapes import Command, ConnectResult, Publication, SubscribeResult
from hubbub.wire.codec import convert, decode_json, dump_json, parse_json
from hubbub.wire.event import LISTS, UNLISTS, StoredEvent
from hubbub.wire.shapes import Subscribed, Viewer

_log = get_logger("edge")

DISCONNECTS_PER_TICK: Final = 200  # a drain is spread, so that clients do not come back at once


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
        process: str,
        connections_max: int,
        in_flight_max: int,
    ) -> None:
        self.settings: SessionSettings  # set by the wiring: its `on_ended` is ours
        self._apps = apps
        self._default_app = default_app
        self._auth = auth
        self._dispatch = dispatch
        self._subscribing = subscribing
        self._heads = heads
        self._limits = limits
        self._now_ms = now_ms
        self._wall_ms = wall_ms
        self._random = random
        self._new_id = new_id
        self._process = process
        self._connections_max = connections_max
        self._in_flight_max = in_flight_max
        self._channels = ChannelCommands(dispatch, now_ms, self._guarded)
        self.sessions: dict[Session, None] = {}
        self._by_user: dict[tuple[str, str], dict[Session, None]] = {}
        self._by_client: dict[str, Session] = {}
        self.accepting = True
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
        self._guarded(session, lambda: self._run(session, session.receive(data)))

    def _guarded(self, session: Session, step: Callable[[], None]) -> None:
        """Whatever goes wrong in this step closes this session."""
        try:
            step()
        except RemoteProtocolError as error:
            session.close(error.close)
        except Exception:  # noqa: BLE001 - boundary: a bug costs one connection, not the edge
            self.broken += 1
            _log.error("client.command_failed", exc_info=True)
            session.close(SERVER_ERROR)

    def closed(self, session: Session) -> None:
        session.ended()
        self.sessions.pop(session, None)
        context = session.context
        if isinstance(context, ClientContext):
            if context.heads is not None and context.heads.of is not None:
                self._heads.close(context.heads.of)
            self._by_client.pop(session.client, None)
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
        if subscription.is_server_side and session.state is State.CONNECTING:
            session.close(INSUFFICIENT_STATE)  # its connect could never be answered

    def revoked(self, app: str, user: str, jti: str) -> None:
        """Close the sessions whose token was revoked."""
        for session in list(self._by_user.get((app, user), ()) if user else self.sessions):
            context = session.context
            if isinstance(context, ClientContext) and self._auth.is_revoked(
                session.app, session.user, context.issued_ms, context.jti
            ):
                session.close(REVOKED)

    def run(self, action: Local, app: App, viewer: Viewer) -> bytes:
        """LocalActions: what the edge does itself."""
        session = self._by_client.get(viewer.client)
        if action.name != "screen.set" or session is None:
            raise Rejected(NOT_AVAILABLE, "only on a connection")
        channels = frozenset(convert(msgspec.to_builtins(action.args), _Screen).channels)
        context = session.context
        if isinstance(context, ClientContext) and context.heads and context.heads.of:
            self._heads.set_screen(context.heads.of, channels)
        return b"{}"

    def present(self, channel: Channel) -> tuple[tuple[str, bytes], ...]:
        """(connection id, ClientInfo) of every session in a channel."""
        found = []
        for member in self._subscribing.members_of(channel):
            context = member.session.context
            if isinstance(context, ClientContext):
                found.append((member.session.client, context.viewer.info))
        return tuple(found)

    def drain(self) -> bool:
        """Close some sessions with 3001; False when none is left."""
        self.accepting = False
        for session in list(self.sessions)[:DISCONNECTS_PER_TICK]:
            session.close(SHUTDOWN)
        return bool(self.sessions)

    # --- commands

    def _run(self, session: Session, commands: list[Command]) -> None:
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
                self._connect(session, command)
            case shapes.Subscribe():
                self._subscribe(session, command)
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
                self._refresh(session, command)
            case shapes.SubRefresh():
                self._sub_refresh(session, command)
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
                session.reply_rpc(command.id, data)
            else:
                session.reply_rejected(command.id, refusal)

        self._dispatch.verb(command.method, command.data, context.app, context.viewer, reply)

    # --- connect

    def _connect(self, session: Session, command: shapes.Connect) -> None:
        try:
            identity = self._identify(command.token)
            app = self._apps.get(identity.app)
            if app is None:
                raise Rejected(INTERNAL)
            self._limits.handshake(session.peer.remote, app.settings, self._now_ms())
            shown = parse_json(identity.info) if identity.info else None
        except Rejected as rejected:
            session.refuse(command.id, rejected.error, refusal_text(rejected))
            return
        client = self._new_id()
        info: dict[str, object] = {"user": identity.user, "client": client}
        if identity.info:
            info["conn_info"] = shown
        viewer = Viewer(user=identity.user, client=client, info=dump_json(info))
        context = ClientContext(session, app, identity, viewer, self._in_flight_max)
        session.identify(app.name, identity.user, client)
        session.context = context
        self._by_client[client] = session
        mine = self._by_user.setdefault((app.name, identity.user), {})
        mine[session] = None
        devices_max = app.settings.devices_per_user_max
        if identity.user and devices_max and len(mine) > devices_max:
            raise RemoteProtocolError(CONNECTION_LIMIT)
        _Connecting(self, session, context, command, identity).start()

    def _identify(self, token: str) -> Identity:
        if token:
            return self._auth.connection(token)
        app = self._apps.get(self._default_app)
        if app is None:
            raise Rejected(INTERNAL)
        if app.settings.token_required:
            raise RemoteProtocolError(BAD_PROTOCOL, "a token is needed")
        return Identity(app.name, "")

    def server_side(self, app: App, identity: Identity) -> list[str]:
        """Channels that a session is subscribed to from the start."""
        channels = [user_stream(identity.user)] if identity.user else []
        return list(dict.fromkeys([*channels, *map(check_channel, identity.channels)]))

    def finish_connect(
        self,
        session: Session,
        context: ClientContext,
        command: shapes.Connect,
        identity: Identity,
        answers: dict[str, tuple[Subscribed, SubscribeResult]],
        enters: list[Enter],
    ) -> None:
        """All server-side subscriptions are answered."""
        own = answers.get(user_stream(identity.user)) if identity.user else None
        expires_in = identity.expires_ms - self._wall_ms() if identity.expires_ms else 0
        if identity.expires_ms and expires_in <= 0:
            session.refuse(command.id, TOKEN_EXPIRED, refusal_text(Rejected(TOKEN_EXPIRED)))
            return
        subs = {channel: result for channel, (_, result) in answers.items()}
        if own is not None:  # its snapshot is the connect result's own `data`, and large
            subs[user_stream(identity.user)] = msgspec.structs.replace(own[1], data=b"")
        result = ConnectResult(
            client=session.client,
            version=VERSION,
            expires=expires_in > 0,
            ttl=-(-expires_in // SECOND_MS) if expires_in else 0,
            data=own[0].data if own is not None else b"",
            subs=subs,
            session=session.peer.session_id,
            node=self._process if session.peer.emulated else "",
            time=self._wall_ms(),
        )
        deferred = session.connected(
            command.id,
            result,
            now_ms=self._now_ms(),
            random=self._random(),
            expires_in_ms=expires_in,
        )
        if not session.is_connected:
            return
        for enter in enters:
            enter()
        if own is not None:
            self._open_heads(session, context, own[0].channels)
        self._guarded(session, lambda: self._run(session, deferred))

    def _open_heads(
        self, session: Session, context: ClientContext, channels: tuple[str, ...]
    ) -> None:
        if context.app.settings.raw_user_streams:
            return
        stream = user_stream(session.user)

        def push(data: bytes) -> None:
            session.outgoing.push_signal(
                session.encoding.push_publication(stream, Publication(data))
            )

        context.heads = UserHeads(session.app, session.user, push)
        limit = context.app.settings.head_channels_max
        context.heads.of = self._heads.open(context.heads, channels, limit)

    def listed(self, app: str, key: str, event: StoredEvent) -> None:
        """An event of a user's stream that changes his list of channels."""
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

    def figures_changed(self, app: str, user: str, channel: str) -> None:
        """What heads say of a channel to this user is another now: tell all his sessions here."""
        for session in self._by_user.get((app, user), ()):
            context = session.context
            if not isinstance(context, ClientContext) or not context.heads or not context.heads.of:
                continue
            if channel in context.heads.of.channels:
                self._heads.ask_figures(context.heads.of, (channel,))

    # --- subscribe

    def _subscribe(self, session: Session, command: shapes.Subscribe) -> None:
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
        subscription = session.begin(command, Variant(session.encoding.name, 0, DELTA_OFF))
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
                if context.heads is not None and context.heads.of is not None:
                    self._heads.subscribed(context.heads.of, channel)

        def failed(refusal: Rejected) -> None:
            session.subscribe_failed(subscription, refusal.error, refusal_text(refusal))

        self._subscribing.start(
            subscription, context.app, context.viewer, position, admitted, failed
        )

    def _expiry(self, ttl_ms: int) -> int:
        return self._now_ms() + ttl_ms + self.settings.token_grace_ms

    # --- tokens

    def _refresh(self, session: Session, command: shapes.Refresh) -> None:
        try:
            identity = self._auth.connection(command.token)
        except Rejected:
            raise RemoteProtocolError(CONNECTION_EXPIRED) from None
        if (identity.app, identity.user) != (session.app, session.user):
            raise RemoteProtocolError(INVALID_TOKEN)
        context = context_of(session)
        expires_in = identity.expires_ms - self._wall_ms() if identity.expires_ms else 0
        if identity.expires_ms and expires_in <= 0:
            raise RemoteProtocolError(CONNECTION_EXPIRED)
        context.issued_ms, context.jti = identity.issued_ms, identity.jti
        session.refreshed(now_ms=self._now_ms(), expires_in_ms=expires_in)
        session.reply(
            session.encoding.reply_refresh(
                command.id,
                client=session.client,
                version=VERSION,
                expires=expires_in > 0,
                ttl=-(-expires_in // SECOND_MS) if expires_in else 0,
            )
        )

    def _sub_refresh(self, session: Session, command: shapes.SubRefresh) -> None:
        subscription = session.subscriptions.get(command.channel)
        if subscription is None or subscription.phase is not Phase.SUBSCRIBED:
            raise Rejected(PERMISSION_DENIED)
        try:
            grant = self._auth.subscription(
                command.token,
                app=session.app,
                user=session.user,
                channel=command.channel,
                client=session.client,
            )
        except Rejected as rejected:
            if rejected.error is not TOKEN_EXPIRED:
                raise RemoteProtocolError(INVALID_TOKEN) from None
            session.reply(session.encoding.reply_sub_refresh(command.id, expires=False, ttl=0))
            session.end(subscription, SUBSCRIPTION_EXPIRED)
            return
        ttl_ms = grant.expires_ms - self._wall_ms() if grant.expires_ms else 0
        session.subscription_refreshed(subscription, self._expiry(ttl_ms) if ttl_ms else 0)
        session.reply(
            session.encoding.reply_sub_refresh(
                command.id, expires=ttl_ms > 0, ttl=-(-ttl_ms // SECOND_MS) if ttl_ms else 0
            )
        )

    def start_server_side(
        self,
        session: Session,
        context: ClientContext,
        channel: str,
        position: Position,
        admitted: Admitted,
        failed: Callable[[Rejected], None],
    ) -> None:
        """Begin one server-side subscription of a connecting session."""
        variant = Variant(session.encoding.name, 0, DELTA_OFF)
        subscription = session.begin_server_side(channel, variant)
        self._subscribing.start(
            subscription, context.app, context.viewer, position, admitted, failed
        )


class _Connecting:
    """A connect whose server-side subscriptions are being answered."""

    def __init__(
        self,
        clients: Clients,
        session: Session,
        context: ClientContext,
        command: shapes.Connect,
        identity: Identity,
    ) -> None:
        self._clients = clients
        self._session = session
        self._context = context
        self._command = command
        self._identity = identity
        self._answers: dict[str, tuple[Subscribed, SubscribeResult]] = {}
        self._missing: set[str] = set()
        self._enters: list[Enter] = []

    def start(self) -> None:
        channels = self._clients.server_side(self._context.app, self._identity)
        self._missing = set(channels)
        for channel in channels:
            if self._session.state is not State.CONNECTING:
                return  # refused at once
            known = self._command.subs.get(channel)
            position = Position()
            if known is not None:
                position = Position(known.recover, known.offset, known.epoch)
            self._clients.start_server_side(
                self._session,
                self._context,
                channel,
                position,
                self._admitting(channel),
                self._failed,
            )
        if not channels:
            self._finish()

    def _admitting(self, channel: str) -> Admitted:
        def admitted(answer: Subscribed, result: SubscribeResult, enter: Enter) -> None:
            self._answers[channel] = (answer, result)
            self._enters.append(enter)
            self._missing.discard(channel)
            if not self._missing:
                self._finish()

        return admitted

    def _failed(self, refusal: Rejected) -> None:
        if not self._session.is_connected:
            self._session.refuse(self._command.id, refusal.error, refusal_text(refusal))

    def _finish(self) -> None:
        self._clients.finish_connect(
            self._session, self._context, self._command, self._identity, self._answers, self._enters
        )


class _Screen(msgspec.Struct, frozen=True):
    channels: tuple[str, ...] = ()
