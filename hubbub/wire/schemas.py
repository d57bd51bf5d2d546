"""JSON Schema of an app's own events: whether a schema is one, whether a document follows it.

Rules:
1. Drafts 4 to 2020-12, as the schema says; without a word, 2020-12. Nothing is ever fetched: a
   reference leads inside the schema or nowhere.
2. Patterns are matched in linear time; a schema that needs more (look-around, back references) is
   refused when it is registered.
3. No document is judged that would take more than `schema_steps.STEPS_MAX` steps: a schema may be
   small and its work without end, and it would be done on the edge's loop.
4. The library is an optional part (extra `schemas`, decision record 0024): without it, an edge
   refuses with `not_available`.

Source: JSON Schema 2020-12. Owner of `jsonschema_rs`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from hubbub.base.errors import BAD_REQUEST, NOT_AVAILABLE, SCHEMA_MISMATCH, Rejected
from hubbub.wire.codec import parse_json
from hubbub.wire.schema_steps import check_steps

# Compiled schemas kept: some 20 KB each; an app has at most 200 types.
COMPILED_MAX: Final = 512
REASONS_MAX: Final = 5
# [M] Whether a document fits is known at once; why not is collected as a whole at 40 us a step,
# 2 s for the largest.
EXPLAINED_STEPS_MAX: Final = 2_000


def check_schema(schema: bytes) -> None:
    """Raises Rejected: BAD_REQUEST if it is no JSON Schema, LIMIT_EXCEEDED if it is a burden,
    NOT_AVAILABLE without the library."""
    _, parsed = _compiled(schema)
    check_steps(parsed)


def check_document(document: bytes, schema: bytes) -> None:
    """Raises Rejected: SCHEMA_MISMATCH if the document is not as the schema says, with up to five
    reasons if it is not long; LIMIT_EXCEEDED if that takes too long to tell."""
    validator, parsed = _compiled(schema)
    value = parse_json(document)
    steps = check_steps(parsed, value)
    if validator.is_valid(value):
        return
    if steps > EXPLAINED_STEPS_MAX:
        raise Rejected(SCHEMA_MISMATCH, "the document is too long to say where")
    reasons = []
    for error in validator.iter_errors(value):
        path = "/".join(str(step) for step in error.instance_path)
        reasons.append({"at": "/" + path, "why": error.message[:200]})
        if len(reasons) == REASONS_MAX:
            break
    raise Rejected(SCHEMA_MISMATCH, reasons[0]["why"], errors=reasons)


def _refuse(uri: str) -> Any:
    raise ValueError("schemas refer to nothing outside themselves")


@lru_cache(maxsize=COMPILED_MAX)
def _compiled(schema: bytes) -> tuple[Any, Any]:
    """(the validator, the schema)."""
    try:
        import jsonschema_rs
    except ImportError:
        raise Rejected(NOT_AVAILABLE, "this edge has no JSON Schema (extra `schemas`)") from None
    try:
        parsed = parse_json(schema)
        return jsonschema_rs.validator_for(
            parsed, retriever=_refuse, pattern_options=jsonschema_rs.RegexOptions()
        ), parsed
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        raise Rejected(BAD_REQUEST, f"no JSON Schema: {str(error)[:200]}") from None
