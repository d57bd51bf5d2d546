"""Scheduled messages: kept in the channel's stream, sent at their time in their author's name.

Rules:
1. A scheduled message is shown to nobody but its author, at most `PENDING_MAX` a channel. It is
   changed, taken back or sent at once only by him, or by a server key in his name.
2. At its time it becomes an ordinary message: the author's rights, bans, mutes and pace are looked
   at then, by the same guards and the same `decide` as for one that he sends himself. A refusal for
   now (pace, slow mode) lets it wait; a lasting one ends it. What it quotes, answers in a thread or
   mentions has to be there when it is set, too; who left meanwhile is mentioned no more.
3. Who is excluded from the app at that time (`exclusions`) sends nothing: the message ends like
   any that is refused, with `user_deactivated` or `user_banned`, and its text stands in
   `message.schedule_failed` for when he is back. It does not wait for him: what is sent weeks late
   is worse than what is not sent. If he is in again before its time, it is sent. The channels where
   something of his waits hear of it from his stream, within 2 s, as his sessions end.
4. The author's own stream `#user` hears of each step: `message.scheduled`, `message.unscheduled`
   (`sent` says why), `message.schedule_failed` with the error. So all his devices agree, and
   `schedule.list` without a channel reads that projection.

Long because both halves, what the channel decides and what the user's stream keeps, stand together.
"""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Sequence
from typing import Annotated, Final

from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec import Meta as Bounds
from msgspec.structs import replace

