"""People: the profile of a user, in the user's own stream `#user`.

Rules:
1. A user exists from the first `user.ensure` (a token was issued) or `user.update` on; nobody needs
   one to speak, so a profile may lack.
2. Everybody may read a profile; only the user and a server key write it.
3. Where `#user` is a raw channel (settings) there are no profiles: their events would take its
   offsets.
"""

from __future__ import annotations

from typing import Final

from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.structs import replace

from hubbub.base.errors import NOT_AVAILABLE, NOT_FOUND, Rejected
from hubbub.base.names import check_user, user_stream
from hubbub.features.contract import (
    Command,
    Context,
    Decision,
    Done,
    EdgeContext,
    Event,
    Feature,
    Meta,
    QueryCall,
    QueryRow,
    Route,
    Table,
    Tables,
    Verb,
)
from hubbub.features.fields import (
    META_BYTES_MAX,
    check_bytes,
    check_title,
    check_url,
    custom,
    json_bytes,
    require_something,
)
from hubbub.features.publication import parse_time, rfc3339
from hubbub.model.member import Role
from hubbub.model.permissions import Action, require
from hubbub.model.usage import Growth
from hubbub.model.user import Profile
from hubbub.wire.codec import encode_json


class EnsureUser(Command, frozen=True):
    """Create the user unless he exists; an existing profile stays as it is."""

    TAG = "user.ensure"

    user: str
    name: str = ""

    def stream_key(self) -> str:
        return user_stream(self.user)


class UpdateUser(Command, frozen=True):
    """Change what is given; null clears a field. `replace`: what is not given is cleared too."""

    TAG = "user.update"

    user: str = ""
    name: str | UnsetType | None = UNSET
    avatar: str | UnsetType | None = UNSET
    data: Raw | UnsetType = UNSET
    replace: bool = False

    def stream_key(self) -> str:
        return user_stream(self.user)


class UserCreated(Event, frozen=True):
    """First sight of a user. `guest_until`: RFC 3339; absent for a full user."""

    TAG = "user.created"

    name: str = ""
    avatar: str = ""
    data: Raw | UnsetType = UNSET
    guest_until: str = ""


class UserUpdated(Event, frozen=True):
    """The whole profile as it is from now on."""

    TAG = "user.updated"

    name: str = ""
    avatar: str = ""
    data: Raw | UnsetType = UNSET


class UserRow(Struct, frozen=True, array_like=True, gc=False):
    """`data` is JSON or empty. `guest_until_ms`: of a guest (`guests`), 0 for a full user."""

    created_ms: int
    name: str = ""
    avatar: str = ""
    data: bytes = b""
    guest_until_ms: int = 0


class UserRequest(Struct, frozen=True):
    """Which user; empty: the one who asks."""

    user: str = ""


PROFILE: Final[Table[int, UserRow]] = Table("users", int, UserRow)


def check_ensure(cmd: EnsureUser, _: EdgeContext) -> EnsureUser:
    check_user(cmd.user)
    check_title(cmd.name)
    return cmd


def check_update(cmd: UpdateUser, ctx: EdgeContext) -> UpdateUser:
    if not cmd.replace:
        require_something(cmd.name, cmd.avatar, cmd.data)
    check_title(_text(cmd.name))
    check_avatar(_text(cmd.avatar))
    check_bytes(cmd.data, META_BYTES_MAX)
    return replace(cmd, user=check_user(cmd.user or ctx.viewer.user))


def check_avatar(url: str) -> None:
    """An empty one takes it away. Raises Rejected as `check_url`."""
    if url:
        check_url(url, "avatar")


def decide_ensure(cmd: EnsureUser, tables: Tables, ctx: Context) -> list[Event] | Decision:
    """Of a guest the answer says until when he is one: who makes a token has to know."""
    _require_self(cmd.user, ctx)
    if ctx.settings.raw_user_streams:
        return []
    row = tables[PROFILE].get(0)
    if row is None:
        return [UserCreated(name=cmd.name)]
    if row.guest_until_ms:
        return Decision([], encode_json({"guest_until_ms": row.guest_until_ms}))
    return []


