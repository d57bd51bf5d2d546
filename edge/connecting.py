"""A connect: from its token to its reply, with the session's own streams and what came behind it.

Rules:
1. Answered once: with what all server-side subscriptions brought, or with the first refusal, after
   which nothing else is said.
2. Subscribes right behind a connect are asked for together with it: one round trip instead of two.
   What becomes of them is told once the connect is answered, or to nobody.
3. The session is known by its user before anything is asked in his name, so that a revocation finds
   it.
4. Who begins anew gets a bootstrap: the snapshot of his stream, and in it the heads of its first
   channels and the stream's position. Who resumes gets {"resumed": true}, and what he missed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

import msgspec

from edge.auth import Auth, Identity
from edge.blocking import Blocked
from edge.client_context import ClientContext, refusal_text
from edge.devices import Description, claim_json, describe
from edge.dispatch import App
from edge.heads import Greeting
from edge.limits import SharedLimits
from edge.session import Session, State
from edge.subscribing import Enter, Position, Subscribing
from edge.variants import PLAIN
from hubbub import VERSION
from hubbub.base.errors import (
    BAD_PROTOCOL,
    INTERNAL,
    TOKEN_EXPIRED,
    Rejected,
    RemoteProtocolError,
)
from hubbub.base.names import check_channel, user_stream
from hubbub.base.units import SECOND_MS
from hubbub.features.publication import rfc3339
from hubbub.wire import client_shapes as shapes
from hubbub.wire.client_shapes import Command, ConnectResult, SubscribeResult
from hubbub.wire.codec import encode_json, parse_json
from hubbub.wire.shapes import Subscribed, Viewer

# The channels of a bootstrap (features.bootstrap), which come with their heads.
BOOTSTRAP_HEADS: Final = 50


class Host(Protocol):
    """Who keeps the sessions and knows the other commands."""

    def admit(self, app: App) -> None:
        """Raises Rejected(QUOTA_EXCEEDED): its app has as many connections as it may."""
        ...

    def signed_in(self, session: Session, context: ClientContext) -> None:
        """Remember it by its user. Raises RemoteProtocolError: he has too many."""
        ...

    def subscribe(self, session: Session, command: shapes.Subscribe) -> None:
        """Begin a subscription. Raises Rejected, RemoteProtocolError."""
        ...

    def run_commands(self, session: Session, commands: list[Command]) -> None:
        """Answer commands in their order."""
        ...

    def guarded(self, session: Session, step: Callable[[], None]) -> None:
        """Do a step whose failure costs this session only."""
        ...

    def open_heads(
        self,
        session: Session,
        context: ClientContext,
        channels: tuple[str, ...],
        greeting: Greeting | None,
    ) -> None:
        """From now on it hears of these channels, once its connect is answered."""
        ...

    def block(self, session: Session, blocked: Blocked) -> None:
        """From now on this session does not hear of these."""
        ...

    def device_came(self, context: ClientContext, about: Description) -> None:
        """The connect of this device was answered."""
        ...


class Connects:
    """Args: new_id: of a connection. random: 0..1, spreads first pings."""

    def __init__(
        self,
        host: Host,
        *,
        apps: dict[str, App],
        default_app: str,
        auth: Auth,
        limits: SharedLimits,
        subscribing: Subscribing,
        now_ms: Callable[[], int],
        wall_ms: Callable[[], int],
        random: Callable[[], float],
        new_id: Callable[[], str],
        in_flight_max: int,
    ) -> None:
        self.host = host
        self.subscribing = subscribing
        self.now_ms = now_ms
        self.wall_ms = wall_ms
        self.random = random
        self._apps = apps
        self._default_app = default_app
        self._auth = auth
        self._limits = limits
        self._new_id = new_id
        self._in_flight_max = in_flight_max

    def start(self, session: Session, command: shapes.Connect) -> None:
        """Check who it is and ask for what belongs to the reply. Raises RemoteProtocolError."""
        try:
            identity = self._identify(command.token)
            app = self._apps.get(identity.app)
            if app is None:
                raise Rejected(INTERNAL)
            address = session.peer.remote
            self._limits.handshake(app.name, address, app.settings, self.now_ms())
            self.host.admit(app)
            viewer = self._viewer(identity)
            about = describe(command, identity)
        except Rejected as rejected:
            session.refuse(command.id, rejected.error, refusal_text(rejected))
            return
        context = ClientContext(session, app, identity, viewer, self._in_flight_max)
        context.device = about.device
        if identity.user and not app.settings.raw_user_streams:
            context.session_info = self._session_info(session, viewer, about)
        session.identify(app.name, identity.user, viewer.client)
        session.context, session.guest = context, viewer.guest
        self.host.signed_in(session, context)
        _Connecting(self, session, context, command, identity, about).start()
        if session.state is State.CONNECTING:
            self._subscribe_ahead(session, context)

    def _identify(self, token: str) -> Identity:
        if token:
            return self._auth.connection(token)
        app = self._apps.get(self._default_app)
        if app is None:
            raise Rejected(INTERNAL)
        if app.settings.token_required:
            raise RemoteProtocolError(BAD_PROTOCOL, "a token is needed")
        return Identity(app.name, "")

    def _viewer(self, identity: Identity) -> Viewer:
        client = self._new_id()
        info: dict[str, object] = {"user": identity.user, "client": client}
        if identity.info:
            info["conn_info"] = parse_json(identity.info)
        info_json = encode_json(info)
        return Viewer(identity.user, client=client, info=info_json, guest=identity.guest)

    def _session_info(self, session: Session, viewer: Viewer, about: Description) -> bytes:
        """What the user's own devices see of this connection (features: Session)."""
        fields = {
            "client": viewer.client,
            "device": about.device,
            "name": about.name,
            "version": about.version,
            "transport": session.peer.transport,
            "since": rfc3339(self.wall_ms()),
        }
        return encode_json({name: value for name, value in fields.items() if value})

    def _subscribe_ahead(self, session: Session, context: ClientContext) -> None:
        def refuse(refusal: Rejected | RemoteProtocolError, id: int) -> None:
            if isinstance(refusal, RemoteProtocolError):
                raise refusal
            session.reply_rejected(id, refusal)

        for command in session.take_ahead():
            try:
                self.host.subscribe(session, command)
            except (Rejected, RemoteProtocolError) as refusal:
                context.once_answered(partial(refuse, refusal, command.id))


