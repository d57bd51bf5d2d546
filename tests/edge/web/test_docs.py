"""The recorded examples still fit the schemas of this version."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest

from edge.web.docs import recorded
from edge.web.documents import openapi
from hubbub.features.registry import REGISTRY
from tests.edge.stage import EdgeStage
from tests.edge.web.rest import api_of

EXAMPLES: dict[str, Any] = json.loads(json.dumps(recorded()))
DOCUMENT: dict[str, Any] = json.loads(
    json.dumps(openapi(REGISTRY, api_of(EdgeStage()).own_rows(), {}))
)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) > 40


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_an_example_follows_its_schemas(name: str) -> None:
    method, _, path = name.partition(" ")
    operation = DOCUMENT["paths"][path][method.lower()]
    example = EXAMPLES[name]
    done = next(row for status, row in operation["responses"].items() if status[0] == "2")
    check(example["answer"], done["content"]["application/json"]["schema"])
    if "requestBody" in operation:
        check(example["request"], operation["requestBody"]["content"]["application/json"]["schema"])
    else:
        assert example["request"] is None


def check(value: Any, schema: dict[str, Any]) -> None:
    """Raises jsonschema_rs.ValidationError."""
    whole = {**schema, "components": DOCUMENT["components"]}
    jsonschema_rs.validator_for(whole).validate(value)
