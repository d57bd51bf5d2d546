"""What a command says and how it ends: exit codes, failures, the JSON envelope.

Rules:
1. Data goes to stdout, everything else (progress, hints, failures) to stderr.
2. A failure says what failed, where, the likely cause and the next command to try.
3. A partial answer is never hidden: what did not answer stands in `unreachable`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import IntEnum


class Exit(IntEnum):
    """Exit codes; scripts rely on them."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    REFUSED = 4
    NOT_FOUND = 5
    CONFLICT = 6
    PARTIAL = 7
    UNHEALTHY = 10
    INTERRUPTED = 130


class Failure(Exception):
    """A command that cannot go on.

    Args:
        text: what failed and where, one line.
        cause: the likely cause, one line each.
        tries: commands worth trying next.
    """

    def __init__(
        self,
        text: str,
        *,
        exit_code: Exit = Exit.FAILED,
        cause: Sequence[str] = (),
        tries: Sequence[str] = (),
    ) -> None:
        super().__init__(text)
        self.text = text
        self.exit_code = exit_code
        self.cause = tuple(cause)
        self.tries = tuple(tries)

    def lines(self) -> list[str]:
        lines = [f"error: {self.text}", *(f"  {line}" for line in self.cause)]
        lines += [f"  try: {line}" for line in self.tries]
        return lines


def now_text() -> str:
    """The time as RFC 3339 in UTC with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def envelope(
    schema: str,
    cluster: str,
    data: Mapping[str, object],
    *,
    warnings: Sequence[str] = (),
    unreachable: Sequence[str] = (),
) -> dict[str, object]:
    """The one JSON shape of every command: `schema` is `hubbub.NAME/VERSION`."""
    return {
        "schema": schema,
        "cluster": cluster,
        "at": now_text(),
        "data": dict(data),
        "warnings": list(warnings),
        "unreachable": list(unreachable),
    }


def print_json(value: Mapping[str, object]) -> None:
    """Writes one JSON object as one line to stdout, at once."""
    print(json.dumps(value, ensure_ascii=False, separators=(",", ":")), flush=True)


def print_failure(failure: Failure, *, as_json: bool) -> None:
    """Writes a failure to stderr; with `--json` also as an object to stdout."""
    if as_json:
        data = {"error": failure.text, "cause": list(failure.cause), "try": list(failure.tries)}
        print_json(envelope("hubbub.error/1", "", {**data, "exit_code": int(failure.exit_code)}))
    print("\n".join(failure.lines()), file=sys.stderr, flush=True)


def progress(line: str) -> None:
    """Writes one line of progress to stderr."""
    print(line, file=sys.stderr, flush=True)
