"""Typed calls of both client libraries as the registry has them now: `hubbub/client/calls.py` and
`edge/web/sdk/verbs.d.ts`, with `hubbub/client/shapes.py`.

Shape: from JSON Schema, as the documents show it, to types of Python and TypeScript. What may be
left out of a request, or may be missing in an answer, is optional in both.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Final

from hubbub.docs.events import ANY_SIGNAL, event_components
from hubbub.features.contract import Verb
from hubbub.features.publication import ANY_EVENT
from hubbub.features.registry import REGISTRY
from hubbub.wire.codec import json_schema_components

Schema = Mapping[str, Any]
# A list that goes on: where the next page begins, by the name that the request has for it.
PLACES: Final = ("cursor", "after", "before")
GENERATED: Final = "Generated from the registry by `python -m hubbub.docs`; a test compares them."
_SHAPES_HEAD: Final = f'''"""The fields of every verb and of its answer, as types.

{GENERATED}
Long because there is a shape for each request and each answer.
"""
# fmt: off
# ruff: noqa: E501 - one line a field, as generated

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict

Json = Any
'''
_CALLS_HEAD: Final = f'''"""Every verb as a method, with its fields and its answer.

{GENERATED}
Long because there is a method for each verb.
"""
# fmt: off

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Unpack

if TYPE_CHECKING:
    from hubbub.client import shapes

Call = Callable[..., Awaitable[Any]]
'''
_TS_HEAD: Final = f"""// Every verb with its fields and its answer: for `call` of hubbub.js.
// {GENERATED}

