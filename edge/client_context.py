"""What the edge keeps for a session beside its protocol state. Pure."""

from __future__ import annotations

from collections.abc import Callable

from edge.auth import Identity
from edge.blocking import Blocked
from edge.dispatch import App
from edge.heads import HeadsOf
from edge.limits import ConnectionLimits
from edge.session import Session
from edge.watching import Screen
from hubbub.base.errors import BAD_PROTOCOL, Rejected, RemoteProtocolError
from hubbub.wire.codec import with_details
from hubbub.wire.shapes import Viewer


class ClientContext:
    """Who a session is, and what it may still do.

    Args: in_flight_max: commands that wait for an answer; at it, no more are read.
    """

    __slots__ = (
        "_in_flight_max",
        "_postponed",
        "app",
        "blocks_missed",
        "device",
        "figures_missed",
        "heads",
        "in_flight",
        "issued_ms",
        "jti",
        "limits",
        "screen",
        "secret",
        "session",
        "session_info",
        "viewer",
    )

    def __init__(
        self, session: Session, app: App, identity: Identity, viewer: Viewer, in_flight_max: int
    ) -> None:
        self.session = session
        self.app = app
        self.viewer = viewer
        self.issued_ms = identity.issued_ms
        self.jti = identity.jti
        self.secret = identity.secret
        self.device = ""  # as the connection says
        self.session_info = b""  # what the user's own devices see of it (JSON)
        # Changes of whom the user blocks that came before the leader's answer. None: it is here.
        self.blocks_missed: list[str] | None = []
        # Channels whose figures changed while the answer that tells them was on its way.
        self.figures_missed: dict[str, None] = {}
        self.limits = ConnectionLimits()
        self.heads: UserHeads | None = None
        self.screen: Screen | None = None  # the users whom it watches
        self._postponed: list[Callable[[], None]] | None = []  # None: the connect is answered
        self.in_flight = 0
        self._in_flight_max = in_flight_max

    def once_answered(self, step: Callable[[], None]) -> None:
        """Do it when the connect is answered; now, if it is."""
        if self._postponed is None:
            step()
        else:
            self._postponed.append(step)

    def answer_given(self) -> list[Callable[[], None]]:
        """The connect is answered: what waited for that."""
        postponed, self._postponed = self._postponed, None
        return postponed or []

    def wait(self) -> None:
        """One more command waits for its answer."""
        self.in_flight += 1
        if self.in_flight >= self._in_flight_max:  # again if a drained transport resumed
            self.session.outgoing.connection.pause_reading()

    def answered(self) -> None:
        """One of them was answered."""
        self.in_flight -= 1
        outgoing = self.session.outgoing
        if self.in_flight == self._in_flight_max - 1 and not outgoing.is_blocked:
            outgoing.connection.resume_reading()


class UserHeads:
    """A session as heads see it."""

    __slots__ = ("_session", "app", "of", "push_heads", "user")

    def __init__(self, session: Session, push: Callable[[bytes], None]) -> None:
        self._session = session
        self.app = session.app
        self.user = session.user
        self.push_heads = push
        self.of: HeadsOf | None = None

    @property
    def blocked(self) -> Blocked:
        """Whom the user does not want to hear of."""
        return self._session.blocked


def context_of(session: Session) -> ClientContext:
    """The context of a session that has signed in. Raises RemoteProtocolError before that."""
    context = session.context
    if not isinstance(context, ClientContext):
        raise RemoteProtocolError(BAD_PROTOCOL)
    return context


def refusal_text(refusal: Rejected) -> str:
    """As Session.reply_rejected writes it."""
    return with_details(f"{refusal.error.name}: {refusal.text}", refusal.details)
