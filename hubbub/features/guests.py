"""Guests: users without an account elsewhere, until a time, and what they become.

Rules:
1. A guest is a user like others: `#user`, an id, a history. His profile says until when: tokens end
   by then at the latest, no new ones are made, and queries show him no more. What he wrote stays.
2. What he may do is his role's rights cut down to the app's `guest_capabilities`, in every channel
   and whatever it grants; he founds no channels, opens no dm and queries no users. The edge knows
   him by his token's claim `guest`, which every token made for him has (`Viewer.guest`).
3. `guest.convert` makes him a full user under the same id, also after his time: messages stay, and
   while his time lasts channels and marks, too. Tokens that he has keep their claim until they end;
   a new one has none.
4. Only server keys make and convert guests; where the app's `guests` is `open`, whoever asks an
   edge makes one (`POST /v1/guests`), counted by address.
5. When his time is over he leaves his channels and invitations (it falls due, and goes step by
   step through his list), and whatever he is added to afterwards; the pair of a dm stays. Where he
   is the only owner somebody else becomes one first (`succession`).
6. An id that has channels is somebody, also without a profile: no guest is made of him, who would
   read what is not his.
"""

from __future__ import annotations

from typing import Final

from msgspec import UNSET, Raw, Struct, UnsetType

from hubbub.base.errors import BAD_REQUEST, CONFLICT, NOT_AVAILABLE, NOT_FOUND, Rejected
from hubbub.base.names import check_user, user_stream
from hubbub.base.units import SECOND_MS
from hubbub.features.channel_list import ChannelAdded
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
    Route,
    Tables,
    Undue,
    Verb,
    as_command,
)
from hubbub.features.fields import META_BYTES_MAX, check_bytes, check_title, custom, json_bytes
from hubbub.features.list_rows import LISTED
from hubbub.features.members import LeaveChannel
from hubbub.features.publication import rfc3339
from hubbub.features.succession import NoteOwner
from hubbub.features.users import PROFILE, UserCreated, UserRow, check_avatar
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role
from hubbub.model.permissions import Action, require
from hubbub.wire.codec import encode_json

GUEST_S_MAX: Final = 30 * 86_400
STEP_CHANNELS: Final = 500  # of one entry, two Forwards each
_END: Final = "guest.end"


class CreateGuest(Command, frozen=True):
    """A guest for so long; the answer says until when. Refused where the user exists."""

    TAG = "guest.create"

    user: str
    ttl_s: int
    name: str = ""
    avatar: str = ""
    data: Raw | UnsetType = UNSET

    def stream_key(self) -> str:
        return user_stream(self.user)


class ConvertGuest(Command, frozen=True):
    """A full user from now on; what is given of the profile replaces what there is."""

    TAG = "guest.convert"

    user: str
    name: str | UnsetType = UNSET
    avatar: str | UnsetType = UNSET
    data: Raw | UnsetType = UNSET

    def stream_key(self) -> str:
        return user_stream(self.user)


class GuestConverted(Event, frozen=True):
    """A guest is a full user now; the whole profile as it is from now on."""

    TAG = "guest.converted"

    name: str = ""
    avatar: str = ""
    data: Raw | UnsetType = UNSET


class GuestTime(Struct, frozen=True):
    """Until when he is a guest; `user.ensure` answers it, too."""

    guest_until_ms: int


class EndGuest(Command, frozen=True):
    """Falls due: his time is over; leave the channels behind `after` in his list."""

    TAG = "guest.end"

    user: str
    after: str = ""

    def stream_key(self) -> str:
        return user_stream(self.user)


class GuestEnded(Event, frozen=True):
    """His time is over: he leaves the next channels behind `after`."""

    TAG = "guest.ended"
    KIND = EventKind.SILENT

    after: str = ""


def check_create(cmd: CreateGuest, _: EdgeContext) -> CreateGuest:
    check_user(cmd.user)
    if not 1 <= cmd.ttl_s <= GUEST_S_MAX:
        raise Rejected(BAD_REQUEST, f"ttl_s is 1 to {GUEST_S_MAX}")
    check_title(cmd.name)
    check_avatar(cmd.avatar)
    check_bytes(cmd.data, META_BYTES_MAX)
    return cmd


def check_convert(cmd: ConvertGuest, _: EdgeContext) -> ConvertGuest:
    check_user(cmd.user)
    check_title("" if isinstance(cmd.name, UnsetType) else cmd.name)
    check_avatar("" if isinstance(cmd.avatar, UnsetType) else cmd.avatar)
    check_bytes(cmd.data, META_BYTES_MAX)
    return cmd


