"""A refusal names every field that the documents say is wrong."""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from edge.dispatch import Wish
from edge.explaining import OF_ANY, explained
from edge.ignored import known_fields
from edge.web.paging import CURSOR
from hubbub.base.errors import BAD_REQUEST, NOT_FOUND, TOO_LARGE, Rejected
from hubbub.features.registry import REGISTRY

MEMBERS = next(r.shape for r in REGISTRY.routes if r.path.endswith("{channel}/members"))
SEND = next(r.shape for r in REGISTRY.routes if r.path.endswith("/messages") and r.method == "POST")


def named(refusal: Rejected, params: dict[str, Any], shape: type = MEMBERS) -> dict[str, str]:
    rows: Any = explained(refusal, params, shape).details.get("errors", [])
    return {row["pointer"]: row["detail"] for row in rows}


def test_patterns_and_bounds_beside_what_was_told_already() -> None:
    told = [{"pointer": "#/text", "detail": "Expected `str`, got `int`"}]
    params = {"channel": "group:t é", "by": Raw(b'"a b"'), "text": Raw(b"7")}
    found = named(Rejected(BAD_REQUEST, "x", errors=told), params, SEND)
    assert found.keys() == {"#/by", "#/channel", "#/text"}
    assert found["#/text"] == "Expected `str`, got `int`"
    assert found["#/by"] == "must be 1-128 printable ASCII characters without space # , /"
    found = named(Rejected(TOO_LARGE), {"text": Raw(b'"' + b"x" * 5_001 + b'"')}, SEND)
    assert found == {"#/text": "at most 5000 characters"}


def test_a_value_that_cannot_be_read_is_what_is_wrong() -> None:
    deep = Raw(b"[" * 200 + b"]" * 200)
    found = named(Rejected(BAD_REQUEST, "x"), {"text": Raw(b'"tea"'), "data": deep}, SEND)
    assert found == {"#/data": "JSON of more than 128 levels"}


def test_else_the_field_with_whose_name_the_refusal_begins() -> None:
    refusal = Rejected(BAD_REQUEST, "limit is 1 to 1000", limit_max=1_000)
    assert named(refusal, {"limit": 1_001}) == {"#/limit": "limit is 1 to 1000"}
    assert explained(refusal, {"limit": 1_001}, MEMBERS).details["limit_max"] == 1_000
    assert named(Rejected(BAD_REQUEST, "nothing of the kind"), {}) == {}


def test_else_the_fields_that_it_cannot_but_mean() -> None:
    said = "only members are mentioned"
    assert named(Rejected(BAD_REQUEST, said, mentions=["zed"]), {}, SEND) == {"#/mentions": said}
    assert named(Rejected(BAD_REQUEST, "name the user (by)"), {}, SEND).keys() == {"#/by"}
    said = "what is also_in_channel is a reply, and not_a_field nothing"
    assert named(Rejected(BAD_REQUEST, said), {}, SEND) == {"#/also_in_channel": said}
    assert named(Rejected(BAD_REQUEST, "a message needs a text"), {}, SEND) == {}, "a mere word"


def test_what_means_nothing_is_named_beside_what_is_missing() -> None:
    refusal = explained(Rejected(BAD_REQUEST, "a message needs a text"), {"txt": "x"}, SEND)
    assert refusal.details == {"ignored_fields": ["txt"]}
    assert known_fields(Wish) | {CURSOR} == OF_ANY
    asked = dict.fromkeys([*OF_ANY, "cmid"], "")
    assert explained(Rejected(BAD_REQUEST, "no"), asked, SEND).details == {}


def test_other_refusals_are_left_alone() -> None:
    refusal = Rejected(NOT_FOUND, "limit")
    assert explained(refusal, {"limit": 0}, MEMBERS) is refusal
