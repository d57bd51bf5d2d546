"""What a list's request and answer have as HTTP: parameters of a query, and `Link`.

Source: RFC 8288 (Link), RFC 9110.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from edge.web.paging import CURSOR, OF_MESSAGES, PLACES, Beside
from hubbub.base.errors import BAD_REQUEST, Rejected

KEY: Final = "Idempotency-Key"


def once(request: web.Request) -> dict[str, str]:
    """The parameters of its query. Raises Rejected(BAD_REQUEST) for one that is given twice."""
    found: dict[str, str] = {}
    for name, text in request.query.items():
        if name in found:
            why = f"{name[:64]} is given twice"
            raise Rejected(BAD_REQUEST, why, errors=[{"pointer": f"#/{name[:64]}", "detail": why}])
        found[name] = text
    return found


def ignored(request: web.Request, given: Iterable[str], known: Iterable[str]) -> list[str]:
    """What meant nothing, of a route without a command: fields, parameters, a key for once."""
    found = sorted({*given, *request.query} - set(known))
    return [*found, KEY] if KEY in request.headers else found


def listed(
    request: web.Request, status: int, body: bytes, beside: Beside | None = None
) -> web.Response:
    """The answer to a request, with its links where it is a GET's."""
    response = web.Response(status=status, body=body, content_type="application/json")
    if beside is None or request.method not in ("GET", "HEAD"):
        return response
    if link := links(request.rel_url.raw_path, request.query, beside):
        response.headers["Link"] = link
    return response


def links(path: str, query: Mapping[str, str], beside: Beside) -> str:
    """The value of `Link`; empty where no page lies beside. `path`: as it was asked."""
    rest = {k: v for k, v in query.items() if k not in (*PLACES, *OF_MESSAGES)}
    cursors = {"next": beside.next_cursor, "prev": beside.prev_cursor}
    return ", ".join(
        f'<{path}?{urlencode({**rest, CURSOR: cursor})}>; rel="{rel}"'
        for rel, cursor in cursors.items()
        if cursor
    )
