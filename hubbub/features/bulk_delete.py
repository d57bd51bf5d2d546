"""Many messages deleted at once: named ones, or all of one author.

Rules:
1. It takes DELETE_ANY. What is deleted already, or is no message here, is passed over.
2. All of an author goes step by step, from the newest down: each entry looks at 1,000 events and
   deletes at most 100 messages, and sets the next step as something that falls due at once. So a
   leader that dies in between changes nothing, and others have their turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from hubbub.base.errors import BAD_REQUEST, TOO_MANY, Rejected
from hubbub.base.ids import message_seq
from hubbub.base.names import check_user
from hubbub.features.contract import (
    Command,
    Context,
    Decision,
    Due,
    EdgeContext,
    Effect,
    Event,
    EventKind,
    Feature,
    Meta,
    Route,
    Tables,
    Verb,
    as_command,
)
from hubbub.features.fields import check_chat_channel
from hubbub.features.messages import (
    MESSAGES,
    MODERATION,
    MessagesDeleted,
    Removed,
    current,
    find_message,
    id_of,
    thread_of,
)
from hubbub.features.standing import require_standing
from hubbub.model.message import MESSAGE_CREATED
from hubbub.model.permissions import Action
from hubbub.wire.codec import encode_json
from hubbub.wire.event import StoredEvent

MESSAGES_MAX: Final = 100  # of one entry: some 30 KB of an event
LOOKED_AT_MAX: Final = 1_000  # events of one entry: about 3 ms


class DeleteMessages(Command, frozen=True):
    """Leave tombstones: 2 to 100 ids."""

    TAG = "message.bulk_delete"

    channel: str
    ids: tuple[str, ...]


class DeleteMessagesBy(Command, frozen=True):
    """Leave tombstones of everything that a user wrote here."""

    TAG = "message.delete_by"

    channel: str
    user: str


class GoOnDeletingBy(Command, frozen=True):
    """The next step: what he wrote before the seq `before`."""

    TAG = "message.go_on_deleting_by"

    channel: str
    user: str
    before: int


class AuthorPassed(Event, frozen=True):
    """Everything of the author from `before` on is deleted; the rest follows."""

    TAG = "message.author_passed"
    KIND = EventKind.SILENT

    author: str
    before: int


class BulkDeleted(Struct, frozen=True):
    """How many became tombstones now; `more`: others follow by themselves."""

    deleted: int
    more: bool = False


def check_messages(cmd: DeleteMessages, _: EdgeContext) -> DeleteMessages:
    check_chat_channel(cmd.channel)
    if not 2 <= len(cmd.ids) <= MESSAGES_MAX:
        raise Rejected(TOO_MANY, f"2 to {MESSAGES_MAX} ids", limit=MESSAGES_MAX)
    for mid in cmd.ids:
        message_seq(mid)
    return cmd


def check_by(cmd: DeleteMessagesBy, _: EdgeContext) -> DeleteMessagesBy:
    check_chat_channel(cmd.channel)
    check_user(cmd.user)
    return cmd


def decide_messages(cmd: DeleteMessages, tables: Tables, ctx: Context) -> Decision:
    require_standing(Action.DELETE_ANY, tables, ctx)
    found: list[Removed] = []
    for mid in dict.fromkeys(cmd.ids):
        try:
            stored = find_message(mid, tables, ctx)
        except Rejected as refusal:
            if refusal.error is BAD_REQUEST:
                raise
            continue
        found += _removed(stored, tables)
    events = [MessagesDeleted(messages=tuple(found), reason=MODERATION)] if found else []
    return Decision(events, encode_json(BulkDeleted(len(found))))


def decide_by(cmd: DeleteMessagesBy, tables: Tables, ctx: Context) -> Decision:
    require_standing(Action.DELETE_ANY, tables, ctx)
    return _step(cmd.user, tables.head_seq + 1, tables)


def decide_go_on(cmd: GoOnDeletingBy, tables: Tables, ctx: Context) -> Decision:
    require_standing(Action.PROJECT, tables, ctx)
    return _step(cmd.user, cmd.before, tables)


def _step(author: str, before: int, tables: Tables) -> Decision:
    chunk = tables.published_range(before=before, limit=LOOKED_AT_MAX, reverse=True)
    found: list[Removed] = []
    last = 0
    for stored in chunk:
        last = stored.seq
        if stored.head.by == author and stored.head.type == MESSAGE_CREATED:
            found += _removed(stored, tables)
            if len(found) == MESSAGES_MAX:
                break
    more = last > tables.floor_seq
    events: list[Event] = []
    if found:
        events.append(MessagesDeleted(messages=tuple(found), reason=MODERATION))
    if more:
        events.append(AuthorPassed(author=author, before=last))
    return Decision(events, encode_json(BulkDeleted(len(found), more)))


def _removed(stored: StoredEvent, tables: Tables) -> Sequence[Removed]:
    """The tombstone that the message becomes; nothing if it is one."""
    row = current(stored, tables)
    if row.deleted:
        return ()
    removed = Removed(
        id=id_of(stored),
        message_seq=stored.seq,
        rev=row.rev + 1,
        author=stored.head.by,
        thread=thread_of(stored),
    )
    return (removed,)


def apply_passed(_: AuthorPassed, __: Meta, ___: Tables) -> None:
    """Nothing: it only says where the next step begins."""


def effects_passed(event: AuthorPassed, meta: Meta, _: Tables) -> list[Effect]:
    step = GoOnDeletingBy(channel=meta.key, user=event.author, before=event.before)
    return [Due(meta.ts_ms, f"message.delete_by:{event.author}", step)]


_DELETE: Final = MESSAGES + "/delete"

FEATURE: Final = Feature(
    name="bulk_delete",
    check={DeleteMessages: check_messages, DeleteMessagesBy: check_by},
    decide={
        DeleteMessages: decide_messages,
        DeleteMessagesBy: decide_by,
        GoOnDeletingBy: decide_go_on,
    },
    apply={AuthorPassed: apply_passed},
    effects={AuthorPassed: effects_passed},
    verbs=(
        Verb("message.bulk_delete", DeleteMessages, as_command, BulkDeleted, "2 to 100 of them."),
        Verb("message.delete_by", DeleteMessagesBy, as_command, BulkDeleted, "All of an author."),
    ),
    routes=(
        Route("POST", _DELETE, DeleteMessages, as_command, BulkDeleted),
        Route(
            "DELETE",
            "/v1/channels/{channel}/authors/{user}/messages",
            DeleteMessagesBy,
            as_command,
            BulkDeleted,
        ),
    ),
)
