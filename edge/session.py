"""The client protocol's state machine of one connection. Pure.

Rules:
1. Every change of state is a row of TRANSITIONS and goes through `_enter`.
2. This file does not know sockets, tokens, rights or what a channel holds: commands go out typed
   and checked, answers come in as values, encoded bytes go to the Outgoing in the right order.
3. The first command is `connect`; what follows it waits here until it is answered. After a refusal
   the rest of what was sent is swallowed, and any later command closes the connection.
4. A subscribe reply precedes every push of its channel: pushes are held until `subscribed`, then
   released in order, without those that the reply holds already.
5. Time is passed in, in monotonic ms. `deadline_ms` says when `tick` must be called; pings are sent
   whatever else is sent, since some SDKs listen to nothing else.
6. A peer's illegal input raises RemoteProtocolError, ours LocalProtocolError; both are handled by
   the host (`close`), never here.

Long because session, subscriptions and deadlines are one state: whoever changes one must
see the others.

Source: Centrifuge client protocol v2 (commands, ordering, liveness, expiry).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final, Protocol

from msgspec import structs

from edge.blocking import NOBODY, Blocked
from edge.connection import Peer
from edge.outgoing import Outgoing
from edge.timers import Timers
from edge.variants import Variant
from hubbub.base.errors import (
    ALREADY_SUBSCRIBED,
    BAD_PROTOCOL,
    CONNECTION_EXPIRED,
    INSUFFICIENT_STATE,
    INTERNAL,
    LIMIT_EXCEEDED,
    NO_PONG,
    PERMISSION_DENIED,
    STALE,
    SUBSCRIPTION_EXPIRED,
    UNSUBSCRIBED_INSUFFICIENT,
    CloseCode,
    ErrorCode,
    LocalProtocolError,
    Rejected,
    RemoteProtocolError,
)
from hubbub.base.units import MIB, SECOND_MS
from hubbub.wire import client_shapes as shapes
from hubbub.wire.client_shapes import Command, ConnectResult, Encoding, SubscribeResult
from hubbub.wire.codec import with_details
from hubbub.wire.shapes import Json

# While a subscribe is answered (4 s at most). Beyond it the client is told to subscribe again.
HELD_PUSHES_MAX: Final = 4_096
HELD_BYTES_MAX: Final = 1 * MIB
# Sent behind a connect that is not answered yet: a client resumes 1,000 channels in one frame.
DEFERRED_MAX: Final = 4_096


class State(Enum):
    """Where a session stands."""

    OPENED = "opened"  # nothing received yet
    CONNECTING = "connecting"  # `connect` is being answered
    CONNECTED = "connected"
    REFUSED = "refused"  # `connect` got an error reply: nothing more may come
    CLOSED = "closed"


_CONNECTED: Final = State.CONNECTED  # an enum's member costs ten times a global's look-up

TRANSITIONS: Final[dict[State, frozenset[State]]] = {
    State.OPENED: frozenset({State.CONNECTING, State.CLOSED}),
    State.CONNECTING: frozenset({State.CONNECTED, State.REFUSED, State.CLOSED}),
    State.CONNECTED: frozenset({State.CLOSED}),
    State.REFUSED: frozenset({State.CLOSED}),
    State.CLOSED: frozenset(),
}


class Phase(Enum):
    """Where a subscription stands."""

    SUBSCRIBING = "subscribing"
    SUBSCRIBED = "subscribed"
    ENDED = "ended"


class SessionSettings:
    """What all sessions of an edge share.

    Args: timers: the process' wheel. on_ended: a subscription is over and must leave the hub;
    called once for each that was begun, also when its session closes.
    """

    __slots__ = (
        "channels_max",
        "connect_deadline_ms",
        "on_ended",
        "ping_interval_ms",
        "pong_timeout_ms",
        "timers",
        "token_grace_ms",
    )

    def __init__(
        self,
        *,
        timers: Timers[Session],
        on_ended: Callable[[Subscription], None],
        ping_interval_ms: int = 25 * SECOND_MS,
        pong_timeout_ms: int = 8 * SECOND_MS,
        connect_deadline_ms: int = 10 * SECOND_MS,
        token_grace_ms: int = 25 * SECOND_MS,
        channels_max: int = 1_000,
    ) -> None:
        self.timers = timers
        self.on_ended = on_ended
        self.ping_interval_ms = ping_interval_ms
        self.pong_timeout_ms = min(pong_timeout_ms, ping_interval_ms)
        self.connect_deadline_ms = connect_deadline_ms
        self.token_grace_ms = token_grace_ms
        self.channels_max = channels_max


class Subscription:
    """One channel of one session: the hub's Member."""

    __slots__ = (
        "_held",
        "_held_bytes",
        "channel",
        "command_id",
        "expires_ms",
        "held_ref_seq",
        "history_from",
        "is_server_side",
        "outgoing",
        "phase",
        "session",
        "variant",
    )

    def __init__(self, session: Session, channel: str, variant: Variant, command_id: int) -> None:
        self.session = session
        self.outgoing = session.outgoing
        self.channel = channel
        self.variant = variant
        self.command_id = command_id  # of the subscribe that is being answered
        self.is_server_side = not command_id
        self.phase = Phase.SUBSCRIBING
        self.expires_ms = 0
        self.history_from = 0  # a change of a message before it is hidden
        self.held_ref_seq = 0  # of the oldest message that something held is a change of
        self._held: list[tuple[int, bytes]] | None = None
        self._held_bytes = 0

    @property
    def user(self) -> str:
        """Whose it is."""
        return self.session.user

    def hold(self, message: bytes, seq: int, ref_seq: int = 0) -> None:
        """A push that came while the subscribe is being answered; seq 0: without offset."""
        if self.phase is not Phase.SUBSCRIBING:
            return
        if ref_seq:
            self.held_ref_seq = min(self.held_ref_seq or ref_seq, ref_seq)
        if self._held is None:
            self._held = []
        self._held_bytes += len(message)
        self._held.append((seq, message))
        if self._held_bytes > HELD_BYTES_MAX or len(self._held) > HELD_PUSHES_MAX:
            self._held = []
            self._held_bytes = HELD_BYTES_MAX  # whatever comes next is over it, too

    @property
    def is_overrun(self) -> bool:
        """More came than may be held: the position is lost."""
        return self._held_bytes >= HELD_BYTES_MAX

    @property
    def holds(self) -> bool:
        """Something came while the subscribe is being answered."""
        return bool(self._held)

    def end(self, close: CloseCode) -> None:
        """The server ends it. Idempotent."""
        self.session.end(self, close)

    def release(self, top: int) -> None:
        """Send what was held and is not known yet. Order: by arrival, offsets only upwards."""
        held, self._held = self._held, None
        for seq, message in held or ():
            if not seq:
                self.outgoing.push_signal(message)
            elif seq > top:
                top = seq
                self.outgoing.push(message)


