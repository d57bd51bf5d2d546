"""What the verbs of presence ask of an edge: who is on a session's screen, and that it is idle.

Rules:
1. `presence.watch` names the users before they are asked for and is answered with those who need
   not be, `presence.watched` hands over what was answered (features.presence); both are steps of
   one errand.
2. Idle is a word about one connection: it stands in what the user's leader and his own devices know
   of it, so that it is told anew with everything else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from edge.client_context import ClientContext
from edge.dispatch import Dispatch
from edge.subscribing import Request
from edge.watching import Rows, Screen, Watching
from hubbub.base.errors import NOT_AVAILABLE, Rejected
from hubbub.base.names import user_stream
from hubbub.features.contract import Errand, Lease, Local
from hubbub.wire.codec import convert, decode_json, encode_json, encode_pack
from hubbub.wire.presence import Watch
from hubbub.wire.shapes import Kind, Presence, Status

T = TypeVar("T")


class _Users(msgspec.Struct, frozen=True):
    users: tuple[str, ...] = ()


class _Idle(msgspec.Struct, frozen=True):
    idle: bool


class Presences:
    """Args: lease: how users are looked at. process: this edge's `name.boot_id`. `watching` is set
    by the wiring: it looks through `look`."""

    watching: Watching

    def __init__(self, lease: Lease, dispatch: Dispatch, request: Request, process: str) -> None:
        self._lease = lease
        self._dispatch = dispatch
        self._request = request
        self._process = process
        self._contexts: dict[Screen, ClientContext] = {}

    def run(self, context: ClientContext, action: Local) -> bytes:
        """A step of theirs. Raises Rejected."""
        if context.heads is None:
            raise Rejected(NOT_AVAILABLE, "only on a connection of a user")
        match action.name:
            case "presence.watch":
                return encode_json(Watch(self._watch(context, _args(action, _Users).users)))
            case "presence.watched":
                if context.screen is not None:
                    self.watching.looked(context.screen, _args(action, Watch).rows)
            case "presence.idle":
                self._idle(context, _args(action, _Idle).idle)
            case _:
                raise Rejected(NOT_AVAILABLE)
        return b"{}"

    def closed(self, context: ClientContext) -> None:
        """The session is over."""
        screen, context.screen = context.screen, None
        if screen is not None:
            self.watching.left(screen)
            del self._contexts[screen]

    def look(self, screen: Screen, users: list[str], done: Callable[[Rows | None], None]) -> None:
        """Ask how the session's user sees these, with its own rights."""
        context = self._contexts[screen]

        def reply(refusal: Rejected | None, data: bytes) -> None:
            done(None if refusal is not None else decode_json(data, Watch).rows)

        errand = Errand(lambda: self._lease.look(users, screen.listener.user))
        self._dispatch.errands.start(errand, context.app, context.viewer, reply)

    def _watch(self, context: ClientContext, users: tuple[str, ...]) -> Rows:
        if context.screen is None:
            assert context.heads is not None
            context.screen = Screen(context.heads)
            self._contexts[context.screen] = context
        return self.watching.watch(context.screen, users)

    def _idle(self, context: ClientContext, is_idle: bool) -> None:
        said = decode_json(context.session_info, dict[str, object])
        if bool(said.pop("idle", False)) is is_idle:
            return
        context.session_info = encode_json({**said, "idle": True} if is_idle else said)
        changed = ((context.viewer.client, context.session_info),)
        body = encode_pack(Presence(self._process, (), changed))
        stream = user_stream(context.viewer.user)
        self._request(Kind.PRESENCE, context.app.name, stream, body, _ignore)


def _args(action: Local, shape: type[T]) -> T:
    return convert(msgspec.to_builtins(action.args), shape)


def _ignore(_: Status, __: bytes) -> None:
    """A lost report is repaired by the next absolute one (HEADS)."""
