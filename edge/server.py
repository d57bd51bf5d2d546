"""The public port: every path of an edge, and who answers it.

/connection/…, /emulation    clients (websocket, streams)        /v1/…   REST (web.api)
/healthz /readyz /metrics    operators                           /docs, /openapi.json
/ and /static/…              the chat page                       /demo/…  the public demo's sign-in
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from edge.addresses import is_here
from edge.door import Doors, DoorSite
from edge.streams import StreamEndpoints
from edge.web import pages
from edge.web.api import Api
from edge.web.guard import Guard, Handler, unreadable_status
from edge.websocket import WebSocketEndpoint
from hubbub.base.errors import METHOD_NOT_ALLOWED, METHOD_NOT_FOUND, Rejected
from hubbub.runtime.metrics import CONTENT_TYPE, Metrics
from hubbub.wire.codec import dump_json

CLOSE_DEADLINE_S: Final = 0.5
# Between requests, and for the head of the first one; aiohttp's own is an hour. Proxies keep their
# side for 60 s at most and must be the first to close.
IDLE_S: Final = 75.0
BODY_S: Final = 60.0  # 1 MiB within it is 17 kB/s
HEADERS_BYTES_MAX: Final = 64 * 1024  # an SSE connect command travels in the query


class _Http(RequestHandler):
    """aiohttp's protocol of one connection, whose refusals look like all others."""

    __slots__ = ("_guard",)

    def __init__(self, server: web.Server, guard: Guard) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **server._kwargs)
        self._guard = guard

    def log_exception(self, *args: object, **details: object) -> None:
        """A body that could not be read is its sender's mistake, and was answered."""
        if not isinstance(details.get("exc_info"), web.RequestPayloadError):
            super().log_exception(*args, **details)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what is no request; the connection ends with it."""
        if not isinstance(exc, HttpProcessingError) or request.writer.output_size > 0:
            return super().handle_error(request, status, exc, message)
        response = self._guard.unreadable(request.remote or "", unreadable_status(exc, status))
        response.force_close()
        return response


class Server:
    """Binds the port. `readiness()` lists what is missing, empty = ready. `silence_s`: how long a
    connection may say nothing; `idle_s`: how long it may be without a whole head; `body_s`: how
    long the rest of a body may take."""

    def __init__(
        self,
        *,
        websocket: WebSocketEndpoint,
        streams: StreamEndpoints,
        api: Api,
        extra: Sequence[web.RouteDef],
        metrics: Metrics,
        readiness: Callable[[], Sequence[str]],
        body_bytes_max: int,
        silence_s: float,
        idle_s: float = IDLE_S,
        body_s: float = BODY_S,
    ) -> None:
        self._websocket = websocket
        self._silence_s = silence_s
        self._body_s = body_s
        self._doors: Doors | None = None
        self._api = api
        self._metrics = metrics
        self._readiness = readiness
        self._app = web.Application(
            client_max_size=body_bytes_max + 1024,
            middlewares=[self._explained, self._in_time],
            handler_args={
                "max_line_size": HEADERS_BYTES_MAX,
                "access_log": None,
                "keepalive_timeout": idle_s,
            },
        )
        self._app.add_routes(
            [
                web.get("/connection/websocket", websocket.handle),
                web.route("*", "/connection/http_stream", streams.http_stream),
                web.route("*", "/connection/sse", streams.sse),
                web.route("*", "/emulation", streams.emulation),
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._render_metrics),
                *extra,
                *api.routes(),
                *pages.routes(),
            ]
        )
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int, backlog: int) -> int:
        """Serve; the port bound. Raises OSError if it is taken."""
        runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=CLOSE_DEADLINE_S)
        await runner.setup()
        assert runner.server is not None
        http = partial(_Http, runner.server, self._api.guard)
        doors = self._doors = Doors(self._websocket, http, self._silence_s)
        try:
            await DoorSite(runner, doors, host, port, backlog).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        return int(runner.addresses[0][1])

    async def close(self) -> None:
        """Stop accepting. Idempotent."""
        runner, self._runner = self._runner, None
        if runner is not None and self._doors is not None:
            await runner.cleanup()
            self._doors.close()

    @web.middleware
    async def _explained(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """What no route answers is a problem document, but for whoever wants a page; so is a body
        that was cut before whoever reads it."""
        refusal: Exception
        try:
            return await handler(request)
        except web.RequestPayloadError as error:
            refusal = error
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed) as error:
            if "text/html" in request.headers.get("Accept", ""):
                raise
            refusal = Rejected(METHOD_NOT_FOUND, f"no {request.path[:200]}")
            if isinstance(error, web.HTTPMethodNotAllowed):
                allow = ", ".join(sorted(error.allowed_methods))
                refusal = Rejected(METHOD_NOT_ALLOWED, f"{request.path} knows {allow}", allow=allow)

        async def refused(_: web.Request) -> web.StreamResponse:
            raise refusal

        return await self._api.guarded(refused)(request)

    @web.middleware
    async def _in_time(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """A body that trickles in is cut: whoever reads it sees that it is not whole."""
        content = request.content
        if content.is_eof():
            return await handler(request)

        def cut() -> None:
            if not content.is_eof():
                content.set_exception(web.RequestPayloadError(f"not within {self._body_s} s"))

        timer = asyncio.get_running_loop().call_later(self._body_s, cut)
        try:
            return await handler(request)
        finally:
            timer.cancel()

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(body=b'{"alive":true}', content_type="application/json")

    async def _readyz(self, _: web.Request) -> web.Response:
        reasons = list(self._readiness())
        return web.Response(
            status=503 if reasons else 200,
            body=dump_json({"ready": not reasons, "reasons": reasons}),
            content_type="application/json",
        )

    async def _render_metrics(self, request: web.Request) -> web.StreamResponse:
        """For neighbours on the machine, or with a server key: figures tell a lot."""

        async def answer(_: web.Request) -> web.Response:
            if not is_here(self._api.guard.addresses.of_request(request)):
                self._api.caller(request, "admin")
            return web.Response(body=self._metrics.render(), headers={"Content-Type": CONTENT_TYPE})

        return await self._api.guarded(answer)(request)
