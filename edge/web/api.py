"""REST `/v1`: one handler for every route of the registry, and the token routes of the edge itself.

Rules:
1. Path, query and JSON body are merged into the route's shape; fields that the shape does not know
   are named in `ignored_fields` of the answer, never dropped silently.
2. The caller is a server key (`Authorization: Bearer <key>`, authority `server`) or a user's own
   connection token (authority `client`), and the same decide functions rule over both.
3. `Idempotency-Key` (1-255 bytes) becomes the command's cmid `key:<hash>`,
   which the log looks up in every hour it remembers, since such a key carries no time.
4. Every refusal is problem+json with a documented code.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import Any, Final

import msgspec
import msgspec.inspect
from aiohttp import web

from edge.auth import Auth
from edge.dispatch import WISHES, App, Dispatch, Reply
from edge.web.problems import problem
from hubbub.base.errors import (
    BAD_REQUEST,
    INTERNAL,
    METHOD_NOT_ALLOWED,
    METHOD_NOT_FOUND,
    PERMISSION_DENIED,
    TOO_LARGE,
    UNAUTHORIZED,
    LocalProtocolError,
    Rejected,
    RemoteProtocolError,
)
from hubbub.base.ids import IDEMPOTENCY_PREFIX
from hubbub.base.names import check_user
from hubbub.features.contract import Command, Registry, Route
from hubbub.runtime.logs import get_logger
from hubbub.wire.client_shapes import strip_line_breaks
from hubbub.wire.codec import convert, decode_json, dump_json, parse_json
from hubbub.wire.shapes import Viewer

Ask = Callable[[Reply], None]  # starts a request whose reply is waited for
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
TOKEN_TTL_S: Final = 24 * 3600
TOKEN_TTL_S_MAX: Final = 365 * 86_400
IDEMPOTENCY_KEY_BYTES_MAX: Final = 255
_OK, _CREATED = 200, 201
_NUMBER: Final = re.compile(r"-?[0-9]{1,18}")
_log = get_logger("edge")


class TokenRequest(msgspec.Struct, frozen=True):
    """POST /v1/tokens."""

    user: str
    ttl_s: int = TOKEN_TTL_S
    info: Any = None


class TokenAnswer(msgspec.Struct, frozen=True):
    """A connection token for a user (who is made if unknown)."""

    token: str
    user: str
    expires_in_s: int


_TOKENS: Final = Route(
    "POST",
    "/v1/tokens",
    TokenRequest,
    lambda _, __: _never(),
    TokenAnswer,
    doc="A connection token for a user, who is made if unknown.",
)


class _Made(msgspec.Struct, frozen=True):
    created: bool = True


class Api:
    """The `/v1` part of an edge's public port."""

    def __init__(
        self,
        registry: Registry,
        dispatch: Dispatch,
        auth: Auth,
        apps: dict[str, App],
        *,
        now_ms: Callable[[], int],
        entropy: Callable[[int], bytes],
        body_bytes_max: int,
    ) -> None:
        self._registry = registry
        self.dispatch = dispatch
        self._auth = auth
        self._apps = apps
        self._now_ms = now_ms
        self._entropy = entropy
        self._body_bytes_max = body_bytes_max
        rows = [*registry.routes, *self.own_rows()]
        self._paths = [(row.method, _pattern(row.path)) for row in rows]

    def routes(self) -> list[web.RouteDef]:
        """All routes for the server's table."""
        rows = [
            web.route(row.method, row.path, self.guarded(self._row(row)))
            for row in self._registry.routes
        ]
        rows.append(web.post("/v1/tokens", self.guarded(self._token)))
        rows.append(web.route("*", "/v1/{rest:.*}", self.guarded(self._nothing)))
        return rows

    def own_rows(self) -> list[Route]:
        """The routes that no feature has, for the document."""
        return [_TOKENS]

    # --- one request

    def guarded(self, handler: Handler) -> Handler:
        """A handler whose refusals become problem+json, with a request id on every answer."""

        async def answer(request: web.Request) -> web.StreamResponse:
            request_id = request.headers.get("X-Request-Id", "")[:64]
            if not request_id.isprintable() or not request_id:
                request_id = "req_" + self._entropy(6).hex()
            try:
                response = await handler(request)
            except Rejected as refusal:
                return _refused(refusal, request_id)
            except web.HTTPRequestEntityTooLarge:
                too_large = Rejected(TOO_LARGE, limit_bytes=self._body_bytes_max)
                return _refused(too_large, request_id)
            except web.HTTPException:
                raise
            except Exception:  # noqa: BLE001 - boundary: a bug is a problem document, too
                _log.error("rest.failed", path=request.path, request_id=request_id, exc_info=True)
                return _refused(Rejected(INTERNAL), request_id)
            response.headers["X-Request-Id"] = request_id
            return response

        return answer

    def _row(self, row: Route) -> Handler:
        fields = msgspec.structs.fields(row.shape)
        known = {field.encode_name for field in fields}
        numeric = {field.encode_name for field in fields if _is_numeric(field.type)}
        takes_body = row.method in ("POST", "PUT", "PATCH")

        async def handle(request: web.Request) -> web.StreamResponse:
            app, viewer = self.caller(request)
            params: dict[str, Any] = {
                name: _number(text) if name in numeric else text
                for name, text in request.query.items()
            }
            if takes_body:
                params.update(await self._raw_body(request))
            params.update(request.match_info)
            if takes_body and "cmid" in known:
                self._idempotency(request, params)
            ignored = sorted(set(params) - known - (frozenset() if takes_body else WISHES))
            answer = await self.ask(
                lambda reply: self.dispatch.route(row, params, app, viewer, reply)
            )
            if ignored and answer.startswith(b"{"):
                tail = b'"ignored_fields":' + dump_json(ignored) + b"}"
                answer = answer[:-1] + (b"," if len(answer) > 2 else b"") + tail
            status = row.status
            if status == _CREATED and not decode_json(answer, _Made).created:
                status = _OK  # it was there before
            return web.Response(status=status, body=answer, content_type="application/json")

        return handle

    async def ask(self, start: Ask) -> bytes:
        """Wait for a dispatch reply. The uplink answers every request within its own deadline."""
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def reply(refusal: Rejected | None, data: bytes) -> None:
            if future.done():
                return
            if refusal is not None:
                future.set_exception(refusal)
            else:
                future.set_result(data)

        start(reply)
        return await future

    def caller(self, request: web.Request) -> tuple[App, Viewer]:
        """Who asks: a server key or a user's token. Raises Rejected(UNAUTHORIZED)."""
        authorization = request.headers.get("Authorization", "")
        if not authorization:
            raise Rejected(UNAUTHORIZED, "Authorization: Bearer <server key or token> is needed")
        try:
            app = self._apps[self._auth.server_app(authorization)]
            return app, Viewer(user="", authority="server")
        except Rejected:
            if authorization.count(".") != 2:
                raise
        try:
            identity = self._auth.connection(authorization.partition(" ")[2].strip())
        except RemoteProtocolError:
            raise Rejected(UNAUTHORIZED, "bad token") from None
        info: dict[str, object] = {"user": identity.user, "client": ""}
        if identity.info:
            info["conn_info"] = parse_json(identity.info)
        return self._apps[identity.app], Viewer(user=identity.user, info=dump_json(info))

    async def _raw_body(self, request: web.Request) -> dict[str, msgspec.Raw]:
        """The body's members as they were written, but without line breaks."""
        if not await self._body(request):
            return {}
        return decode_json(strip_line_breaks(await request.read()), dict[str, msgspec.Raw])

    async def _body(self, request: web.Request) -> dict[str, Any]:
        """The body as JSON object."""
        if (request.content_length or 0) > self._body_bytes_max:
            raise Rejected(TOO_LARGE, limit_bytes=self._body_bytes_max)
        raw = await request.read()
        if len(raw) > self._body_bytes_max:
            raise Rejected(TOO_LARGE, limit_bytes=self._body_bytes_max)
        value = parse_json(raw) if raw else {}
        if not isinstance(value, dict):
            raise Rejected(BAD_REQUEST, "the body must be a JSON object")
        return value

    def _idempotency(self, request: web.Request, params: dict[str, Any]) -> None:
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return
        if not 1 <= len(key.encode(errors="surrogateescape")) <= IDEMPOTENCY_KEY_BYTES_MAX:
            raise Rejected(BAD_REQUEST, "an Idempotency-Key has 1-255 bytes")
        params["cmid"] = idempotency_cmid(key)

    async def _nothing(self, request: web.Request) -> web.StreamResponse:
        """What no row answers: the path is unknown, or knows other methods."""
        allowed = sorted({m for m, path in self._paths if path.fullmatch(request.path)})
        if not allowed:
            raise Rejected(METHOD_NOT_FOUND, f"no {request.path}")
        allow = ", ".join(allowed)
        raise Rejected(METHOD_NOT_ALLOWED, f"{request.path} knows {allow}", allow=allow)

    # --- tokens

    async def _token(self, request: web.Request) -> web.StreamResponse:
        app, viewer = self.caller(request)
        if viewer.authority != "server":
            raise Rejected(PERMISSION_DENIED, "tokens are issued to server keys only")
        body = await self._body(request)
        wanted = convert(body, TokenRequest)
        user = check_user(wanted.user)
        token = await self.issue(app, user, wanted.ttl_s, wanted.info)
        answer: dict[str, object] = {"token": token, "user": user, "expires_in_s": wanted.ttl_s}
        if ignored := sorted(set(body) - set(TokenRequest.__struct_fields__)):
            answer["ignored_fields"] = ignored
        return web.Response(body=dump_json(answer), content_type="application/json")

    async def issue(self, app: App, user: str, ttl_s: int, info: object = None) -> str:
        """A token for a user, who is made if unknown. Raises Rejected."""
        if not 1 <= ttl_s <= TOKEN_TTL_S_MAX:
            raise Rejected(BAD_REQUEST, f"ttl_s must be from 1 to {TOKEN_TTL_S_MAX}")
        ensure = self._registry.commands.get("user.ensure")
        if ensure is None:
            raise Rejected(INTERNAL, "no user feature")
        command = ensure(user=user)  # type: ignore[call-arg]
        system = Viewer(user=user, authority="system")
        await self.ask(lambda reply: self.dispatch.submit(command, app, system, reply))
        return self._auth.sign(app.name, user, now_ms=self._now_ms(), ttl_s=ttl_s, info=info)


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{\w+\\}", "[^{}/]+", re.escape(path)))


def _never() -> Command:
    raise LocalProtocolError("the edge answers this route itself")


def idempotency_cmid(key: str) -> str:
    """A key as a cmid that the log's dedup rows understand."""
    return (
        IDEMPOTENCY_PREFIX
        + blake2b(key.encode(errors="surrogateescape"), digest_size=16).hexdigest()
    )


def _refused(refusal: Rejected, request_id: str) -> web.Response:
    status, body, headers = problem(refusal, request_id)
    return web.Response(status=status, body=body, headers=headers)


def _is_numeric(kind: object) -> bool:
    """Whether a query parameter of this type is read as a number: every int, no string."""
    types = {row.__class__ for row in _alternatives(msgspec.inspect.type_info(kind))}
    return msgspec.inspect.IntType in types and msgspec.inspect.StrType not in types


def _alternatives(info: msgspec.inspect.Type) -> tuple[msgspec.inspect.Type, ...]:
    return info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)


def _number(text: str) -> int | str:
    return int(text) if _NUMBER.fullmatch(text) else text
