"""A channel's events as the bytes of pushes, for each variant that its subscribers need. Pure.

Rules:
1. `data` is copied as it was logged; only deltas look into it.
2. Built once for an event and variant; sharing the bytes is the hub's business.
3. On a subscription with deltas every publication is text: the first whole, each later one a delta
   against the one before, whole again where a delta would not be shorter.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from edge.blocking import scrub, shown_sign
from edge.delta import make_delta
from edge.variants import Variant
from hubbub.base.errors import LocalProtocolError
from hubbub.features.publication import hidden
from hubbub.wire.centrifuge import JSON
from hubbub.wire.client_shapes import Encoding, Publication
from hubbub.wire.event import TRANSIENT, StoredEvent, decode_signal
from hubbub.wire.protobuf import PROTOBUF
from hubbub.wire.shapes import SignalKind

ENCODINGS: Final[dict[str, Encoding]] = {JSON.name: JSON, PROTOBUF.name: PROTOBUF}


class PushEncoder:
    """The hub's Encoder. Remembers the last delta: several variants of an event share it."""

    __slots__ = ("_delta", "_of")

    def __init__(self) -> None:
        self._of: tuple[bytes, bytes] | None = None
        self._delta: bytes | None = None

    def publication(
        self, channel: str, variant: Variant, event: StoredEvent, previous: StoredEvent | None
    ) -> bytes:
        """A numbered event. `previous`: the publication that this variant's subscribers have."""
        encoding = ENCODINGS[variant.encoding]
        publication = _whole(event)
        if variant.blocked:
            publication = Publication(scrub(event.data, variant.blocked), event.seq)
        if variant.delta:
            publication = self._text(encoding, publication, previous and previous.data)
        return encoding.push_publication(channel, publication, variant.compact_id)

    def signal(self, channel: str, variant: Variant, kind: SignalKind, data: bytes) -> bytes:
        """A signal, without offset. On a subscription with deltas it becomes the new base."""
        encoding = ENCODINGS[variant.encoding]
        if variant.blocked and not (data := shown_sign(data, variant.blocked)):
            return b""
        if kind is SignalKind.JOIN:
            return encoding.push_join(channel, data, variant.compact_id)
        if kind is SignalKind.LEAVE:
            return encoding.push_leave(channel, data, variant.compact_id)
        if kind is SignalKind.PUBLICATION:
            data, info = decode_signal(data)
            text = encoding.text_data(data) if variant.delta else data
            publication = Publication(text, info=info)
            return encoding.push_publication(channel, publication, variant.compact_id)
        raise LocalProtocolError(f"a signal of kind {kind} is no push")

    def hidden(self, event: StoredEvent) -> StoredEvent:
        """For those who may not read of what it is a change."""
        return hidden(event)

    def recovered(self, variant: Variant, events: Iterable[StoredEvent]) -> tuple[Publication, ...]:
        """Events as a subscribe result carries them: with deltas the first whole, then chained."""
        if variant.blocked:
            return tuple(Publication(scrub(e.data, variant.blocked), e.seq) for e in events)
        if not variant.delta:
            return tuple(map(_whole, events))
        encoding = ENCODINGS[variant.encoding]
        publications = []
        previous: bytes | None = None
        for event in events:
            publications.append(self._text(encoding, _whole(event), previous))
            previous = event.data
        return tuple(publications)

    def _text(
        self, encoding: Encoding, publication: Publication, previous: bytes | None
    ) -> Publication:
        delta = None if previous is None else self._delta_of(previous, publication.data)
        return Publication(
            encoding.text_data(publication.data if delta is None else delta),
            publication.offset,
            publication.info,
            delta=delta is not None,
        )

    def _delta_of(self, previous: bytes, data: bytes) -> bytes | None:
        if self._of != (previous, data):
            self._of = (previous, data)
            self._delta = make_delta(previous, data)
        return self._delta


def _whole(event: StoredEvent) -> Publication:
    info = event.info if event.head.flags & TRANSIENT else b""
    return Publication(event.data, event.seq, info)
