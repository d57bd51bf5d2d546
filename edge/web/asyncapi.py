"""`/asyncapi.json`: what goes over a client's socket: rpc methods, events, signals. Pure.

Verbs ride on the client protocol's `rpc`, events are its publications (`offset` is the seq); the
frames around them are the Centrifuge client protocol's own and described there.

Source: AsyncAPI 3.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import Struct

from edge.web.documents import error_rows, said
from edge.web.schemas import fields_of, properties_of
from edge.web.signs import INNER, NUMBERED, SIGNS
from hubbub import VERSION
from hubbub.features.contract import EventKind, Registry, Verb
from hubbub.wire.codec import json_schema_components

_STAMPED: Final[dict[str, Any]] = {
    "t": {"type": "string"},
    "seq": {"type": "integer", "description": "the publication's offset; absent from a signal"},
    "id": {"type": "string"},
    "cmid": {"type": "string"},
    "by": {"type": "string"},
    "ts": {"type": "string", "format": "date-time"},
}
# An event that shows a message does so as the message stands when it is read again.
_RESTATED: Final[dict[str, Any]] = {
    "rev": {"type": "integer", "description": "grows with every change of the message"},
    "edited": {"const": True},
    "deleted": {"const": True, "description": "a tombstone: what it said is gone"},
    "reason": {"type": "string", "description": "of the deletion, where there is one"},
}
_RPC: Final = {"$ref": "#/channels/rpc"}
_EVENTS: Final = {"$ref": "#/channels/events"}


def asyncapi(registry: Registry) -> dict[str, Any]:
    """The document of every rpc method and of every event that clients see."""
    events = {
        tag: event
        for tag, event in sorted(registry.events.items())
        if event.KIND is not EventKind.SILENT and not event.BARE and tag not in INNER
    }
    signs = {**registry.signs, **SIGNS}
    answers = list(dict.fromkeys(verb.answer for verb in registry.verbs.values()))
    shapes = list(
        dict.fromkeys(
            [
                *(*answers, *events.values(), *signs.values()),
                *(verb.shape for verb in registry.verbs.values()),
            ]
        )
    )
    schemas, components = json_schema_components(shapes)
    schema_of = dict(zip(shapes, schemas, strict=True))
    messages = {
        tag: _event(tag, event, event.KIND, schema_of[event], is_restated=tag in registry.render)
        for tag, event in events.items()
    }
    for tag, shape in signs.items():
        kind = EventKind.NUMBERED if tag in NUMBERED else EventKind.SIGNAL
        messages[tag] = _event(tag, shape, kind, schema_of[shape])
    told = [*events, *signs]
    for name, verb in registry.verbs.items():
        messages[f"{name}.request"] = _request(name, verb)
        messages[f"{name}.answer"] = {
            "name": f"{name}.answer",
            "summary": f"The answer to {name}.",
            "payload": schema_of[verb.answer],
        }
    in_rpc = [f"{name}.{part}" for name in registry.verbs for part in ("request", "answer")]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Hubbub",
            "version": VERSION,
            "license": {"name": "Apache-2.0"},
            "description": "Chat over the Centrifuge client protocol v2 (JSON or Protobuf).",
        },
        "defaultContentType": "application/json",
        "servers": {
            "edge": {
                "host": "127.0.0.1:8080",
                "pathname": "/connection/websocket",
                "protocol": "ws",
            }
        },
        "channels": {
            "rpc": {
                "address": "rpc",
                "description": "`rpc {method, data}`: `data` of the request and of its result. "
                "`ignored_fields` of a result: members of the request that mean nothing here.",
                "messages": _references(in_rpc),
            },
            "events": {
                "address": "{channel}",
                "description": "Publications of a chat channel, or of the user's own `#user`.",
                "parameters": {"channel": {"description": "dm:…, group:…, open:… or #user"}},
                "messages": _references(told),
            },
        },
        "operations": _operations(registry.verbs, told),
        "components": {"schemas": components, "messages": messages},
        "x-errors": error_rows(),
    }


def _operations(verbs: Mapping[str, Verb], told: Iterable[str]) -> dict[str, Any]:
    """What the server does: receives requests and answers them, sends events."""
    rows: dict[str, Any] = {
        name: {
            "action": "receive",
            **said(verb.doc or name),
            "channel": _RPC,
            "messages": [{"$ref": f"#/channels/rpc/messages/{name}.request"}],
            "reply": {
                "channel": _RPC,
                "messages": [{"$ref": f"#/channels/rpc/messages/{name}.answer"}],
            },
        }
        for name, verb in verbs.items()
    }
    rows["publish"] = {
        "action": "send",
        "summary": "What has happened, to every subscriber.",
        "channel": _EVENTS,
        "messages": [{"$ref": f"#/channels/events/messages/{tag}"} for tag in told],
    }
    return rows


def _event(
    tag: str, shape: type[Struct], kind: EventKind, schema: Any, *, is_restated: bool = False
) -> dict[str, Any]:
    stamped = {**_STAMPED, "t": {"const": tag}}
    if kind is EventKind.SIGNAL:
        stamped.pop("seq")
    if is_restated:
        stamped |= _RESTATED
    return {
        "name": tag,
        **said(shape.__doc__ or tag),
        "x-kind": kind.value,
        "payload": {
            "allOf": [
                {"type": "object", "properties": stamped, "required": ["t"]},
                schema,
            ]
        },
    }


def _request(name: str, verb: Verb) -> dict[str, Any]:
    fields = fields_of(verb.shape)
    properties = properties_of(fields)
    if "cmid" in verb.shape.__struct_fields__:
        properties["cmid"] = {
            "type": "string",
            "description": "a UUIDv7 that the client makes once and keeps over retries",
        }
    return {
        "name": f"{name}.request",
        **said(verb.doc or name),
        "payload": {
            "type": "object",
            "properties": properties,
            "required": [field.encode_name for field in fields if field.required],
        },
    }


def _references(names: Any) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in names}
