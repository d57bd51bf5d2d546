"""The ingress check and the codecs; garbage is refused, never raised through."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.base.errors import BAD_REQUEST, ErrorCode, Rejected
from hubbub.features.messages import SendMessage
from hubbub.wire.codec import (
    COMPONENTS,
    JSON_DEPTH_MAX,
    convert,
    decode_json,
    decode_pack,
    dump_json,
    encode_json,
    encode_pack,
    json_schema_components,
    load_json,
    parse_json,
    shape_json,
    shaped,
    with_details,
)
from hubbub.wire.shapes import Submit, Viewer

anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"NaN",
        b"[Infinity]",
        b'{"a":1}x',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"\\ud800"',
        b"[" * 10_000,
        b"[" * 10_000 + b"]" * 10_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b"'a'",
        b"01",
    ],
)
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        parse_json(text)
    assert caught.value.error is BAD_REQUEST


def test_invalid_utf_8_inside_a_raw_field_is_refused() -> None:
    """msgspec.Raw alone lets it through: one sender would close every subscriber of a room."""
    text = b'{"channel":"group:x","data":{"a":"\xff"}}'
    assert msgspec.json.decode(text, type=SendMessage).data is not msgspec.UNSET
    with pytest.raises(Rejected):
        parse_json(text)


def nested(levels: int, inside: Any = 0) -> Any:
    """Arrays and objects in turn."""
    for level in range(levels):
        inside = {"a": inside} if level % 2 else [inside]
    return inside


@pytest.mark.parametrize("kind", [bytes, memoryview, bytes.decode])
def test_json_from_outside_has_a_bounded_depth(kind: Callable[[bytes], Any]) -> None:
    """A message of 977 levels was stored; quoting, pinning or editing it failed, and so did every
    subscribe of its channel by somebody who blocks somebody. Empty ones are levels, too."""
    for inside in (0, [], {}):
        depth = JSON_DEPTH_MAX - (inside != 0)
        assert parse_json(kind(dump_json(nested(depth, inside))))
        assert refusal_of(parse_json, kind(dump_json(nested(depth + 1, inside)))) is BAD_REQUEST
    assert len(parse_json(kind(b"[[],{},[[]]" + b",[{}]" * 500 + b"]"))) == 503
    # What we put around it is read without that bound, and written, too.
    assert load_json(dump_json(nested(JSON_DEPTH_MAX + 50)))


def refusal_of(read: Callable[[Any], object], data: object) -> ErrorCode | None:
    """The code with which it is refused, None for what is read."""
    try:
        read(data)
    except Rejected as refusal:
        return refusal.error
    return None


def as_command(value: object) -> object:
    """JSON text or value as a command."""
    if isinstance(value, bytes):
        return shape_json(value, SendMessage)
    return convert(value, SendMessage)


@given(st.binary(max_size=200))
def test_garbage_parses_or_is_refused(text: bytes) -> None:
    assert refusal_of(parse_json, text) in (None, BAD_REQUEST)
    assert refusal_of(as_command, text) in (None, BAD_REQUEST)


@given(anything)
def test_json_there_and_back(value: Any) -> None:
    try:
        text = dump_json(value)
    except TypeError:  # lone surrogates are not text
        return
    assert parse_json(text) == value == json.loads(text)


@given(anything)
def test_any_value_has_the_shape_or_is_refused(value: Any) -> None:
    assert refusal_of(as_command, value) in (None, BAD_REQUEST)


def test_a_refusal_names_the_field() -> None:
    with pytest.raises(Rejected, match=r"\$\.text"):
        convert({"channel": "group:x", "text": 5}, SendMessage)
    with pytest.raises(Rejected, match=r"\$\.text"):
        shape_json(b'{"channel":"group:x","text":5}', SendMessage)


def test_both_codecs_there_and_back() -> None:
    body = Submit("t", Viewer("ann"), "c", b'{"a":1}')
    assert decode_pack(encode_pack(body), Submit) == body
    command = SendMessage(channel="group:x", text="é", data=msgspec.Raw(b"1.50"))
    assert decode_json(encode_json(command), SendMessage) == command
    with pytest.raises(msgspec.ValidationError):
        decode_pack(encode_pack(["t"]), Submit)


def test_schemas_and_details() -> None:
    schemas, components = json_schema_components([SendMessage])
    assert schemas == [{"$ref": "#/components/schemas/SendMessage"}]
    assert "channel" in components["SendMessage"]["required"]
    (pair,), _ = json_schema_components([tuple[int, str]])
    assert (pair["maxItems"], "items" in pair) == (2, False)
    (words,), _ = json_schema_components([list[str]])
    assert words["items"] == {"type": "string"}
    assert with_details("rate_limited: slow down", {}) == "rate_limited: slow down"
    assert with_details("x: y", {"retry_after_ms": 5}) == 'x: y {"retry_after_ms":5}'


class Leaf(msgspec.Struct):
    """What is inside of what is inside."""

    size: int


class Branch(msgspec.Struct):
    leaf: Annotated[msgspec.Raw, shaped(Leaf)]


class Tree(msgspec.Struct):
    branches: dict[str, Annotated[msgspec.Raw, shaped(Branch)]]
    either: Annotated[msgspec.Raw, shaped(Leaf, Branch)] | msgspec.UnsetType = msgspec.UNSET


def test_raw_json_has_the_schema_of_its_shape() -> None:
    (schema,), components = json_schema_components([Tree])
    assert schema == {"$ref": COMPONENTS + "Tree"}
    assert components.keys() == {"Tree", "Branch", "Leaf"}, "however deep"
    leaf, branch = {"$ref": COMPONENTS + "Leaf"}, {"$ref": COMPONENTS + "Branch"}
    fields = components["Tree"]["properties"]
    assert fields["branches"]["additionalProperties"] == branch
    assert fields["either"] == {"anyOf": [leaf, branch]}
    assert components["Branch"]["properties"]["leaf"] == leaf
    kept = b'{"branches":{"a":"as it was written"}}'
    assert encode_json(decode_json(kept, Tree)) == kept, "and is not looked at"
