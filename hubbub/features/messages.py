"""Messages: sent, edited, deleted; and their history by seq, id and time.

Rules:
1. A message is its `message.created` event; its seq and id never change. Edits and the deletion are
   events of their own, with their own seq and the message's id.
2. Only a message that was edited or deleted has a row: the folded current state. Each later event
   marks the one before it CHANGED, so that all but the last are rendered from the row.
3. Only the author edits; the author and moderators delete. A deleted message is a tombstone for
   every reader, at every offset where it appears; it is not edited any more.
4. A user's sends in one channel pass a token bucket in log time. Its row is written only while the
   limit is on; server keys are exempt.

Long because sending, folding and reading share one small set of shapes.
"""

from __future__ import annotations

from typing import Final

from msgspec import UNSET, Raw, Struct, UnsetType

from hubbub.base.errors import (
    BAD_REQUEST,
    MESSAGE_DELETED,
    NOT_FOUND,
    RATE_LIMITED,
    TOO_LARGE,
    Rejected,
)
from hubbub.base.ids import message_id, message_seq
from hubbub.features.contract import (
    Command,
    Context,
    Decision,
    Done,
    EdgeContext,
    Event,
    EventKind,
    Feature,
    Meta,
    QueryCall,
    QueryRow,
    Route,
    Table,
    Tables,
    Verb,
    as_command,
)
from hubbub.features.fields import CustomData, check_chat_channel, custom, json_bytes
from hubbub.features.publication import parse_time, rfc3339
from hubbub.features.standing import require_standing
from hubbub.model.message import MESSAGE_CREATED, Message
from hubbub.model.permissions import Action, Authority
from hubbub.settings.app import AppSettings, Rate
from hubbub.wire.codec import decode_json, encode_json
from hubbub.wire.event import CHANGED, StoredEvent
from hubbub.wire.shapes import Json

# Rows read at once while a page is filled: events that are no messages lie between them.
CHUNK_EVENTS_MAX: Final = 256
ESCAPED_BYTES_MAX: Final = 6  # of one character of a text as JSON: \u0000


class SendMessage(Command, frozen=True):
    """A text, custom data, or both."""

    TAG = "message.send"

    channel: str
    text: str = ""
    data: Raw | UnsetType = UNSET


class EditMessage(Command, frozen=True):
    """Change what is given; `data` null clears it."""

    TAG = "message.edit"

    channel: str
    id: str
    text: str | UnsetType = UNSET
    data: Raw | UnsetType = UNSET


class DeleteMessage(Command, frozen=True):
    """Leave a tombstone."""

    TAG = "message.delete"

    channel: str
    id: str


class MessageCreated(Event, frozen=True):
    """A message."""

    TAG = MESSAGE_CREATED
    COUNTABLE = True

    text: str = ""
    data: Raw | UnsetType = UNSET


class MessageUpdated(Event, frozen=True):
    """The whole message as it is from now on. `id` and `message_seq` name the message."""

    TAG = "message.updated"

    id: str
    message_seq: int
    rev: int
    text: str = ""
    data: Raw | UnsetType = UNSET

    def ref_seq(self) -> int:
        return self.message_seq

    def ref_id(self) -> str:
        return self.id


class MessageDeleted(Event, frozen=True):
    """The message is a tombstone. `author`: who had written it."""

    TAG = "message.deleted"

    id: str
    message_seq: int
    rev: int
    author: str

    def ref_seq(self) -> int:
        return self.message_seq

    def ref_id(self) -> str:
        return self.id


class MessagePaced(Event, frozen=True):
    """The sender's bucket after a send: full again at `full_at_us` (log time, µs)."""

    TAG = "message.paced"
    KIND = EventKind.SILENT

    full_at_us: int


class FoldedRow(Struct, frozen=True, array_like=True, gc=False):
    """A message's current state. `data` is JSON or empty; `last_seq`: of its newest event."""

    rev: int
    last_seq: int
    changed_ms: int
    text: str = ""
    data: bytes = b""
    deleted: bool = False


FOLDED: Final[Table[int, FoldedRow]] = Table("messages.folded", int, FoldedRow)
PACE: Final[Table[str, int]] = Table("messages.pace", str, int)


class SendRequest(Struct, frozen=True):
    """`user` (or `by`): on whose behalf a server key sends."""

    channel: str
    text: str = ""
    data: Raw | UnsetType = UNSET
    user: str = ""
    by: str = ""
    cmid: str = ""


