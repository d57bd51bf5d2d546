"""Who is there: online, away, busy, or offline and since when. For those who may see it.

Rules:
1. What a user chose (`presence.set`) is kept in his stream and holds on all his devices; whether
   he is there is in his leader's memory, from his connections (contract: Lease). Active on one
   device is online; idle on all of them is away; busy and away, where chosen, win over both.
2. Invisible is shown by the same path as a last device that goes: after the same grace, with the
   same answer and the same push. `last_seen` stands still from the moment that it was chosen, and
   so do his receipts; that he types is not told (`privacy`). What he says is shown as ever.
   Who is put out of the app is gone at once, without a grace (`exclusions`).
3. `presence.ended` is the only entry that coming and going costs: one for each going that lasted
   longer than the grace, and none for who was invisible.
4. Who may see is asked at the one who is looked at (`sees_of`), of both: it is reciprocal. Whoever
   may not see, sees somebody offline who never was there. last_seen needs presence as well.
5. Contacts share one of the asker's newest channels (`head_channels_max`) that is not open.
6. A connection watches at most LOOKED_AT_MAX users (`presence.watch`): the edge pushes what changed
   of them once a second. The size of a room makes nothing dearer.
7. In a room that keeps lists (`guarantees`) the number is that of the members online whom the asker
   may see, exactly; elsewhere it is that of the connections that are subscribed. The client
   protocol's own list of connections is there in the former alone, and has no others in it.

Long because what is kept of a user, how he is shown and who may ask have to agree.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import Any, Final, Literal

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from hubbub.base.errors import BAD_REQUEST, INTERNAL, NOT_AVAILABLE, TOO_MANY, Rejected
from hubbub.base.names import check_user, user_stream
from hubbub.features.blocks import UserBlocked, UserUnblocked, blocked_of
from hubbub.features.channel_list import joined_of, recent_of
from hubbub.features.contract import (
    Command,
    Context,
    Decision,
    EdgeContext,
    Errand,
    Event,
    EventKind,
    Feature,
    HeadsCall,
    Lease,
    Local,
    Meta,
    QueryCall,
    QueryRow,
    Route,
    Steps,
    Table,
    Tables,
    Verb,
    acting_as,
)
from hubbub.features.exclusions import (
    UserBanned,
    UserDeactivated,
    UserReactivated,
    UserUnbanned,
    is_out,
)
from hubbub.features.fields import check_chat_channel, require_something
from hubbub.features.guarantees import SMALL_MEMBERS_MAX, guarantees_of
from hubbub.features.list_rows import LISTED
from hubbub.features.privacy import Audience, AudienceChanged, audience_of, traces_of
from hubbub.features.publication import rfc3339
from hubbub.features.standing import MEMBERS, ONLY, all_may, require_standing
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role
from hubbub.model.permissions import Action, require
from hubbub.wire.codec import decode_json, encode_json
from hubbub.wire.presence import (
    LOOKED_AT_MAX,
    PRESENCE_COUNTED,
    PRESENCE_LOOK,
    PRESENCE_MOVED,
    Activity,
    Live,
    Looked,
    LookRequest,
    Sees,
    State,
    Watch,
)
from hubbub.wire.reads import STREAM_PRESENCE, PresenceMap, StreamAsk

Choice = Literal["online", "away", "busy", "invisible"]
_ALL: Final = Sees.STATE | Sees.LAST_SEEN


# --- commands and events


class SetPresence(Command, frozen=True):
    """What a user wants to be shown as, on all devices; `idle`: of this connection alone."""

    TAG = "presence.set"

    user: str = ""
    state: Choice | UnsetType = UNSET
    idle: bool | UnsetType = UNSET

    def stream_key(self) -> str:
        return user_stream(self.user)


class EndPresence(Command, frozen=True):
    """From the user's leader: since then others see him no more."""

    TAG = "presence.end"

    user: str
    gone_ms: int

    def stream_key(self) -> str:
        return user_stream(self.user)


class PresenceChosen(Event, frozen=True):
    """What the user wants to be shown as from now on."""

    TAG = "presence.chosen"

    state: Choice


class PresenceEnded(Event, frozen=True):
    """The user went, at `gone_ms`, and did not come back within the grace."""

    TAG = "presence.ended"
    KIND = EventKind.SILENT

    gone_ms: int


