"""Asking to be let in: a request lies with the channel until its staff accept or decline it.

Rules:
1. One request a user and channel, at most REQUESTS_MAX waiting; whoever joins, is invited or
   removed otherwise has none any more.
2. The event that a request came names the user only; its text is for the staff (`list`).
3. Accepting is joining: `member.joined`. Whoever is declined learns it in his own stream.
4. Public groups alone are asked: a private one does not exist for who is not in it. An app that
   hands out links asks for the user, with its server key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from hubbub.base.errors import BAD_REQUEST, CONFLICT, NOT_FOUND, TOO_LARGE, TOO_MANY, Rejected
from hubbub.base.names import check_user, user_stream
from hubbub.features.contract import (
    Command,
    Context,
    Done,
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
    Verb,
    as_command,
)
from hubbub.features.fields import check_chat_channel, check_limit
from hubbub.features.members import (
    MembersInvited,
    MembersJoined,
    MembersRemoved,
    joined_events,
)
from hubbub.features.publication import rfc3339
from hubbub.features.standing import (
    ONLY,
    channel_row,
    require_known,
    require_not_banned,
    require_room,
    require_standing,
    role_of,
)
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role
from hubbub.model.permissions import Action, require

REQUESTS_MAX: Final = 1_000
TEXT_CHARS_MAX: Final = 500
PAGE_DEFAULT: Final = 100
PAGE_MAX: Final = 200


class RequestJoin(Command, frozen=True):
    """Ask to be let in, with a word to the staff."""

    TAG = "member.request_join"

    channel: str
    text: str = ""


class WithdrawRequest(Command, frozen=True):
    """The one who asked does not want to any more."""

    TAG = "member.withdraw_request"

    channel: str


class AcceptRequest(Command, frozen=True):
    """Let them in."""

    TAG = "member.accept_request"

    channel: str
    user: str


class DeclineRequest(Command, frozen=True):
    """Do not let them in; they may ask again."""

    TAG = "member.decline_request"

    channel: str
    user: str


class NoteDeclined(Command, frozen=True):
    """Tell the one who asked."""

    TAG = "channel_list.note_declined"

    channel: str
    user: str

    def stream_key(self) -> str:
        return user_stream(self.user)


class JoinRequested(Event, frozen=True):
    """`user` asks to be let in."""

    TAG = "member.join_requested"

    user: str


class RequestWorded(Event, frozen=True):
    """What `user` says to the staff."""

    TAG = "member.request_worded"
    KIND = EventKind.SILENT

    user: str
    text: str


class RequestWithdrawn(Event, frozen=True):
    """`user` does not ask any more."""

    TAG = "member.request_withdrawn"

    user: str


class RequestDeclined(Event, frozen=True):
    """`user` was not let in."""

    TAG = "member.request_declined"

    user: str


class DeclineNoted(Event, frozen=True):
    """On a user's stream: the channel did not let him in."""

    TAG = "channel.request_declined"

    channel: str


class RequestRow(Struct, frozen=True, array_like=True, gc=False):
    """When, and with which words."""

    requested_ms: int
    text: str = ""


class RequestsRequest(Struct, frozen=True):
    """A page in order of the users' ids, behind `after`."""

    channel: str
    after: str = ""
    limit: int = PAGE_DEFAULT


class JoinRequestInfo(Struct, frozen=True, omit_defaults=True):
    """One who waits. `requested` is RFC 3339."""

    user: str
    requested: str
    text: str = ""


class RequestsPage(Struct, frozen=True):
    """`next`: pass it as `after`; empty at the end."""

    requests: list[JoinRequestInfo]
    count: int
    next: str = ""


REQUESTS: Final[Table[str, RequestRow]] = Table("join_requests", str, RequestRow)
WAITING: Final[Table[int, int]] = Table("join_requests.count", int, int)


def check_request(cmd: RequestJoin, _: EdgeContext) -> RequestJoin:
    check_chat_channel(cmd.channel)
    if len(cmd.text) > TEXT_CHARS_MAX:
        raise Rejected(TOO_LARGE, f"at most {TEXT_CHARS_MAX} characters", limit=TEXT_CHARS_MAX)
    return cmd


def check_withdraw(cmd: WithdrawRequest, _: EdgeContext) -> WithdrawRequest:
    check_chat_channel(cmd.channel)
    return cmd


def check_answer(
    cmd: AcceptRequest | DeclineRequest, _: EdgeContext
) -> AcceptRequest | DeclineRequest:
    check_chat_channel(cmd.channel)
    check_user(cmd.user)
    return cmd


def decide_request(cmd: RequestJoin, tables: Tables, ctx: Context) -> list[Event]:
    row = require_known(tables, ctx)
    if not ctx.actor:
        raise Rejected(BAD_REQUEST, "name the user (by)")
    role = role_of(tables, ctx.actor)
    if role.rank >= Role.MEMBER.rank or tables[REQUESTS].get(ctx.actor) is not None:
        return []
    is_free = row.kind is ChannelKind.OPEN or (row.public and not row.approval)
    if role is Role.INVITED or is_free:
        raise Rejected(CONFLICT, "no need to ask: member.join")
    require_standing(Action.REQUEST_JOIN, tables, ctx)
    if _count(tables) >= REQUESTS_MAX:
        raise Rejected(TOO_MANY, "too many people wait for an answer", limit=REQUESTS_MAX)
    asked = JoinRequested(user=ctx.actor)
    return [asked, RequestWorded(user=ctx.actor, text=cmd.text)] if cmd.text else [asked]


