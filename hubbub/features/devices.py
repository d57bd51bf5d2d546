"""A user's devices and sessions: which there are, and how one is signed out from another.

Rules:
1. A connection that names its device (`device` in the connect's data) makes it known in `#user`.
   What is kept of it is written when it is new, renamed or updated, and else once a day (a silent
   event), never once a connect.
2. `devices.remove` signs a device out: every edge closes its sessions at once (SIGNS_OUT in the
   row) and has their tokens revoked for the whole app, as is the token that is kept of it; and a
   connect with a token issued before that is refused here, at the log. A token issued later lets
   it in again.
3. `sessions.sign_out` does so for all devices but one (`keep`), and for connections that named
   none.
4. At most `devices_kept_max` are kept. One more drops the one that was away longest from the list
   (it stays signed in), or is refused: the app's setting `devices_when_full`.
5. Sessions are live: the leader of `#user` hears of them from edges as of any presence.

Long because signing out is one story from the command to the connect that it refuses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from hubbub.base.errors import (
    BAD_REQUEST,
    LIMIT_EXCEEDED,
    NOT_FOUND,
    PERMISSION_DENIED,
    UNAUTHORIZED,
    Rejected,
)
from hubbub.base.names import check_user, user_stream
from hubbub.base.units import DAY_MS
from hubbub.features.apps import RevokeToken
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
    Reads,
    Route,
    Table,
    Tables,
    Verb,
)
from hubbub.features.publication import rfc3339
from hubbub.model.member import Role
from hubbub.model.permissions import Action, require
from hubbub.wire.codec import decode_json, encode_json
from hubbub.wire.reads import STREAM_PRESENCE, PresenceMap, StreamAsk
from hubbub.wire.shapes import Json

ID_CHARS_MAX: Final = 64
NAME_CHARS_MAX: Final = 64
VERSION_CHARS_MAX: Final = 64
EVERYBODY: Final = "*"  # in a row's `info`: all sessions but those of the devices named behind it
_ONLY: Final = 0


class SeeDevice(Command, frozen=True):
    """A connection of this device began. Edges send it, at most once a day for each."""

    TAG = "device.see"

    user: str
    device: str
    name: str = ""
    version: str = ""
    jti: str = ""

    def stream_key(self) -> str:
        return user_stream(self.user)


class RemoveDevice(Command, frozen=True):
    """Sign a device out. `user`: empty for one's own."""

    TAG = "devices.remove"

    device: str
    user: str = ""

    def stream_key(self) -> str:
        return user_stream(self.user)


class SignOut(Command, frozen=True):
    """Sign out everywhere but on the device `keep`. Only a server key may keep none."""

    TAG = "sessions.sign_out"

    keep: str = ""
    user: str = ""

    def stream_key(self) -> str:
        return user_stream(self.user)


class DeviceAdded(Event, frozen=True):
    """A device is new to this user. `dropped`: the one that left the list for it."""

    TAG = "device.added"

    device: str
    name: str = ""
    version: str = ""
    dropped: str = ""
    jti: str = ""


class DeviceSeen(Event, frozen=True):
    """A known device was here today, perhaps under another name or version."""

    TAG = "device.seen"
    KIND = EventKind.SILENT

    device: str
    name: str = ""
    version: str = ""
    jti: str = ""


class DeviceRemoved(Event, frozen=True):
    """The device is signed out, and the token it came with last is revoked."""

    TAG = "device.removed"

    device: str
    jti: str = ""

    def signs_out(self) -> Sequence[str]:
        return (self.device,)


class SignedOut(Event, frozen=True):
    """All devices but `keep` are signed out; `tokens`: those they came with last."""

    TAG = "user.signed_out"

    keep: str = ""
    tokens: tuple[str, ...] = ()

    def signs_out(self) -> Sequence[str]:
        return (EVERYBODY, self.keep)


class DeviceRow(Struct, frozen=True, array_like=True, gc=False):
    """`jti`: of the token it came with when this was written."""

    created_ms: int
    seen_ms: int
    name: str = ""
    version: str = ""
    jti: str = ""


class SignOutRow(Struct, frozen=True, array_like=True, gc=False):
    """Tokens issued before `before_ms` are worth nothing, but on the device `keep`."""

    before_ms: int
    keep: str = ""


