"""Polls: a message with options, votes that can be changed, an end.

Rules:
1. A poll is a message (`message.created` with `poll`) and has its id; deleted with it, nobody votes
   any more. Every answer and page shows it as it stands, with a `rev` that grows.
2. A vote is the whole choice of one user: it replaces his last one, and nothing chosen takes it
   back. Up to 100 members it is a numbered event, `poll.voted`. Above, in open channels and in
   anonymous polls it is silent, and the figures are told at most once a second (`poll.counted`).
3. Of an anonymous poll nobody learns who chose what, staff and server keys neither: no event, no
   answer and no row names a voter. What stands for him is a keyed hash of poll and user, which only
   his own next vote finds again.
4. The author and who may close any poll end it, or its time does; then it counts no more.
5. Counts follow from the votes' own rows (`apply`), so they cannot drift.

Long because deciding, applying and showing a vote share one small set of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.structs import replace

from hubbub.base.errors import (
    BAD_REQUEST,
    CONFLICT,
    NOT_FOUND,
    PERMISSION_DENIED,
    TOO_LARGE,
    TOO_MANY,
    Rejected,
)
from hubbub.base.ids import message_id, message_seq
from hubbub.base.names import check_user
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
    Meta,
    Pulse,
    QueryCall,
    QueryRow,
    Route,
    Tables,
    Undue,
    Verb,
    as_command,
)
from hubbub.features.fields import check_chat_channel, check_limit, is_blank
from hubbub.features.messages import (
    Content,
    MessageCreated,
    SendMessage,
    alive,
    decide_send,
    find_message,
)
from hubbub.features.poll_rows import (
    POLLS,
    TALLIES,
    VOTERS,
    VOTES,
    OptionRow,
    PollRow,
    TallyRow,
    VoteRow,
    poll_at,
    shown_poll,
    tally_of,
)
from hubbub.features.publication import parse_time, rfc3339
from hubbub.features.standing import member_count, require_standing
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role
from hubbub.model.permissions import Action, require
from hubbub.model.poll import Poll
from hubbub.wire.codec import decode_json, encode_json

OPTIONS_MAX: Final = 100
OPTION_CHARS_MAX: Final = 500
VOTES_MAX: Final = 10
OPEN_MS_MAX: Final = 32 * DAY_MS
# Up to here a vote is an event of its own (features.md 2.7: tiers).
SMALL_MEMBERS_MAX: Final = 100
PAGE_MAX: Final = 100
_TOKEN_BYTES: Final = 16


class CreatePoll(Command, frozen=True):
    """`votes_max`: options that one user may choose. `closes_at`: RFC 3339 or ms, at most 32 days
    ahead; empty: it stays open. The rest as in `message.send`."""

    TAG = "poll.create"
    SENDS = True

    channel: str
    question: str
    options: tuple[str, ...]
    votes_max: int = 1
    anonymous: bool = False
    may_add: bool = False
    closes_at: str | int = ""
    data: Raw | UnsetType = UNSET
    thread: str = ""
    also_in_channel: bool = False
    silent: bool = False


class AddOption(Command, frozen=True):
    """One more option, where the poll allows it; its author always may."""

    TAG = "poll.add_option"

    channel: str
    id: str
    text: str


class Vote(Command, frozen=True):
    """The whole choice: ids of options. None takes the vote back."""

    TAG = "poll.vote"

    channel: str
    id: str
    options: tuple[int, ...]


class ClosePoll(Command, frozen=True):
    """No more votes."""

    TAG = "poll.close"

    channel: str
    id: str


class EndPoll(Command, frozen=True):
    """Its time is over."""

    TAG = "poll.end"

    channel: str
    seq: int


class PollCreated(Event, frozen=True):
    """The poll of the message that the same entry creates. Clients see the message."""

    TAG = "poll.created"
    KIND = EventKind.SILENT

    poll: str
    message_seq: int
    options: tuple[str, ...]
    votes_max: int
    anonymous: bool
    may_add: bool
    closes_ms: int


class _OfPoll(Event, frozen=True):
    """An event of a poll, with its figures from now on: `id` and `message_seq` name its message."""

    TAG = ""

    id: str
    message_seq: int
    rev: int
    voters: int
    votes: tuple[int, ...]

    def ref_seq(self) -> int:
        return self.message_seq

    def ref_id(self) -> str:
        return self.id


class PollVoted(_OfPoll, frozen=True):
    """`options`: what the user (`by`) chooses from now on."""

    TAG = "poll.voted"

    options: tuple[int, ...]


class PollBallot(Event, frozen=True):
    """A vote that no event names. `voter`: the user, or what stands for him."""

    TAG = "poll.ballot"
    KIND = EventKind.SILENT

    message_seq: int
    voter: str
    anonymous: bool
    options: tuple[int, ...]


class PollCounted(_OfPoll, frozen=True):
    """The figures, at most once a second."""

    TAG = "poll.counted"
    KIND = EventKind.SIGNAL


class PollOptionAdded(_OfPoll, frozen=True):
    """One more option."""

    TAG = "poll.option_added"

    option: int
    text: str


class PollClosed(_OfPoll, frozen=True):
    """The result. `timed`: its time was over."""

    TAG = "poll.closed"

    timed: bool = False


class PollRequest(Struct, frozen=True):
    """Which poll: the id of its message."""

    channel: str
    id: str


class UnvoteRequest(Struct, frozen=True):
    """Which vote: the own one, or that of `by` for a server key."""

    channel: str
    id: str
    by: str = ""
    cmid: str = ""


class PollPage(Struct, frozen=True, omit_defaults=True):
    """A poll, and what the one who asks has chosen."""

    id: str
    question: str
    by: str
    poll: Poll
    own: tuple[int, ...] = ()


class VotersRequest(Struct, frozen=True):
    """Who chose an option. `after`: the last user of the page before."""

    channel: str
    id: str
    option: int
    after: str = ""
    limit: int = PAGE_MAX


class Voter(Struct, frozen=True):
    """Who, and since when he chooses it."""

    user: str
    ts: str


class VotersPage(Struct, frozen=True):
    """By user id. `next`: empty at the end."""

    voters: list[Voter]
    next: str = ""


class Voted(Struct, frozen=True):
    """The figures after the vote, and the own choice."""

    rev: int
    voters: int
    votes: tuple[int, ...]
    options: tuple[int, ...]


# --- checks at the edge


def check_create(cmd: CreatePoll, ctx: EdgeContext) -> CreatePoll:
    if is_blank(cmd.question):
        raise Rejected(BAD_REQUEST, "a poll needs a question")
    if not 1 <= len(cmd.options) <= OPTIONS_MAX:
        raise Rejected(BAD_REQUEST, f"a poll has 1 to {OPTIONS_MAX} options", limit=OPTIONS_MAX)
    if len(set(map(_read, cmd.options))) < len(cmd.options):
        raise Rejected(BAD_REQUEST, "two options are the same")
    if not 1 <= cmd.votes_max <= VOTES_MAX:
        raise Rejected(BAD_REQUEST, f"votes_max is 1 to {VOTES_MAX}", limit=VOTES_MAX)
    for text in cmd.options:
        _check_option(text)
    limit = ctx.settings.envelope_bytes_max
    if len(encode_json(cmd)) > limit:
        raise Rejected(TOO_LARGE, f"a poll has at most {limit} bytes", limit=limit)
    ctx.check(_send_of(cmd), ctx)
    return replace(cmd, closes_at=parse_time(cmd.closes_at)) if cmd.closes_at else cmd


def check_option(cmd: AddOption, ctx: EdgeContext) -> AddOption:
    _check_option(cmd.text)
    _check_place(cmd.channel, cmd.id)
    return cmd


def check_vote(cmd: Vote, _: EdgeContext) -> Vote:
    _check_place(cmd.channel, cmd.id)
    return replace(cmd, options=tuple(sorted(set(cmd.options))))


def check_close(cmd: ClosePoll, _: EdgeContext) -> ClosePoll:
    _check_place(cmd.channel, cmd.id)
    return cmd


def _check_place(channel: str, mid: str) -> None:
    check_chat_channel(channel)
    message_seq(mid)


def _check_option(text: str) -> None:
    if is_blank(text):
        raise Rejected(BAD_REQUEST, "an option needs a text")
    if len(text) > OPTION_CHARS_MAX:
        limit = OPTION_CHARS_MAX
        raise Rejected(TOO_LARGE, f"an option has at most {limit} characters", limit=limit)


def _read(option: str) -> str:
    """What a reader sees of it: spaces make no other option."""
    return " ".join(option.split())


def _send_of(cmd: CreatePoll) -> SendMessage:
    """The message that bears the poll."""
    return SendMessage(
        channel=cmd.channel,
        text=cmd.question,
        data=cmd.data,
        thread=cmd.thread,
        also_in_channel=cmd.also_in_channel,
        silent=cmd.silent,
    )


# --- decide


def decide_create(cmd: CreatePoll, tables: Tables, ctx: Context) -> list[Event]:
    require_standing(Action.CREATE_POLL, tables, ctx)
    closes_ms = parse_time(cmd.closes_at) if cmd.closes_at else 0
    if closes_ms and not ctx.now_ms < closes_ms <= ctx.now_ms + OPEN_MS_MAX:
        raise Rejected(BAD_REQUEST, "closes_at lies in the future, at most 32 days ahead")
    send = _send_of(cmd)
    ctx.admit(send, tables, ctx)
    created, *more = decide_send(send, tables, ctx)
    assert isinstance(created, MessageCreated)
    seq = tables.head_seq + 1
    event = PollCreated(
        poll=message_id(ctx.now_ms, seq, f"{ctx.app}\0{ctx.key}".encode(), ctx.id_secret),
        message_seq=seq,
        options=cmd.options,
        votes_max=cmd.votes_max,
        anonymous=cmd.anonymous,
        may_add=cmd.may_add,
        closes_ms=closes_ms,
    )
    row = _row(event, ctx.actor)
    poll = shown_poll(row, tally_of(seq, row, tables))
    return [replace(created, poll=poll), event, *more]


def decide_vote(cmd: Vote, tables: Tables, ctx: Context) -> Decision:
    channel = require_standing(Action.VOTE, tables, ctx)
    user = _user(ctx)
    seq, row = _open(cmd.id, tables, ctx)
    _check_choice(cmd.options, row)
    voter = voter_of(user, seq, row, ctx)
    old, tally = tables[VOTES].get((seq, voter)), tally_of(seq, row, tables)
    before = old.options if old is not None else ()
    after = _moved(tally, before, cmd.options)
    answer = encode_json(Voted(after.rev, after.voters, after.votes, cmd.options))
    if before == cmd.options:
        return Decision([], encode_json(Voted(tally.rev, tally.voters, tally.votes, before)))
    is_large = channel.kind is ChannelKind.OPEN or member_count(tables) > SMALL_MEMBERS_MAX
    if is_large or row.anonymous:
        ballot = PollBallot(
            message_seq=seq, voter=voter, anonymous=row.anonymous, options=cmd.options
        )
        return Decision([ballot], answer)
    voted = PollVoted(
        id=row.id,
        message_seq=seq,
        rev=after.rev,
        voters=after.voters,
        votes=after.votes,
        options=cmd.options,
    )
    return Decision([voted], answer)


def decide_option(cmd: AddOption, tables: Tables, ctx: Context) -> list[Event]:
    require_standing(Action.VOTE, tables, ctx)
    user = _user(ctx)
    seq, row = _open(cmd.id, tables, ctx)
    if not row.may_add and user != row.by:
        raise Rejected(PERMISSION_DENIED, "only its author adds options to this poll")
    if len(row.options) >= OPTIONS_MAX:
        raise Rejected(TOO_MANY, f"a poll has at most {OPTIONS_MAX} options", limit=OPTIONS_MAX)
    for number, option in enumerate(row.options, 1):
        if _read(option.text) == _read(cmd.text):
            raise Rejected(CONFLICT, "there is such an option", option=number)
    tally = tally_of(seq, row, tables)
    return [
        PollOptionAdded(
            id=row.id,
            message_seq=seq,
            rev=tally.rev + 1,
            voters=tally.voters,
            votes=(*tally.votes, 0),
            option=len(row.options) + 1,
            text=cmd.text,
        )
    ]


def decide_close(cmd: ClosePoll, tables: Tables, ctx: Context) -> list[Event]:
    require_standing(Action.SEE, tables, ctx)
    seq, row = find_poll(cmd.id, tables, ctx)
    is_own = bool(ctx.actor) and ctx.actor == row.by
    require_standing(Action.SEND if is_own else Action.CLOSE_POLL_ANY, tables, ctx)
    return _closed(seq, row, tables)


def decide_end(cmd: EndPoll, tables: Tables, ctx: Context) -> list[Event]:
    require(Action.PROJECT, None, Role.NONE, ctx.viewer.authority)
    row = tables[POLLS].get(cmd.seq)
    return _closed(cmd.seq, row, tables, timed=True) if row is not None else []


def _closed(seq: int, row: PollRow, tables: Tables, *, timed: bool = False) -> list[Event]:
    if row.closed_ms:
        return []
    tally = tally_of(seq, row, tables)
    return [
        PollClosed(
            id=row.id,
            message_seq=seq,
            rev=tally.rev + 1,
            voters=tally.voters,
            votes=tally.votes,
            timed=timed,
        )
    ]


def find_poll(mid: str, tables: Tables, ctx: Context) -> tuple[int, PollRow]:
    """The poll of a message that is not deleted. Raises Rejected: NOT_FOUND, MESSAGE_DELETED."""
    stored = find_message(mid, tables, ctx)
    row = tables[POLLS].get(stored.seq)
    if row is None:
        raise Rejected(NOT_FOUND, "this message has no poll")
    alive(stored, tables)
    return stored.seq, row


def voter_of(user: str, seq: int, row: PollRow, ctx: Context) -> str:
    """Under which name a user's vote stands (rule 3)."""
    if not row.anonymous:
        return user
    text = f"{ctx.app}\0{ctx.key}\0{seq}\0{user}".encode()
    secret = blake2b(b"poll\0" + ctx.id_secret).digest()
    return blake2b(text, key=secret, digest_size=_TOKEN_BYTES).hexdigest()


