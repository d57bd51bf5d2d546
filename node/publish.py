"""Committed events to the routers that asked for them: encoded once, in log order. Pure.

Rules (contracts.md 5):
1. Interest is one replicated set a link; the link is the lease: a peer that goes down has none.
2. Each event is one EVENT message, the same bytes for every router; a signal is a SIGNAL.
3. What a link drops is the link's business: it counts a hole, and HEADS repairs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from hubbub.transport.replicated_set import Key, SetCopy
from hubbub.wire.event import encode_event_body
from hubbub.wire.frame import Message, encode_message
from hubbub.wire.shapes import Kind, SignalKind
from node.presence import PresenceSignal
from node.ready import Publication

_NOBODY: Final[frozenset[str]] = frozenset()
_EVENT: Final = Kind.EVENT  # an enum's member costs ten times a global's look-up


class InterestStatistics(msgspec.Struct, frozen=True):
    """Sizes, for /statistics."""

    peers: int
    keys: int


class Interest:
    """Which peers want which streams."""

    def __init__(self) -> None:
        self._copies: dict[str, SetCopy] = {}
        self._peers: dict[Key, frozenset[str]] = {}

    def up(self, peer: str) -> None:
        """A new link: nothing that its predecessor wanted counts."""
        self.down(peer)
        self._copies[peer] = SetCopy()

    def down(self, peer: str) -> None:
        """The link is gone, and its interest with it."""
        copy = self._copies.pop(peer, None)
        if copy is not None:
            for key in copy.keys:
                self._remove(key, peer)

    def receive(self, peer: str, message: Message) -> bool:
        """An INTEREST_FULL or _DELTA; True: ask the peer for FULL (PULL)."""
        copy = self._copies.get(peer)
        if copy is None:
            return False
        change = copy.receive(message)
        for key in change.removed:
            self._remove(key, peer)
        for key in change.added:
            self._peers[key] = self._peers.get(key, _NOBODY) | {peer}
        return change.pull

    def beat(self, peer: str, body: bytes) -> bool:
        """The digest of the peer's set; True: ours disagrees, ask for FULL (PULL)."""
        copy = self._copies.get(peer)
        return copy is not None and copy.beat(body)

    def peers(self, app: str, key: str) -> frozenset[str]:
        """Who wants the stream."""
        return self._peers.get((app, key), _NOBODY)

    def statistics(self) -> InterestStatistics:
        """Sizes now."""
        return InterestStatistics(len(self._copies), len(self._peers))

    def _remove(self, key: Key, peer: str) -> None:
        left = self._peers.get(key, _NOBODY) - {peer}
        if left:
            self._peers[key] = left
        else:
            self._peers.pop(key, None)


def encode_publication(slot: int, term: int, publication: Publication) -> Sequence[bytes]:
    """The messages of one publication, in order."""
    app, key = publication.app, publication.key
    messages = [
        encode_message(_EVENT, encode_event_body(seq, row), slot=slot, term=term, app=app, key=key)
        for seq, row in publication.events
    ]
    messages += [
        encode_message(
            Kind.SIGNAL,
            data,
            slot=slot,
            term=term,
            app=app,
            key=key,
            flags=SignalKind.PUBLICATION,
        )
        for data in publication.signals
    ]
    return messages


def encode_presence_signal(slot: int, term: int, signal: PresenceSignal) -> bytes:
    """A join or leave."""
    return encode_message(
        Kind.SIGNAL,
        signal.info,
        slot=slot,
        term=term,
        app=signal.app,
        key=signal.key,
        flags=signal.kind,
    )
