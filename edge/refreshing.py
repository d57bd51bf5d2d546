"""New tokens on a connection that lives: its own (refresh) and a subscription's (sub_refresh).

Rules:
1. A bad connection token ends the connection; a bad or expired one of a subscription ends that.
2. Until a token must be renewed and a grace on top of it, nothing is closed.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from edge.auth import Auth
from edge.client_context import context_of
from edge.dispatch import App
from edge.session import Phase, Session
from hubbub import VERSION
from hubbub.base.errors import (
    CONNECTION_EXPIRED,
    INVALID_TOKEN,
    PERMISSION_DENIED,
    SUBSCRIPTION_EXPIRED,
    TOKEN_EXPIRED,
    Rejected,
    RemoteProtocolError,
)
from hubbub.base.units import SECOND_MS
from hubbub.wire import client_shapes as shapes


class Refreshing:
    """Answers both commands. Args: expiry: when (monotonic ms) what lives so long must be over.
    set_guest: a session's user is a guest from now on, or is none."""

    def __init__(
        self,
        auth: Auth,
        now_ms: Callable[[], int],
        wall_ms: Callable[[], int],
        expiry: Callable[[int], int],
        set_guest: Callable[[Session, App, bool], None],
    ) -> None:
        self._auth = auth
        self._now_ms = now_ms
        self._wall_ms = wall_ms
        self._expiry = expiry
        self._set_guest = set_guest

    def refresh(self, session: Session, command: shapes.Refresh) -> None:
        """A new connection token. Raises RemoteProtocolError."""
        try:
            identity = self._auth.connection(command.token)
        except Rejected:  # also: excluded, and then told so when it comes back
            raise RemoteProtocolError(CONNECTION_EXPIRED) from None
        if (identity.app, identity.user) != (session.app, session.user):
            raise RemoteProtocolError(INVALID_TOKEN)
        context = context_of(session)
        expires_in = identity.expires_ms - self._wall_ms() if identity.expires_ms else 0
        if identity.expires_ms and expires_in <= 0:
            raise RemoteProtocolError(CONNECTION_EXPIRED)
        context.issued_ms, context.jti = identity.issued_ms, identity.jti
        context.secret = identity.secret
        context.viewer = replace(context.viewer, guest=identity.guest)  # he may be a full user now
        self._set_guest(session, context.app, identity.guest)
        session.refreshed(now_ms=self._now_ms(), expires_in_ms=expires_in)
        session.reply(
            session.encoding.reply_refresh(
                command.id,
                client=session.client,
                version=VERSION,
                expires=expires_in > 0,
                ttl=-(-expires_in // SECOND_MS),
            )
        )

    def sub_refresh(self, session: Session, command: shapes.SubRefresh) -> None:
        """A new subscription token. Raises Rejected, RemoteProtocolError."""
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
                command.id, expires=ttl_ms > 0, ttl=-(-ttl_ms // SECOND_MS)
            )
        )
