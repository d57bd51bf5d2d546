"""`/openapi.json`: made from the very Structs that validate. Pure.

Source: OpenAPI 3.1, JSON Schema 2020-12.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from edge.dispatch import Wish
from hubbub import VERSION
from hubbub.base.errors import all_errors
from hubbub.features.contract import Registry, Route
from hubbub.wire.codec import json_schema_components

_PARAMETER = re.compile(r"{(\w+)}")
_PROBLEM = {"$ref": "#/components/schemas/Problem"}


def openapi(registry: Registry, extra: list[Route]) -> dict[str, Any]:
    """The document of every REST route: the registry's and the edge's own (`extra`)."""
    rows = [*registry.routes, *extra]
    shapes = list(dict.fromkeys([*(r.shape for r in rows), *(r.answer for r in rows)]))
    schemas, components = json_schema_components(shapes)
    schema_of = dict(zip(shapes, schemas, strict=True))
    components["Problem"] = _problem_schema()
    paths: dict[str, dict[str, Any]] = {}
    for row in rows:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Hubbub", "version": VERSION, "license": {"name": "Apache-2.0"}},
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(row: Route, schema_of: dict[type, dict[str, Any]]) -> dict[str, Any]:
    in_path = set(_PARAMETER.findall(row.path))
    body = row.method in ("POST", "PUT", "PATCH")
    fields = msgspec.structs.fields(row.shape)
    if row.method == "GET":
        fields += msgspec.structs.fields(Wish)
    operation: dict[str, Any] = {
        "operationId": f"{row.method.lower()} {row.path}",
        "summary": row.doc or row.path,
        "parameters": [
            _parameter(field, in_path)
            for field in fields
            if field.encode_name in in_path or not body
        ],
        "responses": {
            str(row.status): {
                "description": "done",
                "content": {"application/json": {"schema": schema_of[row.answer]}},
            },
            "default": {
                "description": "refused",
                "content": {"application/problem+json": {"schema": _PROBLEM}},
            },
        },
    }
    if body:
        operation["requestBody"] = {
            "content": {"application/json": {"schema": _body_schema(row, in_path)}}
        }
    return operation


def _parameter(field: Any, in_path: set[str]) -> dict[str, Any]:
    schemas, _ = json_schema_components([field.type])
    name = field.encode_name
    return {
        "name": name,
        "in": "path" if name in in_path else "query",
        "required": name in in_path or field.required,
        "schema": schemas[0],
    }


def _body_schema(row: Route, in_path: set[str]) -> dict[str, Any]:
    """The shape without what the path gives."""
    properties: dict[str, Any] = {}
    required = []
    for field in msgspec.structs.fields(row.shape):
        if field.encode_name not in in_path:
            schemas, _ = json_schema_components([field.type])
            properties[field.encode_name] = schemas[0]
            if field.required:
                required.append(field.encode_name)
    return {"type": "object", "properties": properties, "required": required}


def _problem_schema() -> dict[str, Any]:
    codes = [row.name for row in all_errors()]
    return {
        "type": "object",
        "required": ["type", "title", "status", "code", "detail", "retryable", "request_id"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "code": {"type": "string", "enum": codes},
            "detail": {"type": "string"},
            "retryable": {"type": "boolean"},
            "retry_after_ms": {"type": "integer"},
            "request_id": {"type": "string"},
        },
    }
