"""A user's own drawer: what drafts, reminders and bookmarks have in common.

They live in the user's stream `#user`, whose events reach all his devices. Only he writes there,
and a server key in his name; an app whose `#user` is a raw channel has none of it.
"""

from __future__ import annotations

from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from hubbub.base.errors import NOT_AVAILABLE, PERMISSION_DENIED, Rejected
from hubbub.base.names import check_user, user_stream
from hubbub.features.contract import Command, Context, EdgeContext, QueryCall
from hubbub.model.member import Role
from hubbub.model.permissions import Action, require


class OfUser(Command, frozen=True):
    """A command for a user's own stream. `user` empty: the one who asks."""

    TAG = ""

    user: str = ""

    def stream_key(self) -> str:
        return user_stream(self.user)


class AsksUser(Struct, frozen=True):
    """A request for a user's own rows. `user` empty: the one who asks."""

    user: str = ""


C = TypeVar("C", bound=OfUser)


def turn_own(command: C, ctx: EdgeContext) -> C:
    """The command with its user. Raises Rejected(BAD_REQUEST)."""
    return replace(command, user=check_user(command.user or command.by or ctx.viewer.user))


def call_own(name: str, request: AsksUser, ctx: EdgeContext) -> QueryCall:
    """The query of a user's own rows."""
    user = check_user(request.user or ctx.viewer.user)
    return QueryCall(user_stream(user), name, replace(request, user=user))


def require_writer(user: str, ctx: Context) -> None:
    """Raises Rejected unless the viewer may write into this drawer."""
    if ctx.settings.raw_user_streams:
        raise Rejected(NOT_AVAILABLE, "this app's users have no streams of their own")
    if user != ctx.actor:
        require(Action.EDIT_ANY_USER, None, Role.NONE, ctx.viewer.authority)


def require_reader(ctx: Context) -> None:
    """Raises Rejected unless the viewer may look into this drawer."""
    if ctx.key[1:] != ctx.actor:
        try:
            require(Action.READ_ANY_USER_STREAM, None, Role.NONE, ctx.viewer.authority)
        except Rejected:
            raise Rejected(PERMISSION_DENIED, "this stream is its user's own") from None
