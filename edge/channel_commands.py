"""Commands of a client on a channel, apart from subscribing: publish, presence, history. Pure.

Rules:
1. What a raw channel's namespace grants to `subscribers` is checked here, since only the edge knows
   who is subscribed; everything else is decided at the log.
2. Chat channels are read by their subscribers, and written by rpc alone. Of who is in one a
   subscriber sees what `presence.get` would tell him of the same users.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from edge.blocking import scrub
from edge.client_context import context_of
from edge.dispatch import App, Dispatch, Reply
from edge.session import Phase, Session
from hubbub.base.errors import NOT_AVAILABLE, PERMISSION_DENIED, UNKNOWN_CHANNEL, Rejected
from hubbub.base.names import StreamKind, check_channel, check_user
from hubbub.features.contract import QueryCall, namespace_for, stream_kind
from hubbub.settings.app import Access, Namespace
from hubbub.wire import client_shapes as shapes
from hubbub.wire.client_shapes import Publication
from hubbub.wire.codec import decode_json, dump_json, encode_json
from hubbub.wire.reads import (
    STREAM_HISTORY,
    STREAM_PRESENCE,
    STREAM_PRESENCE_STATS,
    PresenceCounts,
    PresenceMap,
    Since,
    StreamAsk,
    StreamHistory,
    StreamPage,
)

Guarded = Callable[[Session, Callable[[], None]], None]


class _Client(Struct, frozen=True):
    user: str = ""


class ChannelCommands:
    """Args: guarded: runs a step whose failure costs its session only."""

    def __init__(self, dispatch: Dispatch, now_ms: Callable[[], int], guarded: Guarded) -> None:
        self._dispatch = dispatch
        self._now_ms = now_ms
        self._guarded = guarded

    def check_known(self, channel: str, app: App) -> None:
        """Whether there can be such a channel. Raises Rejected."""
        if stream_kind(channel, app.settings) is StreamKind.RAW:
            if namespace_for(channel, app.settings) is None:
                raise Rejected(UNKNOWN_CHANNEL)
        elif channel[0] == "#":
            check_user(channel[1:])

    def _namespace(
        self, session: Session, channel: str, right: Callable[[Namespace], Access]
    ) -> Namespace | None:
        """The raw namespace, after a check of the right; None for a chat channel (members only,
        which the log decides; here: subscribers). Raises Rejected."""
        context = context_of(session)
        check_channel(channel)
        self.check_known(channel, context.app)
        space = namespace_for(channel, context.app.settings)
        if space is None:
            is_allowed = channel in session.subscriptions  # sent behind the subscribe will do
        else:
            who = right(space)
            is_allowed = who == "everyone" or (
                who == "subscribers" and self._is_in(session, channel)
            )
        if not is_allowed:
            raise Rejected(PERMISSION_DENIED)
        return space

    def _is_in(self, session: Session, channel: str) -> bool:
        subscription = session.subscriptions.get(channel)
        return subscription is not None and subscription.phase is Phase.SUBSCRIBED

    def publish(self, session: Session, command: shapes.Publish) -> None:
        """Publish to a raw channel."""
        context = context_of(session)
        context.limits.command(context.app.settings, self._now_ms())
        if command.kind:
            raise Rejected(NOT_AVAILABLE, "no map channels")
        if self._namespace(session, command.channel, lambda s: s.publish) is None:
            raise Rejected(PERMISSION_DENIED, "chat channels take message.send")
        params = b'{"channel":' + dump_json(command.channel) + b',"data":' + command.data + b"}"
        context.wait()

        def reply(refusal: Rejected | None, _: bytes) -> None:
            context.answered()
            if refusal is None:
                session.reply(session.encoding.reply_publish(command.id))
            else:
                session.reply_rejected(command.id, refusal)

        self._dispatch.verb("event.publish", params, context.app, context.viewer, reply)

    def _query(
        self,
        session: Session,
        id: int,
        call: QueryCall,
        answered: Callable[[bytes], None],
    ) -> None:
        context = context_of(session)
        reply = self._reply(session, id, answered)
        self._dispatch.turned(call, context.app, context.viewer, reply)

    def _reply(self, session: Session, id: int, answered: Callable[[bytes], None]) -> Reply:
        """What is asked from now on is waited for until this is called."""
        context = context_of(session)
        context.wait()

        def reply(refusal: Rejected | None, data: bytes) -> None:
            context.answered()
            if refusal is None:
                self._guarded(session, lambda: answered(data))
            else:
                session.reply_rejected(id, refusal)

        return reply

    def _is_chat(self, session: Session, channel: str) -> bool:
        settings = context_of(session).app.settings
        return stream_kind(channel, settings) is StreamKind.CHANNEL

    def _clients(
        self, session: Session, id: int, channel: str, answered: Callable[[bytes], None]
    ) -> None:
        context = context_of(session)
        reply = self._reply(session, id, answered)
        try:
            self._dispatch.clients(channel, context.app, context.viewer, reply)
        except Rejected as refusal:
            reply(refusal, b"")

    def presence(self, session: Session, command: shapes.PresenceList) -> None:
        """Who is in a channel."""
        self._namespace(session, command.channel, lambda s: s.presence)

        def answered(data: bytes) -> None:
            found = decode_json(data, PresenceMap).presence
            clients = {client: bytes(info) for client, info in found.items()}
            session.reply(session.encoding.reply_presence(command.id, clients))

        if self._is_chat(session, command.channel):
            self._clients(session, command.id, command.channel, answered)
            return
        call = QueryCall(
            command.channel,
            STREAM_PRESENCE,
            StreamAsk(subscribed=self._is_in(session, command.channel)),
        )
        self._query(session, command.id, call, answered)

    def presence_stats(self, session: Session, command: shapes.PresenceStats) -> None:
        """How many are in a channel."""
        self._namespace(session, command.channel, lambda s: s.presence)

        def listed(data: bytes) -> None:
            rows = decode_json(data, PresenceMap).presence.values()
            users = {decode_json(bytes(info), _Client).user for info in rows}
            answered(encode_json(PresenceCounts(len(rows), len(users))))

        def answered(data: bytes) -> None:
            counts = decode_json(data, PresenceCounts)
            session.reply(
                session.encoding.reply_presence_stats(
                    command.id, counts.num_clients, counts.num_users
                )
            )

        if self._is_chat(session, command.channel):
            self._clients(session, command.id, command.channel, listed)
            return
        call = QueryCall(
            command.channel,
            STREAM_PRESENCE_STATS,
            StreamAsk(subscribed=self._is_in(session, command.channel)),
        )
        self._query(session, command.id, call, answered)

    def history(self, session: Session, command: shapes.History) -> None:
        """Events of a channel, as they were published; of a chat channel, without those whom the
        user blocks."""
        space = self._namespace(session, command.channel, lambda s: s.history)

        def hide(data: bytes) -> bytes:
            is_whole = space is not None or not session.blocked
            return data if is_whole else scrub(data, session.blocked)

        def answered(data: bytes) -> None:
            page = decode_json(data, StreamPage)
            publications = [
                Publication(hide(bytes(p.data)), p.offset, bytes(p.info), time=p.time)
                for p in page.publications
            ]
            session.reply(
                session.encoding.reply_history(command.id, publications, page.offset, page.epoch)
            )

        since = Since(command.since.offset, command.since.epoch) if command.since else None
        args = StreamHistory(
            limit=command.limit,
            since=since,
            reverse=command.reverse,
            subscribed=self._is_in(session, command.channel),
        )
        self._query(session, command.id, QueryCall(command.channel, STREAM_HISTORY, args), answered)
