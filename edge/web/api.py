"""REST `/v1`: one handler for every route of the registry, and the token routes of the edge itself.

Rules:
1. Path, query and JSON body are merged into the route's shape; fields that the shape does not know
   are named in `ignored_fields` of the answer, never dropped silently.
2. The caller is a server key (`Authorization: Bearer <key>`, authority `server`) or a user's own
   connection token (authority `client`), and the same decide functions rule over both. What a key
   may ask for at all is its scopes' (model.server_keys). The root key asks `edge.web.apps` only.
3. `Idempotency-Key` (1-255 bytes) becomes the command's cmid `key:<hash>`,
   which the log looks up in every hour it remembers, since such a key carries no time.
4. Every refusal is problem+json with a documented code.
5. What stands around every answer is `edge.web.guard`'s; the pages of lists are `paging`'s.

Long because a request is followed from its header to its answer, alone or in a batch.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

import msgspec
import msgspec.inspect
from aiohttp import web

from edge.addresses import NO_PROXIES, Addresses
from edge.auth import Auth, KeyHolder
from edge.blocking import NOBODY, Blocked, scrub
from edge.dispatch import WISHES, Answered, App, Dispatch, Reply, Sealed
from edge.explaining import explained
from edge.ignored import known_fields, with_ignored
from edge.limits import Allowance, rates
from edge.nearest import nearest_path
from edge.origins import Origins
from edge.web.app_rows import APP_ROWS
from edge.web.apps import AppRoutes, require_scope
from edge.web.batch import Answer, BatchAnswer, BatchRequest, Held, Operation, parts, run_all
from edge.web.guard import RATE, REQUEST_ID, Guard, Handler, check_encoding
from edge.web.guests import GUESTS, Guests
from edge.web.idempotency import idempotency_cmid
from edge.web.links import KEY, ignored, listed, once
from edge.web.paging import CURSOR, Beside, pages_of
from edge.web.problems import policy_name, problem, rate_headers
from hubbub.base.errors import (
    BAD_REQUEST,
    GUEST_EXPIRED,
    INTERNAL,
    METHOD_NOT_ALLOWED,
    METHOD_NOT_FOUND,
    PERMISSION_DENIED,
    TOO_LARGE,
    UNAUTHORIZED,
    UNSUPPORTED_MEDIA,
    LocalProtocolError,
    Rejected,
    RemoteProtocolError,
)
from hubbub.base.names import APP_STREAM, check_user
from hubbub.base.numbers import read_number
from hubbub.base.units import SECOND_MS
from hubbub.coordinator.app_register import AppRegister
from hubbub.features.contract import Command, Nothing, QueryCall, Registry, Route
from hubbub.model.server_keys import Scope, scope_of
from hubbub.runtime.logs import get_logger
from hubbub.wire.client_shapes import strip_line_breaks
from hubbub.wire.codec import convert, decode_json, dump_json, encode_json, parse_json, shape_json
from hubbub.wire.shapes import Viewer

Ask = Callable[[Reply], None]  # starts a request whose reply is waited for
NO_ORIGINS: Final = Origins(())
TOKEN_TTL_S: Final = 24 * 3600
TOKEN_TTL_S_MAX: Final = 365 * 86_400
# JSON as it is called, and as programs call it that were told nothing (curl -d, most libraries).
MEDIA_TYPES: Final = frozenset(
    {
        "application/json",
        "application/x-www-form-urlencoded",
        "application/octet-stream",
        "text/plain",
    }
)
_OK, _CREATED = 200, 201
_NAMES: Final = re.compile(r"{(\w+)}")
_HOLDER: Final = web.RequestKey("holder", KeyHolder)
_BOOLEANS: Final = {"true": True, "false": False}
_log = get_logger("edge")


class TokenRequest(msgspec.Struct, frozen=True):
    """POST /v1/tokens."""

    user: str
    ttl_s: int = TOKEN_TTL_S
    info: Any = None


class TokenAnswer(msgspec.Struct, frozen=True):
    """A connection token for a user (who is made if unknown). `ttl_s`: how long it lives; a guest's
    ends when he does."""

    token: str
    user: str
    ttl_s: int


_TOKENS: Final = Route(
    "POST",
    "/v1/tokens",
    TokenRequest,
    lambda _, __: _never(),
    TokenAnswer,
    doc="A connection token for a user, who is made if unknown.",
)


_BATCH: Final = Route(
    "POST",
    "/v1/batch",
    BatchRequest,
    lambda _, __: _never(),
    BatchAnswer,
    doc="Up to 100 requests in one: in order for each channel, else at once.",
)


class LimitsRequest(msgspec.Struct, frozen=True):
    """GET /v1/limits."""


class Limit(msgspec.Struct, frozen=True, omit_defaults=True):
    """`per_s` on average, at most `burst` at once. `scope`: of whom it is counted. `policy`: as the
    headers call it. `remaining`, `reset_ms` (until it is full again): the caller's own, where this
    edge counts it."""

    bucket: str
    scope: str
    policy: str
    per_s: float
    burst: int
    remaining: int | None = None
    reset_ms: int | None = None


class LimitsAnswer(msgspec.Struct, frozen=True):
    """The rates of the caller's app; one that is switched off is not there."""

    limits: tuple[Limit, ...]


