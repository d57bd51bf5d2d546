"""`POST /api/publish` and `/api/history` of the reference server (profile `centrifuge-compat` only).

Source: client-protocol page 2.1 (what the SDKs' own suites call), header `X-API-Key`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from hubbub.base.errors import BAD_REQUEST, NOT_AVAILABLE, Rejected
from hubbub.base.names import check_channel
from hubbub.features.contract import QueryCall, Registry
from hubbub.wire.codec import convert, decode_json, parse_json, raw_json
from hubbub.wire.shapes import Viewer

from edge.auth import Auth
from edge.dispatch import App, Reply
from edge.web.api import Api


class PublishRequest(msgspec.Struct, frozen=True):
    """POST /api/publish."""

    channel: str
    data: Any = None


class HistoryRequest(msgspec.Struct, frozen=True):
    """POST /api/history."""

    channel: str
    limit: int = 0
    reverse: bool = False


class Compat:
    """The two routes, for apps whose settings switch them on."""

    def __init__(self, api: Api, auth: Auth, apps: dict[str, App], registry: Registry) -> None:
        self._api = api
        self._auth = auth
        self._apps = apps
        self._registry = registry

    def routes(self) -> list[web.RouteDef]:
        """Routes for the server's table."""
        return [
            web.post("/api/publish", self._api.guarded(self._publish)),
            web.post("/api/history", self._api.guarded(self._history)),
        ]

    async def _publish(self, request: web.Request) -> web.StreamResponse:
        app = self._app(request)
        wanted = convert(parse_json(await request.read()), PublishRequest)
        if wanted.data is None:
            raise Rejected(BAD_REQUEST, "data is needed")
        command = self._registry.commands["event.publish"]
        action = command(  # type: ignore[call-arg]
            channel=check_channel(wanted.channel), data=raw_json(wanted.data)
        )
        await self._ask(lambda reply: self._api.dispatch.submit(action, app, _SERVER, reply))
        return web.json_response({"result": {}})

    async def _history(self, request: web.Request) -> web.StreamResponse:
        app = self._app(request)
        wanted = convert(parse_json(await request.read()), HistoryRequest)
        args = self._api.stream_history(wanted.limit, None, wanted.reverse)
        call = QueryCall(check_channel(wanted.channel), "stream.history", args)
        answer = await self._ask(lambda reply: self._api.dispatch.turned(call, app, _SERVER, reply))
        return web.json_response({"result": decode_json(answer, dict[str, Any])})

    async def _ask(self, start: Callable[[Reply], None]) -> bytes:
        return await self._api.ask(start)

    def _app(self, request: web.Request) -> App:
        app = self._apps[self._auth.api_key_app(request.headers.get("X-API-Key", ""))]
        if not app.settings.compat_api:
            raise Rejected(NOT_AVAILABLE)
        return app


_SERVER = Viewer(user="", authority="server")