class _Connecting:
    """A connect whose server-side subscriptions are being answered."""

    __slots__ = (
        "_about",
        "_answers",
        "_command",
        "_connects",
        "_context",
        "_enters",
        "_identity",
        "_missing",
        "_session",
    )

    def __init__(
        self,
        connects: Connects,
        session: Session,
        context: ClientContext,
        command: shapes.Connect,
        identity: Identity,
        about: Description,
    ) -> None:
        self._connects = connects
        self._about = about
        self._session = session
        self._context = context
        self._command = command
        self._identity = identity
        self._answers: dict[str, tuple[Subscribed, SubscribeResult]] = {}
        self._enters: list[Enter] = []
        self._missing = 0

    def start(self) -> None:
        channels = self._channels()
        self._missing = len(channels)
        if self._identity.user:  # first: it says whom he blocks, which the others must know
            self._ask(channels[0], lambda: self._ask_all(channels[1:]))
        elif channels:
            self._ask_all(channels)
        else:
            self._finish()

    def _ask_all(self, channels: list[str]) -> None:
        for channel in channels:
            if self._session.state is not State.CONNECTING:
                return  # refused at once
            self._ask(channel)

    def _channels(self) -> list[str]:
        """What the session is subscribed to from the start."""
        user = self._identity.user
        channels = [user_stream(user)] if user else []
        return list(dict.fromkeys([*channels, *map(check_channel, self._identity.channels)]))

    def _ask(self, channel: str, then: Callable[[], None] | None = None) -> None:
        session, context = self._session, self._context
        known = self._command.subs.get(channel)
        position = Position()
        if known is not None:
            position = Position(known.recover, known.offset, known.epoch)
        viewer = context.viewer
        if context.session_info and channel == user_stream(session.user):
            viewer = msgspec.structs.replace(viewer, info=context.session_info)
            heads = 0 if position.recover else BOOTSTRAP_HEADS
            position = msgspec.structs.replace(position, data=claim_json(context), heads=heads)

        def admitted(answer: Subscribed, result: SubscribeResult, enter: Enter) -> None:
            self._answers[channel] = (answer, result)
            self._enters.append(enter)
            self._missing -= 1
            if context.session_info and channel == user_stream(session.user):
                self._connects.host.block(session, frozenset(answer.blocks))
            if then is not None:
                then()
            if not self._missing:
                self._finish()

        subscription = session.begin_server_side(channel, PLAIN[session.encoding.name])
        self._connects.subscribing.start(
            subscription, context.app, viewer, position, admitted, self._failed
        )

    def _failed(self, refusal: Rejected) -> None:
        if not self._session.is_connected:
            self._session.refuse(self._command.id, refusal.error, refusal_text(refusal))

    def _finish(self) -> None:
        """All server-side subscriptions are answered; a bootstrap lacks its heads yet."""
        host, session, context = self._connects.host, self._session, self._context
        if not context.session_info:
            self._answer(b"")
            return
        own, result = self._answers[user_stream(session.user)]
        if result.recovered or not own.data:
            host.open_heads(session, context, own.channels, None)
            self._answer(b'{"resumed":true}' if result.recovered else b"")
            return

        def greet(heads: bytes) -> None:
            cursor = b'"cursor":[%b,%d]' % (encode_json(own.epoch), own.head)
            data = b'%b,%b,"heads":%b}' % (own.data[:-1], cursor, heads)
            host.guarded(session, lambda: self._answer(data))

        host.open_heads(session, context, own.channels, Greeting(BOOTSTRAP_HEADS, greet, own.heads))

    def _answer(self, data: bytes) -> None:
        host, session, context = self._connects.host, self._session, self._context
        if session.state is not State.CONNECTING:
            return
        deferred = self._reply(data)
        if not session.is_connected:
            return
        for enter in self._enters:
            enter()
        for step in context.answer_given():
            host.guarded(session, step)
        host.device_came(context, self._about)
        if deferred:
            host.guarded(session, lambda: host.run_commands(session, deferred))

    def _reply(self, data: bytes) -> list[Command]:
        """Answer with this `data`; the commands that waited for it."""
        session, identity, connects = self._session, self._identity, self._connects
        expires_in = identity.expires_ms - connects.wall_ms() if identity.expires_ms else 0
        if identity.expires_ms and expires_in <= 0:
            session.refuse(self._command.id, TOKEN_EXPIRED, refusal_text(Rejected(TOKEN_EXPIRED)))
            return []
        subs = {channel: result for channel, (_, result) in self._answers.items()}
        if identity.user:  # its snapshot is the connect result's own `data`, and large
            stream = user_stream(identity.user)
            data = data or self._answers[stream][0].data
            subs[stream] = msgspec.structs.replace(subs[stream], data=b"")
        result = ConnectResult(
            client=session.client,
            version=VERSION,
            expires=expires_in > 0,
            ttl=-(-expires_in // SECOND_MS) if expires_in else 0,
            data=data,
            subs=subs,
            time=connects.wall_ms(),
        )
        return session.connected(
            self._command.id,
            result,
            now_ms=connects.now_ms(),
            random=connects.random(),
            expires_in_ms=expires_in,
        )
