"""Schemas of an app's own: checked without trust, documents judged with reasons."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from typing import Any

import pytest

from hubbub.base.errors import BAD_REQUEST, LIMIT_EXCEEDED, NOT_AVAILABLE, SCHEMA_MISMATCH, Rejected
from hubbub.wire.schemas import EXPLAINED_STEPS_MAX, check_document, check_schema
from tests.support.requirement import missing

SEAT = {
    "type": "object",
    "properties": {"row": {"type": "integer", "minimum": 1}, "name": {"pattern": "^(a+)+$"}},
    "required": ["row"],
}


@pytest.fixture(autouse=True)
def _library() -> None:
    if find_spec("jsonschema_rs") is None:
        missing("jsonschema-rs", "jsonschema-rs is not installed")


def refused(document: Any, schema: Any = SEAT) -> Rejected:
    with pytest.raises(Rejected) as caught:
        check_document(json.dumps(document).encode(), json.dumps(schema).encode())
    return caught.value


def test_documents_are_judged_with_reasons() -> None:
    check_document(b'{"row": 1}', json.dumps(SEAT).encode())
    refusal = refused({"row": 0})
    assert refusal.error is SCHEMA_MISMATCH
    assert [error["at"] for error in refusal.details["errors"]] == ["/row"]  # type: ignore[attr-defined]
    assert refused([]).error is SCHEMA_MISMATCH
    assert len(refused([0] * 99, {"items": {"minimum": 1}}).details["errors"]) == 5  # type: ignore[arg-type]


def test_what_is_long_is_judged_without_reasons() -> None:
    """All of them are collected before the first is given."""
    long = [0] * EXPLAINED_STEPS_MAX
    assert "errors" in refused(long[1:], {"items": {"minimum": 1}}).details
    assert refused(long, {"items": {"minimum": 1}}).error is SCHEMA_MISMATCH
    assert not refused(long, {"items": {"minimum": 1}}).details


def test_a_pattern_takes_no_time_of_others() -> None:
    assert refused({"row": 1, "name": "a" * 5_000 + "!"}).error is SCHEMA_MISMATCH


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nope"},
        {"$ref": "http://127.0.0.1:1/x"},
        {"$ref": "file:///etc/hostname"},
        {"type": "string", "pattern": "(?=a)b"},
        {"$schema": "http://nowhere/x"},
        {"$ref": "#/definitions/none"},
        5,
    ],
)
def test_what_is_no_schema_or_leads_elsewhere(schema: Any) -> None:
    with pytest.raises(Rejected) as caught:
        check_schema(json.dumps(schema).encode())
    assert caught.value.error is BAD_REQUEST


def test_no_schema_takes_the_edge_for_itself() -> None:
    doubling = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(24)}
    schema = {"$defs": {**doubling, "d24": {"type": "string"}}, "$ref": "#/$defs/d0"}
    assert refused({}, schema).error is LIMIT_EXCEEDED
    with pytest.raises(Rejected) as caught:
        check_schema(json.dumps(schema).encode())
    assert caught.value.error is LIMIT_EXCEEDED


def test_without_the_library_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
    with pytest.raises(Rejected) as caught:
        check_schema(b'{"title": "never compiled before"}')
    assert caught.value.error is NOT_AVAILABLE
