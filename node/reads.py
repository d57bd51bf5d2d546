"""Everything that is answered from committed rows: queries, subscriptions, heads. Pure.

Rules (contracts.md 6, client-protocol.md 1.5 and 1.11):
1. Only committed rows are seen, at one position: head, snapshot and missed events belong together.
2. Rows are copied as they are; only events whose message has changed since are rendered.
3. Recovery is whole or not at all: within the floor, the stream's limits and the byte budget. An
   offset above the commit is a temporary error, for this leader may only be late.
4. `stream.history`, `stream.presence` and `stream.presence_stats` are the client protocol's own
   commands; the `access` hook of the stream decides the right to them.

Long because every way to read a stream keeps to the same position and the same rights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from heapq import nsmallest
from typing import Any, Final, cast

import msgspec

from hubbub.base.errors import (
    BAD_REQUEST,
    INTERNAL,
    METHOD_NOT_FOUND,
    NOT_AVAILABLE,
    UNKNOWN_CHANNEL,
    UNRECOVERABLE_POSITION,
    Rejected,
)
from hubbub.base.units import KIB
from hubbub.features.contract import Access, Context, SubscribeArgs, stream_kind
from hubbub.features.head_lines import NO_PREVIEW, closed, opening
from hubbub.features.publication import hidden
from hubbub.wire.codec import dump_json, encode_json, shape_json
from hubbub.wire.event import (
    CHANGED,
    COUNTABLE,
    EVICTS,
    LISTS,
    SIGNS_OUT,
    UNLISTS,
    StoredEvent,
    decode_row,
    encode_event_body,
    encode_row,
)
from hubbub.wire.presence import Live
from hubbub.wire.reads import (
    STREAM_HISTORY,
    STREAM_PRESENCE,
    STREAM_PRESENCE_STATS,
    STREAM_SYNC,
    StreamAsk,
    StreamHistory,
    SyncFrom,
)
from hubbub.wire.shapes import (
    HeadAsk,
    HeadRow,
    HeadsAnswer,
    Json,
    NewestAsk,
    Query,
    Subscribe,
    Subscribed,
    Viewer,
)
from node.engine import Engine
from node.lines import KeptLines
from node.orders import Orders
from node.overlay import Head, Stream, StreamTables
from node.presence import PresenceLists
from node.slot import Slot
from node.store.api import StoreError
from node.syncing import synced

RECOVERED_EVENTS_MAX: Final = 1_000
RECOVERED_BYTES_MAX: Final = 512 * KIB
HISTORY_EVENTS_MAX: Final = 300  # the client protocol's reference
HISTORY_BYTES_MAX: Final = 1_024 * KIB
_PAGE: Final = 100  # rows read before the bytes are looked at
_PREVIEW_EVENTS_MAX: Final = 10  # how far back the last message is looked for
# Kept with a stream until something is committed in it: 16 users are 2 KB, with the preview 3.
_KEPT_USERS_MAX: Final = 16
_KEPT_BYTES_MAX: Final = 1 * KIB
_NO_INFO: Final = EVICTS | LISTS | UNLISTS | SIGNS_OUT  # `info` of these rows is for edges


def _nothing_live(_: str, __: str, ___: int) -> Live:
    return Live()


class Unreadable(Exception):
    """A question about streams of many slots met one whose rows cannot be read."""

    def __init__(self, slot: Slot, error: StoreError) -> None:
        super().__init__(str(error))
        self.slot = slot
        self.error = error


class Reads:
    """Reads of any slot; holds nothing of its own."""

    def __init__(
        self,
        engine: Engine,
        presence: PresenceLists,
        live: Callable[[str, str, int], Live] = _nothing_live,
    ) -> None:
        """Args: live: what is in memory of a stream (app, key, slot)."""
        self._engine = engine
        self._presence = presence
        self._live = live
        self.orders: Orders | None = None  # set by the wiring: commits mark them
        self.lines = KeptLines(0)  # likewise; until then nothing is kept
        self._built_in: dict[str, tuple[type[Any], Callable[..., Json]]] = {
            STREAM_HISTORY: (StreamHistory, self._history),
            STREAM_PRESENCE: (StreamAsk, self._clients),
            STREAM_PRESENCE_STATS: (StreamAsk, self._client_counts),
            STREAM_SYNC: (SyncFrom, self._sync),
        }

    def slot_of(self, app: str, key: str) -> int:
        """The slot of a stream."""
        return self._engine.target_of(app, key)

    # --- QUERY

    def query(self, slot: Slot, app: str, key: str, query: Query, now_ms: int) -> Json:
        """The answer as JSON. Raises Rejected: UNRECOVERABLE_POSITION if the stream does not reach
        so far as the caller says that he has seen, which only a leader that surely leads may say.
        """
        stream = slot.overlay.stream(app, key)
        answer = self._run(slot, stream, query, now_ms)
        # Last: how far a stream reaches is for those alone who may read of it.
        if query.min_seq > stream.committed.seq:
            raise Rejected(UNRECOVERABLE_POSITION, "the stream does not reach to min_seq")
        return answer

    def _run(self, slot: Slot, stream: Stream, query: Query, now_ms: int) -> Json:
        app, key = stream.app, stream.key
        now_ms = max(now_ms, stream.committed.ts_ms)
        live = self._live(app, key, slot.number)
        ctx = self._engine.context(app, key, query.viewer, now_ms, live=live)
        tables = slot.overlay.committed(stream)
        own = self._built_in.get(query.name)
        if own is not None:
            shape, run = own
            return run(slot, tables, ctx, shape_json(query.args, shape))
        row = self._engine.registry.queries.get(query.name)
        if row is None:
            raise Rejected(METHOD_NOT_FOUND, f"there is no query {query.name}")
        answer = row.run(shape_json(query.args, row.shape), tables, ctx)
        return _with_epoch(answer, slot.epoch)

    # --- SUBSCRIBE

    def subscribe(
        self, slot: Slot, app: str, key: str, ask: Subscribe, now_ms: int
    ) -> tuple[Subscribed, Access]:
        """Rights, position, snapshot and what was missed. Raises Rejected."""
        stream = slot.overlay.stream(app, key)
        now_ms = max(now_ms, stream.committed.ts_ms)
        live = self._live(app, key, slot.number)
        ctx = self._engine.context(app, key, ask.viewer, now_ms, live=live)
        tables = slot.overlay.committed(stream)
        access = self._access(tables, ctx, SubscribeArgs(ask.args, ask.token_channel))
        events: Sequence[bytes] | None = None
        if ask.recover and access.recoverable and ask.history:
            events = self._missed(tables, access, ask, slot.epoch, now_ms)
        answer = Subscribed(
            epoch=slot.epoch,
            head=stream.committed.seq,
            recovered=events is not None,
            events=tuple(events or ()),
            data=_snapshot(access) if events is None else access.data,
            positioned=access.positioned,
            recoverable=access.recoverable,
            presence=access.presence,
            join_leave=access.join_leave,
            channels=access.channels,
            blocks=access.blocks,
            history_from=access.history_from,
        )
        return answer, access

    def _access(self, tables: StreamTables, ctx: Context, args: SubscribeArgs) -> Access:
        hook = self._engine.registry.access.get(stream_kind(ctx.key, ctx.settings))
        if hook is None:
            raise Rejected(UNKNOWN_CHANNEL)
        granted: Access = hook(args, tables, ctx)
        return granted

    def _missed(
        self, tables: StreamTables, access: Access, ask: Subscribe, epoch: str, now_ms: int
    ) -> list[bytes] | None:
        """EVENT bodies behind the client's position, None if that is not whole any more."""
        head = tables.head
        if ask.epoch not in ("", epoch):
            return None
        if ask.offset > head.seq:
            raise Rejected(INTERNAL, "this replica is behind the client")
        missed = head.seq - ask.offset
        if missed == 0:
            return []
        if missed > RECOVERED_EVENTS_MAX or ask.offset + 1 < _oldest(tables, access, now_ms):
            return None
        return self._bodies(tables, ask.offset, missed, access.history_from)

    def _bodies(
        self, tables: StreamTables, after: int, count: int, history_from: int
    ) -> list[bytes] | None:
        bodies: list[bytes] = []
        byte_count = 0
        while len(bodies) < count:
            page = tables.published_rows(after=after + len(bodies), limit=_PAGE)
            for seq, row in page:
                bodies.append(encode_event_body(seq, self._shown(seq, row, tables, history_from)))
                byte_count += len(bodies[-1])
            if byte_count > RECOVERED_BYTES_MAX or not page:
                return None
        return bodies

    def _shown(self, seq: int, row: bytes, tables: StreamTables, history_from: int) -> bytes:
        """The row as it may be shown now: rendered if its message changed."""
        if not row[0] & CHANGED and not history_from:
            return row
        stored = decode_row(seq, row)
        head = stored.head
        data = self._data(stored, tables, history_from)
        return encode_row(
            head.flags, head.ts_ms, head.ref_seq, head.type, head.by, data, stored.info
        )

    def _data(self, stored: StoredEvent, tables: StreamTables, history_from: int = 0) -> Json:
        if 0 < stored.head.ref_seq < history_from:
            return hidden(stored).data  # it changes what this one may not read
        if not stored.head.flags & CHANGED:
            return stored.data
        render = self._engine.registry.render.get(stored.head.type)
        return stored.data if render is None else render(stored, tables)

    # --- the protocol's own commands

    def _history(self, slot: Slot, tables: StreamTables, ctx: Context, args: StreamHistory) -> Json:
        access = self._access(tables, ctx, SubscribeArgs(token_channel=args.subscribed))
        if not access.recoverable:
            raise Rejected(NOT_AVAILABLE, "this channel keeps no history")
        since = args.since
        if since is not None and since.epoch not in ("", slot.epoch):
            raise Rejected(UNRECOVERABLE_POSITION)
        if args.reverse and since is not None and since.seq == 0:
            raise Rejected(BAD_REQUEST, "reverse needs a position to start from")
        limit = HISTORY_EVENTS_MAX if args.limit < 0 else min(args.limit, HISTORY_EVENTS_MAX)
        events: list[StoredEvent] = []
        if limit:
            oldest = _oldest(tables, access, ctx.now_ms)
            after, before = oldest - 1, None
            if since is not None and args.reverse:
                before = since.seq
            elif since is not None:
                after = max(after, since.seq)
            events = tables.published_range(
                after=after, before=before, limit=limit, reverse=args.reverse
            )
        publications = b",".join(self._publications(events, tables, access.history_from))
        return b'{"publications":[%b],"offset":%d,"epoch":%b}' % (
            publications,
            tables.head.seq,
            encode_json(slot.epoch),
        )

    def _publications(
        self, events: Sequence[StoredEvent], tables: StreamTables, history_from: int
    ) -> list[bytes]:
        found: list[bytes] = []
        byte_count = 0
        for event in events:
            info = b"" if event.head.flags & _NO_INFO else event.info
            data = self._data(event, tables, history_from)
            info = b',"info":' + info if info else b""
            found.append(b'{"offset":%d,"data":%b%b}' % (event.seq, data, info))
            byte_count += len(found[-1])
            if byte_count > HISTORY_BYTES_MAX:
                break
        return found

    def _clients(self, _: Slot, tables: StreamTables, ctx: Context, args: StreamAsk) -> Json:
        self._require_presence(tables, ctx, args)
        clients = self._presence.clients(ctx.app, ctx.key)
        rows = [encode_json(client) + b":" + (info or b"{}") for client, info in clients.items()]
        return b'{"presence":{%b}}' % b",".join(rows)

    def _client_counts(self, _: Slot, tables: StreamTables, ctx: Context, args: StreamAsk) -> Json:
        self._require_presence(tables, ctx, args)
        clients, users = self._presence.counts(ctx.app, ctx.key)
        return dump_json({"num_clients": clients, "num_users": users})

    def _require_presence(self, tables: StreamTables, ctx: Context, args: StreamAsk) -> None:
        access = self._access(tables, ctx, SubscribeArgs(token_channel=args.subscribed))
        if not access.presence:
            raise Rejected(NOT_AVAILABLE, "this channel keeps no presence")

    # --- sync

    def _sync(self, slot: Slot, tables: StreamTables, ctx: Context, since: SyncFrom) -> Json:
        """What a device that stands at `since` lacks (features.sync: SyncedChannel, SyncedUser)."""
        access = self._access(tables, ctx, SubscribeArgs())
        return synced(
            slot.epoch,
            since,
            tables,
            oldest=_oldest(tables, access, ctx.now_ms),
            shown=lambda event: self._data(event, tables, access.history_from),
            figures=self._fields(tables, ctx.actor, frozenset(ctx.viewer.blocks)),
            snapshot=lambda: _snapshot(access),
        )

    # --- HEADS

    def head(self, slot: Slot, ask: HeadAsk, now_ms: int = 0) -> HeadRow:
        """Position and figures of one stream that this slot leads; the answer of its query."""
        stream = slot.overlay.stream(ask.app, ask.key)
        if not (ask.users or ask.preview or ask.query):  # one of thousands, to sort a list by
            return _bare(slot, ask.app, ask.key, stream.committed)
        if ask.preview and stream.preview is not None and not (ask.query or ask.blocked):
            fields = tuple(map(stream.figures.get, ask.users))
            if None not in fields:  # at rest, and asked for before
                return _row(slot, stream, stream.preview, cast("tuple[Json, ...]", fields))
        tables = slot.overlay.committed(stream)
        return _row(
            slot,
            stream,
            self._kept_preview(stream, tables) if ask.preview else b"",
            self._figures(stream, tables, ask),
            self._answer(slot, ask, now_ms) if ask.query else b"",
        )

    def line(self, slot: Slot, app: str, key: str, user: str) -> tuple[int, Json]:
        """Where a stream that this slot leads stands, and its line among the heads of a user who
        blocks nobody."""
        stream = slot.overlay.stream(app, key)
        at, figures, start = stream.committed, stream.figures.get(user), stream.opening
        if figures is None or start is None:
            tables = slot.overlay.committed(stream)
            figures = self._kept_fields(stream, tables, user)
            preview = self._kept_preview(stream, tables)
            start = opening(key, at.seq, at.ts_ms, preview)
            if len(preview) <= _KEPT_BYTES_MAX:
                stream.opening = start
        if NO_PREVIEW in figures:
            start = opening(key, at.seq, at.ts_ms, b"")
        return at.seq, closed(start, figures)

    def newest(self, ask: NewestAsk, slot_of: Callable[[int], Slot | None]) -> HeadsAnswer:
        """The wanted rows, the newest first; and keys whose slot is not led here. Raises
        Unreadable."""
        if ask.roll and all(slot_of(number) is not None for number in set(ask.slots)):
            return self._kept(ask, slot_of)
        app, after = ask.app, ask.after
        found: list[tuple[int, str, Slot, Head]] = []
        elsewhere: list[str] = []
        for number, key in zip(ask.slots, ask.keys, strict=True):
            slot = slot_of(number)
            if slot is None:
                elsewhere.append(key)
                continue
            try:
                head = slot.overlay.stream(app, key).committed
            except StoreError as error:
                raise Unreadable(slot, error) from error
            order = head.place
            if after is None or (order, key) > after:
                found.append((order, key, slot, head))
        best = nsmallest(ask.best, found, key=_order)
        rows = tuple(_bare(slot, app, key, head) for _, key, slot, head in best)
        return HeadsAnswer(rows, tuple(elsewhere))

    def _kept(self, ask: NewestAsk, slot_of: Callable[[int], Slot | None]) -> HeadsAnswer:
        """The rows of a roll that is kept in order."""
        app, led = ask.app, dict[int, Slot]()

        def term_of(number: int) -> int | None:
            slot = slot_of(number)
            if slot is None:
                return None
            led[number] = slot
            return slot.term

        def places_of(slots: Mapping[str, int]) -> dict[str, int]:
            found: dict[str, int] = next(iter(led.values())).overlay.known_places(app, slots)
            unknown = slots.keys() - found.keys() if len(found) < len(slots) else ()
            for number, names in _by_slot(unknown, slots).items():
                try:
                    found.update(led[number].overlay.places(app, names))
                except StoreError as error:
                    raise Unreadable(led[number], error) from error
            return found

        order = self.orders.take(ask, term_of) if self.orders is not None else None
        if order is None:
            return HeadsAnswer((), unknown=True)
        if ask.unread_of:
            return HeadsAnswer(tuple(self._waiting(ask, order.slots, led)))
        rows = []
        for _, key in order.page(ask.best, ask.after, places_of):
            slot = led[order.slots[key]]
            try:
                rows.append(_bare(slot, app, key, slot.overlay.stream(app, key).committed))
            except StoreError as error:
                raise Unreadable(slot, error) from error
        return HeadsAnswer(tuple(rows))

    def _waiting(
        self, ask: NewestAsk, slots: Mapping[str, int], led: Mapping[int, Slot]
    ) -> Iterator[HeadRow]:
        """Those of these streams in which something waits for the user, slot by slot: what is not
        in memory is read together."""
        app, user, blocked = ask.app, ask.unread_of, frozenset(ask.blocked)
        for number, names in _by_slot(slots, slots).items():
            slot = led[number]
            try:
                slot.overlay.load(app, names)
                yield from self._waiting_in(slot, app, names, user, blocked)
            except StoreError as error:
                raise Unreadable(slot, error) from error

    def _waiting_in(
        self, slot: Slot, app: str, names: list[str], user: str, blocked: Set[str]
    ) -> Iterator[HeadRow]:
        for key in names:
            stream = slot.overlay.stream(app, key)
            if stream.committed.is_silent:
                continue
            unread = None if blocked else stream.unread.get(user)
            if unread is None:
                unread = self._unread(slot, stream, user, blocked)
            if unread:
                row = _bare(slot, app, key, stream.committed)
                yield msgspec.structs.replace(row, unread=unread)

    def _unread(self, slot: Slot, stream: Stream, user: str, blocked: Set[str]) -> int:
        """How much waits for the user; kept as his figures are."""
        count = self._engine.registry.unread
        unread = count(slot.overlay.committed(stream), user, blocked) if count is not None else 0
        if not blocked:
            if len(stream.unread) >= _KEPT_USERS_MAX:
                stream.unread.clear()
            stream.unread[user] = unread
        return unread

    def _answer(self, slot: Slot, ask: HeadAsk, now_ms: int) -> Json:
        query = Query(ask.query, ask.viewer or Viewer(""), ask.args)
        try:
            return self.query(slot, ask.app, ask.key, query, now_ms)
        except Rejected:
            return b""

    def _kept_preview(self, stream: Stream, tables: StreamTables) -> Json:
        """A channel at rest is asked for by each of its members' connects: made once."""
        made = stream.preview
        if made is None:
            made = self._preview(stream, tables)
            if len(made) <= _KEPT_BYTES_MAX:
                stream.preview = made
        return made

    def _figures(self, stream: Stream, tables: StreamTables, ask: HeadAsk) -> tuple[Json, ...]:
        """Of each user; only who blocks nobody shares what is kept."""
        if not ask.blocked:
            return tuple(self._kept_fields(stream, tables, user) for user in ask.users)
        return tuple(
            self._fields(tables, user, frozenset(blocked))
            if blocked
            else self._kept_fields(stream, tables, user)
            for user, blocked in zip(ask.users, ask.blocked, strict=True)
        )

    def _kept_fields(self, stream: Stream, tables: StreamTables, user: str) -> Json:
        """Likewise: all that figures rest on is the stream's committed rows."""
        known = stream.figures
        made = known.get(user)
        if made is None:
            made = self._fields(tables, user, frozenset())
            if len(known) >= _KEPT_USERS_MAX:
                known.clear()
            known[user] = made
        return made

    def _preview(self, stream: Stream, tables: StreamTables) -> Json:
        """The newest message among the last few events, as it may be shown now."""
        if known := stream.committed.message_seq:  # one get instead of a seek
            event = tables.published(known)
            if event is not None and event.head.flags & COUNTABLE:
                return self._data(event, tables)
        newest = tables.published_rows(limit=_PREVIEW_EVENTS_MAX, reverse=True)
        for seq, row in newest:
            if row[0] & COUNTABLE:
                return self._data(decode_row(seq, row), tables)
        return b""

    def _fields(self, tables: StreamTables, user: str, blocked: Set[str]) -> Json:
        fields: dict[str, object] = {}
        for hook in self._engine.registry.heads:
            fields.update(hook(tables, user, blocked))
        return dump_json(fields)


