"""Fields of a request that nobody understood: told in its answer as `ignored_fields`.

Dropped silently, a field that is spelt wrongly makes a ban of an hour one for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from msgspec import Raw
from msgspec.structs import fields

from hubbub.wire.codec import dump_json, shape_json

NAMES_MAX: Final = 20  # that are told: one is enough to see the mistake
NAME_CHARS_MAX: Final = 64


@cache
def known_fields(shape: type[Any]) -> frozenset[str]:
    """The names that a request of this shape may have."""
    return frozenset(field.encode_name for field in fields(shape))


def unknown_fields(params: bytes, known: frozenset[str]) -> list[str]:
    """Those of a JSON object that are not among the known. Raises Rejected(BAD_REQUEST)."""
    names = shape_json(params, dict[str, Raw]).keys() - known if params else ()
    return sorted(names)


def with_ignored(answer: bytes, names: Sequence[str]) -> bytes:
    """The answer, a JSON object, with the names of what was not understood."""
    if not names or not answer.startswith(b"{"):
        return answer
    tail = b'"ignored_fields":' + dump_json(told_names(names)) + b"}"
    return answer[:-1] + (b"," if len(answer) > 2 else b"") + tail


def told_names(names: Sequence[str]) -> list[str]:
    """As many of them, and as much of each, as is told."""
    return [name[:NAME_CHARS_MAX] for name in names[:NAMES_MAX]]
