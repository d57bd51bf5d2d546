"""Whether what a client hears follows `/asyncapi.json`: every publication by its type, its fields
and their types, every answer by its shape."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Any, Final

from edge.web.asyncapi import asyncapi
from hubbub.features.registry import REGISTRY

CHAT: Final = ("dm:", "group:", "open:", "#")


@cache
def _document() -> dict[str, Any]:
    return asyncapi(REGISTRY)


@cache
def _fields(tag: str) -> frozenset[str] | None:
    """The fields that such a publication may have; None: there is no such type."""
    document = _document()
    if tag not in document["channels"]["events"]["messages"]:
        return None
    name = document["components"]["messages"][tag]["payload"]["$ref"].rpartition("/")[2]
    return frozenset(document["components"]["schemas"][name]["properties"])


@cache
def _validator(name: str) -> Any:
    """Of the payload of a message; None where the library is missing (extra `schemas`)."""
    if find_spec("jsonschema_rs") is None:
        return None
    import jsonschema_rs

    document = _document()
    payload = document["components"]["messages"][name]["payload"]
    return jsonschema_rs.validator_for({**payload, "components": document["components"]})


def misfit(name: str, data: Any) -> str:
    """What of `message.send.answer`, or of a type of publication, is not as its schema says."""
    validator = _validator(name) if name in _document()["components"]["messages"] else None
    if validator is None or validator.is_valid(data):
        return ""
    errors = [
        f"{error.instance_path}: {error.message[:200]}" for error in validator.iter_errors(data)
    ]
    return f"{name}: {'; '.join(errors)}"


def undocumented(channel: str, data: Any) -> str:
    """What of a publication the document does not know; empty if it knows all of it."""
    if not channel.startswith(CHAT) or not isinstance(data, dict) or "t" not in data:
        return ""  # a raw namespace: the app's own
    tag = data["t"]
    known = _fields(tag)
    if known is None:
        return f"{channel}: the type {tag!r} of {sorted(data)}"
    unknown = sorted(data.keys() - known)
    return f"{channel}: {tag} has {unknown}" if unknown else misfit(tag, data)