_LIMITS: Final = Route(
    "GET",
    "/v1/limits",
    LimitsRequest,
    lambda _, __: _never(),
    LimitsAnswer,
    doc="The rates that the caller's app allows.",
)


class _Row:
    """A route of the registry, and what is known of its parameters."""

    def __init__(self, route: Route) -> None:
        fields = msgspec.structs.fields(route.shape)
        self.route = route
        self.pattern = _pattern(route.path)
        names = _NAMES.findall(route.path)
        self.pages = pages_of(route, tuple(names))
        self.known = known_fields(route.shape) | ({CURSOR} if self.pages is not None else set())
        self.takes_body = route.method in ("POST", "PUT", "PATCH")
        self.scope = scope_of(route.method, route.path)
        self.is_read = "cmid" not in self.known  # what a command leaves behind has one
        self._readers = {field.encode_name: _reader(field.type) for field in fields}

    def prepare(self, params: dict[str, Any], key: str | None) -> list[str]:
        """Take the idempotency key among the parameters; the fields that mean nothing here.

        Raises Rejected(BAD_REQUEST)."""
        unknown = sorted(set(params) - self.known - (frozenset() if self.takes_body else WISHES))
        if key is not None and not self.is_read:
            params["cmid"] = idempotency_cmid(key)
        elif key is not None:
            unknown.append(KEY)
        return unknown

    def query(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Parameters of a query string; numbers and booleans where the shape has them.

        Raises Rejected(BAD_REQUEST) that says what each of them must be."""
        found, wrong = dict[str, Any](), dict[str, str]()
        for name, text in given.items():
            reader = self._readers.get(name, _text)
            found[name] = reader(text)
            if isinstance(found[name], str) and reader in _WORDS:
                wrong[f"#/{name}"] = _WORDS[reader]
        if wrong:
            rows = [{"pointer": at, "detail": why} for at, why in wrong.items()]
            text = "; ".join(f"{at[2:]} {why}" for at, why in wrong.items())
            raise explained(Rejected(BAD_REQUEST, text, errors=rows), found, self.route.shape)
        return found


def _asked_for(route: Route, params: Mapping[str, Any], viewer: Viewer) -> Viewer:
    """Whose reading it is: the caller's, or that of the user for whom a server key asks."""
    if viewer.authority != "server":
        return viewer
    user = params.get(route.behalf, "")
    if isinstance(user, msgspec.Raw):
        user = parse_json(bytes(user))
    return Viewer(user=check_user(user)) if user and isinstance(user, str) else viewer


class _User(msgspec.Struct, frozen=True):
    user: str


class _Blocks(msgspec.Struct, frozen=True):
    blocks: tuple[_User, ...]


class _Ensured(msgspec.Struct, frozen=True):
    guest_until_ms: int = 0


class _Made(msgspec.Struct, frozen=True):
    created: bool = True


class _Done(msgspec.Struct, frozen=True):
    status: int
    body: bytes
    beside: Beside | None = None


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
        blocked_of: Callable[[str, str], Blocked | None] = lambda _, __: NOBODY,
        register: AppRegister,
        origins: Origins = NO_ORIGINS,
        addresses: Addresses = NO_PROXIES,
    ) -> None:
        self._registry = registry
        self.dispatch = dispatch
        self._auth = auth
        self._apps = apps
        self._blocked_of = blocked_of  # (app, user), where a session of his knows
        self._now_ms = now_ms
        self._entropy = entropy
        self._body_bytes_max = body_bytes_max
        self.guard = Guard(self._stranger, entropy, body_bytes_max, origins, addresses)
        self._guests = Guests(self, apps, auth, addresses, now_ms, entropy)
        self._operator = AppRoutes(register, auth, apps, self.body, self._count, self._use, now_ms)
        self._rows = [_Row(row) for row in registry.routes]
        self._rows_like: dict[tuple[str, int], list[_Row]] = {}  # [M] a fifth of looking at all
        for row in self._rows:
            self._rows_like.setdefault(_likeness(row.route.path), []).append(row)
        self._paths = [(row.method, _pattern(row.path)) for row in self.own_rows()]
        self._paths += [(row.route.method, row.pattern) for row in self._rows]
        rows = [*self.own_rows(), *(row.route for row in self._rows)]
        self._templates = list(dict.fromkeys(row.path for row in rows))

    def routes(self) -> list[web.RouteDef]:
        """All routes for the server's table."""
        rows = [
            web.route(row.route.method, row.route.path, self.guarded(self._row(row)))
            for row in self._rows
        ]
        rows.append(web.post("/v1/tokens", self.guarded(self._token)))
        rows.append(web.post("/v1/guests", self.guarded(self._guests.make)))
        rows.append(web.post("/v1/batch", self.guarded(self._batch)))
        rows.append(web.get("/v1/limits", self.guarded(self._limits)))
        rows += [
            web.route(row.method, row.path, self.guarded(self._operator.handler(row)))
            for row in APP_ROWS
        ]
        rows.append(web.route("*", "/v1/{rest:.*}", self.guarded(self._nothing)))
        return rows

    def own_rows(self) -> list[Route]:
        """The routes that no feature has, for the document."""
        return [_TOKENS, GUESTS, _BATCH, _LIMITS, *APP_ROWS]

    # --- one request

    def guarded(self, handler: Handler) -> Handler:
        """A handler whose answers have all that `edge.web.guard` gives them."""
        return self.guard.guarded(handler)

    def _stranger(self, address: str, counts: bool) -> Allowance | None:
        app = self._apps.get(self._auth.default_app)
        if app is None:
            return None
        limits, now_ms = self.dispatch.limits, self._now_ms()
        if counts:
            return limits.rest(app.name, "address", address, app.settings, now_ms)
        return limits.left("rest", "address", app.name, address, app.settings, now_ms)

    def _row(self, row: _Row) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            app, viewer = self.caller(request, row.scope)
            params = row.query(once(request))
            if row.takes_body:
                params.update(await self._raw_body(request))
            elif request.body_exists and await request.read():
                raise Rejected(BAD_REQUEST, f"a {request.method} has no body: use the query")
            params.update(request.match_info)
            key = request.headers.get(KEY)
            done = await self._answer(row, params, key, app, viewer)
            return listed(request, done.status, done.body, done.beside)

        return handle

    async def _answer(
        self, row: _Row, params: dict[str, Any], key: str | None, app: App, viewer: Viewer
    ) -> _Done:
        """One request. Raises Rejected."""
        unknown = row.prepare(params, key)
        seal = None
        if row.pages is not None:
            seal = row.pages.seal(params, app.name, app.id_secret)
            params = row.pages.begin(params, seal, self._now_ms())
        blocked = NOBODY
        if row.is_read:
            blocked = await self._blocked(app, _asked_for(row.route, params, viewer))
        if blocked:
            viewer = msgspec.structs.replace(viewer, blocks=tuple(sorted(blocked)))
        try:
            answer = await self.ask(
                lambda reply: self.dispatch.route(row.route, params, app, viewer, reply)
            )
        except Rejected as refusal:
            raise explained(refusal, params, row.route.shape) from None
        if blocked:
            answer = scrub(answer, blocked)
        beside = None
        if row.pages is not None and seal is not None:
            answer, beside = row.pages.end(answer, params, seal, self._now_ms())
        return _Done(_status(row.route, answer), with_ignored(answer, unknown), beside)

    async def _blocked(self, app: App, viewer: Viewer) -> Blocked:
        """Whom the reader blocks: neither shown nor counted in what he reads. Raises Rejected."""
        if not viewer.user or app.settings.raw_user_streams:
            return NOBODY
        blocked = self._blocked_of(app.name, viewer.user)
        if blocked is None:  # no session of his is here
            found = await self.ask(
                lambda reply: self.dispatch.verb("block.list", b"", app, viewer, reply)
            )
            blocked = frozenset(row.user for row in decode_json(found, _Blocks).blocks)
        return blocked

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

    async def _use(self, app: App) -> bytes:
        """What an app has of users and channels. Raises Rejected."""
        call = QueryCall(APP_STREAM, "app.usage", Nothing())
        edge = Viewer(user="", authority="edge")
        return await self.ask(lambda reply: self.dispatch.ask(call, app, edge, reply))

    def caller(self, request: web.Request, scope: Scope | None) -> tuple[App, Viewer]:
        """Who asks: a server key that has this scope, or a user's token.

        Raises Rejected(UNAUTHORIZED | PERMISSION_DENIED | RATE_LIMITED)."""
        authorization = request.headers.get("Authorization", "")
        if not authorization:
            raise Rejected(UNAUTHORIZED, "Authorization: Bearer <server key or token> is needed")
        try:
            holder = self._auth.server_key(authorization)
        except Rejected:
            if self._auth.is_root(authorization):
                raise Rejected(PERMISSION_DENIED, "the root key is for /v1/apps only") from None
            if authorization.count(".") != 2:
                raise
        else:
            app, viewer = self._apps[holder.app], Viewer(user="", authority="server")
            request[_HOLDER] = holder
            self._count(request, app, viewer, holder)
            require_scope(holder, scope)
            return app, viewer
        try:
            identity = self._auth.connection(authorization.partition(" ")[2].strip())
        except RemoteProtocolError:
            raise Rejected(UNAUTHORIZED, "bad token") from None
        info: dict[str, object] = {"user": identity.user, "client": ""}
        if identity.info:
            info["conn_info"] = parse_json(identity.info)
        app = self._apps[identity.app]
        viewer = Viewer(user=identity.user, info=dump_json(info), guest=identity.guest)
        self._count(request, app, viewer)
        return app, viewer

    def _count(
        self, request: web.Request, app: App, viewer: Viewer, holder: KeyHolder | None = None
    ) -> None:
        """One request of the caller's. Raises Rejected(RATE_LIMITED)."""
        request.setdefault(RATE, {})
        scope, who = _counted(viewer, holder)
        left = self.dispatch.limits.rest(app.name, scope, who, app.settings, self._now_ms())
        if left is not None:
            request[RATE] = rate_headers(left)

    async def _raw_body(self, request: web.Request) -> dict[str, msgspec.Raw]:
        """The body's members as they were written, but without line breaks."""
        if not await self.body(request):
            return {}
        return decode_json(strip_line_breaks(await request.read()), dict[str, msgspec.Raw])

    async def body(self, request: web.Request) -> dict[str, Any]:
        """The body as JSON object."""
        check_encoding(request)
        if (request.content_length or 0) > self._body_bytes_max:
            raise Rejected(TOO_LARGE, limit_bytes=self._body_bytes_max)
        raw = await request.read()
        if raw and request.content_type not in MEDIA_TYPES:
            raise Rejected(UNSUPPORTED_MEDIA, f"not {request.content_type[:100]}")
        if len(raw) > self._body_bytes_max:
            raise Rejected(TOO_LARGE, limit_bytes=self._body_bytes_max)
        value = parse_json(raw) if raw else {}
        if not isinstance(value, dict):
            raise Rejected(BAD_REQUEST, "the body must be a JSON object")
        return value

    async def _nothing(self, request: web.Request) -> web.StreamResponse:
        """What no row answers: the path is unknown, or knows other methods."""
        allowed = self._methods(request.path)
        if not allowed:
            nearest = request.path.rstrip("/")
            if self._methods(nearest):
                raise Rejected(METHOD_NOT_FOUND, "without the slash at the end", nearest=nearest)
            nearest = nearest_path(request.path, self._templates)
            told = {"nearest": nearest} if nearest else {}
            raise Rejected(METHOD_NOT_FOUND, f"no {request.path}", **told)
        allow = ", ".join(allowed)
        if request.method == "OPTIONS":
            return web.Response(status=204, headers={"Allow": allow})
        raise Rejected(METHOD_NOT_ALLOWED, f"{request.path} knows {allow}", allow=allow)

    def _methods(self, path: str) -> list[str]:
        """What a path knows; empty if there is no such path."""
        found = {method for method, pattern in self._paths if pattern.fullmatch(path)}
        return sorted(found | ({"HEAD"} if "GET" in found else set()))

    # --- limits

    async def _limits(self, request: web.Request) -> web.StreamResponse:
        app, viewer = self.caller(request, None)
        own, who = _counted(viewer, request.get(_HOLDER))
        rows = []
        for bucket, scope, rate in rates(app.settings):
            if rate.is_off:
                continue
            row = Limit(bucket, scope, policy_name(bucket, scope), rate.per_s, rate.burst)
            if scope == own:
                left = self.dispatch.limits.left(
                    bucket, scope, app.name, who, app.settings, self._now_ms()
                )
                if left is not None:
                    row = msgspec.structs.replace(
                        row, remaining=left.remaining, reset_ms=left.reset_ms
                    )
            rows.append(row)
        answer = with_ignored(encode_json(LimitsAnswer(tuple(rows))), ignored(request, (), ()))
        return web.Response(body=answer, content_type="application/json")

    # --- many in one

    async def _batch(self, request: web.Request) -> web.StreamResponse:
        """Each operation counts as a request; the batch itself stands for its first one."""
        app, viewer = self.caller(request, None)
        body = await self._raw_body(request)
        batch = shape_json(encode_json(body), BatchRequest)
        runner = _Runner(self, request, app, viewer, batch.operations[0])
        unknown = ignored(request, body, known_fields(BatchRequest))
        answer = with_ignored(await run_all(batch.operations, runner), unknown)
        return web.Response(body=answer, content_type="application/json")

    def _find(
        self, wanted: Operation, holder: KeyHolder | None
    ) -> tuple[_Row, dict[str, Any], str | None]:
        """(row, its parameters, idempotency key) of an operation. Raises Rejected."""
        path, query = parts(wanted.path)
        allowed = []
        for row in self._rows_like.get(_likeness(path), ()):
            match = row.pattern.fullmatch(path)
            if match is None:
                continue
            if row.route.method == wanted.method:
                if holder is not None:
                    require_scope(holder, row.scope)
                params = row.query(query) | (dict(wanted.body) if row.takes_body else {})
                names = _NAMES.findall(row.route.path)
                params |= dict(zip(names, map(unquote, match.groups()), strict=True))
                return row, params, wanted.idempotency_key or None
            allowed.append(row.route.method)
        if allowed:
            allow = ", ".join(sorted(allowed))
            raise Rejected(METHOD_NOT_ALLOWED, f"{path} knows {allow}", allow=allow)
        raise Rejected(METHOD_NOT_FOUND, f"no {path[:200]} in a batch")

    # --- tokens

    async def _token(self, request: web.Request) -> web.StreamResponse:
        app, viewer = self.caller(request, "write")
        if viewer.authority != "server":
            raise Rejected(PERMISSION_DENIED, "tokens are issued to server keys only")
        body = await self.body(request)
        try:
            wanted = convert(body, TokenRequest)
            user = check_user(wanted.user)
            token, ttl_s = await self.issue(app, user, wanted.ttl_s, wanted.info)
        except Rejected as refusal:
            raise explained(refusal, body, TokenRequest) from None
        answer = encode_json(TokenAnswer(token, user, ttl_s))
        told = with_ignored(answer, ignored(request, body, known_fields(TokenRequest)))
        return web.Response(body=told, content_type="application/json")

    async def issue(self, app: App, user: str, ttl_s: int, info: object = None) -> tuple[str, int]:
        """A token for a user, who is made if unknown, and the seconds that it lives. Raises
        Rejected."""
        if not 1 <= ttl_s <= TOKEN_TTL_S_MAX:
            raise Rejected(BAD_REQUEST, f"ttl_s must be from 1 to {TOKEN_TTL_S_MAX}")
        self._auth.require_included(app.name, user)
        ensure = self._registry.commands.get("user.ensure")
        if ensure is None:
            raise Rejected(INTERNAL, "no user feature")
        command = ensure(user=user)  # type: ignore[call-arg]
        system = Viewer(user=user, authority="system")
        answer = await self.ask(lambda reply: self.dispatch.submit(command, app, system, reply))
        guest_until_ms = decode_json(answer, _Ensured).guest_until_ms
        return self.sign(app, user, ttl_s, info, guest_until_ms)

    def sign(
        self, app: App, user: str, ttl_s: int, info: object = None, guest_until_ms: int = 0
    ) -> tuple[str, int]:
        """A token and the seconds that it lives; of a guest it says so, and ends when he does.
        Raises Rejected."""
        now_ms = self._now_ms()
        if guest_until_ms:
            if guest_until_ms <= now_ms:
                raise Rejected(GUEST_EXPIRED)
            ttl_s = min(ttl_s, -(-(guest_until_ms - now_ms) // SECOND_MS))
        token = self._auth.sign(
            app.name,
            user,
            now_ms=now_ms,
            ttl_s=ttl_s,
            jti=self._entropy(12).hex(),
            info=info,
            guest=guest_until_ms > 0,
        )
        return token, ttl_s


class _Runner:
    """Runs the operations of one batch (edge.web.batch.Runner)."""

    def __init__(
        self, api: Api, request: web.Request, app: App, viewer: Viewer, first: Operation
    ) -> None:
        self._api = api
        self._request = request
        self._app = app
        self._viewer = viewer
        self._first = first  # the batch itself was counted for it
        self._holder = request.get(_HOLDER)

    def begin(self, operation: Operation) -> Held | Answer | None:
        try:
            if operation is not self._first:
                self._api._count(self._request, self._app, self._viewer, self._holder)
            return self._begin(operation)
        except Rejected as refusal:
            return self.refused(refusal, operation)
        except Exception:  # noqa: BLE001 - boundary: it costs this operation, not the batch
            return self._failed(operation)

    def _begin(self, operation: Operation) -> Held | None:
        row, params, key = self._api._find(operation, self._holder)
        if row.is_read or row.pages is not None:
            return None
        unknown = row.prepare(params, key)
        try:
            sealed = self._api.dispatch.sealed(row.route, params, self._app, self._viewer)
        except Rejected as refusal:
            raise explained(refusal, params, row.route.shape) from None
        if sealed is None:
            return None

        def finish(answered: Answered) -> Answer:
            refusal, data = answered
            try:
                if refusal is not None:
                    told = explained(refusal, params, row.route.shape)
                    return self.refused(told, operation)
                return _status(row.route, data), with_ignored(data, unknown)
            except Exception:  # noqa: BLE001 - boundary: it costs this operation, not the batch
                return self._failed(operation)

        return Held(sealed, finish)

    async def run(self, operation: Operation) -> Answer:
        try:
            row, params, key = self._api._find(operation, self._holder)
            done = await self._api._answer(row, params, key, self._app, self._viewer)
        except Rejected as refusal:
            return self.refused(refusal, operation)
        except Exception:  # noqa: BLE001 - boundary: it costs this operation, not the batch
            return self._failed(operation)
        return done.status, done.body

    async def leave(self, commands: Sequence[Sealed]) -> list[Answered]:
        future: asyncio.Future[list[Answered]] = asyncio.get_running_loop().create_future()

        def reply(answered: list[Answered]) -> None:
            if not future.done():
                future.set_result(answered)

        self._api.dispatch.leave(commands, self._app, reply)
        return await future

    def refused(self, refusal: Rejected, operation: Operation) -> Answer:
        status, answer, _ = problem(refusal, self._request[REQUEST_ID], operation.path)
        return status, answer

    def _failed(self, operation: Operation) -> Answer:
        request_id = self._request[REQUEST_ID]
        _log.error("rest.failed", path="/v1/batch", request_id=request_id, exc_info=True)
        return self.refused(Rejected(INTERNAL), operation)


def _status(route: Route, answer: bytes) -> int:
    """Of an answer that is no refusal."""
    if route.status == _CREATED and not decode_json(answer, _Made).created:
        return _OK  # it was there before
    return route.status


def _counted(viewer: Viewer, holder: KeyHolder | None) -> tuple[str, str]:
    """(scope, who) of a caller's own buckets."""
    return ("key", holder.id) if holder is not None else ("user", viewer.user)


def _pattern(path: str) -> re.Pattern[str]:
    """Matches a path; a group for each of its names."""
    return re.compile(re.sub(r"\\{\w+\\}", "([^{}/]+)", re.escape(path)))


def _likeness(path: str) -> tuple[str, int]:
    """What a path has in common with its row's: the word behind /v1/, and the number of steps."""
    return path[4:].partition("/")[0], path.count("/")


def _never() -> Command:
    raise LocalProtocolError("the edge answers this route itself")


def _reader(kind: object) -> Callable[[str], int | str]:
    """How a query parameter of this type is read: where a string may stand, as one."""
    types = {row.__class__ for row in _alternatives(msgspec.inspect.type_info(kind))}
    if msgspec.inspect.StrType in types:
        return _text
    if msgspec.inspect.IntType in types:
        return _number
    return _boolean if msgspec.inspect.BoolType in types else _text


def _alternatives(info: msgspec.inspect.Type) -> tuple[msgspec.inspect.Type, ...]:
    return info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)


def _text(text: str) -> str:
    return text


def _boolean(text: str) -> bool | str:
    return _BOOLEANS.get(text, text)


def _number(text: str) -> int | str:
    number = read_number(text)
    return text if number is None else number


_WORDS: Final[Mapping[Callable[[str], Any], str]] = {
    _number: "must be a whole number",
    _boolean: "must be true or false",
}