def decide_withdraw(_: WithdrawRequest, tables: Tables, ctx: Context) -> list[Event]:
    if tables[REQUESTS].get(ctx.actor) is not None:
        channel_row(tables)
        return [RequestWithdrawn(user=ctx.actor)]
    require_known(tables, ctx)
    return []


def decide_accept(cmd: AcceptRequest, tables: Tables, ctx: Context) -> list[Event]:
    row = require_standing(Action.ANSWER_REQUEST, tables, ctx)
    _require_waiting(cmd.user, tables)
    require_not_banned((cmd.user,), row, tables, ctx)
    require_room(1, tables, ctx)
    return joined_events(row, (cmd.user,), tables)


def decide_decline(cmd: DeclineRequest, tables: Tables, ctx: Context) -> list[Event]:
    require_standing(Action.ANSWER_REQUEST, tables, ctx)
    _require_waiting(cmd.user, tables)
    return [RequestDeclined(user=cmd.user)]


def decide_note(cmd: NoteDeclined, _: Tables, ctx: Context) -> list[Event]:
    require(Action.PROJECT, None, Role.NONE, ctx.viewer.authority)
    if ctx.settings.raw_user_streams:
        return []
    return [DeclineNoted(channel=cmd.channel)]


def apply_requested(event: JoinRequested, meta: Meta, tables: Tables) -> None:
    tables[REQUESTS].put(event.user, RequestRow(meta.ts_ms))
    tables[WAITING].put(ONLY, _count(tables) + 1)


def apply_worded(event: RequestWorded, meta: Meta, tables: Tables) -> None:
    tables[REQUESTS].put(event.user, RequestRow(meta.ts_ms, event.text))


def apply_ended(event: RequestWithdrawn | RequestDeclined, _: Meta, tables: Tables) -> None:
    _forget((event.user,), tables)


def apply_members(
    event: MembersJoined | MembersInvited | MembersRemoved, _: Meta, tables: Tables
) -> None:
    if _count(tables):
        _forget(event.users, tables)


def apply_noted(_: DeclineNoted, __: Meta, ___: Tables) -> None:
    """Nothing: the event itself is the note."""


def effects_declined(event: RequestDeclined, meta: Meta, _: Tables) -> list[Effect]:
    return [Forward(NoteDeclined(channel=meta.key, user=event.user))]


def run_list(request: RequestsRequest, tables: Tables, ctx: Context) -> RequestsPage:
    require_standing(Action.ANSWER_REQUEST, tables, ctx)
    check_limit(request.limit, PAGE_MAX)
    if request.after:
        check_user(request.after)
    rows = tables[REQUESTS].scan(after=request.after or None, limit=request.limit)
    page = [JoinRequestInfo(user, rfc3339(row.requested_ms), row.text) for user, row in rows]
    return RequestsPage(page, _count(tables), page[-1].user if len(page) == request.limit else "")


def turn_list(request: RequestsRequest, _: EdgeContext) -> QueryCall:
    return QueryCall(check_chat_channel(request.channel), "join_requests.list", request)


def _require_waiting(user: str, tables: Tables) -> None:
    if tables[REQUESTS].get(user) is None:
        raise Rejected(NOT_FOUND, "they have not asked to be let in")


def _count(tables: Tables) -> int:
    return tables[WAITING].get(ONLY) or 0


def _forget(users: Sequence[str], tables: Tables) -> None:
    gone = [user for user in users if tables[REQUESTS].get(user) is not None]
    for user in gone:
        tables[REQUESTS].delete(user)
    if gone:
        tables[WAITING].put(ONLY, _count(tables) - len(gone))


_PATH: Final = "/v1/channels/{channel}/join_requests"

FEATURE: Final = Feature(
    name="join_requests",
    tables=(REQUESTS, WAITING),
    check={
        RequestJoin: check_request,
        WithdrawRequest: check_withdraw,
        AcceptRequest: check_answer,
        DeclineRequest: check_answer,
    },
    decide={
        RequestJoin: decide_request,
        WithdrawRequest: decide_withdraw,
        AcceptRequest: decide_accept,
        DeclineRequest: decide_decline,
        NoteDeclined: decide_note,
    },
    apply={
        JoinRequested: apply_requested,
        RequestWorded: apply_worded,
        RequestWithdrawn: apply_ended,
        RequestDeclined: apply_ended,
        MembersJoined: apply_members,
        MembersInvited: apply_members,
        MembersRemoved: apply_members,
        DeclineNoted: apply_noted,
    },
    effects={RequestDeclined: effects_declined},
    queries=(QueryRow("join_requests.list", RequestsRequest, run_list),),
    verbs=(
        Verb("member.request_join", RequestJoin, as_command, Done, "Ask to be let in."),
        Verb("member.withdraw_request", WithdrawRequest, as_command, Done, "Ask no more."),
        Verb("member.accept_request", AcceptRequest, as_command, Done, "Let them in."),
        Verb("member.decline_request", DeclineRequest, as_command, Done, "Do not let them in."),
        Verb("join_requests.list", RequestsRequest, turn_list, RequestsPage, "Who waits."),
    ),
    routes=(
        Route("POST", _PATH, RequestJoin, as_command, Done),
        Route("GET", _PATH, RequestsRequest, turn_list, RequestsPage),
        Route("DELETE", _PATH, WithdrawRequest, as_command, Done),
        Route("POST", _PATH + "/{user}/accept", AcceptRequest, as_command, Done),
        Route("POST", _PATH + "/{user}/decline", DeclineRequest, as_command, Done),
    ),
)
