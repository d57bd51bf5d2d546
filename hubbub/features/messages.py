"""Messages: sent, edited, deleted; and how each of their events reads now.

Rules:
1. A message is its `message.created` event; its seq and id never change. Edits and the deletion are
   events of their own, with their own seq and the message's id.
2. Only a message that was edited or deleted has a row: the folded current state. Each later event
   marks the one before it CHANGED, so that all but the last are rendered from the row. Contents
   that were replaced stay in the log alone; the row names the events that brought them.
3. Only the author edits; the author and moderators delete. A deleted message is a tombstone for
   every reader, at every offset where it appears; it is not edited any more. Nobody puts words into
   another's mouth: a copy of somebody's message (`forwarded`) is not edited, one of the system is
   changed by who may send such, and a poll's question stays once somebody has voted.
4. A quote shows what it quotes as that stands now, and a poll its figures of now, so a message with
   either is born CHANGED.
5. Whether a message counts as unread is its own affair: not if it is silent, of the system, or
   stands in a thread alone (such a one bears the flag THREADED).
6. A user's sends in one channel pass a token bucket in log time. Its row is written only while the
   limit is on; server keys are exempt.

Long because sending and folding share one small set of shapes.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.structs import asdict, replace

from hubbub.base.errors import (
    BAD_REQUEST,
    CONFLICT,
    MESSAGE_DELETED,
    NOT_FOUND,
    PERMISSION_DENIED,
    RATE_LIMITED,
    TOO_LARGE,
    Rejected,
)
from hubbub.base.ids import message_id, message_seq
from hubbub.features.annotations import AnnotationRow, annotated, annotation
from hubbub.features.contract import (
    Command,
    Context,
    Decision,
    Done,
    EdgeContext,
    Errand,
    Event,
    EventKind,
    Feature,
    Meta,
    Route,
    Steps,
    Table,
    Tables,
    Verb,
    as_command,
)
from hubbub.features.fields import (
    CustomData,
    check_chat_channel,
    custom,
    is_blank,
    json_bytes,
    require_something,
)
from hubbub.features.here import name_here, who_is_here
from hubbub.features.message_parts import (
    check_attachments,
    check_mentions,
    check_type,
    snippet,
)
from hubbub.features.poll_rows import poll_at
from hubbub.features.publication import rfc3339
from hubbub.features.slow_mode import slowed
from hubbub.features.standing import ChannelRow, readable_from, require_standing, role_of
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role
from hubbub.model.message import MESSAGE_CREATED, Attachment, Forwarded, Quote
from hubbub.model.permissions import Action, Authority
from hubbub.model.poll import Poll
from hubbub.settings.app import AppSettings, Rate
from hubbub.wire.codec import decode_json, encode_json
from hubbub.wire.event import CHANGED, COUNTABLE, THREADED, StoredEvent
from hubbub.wire.shapes import Json

ESCAPED_BYTES_MAX: Final = 6  # of one character of a text as JSON: \u0000
_NAMES_BYTES: Final = 256  # of the fields of a content, which the sender's limit does not count
_EMPTY: Final = "a message needs a text, data or an attachment"


class SendMessage(Command, frozen=True):
    """A text, custom data, attachments, or several of them.

    `reply_to`: the id of a message that is quoted; `thread`: of one in whose thread this one
    stands (`also_in_channel`: in the channel as well). `silent`: nobody is told. `kind`: "system",
    for server keys. `type`: the app's own. `draft`: the rev of the draft that this was; it is
    cleared.
    """

    TAG = "message.send"
    SENDS = True

    channel: str
    text: str = ""
    data: Raw | UnsetType = UNSET
    attachments: tuple[Attachment, ...] = ()
    mentions: tuple[str, ...] = ()
    mention_all: bool = False
    mention_here: bool = False
    reply_to: str = ""
    thread: str = ""
    also_in_channel: bool = False
    silent: bool = False
    kind: Literal["", "system"] = ""
    type: str = ""
    draft: int = 0


class EditMessage(Command, frozen=True):
    """Change what is given; `data` null clears it."""

    TAG = "message.edit"

    channel: str
    id: str
    text: str | UnsetType = UNSET
    data: Raw | UnsetType = UNSET
    attachments: tuple[Attachment, ...] | UnsetType = UNSET
    mentions: tuple[str, ...] | UnsetType = UNSET
    mention_all: bool | UnsetType = UNSET
    mention_here: bool | UnsetType = UNSET


class DeleteMessage(Command, frozen=True):
    """Leave a tombstone."""

    TAG = "message.delete"

    channel: str
    id: str


class MessageCreated(Event, frozen=True):
    """A message. `quote`: of the message `reply_to`, when this one was sent. `thread`: the id of
    the thread's first message."""

    TAG = MESSAGE_CREATED

    text: str = ""
    data: Raw | UnsetType = UNSET
    attachments: tuple[Attachment, ...] = ()
    mentions: tuple[str, ...] = ()
    mention_all: bool = False
    mention_here: bool = False
    reply_to: str = ""
    quote: Quote | UnsetType = UNSET
    thread: str = ""
    also_in_channel: bool = False
    silent: bool = False
    kind: str = ""
    type: str = ""
    forwarded: Forwarded | UnsetType = UNSET
    poll: Poll | UnsetType = UNSET

    @property
    def is_threaded(self) -> bool:
        """Stands in a thread and not in the channel."""
        return bool(self.thread) and not self.also_in_channel

    def flags(self) -> int:
        flags = CHANGED if self.reply_to or self.poll is not UNSET else 0
        if self.is_threaded:
            return flags | THREADED
        return flags if self.silent or self.kind else flags | COUNTABLE


