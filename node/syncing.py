"""What a device lacks of one stream: a delta, or its head and the gap before it. Pure.

Rules:
1. A delta is whole or it is none: at most DELTA_EVENTS_MAX events and DELTA_BYTES_MAX.
2. Otherwise the newest events come, down to a seq, and the gap says what is not there. Together
   with the gap they cover everything behind the device's position.
3. A position of another epoch, or from which the log can not be read on, is a reset: whatever the
   device has of the stream is void, and the gap begins at the stream's floor; so it does for a
   device that has nothing of the stream yet.
4. A position above the head is a replica that is late, never a reset.
5. A user's stream has no head: in place of its events comes its snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from hubbub.base.errors import INTERNAL, Rejected
from hubbub.base.units import KIB
from hubbub.features.publication import rfc3339
from hubbub.wire.codec import decode_json, encode_json
from hubbub.wire.event import BLOCKS, LISTS, UNLISTS, StoredEvent
from hubbub.wire.reads import SyncFrom
from hubbub.wire.shapes import Json
from node.overlay import StreamTables

DELTA_EVENTS_MAX: Final = 300  # features.md, section 3
DELTA_BYTES_MAX: Final = 256 * KIB  # a third of one answer: one loud channel leaves room for others
HEAD_EVENTS: Final = 50
HEAD_BYTES_MAX: Final = 128 * KIB
_PAGE: Final = 100  # rows read before the bytes are looked at

Shown = Callable[[StoredEvent], Json]


def synced(
    epoch: str,
    since: SyncFrom,
    tables: StreamTables,
    *,
    oldest: int,
    shown: Shown,
    figures: Json,
    snapshot: Callable[[], Json],
) -> Json:
    """The answer's JSON (features.sync: SyncedChannel, SyncedUser).

    Args: oldest: the lowest seq that the viewer may read. shown: an event's data as it is now.
    Raises Rejected(INTERNAL) while this replica is behind the device.
    """
    head = tables.head
    is_known = since.epoch == epoch
    if is_known and since.seq > head.seq:
        raise Rejected(INTERNAL, "this replica is behind the device")
    is_user = tables.stream.key.startswith("#")
    is_new = not since.epoch and not since.seq  # it has nothing that could be void
    is_whole = is_known and since.seq + 1 >= min(oldest, head.seq + 1)
    events = _delta(since.seq, tables) if is_whole else None
    if events is not None:
        parts = _Parts("delta", epoch, head.seq, head.ts_ms)
        if events:
            parts.add("events", _array(shown(event) for event in events))
        if is_user and (listed := _listed(events)):
            parts.add("listed", encode_json(listed))
    else:
        state = "head" if (is_whole or is_new) and not is_user else "reset"
        parts = _Parts(state, epoch, head.seq, head.ts_ms)
        if not is_user:
            _add_head(parts, since.seq + 1 if is_whole else oldest, tables, shown)
        parts.add("snapshot", snapshot() or b"{}")
    if len(figures) > 2:
        parts.add("figures", figures)
    return parts.json()


def _delta(after: int, tables: StreamTables) -> list[StoredEvent] | None:
    """All events behind a seq; None if they are too many or too large."""
    missed = tables.head_seq - after
    if missed > DELTA_EVENTS_MAX:
        return None
    events: list[StoredEvent] = []
    byte_count = 0
    while len(events) < missed:
        page = tables.published_range(after=after + len(events), limit=_PAGE)
        if not page:
            return None
        events += page
        byte_count += sum(len(event.data) for event in page)
        if byte_count > DELTA_BYTES_MAX:
            return None
    return events


def _add_head(parts: _Parts, first: int, tables: StreamTables, shown: Shown) -> None:
    """The newest events from `first` on, and the gap before them."""
    found: list[Json] = []
    byte_count = 0
    count = min(HEAD_EVENTS, max(0, tables.head_seq - first + 1))
    for event in tables.published_range(limit=count, reverse=True) if count else ():
        data = shown(event)
        byte_count += len(data)
        if found and byte_count > HEAD_BYTES_MAX:
            break
        found.append(data)
    if found:
        parts.add("events", _array(reversed(found)))
    if (last := tables.head_seq - len(found)) >= first:
        parts.add("gap", b"[%d,%d]" % (first, last))


def _listed(events: Sequence[StoredEvent]) -> list[str]:
    """Channels that joined the user's list by these events and are still in it."""
    channels: dict[str, None] = {}
    for event in events:
        flags = event.head.flags
        if flags & BLOCKS == BLOCKS:
            continue
        if flags & LISTS:
            channels |= dict.fromkeys(decode_json(event.info, list[str]))
        elif flags & UNLISTS:
            for channel in decode_json(event.info, list[str]):
                channels.pop(channel, None)
    return list(channels)


def _array(items: Iterable[Json]) -> bytes:
    return b"[" + b",".join(items) + b"]"


class _Parts:
    """A JSON object, field by field."""

    def __init__(self, state: str, epoch: str, seq: int, ts_ms: int) -> None:
        self._fields = [
            b'{"state":"%b","epoch":%b,"seq":%d' % (state.encode(), encode_json(epoch), seq)
        ]
        if ts_ms:
            self.add("ts", b'"' + rfc3339(ts_ms).encode() + b'"')

    def add(self, name: str, value: Json) -> None:
        self._fields.append(b'"%b":%b' % (name.encode(), value))

    def json(self) -> Json:
        return b",".join(self._fields) + b"}"
