"""Refusals as problem+json, with the headers that go with them. Pure.

Source: RFC 9457 (problem details; the object is the one that stands behind a socket error's text),
draft-ietf-httpapi-ratelimit-headers-10.
"""

from __future__ import annotations

from collections.abc import Mapping

from edge.limits import Allowance, window_s
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
            headers |= rate_headers(_empty(refusal.details, wait_ms))
    return error.http_status, dump_json(body), headers


def rate_headers(left: Allowance) -> dict[str, str]:
    """What a caller may still ask for, in two spellings: the draft's fields, and one by one."""
    reset_s = -(-left.reset_ms // 1000)
    name = left.scope if left.bucket == left.scope else f"{left.scope}-{left.bucket}"
    return {
        "RateLimit-Policy": f'"{name}";q={left.limit};w={left.window_s}',
        "RateLimit": f'"{name}";r={left.remaining};t={reset_s}',
        "X-RateLimit-Limit": str(left.limit),
        "X-RateLimit-Remaining": str(left.remaining),
        "X-RateLimit-Reset-After": str(reset_s),
        "X-RateLimit-Bucket": left.bucket,
        "X-RateLimit-Scope": left.scope,
    }


def _empty(details: Mapping[str, object], wait_ms: int) -> Allowance:
    """The bucket that refused, as its refusal tells of it."""
    scope = str(details.get("scope", "user"))
    burst, per_s = details.get("burst", 0), details.get("limit_per_s", 0)
    burst = burst if isinstance(burst, int) else 0
    fills_s = window_s(burst, per_s) if isinstance(per_s, float | int) and per_s > 0 else 1
    return Allowance(str(details.get("bucket", scope)), scope, burst, fills_s, 0, wait_ms)
