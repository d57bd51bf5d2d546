"""`/asyncapi.json`: what goes over a client's socket: rpc methods, events, signals. Pure.

Verbs ride on the client protocol's `rpc`, events are its publications (`offset` is the seq); the
frames around them are the Centrifuge client protocol's own and described there.

Source: AsyncAPI 3.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from edge.schemas import fields_of, properties_of
from edge.web.documents import error_rows, said
from hubbub import VERSION
from hubbub.docs.events import Told, component_of, event_components, told
from hubbub.features.contract import Registry, Verb
from hubbub.wire.codec import COMPONENTS, json_schema_components

_RPC: Final = {"$ref": "#/channels/rpc"}
_EVENTS: Final = {"$ref": "#/channels/events"}


def asyncapi(registry: Registry) -> dict[str, Any]:
    """The document of every rpc method and of every event that clients see."""
    verbs = registry.verbs.values()
    shapes = list(
        dict.fromkeys([*(verb.answer for verb in verbs), *(verb.shape for verb in verbs)])
    )
    schemas, components = json_schema_components(shapes)
    schema_of = dict(zip(shapes, schemas, strict=True))
    components |= event_components(registry)
    rows = told(registry)
    messages = {tag: _event(tag, row) for tag, row in rows.items()}
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
                "messages": _references(rows),
            },
        },
        "operations": _operations(registry.verbs, rows),
        "components": {"schemas": components, "messages": messages},
        "x-errors": error_rows(),
    }


def _operations(verbs: Mapping[str, Verb], tags: Iterable[str]) -> dict[str, Any]:
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
        "messages": [{"$ref": f"#/channels/events/messages/{tag}"} for tag in tags],
    }
    return rows


def _event(tag: str, row: Told) -> dict[str, Any]:
    return {
        "name": tag,
        **said(row.shape.__doc__ or tag),
        "x-kind": row.kind.value,
        "payload": {"$ref": COMPONENTS + component_of(tag)},
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
