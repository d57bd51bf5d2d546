"""Messages by seq, id and time: pages of a channel, one message.

Rules:
1. A page holds messages with their current state, never events; tombstones too, at their place.
2. Replies that stand in a thread alone are left out unless they are asked for.
3. A page is bounded by messages, bytes and the events that were looked at; where the last bound
   ended the search early, `reached` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from msgspec import Raw, Struct, field

from hubbub.base.errors import BAD_REQUEST, TOO_MANY, Rejected
from hubbub.base.names import check_user
from hubbub.features.annotations import ANNOTATIONS, AnnotationRow, annotations_between
from hubbub.features.contract import (
    Context,
    EdgeContext,
    Feature,
    QueryCall,
    QueryRow,
    Route,
    Tables,
    Verb,
)
from hubbub.features.fields import check_chat_channel, check_limit
from hubbub.features.message_parts import check_type
from hubbub.features.messages import MESSAGE, MESSAGES, find_message, seen
from hubbub.features.past import stood
from hubbub.features.publication import MessageJson, parse_time
from hubbub.features.removed import RemovedRange, removed_ranges
from hubbub.features.retention import seq_at
from hubbub.features.standing import readable_from, require_standing
from hubbub.model.message import MESSAGE_CREATED, Message
from hubbub.model.permissions import Action
from hubbub.wire.codec import decode_json
from hubbub.wire.event import CHANGED, THREADED, StoredEvent, decode_row, plain_data
from hubbub.wire.shapes import Json

# Rows read at once. A page begins with as many as it wants, for most events are messages, and
# doubles them where others lie between.
CHUNK_EVENTS_MAX: Final = 256
# Of one page: about 15 ms. Half pages oftener through a long thread, double keeps others waiting.
LOOKED_AT_MAX: Final = 5_000
_CREATED: Final = MESSAGE_CREATED.encode()
IDS_MAX: Final = 100  # of one request: 100 of the largest messages are 6 MB


class MessageRequest(Struct, frozen=True):
    """Which message."""

    channel: str
    id: str


class MessagesRequest(Struct, frozen=True):
    """Several messages of a channel: 1 to 100 ids."""

    channel: str
    ids: tuple[str, ...]


class MessagesFound(Struct, frozen=True):
    """Those that are there, in the order of the ids, and the ids of those that are not."""

    messages: list[MessageJson]
    missing: list[str]


class HistoryRequest(Struct, frozen=True):
    """At most one of the places; none: the newest page. `at`: RFC 3339 or ms. `by`, `type`:
    only messages of this author or type. `replies`: those that stand in threads alone, too.
    `as_of`: as `at`; the page shows what stood here at that time, later deletions undone: for who
    may undelete any (`features.past`), and without reactions and the like."""

    channel: str
    after_seq: int | None = None
    before_seq: int | None = None
    around_seq: int | None = None
    at: str | int | None = None
    limit: int | None = None
    by: str = ""
    type: str = ""
    replies: bool = False
    as_of: str | int | None = None


class HistoryPage(Struct, frozen=True, omit_defaults=True):
    """Messages ascending, each with its current state (see model/message.py). `head`: the
    channel's last seq (of then, if the page is of the past). `reached`: the search went no further
    than this seq, go on behind it. An empty page without it is the end. `removed`: seqs where the
    page looked that are gone, and why. The node adds `epoch`."""

    messages: list[MessageJson]
    head: int
    reached: int = 0
    removed: list[RemovedRange] = field(default_factory=list)


class _TypeOf(Struct, frozen=True):
    type: str = ""


def run_history(request: HistoryRequest, tables: Tables, ctx: Context) -> HistoryPage:
    require_standing(Action.READ, tables, ctx)
    settings = ctx.settings
    limit = settings.history_page_default if request.limit is None else request.limit
    check_limit(limit, settings.history_page_max)
    lowest, bytes_max = readable_from(tables, ctx), settings.history_page_bytes_max
    pager = Pager(tables, lowest, bytes_max, _wanted(request), ctx.actor)
    if not (request.by or request.type):
        pager.plain_without = CHANGED if request.replies else CHANGED | THREADED
    if request.as_of is not None:
        require_standing(Action.SEE_EDITS, tables, ctx, Action.UNDELETE_ANY)
        pager.end_at(seq_at(parse_time(request.as_of) + 1, tables) - 1)
    if request.after_seq is not None:
        messages = pager.forward(request.after_seq, limit)
    elif request.around_seq is not None:
        older = pager.backward(request.around_seq + 1, limit - limit // 2)
        messages = older + pager.forward(request.around_seq, limit - len(older))
    elif request.at is not None:
        messages = pager.forward(seq_at(parse_time(request.at), tables) - 1, limit)
    else:
        before = tables.head_seq + 1 if request.before_seq is None else request.before_seq
        messages = pager.backward(before, limit)
    found = [Raw(data) for data in messages]
    return HistoryPage(found, pager.head, pager.reached, _removed(request, tables, pager))


def _removed(request: HistoryRequest, tables: Tables, pager: Pager) -> list[RemovedRange]:
    """What is missing where the page looked: behind the place where it began, or down to the
    beginning if it went so far."""
    if tables.floor_seq <= 1 or pager.lowest > tables.floor_seq:
        return []  # nothing, or nothing that this one might have read
    if request.after_seq is not None:
        return removed_ranges(tables, request.after_seq)
    if request.at is not None:
        before = seq_at(parse_time(request.at), tables) <= tables.floor_seq
    elif request.around_seq is not None:
        before = pager.is_at_start or request.around_seq < tables.floor_seq
    else:
        before = pager.is_at_start
    return removed_ranges(tables) if before else []


def _wanted(request: HistoryRequest) -> Callable[[StoredEvent], bool]:
    """Which messages a page is to hold."""
    by, kind, unwanted = request.by, request.type, 0 if request.replies else THREADED

    def is_wanted(stored: StoredEvent) -> bool:
        head = stored.head
        if head.flags & unwanted or (by and head.by != by):
            return False
        return not kind or decode_json(stored.data, _TypeOf).type == kind

    return is_wanted


class Pager:
    """Fills one page with messages, at least one, within its bytes, none below the seq `lowest`.
    `reached`: where the search was given up, 0 if it was not. `is_at_start`: going back it met the
    beginning of what may be read."""

    def __init__(
        self,
        tables: Tables,
        lowest: int,
        bytes_max: int,
        is_wanted: Callable[[StoredEvent], bool],
        viewer: str,
    ) -> None:
        self._tables = tables
        self.lowest = lowest
        self._bytes_left = bytes_max
        self._looks_left = LOOKED_AT_MAX
        self._is_wanted = is_wanted
        self._viewer = viewer
        self._is_past = False
        # A message with none of these flags is wanted, and shown as it was published. None: look
        # at each.
        self.plain_without: int | None = None
        self.head = tables.head_seq
        self.reached = 0
        self.is_at_start = False

    def end_at(self, seq: int) -> None:
        """Show what stood there when this event was the last one."""
        self.head = seq
        self._is_past = True

    def forward(self, after: int, limit: int) -> list[Json]:
        """Messages with seq > after, ascending."""
        found: list[Json] = []
        after = min(max(after, self.lowest - 1, 0), self.head)
        size = limit
        while len(found) < limit:
            size = min(size, CHUNK_EVENTS_MAX)
            chunk = self._tables.published_rows(after=after, before=self.head + 1, limit=size)
            if not self._take(chunk, found, limit):
                break
            after, size = chunk[-1][0], 2 * size
        return found

    def backward(self, before: int, limit: int) -> list[Json]:
        """Messages with seq < before, ascending: the newest of them."""
        found: list[Json] = []
        before = min(before, self.head + 1)
        size = limit
        while len(found) < limit and before > self.lowest:
            size = min(size, CHUNK_EVENTS_MAX)
            chunk = self._tables.published_rows(
                after=self.lowest - 1, before=before, limit=size, reverse=True
            )
            if not self._take(chunk, found, limit):
                self.is_at_start = not chunk
                break
            before, size = chunk[-1][0], 2 * size
        else:
            self.is_at_start = len(found) < limit
        found.reverse()
        return found

    def _take(self, chunk: list[tuple[int, bytes]], found: list[Json], limit: int) -> bool:
        """Append the chunk's messages; False when the page or the stream is at its end."""
        ends = (chunk[0][0], chunk[-1][0]) if chunk else (0, 0)
        annotations = annotations_between(self._tables, min(ends), max(ends))
        shown = self._plain(chunk)
        plain = [data for data in shown if data is not None]
        size = sum(map(len, plain))
        room = limit - len(found)
        if len(plain) == len(chunk) <= room and size <= self._bytes_left and not annotations:
            self._bytes_left -= size  # nearly every page
            found += plain
        elif not self._take_each(zip(chunk, shown, strict=True), annotations, found, limit):
            return False
        if len(found) == limit:
            return False
        self._looks_left -= len(chunk)
        if chunk and self._looks_left <= 0:
            self.reached = chunk[-1][0]
            return False
        return bool(chunk)

    def _take_each(
        self,
        chunk: Iterable[tuple[tuple[int, bytes], Json | None]],
        annotations: Mapping[int, AnnotationRow],
        found: list[Json],
        limit: int,
    ) -> bool:
        """As _take: of (row, what `_plain` says of it); False when the page is at its end."""
        for (seq, row), plain in chunk:
            annotation = annotations.get(seq)
            data = plain if annotation is None else None
            if data is None:
                data = self._shown(decode_row(seq, row), annotation)
                if data is None:
                    continue
            self._bytes_left -= len(data)
            if found and self._bytes_left < 0:
                return False
            found.append(data)
            if len(found) == limit:
                return False
        return True

    def _plain(self, chunk: list[tuple[int, bytes]]) -> Sequence[Json | None]:
        """What of the chunk is shown as it is, apart from annotations."""
        if self._is_past or self.plain_without is None:
            return [None] * len(chunk)
        return plain_data(chunk, _CREATED, self.plain_without)

    def _shown(self, stored: StoredEvent, annotation: AnnotationRow | None) -> Json | None:
        """None: not on this page."""
        if stored.head.type != MESSAGE_CREATED or not self._is_wanted(stored):
            return None
        if self._is_past:
            return stood(stored, self.head, self._tables)
        return seen(stored, annotation, self._tables, self._viewer)


