"""The rows of a user's list, short: asked of his stream, and kept at the edge where they are many.

Rules (decision record 0035):
1. A short list is asked for each time. One of KEPT_FROM rows is kept by the edge that asked, with
   its keys as a roll, and from then on only what changed is asked for: the rows that the events
   since name, or the whole where they are too many.
2. What is kept is never believed: each use asks the user's leader for what is newer than it. So it
   does not matter which edge keeps what, or which one forgets it.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final

from msgspec import Struct

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
from hubbub.wire.codec import decode_json

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


class IndexRow(Struct, frozen=True, array_like=True, gc=False):
    """One row of a list, short."""

    channel: str
    kind: ChannelKind
    role: Role
    name: str
    peer: str
    own: OwnRow | None = None


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


class Index(Struct, frozen=True, omit_defaults=True):
    """The rows of a list; and whom its user blocks: figures leave them out. `changed`: the rows are
    those that changed since, `gone` those that left."""

    rows: list[IndexRow]
    blocked: tuple[str, ...] = ()
    head: int = 0
    epoch: str = ""
    changed: bool = False
    gone: tuple[str, ...] = ()


class _Named(Struct, frozen=True):
    channel: str


class KeptIndex:
    """A list as an edge has it, as of `head`. `roll`: its keys, where it is long."""

    __slots__ = ("_by_name", "blocked", "epoch", "head", "roll", "rows")

    def __init__(self, index: Index) -> None:
        self.rows = {row.channel: row for row in index.rows}
        self.blocked = index.blocked
        self.head = index.head
        self.epoch = index.epoch
        self.roll = Roll(self.rows) if len(self.rows) >= KEPT_FROM and index.head else None
        self._by_name: list[tuple[str, str]] | None = None

    def change(self, index: Index) -> None:
        """Take what changed, unless somebody else brought it already."""
        if index.head < self.head:
            return
        self.head, self.blocked = index.head, index.blocked
        if index.rows or index.gone:
            self._by_name = None
        assert self.roll is not None
        for row in index.rows:
            self.rows[row.channel] = row
            self.roll.add(row.channel)
        for channel in index.gone:
            self.rows.pop(channel, None)
            self.roll.remove(channel)

    def by_name(self) -> list[tuple[str, str]]:
        """(folded name, channel), ascending."""
        if self._by_name is None:
            self._by_name = sorted(map(name_place, self.rows.values()))
        return self._by_name


def name_place(row: IndexRow) -> tuple[str, str]:
    """Where it stands in the order of names."""
    return fold(row.name or row.channel), row.channel


# --- asked at the stream


def run_index(request: IndexRequest, tables: Tables, ctx: Context) -> Index:
    require_own(ctx.key[1:], ctx)
    if request.since:
        changed = _changed(request.since, tables)
        if changed is not None:
            return changed
        request = _EVERYTHING
    own: dict[str, OwnRow] = dict(tables[OWN].scan(limit=ROWS_MAX))
    listed = tables[LISTED].scan(limit=ROWS_MAX)
    if request == _EVERYTHING:
        rows = [IndexRow(c, r.kind, r.role, r.name, r.peer, own.get(c)) for c, r in listed]
        return Index(rows, blocked_of(tables), head=tables.head_seq)
    prefix = fold(request.prefix)
    found: list[IndexRow] = []
    for channel, row in listed:
        if request.kind is not None and row.kind is not request.kind:
            continue
        if request.state is not None and state_of(row.role) is not request.state:
            continue
        if prefix and not fold(row.name or channel).startswith(prefix):
            continue
        mine = own.get(channel)
        if is_set(mine or NOTHING_SET, request, ctx.now_ms):
            found.append(_short(channel, row, mine))
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
    rows: list[IndexRow] = []
    gone: list[str] = []
    for channel in names:
        row = tables[LISTED].get(channel)
        if row is None:
            gone.append(channel)
        else:
            rows.append(_short(channel, row, tables[OWN].get(channel)))
    return Index(rows, blocked_of(tables), head=head, changed=True, gone=tuple(gone))


def _short(channel: str, row: ListedRow, own: OwnRow | None) -> IndexRow:
    return IndexRow(channel, row.kind, row.role, row.name, row.peer, own)


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
    yield Keep(key, kept if kept.roll is not None else None, len(kept.rows))
    return kept


def _ask(user: str, since: int) -> Generator[QueryCall, Any, Index]:
    raw = yield QueryCall(user_stream(user), "user.channel_index", IndexRequest(since=since))
    return decode_json(raw, Index)