from hubbub.base.errors import (
    BAD_REQUEST,
    NOT_FOUND,
    PERMISSION_DENIED,
    RATE_LIMITED,
    SLOW_MODE,
    TOO_MANY,
    USER_BANNED,
    USER_DEACTIVATED,
    Rejected,
)
from hubbub.base.names import check_user, user_stream
from hubbub.base.units import DAY_MS
from hubbub.features.contract import (
    Command,
    Context,
    Decision,
    Done,
    Due,
    EdgeContext,
    Effect,
    Event,
    EventKind,
    Feature,
    Forward,
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
from hubbub.features.exclusions import (
    TOLD,
    ToldRow,
    UserBanned,
    UserDeactivated,
    UserReactivated,
    UserUnbanned,
)
from hubbub.features.fields import check_chat_channel, check_limit, require_something
from hubbub.features.messages import SendMessage, actions_of, created_of, decide_send, present
from hubbub.features.publication import parse_time, rfc3339
from hubbub.features.standing import channel_row, require_user
from hubbub.model.member import Role
from hubbub.model.permissions import Action, Authority, require
from hubbub.wire.codec import decode_json, encode_json, shape_json
from hubbub.wire.shapes import Viewer

PENDING_MAX: Final = 100  # of one user in one channel
AHEAD_MS_MAX: Final = 400 * DAY_MS  # a year, and some days to plan the next one
PAGE_MAX: Final = 100
_PAST_IDS: Final = "\x7f"  # sorts behind every id of a scheduled message
_OURS: Final = ("channel", "cmid", "by", "user")  # the message's own are set by the request

# An id is 15 random bytes in base32: no message's. Only the documents say so; another is not found.
ScheduleId = Annotated[str, Bounds(extra_json_schema={"pattern": "^[a-z2-7]{24}$"})]


class CreateSchedule(Command, frozen=True):
    """`message`: what `message.send` takes, without channel. `at`: RFC 3339 or ms."""

    TAG = "schedule.create"

    channel: str
    at: str | int
    message: Raw


class UpdateSchedule(Command, frozen=True):
    """Change what is given; `message` replaces the whole message."""

    TAG = "schedule.update"

    channel: str
    id: ScheduleId
    at: str | int | UnsetType = UNSET
    message: Raw | UnsetType = UNSET


class CancelSchedule(Command, frozen=True):
    """Take it back."""

    TAG = "schedule.cancel"

    channel: str
    id: ScheduleId


class SendScheduled(Command, frozen=True):
    """Send it at once."""

    TAG = "schedule.send_now"

    channel: str
    id: ScheduleId


class FireSchedule(Command, frozen=True):
    """Its time has come."""

    TAG = "schedule.fire"

    channel: str
    id: str


class PutScheduled(Command, frozen=True):
    """The author's own stream learns of a scheduled message."""

    TAG = "schedule.put"

    user: str
    channel: str
    schedule: str
    at_ms: int
    rev: int
    message: Raw

    def stream_key(self) -> str:
        return user_stream(self.user)


class DropScheduled(Command, frozen=True):
    """The author's own stream learns how it ended. `code` 0: without an error."""

    TAG = "schedule.drop"

    user: str
    channel: str
    schedule: str
    sent: bool = False
    code: int = 0
    error: str = ""
    text: str = ""
    message: Raw | UnsetType = UNSET

    def stream_key(self) -> str:
        return user_stream(self.user)


class TellChannel(Command, frozen=True):
    """The author's own stream says how it stands with him. `banned_ms`: 0 for not banned."""

    TAG = "schedule.tell_exclusion"

    channel: str
    user: str
    deactivated: bool = False
    banned_ms: int = 0


class AuthorExclusionNoted(Event, frozen=True):
    """In the channel: see TellChannel."""

    TAG = "schedule.exclusion_noted"
    KIND = EventKind.SILENT

    user: str
    deactivated: bool = False
    banned_ms: int = 0


class ScheduleSet(Event, frozen=True):
    """In the channel: a message waits, new or changed. `body`: of the SendMessage."""

    TAG = "schedule.set"
    KIND = EventKind.SILENT

    user: str
    schedule: str
    at_ms: int
    rev: int
    body: Raw


class ScheduleEnded(Event, frozen=True):
    """In the channel: it waits no more: sent, taken back, or refused with an error."""

    TAG = "schedule.ended"
    KIND = EventKind.SILENT

    user: str
    schedule: str
    sent: bool = False
    code: int = 0
    error: str = ""
    text: str = ""


class MessageScheduled(Event, frozen=True):
    """In `#user`: a message waits, new or changed (`rev`). `message`: as it was given."""

    TAG = "message.scheduled"

    channel: str
    schedule: str
    at: str
    rev: int
    message: Raw


class MessageUnscheduled(Event, frozen=True):
    """In `#user`: it was sent, or taken back."""

    TAG = "message.unscheduled"

    channel: str
    schedule: str
    sent: bool = False


class ScheduleError(Struct, frozen=True):
    """Why a message was not sent: an error as the answer to `message.send` would name it."""

    code: int
    name: str
    text: str


class ScheduleFailed(Event, frozen=True):
    """In `#user`: it was refused at its time, and waits no more."""

    TAG = "message.schedule_failed"

    channel: str
    schedule: str
    error: ScheduleError
    message: Raw


class ScheduleRow(Struct, frozen=True, array_like=True, gc=False):
    """`body`: JSON of the SendMessage."""

    at_ms: int
    rev: int
    body: bytes
    cmid: str = ""


class ListedRow(Struct, frozen=True, array_like=True, gc=False):
    """In `#user`. `message`: JSON."""

    at_ms: int
    rev: int
    message: bytes


SCHEDULES: Final[Table[tuple[str, str], ScheduleRow]] = Table(
    "schedules", tuple[str, str], ScheduleRow
)
PENDING: Final[Table[str, int]] = Table("schedules.pending", str, int)
# In the channel: authors of what waits who are excluded from the app.
EXCLUDED_AUTHORS: Final[Table[str, ToldRow]] = Table("schedules.excluded", str, ToldRow)
LISTED: Final[Table[tuple[str, str], ListedRow]] = Table(
    "schedules.listed", tuple[str, str], ListedRow
)


class ScheduledDone(Struct, frozen=True):
    """The scheduled message's id, and when it is sent."""

    schedule: str
    at: str
    rev: int


class Scheduled(Struct, frozen=True):
    """A message that waits."""

    channel: str
    schedule: str
    at: str
    rev: int
    message: Raw


class SchedulesRequest(Struct, frozen=True):
    """Of one user (empty: of the one who asks), in one channel or, without it, in all. `after`:
    the `next` of the page before."""

    channel: str = ""
    user: str = ""
    after: str = ""
    limit: int = PAGE_MAX


class SchedulesPage(Struct, frozen=True):
    """By channel and id; of one channel by time. `next`: empty at the end."""

    schedules: list[Scheduled]
    next: str = ""


# --- checks at the edge


def check_create(cmd: CreateSchedule, ctx: EdgeContext) -> CreateSchedule:
    check_chat_channel(cmd.channel)
    return replace(cmd, at=parse_time(cmd.at), message=_checked(cmd.channel, cmd.message, ctx))


def check_update(cmd: UpdateSchedule, ctx: EdgeContext) -> UpdateSchedule:
    check_chat_channel(cmd.channel)
    require_something(cmd.at, cmd.message)
    if not isinstance(cmd.at, UnsetType):
        cmd = replace(cmd, at=parse_time(cmd.at))
    if isinstance(cmd.message, UnsetType):
        return cmd
    return replace(cmd, message=_checked(cmd.channel, cmd.message, ctx))


def check_id(cmd: CancelSchedule | SendScheduled, _: EdgeContext) -> CancelSchedule | SendScheduled:
    check_chat_channel(cmd.channel)
    return cmd


def _checked(channel: str, message: Raw, ctx: EdgeContext) -> Raw:
    """The whole SendMessage as JSON, as `message.send` would have taken it."""
    fields = shape_json(bytes(message), dict[str, Raw])
    given = {name: value for name, value in fields.items() if name not in _OURS}
    body = encode_json(given | {"channel": channel})
    return Raw(encode_json(ctx.check(shape_json(body, SendMessage), ctx)))


# --- decide, in the channel


def decide_create(cmd: CreateSchedule, tables: Tables, ctx: Context) -> Decision:
    user = _author(ctx)
    _require_author(user, cmd.message, tables, ctx, is_new=True)
    if (tables[PENDING].get(user) or 0) >= PENDING_MAX:
        raise Rejected(
            TOO_MANY, f"at most {PENDING_MAX} scheduled messages in a channel", limit=PENDING_MAX
        )
    schedule = b32encode(ctx.entropy[-15:]).decode().lower()
    return _set(user, schedule, _at(cmd.at, ctx), 1, cmd.message)


def decide_update(cmd: UpdateSchedule, tables: Tables, ctx: Context) -> Decision:
    user = _author(ctx)
    row = _own(user, cmd.id, tables)
    is_new = not isinstance(cmd.message, UnsetType)
    body = Raw(row.body) if isinstance(cmd.message, UnsetType) else cmd.message
    _require_author(user, body, tables, ctx, is_new=is_new)
    at_ms = row.at_ms if isinstance(cmd.at, UnsetType) else _at(cmd.at, ctx)
    return _set(user, cmd.id, at_ms, row.rev + 1, body)


def decide_cancel(cmd: CancelSchedule, tables: Tables, ctx: Context) -> list[Event]:
    user = _author(ctx)
    _own(user, cmd.id, tables)
    return [ScheduleEnded(user=user, schedule=cmd.id)]


def decide_send_now(cmd: SendScheduled, tables: Tables, ctx: Context) -> list[Event]:
    user = _author(ctx)
    row = _own(user, cmd.id, tables)
    return [*_sent(user, row, tables, ctx), ScheduleEnded(user=user, schedule=cmd.id, sent=True)]


def decide_fire(cmd: FireSchedule, tables: Tables, ctx: Context) -> Sequence[Event]:
    """A lasting refusal is an event, so that the author hears of it."""
    require(Action.PROJECT, None, Role.NONE, ctx.viewer.authority)
    user = ctx.actor
    row = tables[SCHEDULES].get((user, cmd.id))
    if row is None:
        return []
    try:
        sent = _sent(user, row, tables, ctx)
    except Rejected as refusal:
        if refusal.error is SLOW_MODE:  # here nobody waits for an answer: it goes when it may
            raise Rejected(RATE_LIMITED, "", **refusal.details) from None
        if refusal.error.temporary:
            raise
        error, text = refusal.error, refusal.text
        return [
            ScheduleEnded(user=user, schedule=cmd.id, code=error.code, error=error.name, text=text)
        ]
    return [*sent, ScheduleEnded(user=user, schedule=cmd.id, sent=True)]


def _sent(user: str, row: ScheduleRow, tables: Tables, ctx: Context) -> list[Event]:
    """What `message.send` of the author would do now."""
    excluded = tables[EXCLUDED_AUTHORS].get(user) or ToldRow()
    if excluded.deactivated:
        raise Rejected(USER_DEACTIVATED)
    if ctx.now_ms < excluded.banned_ms:
        raise Rejected(USER_BANNED)
    send = decode_json(row.body, SendMessage)
    as_author = replace(ctx, viewer=Viewer(user, Authority.CLIENT))
    if send.mentions:
        send = replace(send, mentions=present(send.mentions, channel_row(tables).kind, tables))
    ctx.admit(send, tables, as_author)
    return list(decide_send(send, tables, as_author))


def decide_tell(cmd: TellChannel, tables: Tables, ctx: Context) -> list[Event]:
    require(Action.PROJECT, None, Role.NONE, ctx.viewer.authority)
    if not tables[PENDING].get(cmd.user):
        return []  # it was sent or taken back meanwhile
    told = ToldRow(cmd.deactivated, cmd.banned_ms)
    if told == (tables[EXCLUDED_AUTHORS].get(cmd.user) or ToldRow()):
        return []
    event = AuthorExclusionNoted(
        user=cmd.user, deactivated=cmd.deactivated, banned_ms=cmd.banned_ms
    )
    return [event]


def _require_author(user: str, body: Raw, tables: Tables, ctx: Context, *, is_new: bool) -> None:
    """The author may do it himself: whoever sets it, it is sent by his rights. Raises Rejected.
    `is_new`: it could be sent as it is."""
    send = decode_json(bytes(body), SendMessage)
    wanted = (Action.SCHEDULE, Action.SEND, *actions_of(send))
    channel = require_user(user, wanted, tables, ctx)
    if is_new:
        as_author = replace(ctx, viewer=Viewer(user, Authority.CLIENT))
        created_of(send, channel, tables, as_author)


def _set(user: str, schedule: str, at_ms: int, rev: int, body: Raw) -> Decision:
    event = ScheduleSet(user=user, schedule=schedule, at_ms=at_ms, rev=rev, body=body)
    return Decision([event], encode_json(ScheduledDone(schedule, rfc3339(at_ms), rev)))


def _at(at: str | int, ctx: Context) -> int:
    at_ms = parse_time(at)
    if not ctx.now_ms < at_ms <= ctx.now_ms + AHEAD_MS_MAX:
        raise Rejected(
            BAD_REQUEST, "at lies in the future, at most 400 days ahead", now=rfc3339(ctx.now_ms)
        )
    return at_ms


def _author(ctx: Context) -> str:
    if not ctx.actor:
        raise Rejected(BAD_REQUEST, "name the user (by)")
    return ctx.actor


def _own(user: str, schedule: str, tables: Tables) -> ScheduleRow:
    row = tables[SCHEDULES].get((user, schedule))
    if row is None:
        raise Rejected(NOT_FOUND, "no such scheduled message of yours")
    return row


# --- apply and effects, in the channel


def apply_set(event: ScheduleSet, meta: Meta, tables: Tables) -> None:
    key = event.user, event.schedule
    old = tables[SCHEDULES].get(key)
    if old is None:
        tables[PENDING].put(event.user, (tables[PENDING].get(event.user) or 0) + 1)
    cmid = meta.cmid if old is None else old.cmid
    tables[SCHEDULES].put(key, ScheduleRow(event.at_ms, event.rev, bytes(event.body), cmid))


def apply_ended(event: ScheduleEnded, _: Meta, tables: Tables) -> None:
    key = event.user, event.schedule
    if tables[SCHEDULES].get(key) is None:
        return
    left = (tables[PENDING].get(event.user) or 1) - 1
    if left:
        tables[PENDING].put(event.user, left)
    else:
        tables[PENDING].delete(event.user)
        if tables[EXCLUDED_AUTHORS].get(event.user) is not None:
            tables[EXCLUDED_AUTHORS].delete(event.user)
    tables[SCHEDULES].delete(key)


def apply_exclusion(event: AuthorExclusionNoted, _: Meta, tables: Tables) -> None:
    if event.deactivated or event.banned_ms:
        row = ToldRow(event.deactivated, event.banned_ms)
        tables[EXCLUDED_AUTHORS].put(event.user, row)
    else:
        tables[EXCLUDED_AUTHORS].delete(event.user)


def effects_set(event: ScheduleSet, meta: Meta, tables: Tables) -> list[Effect]:
    row = tables[SCHEDULES].get((event.user, event.schedule))
    assert row is not None
    fire = FireSchedule(channel=meta.key, id=event.schedule, by=event.user, cmid=row.cmid)
    return [
        Due(event.at_ms, _due(event.schedule), fire),
        Forward(
            PutScheduled(
                user=event.user,
                channel=meta.key,
                schedule=event.schedule,
                at_ms=event.at_ms,
                rev=event.rev,
                message=_message(bytes(event.body)),
            )
        ),
    ]


def effects_ended(event: ScheduleEnded, meta: Meta, _: Tables) -> list[Effect]:
    dropped = DropScheduled(
        user=event.user,
        channel=meta.key,
        schedule=event.schedule,
        sent=event.sent,
        code=event.code,
        error=event.error,
        text=event.text,
    )
    return [Undue(_due(event.schedule)), Forward(dropped)]


def _due(schedule: str) -> str:
    return f"schedule:{schedule}"


def _message(body: bytes) -> Raw:
    """A SendMessage as its author gave it: without the channel."""
    fields = decode_json(body, dict[str, Raw])
    fields.pop("channel", None)
    return Raw(encode_json(fields))


# --- the projection in #user


def decide_put(cmd: PutScheduled, _: Tables, ctx: Context) -> list[Event]:
    require(Action.PROJECT, None, Role.NONE, ctx.viewer.authority)
    if ctx.settings.raw_user_streams:
        return []
    return [
        MessageScheduled(
            channel=cmd.channel,
            schedule=cmd.schedule,
            at=rfc3339(cmd.at_ms),
            rev=cmd.rev,
            message=cmd.message,
        )
    ]


def decide_drop(cmd: DropScheduled, tables: Tables, ctx: Context) -> list[Event]:
    require(Action.PROJECT, None, Role.NONE, ctx.viewer.authority)
    row = tables[LISTED].get((cmd.channel, cmd.schedule))
    if ctx.settings.raw_user_streams or row is None:
        return []
    if not cmd.code:
        return [MessageUnscheduled(channel=cmd.channel, schedule=cmd.schedule, sent=cmd.sent)]
    error = ScheduleError(cmd.code, cmd.error, cmd.text)
    return [
        ScheduleFailed(
            channel=cmd.channel, schedule=cmd.schedule, error=error, message=Raw(row.message)
        )
    ]


def apply_scheduled(event: MessageScheduled, _: Meta, tables: Tables) -> None:
    row = ListedRow(parse_time(event.at), event.rev, bytes(event.message))
    tables[LISTED].put((event.channel, event.schedule), row)


def apply_unscheduled(event: MessageUnscheduled | ScheduleFailed, _: Meta, tables: Tables) -> None:
    tables[LISTED].delete((event.channel, event.schedule))


def effects_scheduled(event: MessageScheduled, meta: Meta, tables: Tables) -> list[Effect]:
    """He was excluded when this was on its way: the channel does not know yet."""
    told = tables[TOLD].get(0)
    if told is None or not (told.deactivated or told.banned_ms > meta.ts_ms):
        return []
    return [Forward(_telling(event.channel, meta.key[1:], told))]


def effects_exclusion(_: Event, meta: Meta, tables: Tables) -> list[Effect]:
    """Every channel where something of his waits, once: as many Forwards as there are."""
    told = tables[TOLD].get(0) or ToldRow()
    effects: list[Effect] = []
    after: tuple[str, str] | None = None
    while rows := tables[LISTED].scan(after=after, limit=1):
        channel = rows[0][0][0]
        effects.append(Forward(_telling(channel, meta.key[1:], told)))
        after = (channel, _PAST_IDS)
    return effects


def _telling(channel: str, user: str, told: ToldRow) -> TellChannel:
    return TellChannel(
        channel=channel, user=user, deactivated=told.deactivated, banned_ms=told.banned_ms
    )


# --- reads


def run_list(request: SchedulesRequest, tables: Tables, ctx: Context) -> SchedulesPage:
    """Of one channel: all there are (at most PENDING_MAX), whatever `limit` allows."""
    _require_own(request.user, ctx)
    check_limit(request.limit, PAGE_MAX)
    rows = tables[SCHEDULES].scan(after=(request.user, ""), limit=PENDING_MAX)
    own = [(key[1], row) for key, row in rows if key[0] == request.user]
    own.sort(key=lambda item: (item[1].at_ms, item[0]))
    return SchedulesPage(
        [
            Scheduled(ctx.key, schedule, rfc3339(row.at_ms), row.rev, _message(row.body))
            for schedule, row in own
        ]
    )


def run_all(request: SchedulesRequest, tables: Tables, ctx: Context) -> SchedulesPage:
    """Of all channels, from the user's own stream."""
    _require_own(request.user, ctx)
    check_limit(request.limit, PAGE_MAX)
    channel, _, schedule = request.after.rpartition(" ")
    after = (channel, schedule) if request.after else None
    rows = tables[LISTED].scan(after=after, limit=request.limit)
    page = [
        Scheduled(key[0], key[1], rfc3339(row.at_ms), row.rev, Raw(row.message))
        for key, row in rows
    ]
    more = len(rows) == request.limit
    return SchedulesPage(page, " ".join(rows[-1][0]) if more else "")


def _require_own(user: str, ctx: Context) -> None:
    if user != ctx.actor or not user:
        try:
            require(Action.READ_ANY_USER_STREAM, None, Role.NONE, ctx.viewer.authority)
        except Rejected:
            raise Rejected(PERMISSION_DENIED, "scheduled messages are their author's own") from None


def turn_list(request: SchedulesRequest, ctx: EdgeContext) -> QueryCall:
    user = check_user(request.user or ctx.viewer.user)
    request = replace(request, user=user)
    if not request.channel:
        return QueryCall(user_stream(user), "schedule.list_all", request)
    return QueryCall(check_chat_channel(request.channel), "schedule.list", request)


_OF_CHANNEL: Final = "/v1/channels/{channel}/schedules"
_ONE: Final = _OF_CHANNEL + "/{id}"

FEATURE: Final = Feature(
    name="schedules",
    tables=(SCHEDULES, PENDING, EXCLUDED_AUTHORS, LISTED),
    check={
        CreateSchedule: check_create,
        UpdateSchedule: check_update,
        CancelSchedule: check_id,
        SendScheduled: check_id,
    },
    decide={
        CreateSchedule: decide_create,
        UpdateSchedule: decide_update,
        CancelSchedule: decide_cancel,
        SendScheduled: decide_send_now,
        FireSchedule: decide_fire,
        TellChannel: decide_tell,
        PutScheduled: decide_put,
        DropScheduled: decide_drop,
    },
    apply={
        ScheduleSet: apply_set,
        ScheduleEnded: apply_ended,
        AuthorExclusionNoted: apply_exclusion,
        MessageScheduled: apply_scheduled,
        MessageUnscheduled: apply_unscheduled,
        ScheduleFailed: apply_unscheduled,
    },
    effects={
        ScheduleSet: effects_set,
        ScheduleEnded: effects_ended,
        MessageScheduled: effects_scheduled,
        **dict.fromkeys(
            (UserDeactivated, UserReactivated, UserBanned, UserUnbanned), effects_exclusion
        ),
    },
    queries=(
        QueryRow("schedule.list", SchedulesRequest, run_list),
        QueryRow("schedule.list_all", SchedulesRequest, run_all),
    ),
    verbs=(
        Verb("schedule.create", CreateSchedule, as_command, ScheduledDone, "Send it later."),
        Verb("schedule.update", UpdateSchedule, as_command, ScheduledDone, "Change it."),
        Verb("schedule.cancel", CancelSchedule, as_command, Done, "Take it back."),
        Verb("schedule.send_now", SendScheduled, as_command, Done, "Send it at once."),
        Verb("schedule.list", SchedulesRequest, turn_list, SchedulesPage, "What waits."),
    ),
    routes=(
        Route("POST", _OF_CHANNEL, CreateSchedule, as_command, ScheduledDone, status=201),
        Route("GET", _OF_CHANNEL, SchedulesRequest, turn_list, SchedulesPage),
        Route("PATCH", _ONE, UpdateSchedule, as_command, ScheduledDone),
        Route("DELETE", _ONE, CancelSchedule, as_command, Done),
        Route("POST", _ONE + "/send", SendScheduled, as_command, Done),
        Route("GET", "/v1/users/{user}/schedules", SchedulesRequest, turn_list, SchedulesPage),
    ),
)