def run_get(request: MessageRequest, tables: Tables, ctx: Context) -> Message:
    require_standing(Action.READ, tables, ctx)
    return shown_message(find_message(request.id, tables, ctx), tables, ctx.actor)


def run_several(request: MessagesRequest, tables: Tables, ctx: Context) -> MessagesFound:
    require_standing(Action.READ, tables, ctx)
    found: list[Raw] = []
    missing: list[str] = []
    for mid in dict.fromkeys(request.ids):
        try:
            stored = find_message(mid, tables, ctx)
        except Rejected:
            missing.append(mid)
            continue
        row = tables[ANNOTATIONS].get(stored.seq)
        found.append(Raw(seen(stored, row, tables, ctx.actor)))
    return MessagesFound(found, missing)


def shown_message(stored: StoredEvent, tables: Tables, viewer: str) -> Message:
    """One message as a viewer sees it."""
    return decode_json(seen(stored, tables[ANNOTATIONS].get(stored.seq), tables, viewer), Message)


def turn_history(request: HistoryRequest, _: EdgeContext) -> QueryCall:
    places = (request.after_seq, request.before_seq, request.around_seq, request.at)
    if sum(place is not None for place in places) > 1:
        raise Rejected(BAD_REQUEST, "after_seq, before_seq, around_seq and at exclude one another")
    if request.by:
        check_user(request.by)
    check_type(request.type)
    return QueryCall(check_chat_channel(request.channel), "history.get", request)


