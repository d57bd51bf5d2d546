"""JSON and MessagePack: the sole owner of both codecs, and the check of what clients send.

Rules: anything from outside passes `parse_json` (one orjson.loads: it refuses bad UTF-8, NaN, lone
surrogates; then its depth) before msgspec gives it a shape; `msgspec.Raw` alone would let invalid
UTF-8 through to every subscriber of a room. Links are strict; they use MessagePack with array-like
Structs, except for bodies that are JSON already.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cache
from typing import Any, Final, TypeVar, get_args

import msgspec
import orjson

from hubbub.base.errors import BAD_REQUEST, Rejected
from hubbub.wire.field_errors import field_errors

T = TypeVar("T")

# Levels of arrays and objects in what comes from outside. It travels on inside of other JSON (a
# quote in a message in a page), and msgspec has only what Python's stack of 1,000 leaves it: with
# 977 levels one message closed everybody who read its channel. Editors' documents have about 30.
JSON_DEPTH_MAX: Final = 128

_json_encoder = msgspec.json.Encoder()
_pack_encoder = msgspec.msgpack.Encoder()
_json_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}
_pack_decoders: dict[Any, msgspec.msgpack.Decoder[Any]] = {}

COMPONENTS: Final = "#/components/schemas/"  # where the documents keep shapes

encode_json = _json_encoder.encode
encode_pack = _pack_encoder.encode
# Plain values: dict, list, str, numbers. [M] It leaves 4 KiB behind each result for as long as that
# lives: what is kept is made by encode_json.
dump_json = orjson.dumps


def decode_json(data: bytes | memoryview, shape: type[T]) -> T:
    """Trusted JSON (ours) as `shape`. Raises msgspec.ValidationError/DecodeError."""
    decoder = _json_decoders.get(shape) or _json_decoder(shape)
    return decoder.decode(data)  # type: ignore[no-any-return]


def decode_pack(data: bytes | memoryview, shape: type[T]) -> T:
    """MessagePack from a link as `shape`. Raises msgspec.ValidationError/DecodeError."""
    decoder = _pack_decoders.get(shape)
    if decoder is None:
        decoder = _pack_decoders[shape] = msgspec.msgpack.Decoder(shape)
    return decoder.decode(data)  # type: ignore[no-any-return]


def join_packed(values: Collection[bytes]) -> bytes:
    """MessagePack of an array of values that are MessagePack already (array 32 of its
    specification)."""
    return b"".join((b"\xdd", len(values).to_bytes(4, "big"), *values))


def parse_json(data: bytes | str | memoryview) -> Any:
    """Any JSON value from outside. Raises Rejected(BAD_REQUEST) for whatever is not valid JSON, or
    has more than JSON_DEPTH_MAX levels."""
    value = load_json(data)
    if _is_deep(data, value):
        raise Rejected(BAD_REQUEST, f"JSON of more than {JSON_DEPTH_MAX} levels")
    return value


def load_json(data: bytes | str | memoryview) -> Any:
    """Any JSON value that a program of ours wrote, around others'. Raises Rejected(BAD_REQUEST)."""
    try:
        return orjson.loads(data)
    except (ValueError, RecursionError):
        raise Rejected(BAD_REQUEST, "not valid JSON") from None


def _is_deep(data: bytes | str | memoryview, value: Any) -> bool:
    # [M] Counting takes a tenth of the walk, and nearly everything is done with it.
    if isinstance(data, bytes) and data.count(b"{") + data.count(b"[") <= JSON_DEPTH_MAX:
        return False
    level: list[Any] = [[value]]
    for _ in range(JSON_DEPTH_MAX + 1):
        level = [
            child
            for one in level
            for child in (one.values() if type(one) is dict else one)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return False
    return True


def shape_json(data: bytes | memoryview, shape: type[T]) -> T:
    """JSON from outside that already passed `parse_json`, as `shape`.

    Raises Rejected(BAD_REQUEST) with `errors`: every field that does not fit.
    """
    decoder = _json_decoders.get(shape) or _json_decoder(shape)
    try:
        return decoder.decode(data)  # type: ignore[no-any-return]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _unfit(str(error), parse_json(data), shape) from None


def convert(value: Any, shape: type[T]) -> T:
    """A parsed JSON value as `shape`. Raises Rejected(BAD_REQUEST) with `errors`, as above."""
    try:
        return msgspec.convert(value, shape)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise _unfit(str(error), value, shape) from None


def _unfit(text: str, value: Any, shape: type) -> Rejected:
    errors = field_errors(value, shape, _misfit)
    return Rejected(BAD_REQUEST, text, errors=errors) if errors else Rejected(BAD_REQUEST, text)


def _misfit(value: object, shape: Any) -> str:
    """Why a value does not fit; empty if it does, or is not for us to say."""
    try:
        msgspec.json.decode(orjson.dumps(value), type=shape)
    except (msgspec.MsgspecError, RecursionError) as error:
        return str(error)
    except TypeError:
        pass  # it holds what only the program can have put there
    return ""


def _json_decoder(shape: type[T]) -> msgspec.json.Decoder[T]:
    decoder = _json_decoders[shape] = msgspec.json.Decoder(shape)
    return decoder


def shaped(*shapes: type[msgspec.Struct]) -> msgspec.Meta:
    """Of `Raw` in an answer: the shape that its JSON has, or one of several. For the documents:
    nothing is checked."""
    return referring(*(shape.__name__ for shape in shapes), shapes=shapes)


def referring(*names: str, shapes: tuple[type, ...] = ()) -> msgspec.Meta:
    """The same by the components' names, where no Struct is one."""
    refs = [{"$ref": COMPONENTS + name} for name in names]
    schema = refs[0] if len(refs) == 1 else {"anyOf": refs}
    return msgspec.Meta(extra_json_schema=schema, extra={"shapes": shapes})


def json_schema_components(shapes: list[type]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """JSON Schema 2020-12 of Structs and the components they refer to (for OpenAPI 3.1)."""
    schemas, components = msgspec.json.schema_components(
        [*shapes, *_named_shapes(shapes)], ref_template=COMPONENTS + "{name}"
    )
    return without_false_items(list(schemas)[: len(shapes)]), without_false_items(components)


def _named_shapes(shapes: Iterable[type]) -> list[type]:
    """What `shaped` names within these types, however deep."""
    found, seen = dict[type, None](), set[type]()
    waiting: list[Any] = list(shapes)
    while waiting:
        part = waiting.pop()
        if isinstance(part, msgspec.Meta):
            named = (part.extra or {}).get("shapes", ())
            found |= dict.fromkeys(named)
            waiting += named
        elif isinstance(part, type) and issubclass(part, msgspec.Struct):
            if part not in seen:
                seen.add(part)
                waiting += _field_types(part)
        else:
            waiting += get_args(part)
    return list(found)


@cache
def _field_types(shape: type[msgspec.Struct]) -> tuple[Any, ...]:
    return tuple(field.type for field in msgspec.structs.fields(shape))


def without_false_items(schema: Any) -> Any:
    """The same schema for tools that know no `items: false`, as generators of clients: `maxItems`
    says of a tuple what it says."""
    if isinstance(schema, list):
        return [without_false_items(row) for row in schema]
    if not isinstance(schema, dict):
        return schema
    is_tuple = schema.get("items") is False and "maxItems" in schema
    return {
        key: without_false_items(row)
        for key, row in schema.items()
        if not (is_tuple and key == "items")
    }


def with_details(text: str, details: dict[str, object]) -> str:
    """`name: text` plus one JSON object of details (contracts.md 6)."""
    return f"{text} {orjson.dumps(details).decode()}" if details else text