class PresenceMoved(Event, frozen=True):
    """How others see him from now on (wire.presence.Moved)."""

    TAG = PRESENCE_MOVED
    KIND = EventKind.SIGNAL

    state: State
    last_seen_ms: int = 0


class PresenceCounted(Event, frozen=True):
    """So many connections are in the channel: told every two seconds at most, where it is large."""

    TAG = PRESENCE_COUNTED
    KIND = EventKind.SIGNAL

    watchers: int


# --- requests and answers


class IdleRequest(Struct, frozen=True):
    """This connection's user has done nothing for a while (or does something again)."""

    idle: bool


class PresenceRequest(Struct, frozen=True):
    """Of at most 200 users. `by`: the user in whose eyes, for a server key."""

    users: tuple[str, ...]
    by: str | UnsetType = UNSET


class PresenceByText(Struct, frozen=True):
    """The same in a query string: ids with commas between them."""

    users: str
    by: str | UnsetType = UNSET


class UserPresenceRequest(Struct, frozen=True):
    """Of one user."""

    user: str
    by: str | UnsetType = UNSET


class RoomRequest(Struct, frozen=True):
    """Of a channel."""

    channel: str


class OwnRequest(Struct, frozen=True, omit_defaults=True):
    """Whom does the user of this stream show himself to? And which channels may others share?"""

    channels: bool = False


class Own(Struct, frozen=True, omit_defaults=True):
    """The answer."""

    presence: Audience
    last_seen: Audience
    channels: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()


class Room(Struct, frozen=True):
    """A channel as its leader knows it: its members where it keeps lists, else None."""

    members: tuple[str, ...] | None
    watchers: int


class Seen(Struct, frozen=True, omit_defaults=True):
    """How a user is seen. `last_seen` (RFC 3339) of one who is offline; `choice`: for himself."""

    state: State | UnsetType = UNSET
    last_seen: str = ""
    choice: str = ""


class _Client(Struct, frozen=True):
    user: str = ""


class PresenceAnswer(Struct, frozen=True):
    """By user."""

    users: dict[str, Seen]


class PresenceSet(Struct, frozen=True, omit_defaults=True):
    """Where the choice stands in the user's stream; empty where only `idle` was said."""

    seq: int = 0
    id: str = ""
    ts: str = ""
    dup: bool = False


class RoomCounts(Struct, frozen=True):
    """`online` of the members, and who; or `watchers`: connections that are subscribed."""

    online: int | UnsetType = UNSET
    users: list[str] | UnsetType = UNSET
    watchers: int | UnsetType = UNSET


# --- kept


class PresenceRow(Struct, frozen=True, array_like=True, gc=False):
    """`shown`: what was chosen last that others may see; `gone_ms`: since when they do not see
    him, the last time that they did not (0: never)."""

    choice: Choice = "online"
    shown: Literal["online", "away", "busy"] = "online"
    gone_ms: int = 0


PRESENCE: Final[Table[int, PresenceRow]] = Table("presence", int, PresenceRow)


def row_of(tables: Tables) -> PresenceRow:
    """What is kept of the user of this stream."""
    return tables[PRESENCE].get(ONLY) or PresenceRow()


def check_set(cmd: SetPresence, _: EdgeContext) -> SetPresence:
    require_something(cmd.state)
    return cmd


def decide_set(cmd: SetPresence, tables: Tables, ctx: Context) -> list[Event]:
    if cmd.user != ctx.actor:
        require(Action.EDIT_ANY_USER, None, Role.NONE, ctx.viewer.authority)
    if ctx.settings.raw_user_streams:
        raise Rejected(NOT_AVAILABLE, "this app keeps no presence of users")
    if isinstance(cmd.state, UnsetType) or cmd.state == row_of(tables).choice:
        return []
    traces = traces_of(cmd.state == "invisible", tables, ctx)
    return [PresenceChosen(state=cmd.state), *traces]


def decide_end(cmd: EndPresence, tables: Tables, ctx: Context) -> Decision:
    require(Action.PROJECT, None, Role.NONE, ctx.viewer.authority)
    is_new = cmd.gone_ms > row_of(tables).gone_ms
    return Decision([PresenceEnded(gone_ms=cmd.gone_ms)] if is_new else [])


