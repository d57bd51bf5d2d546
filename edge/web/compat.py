"""`POST /api/publish` and `/api/history` of the reference server (profile `centrifuge-compat`
only).

Source: client-protocol page 2.1 (what the SDKs' own suites call), header `X-API-Key`.
"""

from __future__ import annotations

import msgspec
from aiohttp import web

from edge.auth import Auth
from edge.dispatch import App
from edge.web.api import Api, Ask
from hubbub.base.errors import NOT_AVAILABLE, PERMISSION_DENIED, Rejected
from hubbub.base.names import check_channel
from hubbub.features.contract import QueryCall
from hubbub.model.server_keys import Scope
from hubbub.wire.codec import convert, parse_json
from hubbub.wire.reads import STREAM_HISTORY, StreamHistory
from hubbub.wire.shapes import Viewer

_SERVER = Viewer(user="", authority="server")


class _HistoryRequest(msgspec.Struct, frozen=True):
    channel: str
    limit: int = 0
    reverse: bool = False


class Compat:
    """The two routes; an app whose settings do not switch them on answers 108."""

    def __init__(self, api: Api, auth: Auth, apps: dict[str, App]) -> None:
        self._api = api
        self._auth = auth
        self._apps = apps

    def routes(self) -> list[web.RouteDef]:
        """Routes for the server's table."""
        return [
            web.post("/api/publish", self._api.guarded(self._publish)),
            web.post("/api/history", self._api.guarded(self._history)),
        ]

    async def _publish(self, request: web.Request) -> web.StreamResponse:
        app, body = self._app(request, "write"), await request.read()
        parse_json(body)
        await self._api.ask(_verb(self._api, "event.publish", body, app))
        return web.Response(body=b'{"result":{}}', content_type="application/json")

    async def _history(self, request: web.Request) -> web.StreamResponse:
        app = self._app(request, "read")
        wanted = convert(parse_json(await request.read()), _HistoryRequest)
        args = StreamHistory(limit=wanted.limit, reverse=wanted.reverse, subscribed=True)
        call = QueryCall(check_channel(wanted.channel), STREAM_HISTORY, args)
        page = await self._api.ask(
            lambda reply: self._api.dispatch.turned(call, app, _SERVER, reply)
        )
        return web.Response(body=b'{"result":' + page + b"}", content_type="application/json")

    def _app(self, request: web.Request, scope: Scope) -> App:
        holder = self._auth.server_key(f"Bearer {request.headers.get('X-API-Key', '')}")
        app = self._apps[holder.app]
        if not app.settings.compat_api:
            raise Rejected(NOT_AVAILABLE)
        if scope not in holder.scopes:
            raise Rejected(PERMISSION_DENIED, f"this key has no scope {scope}", scope=scope)
        return app


def _verb(api: Api, name: str, params: bytes, app: App) -> Ask:
    return lambda reply: api.dispatch.verb(name, params, app, _SERVER, reply)
