"""How a session gets into a channel and out of it: rights and position from the leader, then the
hub.

Rules:
1. The hub is joined before the leader is asked, so that nothing is missed in between.
2. One SUBSCRIBE carries rights, position, missed events and snapshot. A temporary failure is error
   100 of that subscription alone.
3. Recovery is all or nothing, within the budget of the connection; beyond it `recovered: false` (or
   error 112 where the client asks for that), and the client reads pages.
4. Whoever leaves a channel with presence is reported to its leader.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from edge.blocking import Blocked
from edge.dispatch import App, refusal_of
from edge.hub import Channel, Hub
from edge.pushes import PushEncoder
from edge.session import Phase, Session, Subscription
from edge.variants import DELTA_FRESH, DELTA_OFF, PLAIN, Variant
from hubbub.base.errors import INTERNAL, UNRECOVERABLE_POSITION, Rejected
from hubbub.base.names import StreamKind
from hubbub.features.contract import namespace_for, stream_kind
from hubbub.wire.client_shapes import (
    FLAG_COMPACTION,
    FLAG_REJECT_UNRECOVERED,
    SubscribeResult,
)
from hubbub.wire.codec import decode_pack, encode_pack
from hubbub.wire.event import decode_event_body
from hubbub.wire.shapes import Kind, Presence, Status, Subscribe, Subscribed, Viewer

Request = Callable[[Kind, str, str, bytes, Callable[[Status, bytes], None]], None]


class Position(Struct, frozen=True):
    """What a client says of itself when it subscribes. `flag`: the protocol's bit mask."""

    recover: bool = False
    offset: int = 0
    epoch: str = ""
    delta: bool = False
    flag: int = 0
    data: bytes = b""
    token: bool = False  # a subscription token for this channel was verified
    heads: int = 0  # of his own stream: how many of his channels' heads are wanted with it


# What the leader answered, once the hub admits; or why not. Whoever is told writes the reply and
# then calls `enter`: from there on the subscription gets live pushes.
Enter = Callable[[], None]
Admitted = Callable[[Subscribed, SubscribeResult, Enter], None]
Failed = Callable[[Rejected], None]


def at_once(step: Callable[[], None]) -> None:
    """Nothing to wait for."""
    step()


