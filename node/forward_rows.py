"""Forwards as the store keeps them, in order of source, target and number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hubbub.wire.codec import decode_pack
from node import keys
from node.engine import OutboxRow, QueuedForward
from node.store.api import Family, Store

PAGE: Final = 1_000


class ForwardRows:
    """Reads of the outbox. Raises StoreError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, source: int) -> Iterator[QueuedForward]:
        """All that a slot still has to tell others."""
        start, end = keys.outbox(source, 0, 0), keys.outbox(source + 1, 0, 0)
        while True:
            rows = self._store.iterate(Family.OUTBOX, start, end, limit=PAGE)
            yield from (_queued(key, row) for key, row in rows)
            if len(rows) < PAGE:
                return
            start = rows[-1][0] + b"\x00"

    def load(self, source: int, target: int, above: int, limit: int) -> list[QueuedForward]:
        """Of one pair of slots: the next ones after number `above`."""
        start, end = keys.outbox(source, target, above + 1), keys.outbox(source, target + 1, 0)
        rows = self._store.iterate(Family.OUTBOX, start, end, limit=limit)
        return [_queued(key, row) for key, row in rows]


def _queued(key: bytes, row: bytes) -> QueuedForward:
    source, target, n = keys.parse_outbox(key)
    return QueuedForward(source, target, n, decode_pack(row, OutboxRow))
