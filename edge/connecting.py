"""A connect: from its token to its reply, with the session's own streams and what came behind it.

Rules:
1. Answered once: with what all server-side subscriptions brought, or with the first refusal, after
   which nothing else is said.
2. Subscribes right behind a connect are asked for together with it: one round trip instead of two.
   What becomes of them is told once the connect is answered, or to nobody.
3. The session is known by its user before anything is asked in his name, so that a revocation finds
   it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

import msgspec

from edge.auth import Auth, Identity
from edge.client_context import ClientContext, refusal_text
from edge.dispatch import App
from edge.hub import PLAIN
from edge.limits import SharedLimits
from edge.session import Session, State
from edge.subscribing import Enter, Position, Subscribing
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
from hubbub.wire import client_shapes as shapes
from hubbub.wire.client_shapes import Command, ConnectResult, SubscribeResult
from hubbub.wire.codec import dump_json, parse_json
from hubbub.wire.shapes import Subscribed, Viewer


class Host(Protocol):
    """Who keeps the sessions and knows the other commands."""

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
        self, session: Session, context: ClientContext, channels: tuple[str, ...]
    ) -> None:
        """From now on it hears of these channels."""
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
            self._limits.handshake(session.peer.remote, app.settings, self.now_ms())
            viewer = self._viewer(identity)
        except Rejected as rejected:
            session.refuse(command.id, rejected.error, refusal_text(rejected))
            return
        context = ClientContext(session, app, identity, viewer, self._in_flight_max)
        session.identify(app.name, identity.user, viewer.client)
        session.context = context
        self.host.signed_in(session, context)
        _Connecting(self, session, context, command, identity).start()
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
        return Viewer(user=identity.user, client=client, info=dump_json(info))

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
    ) -> None:
        self._connects = connects
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
        for channel in channels:
            if self._session.state is not State.CONNECTING:
                return  # refused at once
            self._ask(channel)
        if not channels:
            self._finish()

    def _channels(self) -> list[str]:
        """What the session is subscribed to from the start."""
        user = self._identity.user
        channels = [user_stream(user)] if user else []
        return list(dict.fromkeys([*channels, *map(check_channel, self._identity.channels)]))

    def _ask(self, channel: str) -> None:
        session, context = self._session, self._context
        known = self._command.subs.get(channel)
        position = Position()
        if known is not None:
            position = Position(known.recover, known.offset, known.epoch)

        def admitted(answer: Subscribed, result: SubscribeResult, enter: Enter) -> None:
            self._answers[channel] = (answer, result)
            self._enters.append(enter)
            self._missing -= 1
            if not self._missing:
                self._finish()

        subscription = session.begin_server_side(channel, PLAIN[session.encoding.name])
        self._connects.subscribing.start(
            subscription, context.app, context.viewer, position, admitted, self._failed
        )

    def _failed(self, refusal: Rejected) -> None:
        if not self._session.is_connected:
            self._session.refuse(self._command.id, refusal.error, refusal_text(refusal))

    def _finish(self) -> None:
        """All server-side subscriptions are answered."""
        host, session, context = self._connects.host, self._session, self._context
        deferred = self._reply()
        if not session.is_connected:
            return
        for enter in self._enters:
            enter()
        if session.user:
            host.open_heads(session, context, self._answers[user_stream(session.user)][0].channels)
        for step in context.answer_given():
            host.guarded(session, step)
        if deferred:
            host.guarded(session, lambda: host.run_commands(session, deferred))

    def _reply(self) -> list[Command]:
        """Answer; the commands that waited for it."""
        session, identity, connects = self._session, self._identity, self._connects
        expires_in = identity.expires_ms - connects.wall_ms() if identity.expires_ms else 0
        if identity.expires_ms and expires_in <= 0:
            session.refuse(self._command.id, TOKEN_EXPIRED, refusal_text(Rejected(TOKEN_EXPIRED)))
            return []
        subs = {channel: result for channel, (_, result) in self._answers.items()}
        data = b""
        if identity.user:  # its snapshot is the connect result's own `data`, and large
            stream = user_stream(identity.user)
            data = self._answers[stream][0].data
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