class Subscribing:
    """Subscribes sessions. `process` is this edge's `name.boot_id`."""

    def __init__(
        self, hub: Hub, encoder: PushEncoder, request: Request, process: str, budget_bytes: int
    ) -> None:
        self._hub = hub
        self._encoder = encoder
        self._request = request
        self._process = process
        self._budget_bytes = budget_bytes

    def variant(self, session: Session, app: App, channel: str, position: Position) -> Variant:
        """How this subscriber's pushes are written. Compaction and deltas are for raw channels.

        Compaction is for JSON alone: the JavaScript SDK (5.8.0) compares numeric channels by
        identity, and its Protobuf decoder makes an object of each where long.js is loaded.
        Opens the channel for its number: `start` must follow.
        """
        space = namespace_for(channel, app.settings)
        if space is None:
            return PLAIN[session.encoding.name]._replace(
                blocked=session.blocked, guest=session.guest
            )
        delta = DELTA_FRESH if space.delta and position.delta else DELTA_OFF
        compact = 0
        wants = position.flag & FLAG_COMPACTION and not session.encoding.is_binary
        if space.compaction and wants:
            compact = self._hub.compact_id(self._hub.open((app.name, channel)))
        return Variant(session.encoding.name, compact, delta)

    def block(self, session: Session, app: App, blocked: Blocked) -> None:
        """From now on its user does not hear of these (raw channels apart)."""
        session.blocked = blocked
        self._hear(session, app)

    def set_guest(self, session: Session, app: App, guest: bool) -> None:
        """From now on its user is a guest, or is none."""
        if session.guest is not guest:
            session.guest = guest
            self._hear(session, app)

    def _hear(self, session: Session, app: App) -> None:
        """Its pushes become what its user may and wants to hear."""
        for subscription in session.subscriptions.values():
            if subscription.phase is Phase.SUBSCRIBED and _hides(subscription, app):
                channel = self._hub.channels[(app.name, subscription.channel)]
                self._hub.change(channel, subscription, _heard(subscription))

    def start(
        self,
        subscription: Subscription,
        app: App,
        viewer: Viewer,
        position: Position,
        admitted: Admitted,
        failed: Failed,
        tell: Callable[[Callable[[], None]], None] = at_once,
    ) -> None:
        """Join and ask. `admitted(answer, result, enter)` or `failed(refusal)` follows.

        Neither is called for a subscription that ended meanwhile. tell(step): calls the step when
        the client may hear of the answer.
        """
        stream = (app.name, subscription.channel)
        channel = self._hub.join(stream, subscription)

        def done(status: Status, body: bytes) -> None:
            if subscription.phase is not Phase.SUBSCRIBING:
                is_back = subscription.channel in subscription.session.subscriptions
                if status is Status.OK and not is_back and decode_pack(body, Subscribed).presence:
                    self._gone(app.name, subscription.channel, viewer.client)
                return
            if status is not Status.OK:
                refused = status is Status.REJECTED
                refusal = refusal_of(status, body) if refused else Rejected(INTERNAL)
                tell(lambda: failed(refusal))
                return
            answer = decode_pack(body, Subscribed)
            channel.presence = answer.presence

            def enter() -> None:
                self._enter(channel, app, subscription, position, answer, admitted, failed)

            self._hub.answer(channel, answer.head, answer.epoch, lambda: tell(enter))

        body = Subscribe(
            viewer,
            self._process,
            recover=position.recover,
            offset=position.offset,
            epoch=position.epoch,
            args=position.data,
            token_channel=position.token,
            heads=position.heads,
        )
        self._request(Kind.SUBSCRIBE, *stream, encode_pack(body), done)

    def members_of(self, channel: Channel) -> list[Subscription]:
        """The sessions' subscriptions in a channel."""
        return [m for m in self._hub.members_of(channel) if isinstance(m, Subscription)]

    def left(self, subscription: Subscription) -> None:
        """A subscription ended: out of the hub, and out of the channel's presence."""
        session = subscription.session
        channel = self._hub.channels.get((session.app, subscription.channel))
        if channel is None:
            return
        if channel.presence and subscription.phase is Phase.ENDED:
            self._gone(session.app, subscription.channel, session.client)
        self._hub.leave(channel, subscription)

    def _enter(
        self,
        channel: Channel,
        app: App,
        subscription: Subscription,
        position: Position,
        answer: Subscribed,
        admitted: Admitted,
        failed: Failed,
    ) -> None:
        if subscription.phase is not Phase.SUBSCRIBING:
            return
        if answer.epoch != channel.epoch or answer.head < channel.started:
            failed(Rejected(INTERNAL, "the answer was overtaken"))
            return
        if not self._is_heard_right(subscription, app):
            failed(Rejected(INTERNAL, "whom the user blocks, or what he is, has changed"))
            return
        if 0 < subscription.held_ref_seq < answer.history_from:
            failed(Rejected(INTERNAL, "what is held changes what may not be read"))
            return
        subscription.history_from = answer.history_from
        recovered = answer.recovered and self._within_budget(subscription.session, answer)
        if position.recover and not recovered and position.flag & FLAG_REJECT_UNRECOVERED:
            failed(Rejected(UNRECOVERABLE_POSITION))
            return
        result = self._result(subscription.variant, position, answer, recovered)
        admitted(answer, result, lambda: self._hub.admitted(channel, subscription))

    def _is_heard_right(self, subscription: Subscription, app: App) -> bool:
        """Have it hear what its user wants; False: what it holds already is not that."""
        variant = _heard(subscription)
        if subscription.variant == variant or not _hides(subscription, app):
            return True
        subscription.variant = variant
        return not subscription.holds

    def _within_budget(self, session: Session, answer: Subscribed) -> bool:
        size = sum(map(len, answer.events))
        return not size or session.outgoing.outstanding_bytes + size <= self._budget_bytes

    def _result(
        self, variant: Variant, position: Position, answer: Subscribed, recovered: bool
    ) -> SubscribeResult:
        events = [decode_event_body(body) for body in answer.events] if recovered else []
        return SubscribeResult(
            recoverable=answer.recoverable,
            positioned=answer.positioned,
            epoch=answer.epoch if answer.positioned else "",
            offset=self._offset(position, answer, recovered),
            was_recovering=position.recover,
            recovered=recovered,
            publications=self._encoder.recovered(variant, events),
            data=answer.data,
            delta=variant.delta != DELTA_OFF,
            id=variant.compact_id,
        )

    def _offset(self, position: Position, answer: Subscribed, recovered: bool) -> int:
        """With `recovered` the SDK advances by the publications from its own offset."""
        return position.offset if recovered else answer.head

    def _gone(self, app: str, channel: str, client: str) -> None:
        body = encode_pack(Presence(self._process, (client,)))
        self._request(Kind.PRESENCE, app, channel, body, _ignore)


def _heard(subscription: Subscription) -> Variant:
    """Its variant, by what its session is now."""
    session = subscription.session
    return subscription.variant._replace(blocked=session.blocked, guest=session.guest)


def _hides(subscription: Subscription, app: App) -> bool:
    """Whether blocked users are hidden there: in a chat channel."""
    return stream_kind(subscription.channel, app.settings) is StreamKind.CHANNEL


def _ignore(_: Status, __: bytes) -> None:
    """A lost report is repaired by the next absolute one (HEADS)."""
