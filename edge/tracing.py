"""Which client's request the edge works for right now: what it asks of the cluster bears its id.

Rules:
1. REST sets it (`web.api`), the uplink takes it along and sets it again when the answer comes, so
   that further steps of the same request bear it, too. What a tick asks again has none.
2. Nothing but logs depends on it (`hubbub.wire.tracing`).
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

from hubbub.wire.tracing import TRACE_BYTES_MAX

TRACE: Final[ContextVar[bytes]] = ContextVar("trace", default=b"")


def trace_of(request_id: str) -> bytes:
    """An id as it travels."""
    return request_id.encode(errors="replace")[:TRACE_BYTES_MAX]