def decide_update(cmd: UpdateUser, tables: Tables, ctx: Context) -> list[Event]:
    _require_self(cmd.user, ctx)
    if ctx.settings.raw_user_streams:
        raise Rejected(NOT_AVAILABLE, "this app keeps no profiles")
    row = tables[PROFILE].get(0)
    old = UserRow(0) if row is None or cmd.replace else row
    name = old.name if cmd.name is UNSET else _text(cmd.name)
    avatar = old.avatar if cmd.avatar is UNSET else _text(cmd.avatar)
    data = old.data if cmd.data is UNSET else json_bytes(cmd.data)
    if row is None:
        return [UserCreated(name=name, avatar=avatar, data=custom(data))]
    if (row.name, row.avatar, row.data) == (name, avatar, data):
        return []
    return [UserUpdated(name=name, avatar=avatar, data=custom(data))]


def apply_created(event: UserCreated, meta: Meta, tables: Tables) -> None:
    row = tables[PROFILE].get(0)
    created_ms = meta.ts_ms if row is None else row.created_ms
    guest_until_ms = parse_time(event.guest_until) if event.guest_until else 0
    data = json_bytes(event.data)
    tables[PROFILE].put(0, UserRow(created_ms, event.name, event.avatar, data, guest_until_ms))


def count_created(_: UserCreated, tables: Tables) -> Growth:
    return Growth(users=int(tables[PROFILE].get(0) is None))


def apply_updated(event: UserUpdated, meta: Meta, tables: Tables) -> None:
    row = tables[PROFILE].get(0) or UserRow(meta.ts_ms)
    data = json_bytes(event.data)
    tables[PROFILE].put(0, replace(row, name=event.name, avatar=event.avatar, data=data))


def find_profile(user: str, tables: Tables) -> Profile | None:
    """The profile in this stream, None if there is none."""
    row = tables[PROFILE].get(0)
    if row is None:
        return None
    return Profile(
        user=user,
        created=rfc3339(row.created_ms),
        name=row.name,
        avatar=row.avatar,
        data=custom(row.data),
        guest_until=rfc3339(row.guest_until_ms) if row.guest_until_ms else "",
    )


def run_get(_: UserRequest, tables: Tables, ctx: Context) -> Profile:
    profile = find_profile(ctx.key[1:], tables)
    if profile is None:
        raise Rejected(NOT_FOUND, "no such user")
    return profile


def turn_get(request: UserRequest, ctx: EdgeContext) -> QueryCall:
    user = check_user(request.user or ctx.viewer.user)
    return QueryCall(user_stream(user), "user.get", UserRequest(user))


def turn_update(request: UpdateUser, ctx: EdgeContext) -> UpdateUser:
    return replace(request, user=request.user or request.by or ctx.viewer.user, replace=False)


def turn_put(request: UpdateUser, _: EdgeContext) -> UpdateUser:
    return replace(request, replace=True)


def _text(value: str | UnsetType | None) -> str:
    return value if isinstance(value, str) else ""


def _require_self(user: str, ctx: Context) -> None:
    if user != ctx.actor:
        require(Action.EDIT_ANY_USER, None, Role.NONE, ctx.viewer.authority)


FEATURE: Final = Feature(
    name="users",
    tables=(PROFILE,),
    check={EnsureUser: check_ensure, UpdateUser: check_update},
    decide={EnsureUser: decide_ensure, UpdateUser: decide_update},
    apply={UserCreated: apply_created, UserUpdated: apply_updated},
    counts={UserCreated: count_created},
    queries=(QueryRow("user.get", UserRequest, run_get),),
    verbs=(
        Verb("user.update", UpdateUser, turn_update, Done, "Change the own profile."),
        Verb("user.get", UserRequest, turn_get, Profile, "The public profile of a user."),
    ),
    routes=(
        Route(
            "PUT",
            "/v1/users/{user}",
            UpdateUser,
            turn_put,
            Done,
            doc="Write a whole profile; who is unknown is made.",
        ),
        Route(
            "PATCH",
            "/v1/users/{user}",
            UpdateUser,
            turn_update,
            Done,
            doc="Change a profile; who is unknown is made.",
        ),
        Route("GET", "/v1/users/{user}", UserRequest, turn_get, Profile, doc="Read a profile."),
    ),
)
