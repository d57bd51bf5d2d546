"""Devices as an edge knows them: what a connection says of itself, and who must go. Pure.

Rules:
1. A connection names its device in the connect's `data`: {"device": id, "device_name"?: text}. A
   token may name it as well (claim `device`), and then it is believed instead.
2. A device is reported to the user's stream once a day from each edge, or when it says something
   new of itself; the log writes what is news to it.
3. Sessions that the stream signs out are closed with 4501, and their tokens revoked everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from edge.auth import Identity
from edge.client_context import ClientContext
from edge.dispatch import Dispatch
from edge.session import Session
from hubbub.base.bounded import BoundedCache
from hubbub.base.errors import BAD_REQUEST, REVOKED, Rejected
from hubbub.base.units import DAY_MS
from hubbub.wire.client_shapes import Connect
from hubbub.wire.codec import decode_json, dump_json
from hubbub.wire.shapes import Viewer

REPORTED_MAX: Final = 50_000  # devices reported today; one that fell out is reported again
ID_CHARS_MAX: Final = 64
NAME_CHARS_MAX: Final = 64
_EVERYBODY: Final = "*"  # in an event's `info`: all but the devices behind it
_SYSTEM: Final = Viewer(user="", authority="system")


class Description(msgspec.Struct, frozen=True):
    """What a connection says of itself."""

    device: str = ""
    name: str = ""
    version: str = ""


class _Data(msgspec.Struct, frozen=True):
    device: object = None
    device_name: object = None


def describe(command: Connect, identity: Identity) -> Description:
    """Raises Rejected(BAD_REQUEST) for an id that can be none."""
    data = _Data()
    if command.data[:1] == b"{":
        data = decode_json(command.data, _Data)
    device = identity.device or (data.device if isinstance(data.device, str) else "")
    if len(device) > ID_CHARS_MAX or any(not "!" <= c <= "~" for c in device) or device == "*":
        raise Rejected(BAD_REQUEST, f"a device id is 1 to {ID_CHARS_MAX} ASCII characters")
    name = data.device_name if isinstance(data.device_name, str) else command.name
    return Description(device, name[:NAME_CHARS_MAX], command.version)


class Devices:
    """Reports devices, and ends the sessions of those that are signed out."""

    def __init__(self, dispatch: Dispatch, wall_ms: Callable[[], int]) -> None:
        self._dispatch = dispatch
        self._wall_ms = wall_ms
        self._reported: BoundedCache[tuple[str, str, str], tuple[Description, int]]
        self._reported = BoundedCache(REPORTED_MAX)

    def came(self, context: ClientContext, about: Description) -> None:
        """A connection of this device was answered."""
        app, viewer = context.app, context.viewer
        if not about.device or app.settings.raw_user_streams:
            return
        key, told = (app.name, viewer.user, about.device), (about, self._wall_ms() // DAY_MS)
        if self._reported.get(key) == told:
            return
        self._reported.put(key, told)

        def reply(refusal: Rejected | None, _: bytes) -> None:
            if refusal is not None:
                self._reported.discard_if(lambda known, __: known == key)

        fields = {
            "user": viewer.user,
            "device": about.device,
            "name": about.name,
            "version": about.version,
            "jti": context.jti,
        }
        self._dispatch.send("device.see", fields, app, viewer, reply)

    def signed_out(self, sessions: Iterable[Session], names: list[str]) -> None:
        """The stream says so of these devices, or of all others (`*`)."""
        all_but = names[:1] == [_EVERYBODY]
        for session in list(sessions):
            context = session.context
            if not isinstance(context, ClientContext):
                continue
            named = bool(context.device) and context.device in names
            if named is not all_but:
                if context.jti:
                    self._dispatch.send(
                        "token.revoke", {"jti": context.jti}, context.app, _SYSTEM, _ignore
                    )
                session.close(REVOKED)


def claim_json(context: ClientContext) -> bytes:
    """What the user's stream is asked with (features: DeviceClaim)."""
    return dump_json({"issued": context.issued_ms, "device": context.device})


def _ignore(_: Rejected | None, __: bytes) -> None:
    """The device itself is refused by the log; its token alone may live on until it ends."""
