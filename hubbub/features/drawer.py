"""A user's own drawer: what drafts, reminders and bookmarks have in common.

They live in the user's stream `#user`, whose events reach all his devices. Only he writes there,
and a server key in his name; an app whose `#user` is a raw channel has none of it.

What is put in names a channel and perhaps a message there. That whoever asks can read it is looked
at first, by the edge, in the channel's own stream (`drawer.look`). What vanishes later stays in the
drawer: it is the user's own, and holds nothing of the channel's.
"""

from __future__ import annotations

from typing import Final, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from hubbub.base.errors import NOT_AVAILABLE, PERMISSION_DENIED, Rejected
from hubbub.base.names import check_user, user_stream
from hubbub.features.contract import (
    Command,
    Context,
    EdgeContext,
    Errand,
    Feature,
    Nothing,
    QueryCall,
    QueryRow,
    Steps,
    Tables,
)
from hubbub.features.messages import alive, find_message
from hubbub.features.standing import require_standing
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


# --- what it is about


class Place(Struct, frozen=True):
    """A channel, and perhaps the id of a message in it."""

    channel: str
    message: str = ""


def run_look(place: Place, tables: Tables, ctx: Context) -> Nothing:
    """Raises Rejected unless it is there, and the viewer may read it."""
    require_standing(Action.READ, tables, ctx)
    if place.message:
        alive(find_message(place.message, tables, ctx), tables)
    return Nothing()


def put_in(command: OfUser, place: Place) -> Errand:
    """Look at the place, then do it."""

    def steps() -> Steps:
        yield QueryCall(place.channel, "drawer.look", place)
        answer: bytes = yield command
        return answer

    return Errand(steps)


FEATURE: Final = Feature(name="drawer", queries=(QueryRow("drawer.look", Place, run_look),))
