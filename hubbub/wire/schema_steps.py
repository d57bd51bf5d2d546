"""How many steps it takes to judge a document by a JSON Schema, before anybody takes them. Pure.

Rules:
1. A step is one subschema that is held against one value. References multiply: 25 definitions of
   which each names the next one twice are 2^24 steps on `{}`, and one that names itself twice is
   2^depth on a nested document. [M] The first took an edge 17 GB, and every client on it.
2. A pair of subschema and value is counted once, however many ways lead to it, so that counting
   takes no more than `steps_max` additions.
3. So that a reference is found without the library, it is a JSON pointer into the schema itself,
   of plain characters.

Source: JSON Schema 2020-12 core, sections 8 and 10; its older drafts' words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from hubbub.base.errors import BAD_REQUEST, LIMIT_EXCEEDED, Rejected

# 1,000 rows of an array by a schema of 50 parts. Twice as many hold the edge up twice as long: as
# long as it takes to count them, 0.05 s.
STEPS_MAX: Final = 50_000

# Where subschemas stand, and which values they are held against.
_SAME: Final = ("not", "if", "then", "else")  # the same value
_SAME_EACH: Final = ("allOf", "anyOf", "oneOf", "dependentSchemas", "dependencies")
_MEMBERS: Final = ("additionalProperties", "unevaluatedProperties")  # every member of an object
_ROWS: Final = ("items", "additionalItems", "unevaluatedItems", "contains")  # of an array
# What would lead elsewhere, and what would move where a pointer begins.
_LEADS: Final = ("$dynamicRef", "$recursiveRef")
_MOVES: Final = (*_LEADS, "$id", "id")


class _Any:
    """Stands for whatever value: every subschema is held against it."""


_ANY: Final = _Any()


def check_steps(schema: Any, document: Any = _ANY, steps_max: int = STEPS_MAX) -> int:
    """Their number. Raises Rejected: LIMIT_EXCEEDED if there are more; BAD_REQUEST for a reference
    that is no pointer. Without a document: of the schema as a whole, each reference once."""
    try:
        return _Count(schema, steps_max).of(schema, document)
    except RecursionError:
        raise _too_many(steps_max) from None


class _Count:
    def __init__(self, root: Any, steps_max: int) -> None:
        self._root = root
        self._steps_max = steps_max
        self._known: dict[tuple[int, int], int] = {}

    def of(self, schema: Any, value: Any) -> int:
        """Steps of one pair; 0 while it is being counted: the library sees such circles, too."""
        if not isinstance(schema, dict):
            return 1  # true, false
        pair = (id(schema), id(value) if isinstance(value, dict | list) else 0)
        steps = self._known.get(pair)
        if steps is None:
            self._known[pair] = 0
            steps = 1 + sum(self.of(*part) for part in self._parts(schema, value))
            self._known[pair] = steps
            if steps > self._steps_max or len(self._known) > self._steps_max:
                raise _too_many(self._steps_max)
        return steps

    def _parts(self, schema: dict[str, Any], value: Any) -> Iterator[tuple[Any, Any]]:
        for word in _LEADS if schema is self._root else _MOVES:
            if isinstance(schema.get(word), str):
                raise Rejected(BAD_REQUEST, f"no JSON Schema here: {word} is not followed")
        if isinstance(schema.get("$ref"), str):
            yield self._named(schema["$ref"]), value
        for word in _SAME:
            if word in schema:
                yield schema[word], value
        for word in _SAME_EACH:
            for part in _each(schema.get(word)):
                yield part, value
        if isinstance(value, dict | _Any):
            yield from _of_members(schema, value)
        if isinstance(value, list | _Any):
            yield from _of_rows(schema, value)

    def _named(self, reference: str) -> Any:
        if "%" in reference or (reference != "#" and not reference.startswith("#/")):
            raise Rejected(BAD_REQUEST, "a $ref is a JSON pointer into the schema, as #/$defs/seat")
        found = self._root
        for step in reference.split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list):
                found = dict(zip(map(str, range(len(found))), found, strict=True)).get(step)
            else:
                found = found.get(step) if isinstance(found, dict) else None
        return found


def _each(parts: Any) -> Iterable[Any]:
    if isinstance(parts, dict):
        return parts.values()
    return parts if isinstance(parts, list) else ()


def _of_members(schema: dict[str, Any], value: Any) -> Iterator[tuple[Any, Any]]:
    members = value if isinstance(value, dict) else {}
    values = [_ANY] if isinstance(value, _Any) else list(members.values())
    properties = schema.get("properties")
    for name, part in properties.items() if isinstance(properties, dict) else ():
        if name in members or isinstance(value, _Any):
            yield part, members.get(name, _ANY)
    parts = [*_each(schema.get("patternProperties")), *(schema.get(word) for word in _MEMBERS)]
    yield from ((part, one) for part in parts if part is not None for one in values)
    if "propertyNames" in schema:
        yield from ((schema["propertyNames"], "") for _ in values)


def _of_rows(schema: dict[str, Any], value: Any) -> Iterator[tuple[Any, Any]]:
    rows = [_ANY] if isinstance(value, _Any) else value
    for word in ("prefixItems", "items"):
        parts = schema.get(word)
        if isinstance(parts, list):
            yield from zip(parts, rows if rows is value else [_ANY] * len(parts), strict=False)
    parts = [part for word in _ROWS if isinstance(part := schema.get(word), dict | bool)]
    yield from ((part, row) for part in parts for row in rows)


def _too_many(steps_max: int) -> Rejected:
    text = f"to judge it by its schema takes more than {steps_max} steps"
    return Rejected(LIMIT_EXCEEDED, text, limit=steps_max)
