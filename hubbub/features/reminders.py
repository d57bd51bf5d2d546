"""Reminders: a user is told of something at a time, on all his devices.

Rules:
1. A reminder lives in the user's own stream; its id is that of its `reminder.created` event. It
   names a channel, perhaps a message, perhaps a note. Channel and message are there when it is made
   (`drawer`); whether the user may still see them is found out when he opens them.
2. At its time `reminder.fired` comes into `#user`. It stays in the list as fired, until it is
   cancelled or set to another time (`reminder.snooze`); of fired ones the newest `FIRED_MAX` stay.

Long because four verbs and what happens at the time are that many shapes and decisions.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from hubbub.base.errors import BAD_REQUEST, NOT_FOUND, TOO_LARGE, TOO_MANY, Rejected
from hubbub.base.ids import message_seq
from hubbub.base.units import DAY_MS
from hubbub.features.contract import (
    Context,
    Done,
    Due,
    EdgeContext,
    Effect,
    Errand,
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
)
from hubbub.features.drawer import (
    AsksUser,
    OfUser,
    Place,
    call_own,
    put_in,
    require_reader,
    require_writer,
    turn_own,
)
from hubbub.features.fields import check_chat_channel, check_limit, is_blank
from hubbub.features.publication import parse_time, rfc3339
from hubbub.features.standing import ONLY
from hubbub.model.member import Role
from hubbub.model.permissions import Action, require

PENDING_MAX: Final = 500
FIRED_MAX: Final = 100
AHEAD_MS_MAX: Final = 3_660 * DAY_MS  # ten years
NOTE_CHARS_MAX: Final = 1_000
PAGE_MAX: Final = 100


class CreateReminder(OfUser, frozen=True, kw_only=True):
    """`at`: RFC 3339 or ms. `channel`, `message`: what it is about; `note`: a text of one's own."""

    TAG = "reminder.create"

    at: str | int
    channel: str = ""
    message: str = ""
    note: str = ""


class SnoozeReminder(OfUser, frozen=True, kw_only=True):
    """Another time, whether it has fired or not."""

    TAG = "reminder.snooze"

    id: str
    at: str | int


class CancelReminder(OfUser, frozen=True, kw_only=True):
    """Away with it."""

    TAG = "reminder.cancel"

    id: str


class FireReminder(OfUser, frozen=True, kw_only=True):
    """Its time has come."""

    TAG = "reminder.fire"

    seq: int


class ReminderCreated(Event, frozen=True):
    """It waits. Its id is the event's own."""

    TAG = "reminder.created"

    at: str
    channel: str = ""
    message: str = ""
    note: str = ""


class _OfReminder(Event, frozen=True):
    """An event of a reminder: `id` names it."""

    TAG = ""

    id: str
    reminder_seq: int

    def ref_seq(self) -> int:
        return self.reminder_seq

    def ref_id(self) -> str:
        return self.id


class ReminderSnoozed(_OfReminder, frozen=True):
    """It waits for another time."""

    TAG = "reminder.snoozed"

    at: str


class ReminderFired(_OfReminder, frozen=True):
    """Now. Everything that it is about."""

    TAG = "reminder.fired"

    at: str
    channel: str = ""
    message: str = ""
    note: str = ""


class ReminderCancelled(_OfReminder, frozen=True):
    """It is gone."""

    TAG = "reminder.cancelled"


class ReminderRow(Struct, frozen=True, array_like=True, gc=False):
    """`fired_seq`: of the event that told of it; 0: it waits."""

    id: str
    at_ms: int
    channel: str = ""
    message: str = ""
    note: str = ""
    fired_seq: int = 0


REMINDERS: Final[Table[int, ReminderRow]] = Table("reminders", int, ReminderRow)
FIRED: Final[Table[int, int]] = Table("reminders.fired", int, int)  # fired_seq → reminder's seq
PENDING: Final[Table[int, int]] = Table("reminders.pending", int, int)


