"""What a browser asks before a page of another origin may use the API, and reads in each answer.

Rules:
1. The same allow-list as for sockets (`edge.origins`). Credentials are headers, never cookies, so
   a page that is not on the list learns nothing that its own program could not ask for.
2. A preflight is answered without a caller: it has none, and counts nowhere.

Source: Fetch standard, CORS protocol.
"""

from __future__ import annotations

from typing import Final

from aiohttp import hdrs, web

from edge.origins import Origins

# What a page may send beside what it always may, and read of an answer.
SENT: Final = "Authorization, Content-Type, Idempotency-Key, X-Request-Id"
READ: Final = (
    "Link, RateLimit, RateLimit-Policy, Retry-After, X-RateLimit-Bucket, X-RateLimit-Limit, "
    "X-RateLimit-Remaining, X-RateLimit-Reset-After, X-RateLimit-Scope, X-Request-Id"
)
KEPT_S: Final = 600


def allow(origins: Origins, request: web.Request, response: web.StreamResponse) -> None:
    """The headers for the page that asked, where it may."""
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None:
        return
    response.headers.add(hdrs.VARY, hdrs.ORIGIN)
    if not origins.allows(origin, request.host):
        return
    response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
    if request.method == hdrs.METH_OPTIONS and hdrs.ALLOW in response.headers:
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = response.headers[hdrs.ALLOW]
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = SENT
        response.headers[hdrs.ACCESS_CONTROL_MAX_AGE] = str(KEPT_S)
    else:
        response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = READ