class DeviceClaim(Struct, frozen=True, omit_defaults=True):
    """What an edge knows of a connection when it asks for `#user`. `issued`: of its token, ms."""

    issued: int = 0
    device: str = ""


class Session(Struct, frozen=True, omit_defaults=True):
    """A live connection. `name`, `version`: of its client library. `current`: the one who asks.
    `idle`: as it said last (features.presence)."""

    client: str
    device: str = ""
    name: str = ""
    version: str = ""
    transport: str = ""
    since: str = ""
    current: bool = False
    idle: bool = False


class Device(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A device. `last_seen` is exact to the day, and now while it has sessions."""

    device: str
    created: str
    last_seen: str
    name: str = ""
    version: str = ""
    current: bool = False
    sessions: list[Session] = []


class DevicesRequest(Struct, frozen=True):
    """Whose; empty: one's own."""

    user: str = ""


class DevicesAnswer(Struct, frozen=True):
    """Seen last first."""

    devices: list[Device]


class SessionsAnswer(Struct, frozen=True):
    """Opened first first."""

    sessions: list[Session]


class DevicesKnown(Struct, frozen=True):
    """The rows of a user."""

    devices: dict[str, DeviceRow]


DEVICES: Final[Table[str, DeviceRow]] = Table("devices", str, DeviceRow)
REMOVED: Final[Table[str, int]] = Table("devices.removed", str, int)
SIGNED_OUT: Final[Table[int, SignOutRow]] = Table("devices.signed_out", int, SignOutRow)
_REMOVED_MAX: Final = 100


def check_id(device: str) -> str:
    """1 to 64 printable ASCII characters without a space; `*` is taken. Raises Rejected."""
    if not 1 <= len(device) <= ID_CHARS_MAX or any(not "!" <= c <= "~" for c in device):
        raise Rejected(BAD_REQUEST, f"a device id is 1 to {ID_CHARS_MAX} ASCII characters")
    if device == EVERYBODY:
        raise Rejected(BAD_REQUEST, "this is no device id")
    return device


def check_see(cmd: SeeDevice, _: EdgeContext) -> SeeDevice:
    check_user(cmd.user)
    check_id(cmd.device)
    return replace(cmd, name=cmd.name[:NAME_CHARS_MAX], version=cmd.version[:VERSION_CHARS_MAX])


def check_remove(cmd: RemoveDevice, ctx: EdgeContext) -> RemoveDevice:
    check_id(cmd.device)
    return replace(cmd, user=check_user(cmd.user or ctx.viewer.user))


def check_sign_out(cmd: SignOut, ctx: EdgeContext) -> SignOut:
    if cmd.keep:
        check_id(cmd.keep)
    elif ctx.viewer.authority == "client":
        raise Rejected(BAD_REQUEST, "name the device to keep")
    return replace(cmd, user=check_user(cmd.user or ctx.viewer.user))


# --- a connection comes


def admit(claim: Json, tables: Tables, ctx: Context) -> None:
    """May this connection have the user's stream? Raises Rejected(UNAUTHORIZED, LIMIT_EXCEEDED)."""
    if not claim:
        return
    about = decode_json(claim, DeviceClaim)
    signed_out = tables[SIGNED_OUT].get(_ONLY)
    is_kept = about.device and signed_out is not None and about.device == signed_out.keep
    if signed_out is not None and about.issued < signed_out.before_ms and not is_kept:
        raise Rejected(UNAUTHORIZED, "signed out: a new token is needed")
    if not about.device:
        return
    if about.issued < (tables[REMOVED].get(about.device) or 0):
        raise Rejected(UNAUTHORIZED, "this device was signed out: a new token is needed")
    limit = ctx.settings.devices_kept_max
    refuses = ctx.settings.devices_when_full == "refuse"
    if refuses and tables[DEVICES].get(about.device) is None:
        count = len(tables[DEVICES].scan(limit=limit))
        if count >= limit:
            raise Rejected(LIMIT_EXCEEDED, f"at most {limit} devices", limit=limit)


def decide_see(cmd: SeeDevice, tables: Tables, ctx: Context) -> list[Event]:
    _require_own(cmd.user, ctx, Action.EDIT_ANY_USER)
    if ctx.settings.raw_user_streams:
        return []
    row = tables[DEVICES].get(cmd.device)
    if row is None:
        dropped = _to_drop(ctx.settings.devices_kept_max, tables)
        return [
            DeviceAdded(
                device=cmd.device,
                name=cmd.name,
                version=cmd.version,
                dropped=dropped,
                jti=cmd.jti,
            )
        ]
    same_day = row.seen_ms // DAY_MS == ctx.now_ms // DAY_MS
    if same_day and (row.name, row.version) == (cmd.name, cmd.version):
        return []
    return [DeviceSeen(device=cmd.device, name=cmd.name, version=cmd.version, jti=cmd.jti)]


def _to_drop(limit: int, tables: Tables) -> str:
    """Who leaves the list for one more: the one that was away longest."""
    rows = tables[DEVICES].scan()
    if len(rows) < limit:
        return ""
    return min(rows, key=lambda item: (item[1].seen_ms, item[0]))[0]


def decide_remove(cmd: RemoveDevice, tables: Tables, ctx: Context) -> list[Event]:
    _require_own(cmd.user, ctx, Action.REVOKE_TOKENS)
    row = tables[DEVICES].get(cmd.device)
    if row is None:
        raise Rejected(NOT_FOUND, "no such device")
    return [DeviceRemoved(device=cmd.device, jti=row.jti)]


def decide_sign_out(cmd: SignOut, tables: Tables, ctx: Context) -> list[Event]:
    _require_own(cmd.user, ctx, Action.REVOKE_TOKENS)
    if cmd.keep and tables[DEVICES].get(cmd.keep) is None:
        raise Rejected(NOT_FOUND, "no such device")
    others = [row for device, row in tables[DEVICES].scan() if device != cmd.keep]
    return [SignedOut(keep=cmd.keep, tokens=tuple(row.jti for row in others if row.jti))]


def apply_added(event: DeviceAdded, meta: Meta, tables: Tables) -> None:
    if event.dropped:
        tables[DEVICES].delete(event.dropped)
    row = DeviceRow(meta.ts_ms, meta.ts_ms, event.name, event.version, event.jti)
    tables[DEVICES].put(event.device, row)


def apply_seen(event: DeviceSeen, meta: Meta, tables: Tables) -> None:
    row = tables[DEVICES].get(event.device)
    created_ms = meta.ts_ms if row is None else row.created_ms
    row = DeviceRow(created_ms, meta.ts_ms, event.name, event.version, event.jti)
    tables[DEVICES].put(event.device, row)


def apply_removed(event: DeviceRemoved, meta: Meta, tables: Tables) -> None:
    tables[DEVICES].delete(event.device)
    removed = tables[REMOVED].scan()
    if len(removed) >= _REMOVED_MAX:  # the oldest tokens are long expired
        tables[REMOVED].delete(min(removed, key=lambda item: (item[1], item[0]))[0])
    tables[REMOVED].put(event.device, meta.ts_ms)


def apply_signed_out(event: SignedOut, meta: Meta, tables: Tables) -> None:
    tables[SIGNED_OUT].put(_ONLY, SignOutRow(meta.ts_ms, event.keep))
    for device, _ in tables[DEVICES].scan():
        if device != event.keep:
            tables[DEVICES].delete(device)


def _require_own(user: str, ctx: Context, action: Action) -> None:
    if user != ctx.actor:
        require(action, None, Role.NONE, ctx.viewer.authority)


# --- reads


def run_known(_: DevicesRequest, tables: Tables, ctx: Context) -> DevicesKnown:
    if ctx.key != user_stream(ctx.actor):
        try:
            require(Action.READ_ANY_USER_STREAM, None, Role.NONE, ctx.viewer.authority)
        except Rejected:
            raise Rejected(PERMISSION_DENIED, "devices are their user's own") from None
    return DevicesKnown(dict(tables[DEVICES].scan()))


def turn_devices(request: DevicesRequest, ctx: EdgeContext) -> Reads:
    key = user_stream(check_user(request.user or ctx.viewer.user))

    def then(answers: Sequence[Json | Rejected | None]) -> Json:
        rows, present = map(_given, answers)
        sessions = _sessions(present, ctx.viewer.client)
        known = decode_json(rows, DevicesKnown).devices
        found = [_device(id, row, sessions, ctx.now_ms) for id, row in known.items()]
        found.sort(key=lambda device: device.last_seen, reverse=True)
        return encode_json(DevicesAnswer(found))

    known = QueryCall(key, "devices.known", request)
    return Reads((known, _present(key)), then)


def turn_sessions(request: DevicesRequest, ctx: EdgeContext) -> Reads:
    key = user_stream(check_user(request.user or ctx.viewer.user))

    def then(answers: Sequence[Json | Rejected | None]) -> Json:
        [present] = map(_given, answers)
        return encode_json(SessionsAnswer(_sessions(present, ctx.viewer.client)))

    return Reads((_present(key),), then)


def _present(key: str) -> QueryCall:
    return QueryCall(key, STREAM_PRESENCE, StreamAsk(subscribed=True))


def _given(answer: Json | Rejected | None) -> Json:
    if not isinstance(answer, bytes):
        raise answer or Rejected(BAD_REQUEST)
    return answer


def _sessions(present: Json, client: str) -> list[Session]:
    found = [
        decode_json(raw, Session) for raw in decode_json(present, PresenceMap).presence.values()
    ]
    found.sort(key=lambda session: (session.since, session.client))
    return [replace(s, current=True) if client and s.client == client else s for s in found]


def _device(id: str, row: DeviceRow, sessions: list[Session], now_ms: int) -> Device:
    own = [session for session in sessions if session.device == id]
    return Device(
        device=id,
        created=rfc3339(row.created_ms),
        last_seen=rfc3339(now_ms if own else row.seen_ms),
        name=row.name,
        version=row.version,
        current=any(session.current for session in own),
        sessions=own,
    )


# --- what follows elsewhere


def effects_removed(event: DeviceRemoved, _: Meta, __: Tables) -> list[Effect]:
    return [Forward(RevokeToken(jti=event.jti))] if event.jti else []


def effects_signed_out(event: SignedOut, _: Meta, __: Tables) -> list[Effect]:
    return [Forward(RevokeToken(jti=jti)) for jti in event.tokens]


def turn_remove(request: RemoveDevice, ctx: EdgeContext) -> RemoveDevice:
    return replace(request, user=request.user or request.by or ctx.viewer.user)


def turn_sign_out(request: SignOut, ctx: EdgeContext) -> SignOut:
    return replace(request, user=request.user or request.by or ctx.viewer.user)


_USER: Final = "/v1/users/{user}"

FEATURE: Final = Feature(
    name="devices",
    tables=(DEVICES, REMOVED, SIGNED_OUT),
    check={SeeDevice: check_see, RemoveDevice: check_remove, SignOut: check_sign_out},
    decide={SeeDevice: decide_see, RemoveDevice: decide_remove, SignOut: decide_sign_out},
    apply={
        DeviceAdded: apply_added,
        DeviceSeen: apply_seen,
        DeviceRemoved: apply_removed,
        SignedOut: apply_signed_out,
    },
    effects={DeviceRemoved: effects_removed, SignedOut: effects_signed_out},
    queries=(QueryRow("devices.known", DevicesRequest, run_known),),
    verbs=(
        Verb("devices.list", DevicesRequest, turn_devices, DevicesAnswer, "Own devices."),
        Verb("devices.remove", RemoveDevice, turn_remove, Done, "Sign a device out."),
        Verb("sessions.list", DevicesRequest, turn_sessions, SessionsAnswer, "Live connections."),
        Verb("sessions.sign_out", SignOut, turn_sign_out, Done, "Sign out everywhere else."),
    ),
    routes=(
        Route("GET", _USER + "/devices", DevicesRequest, turn_devices, DevicesAnswer),
        Route("DELETE", _USER + "/devices/{device}", RemoveDevice, turn_remove, Done),
        Route("GET", _USER + "/sessions", DevicesRequest, turn_sessions, SessionsAnswer),
        Route("POST", _USER + "/sessions/sign_out", SignOut, turn_sign_out, Done),
    ),
)