def _row(
    slot: Slot, stream: Stream, preview: Json, fields: tuple[Json, ...], answer: Json = b""
) -> HeadRow:
    at = stream.committed
    return HeadRow(
        stream.app,
        stream.key,
        True,
        slot.epoch,
        at.seq,
        at.ts_ms,
        preview,
        fields,
        at.message_seq,
        at.message_ms,
        answer,
    )


def _bare(slot: Slot, app: str, key: str, at: Head) -> HeadRow:
    return HeadRow(
        app,
        key,
        True,
        slot.epoch,
        at.seq,
        at.ts_ms,
        message_seq=at.message_seq,
        message_ms=at.message_ms,
    )


def _order(row: tuple[int, str, Slot, Head]) -> tuple[int, str]:
    return row[:2]


def _snapshot(access: Access) -> Json:
    return access.data if access.snapshot is None else access.snapshot()


def _oldest(tables: StreamTables, access: Access, now_ms: int) -> int:
    """The lowest seq that may be read: floor, kept size, kept time. head + 1: nothing."""
    head = tables.head
    low = max(head.floor, access.history_from)
    if access.history_size:
        low = max(low, head.seq - access.history_size + 1)
    if not access.history_ttl_ms or low > head.seq:
        return low
    cutoff_ms = now_ms - access.history_ttl_ms
    high = head.seq + 1
    while low < high:  # log time never falls
        middle = (low + high) // 2
        event = tables.published(middle)
        if event is not None and event.head.ts_ms >= cutoff_ms:
            high = middle
        else:
            low = middle + 1
    return low


def _by_slot(names: Iterable[str], slots: Mapping[str, int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for key in names:
        found.setdefault(slots[key], []).append(key)
    return found


def _with_epoch(answer: Any, epoch: str) -> Json:
    """The answer as JSON; a position in it (`head`, `epoch`) is told with its epoch."""
    fields = answer.__struct_fields__
    if "epoch" in fields:
        return encode_json(msgspec.structs.replace(answer, epoch=epoch))
    body = encode_json(answer)
    if "head" in fields:
        return body[:-1] + b',"epoch":' + encode_json(epoch) + b"}"
    return body
