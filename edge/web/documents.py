"""`/openapi.json`: made from the very Structs that validate. Pure.

Rules:
1. Every route is there, and nothing else; examples are recorded from a run against a cluster
   (`examples.json`, written by tests/acceptance/test_examples.py).
2. What a shape cannot say (patterns of names, bounds) comes from `schemas`.

Source: OpenAPI 3.1, JSON Schema 2020-12, RFC 9457 (problem details).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from edge.dispatch import Wish
from edge.schemas import fields_of, properties_of
from edge.web.paging import CURSOR, pages_of
from hubbub import VERSION
from hubbub.base.errors import all_errors
from hubbub.docs.events import event_components
from hubbub.features.contract import Command, Registry, Route
from hubbub.model.server_keys import APPS_PATH
from hubbub.wire.codec import dump_json, json_schema_components

Examples = Mapping[str, Mapping[str, Any]]  # "GET /v1/users/{user}" → {"request"?, "answer"}

WITH_BODY: Final = ("POST", "PUT", "PATCH")
_GUESTS: Final = "/v1/guests"
# A route whose shape has all fields of a verb's, and more for a server key.
_SAME_FIELDS: Final = {("POST", "/v1/channels/{channel}/messages"): "message.send"}
_PARAMETER = re.compile(r"{(\w+)}")
_WORDS = re.compile(r"[A-Za-z0-9]+")
_SENTENCE = re.compile(r".+?[.!?](?= [A-Z`]|$)")
_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_BESIDE = {"$ref": "#/components/schemas/Beside"}
_ID_HEADER = {"X-Request-Id": {"schema": {"type": "string"}, "description": "names this request"}}
_LIMIT_HEADERS: Final = {
    name: {"schema": {"type": "string"}, "description": text}
    for name, text in (
        ("RateLimit-Policy", "what the caller may ask for; absent where his app limits nothing"),
        ("RateLimit", "what is left of it"),
        ("Retry-After", "seconds, where waiting helps"),
    )
}
_LINK: Final = {"Link": {"schema": {"type": "string"}, "description": "the pages beside this one"}}
_CURSOR_PARAMETER: Final = {
    "name": CURSOR,
    "in": "query",
    "required": False,
    "description": "The `next_cursor` of a page: this one goes on there, whatever else says where.",
    "schema": {"type": "string"},
}
_IDEMPOTENCY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Sent again within 24 hours, the request is answered as the first time.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


def openapi(registry: Registry, extra: list[Route], examples: Examples) -> dict[str, Any]:
    """The document of every REST route: the registry's and the edge's own (`extra`)."""
    rows = [*registry.routes, *extra]
    shapes = list(dict.fromkeys([*(r.shape for r in rows), *(r.answer for r in rows)]))
    schemas, components = json_schema_components(shapes)
    schema_of = dict(zip(shapes, schemas, strict=True))
    components |= event_components(registry)
    components["Problem"] = problem_schema()
    components["Beside"] = beside_schema()
    paths: dict[str, dict[str, Any]] = {}
    for row in rows:
        example = examples.get(f"{row.method} {row.path}", {})
        operation = _operation(row, schema_of, example, row in extra)
        operation |= _said_of(row, registry)
        if verb := verb_of(row, registry):
            operation["x-rpc"] = verb
        paths.setdefault(row.path, {})[row.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Hubbub",
            "version": VERSION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "The platform API. Authorization: a server key, or a user's own token.",
        },
        "security": [{"bearer": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(_tag(row) for row in rows)],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
        "x-errors": error_rows(),
    }


def verb_of(row: Route, registry: Registry) -> str:
    """The rpc that is the same with the same fields; empty: there is none."""
    for name, verb in registry.verbs.items():
        if (verb.shape, verb.turn) == (row.shape, row.turn):
            return name
    return _SAME_FIELDS.get((row.method, row.path), "")


def said(text: str) -> dict[str, str]:
    """`summary`: the first sentence; `description`: all of it, where there is more."""
    whole = " ".join(text.split())
    first = _SENTENCE.match(whole)
    if first is None or first.end() == len(whole):
        return {"summary": whole}
    return {"summary": first.group(), "description": whole}


def _said_of(row: Route, registry: Registry) -> dict[str, str]:
    """The row's own words, or its shape's. What asks, or begins with the name of a field, is
    introduced by the verb that takes the same shape."""
    text = " ".join((row.doc or row.shape.__doc__ or row.path).split())
    verbs = {verb.doc for verb in registry.verbs.values() if verb.shape is row.shape}
    if not row.doc and len(verbs) == 1 and (row.method == "GET" or text.startswith("`")):
        (doc,) = verbs
        text = text if text.startswith(doc) else f"{doc} {text}"
    return said(text)


def error_rows() -> list[dict[str, Any]]:
    """Every error that a client can meet."""
    return [
        {
            "code": row.code,
            "name": row.name,
            "status": row.http_status,
            "retryable": row.temporary,
            "text": row.text,
            "hint": row.hint,
        }
        for row in all_errors()
    ]


def _operation(
    row: Route, schema_of: dict[type, dict[str, Any]], example: Mapping[str, Any], is_own: bool
) -> dict[str, Any]:
    """`is_own`: the edge answers it itself."""
    in_path = set(_PARAMETER.findall(row.path))
    has_body = row.method in WITH_BODY
    is_read = row.method == "GET" and not is_own
    fields = fields_of(row.shape) + (fields_of(Wish) if is_read else [])
    answer: dict[str, Any] = {"schema": schema_of[row.answer]}
    headers = {**_ID_HEADER, **_LIMIT_HEADERS}
    pages = pages_of(row, tuple(in_path))
    if pages is not None:
        answer["schema"] = {"allOf": [schema_of[row.answer], _BESIDE]}
    if "answer" in example:
        answer["example"] = example["answer"]
    operation: dict[str, Any] = {
        "operationId": "_".join([row.method.lower(), *_WORDS.findall(row.path.lower())[1:]]),
        "tags": [_tag(row)],
        "parameters": [
            {
                "name": field.encode_name,
                "in": "path" if field.encode_name in in_path else "query",
                "required": field.encode_name in in_path or field.required,
                "schema": properties_of([field], in_path=field.encode_name in in_path)[
                    field.encode_name
                ],
            }
            for field in fields
            if field.encode_name in in_path or not has_body
        ],
        "x-limits": list(buckets_of(row)),
        "responses": {
            str(row.status): {
                "description": "done",
                "headers": headers if pages is None else {**headers, **_LINK},
                "content": {"application/json": answer},
            },
            "default": {
                "description": "refused",
                "headers": headers,
                "content": {"application/problem+json": {"schema": _PROBLEM}},
            },
        },
    }
    if row.status == 201:  # what was there before is answered as it is
        operation["responses"]["200"] = {
            **operation["responses"]["201"],
            "description": "was there",
        }
    if pages is not None and not pages.is_own:
        operation["parameters"].append(_CURSOR_PARAMETER)
    if _is_command(row):
        operation["parameters"].append(_IDEMPOTENCY)
    if "path" in example:
        source = curl(row.method, example["path"], example.get("request"))
        operation["x-codeSamples"] = [{"lang": "curl", "source": source}]
    if has_body:
        body: dict[str, Any] = {"schema": _body_schema(row, in_path)}
        if "request" in example:
            body["example"] = example["request"]
        operation["requestBody"] = {
            "required": bool(body["schema"]["required"]),
            "content": {"application/json": body},
        }
    return operation


def buckets_of(row: Route) -> tuple[str, ...]:
    """What a request counts in, as the headers call it, beyond the caller's `rest`."""
    found: tuple[str, ...] = ("channel-send", "user") if row.sends else ()
    if issubclass(row.shape, Command) and row.shape.PACED:
        found += ("sign",)
    return (*found, "address-guest") if row.path == _GUESTS else found