class MessageRequest(Struct, frozen=True):
    """Which message."""

    channel: str
    id: str


class HistoryRequest(Struct, frozen=True):
    """At most one of the places; none: the newest page. `at`: RFC 3339 or ms."""

    channel: str
    after_seq: int | None = None
    before_seq: int | None = None
    around_seq: int | None = None
    at: str | int | None = None
    limit: int | None = None


class HistoryPage(Struct, frozen=True):
    """Messages ascending, each with its current state (see model/message.py). An empty page is the
    end. `head`: the channel's last seq. The node adds `epoch`."""

    messages: list[Raw]
    head: int


# --- checks at the edge


def check_send(cmd: SendMessage, ctx: EdgeContext) -> SendMessage:
    check_chat_channel(cmd.channel)
    if not cmd.text.strip() and not json_bytes(cmd.data):
        raise Rejected(BAD_REQUEST, "a message needs a text or data")
    _check_sizes(cmd.text, cmd.data, ctx.settings)
    return cmd


def check_edit(cmd: EditMessage, ctx: EdgeContext) -> EditMessage:
    check_chat_channel(cmd.channel)
    message_seq(cmd.id)
    if cmd.text is UNSET and cmd.data is UNSET:
        raise Rejected(BAD_REQUEST, "nothing to change")
    _check_sizes("" if isinstance(cmd.text, UnsetType) else cmd.text, cmd.data, ctx.settings)
    return cmd


def check_delete(cmd: DeleteMessage, _: EdgeContext) -> DeleteMessage:
    check_chat_channel(cmd.channel)
    message_seq(cmd.id)
    return cmd


def _check_sizes(text: str, data: CustomData, settings: AppSettings) -> None:
    limit = settings.text_chars_max
    if len(text) > limit:
        raise Rejected(TOO_LARGE, f"a text has at most {limit} characters", limit=limit)
    bytes_max = settings.envelope_bytes_max
    size = len(text) * ESCAPED_BYTES_MAX + len(json_bytes(data))
    if size > bytes_max and len(encode_json(text)) + len(json_bytes(data)) > bytes_max:
        raise Rejected(TOO_LARGE, f"a message has at most {bytes_max} bytes", limit=bytes_max)


# --- decide


def decide_send(cmd: SendMessage, tables: Tables, ctx: Context) -> list[Event]:
    require_standing(Action.SEND, tables, ctx)
    created = MessageCreated(text=cmd.text, data=custom(json_bytes(cmd.data)))
    rate = ctx.settings.send_per_channel
    if rate.is_off or ctx.viewer.authority != Authority.CLIENT:
        return [created]
    return [created, _pace(rate, tables, ctx)]