class Reminder(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One reminder."""

    id: str
    at: str
    channel: str = ""
    message: str = ""
    note: str = ""
    fired: bool = False


class RemindersRequest(AsksUser, frozen=True):
    """`after`: the id of the last one of the page before."""

    after: str = ""
    limit: int = PAGE_MAX


class RemindersPage(Struct, frozen=True):
    """In the order in which they were made. `next`: empty at the end."""

    reminders: list[Reminder]
    next: str = ""


def check_create(cmd: CreateReminder, ctx: EdgeContext) -> CreateReminder:
    if cmd.channel:
        check_chat_channel(cmd.channel)
    if cmd.message:
        message_seq(cmd.message)
        if not cmd.channel:
            raise Rejected(BAD_REQUEST, "a message stands in a channel")
    if not cmd.channel and is_blank(cmd.note):
        raise Rejected(BAD_REQUEST, "a reminder needs a channel or a note")
    if len(cmd.note) > NOTE_CHARS_MAX:
        raise Rejected(
            TOO_LARGE, f"a note has at most {NOTE_CHARS_MAX} characters", limit=NOTE_CHARS_MAX
        )
    return replace(turn_own(cmd, ctx), at=parse_time(cmd.at))


def turn_create(cmd: CreateReminder, ctx: EdgeContext) -> CreateReminder | Errand:
    cmd = check_create(cmd, ctx)
    return put_in(cmd, Place(cmd.channel, cmd.message)) if cmd.channel else cmd


def check_snooze(cmd: SnoozeReminder, ctx: EdgeContext) -> SnoozeReminder:
    message_seq(cmd.id)
    return replace(turn_own(cmd, ctx), at=parse_time(cmd.at))


def check_cancel(cmd: CancelReminder, ctx: EdgeContext) -> CancelReminder:
    message_seq(cmd.id)
    return turn_own(cmd, ctx)


def decide_create(cmd: CreateReminder, tables: Tables, ctx: Context) -> list[Event]:
    require_writer(cmd.user, ctx)
    _require_room(tables)
    at = _at(cmd.at, ctx)
    return [ReminderCreated(at=at, channel=cmd.channel, message=cmd.message, note=cmd.note)]


def decide_snooze(cmd: SnoozeReminder, tables: Tables, ctx: Context) -> list[Event]:
    require_writer(cmd.user, ctx)
    seq, row = _find(cmd.id, tables)
    if row.fired_seq:
        _require_room(tables)
    return [ReminderSnoozed(id=row.id, reminder_seq=seq, at=_at(cmd.at, ctx))]


def decide_cancel(cmd: CancelReminder, tables: Tables, ctx: Context) -> list[Event]:
    require_writer(cmd.user, ctx)
    seq, row = _find(cmd.id, tables)
    return [ReminderCancelled(id=row.id, reminder_seq=seq)]


def decide_fire(cmd: FireReminder, tables: Tables, ctx: Context) -> list[Event]:
    require(Action.PROJECT, None, Role.NONE, ctx.viewer.authority)
    row = tables[REMINDERS].get(cmd.seq)
    if row is None or row.fired_seq:
        return []
    return [
        ReminderFired(
            id=row.id,
            reminder_seq=cmd.seq,
            at=rfc3339(row.at_ms),
            channel=row.channel,
            message=row.message,
            note=row.note,
        )
    ]


def _at(at: str | int, ctx: Context) -> str:
    at_ms = parse_time(at)
    if not ctx.now_ms < at_ms <= ctx.now_ms + AHEAD_MS_MAX:
        raise Rejected(
            BAD_REQUEST, "at lies in the future, at most ten years ahead", now=rfc3339(ctx.now_ms)
        )
    return rfc3339(at_ms)


def _require_room(tables: Tables) -> None:
    if (tables[PENDING].get(ONLY) or 0) >= PENDING_MAX:
        raise Rejected(TOO_MANY, f"at most {PENDING_MAX} reminders wait", limit=PENDING_MAX)


def _find(mid: str, tables: Tables) -> tuple[int, ReminderRow]:
    seq = message_seq(mid)
    row = tables[REMINDERS].get(seq)
    if row is None or row.id != mid:
        raise Rejected(NOT_FOUND, "no such reminder")
    return seq, row


def apply_created(event: ReminderCreated, meta: Meta, tables: Tables) -> None:
    row = ReminderRow(meta.id, parse_time(event.at), event.channel, event.message, event.note)
    tables[REMINDERS].put(meta.seq, row)
    _count(1, tables)


def apply_snoozed(event: ReminderSnoozed, _: Meta, tables: Tables) -> None:
    row = tables[REMINDERS].get(event.reminder_seq)
    if row is None:
        return
    if row.fired_seq:
        tables[FIRED].delete(row.fired_seq)
        _count(1, tables)
    again = replace(row, at_ms=parse_time(event.at), fired_seq=0)
    tables[REMINDERS].put(event.reminder_seq, again)


def apply_fired(event: ReminderFired, meta: Meta, tables: Tables) -> None:
    row = tables[REMINDERS].get(event.reminder_seq)
    if row is None:
        return
    tables[REMINDERS].put(event.reminder_seq, replace(row, fired_seq=meta.seq))
    tables[FIRED].put(meta.seq, event.reminder_seq)
    _count(-1, tables)
    fired = tables[FIRED].scan(limit=FIRED_MAX + 1)
    if len(fired) > FIRED_MAX:
        oldest, reminder = fired[0]
        tables[FIRED].delete(oldest)
        tables[REMINDERS].delete(reminder)


def apply_cancelled(event: ReminderCancelled, _: Meta, tables: Tables) -> None:
    row = tables[REMINDERS].get(event.reminder_seq)
    if row is None:
        return
    if row.fired_seq:
        tables[FIRED].delete(row.fired_seq)
    else:
        _count(-1, tables)
    tables[REMINDERS].delete(event.reminder_seq)


def _count(step: int, tables: Tables) -> None:
    tables[PENDING].put(ONLY, (tables[PENDING].get(ONLY) or 0) + step)


def effects_created(event: ReminderCreated, meta: Meta, _: Tables) -> list[Effect]:
    return [_due(meta.seq, event.at, meta)]


def effects_snoozed(event: ReminderSnoozed, meta: Meta, _: Tables) -> list[Effect]:
    return [_due(event.reminder_seq, event.at, meta)]


def effects_cancelled(event: ReminderCancelled, _: Meta, __: Tables) -> list[Effect]:
    return [Undue(_name(event.reminder_seq))]


def _due(seq: int, at: str, meta: Meta) -> Due:
    user = meta.key[1:]
    return Due(parse_time(at), _name(seq), FireReminder(user=user, by=user, seq=seq))


def _name(seq: int) -> str:
    return f"reminder:{seq}"


def run_list(request: RemindersRequest, tables: Tables, ctx: Context) -> RemindersPage:
    require_reader(ctx)
    check_limit(request.limit, PAGE_MAX)
    after = message_seq(request.after) if request.after else None
    rows = tables[REMINDERS].scan(after=after, limit=request.limit)
    page = [
        Reminder(
            id=row.id,
            at=rfc3339(row.at_ms),
            channel=row.channel,
            message=row.message,
            note=row.note,
            fired=bool(row.fired_seq),
        )
        for _, row in rows
    ]
    return RemindersPage(page, page[-1].id if len(page) == request.limit else "")


def turn_list(request: RemindersRequest, ctx: EdgeContext) -> QueryCall:
    return call_own("reminder.list", request, ctx)


_OF_USER: Final = "/v1/users/{user}/reminders"
_ONE: Final = _OF_USER + "/{id}"

FEATURE: Final = Feature(
    name="reminders",
    tables=(REMINDERS, FIRED, PENDING),
    check={
        CreateReminder: check_create,
        SnoozeReminder: check_snooze,
        CancelReminder: check_cancel,
    },
    decide={
        CreateReminder: decide_create,
        SnoozeReminder: decide_snooze,
        CancelReminder: decide_cancel,
        FireReminder: decide_fire,
    },
    apply={
        ReminderCreated: apply_created,
        ReminderSnoozed: apply_snoozed,
        ReminderFired: apply_fired,
        ReminderCancelled: apply_cancelled,
    },
    effects={
        ReminderCreated: effects_created,
        ReminderSnoozed: effects_snoozed,
        ReminderCancelled: effects_cancelled,
    },
    queries=(QueryRow("reminder.list", RemindersRequest, run_list),),
    verbs=(
        Verb("reminder.create", CreateReminder, turn_create, Done, "Be told of something later."),
        Verb("reminder.snooze", SnoozeReminder, turn_own, Done, "At another time."),
        Verb("reminder.cancel", CancelReminder, turn_own, Done, "Not at all."),
        Verb("reminder.list", RemindersRequest, turn_list, RemindersPage, "All of them."),
    ),
    routes=(
        Route("POST", _OF_USER, CreateReminder, turn_create, Done, status=201),
        Route("GET", _OF_USER, RemindersRequest, turn_list, RemindersPage),
        Route("PATCH", _ONE, SnoozeReminder, turn_own, Done),
        Route("DELETE", _ONE, CancelReminder, turn_own, Done),
    ),
)