def apply_chosen(event: PresenceChosen, _: Meta, tables: Tables) -> None:
    row = row_of(tables)
    shown = row.shown if event.state == "invisible" else event.state
    tables[PRESENCE].put(ONLY, replace(row, choice=event.state, shown=shown))


def apply_ended(event: PresenceEnded, _: Meta, tables: Tables) -> None:
    tables[PRESENCE].put(ONLY, replace(row_of(tables), gone_ms=event.gone_ms))


def apply_counted(_: PresenceCounted, __: Meta, ___: Tables) -> None:
    """Nothing: it is not kept."""


# --- how he is shown


def is_hidden(tables: Tables) -> bool:
    return row_of(tables).choice == "invisible"


def told(live: Live, tables: Tables) -> PresenceMoved:
    """How others see the user of this stream, whoever they are."""
    row = row_of(tables)
    if live.activity is Activity.NONE:
        return PresenceMoved(state="offline", last_seen_ms=max(row.gone_ms, live.gone_ms))
    state: State = row.shown
    if state == "online" and live.activity is Activity.IDLE:
        state = "away"
    return PresenceMoved(state=state)


def ended(user: str, gone_ms: int) -> Command:
    return EndPresence(user=user, gone_ms=gone_ms)


def counted(number: int) -> Event:
    return PresenceCounted(watchers=number)


def is_counted(tables: Tables, ctx: Context) -> bool:
    """Where somebody may not see the number, those who may ask for it."""
    return all_may(Action.SEE_PRESENCE, tables, ctx.settings)


def sees_of(request: LookRequest, user: str, tables: Tables) -> Sees | None:
    """What the one who asks may see of `user`, whose stream this is. None: it depends on channels
    in common, and he named none. The one place where somebody is hidden from somebody; events that
    change its answer are listed in the feature's `Lease.sight`."""
    if not request.viewer or request.viewer == user:
        return _ALL
    own = audience_of(tables)
    sees = Sees(0)
    for bit, audiences in (
        (Sees.STATE, (own.presence, request.shown)),
        (Sees.LAST_SEEN, (own.last_seen, request.shown_last)),
    ):
        if "nobody" in audiences:
            continue
        if "contacts" not in audiences:
            sees |= bit
            continue
        sees |= Sees.BY_LIST
        if request.channels is None:
            return None
        if _is_contact(request.channels, tables):
            sees |= bit
    return sees if sees & Sees.STATE else sees & Sees.BY_LIST


def _is_contact(channels: Iterable[str], tables: Tables) -> bool:
    rows = (tables[LISTED].get(channel) for channel in channels)
    return any(row is not None and row.role is not Role.INVITED for row in rows)


def run_look(request: LookRequest, tables: Tables, ctx: Context) -> Looked:
    user = ctx.key[1:]
    now, sees = told(ctx.live, tables), sees_of(request, user, tables)
    choice = row_of(tables).choice if request.viewer == user else ""
    return Looked(
        state=now.state,
        last_seen_ms=now.last_seen_ms,
        sees=sees or 0,
        is_settled=ctx.live.is_settled,
        unsure=sees is None,
        choice=choice,
        hides=is_hidden(tables),
    )


def run_own(request: OwnRequest, tables: Tables, ctx: Context) -> Own:
    audience = audience_of(tables)
    channels: tuple[str, ...] = ()
    if request.channels:
        recent = recent_of(0, ctx.settings.head_channels_max, tables)
        closed = [r for r in recent if r[2] is not None and r[2].kind is not ChannelKind.OPEN]
        channels = joined_of(closed)
    return Own(audience.presence, audience.last_seen, channels, blocked_of(tables))


def run_room(_: RoomRequest, tables: Tables, ctx: Context) -> Room:
    row = require_standing(Action.SEE_PRESENCE, tables, ctx)
    if guarantees_of(row, tables).presence != "list":
        return Room(None, ctx.live.watchers)
    members = tables[MEMBERS].scan(limit=SMALL_MEMBERS_MAX)
    return Room(tuple(user for user, _ in members), 0)


def seen(looked: Looked) -> Seen:
    """The same for the one who asked."""
    if not looked.sees & Sees.STATE:
        return Seen("offline")
    last_ms = looked.last_seen_ms if looked.sees & Sees.LAST_SEEN else 0
    return Seen(looked.state, rfc3339(last_ms) if last_ms else "", looked.choice)


