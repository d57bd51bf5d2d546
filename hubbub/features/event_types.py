"""Event types of an app's own, with a registered JSON Schema: `event.send {channel, type, data}`.

Rules:
1. Types live in the app's stream, versioned: registering another schema under a name makes the next
   version, and the earlier ones stay usable until the name is deleted. Numbers go on after that.
2. The edge looks the type up and validates before anything is sent: an errand. The channel's log
   knows the type and version of each event, not the schema.
3. Such an event is published like any other, as `event.sent` with type, version and data; it is no
   message and counts as unread for nobody.
4. No type is named like an event of ours, today's or a later one's: whoever reads a log or filters
   by name could not tell them apart. What is before the dot decides.
"""

from __future__ import annotations

from typing import Final

from msgspec import Raw, Struct

from hubbub.base.errors import (
    BAD_REQUEST,
    NAME_RESERVED,
    NOT_FOUND,
    TOO_LARGE,
    TOO_MANY,
    Rejected,
)
from hubbub.base.names import APP_STREAM
from hubbub.features.contract import (
    Command,
    Context,
    Decision,
    Done,
    EdgeContext,
    Errand,
    Event,
    Feature,
    Meta,
    QueryCall,
    QueryRow,
    Route,
    Steps,
    Table,
    Tables,
    Verb,
    as_command,
)
from hubbub.features.fields import check_chat_channel
from hubbub.features.metadata import check_key
from hubbub.features.standing import require_standing
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role
from hubbub.model.permissions import Action, require
from hubbub.wire.codec import decode_json, encode_json
from hubbub.wire.schemas import check_document, check_schema

TYPES_MAX: Final = 200
VERSIONS_MAX: Final = 100  # of one name
SCHEMA_BYTES_MAX: Final = 16_384
PAGE_MAX: Final = 100
# What our events are about (a test compares it with the registry).
# fmt: off
RESERVED: Final = frozenset({
    "bookmark", "channel", "channel_list", "counter", "device", "directory", "draft", "event",
    "event_type", "guest", "job", "marks", "member", "mention", "message", "metadata", "poll",
    "presence", "raw", "reaction", "receipts", "reminder", "schedule", "settings", "succession",
    "thread", "token", "typing", "user",
})
# fmt: on


class RegisterType(Command, frozen=True):
    """A schema under a name, for channels of these kinds (empty: of all)."""

    TAG = "event_type.register"

    name: str
    schema: Raw
    kinds: tuple[ChannelKind, ...] = ()

    def stream_key(self) -> str:
        return APP_STREAM


class DeleteType(Command, frozen=True):
    """Nothing of this type is sent any more."""

    TAG = "event_type.delete"

    name: str

    def stream_key(self) -> str:
        return APP_STREAM


class SendEvent(Command, frozen=True):
    """An event that an edge has validated."""

    TAG = "event.send"
    SENDS = True

    channel: str
    type: str
    version: int
    data: Raw
    kinds: tuple[ChannelKind, ...] = ()


class TypeRegistered(Event, frozen=True):
    """This schema is version `version` of the name."""

    TAG = "event_type.registered"

    name: str
    version: int
    schema: Raw
    kinds: tuple[ChannelKind, ...] = ()


class TypeDeleted(Event, frozen=True):
    """The name has no schema any more."""

    TAG = "event_type.deleted"

    name: str


class EventSent(Event, frozen=True):
    """Something that the app gives a meaning."""

    TAG = "event.sent"

    type: str
    version: int
    data: Raw


class TypeRow(Struct, frozen=True, array_like=True, gc=False):
    """`version`: the newest; a deleted name keeps its number."""

    version: int
    kinds: tuple[ChannelKind, ...] = ()
    deleted: bool = False


class SchemaRow(Struct, frozen=True, array_like=True, gc=False):
    """One version."""

    schema: bytes
    registered_ms: int


class SendEventRequest(Struct, frozen=True):
    """`version` 0: the newest."""

    channel: str
    type: str
    data: Raw
    version: int = 0
    cmid: str = ""
    by: str = ""


class TypeRequest(Struct, frozen=True):
    """Which type; `version` 0: the newest."""

    name: str
    version: int = 0


