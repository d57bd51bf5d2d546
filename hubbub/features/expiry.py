"""A message that expires alone: at its time it becomes a tombstone, whatever the channel keeps.

Rules:
1. Its author sets the time (`message.expire`), or the staff; setting it again moves it, 0 takes it
   back. It is a row that falls due, so it happens once, whoever leads by then.
2. The tombstone is `message.deleted` with the reason `expired`: no hole appears.
"""

from __future__ import annotations

from typing import Final

from hubbub.base.errors import BAD_REQUEST, MESSAGE_DELETED, Rejected
from hubbub.base.ids import message_seq
from hubbub.features.contract import (
    Command,
    Context,
    Done,
    Due,
    EdgeContext,
    Effect,
    Event,
    EventKind,
    Feature,
    Meta,
    Route,
    Tables,
    Undue,
    Verb,
    as_command,
)
from hubbub.features.fields import check_chat_channel
from hubbub.features.messages import (
    MessageDeleted,
    current,
    find_message,
    is_own,
    thread_of,
)
from hubbub.features.publication import parse_time
from hubbub.features.standing import require_standing
from hubbub.model.member import Role
from hubbub.model.permissions import Action, require

EXPIRED: Final = "expired"


class ExpireMessage(Command, frozen=True):
    """`at`: RFC 3339 or ms; 0: it does not expire."""

    TAG = "message.expire"

    channel: str
    id: str
    at: str | int


class EndMessage(Command, frozen=True):
    """Falls due: the message's time is over."""

    TAG = "message.end"

    channel: str
    id: str


class ExpirySet(Event, frozen=True):
    """The message expires at `at_ms`; 0: it does not."""

    TAG = "message.expiry_set"
    KIND = EventKind.SILENT

    id: str
    at_ms: int


def check_expire(cmd: ExpireMessage, _: EdgeContext) -> ExpireMessage:
    check_chat_channel(cmd.channel)
    message_seq(cmd.id)
    parse_time(cmd.at)
    return cmd


def decide_expire(cmd: ExpireMessage, tables: Tables, ctx: Context) -> list[Event]:
    require_standing(Action.SEE, tables, ctx)
    stored = find_message(cmd.id, tables, ctx)
    own = is_own(stored, ctx)
    require_standing(Action.DELETE_OWN if own else Action.DELETE_ANY, tables, ctx)
    if current(stored, tables).deleted:
        raise Rejected(MESSAGE_DELETED)
    at_ms = parse_time(cmd.at)
    if at_ms and at_ms < ctx.now_ms:
        raise Rejected(BAD_REQUEST, "at lies in the past: delete the message")
    return [ExpirySet(id=cmd.id, at_ms=at_ms)]


def decide_end(cmd: EndMessage, tables: Tables, ctx: Context) -> list[Event]:
    require(Action.PROJECT, None, Role.NONE, ctx.viewer.authority)
    stored = find_message(cmd.id, tables, ctx)
    row = current(stored, tables)
    if row.deleted:
        return []
    deleted = MessageDeleted(
        id=cmd.id,
        message_seq=stored.seq,
        rev=row.rev + 1,
        author=stored.head.by,
        thread=thread_of(stored),
        reason=EXPIRED,
    )
    return [deleted]


def apply_set(_: ExpirySet, __: Meta, ___: Tables) -> None:
    """Nothing: the row that falls due is all."""


def effects_set(event: ExpirySet, meta: Meta, _: Tables) -> list[Effect]:
    name = f"message.end:{event.id}"
    if not event.at_ms:
        return [Undue(name)]
    return [Due(event.at_ms, name, EndMessage(channel=meta.key, id=event.id))]


FEATURE: Final = Feature(
    name="expiry",
    check={ExpireMessage: check_expire},
    decide={ExpireMessage: decide_expire, EndMessage: decide_end},
    apply={ExpirySet: apply_set},
    effects={ExpirySet: effects_set},
    verbs=(Verb("message.expire", ExpireMessage, as_command, Done, "When a message ends."),),
    routes=(
        Route(
            "PUT",
            "/v1/channels/{channel}/messages/{id}/expiry",
            ExpireMessage,
            as_command,
            Done,
        ),
    ),
)
