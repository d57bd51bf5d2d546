"""Refusals as problem+json, with the headers that go with them. Pure.

Source: RFC 9457 (problem details; the object is the one that stands behind a socket error's text),
draft-ietf-httpapi-ratelimit-headers-10.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

from edge.limits import Allowance, window_s
from hubbub.base.errors import METHOD_NOT_ALLOWED, RATE_LIMITED, UNAUTHORIZED, Rejected
from hubbub.wire.codec import dump_json

MEDIA_TYPE = "application/problem+json"
PATH_CHARS_MAX = 500  # of the request's path, as it is told


def problem(refusal: Rejected, request_id: str, path: str) -> tuple[int, bytes, dict[str, str]]:
    """(HTTP status, body, headers) of a refusal. `path`: what was asked, as it was written."""
    error = refusal.error
    body: dict[str, object] = {
        "type": f"/docs/errors#{error.name}",
        "title": error.text,
        "status": error.http_status,
        "code": error.name,
        "detail": refusal.text,
        "instance": f"{_shown(path)}#{quote(request_id, safe='')}",
        "retryable": error.temporary,
        "request_id": request_id,
        **refusal.details,
    }
    if error.hint:
        body["hint"] = error.hint
    headers = {"Content-Type": MEDIA_TYPE, "X-Request-Id": request_id}
    if error is METHOD_NOT_ALLOWED:
        headers["Allow"] = str(refusal.details["allow"])  # RFC 9110, 15.5.6
    if error is UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"  # RFC 9110, 15.5.2
    wait_ms = refusal.details.get("retry_after_ms", 1_000 if error.temporary else None)
    if isinstance(wait_ms, int):
        wait_s = -(-wait_ms // 1000)
        headers["Retry-After"] = str(wait_s)
        if error is RATE_LIMITED:
            headers |= rate_headers(_empty(refusal.details, wait_ms))
    return error.http_status, dump_json(body), headers


def _shown(path: str) -> str:
    """A path as a part of a URI: no escape is cut in two, and a stray percent sign is one."""
    return quote(_STRAY.sub("%25", _CUT.sub("", path[:PATH_CHARS_MAX])), _IN_PATH)


_CUT = re.compile(r"%[0-9A-Fa-f]?\Z")
_STRAY = re.compile(r"%(?![0-9A-Fa-f]{2})")
_IN_PATH = "/%:@!$&'()*+,;=~"


def rate_headers(left: Allowance) -> dict[str, str]:
    """What a caller may still ask for, in two spellings: the draft's fields, and one by one."""
    reset_s = -(-left.reset_ms // 1000)
    name = policy_name(left.bucket, left.scope)
    return {
        "RateLimit-Policy": f'"{name}";q={left.limit};w={left.window_s}',
        "RateLimit": f'"{name}";r={left.remaining};t={reset_s}',
        "X-RateLimit-Limit": str(left.limit),
        "X-RateLimit-Remaining": str(left.remaining),
        "X-RateLimit-Reset-After": str(reset_s),
        "X-RateLimit-Bucket": left.bucket,
        "X-RateLimit-Scope": left.scope,
    }


def policy_name(bucket: str, scope: str) -> str:
    """How the headers call a bucket."""
    return scope if bucket == scope else f"{scope}-{bucket}"


def _empty(details: Mapping[str, object], wait_ms: int) -> Allowance:
    """The bucket that refused, as its refusal tells of it."""
    scope = str(details.get("scope", "user"))
    burst, per_s = details.get("burst", 0), details.get("limit_per_s", 0)
    burst = burst if isinstance(burst, int) else 0
    fills_s = window_s(burst, per_s) if isinstance(per_s, float | int) and per_s > 0 else 1
    return Allowance(str(details.get("bucket", scope)), scope, burst, fills_s, 0, wait_ms)
