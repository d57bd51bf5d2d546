"""Who owns a channel when its owner is out of the app.

Rules:
1. Owners who are deactivated, or banned from the app without an end, are noted in the channels that
   they own; a ban that ends changes nothing. Their role stays: who is back owns them again.
2. Where no other owner is left, whoever has been there longest becomes one beside him: a moderator,
   or else a member. If that one is out of the app as well, the next.
3. It goes step by step through the list of his channels, so that an owner of thousands holds up no
   slot. A channel's part is one entry: replicas agree, a retry changes nothing.
4. An owner who leaves or demotes himself names the next one before (`members`, rule 7): nobody is
   made an owner whom a present one could have chosen.
"""

from __future__ import annotations

from typing import Final

from hubbub.base.names import user_stream
from hubbub.features.channel_list import ChannelAdded, ChannelKindChanged, ChannelRoleChanged
from hubbub.features.contract import (
    Command,
    Context,
    Due,
    Effect,
    Event,
    EventKind,
    Feature,
    Forward,
    Meta,
    Tables,
)
from hubbub.features.exclusions import (
    TOLD,
    ToldRow,
    UserBanned,
    UserDeactivated,
    UserReactivated,
    UserUnbanned,
)
from hubbub.features.list_rows import LISTED
from hubbub.features.members import MembersLeft, MembersRemoved, RoleChanged
from hubbub.features.standing import (
    AWAY,
    CHANNEL,
    FOREVER_MS,
    MEMBERS,
    ONLY,
    STAFF,
    has_owner,
    role_of,
    scanned,
)
from hubbub.model.member import Role
from hubbub.model.permissions import Action, require

STEP_CHANNELS: Final = 1_000  # of one entry; of them those that he owns are told
HEIRS_MAX: Final = 10_000  # members that are looked at, in order of their ids
_STEP: Final = "succession.step"


class TellOwned(Command, frozen=True):
    """Falls due: tell the next channels, behind `after`, how it stands with their owner."""

    TAG = "succession.tell"

    user: str
    after: str

    def stream_key(self) -> str:
        return user_stream(self.user)


class NoteOwner(Command, frozen=True):
    """The owner is out of the app, or in again."""

    TAG = "succession.note"

    channel: str
    user: str
    away: bool


class OwnedTold(Event, frozen=True):
    """On a user's stream: the channels of the next lines behind `after` are told."""

    TAG = "succession.told"
    KIND = EventKind.SILENT

    after: str


class OwnerNoted(Event, frozen=True):
    """On a channel's stream: this owner is out of the app, or in again."""

    TAG = "member.owner_noted"
    KIND = EventKind.SILENT

    user: str
    away: bool


# --- in `#user`


def decide_tell(cmd: TellOwned, tables: Tables, ctx: Context) -> list[Event]:
    require(Action.PROJECT, None, Role.NONE, ctx.viewer.authority)
    return [OwnedTold(after=cmd.after)]


def apply_told(_: OwnedTold, __: Meta, ___: Tables) -> None:
    """Nothing: what follows is the channels' matter."""


def effects_excluded(
    _: UserDeactivated | UserReactivated | UserBanned | UserUnbanned, meta: Meta, tables: Tables
) -> list[Effect]:
    return _tell("", meta, tables)


def effects_told(event: OwnedTold, meta: Meta, tables: Tables) -> list[Effect]:
    return _tell(event.after, meta, tables)


def effects_owns(
    event: ChannelAdded | ChannelRoleChanged | ChannelKindChanged, meta: Meta, tables: Tables
) -> list[Effect]:
    """One who is out of the app became an owner: the channel could not know."""
    user = meta.key[1:]
    if event.role is not Role.OWNER or not _is_away(tables):
        return []
    return [Forward(NoteOwner(channel=event.channel, user=user, away=True))]


def _tell(after: str, meta: Meta, tables: Tables) -> list[Effect]:
    rows = tables[LISTED].scan(after=after or None, limit=STEP_CHANNELS)
    user, away = meta.key[1:], _is_away(tables)
    effects: list[Effect] = [
        Forward(NoteOwner(channel=channel, user=user, away=away))
        for channel, row in rows
        if row.role is Role.OWNER
    ]
    if len(rows) == STEP_CHANNELS:
        effects.append(Due(meta.ts_ms, _STEP, TellOwned(user=user, after=rows[-1][0])))
    return effects


def _is_away(tables: Tables) -> bool:
    told = tables[TOLD].get(ONLY) or ToldRow()
    return told.deactivated or told.banned_ms >= FOREVER_MS


# --- in the channel


def decide_note(cmd: NoteOwner, tables: Tables, ctx: Context) -> list[Event]:
    require(Action.PROJECT, None, Role.NONE, ctx.viewer.authority)
    row = tables[CHANNEL].get(ONLY)
    if row is None or row.deleted or role_of(tables, cmd.user) is not Role.OWNER:
        return []
    if (tables[AWAY].get(cmd.user) is not None) is cmd.away:
        return []
    noted = OwnerNoted(user=cmd.user, away=cmd.away)
    if not cmd.away or has_owner(tables, (cmd.user,)):
        return [noted]
    heir = next_owner(tables)
    return [noted, RoleChanged(user=heir, role=Role.OWNER)] if heir else [noted]


def next_owner(tables: Tables) -> str:
    """The moderator, or else the member, who has been here longest; empty: there is nobody."""
    staff = ((user, tables[MEMBERS].get(user)) for user, _ in scanned(tables[STAFF], HEIRS_MAX))
    for rows in (staff, scanned(tables[MEMBERS], HEIRS_MAX)):
        heirs = [(row.join_seq, user) for user, row in rows if row and row.role is not Role.OWNER]
        if heirs:
            return min(heirs)[1]
    return ""


def apply_noted(event: OwnerNoted, _: Meta, tables: Tables) -> None:
    if event.away:
        tables[AWAY].put(event.user, 1)
    else:
        _forget(event.user, tables)


def apply_gone(event: MembersLeft | MembersRemoved, _: Meta, tables: Tables) -> None:
    for user in event.users:
        _forget(user, tables)


def apply_role(event: RoleChanged, _: Meta, tables: Tables) -> None:
    if event.role is not Role.OWNER:
        _forget(event.user, tables)


def _forget(user: str, tables: Tables) -> None:
    if tables[AWAY].get(user) is not None:
        tables[AWAY].delete(user)


FEATURE: Final = Feature(
    name="succession",
    tables=(AWAY,),
    decide={TellOwned: decide_tell, NoteOwner: decide_note},
    apply={
        OwnedTold: apply_told,
        OwnerNoted: apply_noted,
        MembersLeft: apply_gone,
        MembersRemoved: apply_gone,
        RoleChanged: apply_role,
    },
    effects={
        UserDeactivated: effects_excluded,
        UserReactivated: effects_excluded,
        UserBanned: effects_excluded,
        UserUnbanned: effects_excluded,
        OwnedTold: effects_told,
        ChannelAdded: effects_owns,
        ChannelRoleChanged: effects_owns,
        ChannelKindChanged: effects_owns,
    },
)