def _open(mid: str, tables: Tables, ctx: Context) -> tuple[int, PollRow]:
    seq, row = find_poll(mid, tables, ctx)
    if row.closed_ms or (row.closes_ms and ctx.now_ms >= row.closes_ms):
        raise Rejected(CONFLICT, "the poll is closed")
    return seq, row


def _check_choice(options: Sequence[int], row: PollRow) -> None:
    if any(not 1 <= option <= len(row.options) for option in options):
        raise Rejected(BAD_REQUEST, f"options are 1 to {len(row.options)}")
    if len(options) > row.votes_max:
        limit = row.votes_max
        raise Rejected(TOO_MANY, f"at most {limit} options may be chosen", limit=limit)


def _user(ctx: Context) -> str:
    if not ctx.actor:
        raise Rejected(BAD_REQUEST, "name the user (by)")
    return ctx.actor


def _moved(tally: TallyRow, before: Sequence[int], after: Sequence[int]) -> TallyRow:
    """The figures when one user's choice changes."""
    votes = list(tally.votes)
    for option in before:
        votes[option - 1] -= 1
    for option in after:
        votes[option - 1] += 1
    voters = tally.voters + bool(after) - bool(before)
    return TallyRow(tally.rev + 1, voters, tuple(votes))


# --- apply