class TypesRequest(Struct, frozen=True):
    """A page by name, behind `after`."""

    after: str = ""
    limit: int = PAGE_MAX


class EventType(Struct, frozen=True):
    """A type of the app's own."""

    name: str
    version: int
    schema: Raw
    kinds: tuple[ChannelKind, ...] = ()


class TypesPage(Struct, frozen=True):
    """`next`: pass it as `after`; empty at the end."""

    types: list[EventType]
    next: str = ""


class Registered(Struct, frozen=True):
    """Which version it became."""

    seq: int
    version: int
    id: str = ""
    ts: str = ""
    dup: bool = False


TYPES: Final[Table[str, TypeRow]] = Table("event_types", str, TypeRow)
SCHEMAS: Final[Table[tuple[str, int], SchemaRow]] = Table(
    "event_types.schemas", tuple[str, int], SchemaRow
)


def check_register(cmd: RegisterType, _: EdgeContext) -> RegisterType:
    check_key(cmd.name)
    about, dot, _rest = cmd.name.partition(".")
    if dot and about in RESERVED:
        raise Rejected(NAME_RESERVED, f"events about {about} are the product's own", reserved=about)
    schema = bytes(cmd.schema)
    if len(schema) > SCHEMA_BYTES_MAX:
        raise Rejected(TOO_LARGE, "the schema is too long", limit_bytes=SCHEMA_BYTES_MAX)
    check_schema(schema)
    return cmd


def check_delete(cmd: DeleteType, _: EdgeContext) -> DeleteType:
    check_key(cmd.name)
    return cmd


def check_send(cmd: SendEvent, _: EdgeContext) -> SendEvent:
    check_chat_channel(cmd.channel)
    check_key(cmd.type)
    return cmd


def decide_register(cmd: RegisterType, tables: Tables, ctx: Context) -> Decision:
    require(Action.EDIT_APP, None, Role.NONE, ctx.viewer.authority)
    row = tables[TYPES].get(cmd.name)
    if row is None and len(tables[TYPES].scan(limit=TYPES_MAX)) >= TYPES_MAX:
        raise Rejected(TOO_MANY, f"at most {TYPES_MAX} types", limit=TYPES_MAX)
    version = 0 if row is None else row.version
    if row is not None and not row.deleted:
        known = tables[SCHEMAS].get((cmd.name, version))
        if known is not None and (known.schema, row.kinds) == (bytes(cmd.schema), cmd.kinds):
            return Decision([], encode_json({"version": version}))
        if len(_versions(cmd.name, tables)) >= VERSIONS_MAX:
            raise Rejected(TOO_MANY, f"at most {VERSIONS_MAX} versions", limit=VERSIONS_MAX)
    event = TypeRegistered(name=cmd.name, version=version + 1, schema=cmd.schema, kinds=cmd.kinds)
    return Decision([event], encode_json({"version": event.version}))


def decide_delete(cmd: DeleteType, tables: Tables, ctx: Context) -> list[Event]:
    require(Action.EDIT_APP, None, Role.NONE, ctx.viewer.authority)
    row = tables[TYPES].get(cmd.name)
    return [] if row is None or row.deleted else [TypeDeleted(name=cmd.name)]


def decide_send(cmd: SendEvent, tables: Tables, ctx: Context) -> list[Event]:
    row = require_standing(Action.SEND_CUSTOM, tables, ctx)
    if cmd.kinds and row.kind not in cmd.kinds:
        raise Rejected(BAD_REQUEST, f"this type is not for channels of the kind {row.kind}")
    return [EventSent(type=cmd.type, version=cmd.version, data=cmd.data)]


def apply_registered(event: TypeRegistered, meta: Meta, tables: Tables) -> None:
    tables[TYPES].put(event.name, TypeRow(event.version, event.kinds))
    row = SchemaRow(bytes(event.schema), meta.ts_ms)
    tables[SCHEMAS].put((event.name, event.version), row)


def apply_deleted(event: TypeDeleted, _: Meta, tables: Tables) -> None:
    row = tables[TYPES].get(event.name)
    if row is not None:
        tables[TYPES].put(event.name, TypeRow(row.version, deleted=True))
    for version in _versions(event.name, tables):
        tables[SCHEMAS].delete((event.name, version))


