"""Pins: messages that a channel keeps at hand.

Rules:
1. At most 100 a channel. Pinning again moves a pin to the top, with its new end.
2. A pin may end: it falls due, and `message.unpinned` says so.
3. A message that is deleted loses its pin, and does not get it back.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from hubbub.base.errors import BAD_REQUEST, LIMIT_EXCEEDED, Rejected
from hubbub.base.ids import message_seq
from hubbub.features.annotations import annotate
from hubbub.features.contract import (
    Command,
    Context,
    Done,
    Due,
    EdgeContext,
    Effect,
    Event,
    Feature,
    Meta,
    QueryCall,
    QueryRow,
    Route,
    Table,
    Tables,
    Undue,
    Verb,
    as_command,
)
from hubbub.features.fields import check_chat_channel
from hubbub.features.history import shown_message
from hubbub.features.messages import (
    MESSAGE,
    MessageDeleted,
    MessagesDeleted,
    OfMessage,
    alive,
    find_message,
)
from hubbub.features.publication import parse_time, rfc3339
from hubbub.features.standing import readable_from, require_standing
from hubbub.model.message import Message
from hubbub.model.permissions import Action

PINS_MAX: Final = 100


class PinMessage(Command, frozen=True):
    """Keep it at hand; `until`: RFC 3339 or ms, absent: for ever."""

    TAG = "message.pin"

    channel: str
    id: str
    until: str | int | None = None


class UnpinMessage(Command, frozen=True):
    """Put it away."""

    TAG = "message.unpin"

    channel: str
    id: str


class EndPin(Command, frozen=True):
    """A pin's time is over."""

    TAG = "message.end_pin"

    channel: str
    id: str


class MessagePinned(OfMessage, frozen=True):
    """It is pinned; `until` (RFC 3339): absent if for ever."""

    TAG = "message.pinned"

    until: str = ""


class MessageUnpinned(OfMessage, frozen=True):
    """It is pinned no more."""

    TAG = "message.unpinned"


class PinRow(Struct, frozen=True, array_like=True, gc=False):
    """Who pinned it when; `until_ms` 0: for ever."""

    id: str
    by: str
    pinned_ms: int
    pinned_seq: int
    until_ms: int = 0


PINS: Final[Table[int, PinRow]] = Table("pins", int, PinRow)


class PinsRequest(Struct, frozen=True):
    """The pins of a channel."""

    channel: str


class Pin(Struct, frozen=True, omit_defaults=True):
    """A pinned message, who pinned it when, and until when (RFC 3339)."""

    message: Message
    by: str
    ts: str
    until: str = ""


class PinsPage(Struct, frozen=True):
    """All of them, the last one first."""

    pins: list[Pin]


def check_pin(cmd: PinMessage, _: EdgeContext) -> PinMessage:
    check_chat_channel(cmd.channel)
    message_seq(cmd.id)
    if cmd.until is not None:
        parse_time(cmd.until)
    return cmd


def check_unpin(cmd: UnpinMessage, _: EdgeContext) -> UnpinMessage:
    check_chat_channel(cmd.channel)
    message_seq(cmd.id)
    return cmd


def decide_pin(cmd: PinMessage, tables: Tables, ctx: Context) -> list[Event]:
    require_standing(Action.PIN, tables, ctx)
    stored = find_message(cmd.id, tables, ctx)
    alive(stored, tables)
    until_ms = 0 if cmd.until is None else parse_time(cmd.until)
    if until_ms and until_ms <= ctx.now_ms:
        raise Rejected(BAD_REQUEST, "until lies in the past")
    pins = tables[PINS].scan(limit=PINS_MAX)
    if len(pins) >= PINS_MAX and stored.seq not in dict(pins):
        raise Rejected(LIMIT_EXCEEDED, f"at most {PINS_MAX} pins", limit=PINS_MAX)
    until = rfc3339(until_ms) if until_ms else ""
    return [MessagePinned(id=cmd.id, message_seq=stored.seq, until=until)]


def decide_unpin(cmd: UnpinMessage, tables: Tables, ctx: Context) -> list[Event]:
    require_standing(Action.PIN, tables, ctx)
    return _unpinned(find_message(cmd.id, tables, ctx).seq, cmd.id, tables)