def apply_created(event: PollCreated, meta: Meta, tables: Tables) -> None:
    tables[POLLS].put(event.message_seq, _row(event, meta.by))


def _row(event: PollCreated, by: str) -> PollRow:
    return PollRow(
        event.poll,
        by,
        tuple(OptionRow(text) for text in event.options),
        event.votes_max,
        event.anonymous,
        event.may_add,
        event.closes_ms,
    )


def apply_voted(event: PollVoted, meta: Meta, tables: Tables) -> None:
    _vote(event.message_seq, meta.by, meta.by, event.options, meta, tables)


def apply_ballot(event: PollBallot, meta: Meta, tables: Tables) -> None:
    user = "" if event.anonymous else event.voter
    _vote(event.message_seq, event.voter, user, event.options, meta, tables)


def _vote(
    seq: int, voter: str, user: str, options: tuple[int, ...], meta: Meta, tables: Tables
) -> None:
    """Args: user: whom the page of voters names; nobody if empty."""
    row = tables[POLLS].get(seq)
    if row is None:
        return
    old = tables[VOTES].get((seq, voter))
    before = old.options if old is not None else ()
    tables[TALLIES].put(seq, _moved(tally_of(seq, row, tables), before, options))
    if options:
        tables[VOTES].put((seq, voter), VoteRow(options))
    elif old is not None:
        tables[VOTES].delete((seq, voter))
    if user:
        for option in set(before).difference(options):
            tables[VOTERS].delete((seq, option, user))
        for option in set(options).difference(before):
            tables[VOTERS].put((seq, option, user), meta.ts_ms)


