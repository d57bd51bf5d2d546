"""What a schema costs is counted before it is paid."""

from __future__ import annotations

from typing import Any

import pytest

from hubbub.base.errors import BAD_REQUEST, LIMIT_EXCEEDED, ErrorCode, Rejected
from hubbub.wire.schema_steps import check_steps

TREE = {
    "type": "object",
    "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}, "tags": {"items": {"not": {}}}},
    "additionalProperties": False,
}
# Each definition names the next one twice.
DOUBLING = {
    "$defs": {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(24)}
    | {"d24": {"type": "string"}},
    "$ref": "#/$defs/d0",
}
# Each level of the document is held twice against it.
TWICE = {"items": {"$ref": "#"}, "allOf": [{"items": {"$ref": "#"}}]}


def nested(levels: int) -> Any:
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


def steps(schema: Any, *document: Any) -> int:
    """The smallest bound that lets it pass."""
    low, high = 0, 1 << 20
    while high - low > 1:
        middle = (low + high) // 2
        try:
            check_steps(schema, *document, steps_max=middle)
            high = middle
        except Rejected:
            low = middle
    return high


def refusal(schema: Any, *document: Any) -> ErrorCode | None:
    try:
        check_steps(schema, *document)
    except Rejected as rejected:
        return rejected.error
    return None


@pytest.mark.parametrize(
    ("schema", "document", "expected"),
    [
        (True, {}, 1),
        ({}, [1, 2], 1),
        ({"items": {}}, [1, 2], 3),
        ({"items": [{}, {}]}, [1, 2, 3], 3),
        ({"prefixItems": [{}], "items": {}, "contains": {}}, [1, 2], 6),
        ({"properties": {"a": {}, "b": {}}}, {"a": 1, "c": 2}, 2),
        ({"patternProperties": {"x": {}}, "additionalProperties": False}, {"a": 1, "c": 2}, 5),
        ({"propertyNames": {}}, {"a": 1, "c": 2}, 3),
        ({"allOf": [{}, {}], "if": {}, "then": True, "dependencies": {"a": ["b"], "b": {}}}, 5, 7),
        ({"enum": [{"items": {}}], "const": {"$ref": "nowhere"}, "examples": [{}]}, [1], 1),
        ({"$ref": "#/$defs/a~1b~01", "$defs": {"a/b~1": {"not": {}}}}, 5, 3),
        ({"$ref": "#/allOf/0", "allOf": [{}]}, 5, 3),
        (TREE, {"left": {"left": {}}, "right": {}, "tags": [1]}, 14),
        ({"$ref": "#"}, {}, 1),
    ],
)
def test_a_step_is_a_subschema_held_against_a_value(
    schema: Any, document: Any, expected: int
) -> None:
    assert steps(schema, document) == expected


def test_what_doubles_is_counted_and_not_done() -> None:
    """A schema of 2 KB took an edge, 17 GB of memory and all clients of that edge."""
    assert refusal(DOUBLING) is refusal(DOUBLING, {}) is LIMIT_EXCEEDED
    assert refusal(TWICE) is refusal(TWICE, nested(10)) is None
    assert refusal(TWICE, nested(100)) is LIMIT_EXCEEDED
    assert refusal({"items": {"items": {}}}, [[0] * 200] * 200) is None
    assert refusal({"items": {"allOf": [{}] * 200}}, list(range(1000))) is LIMIT_EXCEEDED


@pytest.mark.parametrize(
    "inner",
    [
        {"$ref": "#seat"},
        {"$ref": "#/$defs/%62"},
        {"$ref": "https://json-schema.org/draft/2020-12/schema"},
        {"$dynamicRef": "#/$defs/a"},
        {"$recursiveRef": "#"},
        {"$id": "http://elsewhere/", "$ref": "#/$defs/a"},
    ],
)
def test_a_reference_is_a_pointer_into_the_schema(inner: dict[str, str]) -> None:
    for schema in ({"properties": {"a": inner}}, {"$defs": {"b": inner}, "$ref": "#/$defs/b"}):
        assert refusal(schema) is BAD_REQUEST
    assert refusal({"$dynamicRef": "#"}) is BAD_REQUEST
    assert refusal({"$id": "http://x/", "properties": {"$ref": {}, "$id": {}}}) is None
