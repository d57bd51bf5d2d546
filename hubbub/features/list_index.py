"""The rows of a user's list, short: asked of his stream, and kept at the edge where they are many.

Rules (decision record 0035):
1. A short list is asked for each time. One of KEPT_FROM rows is kept by the edge that asked, with
   its keys as a roll, and from then on only what changed is asked for: the rows that the events
   since name, or the whole where they are too many.
2. What is kept is never believed: each use asks the user's leader for what is newer than it. So it
   does not matter which edge keeps what, or which one forgets it.
3. Rows travel and stay as they are stored: a page looks at twenty of ten thousand. Whoever filters
   has all of them decoded, once.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, Final, TypeVar

from msgspec import Raw, Struct

from hubbub.base.names import user_stream
from hubbub.base.roll import Roll
from hubbub.features import channel_list, list_settings
from hubbub.features.blocks import blocked_of
from hubbub.features.channel_list import require_own
from hubbub.features.contract import Context, Keep, QueryCall, Recall, Tables
from hubbub.features.directory import fold
from hubbub.features.list_rows import LISTED, NOTHING_SET, OWN, ListedRow, ListState, OwnRow
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role
from hubbub.wire.codec import decode_json, decode_pack, encode_pack, join_packed

T = TypeVar("T")

# Of one list: 2 MB from the user's leader to the edge. Who has more sees those added last.
ROWS_MAX: Final = 20_000
# Shorter ones cost a few ms a page, and would push long ones out of an edge's memory.
KEPT_FROM: Final = 256
# Events since: half of it is 2 ms at the leader, as many as a busy day brings.
CHANGES_MAX: Final = 256

# Events after which a row of the list is another.
_CHANGES: Final = frozenset(
    event.TAG for feature in (channel_list, list_settings) for event in feature.FEATURE.apply
)


class IndexRequest(Struct, frozen=True):
    """What is filtered where the list is. `since`: only what changed behind this head of the
    stream; it does not filter."""

    kind: ChannelKind | None = None
    state: ListState | None = None
    prefix: str = ""
    muted: bool | None = None
    archived: bool | None = None
    favourite: bool | None = None
    since: int = 0


_EVERYTHING: Final = IndexRequest()


class PackedRows(Struct, frozen=True):
    """Rows by channel: MessagePack of the channels, and of the rows in the same order."""

    channels: bytes
    rows: bytes

    @classmethod
    def of(cls, stored: Mapping[str, bytes]) -> PackedRows:
        """Of rows that are MessagePack already."""
        return cls(encode_pack(list(stored)), join_packed(stored.values())) if stored else NO_ROWS

    def unpacked(self, shape: type[T]) -> dict[str, T]:
        """Args: shape: of a row; Raw leaves it as it is."""
        if not self.rows:
            return {}
        rows = decode_pack(self.rows, list[shape])  # type: ignore[valid-type]
        return dict(zip(decode_pack(self.channels, list[str]), rows, strict=True))


NO_ROWS: Final = PackedRows(b"", b"")


class Index(Struct, frozen=True, omit_defaults=True):
    """A list, and whom its user blocks: figures leave them out. With a filter: `channels` alone.

    Else `listed` and `own` are what it consists of. `changed`: they are the rows that changed
    since, and `gone` those that left."""

    channels: list[str] = []
    blocked: tuple[str, ...] = ()
    head: int = 0
    epoch: str = ""
    changed: bool = False
    gone: tuple[str, ...] = ()
    listed: PackedRows = NO_ROWS
    own: PackedRows = NO_ROWS


class _Named(Struct, frozen=True):
    channel: str


class KeptIndex:
    """A list as an edge has it, as of `head`. `stored`: its rows. `own`: what is set for its
    channels, and for some that left. `roll`: its keys, where it is long."""

    __slots__ = ("_by_name", "_rows", "blocked", "epoch", "head", "own", "roll", "stored")

    def __init__(self, index: Index) -> None:
        self.stored = index.listed.unpacked(Raw)
        self.own = index.own.unpacked(OwnRow)
        self.blocked = index.blocked
        self.head = index.head
        self.epoch = index.epoch
        self.roll = Roll(self.stored) if len(self.stored) >= KEPT_FROM and index.head else None
        self._rows: dict[str, ListedRow] | None = None
        self._by_name: list[tuple[str, str]] | None = None

    def change(self, index: Index) -> None:
        """Take what changed, unless somebody else brought it already."""
        if index.head < self.head:
            return
        self.head, self.blocked = index.head, index.blocked
        changed, own = index.listed.unpacked(Raw), index.own.unpacked(OwnRow)
        if changed or index.gone:
            self._rows = self._by_name = None
        assert self.roll is not None
        for channel, row in changed.items():
            self.stored[channel] = row
            self.roll.add(channel)
        for channel in index.gone:
            self.stored.pop(channel, None)
            self.roll.remove(channel)
        for channel in (*changed, *index.gone):
            if channel in own:
                self.own[channel] = own[channel]
            else:
                self.own.pop(channel, None)

    def row(self, channel: str) -> ListedRow:
        """Of a channel that is in the list."""
        return decode_pack(self.stored[channel], ListedRow)

    def rows(self) -> dict[str, ListedRow]:
        """All of them."""
        if self._rows is None:
            self._rows = PackedRows.of(self.stored).unpacked(ListedRow)
        return self._rows

    def by_name(self) -> list[tuple[str, str]]:
        """(folded name, channel), ascending."""
        if self._by_name is None:
            self._by_name = sorted(name_place(c, row) for c, row in self.rows().items())
        return self._by_name


def name_place(channel: str, row: ListedRow) -> tuple[str, str]:
    """Where it stands in the order of names."""
    return fold(row.name or channel), channel


# --- asked at the stream


def run_index(request: IndexRequest, tables: Tables, ctx: Context) -> Index:
    require_own(ctx.key[1:], ctx)
    if request.since:
        changed = _changed(request.since, tables)
        if changed is not None:
            return changed
        request = _EVERYTHING
    if request == _EVERYTHING:
        listed = PackedRows.of(tables[LISTED].stored(ROWS_MAX))
        own = PackedRows.of(tables[OWN].stored(ROWS_MAX))
        blocked = blocked_of(tables)
        return Index(blocked=blocked, head=tables.head_seq, listed=listed, own=own)
    set_for = dict(tables[OWN].scan(limit=ROWS_MAX))
    prefix = fold(request.prefix)
    found: list[str] = []
    for channel, row in tables[LISTED].scan(limit=ROWS_MAX):
        if request.kind is not None and row.kind is not request.kind:
            continue
        if request.state is not None and state_of(row.role) is not request.state:
            continue
        if prefix and not fold(row.name or channel).startswith(prefix):
            continue
        if is_set(set_for.get(channel, NOTHING_SET), request, ctx.now_ms):
            found.append(channel)
    return Index(found, blocked_of(tables), head=tables.head_seq)


def _changed(since: int, tables: Tables) -> Index | None:
    """The rows that the events since name; None: they are not all there, or too many."""
    head = tables.head_seq
    if since > head or since < tables.floor_seq - 1 or head - since > CHANGES_MAX:
        return None
    events = tables.published_range(after=since, limit=CHANGES_MAX)
    names = dict.fromkeys(
        decode_json(event.data, _Named).channel for event in events if event.head.type in _CHANGES
    )
    rows = {channel: tables[LISTED].get(channel) for channel in names}
    own = {channel: tables[OWN].get(channel) for channel in names}
    return Index(
        blocked=blocked_of(tables),
        head=head,
        changed=True,
        gone=tuple(channel for channel, row in rows.items() if row is None),
        listed=_packed(rows),
        own=_packed(own),
    )


def _packed(rows: Mapping[str, Struct | None]) -> PackedRows:
    there = {channel: encode_pack(row) for channel, row in rows.items() if row is not None}
    return PackedRows.of(there)


def is_set(own: OwnRow, request: IndexRequest, now_ms: int) -> bool:
    """Whether what the user has set is what is wanted."""
    muted = own.muted and (not own.muted_until_ms or own.muted_until_ms > now_ms)
    return (
        request.muted in (None, muted)
        and request.archived in (None, own.archived)
        and request.favourite in (None, own.favourite)
    )


def state_of(role: Role) -> ListState:
    """Why a channel with this role is in the list."""
    return ListState.INVITED if role is Role.INVITED else ListState.JOINED


# --- asked by errands


def own_index(user: str) -> Generator[Recall | Keep | QueryCall, Any, KeptIndex]:
    """The whole list of a user as it is now."""
    key = f"channel_list {user}"
    kept: KeptIndex | None = yield Recall(key)
    since = kept.head if kept is not None else 0
    index = yield from _ask(user, since)
    if kept is not None and index.changed and index.epoch == kept.epoch:
        kept.change(index)
    else:
        if index.changed:  # of another life of the stream
            index = yield from _ask(user, 0)
        kept = KeptIndex(index)
    yield Keep(key, kept if kept.roll is not None else None, len(kept.stored))
    return kept


def _ask(user: str, since: int) -> Generator[QueryCall, Any, Index]:
    raw = yield QueryCall(user_stream(user), "user.channel_index", IndexRequest(since=since))
    return decode_json(raw, Index)