def apply_option(event: PollOptionAdded, meta: Meta, tables: Tables) -> None:
    row = tables[POLLS].get(event.message_seq)
    if row is None:
        return
    options = (*row.options, OptionRow(event.text, "" if meta.by == row.by else meta.by))
    tables[POLLS].put(event.message_seq, replace(row, options=options))
    tables[TALLIES].put(event.message_seq, TallyRow(event.rev, event.voters, event.votes))


def apply_closed(event: PollClosed, meta: Meta, tables: Tables) -> None:
    row = tables[POLLS].get(event.message_seq)
    if row is None:
        return
    tables[POLLS].put(event.message_seq, replace(row, closed_ms=meta.ts_ms))
    tables[TALLIES].put(event.message_seq, TallyRow(event.rev, event.voters, event.votes))


def effects_created(event: PollCreated, meta: Meta, _: Tables) -> list[Effect]:
    if not event.closes_ms:
        return []
    end = EndPoll(channel=meta.key, seq=event.message_seq, by=meta.by)
    return [Due(event.closes_ms, _due(event.message_seq), end)]


def effects_closed(event: PollClosed, _: Meta, __: Tables) -> list[Effect]:
    return [Undue(_due(event.message_seq))]


def _due(seq: int) -> str:
    return f"poll:{seq}"


