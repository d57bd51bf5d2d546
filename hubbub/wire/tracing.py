"""The id of a client's request on its way through the links, for the logs of every tier. Pure.

Rules:
1. A request that has one bears the flag TRACED, and its body ends with the id and a byte that says
   how long that is. One that has none costs nothing: not a byte, and a comparison.
2. Routers pass bodies on unread, so the id arrives at the node as it left the edge; a node takes it
   off before anybody looks at the body.
3. It is for logs alone: nothing is decided by it. What took SLOW_MS, or was not answered, is logged
   by whoever saw it, under the same `request_id`.
"""

from __future__ import annotations

from typing import Final

TRACED: Final = 1  # in the flags of a request; those of a RESULT are its status
TRACE_BYTES_MAX: Final = 64
SLOW_MS: Final = 1_000  # ten times the slowest answer of a healthy cluster


def with_trace(body: bytes, trace: bytes) -> bytes:
    """The body of a traced request."""
    return b"".join((body, trace, bytes((len(trace),))))


def without_trace(body: bytes) -> tuple[bytes, str]:
    """(body, id) of a traced request; what is malformed has no id."""
    length = body[-1] if body else 0
    if not body or length >= len(body):
        return body, ""
    end = len(body) - 1
    return body[: end - length], body[end - length : end].decode(errors="replace")
