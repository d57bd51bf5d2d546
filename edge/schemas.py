"""What the documents say of fields beyond their types: patterns, bounds, by the field's name. Pure.

A name means the same in every shape (GLOSSARY.md), so one row here serves all of them. The checks
themselves are the features' and `hubbub.base.names`'; `tests/edge/test_schemas.py` compares.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from hubbub.wire.codec import json_schema_components

_USER_CHARS: Final = r"[!-\"$-+\-.0-~]"  # printable ASCII without space # , /
USER: Final = {
    "pattern": rf"^{_USER_CHARS}{{1,128}}$",
    "description": "1-128 printable ASCII characters without space # , /",
    "examples": ["ann"],
}
CHANNEL: Final = {
    "pattern": r"^(dm|group|open):[!-.0-~]{1,240}$",
    "description": "dm:, group: or open: and 1-240 printable ASCII characters without space /",
    "examples": ["group:tea"],
}
MESSAGE_ID: Final = {
    "pattern": r"^[0-9a-v]{26}$",
    "description": "26 characters 0-9 a-v, as answers have them",
}
AVATAR: Final = {
    "maxLength": 2_048,
    "pattern": r"^([Hh][Tt][Tt][Pp][Ss]?://\S+)?$",
    "description": "an http or https URL, or nothing",
}
TIME: Final = {"format": "date-time"}

RULES: Final[dict[str, dict[str, Any]]] = {
    "user": USER,
    "by": USER,
    "owner": USER,
    "with": USER,
    "channel": CHANNEL,
    "id": MESSAGE_ID,
    "reply_to": MESSAGE_ID,
    "thread": MESSAGE_ID,
    "text": {"maxLength": 5_000},
    "name": {"maxLength": 255},
    "avatar": AVATAR,
    "limit": {"minimum": 1},
    "upto": {"minimum": 0},
    "ttl_s": {"minimum": 1, "maximum": 31_536_000},
    "jti": {"maxLength": 255},
}
PLURALS: Final = {"users": USER, "members": USER, "mentions": USER, "channels": CHANNEL}
# Named by the header Idempotency-Key: its own form carries a time, which no document can express.
HIDDEN: Final = frozenset({"cmid"})


def fields_of(shape: type) -> list[msgspec.structs.FieldInfo]:
    """The fields of a request that the documents show."""
    return [f for f in msgspec.structs.fields(shape) if f.encode_name not in HIDDEN]


def properties_of(
    fields: Iterable[msgspec.structs.FieldInfo], *, in_path: bool = False
) -> dict[str, Any]:
    """JSON Schema of each field, by its name on the wire. Components are referred to. `in_path`:
    whatever its default, something must be there."""
    fields = list(fields)
    schemas, _ = json_schema_components([field.type for field in fields])
    return {
        field.encode_name: refined(field, schema, in_path=in_path)
        for field, schema in zip(fields, schemas, strict=True)
    }


def refined(
    field: msgspec.structs.FieldInfo, schema: dict[str, Any], *, in_path: bool = False
) -> dict[str, Any]:
    """The schema with what is known of the name; what the shape itself says of it counts more."""
    rule = RULES.get(field.encode_name)
    if rule is not None and _is_text(schema) == ("minimum" not in rule):
        merged = {**rule, **schema}
        if "pattern" in schema and "description" not in schema:
            merged.pop("description", None)  # it tells the other pattern
        if isinstance(field.default, int) and field.default < merged.get("minimum", field.default):
            merged["minimum"] = field.default  # 0 stands for absent
        if "pattern" in merged and field.default == "" and not in_path:
            merged["pattern"] = f"^({merged['pattern'].strip('^$')})?$"  # "" stands for absent
        return merged
    items = PLURALS.get(field.encode_name)
    if items is not None and schema.get("type") == "array":
        return {**schema, "items": {"type": "string", **items}}
    return schema


def _is_text(schema: dict[str, Any]) -> bool:
    return schema.get("type") == "string"
