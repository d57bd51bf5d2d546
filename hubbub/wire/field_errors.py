"""All fields of a request that do not fit its shape, where the codec names the first one. Pure.

Rules:
1. A place is a JSON pointer as a URI fragment (`#/operations/0/method`), as RFC 9457 shows it.
2. ERRORS_MAX are told. It runs only for what is refused already, and looks at each part of it as
   often as it lies deep: at most DEPTH_MAX times.

Source: RFC 6901 (JSON pointer), RFC 9457 section 3 (`errors`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Any, Final, get_args, get_origin

import msgspec

ERRORS_MAX: Final = 10  # they travel behind an error's text on a socket, too
DEPTH_MAX: Final = 4  # the deepest shape of a request: a batch, its operations, one of them
PARTS_MAX: Final = 1_000  # that are looked at in one list
DETAIL_CHARS_MAX: Final = 200  # it may quote what it was given
_NO_CHOICE: Final = "Invalid enum value"  # msgspec's words, which do not tell the right ones
Misfit = Callable[[object, Any], str]  # why a value does not fit a type; empty if it does
_Part = tuple[str, object, Any]  # its step of the pointer, the value, its type


def field_errors(value: object, shape: Any, misfit: Misfit) -> list[dict[str, str]]:
    """`{"pointer", "detail"}` of each, in the order of the shape; empty if none can be named."""
    found: list[dict[str, str]] = []
    _look(value, shape, "#", misfit, found)
    return found


def _look(
    value: object, shape: Any, pointer: str, misfit: Misfit, found: list[dict[str, str]]
) -> None:
    if len(found) >= ERRORS_MAX or not (why := misfit(value, shape)):
        return
    before = len(found)
    if pointer.count("/") < DEPTH_MAX:
        for step, part, part_shape in _parts(value, shape):
            place = f"{pointer}/{step}"
            if part is msgspec.UNSET:
                found.append(_error(place, "is required"))
            else:
                _look(part, part_shape, place, misfit, found)
    if len(found) == before and pointer != "#":
        said = why.partition(" - at `")[0]
        if said.startswith(_NO_CHOICE) and (choices := _choices(shape)):
            said = f"{said}: one of {', '.join(choices)}"
        found.append(_error(pointer, said))


def _error(pointer: str, detail: str) -> dict[str, str]:
    return {"pointer": pointer, "detail": detail[:DETAIL_CHARS_MAX]}


def _parts(value: object, shape: Any) -> Iterator[_Part]:
    """What a value of this type is made of; UNSET for what must be there and is not."""
    for kind in _kinds(shape):
        if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            for field in msgspec.structs.fields(kind):
                if field.encode_name in value:
                    yield field.encode_name, value[field.encode_name], field.type
                elif field.required:
                    yield field.encode_name, msgspec.UNSET, field.type
        elif isinstance(value, list) and get_origin(kind) in (tuple, list, frozenset, set):
            for number, part in enumerate(value[:PARTS_MAX]):
                yield str(number), part, get_args(kind)[0]


def _choices(shape: Any) -> list[str]:
    """The words that may stand there."""
    found: list[str] = []
    for kind in _kinds(shape):
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            found += kind
        elif isinstance(kind, str):  # of a Literal
            found.append(kind)
    return found


def _kinds(shape: Any) -> tuple[Any, ...]:
    """The types that one may be: bounds are not looked at, alternatives one by one."""
    if hasattr(shape, "__metadata__"):
        return _kinds(shape.__origin__)
    args = get_args(shape)
    if args and get_origin(shape) not in (tuple, list, frozenset, set, dict):
        return tuple(kind for arg in args for kind in _kinds(arg))
    return (shape,)
