"""Refusals as problem+json, with the headers that go with them. Pure.

Source: RFC 9457 (problem details); the object is the one that stands behind a socket error's text.
"""

from __future__ import annotations

from hubbub.base.errors import METHOD_NOT_ALLOWED, RATE_LIMITED, Rejected
from hubbub.wire.codec import dump_json

MEDIA_TYPE = "application/problem+json"


def problem(refusal: Rejected, request_id: str) -> tuple[int, bytes, dict[str, str]]:
    """(HTTP status, body, headers) of a refusal."""
    error = refusal.error
    body: dict[str, object] = {
        "type": f"/docs/errors#{error.name}",
        "title": error.text,
        "status": error.http_status,
        "code": error.name,
        "detail": refusal.text,
        "retryable": error.temporary,
        "request_id": request_id,
        **refusal.details,
    }
    headers = {"Content-Type": MEDIA_TYPE, "X-Request-Id": request_id}
    if error is METHOD_NOT_ALLOWED:
        headers["Allow"] = str(refusal.details["allow"])  # RFC 9110, 15.5.6
    wait_ms = refusal.details.get("retry_after_ms")
    if isinstance(wait_ms, int):
        wait_s = -(-wait_ms // 1000)
        headers["Retry-After"] = str(wait_s)
        if error is RATE_LIMITED:
            scope = refusal.details.get("scope", "user")
            burst = refusal.details.get("burst", 0)
            headers["RateLimit-Policy"] = f'"{scope}";q={burst};w=1'
            headers["RateLimit"] = f'"{scope}";r=0;t={wait_s}'
    return error.http_status, dump_json(body), headers