def apply_sent(_: EventSent, __: Meta, ___: Tables) -> None:
    """Nothing: the event itself is all."""


def _versions(name: str, tables: Tables) -> list[int]:
    rows = tables[SCHEMAS].scan(after=(name, 0), limit=VERSIONS_MAX)
    return [version for (owner, version), _ in rows if owner == name]


# --- reads


def run_get(request: TypeRequest, tables: Tables, _: Context) -> EventType:
    """Whoever sends needs it, so that everybody of the app may know it."""
    row = tables[TYPES].get(request.name)
    if row is not None and not row.deleted:
        version = request.version or row.version
        schema = tables[SCHEMAS].get((request.name, version))
        if schema is not None:
            return EventType(request.name, version, Raw(schema.schema), row.kinds)
    raise Rejected(NOT_FOUND, "no such event type")


def run_list(request: TypesRequest, tables: Tables, ctx: Context) -> TypesPage:
    if not 1 <= request.limit <= PAGE_MAX:
        raise Rejected(BAD_REQUEST, f"limit is 1 to {PAGE_MAX}")
    rows = tables[TYPES].scan(after=request.after or None, limit=request.limit)
    found = [run_get(TypeRequest(name), tables, ctx) for name, row in rows if not row.deleted]
    return TypesPage(found, rows[-1][0] if len(rows) == request.limit else "")


# --- requests


def turn_get(request: TypeRequest, _: EdgeContext) -> QueryCall:
    check_key(request.name)
    if request.version < 0:
        raise Rejected(BAD_REQUEST, "a version is a number from 1")
    return QueryCall(APP_STREAM, "event_type.get", request)


def turn_list(request: TypesRequest, _: EdgeContext) -> QueryCall:
    return QueryCall(APP_STREAM, "event_type.list", request)


def turn_send(request: SendEventRequest, ctx: EdgeContext) -> Errand:
    check_chat_channel(request.channel)
    look = turn_get(TypeRequest(request.type, request.version), ctx)
    if len(bytes(request.data)) > ctx.settings.envelope_bytes_max:
        limit = ctx.settings.envelope_bytes_max
        raise Rejected(TOO_LARGE, f"an event has at most {limit} bytes", limit_bytes=limit)

    def steps() -> Steps:
        found = decode_json((yield look), EventType)
        check_document(bytes(request.data), bytes(found.schema))
        answer: bytes = yield SendEvent(
            cmid=request.cmid,
            by=request.by,
            channel=request.channel,
            type=found.name,
            version=found.version,
            data=request.data,
            kinds=found.kinds,
        )
        return answer

    return Errand(steps)


_TYPES: Final = "/v1/event_types"
_TYPE: Final = _TYPES + "/{name}"

FEATURE: Final = Feature(
    name="event_types",
    tables=(TYPES, SCHEMAS),
    check={RegisterType: check_register, DeleteType: check_delete, SendEvent: check_send},
    decide={RegisterType: decide_register, DeleteType: decide_delete, SendEvent: decide_send},
    apply={
        TypeRegistered: apply_registered,
        TypeDeleted: apply_deleted,
        EventSent: apply_sent,
    },
    queries=(
        QueryRow("event_type.get", TypeRequest, run_get),
        QueryRow("event_type.list", TypesRequest, run_list),
    ),
    verbs=(
        Verb("event_type.register", RegisterType, as_command, Registered, "A schema's version."),
        Verb("event_type.delete", DeleteType, as_command, Done, "Send nothing of it any more."),
        Verb("event_type.get", TypeRequest, turn_get, EventType, "A type and its schema."),
        Verb("event_type.list", TypesRequest, turn_list, TypesPage, "The app's own types."),
        Verb("event.send", SendEventRequest, turn_send, Done, "Send an event of an own type."),
    ),
    routes=(
        Route("GET", _TYPES, TypesRequest, turn_list, TypesPage),
        Route("GET", _TYPE, TypeRequest, turn_get, EventType),
        Route("PUT", _TYPE, RegisterType, as_command, Registered),
        Route("DELETE", _TYPE, DeleteType, as_command, Done),
        Route(
            "POST",
            "/v1/channels/{channel}/custom_events",
            SendEventRequest,
            turn_send,
            Done,
            status=201,
            sends=True,
        ),
    ),
)