def curl(method: str, path: str, body: object) -> str:
    """A request as a line for a shell that knows HUB (an edge's address) and KEY."""
    key = "ROOT_KEY" if path.startswith(APPS_PATH) else "KEY"
    words = ["curl"] if method == ("GET" if body is None else "POST") else ["curl", "-X", method]
    words += [f'"$HUB{path}"', f'-H "Authorization: Bearer ${key}"']
    if body is not None:
        text = dump_json(body).decode().replace("'", "'\\''")
        words.append(f"-d '{text}'")
    return " ".join(words)


def _is_command(row: Route) -> bool:
    return "cmid" in row.shape.__struct_fields__


def _tag(row: Route) -> str:
    """What the route is about: `/v1/channels/…/members` is about channels."""
    return row.path.split("/")[2]


def _body_schema(row: Route, in_path: set[str]) -> dict[str, Any]:
    """The shape without what the path gives. Unknown members are named in `ignored_fields`."""
    fields = [field for field in fields_of(row.shape) if field.encode_name not in in_path]
    return {
        "type": "object",
        "properties": properties_of(fields),
        "required": [field.encode_name for field in fields if field.required],
    }


def problem_schema() -> dict[str, Any]:
    """What every refusal looks like."""
    return {
        "type": "object",
        "required": [
            *("type", "title", "status", "code", "detail", "instance", "retryable", "request_id")
        ],
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "code": {"type": "string", "enum": [row.name for row in all_errors()]},
            "detail": {"type": "string"},
            "hint": {"type": "string", "description": "what to do about it"},
            "instance": {"type": "string", "format": "uri-reference"},
            "retryable": {"type": "boolean"},
            "retry_after_ms": {"type": "integer"},
            "request_id": {"type": "string"},
            "nearest": {"type": "string", "description": "the path that may have been meant"},
            "ignored_fields": {
                "type": "array",
                "description": "fields of a wrong request that mean nothing",
                "items": {"type": "string"},
            },
            "errors": {
                "type": "array",
                "description": "every field that is wrong",
                "items": {
                    "type": "object",
                    "required": ["pointer", "detail"],
                    "properties": {
                        "pointer": {"type": "string", "examples": ["#/limit"]},
                        "detail": {"type": "string"},
                    },
                },
            },
        },
    }


def beside_schema() -> dict[str, Any]:
    """What the answer of every list says beside its rows."""
    return {
        "type": "object",
        "description": "The pages beside this one.",
        "required": ["has_more"],
        "properties": {
            "has_more": {"type": "boolean"},
            "next_cursor": {"type": "string", "description": "pass it as `cursor`"},
            "prev_cursor": {"type": "string", "description": "of messages: the way back"},
        },
    }
