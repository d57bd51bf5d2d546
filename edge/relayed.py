"""What the links bring, handed to the parts it is for: the uplink's Events. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from edge.hub import Channel, Hub, Stream
from hubbub.base.errors import CloseCode
from hubbub.wire.codec import decode_json, decode_pack
from hubbub.wire.shapes import HeadAsk, HeadRow, SignalKind


class Streams(Protocol):
    """Who takes forwarded commands."""

    def deliver(self, session_id: str, data: bytes) -> bool: ...


class _Unsubscribe(msgspec.Struct, frozen=True):
    user: str
    code: int
    reason: str = ""


class Relayed:
    """Args: present: this edge's clients in a channel whose presence is kept. doubted: whoever
    follows the signals of a stream that was in doubt. number: of them, where only that is."""

    def __init__(
        self,
        hub: Hub,
        streams: Streams,
        present: Callable[[Channel], tuple[tuple[str, bytes], ...]],
        doubted: Callable[[Stream], None] = lambda _: None,
        number: Callable[[Channel], int | None] = lambda _: None,
    ) -> None:
        self._hub = hub
        self._streams = streams
        self._present = present
        self._doubted = doubted
        self._number = number
        self.event = hub.event

    def signal(self, app: str, key: str, kind: SignalKind, data: bytes) -> None:
        """A push without offset, or an order to end one user's subscriptions."""
        if kind is not SignalKind.UNSUBSCRIBE:
            self._hub.signal(app, key, kind, data)
            return
        channel = self._hub.channels.get((app, key))
        if channel is not None:
            order = decode_json(data, _Unsubscribe)
            self._hub.end(channel, order.user, CloseCode(order.code, order.reason))

    def heads(self, rows: list[tuple[HeadAsk, HeadRow]]) -> None:
        """Where streams in doubt stand."""
        for _, row in rows:
            self._hub.head_is((row.app, row.key), row.seq, row.epoch)
            self._doubted((row.app, row.key))

    def ask(self, stream: Stream, slot: int) -> HeadAsk | None:
        """The question about a stream in doubt, with our clients where presence is kept."""
        channel = self._hub.channels.get(stream)
        if channel is None:
            return None
        clients = self._present(channel) if channel.presence else None
        return HeadAsk(slot, *stream, clients=clients, watchers=self._number(channel))

    def for_process(self, body: bytes) -> None:
        """Commands of an emulated session, posted to another edge."""
        session_id, data = decode_pack(body, tuple[str, bytes])
        self._streams.deliver(session_id, data)