def _is_here(looked: Looked) -> bool:
    return seen(looked).state != "offline"


# --- asked by edges


Look = Generator[Any, Any, dict[str, Looked]]


def look(users: Sequence[str], viewer: str) -> Look:
    """How `viewer` (empty: one who may see everybody) sees these users: two rounds, four where
    somebody shows himself to contacts."""
    request, blocked = LookRequest(viewer), tuple[str, ...]()
    if viewer:
        own = decode_json((yield _own(viewer, False)), Own)
        blocked = own.blocked
        request = LookRequest(viewer, own.presence, own.last_seen)
    found = yield from _ask(users, request)
    unsure = [user for user, looked in found.items() if looked.unsure]
    if unsure:
        own = decode_json((yield _own(viewer, True)), Own)
        found |= yield from _ask(unsure, replace(request, channels=own.channels))
    for user in found.keys() & set(blocked):
        found[user] = replace(found[user], sees=0)
    return found


def looks(users: Sequence[str], viewer: str) -> Steps:
    """The same as the JSON of a Watch."""
    return encode_json(Watch((yield from look(users, viewer))))


def _own(viewer: str, channels: bool) -> QueryCall:
    return QueryCall(user_stream(viewer), "presence.own", OwnRequest(channels))


def _ask(users: Sequence[str], request: LookRequest) -> Look:
    keys = {user_stream(user): user for user in users}
    rows = yield HeadsCall(tuple(keys), query=PRESENCE_LOOK, args=request)
    if not all(rows[key].answer for key in keys):
        raise Rejected(INTERNAL)
    return {user: decode_json(rows[key].answer, Looked) for key, user in keys.items()}


def _viewer(by: str | UnsetType, ctx: EdgeContext) -> str:
    """In whose eyes; empty: of one who may see everybody. Raises Rejected."""
    if ctx.settings.raw_user_streams:
        raise Rejected(NOT_AVAILABLE, "this app keeps no presence of users")
    viewer = ctx.viewer if isinstance(by, UnsetType) else acting_as(check_user(by), ctx.viewer)
    if viewer.authority == "client":
        return check_user(viewer.user)
    require(Action.READ_ANY_USER_STREAM, None, Role.NONE, viewer.authority)
    return ""


def _users(users: Iterable[str]) -> tuple[str, ...]:
    unique = tuple(dict.fromkeys(users))
    if len(unique) > LOOKED_AT_MAX:
        raise Rejected(TOO_MANY, f"at most {LOOKED_AT_MAX} users", limit=LOOKED_AT_MAX)
    return tuple(check_user(user) for user in unique)


def turn_get(request: PresenceRequest, ctx: EdgeContext) -> Errand:
    users, viewer = _users(request.users), _viewer(request.by, ctx)

    def steps() -> Steps:
        return _answer((yield from look(users, viewer)))

    return Errand(steps)


def turn_get_by_text(request: PresenceByText, ctx: EdgeContext) -> Errand:
    users = tuple(filter(None, request.users.split(",")))
    return turn_get(PresenceRequest(users, request.by), ctx)


def turn_get_one(request: UserPresenceRequest, ctx: EdgeContext) -> Errand:
    user, viewer = check_user(request.user), _viewer(request.by, ctx)

    def steps() -> Steps:
        return encode_json(seen((yield from look((user,), viewer))[user]))

    return Errand(steps)


def turn_watch(request: PresenceRequest, ctx: EdgeContext) -> Errand:
    users, viewer = _users(request.users), _viewer(UNSET, ctx)
    if not isinstance(request.by, UnsetType) or not ctx.viewer.client:
        raise Rejected(NOT_AVAILABLE, "only on a connection, for its own user")

    def steps() -> Steps:
        # The edge listens before anybody is asked, so that nothing is missed in between.
        found = decode_json((yield Local("presence.watch", PresenceRequest(users))), Watch).rows
        new = [user for user in users if user not in found]
        if new:
            found |= yield from look(new, viewer)
        yield Local("presence.watched", Watch(found))
        return _answer(found)

    return Errand(steps)


def _answer(found: dict[str, Looked]) -> bytes:
    return encode_json(PresenceAnswer({user: seen(looked) for user, looked in found.items()}))