class Session:
    """One connection's state. Created OPENED, with its connect deadline running."""

    __slots__ = (
        "_deferred",
        "_expires_ms",
        "_nearest_ms",
        "_ping_ms",
        "_pong_by_ms",
        "_settings",
        "app",
        "blocked",
        "client",
        "context",
        "deadline_ms",
        "guest",
        "outgoing",
        "peer",
        "state",
        "subscriptions",
        "turn",
        "user",
    )

    def __init__(
        self, outgoing: Outgoing, peer: Peer, settings: SessionSettings, now_ms: int
    ) -> None:
        self.outgoing = outgoing
        self.peer = peer
        self.state = State.OPENED
        self.app = ""
        self.user = ""
        self.client = ""
        self.blocked: Blocked = NOBODY  # whom the user does not want to hear of
        self.guest = False  # its token says so
        self.context: object = None  # the host's: limits, viewer, token claims
        self.subscriptions: dict[str, Subscription] = {}
        self.turn = 0
        self._settings = settings
        self._deferred: list[Command] | None = None
        self._ping_ms = 0
        self._pong_by_ms = 0
        self._expires_ms = 0
        self._nearest_ms = 0  # when the next subscription expires; may be too early, never late
        self.deadline_ms = now_ms + settings.connect_deadline_ms
        settings.timers.schedule(self)

    @property
    def encoding(self) -> Encoding:
        """How this client writes."""
        return self.peer.encoding

    @property
    def is_connected(self) -> bool:
        """The connect was answered, and nobody closed yet."""
        return self.state is _CONNECTED

    # --- input

    def receive(self, frame: bytes) -> list[Command]:
        """The commands of a frame that are to be answered now, in order.

        Raises RemoteProtocolError with the close code for whatever the protocol forbids.
        """
        if self.state is _CONNECTED:
            commands = self.peer.encoding.decode(frame)
            return [c for c in commands if type(c) is shapes.Rpc or self._check(c)]
        if self.state in (State.REFUSED, State.CLOSED):
            raise RemoteProtocolError(BAD_PROTOCOL, "the connection is over")
        commands = self.peer.encoding.decode(frame)
        if self.state is State.OPENED:
            first, *commands = commands
            if not isinstance(first, shapes.Connect):
                raise RemoteProtocolError(BAD_PROTOCOL, "the first command must be connect")
            self._enter(State.CONNECTING)
            self.deadline_ms += self._settings.connect_deadline_ms  # now it is ours to answer
            self._defer(commands)
            return [first]
        self._defer(commands)
        return []

    def _defer(self, commands: list[Command]) -> None:
        if commands:
            self._deferred = [*(self._deferred or ()), *filter(self._check, commands)]
            if len(self._deferred) > DEFERRED_MAX:
                raise RemoteProtocolError(BAD_PROTOCOL, "too many commands before connect")

    def _check(self, command: Command) -> bool:
        """Whether somebody must answer it. Raises RemoteProtocolError for what is never right."""
        match command:
            case shapes.Pong():
                if not self._pong_by_ms:
                    raise RemoteProtocolError(BAD_PROTOCOL, "a pong that was not asked for")
                self._pong_by_ms = 0
                self._plan()
                return False
            case shapes.Connect():
                raise RemoteProtocolError(BAD_PROTOCOL, "a second connect")
            case shapes.Subscribe(delta=delta) if delta not in ("", "fossil"):
                raise RemoteProtocolError(BAD_PROTOCOL, "unknown delta")
            case shapes.Publish(data=b""):
                raise RemoteProtocolError(BAD_PROTOCOL, "data is needed")
            case shapes.Refresh(token="") | shapes.SubRefresh(token=""):
                raise RemoteProtocolError(BAD_PROTOCOL, "a token is needed")
        if getattr(command, "channel", None) == "":
            raise RemoteProtocolError(BAD_PROTOCOL, "a channel is needed")
        return True

    # --- connect

    def identify(self, app: str, user: str, client: str) -> None:
        """Who it is, before anything is asked in its name."""
        if self.state is not State.CONNECTING:
            raise LocalProtocolError("identified twice or too late")
        self.app = app
        self.user = user
        self.client = client

    def connected(
        self, id: int, result: ConnectResult, *, now_ms: int, random: float, expires_in_ms: int = 0
    ) -> list[Command]:
        """Answer the connect, then release its server-side subscriptions.

        Args: random: 0..1, spreads the first ping. expires_in_ms: until the token must be
        refreshed, 0 = never (the grace is added here). `ping`, `pong`, `session` and `node` of the
        result are set here.
        Returns the commands that waited behind the connect; a closed session answers with none.
        """
        if self.state is State.CLOSED:
            return []
        self._enter(State.CONNECTED)
        interval_ms = self._settings.ping_interval_ms
        pongs = self.peer.application_pings
        ping_s = max(1, round(interval_ms / SECOND_MS)) if pongs else 0
        peer = self.peer
        answer = structs.replace(
            result, ping=ping_s, pong=pongs, session=peer.session_id, node=peer.node
        )
        self.reply(self.encoding.reply_connect(id, answer))
        self._ping_ms = now_ms + int(interval_ms * (0.5 + random / 2))
        self.refreshed(now_ms=now_ms, expires_in_ms=expires_in_ms)
        for subscription in list(self.subscriptions.values()):
            sub_result = result.subs.get(subscription.channel)
            if subscription.is_server_side and sub_result is not None:
                self._admit(subscription, sub_result)
        deferred, self._deferred = self._deferred, None
        return deferred or []

    def take_ahead(self) -> list[shapes.Subscribe]:
        """The subscribes right behind the connect: they may be asked for before it is answered."""
        ahead = []
        for command in self._deferred or ():
            if not isinstance(command, shapes.Subscribe):
                break
            ahead.append(command)
        if ahead and self._deferred:
            del self._deferred[: len(ahead)]
        return ahead

    def refuse(self, id: int, error: ErrorCode, message: str) -> None:
        """Answer the connect with an error; the client must come back on another connection."""
        if self.state is State.CLOSED:
            return
        self._enter(State.REFUSED)
        self._deferred = None
        self.reply_error(id, error, message)
        for subscription in list(self.subscriptions.values()):
            self._drop(subscription)

    def refreshed(self, *, now_ms: int, expires_in_ms: int) -> None:
        """A token was accepted: the session lives so long (0 = for ever) plus the grace."""
        grace_ms = self._settings.token_grace_ms
        self._expires_ms = now_ms + expires_in_ms + grace_ms if expires_in_ms else 0
        self._plan()

    # --- subscriptions

    def begin(self, command: shapes.Subscribe, variant: Variant) -> Subscription:
        """A client-side subscription begins: join the hub with it, then `subscribed`.

        Raises Rejected: already subscribed, or too many channels.
        """
        return self._begin(command.channel, variant, command.id)

    def begin_server_side(self, channel: str, variant: Variant) -> Subscription:
        """A server-side subscription begins; `connected` or `subscribed_by_server` admits it."""
        return self._begin(channel, variant, 0)

    def subscribed(
        self, subscription: Subscription, result: SubscribeResult, *, expires_ms: int = 0
    ) -> bool:
        """Answer the subscribe and release what was held. `expires_ms`: monotonic, 0 = never.

        False if it ended meanwhile: the hub must not admit it.
        """
        if subscription.phase is not Phase.SUBSCRIBING or self.state is not State.CONNECTED:
            return False
        self.reply(self.encoding.reply_subscribe(subscription.command_id, result))
        self.subscription_refreshed(subscription, expires_ms)
        return self._admit(subscription, result)

    def subscribed_by_server(self, subscription: Subscription, result: SubscribeResult) -> bool:
        """Tell a connected client of a new server-side subscription; False if it ended."""
        if subscription.phase is not Phase.SUBSCRIBING or self.state is not State.CONNECTED:
            return False
        self.reply(self.encoding.push_subscribe(subscription.channel, result))
        return self._admit(subscription, result)

    def subscribe_failed(
        self, subscription: Subscription, error: ErrorCode, message: str = ""
    ) -> None:
        """Answer the subscribe with an error."""
        if subscription.phase is Phase.SUBSCRIBING:
            self._drop(subscription)
            self.reply_error(subscription.command_id, error, message)

    def subscription_refreshed(self, subscription: Subscription, expires_ms: int) -> None:
        """A subscription's token holds until then (monotonic ms, grace included; 0 = for ever)."""
        subscription.expires_ms = expires_ms
        if expires_ms and (not self._nearest_ms or expires_ms < self._nearest_ms):
            self._nearest_ms = expires_ms
            self._plan()

    def unsubscribe(self, command: shapes.Unsubscribe) -> None:
        """The client leaves: always answered, also if it was not subscribed. A subscribe that he
        does not wait for is answered, too, with what an SDK that began anew may survive."""
        subscription = self.subscriptions.get(command.channel)
        if subscription is not None and not subscription.is_server_side:
            if subscription.phase is Phase.SUBSCRIBING:
                text = f"{INTERNAL.name}: unsubscribed before it was answered"
                self.reply_error(subscription.command_id, INTERNAL, text)
            self._drop(subscription)
        self.reply(self.encoding.reply_unsubscribe(command.id))

    def end(self, subscription: Subscription, close: CloseCode) -> None:
        """The server ends a subscription; one that stood behind a lost position closes all."""
        if subscription.phase is Phase.ENDED:
            return
        if subscription.is_server_side and close is UNSUBSCRIBED_INSUFFICIENT:
            self.close(INSUFFICIENT_STATE)
            return
        was_subscribing = subscription.phase is Phase.SUBSCRIBING
        self._drop(subscription)
        if not was_subscribing:
            self.outgoing.reply(
                self.encoding.push_unsubscribe(subscription.channel, close.code, close.reason)
            )
        elif subscription.command_id:
            error = INTERNAL if close.code >= UNSUBSCRIBED_INSUFFICIENT.code else PERMISSION_DENIED
            self.reply_error(subscription.command_id, error, error.text)

    # --- output

    def reply(self, message: bytes) -> None:
        """A message from this session's encoding, in its turn."""
        self.outgoing.reply(message)

    def reply_rpc(self, id: int, data: Json) -> None:
        """The answer to an rpc."""
        self.outgoing.reply(self.peer.encoding.reply_rpc(id, data))

    def reply_error(self, id: int, error: ErrorCode, message: str = "") -> None:
        """A refusal."""
        self.outgoing.reply(
            self.encoding.reply_error(id, error.code, message or error.text, error.temporary)
        )

    def reply_rejected(self, id: int, rejected: Rejected) -> None:
        """A refusal as clients see it: `name: text` and one JSON object of details."""
        text = with_details(f"{rejected.error.name}: {rejected.text}", rejected.details)
        self.reply_error(id, rejected.error, text)

    def close(self, close: CloseCode) -> None:
        """Say why and end. Idempotent; subscriptions end with it."""
        if self.state is State.CLOSED:
            return
        self.ended()
        self.outgoing.close(close)

    def ended(self) -> None:
        """The connection is gone: nothing can be said any more. Idempotent."""
        if self.state is State.CLOSED:
            return
        self._enter(State.CLOSED)
        self.deadline_ms = 0
        self._deferred = None
        for subscription in list(self.subscriptions.values()):
            self._drop(subscription)

    # --- time

    def tick(self, now_ms: int) -> None:
        """Do what is due: ping, or end what is stale or expired."""
        if self.state is State.CLOSED or now_ms < self.deadline_ms:
            return
        if self.state is not State.CONNECTED:
            self.close(STALE)
        elif self._pong_by_ms and now_ms >= self._pong_by_ms:
            self.close(NO_PONG)
        elif self._expires_ms and now_ms >= self._expires_ms:
            self.close(CONNECTION_EXPIRED)
        else:
            if self._nearest_ms and now_ms >= self._nearest_ms:
                self._expire(now_ms)
            if now_ms >= self._ping_ms:
                self._ping(now_ms)
            self._plan()

    def _ping(self, now_ms: int) -> None:
        self._ping_ms = now_ms + self._settings.ping_interval_ms
        if self.peer.application_pings:
            self._pong_by_ms = now_ms + self._settings.pong_timeout_ms
            self.reply(self.encoding.ping)
        else:
            self.outgoing.heartbeat()

    def _expire(self, now_ms: int) -> None:
        for subscription in list(self.subscriptions.values()):
            if subscription.expires_ms and now_ms >= subscription.expires_ms:
                self.end(subscription, SUBSCRIPTION_EXPIRED)
        left = [sub.expires_ms for sub in self.subscriptions.values() if sub.expires_ms]
        self._nearest_ms = min(left, default=0)

    def _plan(self) -> None:
        """Set the next deadline."""
        if self.state is not State.CONNECTED:
            return
        due = self._ping_ms
        if self._pong_by_ms and self._pong_by_ms < due:
            due = self._pong_by_ms
        if self._expires_ms and self._expires_ms < due:
            due = self._expires_ms
        if self._nearest_ms and self._nearest_ms < due:
            due = self._nearest_ms
        self.deadline_ms = due
        self._settings.timers.schedule(self)

    # --- inside

    def _enter(self, state: State) -> None:
        if state not in TRANSITIONS[self.state]:
            raise LocalProtocolError(f"{self.state.value} → {state.value}")
        self.state = state

    def _begin(self, channel: str, variant: Variant, command_id: int) -> Subscription:
        if self.state not in (State.CONNECTING, State.CONNECTED):
            raise LocalProtocolError("subscribing without a connection")
        if channel in self.subscriptions:
            raise Rejected(ALREADY_SUBSCRIBED)
        if len(self.subscriptions) >= self._settings.channels_max:
            raise Rejected(LIMIT_EXCEEDED, "too many channels on one connection")
        subscription = Subscription(self, channel, variant, command_id)
        self.subscriptions[channel] = subscription
        return subscription

    def _admit(self, subscription: Subscription, result: SubscribeResult) -> bool:
        """From here on it gets live pushes; False if too much came meanwhile."""
        overrun = subscription.is_overrun
        subscription.phase = Phase.SUBSCRIBED
        if overrun:
            self.end(subscription, UNSUBSCRIBED_INSUFFICIENT)
            return False
        last = result.publications[-1].offset if result.publications else 0
        subscription.release(max(result.offset, last))
        return True

    def _drop(self, subscription: Subscription) -> None:
        subscription.phase = Phase.ENDED
        self.subscriptions.pop(subscription.channel, None)
        self._settings.on_ended(subscription)


class SessionHost(Protocol):
    """Who gives sessions their meaning: authenticates, dispatches, cleans up. `closed` is called
    exactly once for every opened session, whoever ended it."""

    def open(self, outgoing: Outgoing, peer: Peer) -> Session | None:
        """A client came; None refuses it (too many connections)."""
        ...

    def frame(self, session: Session, data: bytes) -> None:
        """Bytes from the client: one or more commands. Never raises."""
        ...

    def closed(self, session: Session) -> None:
        """The connection is gone."""
        ...