class OfMessage(Event, frozen=True):
    """An event of a message, which `id` and `message_seq` name."""

    TAG = ""

    id: str
    message_seq: int

    def ref_seq(self) -> int:
        return self.message_seq

    def ref_id(self) -> str:
        return self.id


class MessageUpdated(OfMessage, frozen=True):
    """The whole content as it is from now on. `rev` counts edits, deletions and their undoing.
    `author`: who had written it, where it is not `by`."""

    TAG = "message.updated"

    rev: int
    text: str = ""
    data: Raw | UnsetType = UNSET
    attachments: tuple[Attachment, ...] = ()
    mentions: tuple[str, ...] = ()
    mention_all: bool = False
    mention_here: bool = False
    author: str = ""


class MessageDeleted(OfMessage, frozen=True):
    """The message is a tombstone. `author`: who had written it; `thread`: where it stood. `reason`:
    absent if he deleted it himself."""

    TAG = "message.deleted"

    rev: int
    author: str
    thread: str = ""
    reason: str = ""


class Removed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of many tombstones, as in `message.deleted`."""

    id: str
    message_seq: int
    rev: int
    author: str
    thread: str = ""


class MessagesDeleted(Event, frozen=True):
    """These messages are tombstones."""

    TAG = "message.bulk_deleted"

    messages: tuple[Removed, ...]
    reason: str = ""


class MessageUndeleted(OfMessage, frozen=True):
    """The message is back, with this content, and with what a tombstone shows none of. `author` and
    `thread` as in `message.deleted`."""

    TAG = "message.undeleted"

    rev: int
    author: str
    edited: bool = False
    text: str = ""
    data: Raw | UnsetType = UNSET
    attachments: tuple[Attachment, ...] = ()
    mentions: tuple[str, ...] = ()
    mention_all: bool = False
    mention_here: bool = False
    thread: str = ""
    quote: Quote | UnsetType = UNSET
    forwarded: Forwarded | UnsetType = UNSET
    poll: Poll | UnsetType = UNSET

    def flags(self) -> int:
        return CHANGED if self.quote is not UNSET or self.poll is not UNSET else 0


class ThreadCreated(OfMessage, frozen=True):
    """The message has its first reply (`features.threads`)."""

    TAG = "thread.created"


class DraftSent(Event, frozen=True):
    """A message was its sender's draft of this rev (`drafts`). `thread`: as it was asked for."""

    TAG = "draft.sent"
    KIND = EventKind.SILENT

    rev: int
    thread: str = ""


class MessagePaced(Event, frozen=True):
    """The sender's bucket after a send: full again at `full_at_us` (log time, µs)."""

    TAG = "message.paced"
    KIND = EventKind.SILENT

    full_at_us: int