def _pace(rate: Rate, tables: Tables, ctx: Context) -> MessagePaced:
    """Take one token, or raise Rejected(RATE_LIMITED).

    Source: generic cell rate algorithm (ITU-T I.371), the token bucket as one number.
    """
    interval_us = int(1_000_000 / rate.per_s)
    now_us = ctx.now_ms * 1_000
    full_at_us = max(tables[PACE].get(ctx.actor) or 0, now_us) + interval_us
    over_us = full_at_us - now_us - rate.burst * interval_us
    if over_us > 0:
        raise Rejected(
            RATE_LIMITED, retry_after_ms=-(-over_us // 1_000), scope="channel", bucket="send"
        )
    return MessagePaced(full_at_us=full_at_us)


def decide_edit(cmd: EditMessage, tables: Tables, ctx: Context) -> list[Event]:
    require_standing(Action.SEE, tables, ctx)
    stored = find_message(cmd.id, tables, ctx)
    own = stored.head.by == ctx.actor
    require_standing(Action.EDIT_OWN if own else Action.EDIT_ANY, tables, ctx)
    row = current(stored, tables)
    if row.deleted:
        raise Rejected(MESSAGE_DELETED)
    text = row.text if isinstance(cmd.text, UnsetType) else cmd.text
    data = row.data if isinstance(cmd.data, UnsetType) else json_bytes(cmd.data)
    if not text.strip() and not data:
        raise Rejected(BAD_REQUEST, "a message needs a text or data")
    # What is kept and what is new may together be too much, which the edge could not see.
    _check_sizes(text, custom(data), ctx.settings)
    event = MessageUpdated(
        id=cmd.id, message_seq=stored.seq, rev=row.rev + 1, text=text, data=custom(data)
    )
    return [event]


def decide_delete(cmd: DeleteMessage, tables: Tables, ctx: Context) -> Decision:
    require_standing(Action.SEE, tables, ctx)
    stored = find_message(cmd.id, tables, ctx)
    own = stored.head.by == ctx.actor
    require_standing(Action.DELETE_OWN if own else Action.DELETE_ANY, tables, ctx)
    row = current(stored, tables)
    if row.deleted:
        known = {"seq": row.last_seq, "id": cmd.id, "rev": row.rev, "ts": rfc3339(row.changed_ms)}
        return Decision([], encode_json(known))
    return Decision(
        [MessageDeleted(id=cmd.id, message_seq=stored.seq, rev=row.rev + 1, author=stored.head.by)]
    )


# --- apply


def apply_updated(event: MessageUpdated, meta: Meta, tables: Tables) -> None:
    _supersede(event.message_seq, tables)
    row = FoldedRow(event.rev, meta.seq, meta.ts_ms, event.text, json_bytes(event.data))
    tables[FOLDED].put(event.message_seq, row)


def apply_deleted(event: MessageDeleted, meta: Meta, tables: Tables) -> None:
    _supersede(event.message_seq, tables)
    row = FoldedRow(event.rev, meta.seq, meta.ts_ms, deleted=True)
    tables[FOLDED].put(event.message_seq, row)


def apply_paced(event: MessagePaced, meta: Meta, tables: Tables) -> None:
    tables[PACE].put(meta.by, event.full_at_us)


def apply_created(_: MessageCreated, __: Meta, ___: Tables) -> None:
    """Nothing: the event itself is the message."""


def _supersede(seq: int, tables: Tables) -> None:
    """The newest event of the message so far does not show its state any more."""
    old = tables[FOLDED].get(seq)
    tables.mark_changed([seq if old is None else old.last_seq])


# --- read


def find_message(mid: str, tables: Tables, ctx: Context) -> StoredEvent:
    """The event that created the message. Raises Rejected(NOT_FOUND), BAD_REQUEST for no id at
    all."""
    stored = tables.published(message_seq(mid))
    if stored is None or stored.head.type != MESSAGE_CREATED:
        raise Rejected(NOT_FOUND, "no such message")
    stream = f"{ctx.app}\0{ctx.key}".encode()
    if message_id(stored.head.ts_ms, stored.seq, stream, ctx.id_secret) != mid:
        raise Rejected(NOT_FOUND, "no such message")
    return stored


def current(stored: StoredEvent, tables: Tables) -> FoldedRow:
    """The message's state, from its row or from the event that created it (rev 0)."""
    row = tables[FOLDED].get(stored.seq)
    if row is not None:
        return row
    message = decode_json(stored.data, Message)
    return FoldedRow(0, stored.seq, stored.head.ts_ms, message.text, json_bytes(message.data))


def render(stored: StoredEvent, tables: Tables) -> Json:
    """The `data` of a created or updated event with the message's current state."""
    row = tables[FOLDED].get(stored.head.ref_seq or stored.seq)
    if row is None:
        return stored.data
    fields = decode_json(stored.data, dict[str, Raw])
    fields.pop("text", None)
    fields.pop("data", None)
    fields["rev"] = Raw(b"%d" % row.rev)
    if row.deleted:
        fields["deleted"] = Raw(b"true")
        return encode_json(fields)
    fields["edited"] = Raw(b"true")
    if row.text:
        fields["text"] = Raw(encode_json(row.text))
    if row.data:
        fields["data"] = Raw(row.data)
    return encode_json(fields)


def readable(stored: StoredEvent, tables: Tables) -> Json:
    """The event's `data` as it may be shown now."""
    return render(stored, tables) if stored.head.flags & CHANGED else stored.data


def run_history(request: HistoryRequest, tables: Tables, ctx: Context) -> HistoryPage:
    require_standing(Action.READ, tables, ctx)
    settings = ctx.settings
    limit = settings.history_page_default if request.limit is None else request.limit
    if limit < 1:
        raise Rejected(BAD_REQUEST, "limit is at least 1")
    limit = min(limit, settings.history_page_max)
    pager = _Pager(tables, settings.history_page_bytes_max)
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
    return HistoryPage([Raw(data) for data in messages], tables.head_seq)


def seq_at(ts_ms: int, tables: Tables) -> int:
    """The lowest readable seq whose event is not older than `ts_ms`; head + 1 if there is none."""
    low, high = max(1, tables.floor_seq), tables.head_seq + 1
    while low < high:
        middle = (low + high) // 2
        stored = tables.published(middle)
        if stored is not None and stored.head.ts_ms >= ts_ms:
            high = middle
        else:
            low = middle + 1
    return low


class _Pager:
    """Fills one page with messages, at least one, within its bytes."""

    def __init__(self, tables: Tables, bytes_max: int) -> None:
        self._tables = tables
        self._bytes_left = bytes_max

    def forward(self, after: int, limit: int) -> list[Json]:
        """Messages with seq > after, ascending."""
        found: list[Json] = []
        after = min(max(after, self._tables.floor_seq - 1, 0), self._tables.head_seq)
        while len(found) < limit:
            chunk = self._tables.published_range(after=after, limit=_chunk(limit))
            if not self._take(chunk, found, limit):
                break
            after = chunk[-1].seq
        return found

    def backward(self, before: int, limit: int) -> list[Json]:
        """Messages with seq < before, ascending: the newest of them."""
        found: list[Json] = []
        before = min(before, self._tables.head_seq + 1)
        while len(found) < limit and before > 1:
            chunk = self._tables.published_range(before=before, limit=_chunk(limit), reverse=True)
            if not self._take(chunk, found, limit):
                break
            before = chunk[-1].seq
        found.reverse()
        return found

    def _take(self, chunk: list[StoredEvent], found: list[Json], limit: int) -> bool:
        """Append the chunk's messages; False when the page or the stream is at its end."""
        for stored in chunk:
            if stored.head.type != MESSAGE_CREATED:
                continue
            data = readable(stored, self._tables)
            self._bytes_left -= len(data)
            if found and self._bytes_left < 0:
                return False
            found.append(data)
            if len(found) == limit:
                return False
        return bool(chunk)


def _chunk(limit: int) -> int:
    return min(limit + limit // 4 + 1, CHUNK_EVENTS_MAX)


def run_get(request: MessageRequest, tables: Tables, ctx: Context) -> Message:
    require_standing(Action.READ, tables, ctx)
    return decode_json(readable(find_message(request.id, tables, ctx), tables), Message)


# --- requests


def turn_send(request: SendRequest, _: EdgeContext) -> SendMessage:
    return SendMessage(
        cmid=request.cmid,
        by=request.user or request.by,
        channel=request.channel,
        text=request.text,
        data=request.data,
    )


def turn_history(request: HistoryRequest, _: EdgeContext) -> QueryCall:
    places = (request.after_seq, request.before_seq, request.around_seq, request.at)
    if sum(place is not None for place in places) > 1:
        raise Rejected(BAD_REQUEST, "after_seq, before_seq, around_seq and at exclude one another")
    return QueryCall(check_chat_channel(request.channel), "history.get", request)


def turn_get(request: MessageRequest, _: EdgeContext) -> QueryCall:
    return QueryCall(check_chat_channel(request.channel), "message.get", request)


_MESSAGES: Final = "/v1/channels/{channel}/messages"
_MESSAGE: Final = _MESSAGES + "/{id}"

FEATURE: Final = Feature(
    name="messages",
    tables=(FOLDED, PACE),
    check={SendMessage: check_send, EditMessage: check_edit, DeleteMessage: check_delete},
    decide={SendMessage: decide_send, EditMessage: decide_edit, DeleteMessage: decide_delete},
    apply={
        MessageCreated: apply_created,
        MessageUpdated: apply_updated,
        MessageDeleted: apply_deleted,
        MessagePaced: apply_paced,
    },
    render={MessageCreated: render, MessageUpdated: render},
    queries=(
        QueryRow("history.get", HistoryRequest, run_history),
        QueryRow("message.get", MessageRequest, run_get),
    ),
    verbs=(
        Verb("message.send", SendMessage, as_command, Done, "Send a message."),
        Verb("message.edit", EditMessage, as_command, Done, "Change an own message."),
        Verb("message.delete", DeleteMessage, as_command, Done, "Leave a tombstone."),
        Verb("message.get", MessageRequest, turn_get, Message, "One message by its id."),
        Verb("history.get", HistoryRequest, turn_history, HistoryPage, "A page of messages."),
    ),
    routes=(
        Route("POST", _MESSAGES, SendRequest, turn_send, Done, status=201),
        Route("GET", _MESSAGES, HistoryRequest, turn_history, HistoryPage),
        Route("GET", _MESSAGE, MessageRequest, turn_get, Message),
        Route("PATCH", _MESSAGE, EditMessage, as_command, Done),
        Route("DELETE", _MESSAGE, DeleteMessage, as_command, Done),
    ),
)
