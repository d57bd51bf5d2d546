"""Which fields nobody understood, and how an answer says so."""

from __future__ import annotations

import json

import msgspec
import pytest

from edge.ignored import NAME_CHARS_MAX, NAMES_MAX, known_fields, unknown_fields, with_ignored
from hubbub.base.errors import Rejected


class Ban(msgspec.Struct, rename={"until": "until_ts"}):
    user: str
    until: str = ""


KNOWN = known_fields(Ban)


def test_the_names_on_the_wire_are_known() -> None:
    assert {"user", "until_ts"} == KNOWN


@pytest.mark.parametrize(
    ("params", "unknown"),
    [
        (b"", []),
        (b"{}", []),
        (b'{"user":"ann"}', []),
        (b'{"user":"ann","until":"x","a":{"user":1}}', ["a", "until"]),
    ],
)
def test_what_is_not_known_is_named_in_order(params: bytes, unknown: list[str]) -> None:
    assert unknown_fields(params, KNOWN) == unknown


@pytest.mark.parametrize("params", [b"[]", b"1", b"{", b'{"a":1', b"\xff"])
def test_what_is_no_object_is_refused(params: bytes) -> None:
    with pytest.raises(Rejected):
        unknown_fields(params, KNOWN)


def test_an_answer_says_it_beside_what_it_says() -> None:
    assert with_ignored(b'{"seq":1}', []) == b'{"seq":1}'
    assert json.loads(with_ignored(b'{"seq":1}', ["a"])) == {"seq": 1, "ignored_fields": ["a"]}
    assert json.loads(with_ignored(b"{}", ['"'])) == {"ignored_fields": ['"']}
    assert with_ignored(b"[1]", ["a"]) == b"[1]", "there is no room in a list"


def test_what_is_told_is_bounded() -> None:
    told = json.loads(with_ignored(b"{}", ["x" * 1_000] * 1_000))["ignored_fields"]
    assert (len(told), len(told[0])) == (NAMES_MAX, NAME_CHARS_MAX)
