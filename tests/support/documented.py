"""Whether what a client hears stands in `/asyncapi.json`: every publication's type and fields."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from edge.web.asyncapi import asyncapi
from hubbub.features.registry import REGISTRY

CHAT: Final = ("dm:", "group:", "open:", "#")


@cache
def _documented() -> dict[str, frozenset[str]]:
    """Type → the fields that its publication may have."""
    document = asyncapi(REGISTRY)
    components = document["components"]
    found = {}
    for tag in document["channels"]["events"]["messages"]:
        fields = set[str]()
        for part in components["messages"][tag]["payload"]["allOf"]:
            schema = part
            if "$ref" in part:
                schema = components["schemas"][part["$ref"].rpartition("/")[2]]
            fields |= set(schema.get("properties", {}))
        found[tag] = frozenset(fields)
    return found


def undocumented(channel: str, data: Any) -> str:
    """What of a publication the document does not know; empty if it knows all of it."""
    if not channel.startswith(CHAT) or not isinstance(data, dict) or "t" not in data:
        return ""  # a raw namespace: the app's own
    tag = data["t"]
    known = _documented().get(tag)
    if known is None:
        return f"{channel}: the type {tag!r} of {sorted(data)}"
    unknown = sorted(data.keys() - known)
    return f"{channel}: {tag} has {unknown}" if unknown else ""