type Json = any;
"""


@cache
def components() -> dict[str, Schema]:
    """The shapes of all requests and answers, and what they refer to."""
    verbs = REGISTRY.verbs.values()
    shapes = list(dict.fromkeys([*(v.shape for v in verbs), *(v.answer for v in verbs)]))
    found = json_schema_components(shapes)[1] | event_components(REGISTRY)
    return dict(sorted(found.items(), key=lambda row: ("anyOf" in row[1], row[0])))


def paged() -> dict[str, tuple[str, str]]:
    """Verb → (the field that begins the next page, the answer's rows)."""
    found = {}
    for name, verb in sorted(REGISTRY.verbs.items()):
        asked, answered = (
            _named(shape).get("properties", {}) for shape in (verb.shape, verb.answer)
        )
        place = next((place for place in PLACES if place in asked), "")
        rows = next((key for key, row in answered.items() if row.get("type") == "array"), "")
        if place and rows and "next" in answered:
            found[name] = (place, rows)
    return found


def _named(shape: type) -> Schema:
    return components()[shape.__name__]


def _fields(schema: Schema) -> Iterator[tuple[str, Schema, bool]]:
    """(name, schema, whether it must be there)."""
    for key, row in schema.get("properties", {}).items():
        yield key, row, key in schema.get("required", ())


def _verbs() -> list[tuple[str, str, Verb]]:
    """(group, name in it, verb); `sync` and the like are in no group."""
    rows = []
    for name, verb in sorted(REGISTRY.verbs.items()):
        group, _, short = name.rpartition(".")
        rows.append((group, short, verb))
    return rows


def _line(text: str) -> str:
    return " ".join(text.split()).replace("\\", "\\\\").replace('"""', "'''").replace("*/", "* /")


# --- Python


def python_shapes() -> str:
    """The text of `hubbub/client/shapes.py`."""
    parts = [_SHAPES_HEAD, *(_python_shape(*row) for row in components().items())]
    return _joined(parts)


def python_calls() -> str:
    """The text of `hubbub/client/calls.py`."""
    parts = [_CALLS_HEAD]
    rows = "".join(f'    "{verb}": {place!r},\n' for verb, place in paged().items()).replace(
        "'", '"'
    )
    parts.append(
        "# List → the field that begins its next page, the answer's rows.\n"
        f"PAGED: Final[Mapping[str, tuple[str, str]]] = {{\n{rows}}}\n"
    )
    groups: dict[str, list[tuple[str, Verb]]] = {}
    for group, short, verb in _verbs():
        groups.setdefault(group, []).append((short, verb))
    alone = {short: verb for short, verb in groups.pop("", [])}
    for group in groups.keys() & alone.keys():  # `sync` beside `sync.verify`
        groups[group].append(("", alone.pop(group)))
    parts += [_python_group(group, verbs) for group, verbs in groups.items()]
    made = "".join(f"        self.{group} = {_class(group)}(call)\n" for group in groups)
    parts.append(
        'class Verbs:\n    """All of them, by the names of the documents."""\n\n'
        "    def __init__(self, call: Call) -> None:\n        self._call = call\n"
        + made
        + "".join(_python_method("", short, verb) for short, verb in alone.items())
    )
    return _joined(parts)


def _joined(parts: list[str]) -> str:
    return "\n\n".join(part.strip("\n") + "\n" for part in parts)


def _class(group: str) -> str:
    return "".join(word.title() for word in group.split("_")) + "Verbs"


def _python_group(group: str, verbs: list[tuple[str, Verb]]) -> str:
    return (
        f'class {_class(group)}:\n    """`{group}.…`"""\n\n'
        "    def __init__(self, call: Call) -> None:\n        self._call = call\n"
        + "".join(_python_method(group, short, verb) for short, verb in verbs)
    )


def _python_method(group: str, short: str, verb: Verb) -> str:
    name = f"{group}.{short}".strip(".")
    asked, answered = (f"shapes.{shape.__name__}" for shape in (verb.shape, verb.answer))
    return (
        f"\n    async def {short or '__call__'}(self, **data: Unpack[{asked}]) -> {answered}:\n"
        f'        """{_line(verb.doc or name)}"""\n'
        f'        answer: {answered} = await self._call("{name}", **data)\n'
        "        return answer\n"
    )


def _python_shape(name: str, schema: Schema) -> str:
    if "enum" in schema or "anyOf" in schema:
        return f"{name} = {python_type(schema)}\n"
    doc = _line(schema.get("description", name))
    fields = list(_fields(schema))
    if any(keyword.iskeyword(key) for key, _, _ in fields):
        rows = "".join(f'    "{k}": "{_marked(row, is_needed)}",\n' for k, row, is_needed in fields)
        return f'{name} = TypedDict("{name}", {{  # {doc}\n{rows}}})\n'
    rows = "".join(f"    {k}: {_marked(row, is_needed)}\n" for k, row, is_needed in fields)
    return f'class {name}(TypedDict):\n    """{doc}"""\n\n{rows}'


def _marked(row: Schema, is_needed: bool) -> str:
    found = python_type(row).replace('"', "'")
    return found if is_needed else f"NotRequired[{found}]"


def python_type(row: Schema) -> str:
    """A type of Python."""
    return _type(row, _PYTHON)


# --- TypeScript


def typescript() -> str:
    """The text of `edge/web/sdk/verbs.d.ts`."""
    parts = [_TS_HEAD, *(_typescript_shape(*row) for row in components().items())]
    verbs = "".join(
        f"  /** {_line(verb.doc or name)} */\n"
        f'  "{name}": {{ request: {verb.shape.__name__}; answer: {verb.answer.__name__} }};\n'
        for name, verb in sorted(REGISTRY.verbs.items())
    )
    parts.append(f"export interface Verbs {{\n{verbs}}}\n")
    parts.append(
        f"/** What a listener hears. */\nexport type Heard = {ANY_EVENT} | {ANY_SIGNAL};\n"
    )
    rows = "".join(
        f'  "{name}": {REGISTRY.verbs[name].answer.__name__}["{rows}"][number];\n'
        for name, (_, rows) in paged().items()
    )
    parts.append(
        f"/** Lists that go on over pages: a row of each. */\nexport interface Lists {{\n{rows}}}\n"
    )
    return "\n".join(parts)


def _typescript_shape(name: str, schema: Schema) -> str:
    doc = f"/** {_line(schema.get('description', name))} */\n"
    if "enum" in schema or "anyOf" in schema:
        return f"export type {name} = {typescript_type(schema)};\n"
    rows = "".join(
        f"  {key}{'' if is_needed else '?'}: {typescript_type(row)};\n"
        for key, row, is_needed in _fields(schema)
    )
    return f"{doc}export interface {name} {{\n{rows}}}\n"


def typescript_type(row: Schema) -> str:
    """A type of TypeScript."""
    return _type(row, _TYPESCRIPT)


# --- both


class _Language:
    """How a language writes what JSON Schema has."""

    def __init__(
        self,
        words: Mapping[str, str],
        array: Callable[[str], str],
        pair: Callable[[list[str]], str],
        table: Callable[[str], str],
        choice: Callable[[list[Any]], str],
    ) -> None:
        self.words = words
        self.array = array
        self.pair = pair
        self.table = table
        self.choice = choice


_PYTHON: Final = _Language(
    {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"},
    array=lambda item: f"Sequence[{item}]",
    pair=lambda items: f"tuple[{', '.join(items)}]",
    table=lambda item: f"Mapping[str, {item}]",
    choice=lambda values: f"Literal[{', '.join(map(repr, values))}]".replace("'", '"'),
)
_TYPESCRIPT: Final = _Language(
    {"string": "string", "integer": "number", "number": "number", "boolean": "boolean"}
    | {"null": "null"},
    array=lambda item: f"readonly {item}[]" if item.isidentifier() else f"readonly ({item})[]",
    pair=lambda items: f"readonly [{', '.join(items)}]",
    table=lambda item: f"Record<string, {item}>",
    choice=lambda values: " | ".join(map(_quoted, values)),
)


def _quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def _type(row: Schema, language: _Language) -> str:
    if "$ref" in row:
        return str(row["$ref"]).rpartition("/")[2]
    if "enum" in row or "const" in row:
        return language.choice(row.get("enum") or [row["const"]])
    if "anyOf" in row:
        return " | ".join(dict.fromkeys(_type(one, language) for one in row["anyOf"]))
    if "prefixItems" in row:
        return language.pair([_type(one, language) for one in row["prefixItems"]])
    if row.get("type") == "array":
        return language.array(_type(row.get("items") or {}, language))
    if row.get("type") == "object":
        more = row.get("additionalProperties")
        return language.table(_type(more if isinstance(more, Mapping) else {}, language))
    return language.words.get(str(row.get("type")), "Json")