def decide_end(cmd: EndPin, tables: Tables, ctx: Context) -> list[Event]:
    require_standing(Action.PROJECT, tables, ctx)
    return _unpinned(message_seq(cmd.id), cmd.id, tables)


def _unpinned(seq: int, mid: str, tables: Tables) -> list[Event]:
    if tables[PINS].get(seq) is None:
        return []
    return [MessageUnpinned(id=mid, message_seq=seq)]


def apply_pinned(event: MessagePinned, meta: Meta, tables: Tables) -> None:
    until_ms = parse_time(event.until) if event.until else 0
    row = PinRow(event.id, meta.by, meta.ts_ms, meta.seq, until_ms)
    tables[PINS].put(event.message_seq, row)
    annotate(tables, event.message_seq, pinned=True)


def apply_unpinned(event: MessageUnpinned, _: Meta, tables: Tables) -> None:
    _drop(event.message_seq, tables)


def apply_deleted(event: MessageDeleted, _: Meta, tables: Tables) -> None:
    _drop(event.message_seq, tables)


def apply_bulk_deleted(event: MessagesDeleted, _: Meta, tables: Tables) -> None:
    for removed in event.messages:
        _drop(removed.message_seq, tables)


def _drop(seq: int, tables: Tables) -> None:
    if tables[PINS].get(seq) is not None:
        tables[PINS].delete(seq)
        annotate(tables, seq, pinned=False)


def effects_pinned(event: MessagePinned, meta: Meta, _: Tables) -> list[Effect]:
    name = f"pin:{event.id}"
    if not event.until:
        return [Undue(name)]
    return [Due(parse_time(event.until), name, EndPin(channel=meta.key, id=event.id))]


def effects_unpinned(event: MessageUnpinned, _: Meta, __: Tables) -> list[Effect]:
    return [Undue(f"pin:{event.id}")]


def pinned_ids(tables: Tables, lowest: int) -> tuple[str, ...]:
    """Ids of the pinned messages from a seq on, the last one pinned first."""
    rows = [row for seq, row in tables[PINS].scan(limit=PINS_MAX) if seq >= lowest]
    rows.sort(key=lambda row: -row.pinned_seq)
    return tuple(row.id for row in rows)


def run_list(_: PinsRequest, tables: Tables, ctx: Context) -> PinsPage:
    require_standing(Action.READ, tables, ctx)
    lowest = readable_from(tables, ctx)
    rows = [(seq, row) for seq, row in tables[PINS].scan(limit=PINS_MAX) if seq >= lowest]
    rows.sort(key=lambda item: -item[1].pinned_seq)
    found = []
    for seq, row in rows:
        stored = tables.published(seq)
        if stored is not None:
            until = rfc3339(row.until_ms) if row.until_ms else ""
            message = shown_message(stored, tables, ctx.actor)
            found.append(Pin(message, row.by, rfc3339(row.pinned_ms), until))
    return PinsPage(found)


def turn_list(request: PinsRequest, _: EdgeContext) -> QueryCall:
    return QueryCall(check_chat_channel(request.channel), "pin.list", request)


_PIN: Final = MESSAGE + "/pin"

FEATURE: Final = Feature(
    name="pins",
    tables=(PINS,),
    check={PinMessage: check_pin, UnpinMessage: check_unpin},
    decide={PinMessage: decide_pin, UnpinMessage: decide_unpin, EndPin: decide_end},
    apply={
        MessagePinned: apply_pinned,
        MessageUnpinned: apply_unpinned,
        MessageDeleted: apply_deleted,
        MessagesDeleted: apply_bulk_deleted,
    },
    effects={MessagePinned: effects_pinned, MessageUnpinned: effects_unpinned},
    queries=(QueryRow("pin.list", PinsRequest, run_list),),
    verbs=(
        Verb("message.pin", PinMessage, as_command, Done, "Keep it at hand."),
        Verb("message.unpin", UnpinMessage, as_command, Done, "Put it away."),
        Verb("pin.list", PinsRequest, turn_list, PinsPage, "The pins of a channel."),
    ),
    routes=(
        Route("PUT", _PIN, PinMessage, as_command, Done),
        Route("DELETE", _PIN, UnpinMessage, as_command, Done),
        Route("GET", "/v1/channels/{channel}/pins", PinsRequest, turn_list, PinsPage),
    ),
)
