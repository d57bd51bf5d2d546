"""What clients hear, as JSON Schema: an object for each type of publication, and the unions `Event`
(of those that take a seq) and `Signal`. From the registry's events, which the log's stamp precedes.
Pure.

Source: hubbub.features.publication (the stamp), JSON Schema 2020-12.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from hubbub.features.contract import Event, EventKind, Registry
from hubbub.features.publication import ANY_EVENT
from hubbub.features.signs import INNER, NUMBERED, SIGNS
from hubbub.wire.codec import COMPONENTS, json_schema_components

ANY_SIGNAL: Final = "Signal"
_STAMPED: Final[dict[str, Any]] = {
    "seq": {"type": "integer", "description": "the publication's offset; absent from a signal"},
    "id": {"type": "string"},
    "cmid": {"type": "string"},
    "by": {"type": "string", "description": "who did it"},
    "ts": {"type": "string", "format": "date-time"},
}
# An event that shows a message does so as the message stands when it is read again.
_RESTATED: Final[dict[str, Any]] = {
    "rev": {"type": "integer", "description": "grows with every change of the message"},
    "edited": {"const": True, "type": "boolean"},
    "deleted": {
        "const": True,
        "type": "boolean",
        "description": "a tombstone: what it said is gone",
    },
    "reason": {"type": "string", "description": "of the deletion, where there is one"},
}


class Told(NamedTuple):
    """A type of publication: its fields, and whether it takes a seq."""

    shape: type
    kind: EventKind


def told(registry: Registry) -> dict[str, Told]:
    """What clients hear, by its type `t`: events in the order of their names, then what is told
    without a command."""
    events = {
        tag: Told(event, event.KIND)
        for tag, event in sorted(registry.events.items())
        if is_seen(event)
    }
    signs = {**registry.signs, **SIGNS}
    kinds = {tag: EventKind.NUMBERED if tag in NUMBERED else EventKind.SIGNAL for tag in signs}
    return events | {tag: Told(shape, kinds[tag]) for tag, shape in signs.items()}


def is_seen(event: type[Event]) -> bool:
    """Whether clients hear of such events, in our shape."""
    return event.KIND is not EventKind.SILENT and not event.BARE and event.TAG not in INNER


def component_of(tag: str) -> str:
    """`member.joined` is the component `MemberJoined`."""
    return "".join(word.title() for word in tag.replace(".", "_").split("_"))


def event_components(registry: Registry) -> dict[str, Any]:
    """Of all that is told, of what it refers to, and the unions of both kinds."""
    rows = told(registry)
    _, components = json_schema_components([row.shape for row in rows.values()])
    own = {row.shape.__name__: components.pop(row.shape.__name__) for row in rows.values()}
    for tag, row in rows.items():
        schema = _stamped(tag, row.kind, own[row.shape.__name__], tag in registry.render)
        components[component_of(tag)] = {**schema, "title": component_of(tag)}
    for name, doc, is_numbered in (
        (ANY_EVENT, "A publication that took a seq; `t` says which.", True),
        (ANY_SIGNAL, "One that took none, and is not kept.", False),
    ):
        tags = [tag for tag, row in rows.items() if (row.kind is EventKind.NUMBERED) == is_numbered]
        refs = [{"$ref": COMPONENTS + component_of(tag)} for tag in tags]
        components[name] = {"title": name, "description": doc, "anyOf": refs}
    return components


def _stamped(
    tag: str, kind: EventKind, schema: Mapping[str, Any], is_restated: bool
) -> dict[str, Any]:
    """The event's own fields behind those of the log. A tombstone lacks what it said."""
    properties, needed = {"t": {"const": tag, "type": "string"}}, {"t"}
    if tag not in SIGNS:
        properties |= _STAMPED
        if kind is EventKind.NUMBERED:
            needed |= {"seq", "id", "by", "ts"}
        else:
            properties.pop("seq")
    if is_restated:
        properties |= _RESTATED
    else:
        needed |= set(schema.get("required", ()))
    properties |= schema.get("properties", {})
    return {
        **schema,
        "properties": properties,
        "required": [name for name in properties if name in needed],
    }
