"""ERRORS.md as the code would write it now: from `hubbub.base.errors`, in code order.

Shape: Markdown, three tables (errors, closes, unsubscribes), UTF-8, one final newline.
"""

from __future__ import annotations

from collections.abc import Iterable

from hubbub.base import errors
from hubbub.base.errors import CloseCode, ErrorCode

HEAD = """# Errors and closes

Generated from `hubbub/base/errors.py` by `python -m hubbub.docs`; a test compares them.

An error reply has a `code` and a `message`. The message is `name: text`, followed by one JSON
object when there are details, as in `rate_limited: slow down {"retry_after_ms":1600}`. REST answers
the same row as problem+json with the HTTP status of the table and the name as its `code`, and the
hint. *Temporary* means: the same request may succeed later, unchanged, with the same id.
"""

CLOSES = """
## Closes

Why a connection ends. The number alone tells the client whether to come back.
"""

UNSUBSCRIBES = """
## Unsubscribes

Why one subscription ends. Below 2500 it is final, from 2500 on the client subscribes again.
"""


def error_page() -> str:
    """The whole page."""
    return "\n".join(
        [
            HEAD,
            *table(
                ["code", "name", "HTTP", "temporary", "text", "hint"],
                map(_error, errors.all_errors()),
            ),
            CLOSES,
            *table(["code", "reason", "reconnects"], map(_close, errors.all_closes())),
            UNSUBSCRIBES,
            *table(["code", "reason", "resubscribes"], map(_unsubscribe, _unsubscribes())),
            "",
        ]
    )


def _error(row: ErrorCode) -> list[str]:
    temporary = "yes" if row.temporary else ""
    return [str(row.code), f"`{row.name}`", str(row.http_status), temporary, row.text, row.hint]


def _close(row: CloseCode) -> list[str]:
    return [str(row.code), row.reason, "yes" if row.reconnects else "no"]


def _unsubscribe(row: CloseCode) -> list[str]:
    return [str(row.code), row.reason, "yes" if row.code >= 2500 else "no"]


def _unsubscribes() -> list[CloseCode]:
    rows = [row for row in vars(errors).values() if isinstance(row, CloseCode) and row.code < 3000]
    return sorted(rows, key=lambda row: row.code)


def table(names: list[str], rows: Iterable[list[str]]) -> list[str]:
    """The lines of a Markdown table."""
    return [
        f"| {' | '.join(names)} |",
        f"|{'---|' * len(names)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