class Content(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What of a message can be edited."""

    text: str = ""
    data: Raw | UnsetType = UNSET
    attachments: tuple[Attachment, ...] = ()
    mentions: tuple[str, ...] = ()
    mention_all: bool = False
    mention_here: bool = False


class FoldedRow(Struct, frozen=True, array_like=True, gc=False):
    """A message's current state. `content`: JSON of a Content, empty if it is deleted; `last_seq`:
    of its newest event; `contents`: of the events that brought its contents, the newest last;
    `turns`: of those that deleted it and brought it back, in turn."""

    rev: int
    last_seq: int
    changed_ms: int
    content: bytes = b""
    deleted: bool = False
    edited: bool = False
    reason: str = ""
    contents: tuple[int, ...] = ()
    turns: tuple[int, ...] = ()


class _ThreadOf(Struct, frozen=True):
    thread: str = ""


class _OriginOf(Struct, frozen=True):
    forwarded: Forwarded | UnsetType = UNSET


class _IdOf(Struct, frozen=True):
    id: str


class _VoiceOf(Struct, frozen=True):
    kind: str = ""
    forwarded: Raw | UnsetType = UNSET


FOLDED: Final[Table[int, FoldedRow]] = Table("messages.folded", int, FoldedRow)
PACE: Final[Table[str, int]] = Table("messages.pace", str, int)

MODERATION: Final = "moderation"  # the reason of a deletion by somebody else
CONTENTS_MAX: Final = 100  # of one message that are known; older ones stay in the log, unread
CONTENT_FIELDS: Final = Content.__struct_fields__
# What a tombstone shows none of, besides its content.
TAKEN_FIELDS: Final = ("quote", "forwarded", "poll")


class SendRequest(Struct, frozen=True):
    """`user` (or `by`): on whose behalf a server key sends; without either it is the app's own
    message, and its `by` is empty. Else as `message.send`."""

    channel: str
    text: str = ""
    data: Raw | UnsetType = UNSET
    attachments: tuple[Attachment, ...] = ()
    mentions: tuple[str, ...] = ()
    mention_all: bool = False
    mention_here: bool = False
    reply_to: str = ""
    thread: str = ""
    also_in_channel: bool = False
    silent: bool = False
    kind: Literal["", "system"] = ""
    type: str = ""
    draft: int = 0
    user: str = ""
    by: str = ""
    cmid: str = ""


# --- checks at the edge


def check_send(cmd: SendMessage, ctx: EdgeContext) -> SendMessage:
    check_chat_channel(cmd.channel)
    _check_sizes(cmd.text, cmd.data, ctx.settings)
    if is_blank(cmd.text) and not (json_bytes(cmd.data) or cmd.attachments):
        raise Rejected(BAD_REQUEST, _EMPTY)
    return cmd if is_plain(cmd) else _check_more(cmd)


def is_plain(cmd: SendMessage) -> bool:
    """Nothing but a text and custom data, as nearly every message."""
    return not (
        cmd.thread
        or cmd.reply_to
        or cmd.attachments
        or cmd.mentions
        or cmd.mention_all
        or cmd.mention_here
        or cmd.also_in_channel
        or cmd.silent
        or cmd.kind
        or cmd.type
    )


def _check_more(cmd: SendMessage) -> SendMessage:
    check_attachments(cmd.attachments)
    check_type(cmd.type)
    for named in (cmd.reply_to, cmd.thread):
        if named:
            message_seq(named)
    if cmd.also_in_channel and not cmd.thread:
        raise Rejected(BAD_REQUEST, "also_in_channel is for a reply in a thread")
    return replace(cmd, mentions=check_mentions(cmd.mentions))


def check_edit(cmd: EditMessage, ctx: EdgeContext) -> EditMessage:
    check_chat_channel(cmd.channel)
    message_seq(cmd.id)
    require_something(*(getattr(cmd, name) for name in CONTENT_FIELDS))
    _check_sizes("" if isinstance(cmd.text, UnsetType) else cmd.text, cmd.data, ctx.settings)
    if not isinstance(cmd.attachments, UnsetType):
        check_attachments(cmd.attachments)
    if isinstance(cmd.mentions, UnsetType):
        return cmd
    return replace(cmd, mentions=check_mentions(cmd.mentions))


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
    if is_plain(cmd):
        channel = require_standing(Action.SEND, tables, ctx)
        created = MessageCreated(text=cmd.text, data=custom(json_bytes(cmd.data)))
    else:
        channel = require_standing(Action.SEND, tables, ctx, *actions_of(cmd))
        created = created_of(cmd, channel, tables, ctx)
    events = sent(created, channel, tables, ctx)
    if cmd.draft:
        events.append(DraftSent(rev=cmd.draft, thread=cmd.thread))
    return events


def sent(created: MessageCreated, channel: ChannelRow, tables: Tables, ctx: Context) -> list[Event]:
    """What a message appends, itself first. Raises Rejected(RATE_LIMITED)."""
    events: list[Event] = [created]
    if created.thread and not annotation(tables, message_seq(created.thread)).last_reply_seq:
        events.append(ThreadCreated(id=created.thread, message_seq=message_seq(created.thread)))
    events += slowed(channel, tables, ctx)
    rate = ctx.settings.send_per_channel
    if not rate.is_off and ctx.viewer.authority == Authority.CLIENT:
        events.append(_pace(rate, tables, ctx))
    return events


def created_of(
    cmd: SendMessage, channel: ChannelRow, tables: Tables, ctx: Context
) -> MessageCreated:
    """The message as it would be sent now. Raises Rejected: who is no member, what is not there."""
    check_mentioned(cmd.mentions, channel.kind, tables)
    return MessageCreated(
        text=cmd.text,
        data=custom(json_bytes(cmd.data)),
        attachments=cmd.attachments,
        mentions=cmd.mentions,
        mention_all=cmd.mention_all,
        mention_here=cmd.mention_here,
        reply_to=cmd.reply_to,
        quote=_quote(cmd.reply_to, tables, ctx) if cmd.reply_to else UNSET,
        thread=_open_thread(cmd.thread, tables, ctx) if cmd.thread else "",
        also_in_channel=cmd.also_in_channel,
        silent=cmd.silent,
        kind=cmd.kind,
        type=cmd.type,
    )


def actions_of(cmd: SendMessage) -> list[Action]:
    """What must be allowed for this message besides SEND."""
    wanted = (
        (cmd.thread, Action.REPLY_THREAD),
        (cmd.reply_to, Action.QUOTE),
        (cmd.attachments, Action.ATTACH),
        (cmd.mention_all or cmd.mention_here, Action.MENTION_ALL),
        (cmd.silent, Action.SEND_SILENT),
        (cmd.kind, Action.SEND_SYSTEM),
    )
    return [action for asked, action in wanted if asked]


def check_mentioned(users: tuple[str, ...], kind: ChannelKind, tables: Tables) -> None:
    """Who is mentioned must be here, where there are members. Raises Rejected(BAD_REQUEST)."""
    here = present(users, kind, tables)
    strangers = [user for user in users if user not in here]
    if strangers:
        raise Rejected(BAD_REQUEST, "only members are mentioned", mentions=strangers)


def present(users: tuple[str, ...], kind: ChannelKind, tables: Tables) -> tuple[str, ...]:
    """Those of these who may be mentioned here."""
    if kind is ChannelKind.OPEN:
        return users
    return tuple(user for user in users if role_of(tables, user).rank >= Role.MEMBER.rank)


def _quote(mid: str, tables: Tables, ctx: Context) -> Quote:
    stored = find_message(mid, tables, ctx)
    row = alive(stored, tables)
    text = snippet(decode_json(row.content, Content).text)
    return Quote(id=mid, seq=stored.seq, by=stored.head.by, text=text)


def _open_thread(mid: str, tables: Tables, ctx: Context) -> str:
    """The id of the thread in which `mid` stands, or which it begins."""
    root = root_of(mid, tables, ctx)
    alive(root, tables)
    return mid if message_seq(mid) == root.seq else thread_of(find_message(mid, tables, ctx))


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


def decide_edit(cmd: EditMessage, tables: Tables, ctx: Context) -> list[Event] | Decision:
    require_standing(Action.SEE, tables, ctx)
    stored = find_message(cmd.id, tables, ctx)
    own = is_own(stored, ctx)
    channel = require_standing(Action.EDIT_OWN if own else Action.EDIT_ANY, tables, ctx)
    if own and decode_json(stored.data, _VoiceOf).forwarded is not UNSET:
        raise Rejected(PERMISSION_DENIED, "a forwarded message says what its author said")
    _require_more(cmd, tables, ctx)
    row = alive(stored, tables)
    if not isinstance(cmd.mentions, UnsetType):
        check_mentioned(cmd.mentions, channel.kind, tables)
    old = decode_json(row.content, Content)
    content = _edited(old, cmd)
    if encode_json(content) == encode_json(old):  # who saves what he did not change edits nothing
        return Decision([], _as_it_stands(cmd.id, row))
    if content.text != old.text:
        _require_question(stored.seq, content.text, tables)
    # What is kept and what is new may together be too much, which the edge could not see.
    _check_sizes(content.text, content.data, ctx.settings)
    size, bytes_max = len(encode_json(content)), ctx.settings.envelope_bytes_max
    if size > bytes_max + _NAMES_BYTES:
        raise Rejected(TOO_LARGE, f"a message has at most {bytes_max} bytes", limit=bytes_max)
    fields = asdict(content)
    author = "" if stored.head.by == ctx.actor else stored.head.by
    updated = MessageUpdated(
        id=cmd.id, message_seq=stored.seq, rev=row.rev + 1, author=author, **fields
    )
    return [updated]


def is_own(stored: StoredEvent, ctx: Context) -> bool:
    """Whether the one who asks wrote it: what the system says in his name he did not."""
    return stored.head.by == ctx.actor and not decode_json(stored.data, _VoiceOf).kind


def _require_question(seq: int, text: str, tables: Tables) -> None:
    """The text of a poll is what people have voted on. Raises Rejected."""
    poll = poll_at(seq, tables)
    if poll is None:
        return
    if poll.voters:
        raise Rejected(CONFLICT, "somebody has voted on this question", voters=poll.voters)
    if is_blank(text):
        raise Rejected(BAD_REQUEST, "a poll needs a question")


def _as_it_stands(mid: str, row: FoldedRow) -> Json:
    """The answer where nothing changes."""
    known = {"seq": row.last_seq, "id": mid, "rev": row.rev, "ts": rfc3339(row.changed_ms)}
    return encode_json(known)


def _require_more(cmd: EditMessage, tables: Tables, ctx: Context) -> None:
    """An edit brings nothing in that the same user may not send."""
    if cmd.attachments:
        require_standing(Action.ATTACH, tables, ctx)
    if cmd.mention_all or cmd.mention_here:
        require_standing(Action.MENTION_ALL, tables, ctx)


def _edited(old: Content, cmd: EditMessage) -> Content:
    given = {name: getattr(cmd, name) for name in CONTENT_FIELDS}
    content = replace(old, **{k: v for k, v in given.items() if not isinstance(v, UnsetType)})
    content = replace(content, data=custom(json_bytes(content.data)))
    if is_blank(content.text) and not (json_bytes(content.data) or content.attachments):
        raise Rejected(BAD_REQUEST, _EMPTY)
    return content


def decide_delete(cmd: DeleteMessage, tables: Tables, ctx: Context) -> Decision:
    require_standing(Action.SEE, tables, ctx)
    stored = find_message(cmd.id, tables, ctx)
    own = is_own(stored, ctx)
    require_standing(Action.DELETE_OWN if own else Action.DELETE_ANY, tables, ctx)
    row = current(stored, tables)
    if row.deleted:
        return Decision([], _as_it_stands(cmd.id, row))
    deleted = MessageDeleted(
        id=cmd.id,
        message_seq=stored.seq,
        rev=row.rev + 1,
        author=stored.head.by,
        thread=thread_of(stored),
        reason="" if own else MODERATION,
    )
    return Decision([deleted])


# --- apply


def apply_updated(event: MessageUpdated, meta: Meta, tables: Tables) -> None:
    contents, turns = _supersede(event.message_seq, tables)
    row = FoldedRow(
        event.rev,
        meta.seq,
        meta.ts_ms,
        _content_of(event),
        edited=True,
        contents=(*contents, meta.seq)[-CONTENTS_MAX:],
        turns=turns,
    )
    tables[FOLDED].put(event.message_seq, row)


def apply_deleted(event: MessageDeleted, meta: Meta, tables: Tables) -> None:
    _bury(event, event.reason, meta, tables)


def apply_bulk_deleted(event: MessagesDeleted, meta: Meta, tables: Tables) -> None:
    for removed in event.messages:
        _bury(removed, event.reason, meta, tables)


def _bury(event: MessageDeleted | Removed, reason: str, meta: Meta, tables: Tables) -> None:
    old = tables[FOLDED].get(event.message_seq)
    contents, turns = _supersede(event.message_seq, tables)
    row = FoldedRow(
        event.rev,
        meta.seq,
        meta.ts_ms,
        deleted=True,
        edited=old is not None and old.edited,
        reason=reason,
        contents=contents,
        turns=_turned(turns, meta.seq),
    )
    tables[FOLDED].put(event.message_seq, row)


def apply_undeleted(event: MessageUndeleted, meta: Meta, tables: Tables) -> None:
    # Its own content is a copy of the last one, so it is none of `contents`.
    contents, turns = _supersede(event.message_seq, tables)
    row = FoldedRow(
        event.rev,
        meta.seq,
        meta.ts_ms,
        _content_of(event),
        edited=event.edited,
        contents=contents,
        turns=_turned(turns, meta.seq),
    )
    tables[FOLDED].put(event.message_seq, row)


def _content_of(event: MessageUpdated | MessageUndeleted) -> bytes:
    return encode_json(Content(**{name: getattr(event, name) for name in CONTENT_FIELDS}))


def apply_paced(event: MessagePaced, meta: Meta, tables: Tables) -> None:
    tables[PACE].put(meta.by, event.full_at_us)


def apply_created(_: MessageCreated, __: Meta, ___: Tables) -> None:
    """Nothing: the event itself is the message."""


def _turned(turns: tuple[int, ...], seq: int) -> tuple[int, ...]:
    """One more of them; the oldest pair goes when there are too many."""
    return (*(turns[2:] if len(turns) >= CONTENTS_MAX else turns), seq)


def _supersede(seq: int, tables: Tables) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The newest event of the message so far does not show its state any more. Returns the events
    that brought contents, and `turns`."""
    old = tables[FOLDED].get(seq)
    tables.mark_changed([seq if old is None else old.last_seq])
    return ((seq,), ()) if old is None else (old.contents, old.turns)


# --- read


def find_message(mid: str, tables: Tables, ctx: Context) -> StoredEvent:
    """The event that created the message. Raises Rejected(NOT_FOUND), BAD_REQUEST for no id at
    all."""
    seq = message_seq(mid)
    stored = tables.published(seq) if seq >= readable_from(tables, ctx) else None
    if stored is None or stored.head.type != MESSAGE_CREATED:
        raise Rejected(NOT_FOUND, "no such message")
    stream = f"{ctx.app}\0{ctx.key}".encode()
    if message_id(stored.head.ts_ms, stored.seq, stream, ctx.id_secret) != mid:
        raise Rejected(NOT_FOUND, "no such message")
    return stored


def thread_of(stored: StoredEvent) -> str:
    """The id of the thread in which a message stands; empty: in none, though it may begin one."""
    return decode_json(stored.data, _ThreadOf).thread


def id_of(stored: StoredEvent) -> str:
    """The message's id."""
    return decode_json(stored.data, _IdOf).id


def authors_of(stored: StoredEvent) -> frozenset[str]:
    """Who said it, and who wrote it if it was forwarded."""
    origin = decode_json(stored.data, _OriginOf).forwarded
    return frozenset(
        (stored.head.by,) if isinstance(origin, UnsetType) else (stored.head.by, origin.by)
    )


def root_of(mid: str, tables: Tables, ctx: Context) -> StoredEvent:
    """The first message of the thread in which `mid` stands, or itself. Raises as
    `find_message`."""
    stored = find_message(mid, tables, ctx)
    root = thread_of(stored)
    return find_message(root, tables, ctx) if root else stored


def current(stored: StoredEvent, tables: Tables) -> FoldedRow:
    """The message's state, from its row or from the event that created it (rev 0)."""
    row = tables[FOLDED].get(stored.seq)
    if row is not None:
        return row
    content = encode_json(decode_json(stored.data, Content))
    return FoldedRow(0, stored.seq, stored.head.ts_ms, content, contents=(stored.seq,))


def alive(stored: StoredEvent, tables: Tables) -> FoldedRow:
    """`current`; raises Rejected(MESSAGE_DELETED) for a tombstone."""
    row = current(stored, tables)
    if row.deleted:
        raise Rejected(MESSAGE_DELETED)
    return row


def render(stored: StoredEvent, tables: Tables) -> Json:
    """The `data` of an event that shows a message's content, with the current state."""
    seq = stored.head.ref_seq or stored.seq
    row = tables[FOLDED].get(seq)
    fields = decode_json(stored.data, dict[str, Raw])
    if row is not None:
        for name in CONTENT_FIELDS:
            fields.pop(name, None)
        fields["rev"] = Raw(b"%d" % row.rev)
        if row.deleted:
            for name in TAKEN_FIELDS:
                fields.pop(name, None)
            fields["deleted"] = Raw(b"true")
            if row.reason:
                fields["reason"] = Raw(encode_json(row.reason))
            return encode_json(fields)
        if row.edited:
            fields["edited"] = Raw(b"true")
        fields.update(decode_json(row.content, dict[str, Raw]))
    quote = fields.get("quote")
    if quote is not None:
        fields["quote"] = Raw(encode_json(shown_quote(decode_json(bytes(quote), Quote), tables)))
    if "poll" in fields:
        fields["poll"] = Raw(encode_json(poll_at(seq, tables)))
    return encode_json(fields)


def shown_quote(quote: Quote, tables: Tables) -> Quote:
    """The quote as the quoted message stands now; one that retention took shows nothing, too."""
    row = tables[FOLDED].get(quote.seq)
    if (row is not None and row.deleted) or tables.floor_seq > quote.seq:
        return Quote(id=quote.id, seq=quote.seq, deleted=True)
    if row is None:
        return quote
    return replace(quote, text=snippet(decode_json(row.content, Content).text))


def readable(stored: StoredEvent, tables: Tables) -> Json:
    """The event's `data` as it may be shown now."""
    return render(stored, tables) if stored.head.flags & CHANGED else stored.data


def seen(stored: StoredEvent, row: AnnotationRow | None, tables: Tables, viewer: str) -> Json:
    """A message as a viewer may see it now, with its annotations."""
    if row is None:
        return readable(stored, tables) if stored.head.flags & CHANGED else stored.data
    data = readable(stored, tables)
    folded = tables[FOLDED].get(stored.seq) if stored.head.flags & CHANGED else None
    is_deleted = folded is not None and folded.deleted
    return annotated(data, stored.seq, row, tables, viewer, is_deleted=is_deleted)


# --- requests


def turn_send(request: SendRequest, ctx: EdgeContext) -> SendMessage | Errand:
    fields = {name: getattr(request, name) for name in SendMessage.__struct_fields__}
    return turn_message(SendMessage(**fields | {"by": request.user or request.by}), ctx)


def turn_message(cmd: SendMessage, ctx: EdgeContext) -> SendMessage | Errand:
    """The command; where it says `@here`, the edge looks who is, and names them behind it."""
    if not cmd.mention_here or ctx.settings.raw_user_streams:
        return cmd
    check_chat_channel(cmd.channel)

    def steps() -> Steps:
        answer: bytes = yield cmd
        users = yield from who_is_here(cmd.channel)
        yield from name_here(cmd.channel, answer, users, cmd.by)
        return answer

    return Errand(steps)


MESSAGES: Final = "/v1/channels/{channel}/messages"
MESSAGE: Final = MESSAGES + "/{id}"

FEATURE: Final = Feature(
    name="messages",
    tables=(FOLDED, PACE),
    check={SendMessage: check_send, EditMessage: check_edit, DeleteMessage: check_delete},
    decide={SendMessage: decide_send, EditMessage: decide_edit, DeleteMessage: decide_delete},
    apply={
        MessageCreated: apply_created,
        MessageUpdated: apply_updated,
        MessageDeleted: apply_deleted,
        MessagesDeleted: apply_bulk_deleted,
        MessageUndeleted: apply_undeleted,
        MessagePaced: apply_paced,
    },
    render={MessageCreated: render, MessageUpdated: render, MessageUndeleted: render},
    verbs=(
        Verb("message.send", SendMessage, turn_message, Done, "Send a message."),
        Verb("message.edit", EditMessage, as_command, Done, "Change an own message."),
        Verb("message.delete", DeleteMessage, as_command, Done, "Leave a tombstone."),
    ),
    routes=(
        Route(
            *("POST", MESSAGES, SendRequest, turn_send, Done),
            status=201,
            doc="Send a message, on behalf of `user` (or `by`) with a server key.",
            sends=True,
        ),
        Route("PATCH", MESSAGE, EditMessage, as_command, Done),
        Route("DELETE", MESSAGE, DeleteMessage, as_command, Done),
    ),
)
