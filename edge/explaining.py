"""Which fields of a refused request are meant: all of them at once, for rpc and REST. Pure.

A shape tells what is of the wrong type (`hubbub.wire.field_errors`), a check the first thing that
it meets. Here the rest is added, so that whoever filled in a form hears of all his mistakes: what
breaks a pattern or a bound of `schemas`; else the field with whose name the refusal begins, or
which it cannot but mean: `for_s`, `(by)`, a detail of that name. And, as in an answer, what means
nothing: a field that is missing may stand there under another name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from msgspec import Raw

from edge.ignored import known_fields, told_names
from edge.schemas import fields_of, properties_of
from hubbub.base.errors import BAD_REQUEST, TOO_LARGE, Rejected
from hubbub.wire.codec import parse_json
from hubbub.wire.field_errors import ERRORS_MAX

OF_ANY: Final = frozenset({"cursor", "linear", "min_seq"})  # of lists and reads of every shape
_EXPLAINED: Final = (BAD_REQUEST, TOO_LARGE)
_WORD: Final = re.compile(r"\w+")
_MEANT: Final = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b|(?<=\()[a-z]+(?=\))")


def explained(refusal: Rejected, params: Mapping[str, Any] | bytes, shape: type) -> Rejected:
    """The refusal with `errors` of every field that can be named. `params`: values or Raw by name,
    or their JSON."""
    if refusal.error not in _EXPLAINED:
        return refusal
    if isinstance(params, bytes):
        try:
            given = parse_json(params)
        except Rejected:
            return refusal
        params = given if isinstance(given, dict) else {}
    rules = _rules(shape)
    given = refusal.details.get("errors")
    errors = {row["pointer"]: row["detail"] for row in given} if isinstance(given, list) else {}
    details = dict(refusal.details)
    if unknown := sorted(params.keys() - known_fields(shape) - OF_ANY):
        details["ignored_fields"] = told_names(unknown)
    for name in params.keys() & rules.keys():
        if why := _wrong(params[name], rules[name]):
            errors.setdefault(f"#/{name}", why)
    first = _WORD.match(refusal.text)
    if not errors and first is not None and first.group() in rules:
        errors[f"#/{first.group()}"] = refusal.text
    if not errors:
        meant = {*_MEANT.findall(refusal.text), *refusal.details} & rules.keys()
        errors = {f"#/{name}": refusal.text for name in meant}
    if errors:
        rows = [{"pointer": at, "detail": errors[at]} for at in sorted(errors)[:ERRORS_MAX]]
        details["errors"] = rows
    return Rejected(refusal.error, refusal.text, **details)


@cache
def _rules(shape: type) -> dict[str, dict[str, Any]]:
    return properties_of(fields_of(shape))


def _wrong(value: object, rule: Mapping[str, Any]) -> str:
    """As `_broken`, of what may be JSON still."""
    try:
        return _broken(parse_json(bytes(value)) if isinstance(value, Raw) else value, rule)
    except Rejected as refusal:
        return refusal.text


def _broken(value: object, rule: Mapping[str, Any]) -> str:
    """What a value breaks of its rule, in words; its type is another's matter."""
    if isinstance(value, list) and "items" in rule:
        return next((why for one in value if (why := _broken(one, rule["items"]))), "")
    if isinstance(value, str):
        if len(value) > rule.get("maxLength", len(value)):
            return f"at most {rule['maxLength']} characters"
        if "pattern" in rule and not re.fullmatch(rule["pattern"], value):
            said = rule.get("description")
            return f"must be {said}" if said else f"must match {rule['pattern']}"
    elif isinstance(value, int) and not isinstance(value, bool):
        if value < rule.get("minimum", value):
            return f"at least {rule['minimum']}"
        if value > rule.get("maximum", value):
            return f"at most {rule['maximum']}"
    return ""