def turn_several(request: MessagesRequest, _: EdgeContext) -> QueryCall:
    if not 1 <= len(request.ids) <= IDS_MAX:
        raise Rejected(TOO_MANY, f"1 to {IDS_MAX} ids", limit=IDS_MAX)
    return QueryCall(check_chat_channel(request.channel), "messages.get", request)


def turn_get(request: MessageRequest, _: EdgeContext) -> QueryCall:
    return QueryCall(check_chat_channel(request.channel), "message.get", request)


FEATURE: Final = Feature(
    name="history",
    queries=(
        QueryRow("history.get", HistoryRequest, run_history),
        QueryRow("message.get", MessageRequest, run_get),
        QueryRow("messages.get", MessagesRequest, run_several),
    ),
    verbs=(
        Verb("message.get", MessageRequest, turn_get, Message, "One message by its id."),
        Verb("messages.get", MessagesRequest, turn_several, MessagesFound, "Up to 100 by ids."),
        Verb("history.get", HistoryRequest, turn_history, HistoryPage, "A page of messages."),
    ),
    routes=(
        Route("GET", MESSAGES, HistoryRequest, turn_history, HistoryPage),
        Route("GET", MESSAGE, MessageRequest, turn_get, Message),
        Route("POST", MESSAGES + "/get", MessagesRequest, turn_several, MessagesFound),
    ),
)