def noted_ballot(event: PollBallot, _: Meta) -> Sequence[int]:
    return (event.message_seq,)


def told(seq: int, tables: Tables) -> PollCounted | None:
    """The figures of the poll of a message, for whoever looks at it."""
    row = tables[POLLS].get(seq)
    if row is None:
        return None
    tally = tally_of(seq, row, tables)
    return PollCounted(
        id=row.id, message_seq=seq, rev=tally.rev, voters=tally.voters, votes=tally.votes
    )


# --- reads


def run_get(request: PollRequest, tables: Tables, ctx: Context) -> PollPage:
    require_standing(Action.READ, tables, ctx)
    seq, row = find_poll(request.id, tables, ctx)
    poll = poll_at(seq, tables)
    assert poll is not None
    content = alive(find_message(request.id, tables, ctx), tables).content
    vote = tables[VOTES].get((seq, voter_of(ctx.actor, seq, row, ctx))) if ctx.actor else None
    own = vote.options if vote is not None else ()
    return PollPage(row.id, decode_json(content, Content).text, row.by, poll, own)


def run_voters(request: VotersRequest, tables: Tables, ctx: Context) -> VotersPage:
    require_standing(Action.READ, tables, ctx)
    check_limit(request.limit, PAGE_MAX)
    if request.after:
        check_user(request.after)
    seq, row = find_poll(request.id, tables, ctx)
    if row.anonymous:
        raise Rejected(PERMISSION_DENIED, "the poll is anonymous")
    if not 1 <= request.option <= len(row.options):
        raise Rejected(BAD_REQUEST, f"options are 1 to {len(row.options)}")
    rows = tables[VOTERS].scan(after=(seq, request.option, request.after), limit=request.limit)
    page = [
        Voter(user, rfc3339(ts_ms))
        for (at, option, user), ts_ms in rows
        if (at, option) == (seq, request.option)
    ]
    return VotersPage(page, page[-1].user if len(page) == request.limit else "")