def turn_counts(request: RoomRequest, ctx: EdgeContext) -> Errand:
    channel, viewer = check_chat_channel(request.channel), _viewer(UNSET, ctx)

    def steps() -> Steps:
        room = decode_json((yield QueryCall(channel, "presence.room", request)), Room)
        if room.members is None:
            return encode_json(RoomCounts(watchers=room.watchers))
        found = yield from look(room.members, viewer)
        online = sorted(user for user, one in found.items() if _is_here(one))
        return encode_json(RoomCounts(len(online), online))

    return Errand(steps)


def turn_clients(channel: str, ctx: EdgeContext) -> Errand:
    """The connections in a channel. Who goes leaves this list before others see him as offline, so
    who hides does as well."""
    keeps_users = not ctx.settings.raw_user_streams
    viewer = _viewer(UNSET, ctx) if keeps_users else ""

    def steps() -> Steps:
        room = decode_json((yield QueryCall(channel, "presence.room", RoomRequest(channel))), Room)
        if room.members is None:
            raise Rejected(
                NOT_AVAILABLE, "this channel keeps no list: presence.counts has a number"
            )
        answer: bytes = yield QueryCall(channel, STREAM_PRESENCE, StreamAsk(subscribed=True))
        if not keeps_users:
            return answer
        listed = decode_json(answer, PresenceMap).presence
        users = {client: decode_json(bytes(info), _Client).user for client, info in listed.items()}
        found = yield from look(tuple(dict.fromkeys(filter(None, users.values()))), viewer)
        shown = {user for user, one in found.items() if not one.hides and _is_here(one)}
        rows = {client: info for client, info in listed.items() if users[client] in shown}
        return encode_json(PresenceMap(rows))

    return Errand(steps)


def turn_set(request: SetPresence, ctx: EdgeContext) -> SetPresence | Errand:
    user = check_user(request.user or request.by or ctx.viewer.user)
    choice = replace(request, user=user, idle=UNSET)
    idle = request.idle
    if isinstance(idle, UnsetType):
        return choice
    if user != ctx.viewer.user:
        raise Rejected(BAD_REQUEST, "idle is a connection's own")

    def steps() -> Steps:
        yield Local("presence.idle", IdleRequest(idle))
        return b"{}" if isinstance(choice.state, UnsetType) else (yield choice)

    return Errand(steps)


_ONE: Final = "/v1/users/{user}/presence"

FEATURE: Final = Feature(
    name="presence",
    signs={"presence": PresenceAnswer},  # edge.watching
    tables=(PRESENCE,),
    check={SetPresence: check_set},
    decide={SetPresence: decide_set, EndPresence: decide_end},
    apply={
        PresenceChosen: apply_chosen,
        PresenceEnded: apply_ended,
        PresenceCounted: apply_counted,
    },
    lease=Lease(
        stirred=frozenset(
            {PresenceChosen, UserBanned, UserDeactivated, UserReactivated, UserUnbanned}
        ),
        sight=frozenset({AudienceChanged, UserBlocked, UserUnblocked}),
        hides=is_hidden,
        is_out=is_out,
        told=told,
        ended=ended,
        counted=counted,
        is_counted=is_counted,
        look=looks,
        clients=turn_clients,
    ),
    queries=(
        QueryRow(PRESENCE_LOOK, LookRequest, run_look),
        QueryRow("presence.own", OwnRequest, run_own),
        QueryRow("presence.room", RoomRequest, run_room),
    ),
    verbs=(
        Verb("presence.set", SetPresence, turn_set, PresenceSet, "Online, away, busy, invisible."),
        Verb("presence.get", PresenceRequest, turn_get, PresenceAnswer, "How users are seen."),
        Verb(
            "presence.watch",
            PresenceRequest,
            turn_watch,
            PresenceAnswer,
            "Users on the screen: what changes of them is pushed, once a second.",
        ),
        Verb("presence.counts", RoomRequest, turn_counts, RoomCounts, "How many are in a room."),
    ),
    routes=(
        Route("GET", "/v1/presence", PresenceByText, turn_get_by_text, PresenceAnswer),
        Route("GET", _ONE, UserPresenceRequest, turn_get_one, Seen),
        Route("PUT", _ONE, SetPresence, turn_set, PresenceSet),
        Route("GET", "/v1/channels/{channel}/presence", RoomRequest, turn_counts, RoomCounts),
    ),
)
