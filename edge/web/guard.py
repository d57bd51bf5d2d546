"""What stands around every answer of the API: the request's id, refusals, what is left of limits.

Rules:
1. Every answer names its request (`X-Request-Id`, the caller's own or ours), and so do the logs of
   all tiers where it was slow or not answered (`edge.tracing`).
2. Every refusal is problem+json with a documented code, also of what was never a request (RFC 9112)
   and of whoever did not say who he is.
3. Every answer says what the caller may still ask, where his app limits it. Whom we do not know is
   counted by his address, and only by what he is refused: behind a proxy all have one address.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final, TypeVar

from aiohttp import web
from aiohttp.http_exceptions import ContentEncodingError, LineTooLong

from edge.addresses import Addresses
from edge.limits import Allowance
from edge.origins import Origins
from edge.tracing import TRACE, trace_of
from edge.web.cors import allow
from edge.web.problems import problem, rate_headers
from hubbub.base.errors import (
    BAD_REQUEST,
    HEADERS_TOO_LARGE,
    INTERNAL,
    TOO_LARGE,
    UNSUPPORTED_MEDIA,
    Rejected,
)
from hubbub.base.units import SECOND_MS
from hubbub.runtime.logs import get_logger
from hubbub.wire.tracing import SLOW_MS

R = TypeVar("R", bound=web.StreamResponse)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
# (address, whether it counts) → what is left of it. Raises Rejected(RATE_LIMITED).
Stranger = Callable[[str, bool], Allowance | None]
REQUEST_ID: Final = web.RequestKey("request_id", str)
# The headers that tell what the caller of a request may still ask for; there once he is known.
RATE: Final = web.RequestKey("rate", dict[str, str])
REQUEST_ID_CHARS_MAX: Final = 64
# How a body may be packed (aiohttp unpacks it, up to the same limit).
ENCODINGS: Final = ("identity", "gzip", "deflate")
PACKED: Final = f"a body may be packed as {', '.join(ENCODINGS)}"
_REFUSED, _FAILED = 400, 500
_log = get_logger("edge")


class Guard:
    """Args: body_bytes_max: for the refusal of larger ones."""

    def __init__(
        self,
        stranger: Stranger,
        entropy: Callable[[int], bytes],
        body_bytes_max: int,
        origins: Origins,
        addresses: Addresses,
    ) -> None:
        self._stranger = stranger
        self._entropy = entropy
        self._body_bytes_max = body_bytes_max
        self._origins = origins
        self.addresses = addresses

    def guarded(self, handler: Handler) -> Handler:
        """A handler whose answers have all of it."""

        async def answer(request: web.Request) -> web.StreamResponse:
            request_id = request.headers.get("X-Request-Id", "")[:REQUEST_ID_CHARS_MAX]
            if not (request_id.isascii() and request_id.isprintable() and request_id):
                request_id = self._new_id()
            request[REQUEST_ID] = request_id
            began, token = monotonic(), TRACE.set(trace_of(request_id))
            path = request.rel_url.raw_path
            response: web.StreamResponse
            try:
                response = await handler(request)
            except Rejected as refusal:
                response = _refused(refusal, request_id, path)
            except web.HTTPRequestEntityTooLarge:
                too_large = Rejected(TOO_LARGE, limit_bytes=self._body_bytes_max)
                response = _refused(too_large, request_id, path)
            except web.RequestPayloadError:
                said = request.headers.get("Content-Encoding", "")[:100]
                broken = Rejected(BAD_REQUEST, f"the body was cut, or is not {said or 'whole'}")
                response = _refused(broken, request_id, path)
            except web.HTTPException:
                raise
            except Exception:  # noqa: BLE001 - boundary: a bug is a problem document, too
                _log.error("rest.failed", path=request.path, request_id=request_id, exc_info=True)
                response = _refused(Rejected(INTERNAL), request_id, path)
            finally:
                TRACE.reset(token)
            _note(request, request_id, response.status, int((monotonic() - began) * SECOND_MS))
            if RATE not in request:
                address = self.addresses.of_request(request)
                response = self._count(address, response, request_id, path)
            for name, value in request.get(RATE, {}).items():
                response.headers.setdefault(name, value)  # one that refused has told its own
            response.headers["X-Request-Id"] = request_id
            allow(self._origins, request, response)
            return response

        return answer

    def unreadable(self, address: str, status: int) -> web.Response:
        """The answer to what is no HTTP request, or has too long a head."""
        refusal = {
            HEADERS_TOO_LARGE.http_status: Rejected(HEADERS_TOO_LARGE),
            UNSUPPORTED_MEDIA.http_status: Rejected(UNSUPPORTED_MEDIA, PACKED),
        }.get(status, Rejected(BAD_REQUEST, "this is no HTTP request"))
        request_id = self._new_id()
        response = _refused(refusal, request_id, "/")
        return self._count(address, response, request_id, "/")

    def _count(self, address: str, response: R, request_id: str, path: str) -> R | web.Response:
        """Of one whom we do not know."""
        try:
            left = self._stranger(address, response.status >= _REFUSED)
        except Rejected as refusal:
            return _refused(refusal, request_id, path)
        for name, value in (rate_headers(left) if left is not None else {}).items():
            response.headers.setdefault(name, value)
        return response

    def _new_id(self) -> str:
        return "req_" + self._entropy(6).hex()


def unreadable_status(error: BaseException | None, status: int) -> int:
    """431 for a head that is too long, 415 for a body that is packed in a way nobody here knows:
    aiohttp calls both a bad request."""
    if isinstance(error, ContentEncodingError):
        return UNSUPPORTED_MEDIA.http_status
    return HEADERS_TOO_LARGE.http_status if isinstance(error, LineTooLong) else status


def check_encoding(request: web.Request) -> None:
    """Raises Rejected for a body that is packed in a way we do not know."""
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding.lower() not in ENCODINGS:
        raise Rejected(UNSUPPORTED_MEDIA, PACKED)


def _refused(refusal: Rejected, request_id: str, path: str) -> web.Response:
    status, body, headers = problem(refusal, request_id, path)
    return web.Response(status=status, body=body, headers=headers)


def _note(request: web.Request, request_id: str, status: int, took_ms: int) -> None:
    """Log what was slow, or was not answered. The path may hold names, so the route is told."""
    if took_ms >= SLOW_MS or status >= _FAILED:
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else ""
        _log.warning(
            "rest.slow" if status < _FAILED else "rest.unanswered",
            method=request.method,
            route=route,
            status=status,
            took_ms=took_ms,
            request_id=request_id,
        )
