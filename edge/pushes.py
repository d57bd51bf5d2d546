"""A stored event as the push that clients receive, in each variant. Pure."""

from __future__ import annotations

from hubbub.wire.client_shapes import Encoding, Publication
from hubbub.wire.event import TRANSIENT, StoredEvent
from hubbub.wire.shapes import SignalKind

from edge.delta import create_delta
from edge.hub import DELTA_OFF, Variant


class Pushes:
    """Builds pushes for the hub; `encodings` by name."""

    def __init__(self, encodings: dict[str, Encoding]) -> None:
        self._encodings = encodings

    def publication(
        self, channel: str, variant: Variant, event: StoredEvent, previous: StoredEvent | None
    ) -> bytes:
        """One push. With deltas agreed, `previous` is what the receiver has (None: send in full)."""
        encoding = self._encodings[variant.encoding]
        publication = publication_of(event)
        if variant.delta != DELTA_OFF:
            publication = as_text(encoding, publication, previous.data if previous else None)
        return encoding.push_publication(channel, publication, variant.compact_id)

    def signal(self, channel: str, variant: Variant, kind: SignalKind, data: bytes) -> bytes:
        """A push without an offset: a publication, a join or a leave."""
        encoding = self._encodings[variant.encoding]
        if kind is SignalKind.JOIN:
            return encoding.push_join(channel, data, variant.compact_id)
        if kind is SignalKind.LEAVE:
            return encoding.push_leave(channel, data, variant.compact_id)
        publication = Publication(data)
        if variant.delta != DELTA_OFF:
            publication = as_text(encoding, publication, None)
        return encoding.push_publication(channel, publication, variant.compact_id)


def publication_of(event: StoredEvent) -> Publication:
    """The publication of an event. Only raw events carry their publisher's info and time."""
    if event.head.flags & TRANSIENT:
        return Publication(
            event.data, offset=event.seq, info=event.info, time=event.head.ts_ms
        )
    return Publication(event.data, offset=event.seq)


def as_text(encoding: Encoding, publication: Publication, base: bytes | None) -> Publication:
    """The publication for a subscription with deltas: a delta if it is smaller, else full text."""
    data = publication.data
    is_delta = False
    if base is not None:
        delta = create_delta(base, data)
        if len(delta) < len(data):
            data, is_delta = delta, True
    return Publication(
        encoding.text_data(data),
        offset=publication.offset,
        info=publication.info,
        time=publication.time,
        delta=is_delta,
    )


def chained(encoding: Encoding, publications: list[Publication]) -> list[Publication]:
    """Recovered publications for a subscription with deltas: the first in full, then a chain."""
    texts = []
    base: bytes | None = None
    for publication in publications:
        texts.append(as_text(encoding, publication, base))
        base = publication.data
    return texts