def decide_create(cmd: CreateGuest, tables: Tables, ctx: Context) -> Decision:
    require(Action.EDIT_ANY_USER, None, Role.NONE, ctx.viewer.authority)
    _require_profiles(ctx)
    if tables[PROFILE].get(0) is not None:
        raise Rejected(CONFLICT, "this user exists")
    if tables[LISTED].scan(limit=1):
        raise Rejected(CONFLICT, "this user has channels")
    until_ms = ctx.now_ms + cmd.ttl_s * SECOND_MS
    event = UserCreated(
        name=cmd.name, avatar=cmd.avatar, data=cmd.data, guest_until=rfc3339(until_ms)
    )
    return Decision([event], encode_json(GuestTime(until_ms)))


def decide_convert(cmd: ConvertGuest, tables: Tables, ctx: Context) -> list[Event]:
    require(Action.EDIT_ANY_USER, None, Role.NONE, ctx.viewer.authority)
    _require_profiles(ctx)
    row = tables[PROFILE].get(0)
    if row is None:
        raise Rejected(NOT_FOUND, "no such user")
    if not row.guest_until_ms:
        return []  # he is one already
    name = row.name if isinstance(cmd.name, UnsetType) else cmd.name
    avatar = row.avatar if isinstance(cmd.avatar, UnsetType) else cmd.avatar
    data = row.data if isinstance(cmd.data, UnsetType) else json_bytes(cmd.data)
    return [GuestConverted(name=name, avatar=avatar, data=custom(data))]


def apply_converted(event: GuestConverted, meta: Meta, tables: Tables) -> None:
    row = tables[PROFILE].get(0)
    created_ms = meta.ts_ms if row is None else row.created_ms
    tables[PROFILE].put(0, UserRow(created_ms, event.name, event.avatar, json_bytes(event.data)))


# --- his time is over


def decide_end(cmd: EndGuest, tables: Tables, ctx: Context) -> list[Event]:
    require(Action.PROJECT, None, Role.NONE, ctx.viewer.authority)
    return [GuestEnded(after=cmd.after)] if _is_over(ctx.now_ms, tables) else []


def apply_ended(_: GuestEnded, __: Meta, ___: Tables) -> None:
    """Nothing: what follows is the channels' matter."""


def effects_created(event: UserCreated, meta: Meta, tables: Tables) -> list[Effect]:
    row = tables[PROFILE].get(0)
    if not event.guest_until or row is None:
        return []
    return [_due(row.guest_until_ms, "", meta)]


def effects_converted(_: GuestConverted, __: Meta, ___: Tables) -> list[Effect]:
    return [Undue(_END)]


def effects_ended(event: GuestEnded, meta: Meta, tables: Tables) -> list[Effect]:
    rows = tables[LISTED].scan(after=event.after or None, limit=STEP_CHANNELS)
    effects = [
        effect for channel, row in rows for effect in _leaves(channel, row.kind, row.role, meta)
    ]
    if len(rows) == STEP_CHANNELS:
        effects.append(_due(meta.ts_ms, rows[-1][0], meta))
    return effects


def effects_added(_: ChannelAdded, meta: Meta, tables: Tables) -> list[Effect]:
    """Also what was on its way to his list when his time was over. Not from here: a Forward bears
    the name of whoever added him."""
    if not _is_over(meta.ts_ms, tables):
        return []
    return [_due(meta.ts_ms, "", meta)]


def _is_over(now_ms: int, tables: Tables) -> bool:
    row = tables[PROFILE].get(0)
    return row is not None and 0 < row.guest_until_ms <= now_ms


def _due(at_ms: int, after: str, meta: Meta) -> Effect:
    user = meta.key[1:]
    return Due(at_ms, _END, EndGuest(user=user, by=user, after=after))


def _leaves(channel: str, kind: ChannelKind, role: Role, meta: Meta) -> list[Effect]:
    """In this order: whoever owns a channel alone may not leave it."""
    user = meta.key[1:]
    if kind is ChannelKind.DM:
        return []
    leave = Forward(LeaveChannel(channel=channel, by=user))
    if role is not Role.OWNER:
        return [leave]
    return [Forward(NoteOwner(channel=channel, user=user, away=True)), leave]


def _require_profiles(ctx: Context) -> None:
    if ctx.settings.raw_user_streams:
        raise Rejected(NOT_AVAILABLE, "this app keeps no profiles")


FEATURE: Final = Feature(
    name="guests",
    check={CreateGuest: check_create, ConvertGuest: check_convert},
    decide={CreateGuest: decide_create, ConvertGuest: decide_convert, EndGuest: decide_end},
    apply={GuestConverted: apply_converted, GuestEnded: apply_ended},
    effects={
        UserCreated: effects_created,
        GuestConverted: effects_converted,
        GuestEnded: effects_ended,
        ChannelAdded: effects_added,
    },
    verbs=(Verb("guest.convert", ConvertGuest, as_command, Done, "A guest becomes a full user."),),
    routes=(Route("POST", "/v1/users/{user}/convert", ConvertGuest, as_command, Done),),
)
