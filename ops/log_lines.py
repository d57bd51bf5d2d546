"""A process's log lines for a person: values in, values out.

Processes log JSON, one object a line; what the interpreter or libraries write is plain text. Shown
are the last words that matter: errors and plain text, else whatever came last.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

LINE_CHARS_MAX: Final = 600  # a refusal names its cure
HIDDEN: Final = frozenset({"level", "role", "name", "event", "at", "exception"})


def last_words(lines: Sequence[str], count: int) -> list[str]:
    """At most `count` readable lines, the important ones if there are any."""
    parsed = [(line, _parsed(line)) for line in lines if line.strip()]
    said = [line for line, fields in parsed if fields is None and line.startswith("error: ")]
    if said:  # written for its owner: says all that the log says, better
        return list(dict.fromkeys(line[:LINE_CHARS_MAX] for line in said[-count:]))
    important = [
        row for row in parsed if row[1] is None or row[1].get("level") in ("error", "warning")
    ]
    chosen = (important or parsed)[-count:]
    shown = [readable(line, fields) for line, fields in chosen]
    return list(dict.fromkeys(shown))  # a process that fails four times says it once


def readable(line: str, fields: dict[str, Any] | None) -> str:
    """One line: the event and its fields; of an exception, what it was and where."""
    if fields is None:
        return line.rstrip()[:LINE_CHARS_MAX]
    rest = [f"{key}={value}" for key, value in fields.items() if key not in HIDDEN]
    text = " ".join([str(fields.get("event", "")), *rest, *_exceptions(fields)])
    return text[:LINE_CHARS_MAX]


def _exceptions(fields: dict[str, Any]) -> list[str]:
    found = fields.get("exception")
    if not isinstance(found, list):
        return [] if found is None else [str(found)]
    return [_exception(row) for row in found if isinstance(row, dict)]


def _exception(row: dict[str, Any]) -> str:
    frames = row.get("frames") or [{}]
    place = f"{frames[-1].get('filename', '?')}:{frames[-1].get('lineno', '?')}"
    return f"{row.get('exc_type')}: {row.get('exc_value')} ({place})"


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        fields = json.loads(line)
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else None