def turn_get(request: PollRequest, _: EdgeContext) -> QueryCall:
    return QueryCall(check_chat_channel(request.channel), "poll.get", request)


def turn_voters(request: VotersRequest, _: EdgeContext) -> QueryCall:
    return QueryCall(check_chat_channel(request.channel), "poll.voters", request)


def turn_unvote(request: UnvoteRequest, _: EdgeContext) -> Vote:
    return Vote(
        channel=request.channel, id=request.id, options=(), by=request.by, cmid=request.cmid
    )


_POLLS: Final = "/v1/channels/{channel}/polls"
_POLL: Final = _POLLS + "/{id}"

FEATURE: Final = Feature(
    name="polls",
    signs={PollCounted.TAG: PollCounted},
    tables=(POLLS, TALLIES, VOTES, VOTERS),
    check={
        CreatePoll: check_create,
        AddOption: check_option,
        Vote: check_vote,
        ClosePoll: check_close,
    },
    decide={
        CreatePoll: decide_create,
        AddOption: decide_option,
        Vote: decide_vote,
        ClosePoll: decide_close,
        EndPoll: decide_end,
    },
    apply={
        PollCreated: apply_created,
        PollVoted: apply_voted,
        PollBallot: apply_ballot,
        PollOptionAdded: apply_option,
        PollClosed: apply_closed,
    },
    effects={PollCreated: effects_created, PollClosed: effects_closed},
    pulse=Pulse({PollBallot: noted_ballot}, told),
    queries=(
        QueryRow("poll.get", PollRequest, run_get),
        QueryRow("poll.voters", VotersRequest, run_voters),
    ),
    verbs=(
        Verb("poll.create", CreatePoll, as_command, Done, "A message with a poll."),
        Verb("poll.add_option", AddOption, as_command, Done, "One more option."),
        Verb("poll.vote", Vote, as_command, Voted, "The whole choice; it replaces the last one."),
        Verb("poll.unvote", UnvoteRequest, turn_unvote, Voted, "Take the vote back."),
        Verb("poll.close", ClosePoll, as_command, Done, "No more votes."),
        Verb("poll.get", PollRequest, turn_get, PollPage, "A poll as it stands, and the own vote."),
        Verb("poll.voters", VotersRequest, turn_voters, VotersPage, "Who chose an option."),
    ),
    routes=(
        Route("POST", _POLLS, CreatePoll, as_command, Done, status=201, sends=True),
        Route("GET", _POLL, PollRequest, turn_get, PollPage),
        Route("POST", _POLL + "/options", AddOption, as_command, Done, status=201),
        Route("PUT", _POLL + "/vote", Vote, as_command, Voted),
        Route("DELETE", _POLL + "/vote", UnvoteRequest, turn_unvote, Voted),
        Route("POST", _POLL + "/close", ClosePoll, as_command, Done),
        Route("GET", _POLL + "/voters", VotersRequest, turn_voters, VotersPage),
    ),
)
