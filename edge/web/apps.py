"""`/v1/apps`: the cluster's operator makes, changes and deletes apps and their server keys.

Rules:
1. The caller is the root key; an app's own key with the scope `admin` may look at its app and make
   and revoke its keys and its tokens' secrets. To everybody else each of these routes answers 403,
   whatever it names.
2. A secret is in the answer of what made it and nowhere else.
3. A change is answered when the coordinator has it; every edge and node follows within 2 s.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from aiohttp import web
from msgspec.structs import replace

from edge.auth import Auth, KeyHolder
from edge.cursors import Seal
from edge.dispatch import App
from edge.explaining import explained
from edge.ignored import with_ignored
from edge.web.app_rows import (
    CREATE,
    CREATE_KEY,
    CREATE_SECRET,
    DELETE,
    GET,
    KEYS,
    LIST,
    OWN_ROWS,
    REVOKE_KEY,
    REVOKE_SECRET,
    SECRETS,
    UPDATE,
    AppAnswer,
    AppRequest,
    AppsAnswer,
    AppsRequest,
    CreateApp,
    CreateKey,
    DeletedAnswer,
    KeyRequest,
    KeyRow,
    KeysAnswer,
    NewAppAnswer,
    NewKeyAnswer,
    NewSecretAnswer,
    OneApp,
    Revoked,
    SecretRequest,
    SecretRow,
    SecretsAnswer,
    UpdateApp,
)
from edge.web.guard import RATE
from edge.web.links import ignored, listed, once
from edge.web.paging import pages_of
from hubbub.base.errors import (
    BAD_REQUEST,
    INTERNAL,
    PERMISSION_DENIED,
    UNAUTHORIZED,
    Rejected,
    RemoteProtocolError,
)
from hubbub.base.numbers import read_number
from hubbub.coordinator.api import CoordinatorError
from hubbub.coordinator.app_register import AppRegister, keys_of, secrets_of
from hubbub.coordinator.records import AppRecord, TokenSecret
from hubbub.features.contract import Route
from hubbub.features.publication import rfc3339
from hubbub.model.server_keys import (
    LAST_CHARS,
    Scope,
    ServerKey,
)
from hubbub.model.usage import Usage
from hubbub.settings.profiles import effective
from hubbub.wire.codec import convert, decode_json, encode_json
from hubbub.wire.shapes import Viewer

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Body = Callable[[web.Request], Awaitable[dict[str, Any]]]
Use = Callable[[App], Awaitable[bytes]]
Count = Callable[[web.Request, App, Viewer, KeyHolder], None]
_SERVER: Final = Viewer(user="", authority="server")


class AppRoutes:
    """The handlers. Args: body, count: of the API, as every route has them. use: what a node says
    that an app has."""

    def __init__(
        self,
        register: AppRegister,
        auth: Auth,
        apps: dict[str, App],
        body: Body,
        count: Count,
        use: Use,
        now_ms: Callable[[], int],
    ) -> None:
        self._now_ms = now_ms
        self._register = register
        self._auth = auth
        self._apps = apps
        self._body = body
        self._count = count
        self._use = use
        self._answers: dict[Route, Callable[[dict[str, Any]], Awaitable[msgspec.Struct]]] = {
            CREATE: self._create,
            LIST: self._list,
            GET: self._get,
            UPDATE: self._update,
            DELETE: self._delete,
            KEYS: self._keys,
            CREATE_KEY: self._create_key,
            REVOKE_KEY: self._revoke_key,
            SECRETS: self._secrets,
            CREATE_SECRET: self._create_secret,
            REVOKE_SECRET: self._revoke_secret,
        }

    def handler(self, row: Route) -> Handler:
        """What answers a row."""
        known = set(row.shape.__struct_fields__)
        has_body = row.method in ("POST", "PATCH")
        pages = pages_of(row, ())
        run = self._answers[row]

        async def handle(request: web.Request) -> web.StreamResponse:
            self._check_caller(request, row)
            params: dict[str, Any] = once(request)
            if isinstance(limit := params.get("limit"), str):
                params["limit"] = _number("limit", limit)
            if isinstance(word := params.get("effective"), str):
                params["effective"] = {"true": True, "false": False}.get(word, word)
            if has_body:
                params.update(await self._body(request))
            params.update(request.match_info)
            unknown = ignored(request, params, known)
            seal = self._seal(row)
            if pages is not None:
                params = pages.begin(params, seal, self._now_ms())
            try:
                answer = encode_json(await run(params))
            except Rejected as refusal:
                raise explained(refusal, params, row.shape) from None
            except CoordinatorError:
                raise Rejected(INTERNAL, "the coordinator does not answer") from None
            beside = None
            if pages is not None:
                answer, beside = pages.end(answer, params, seal, self._now_ms())
            return listed(request, row.status, with_ignored(answer, unknown), beside)

        return handle

    def _seal(self, row: Route) -> Seal:
        """Of a list that is the cluster's: no app has its secret but the cluster's own."""
        app = self._apps.get(self._auth.default_app)
        return Seal("", app.id_secret if app is not None else b"", f"{row.method} {row.path}")

    def _check_caller(self, request: web.Request, row: Route) -> None:
        """Raises Rejected(UNAUTHORIZED | PERMISSION_DENIED | RATE_LIMITED)."""
        authorization = request.headers.get("Authorization", "")
        if self._auth.is_root(authorization):
            request[RATE] = {}  # nothing limits it
            return
        try:
            holder = self._auth.server_key(authorization)
        except Rejected:
            if authorization.count(".") != 2:
                raise
            self._check_token(authorization)
            raise Rejected(PERMISSION_DENIED, "the root key is needed") from None
        self._count(request, self._apps[holder.app], _SERVER, holder)
        if row not in OWN_ROWS or request.match_info.get("app") != holder.app:
            raise Rejected(PERMISSION_DENIED, "the root key is needed")
        require_scope(holder, "admin")

    def _check_token(self, authorization: str) -> None:
        try:
            self._auth.connection(authorization.partition(" ")[2].strip())
        except RemoteProtocolError:
            raise Rejected(UNAUTHORIZED, "bad token") from None

    # --- rows

    async def _create(self, params: dict[str, Any]) -> NewAppAnswer:
        asked = convert(params, CreateApp)
        made = await self._register.create(
            asked.app, asked.profile, asked.settings, asked.quotas, asked.scopes, asked.label
        )
        return NewAppAnswer(_shown(made.record), made.server_key, made.record.token_secret)

    async def _list(self, params: dict[str, Any]) -> AppsAnswer:
        asked = convert(params, AppsRequest)
        rows = [record for record in await self._register.living() if record.app > asked.cursor]
        page = rows[: asked.limit]
        following = page[-1].app if len(rows) > len(page) else ""
        return AppsAnswer(tuple(map(_shown, page)), following)

    async def _get(self, params: dict[str, Any]) -> AppAnswer:
        asked = convert(params, OneApp)
        record = await self._register.get(asked.app)
        shown = _shown(record)
        if asked.effective:
            shown = replace(shown, effective=effective(record.profile, record.changes))
        app = self._apps.get(shown.app)
        if app is None:  # a moment after it was made
            return shown
        try:
            return replace(shown, usage=decode_json(await self._use(app), Usage))
        except Rejected:  # whoever leads that slot is away: the rest is known all the same
            return shown

    async def _update(self, params: dict[str, Any]) -> AppAnswer:
        asked = convert(params, UpdateApp)
        return _shown(await self._register.change(asked.app, asked.settings, asked.quotas))

    async def _delete(self, params: dict[str, Any]) -> DeletedAnswer:
        record = await self._register.delete(convert(params, AppRequest).app)
        return DeletedAnswer(record.app, rfc3339(record.deleted_ms))

    async def _keys(self, params: dict[str, Any]) -> KeysAnswer:
        record = await self._register.get(convert(params, AppRequest).app)
        return KeysAnswer(tuple(map(_key, keys_of(record))))

    async def _create_key(self, params: dict[str, Any]) -> NewKeyAnswer:
        asked = convert(params, CreateKey)
        text, key = await self._register.create_key(asked.app, asked.scopes, asked.label)
        return NewKeyAnswer(_key(key), text)

    async def _revoke_key(self, params: dict[str, Any]) -> Revoked:
        asked = convert(params, KeyRequest)
        await self._register.revoke_key(asked.app, asked.key)
        return Revoked()

    async def _secrets(self, params: dict[str, Any]) -> SecretsAnswer:
        record = await self._register.get(convert(params, AppRequest).app)
        return SecretsAnswer(tuple(map(_secret, secrets_of(record))))

    async def _create_secret(self, params: dict[str, Any]) -> NewSecretAnswer:
        made = await self._register.create_secret(convert(params, AppRequest).app)
        return NewSecretAnswer(_secret(made), made.secret)

    async def _revoke_secret(self, params: dict[str, Any]) -> Revoked:
        asked = convert(params, SecretRequest)
        await self._register.revoke_secret(asked.app, asked.secret)
        return Revoked()


def require_scope(holder: KeyHolder, scope: Scope | None) -> None:
    """Raises Rejected(PERMISSION_DENIED) if the key does not have the scope."""
    if scope is not None and scope not in holder.scopes:
        raise Rejected(PERMISSION_DENIED, f"this key has no scope {scope}", scope=scope)


def _shown(record: AppRecord) -> AppAnswer:
    return AppAnswer(
        record.app,
        _time(record.created_ms),
        record.profile,
        record.changes,
        record.quotas,
        tuple(map(_key, keys_of(record))),
    )


def _key(key: ServerKey) -> KeyRow:
    return KeyRow(key.id, key.scopes, key.label, key.last, _time(key.created_ms))


def _secret(one: TokenSecret) -> SecretRow:
    return SecretRow(one.id, one.secret[-LAST_CHARS:], _time(one.created_ms))


def _time(ms: int) -> str:
    """Empty for what is older than this field."""
    return rfc3339(ms) if ms else ""


def _number(name: str, text: str) -> int:
    number = read_number(text)
    if number is None:
        raise Rejected(BAD_REQUEST, f"{name} must be a whole number", field=name)
    return number
