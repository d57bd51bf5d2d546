"""`POST /v1/guests`: a guest and his token in one request, for a server key or for anybody.

Rules (features.guests):
1. The app's `guests` says who may. Without a key the address is counted, the id is drawn here, and
   nothing is taken that a token vouches for (`user`, `info`). `app`: of whom; absent: the default.
2. The token lives as long as the guest, unless `token_ttl_s` says less. A server key gets further
   ones for him at `/v1/tokens`.
3. With a server key an `Idempotency-Key` draws the id: asked again, it is the same guest.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from hashlib import blake2b
from typing import Any, Final, Protocol

import msgspec
from aiohttp import web

from edge.addresses import Addresses
from edge.auth import Auth
from edge.dispatch import App, Dispatch, Reply
from edge.explaining import explained
from edge.ignored import known_fields, with_ignored
from edge.web.idempotency import idempotency_cmid
from hubbub.base.errors import (
    BAD_REQUEST,
    NOT_AVAILABLE,
    PERMISSION_DENIED,
    UNAUTHORIZED,
    LocalProtocolError,
    Rejected,
)
from hubbub.base.names import check_user
from hubbub.features.contract import Command, Route
from hubbub.features.publication import rfc3339
from hubbub.model.server_keys import Scope
from hubbub.wire.codec import convert, decode_json, dump_json, encode_json
from hubbub.wire.shapes import Viewer

_SYSTEM: Final = Viewer(user="", authority="system")


class GuestRequest(msgspec.Struct, frozen=True):
    """POST /v1/guests. `user`, `info`: with a server key. `ttl_s`: how long he is one, by the app's
    `guest_ttl_s`; without a key at most that."""

    user: str = ""
    name: str = ""
    avatar: str = ""
    data: Any = None
    ttl_s: int = 0
    token_ttl_s: int = 0
    info: Any = None
    app: str = ""


class _Made(msgspec.Struct, frozen=True):
    guest_until_ms: int


class GuestAnswer(msgspec.Struct, frozen=True):
    """The guest, until when he is one, and a token for him."""

    user: str
    token: str
    token_ttl_s: int
    guest_until: str


def _never() -> Command:
    raise LocalProtocolError("the edge answers this route itself")


GUESTS: Final = Route(
    "POST",
    "/v1/guests",
    GuestRequest,
    lambda _, __: _never(),
    GuestAnswer,
    status=201,
    doc="A guest: a user for a time, with less rights, and his token.",
)


class Front(Protocol):
    """What every route of `/v1` has in common (edge.web.api)."""

    dispatch: Dispatch

    def caller(self, request: web.Request, scope: Scope | None) -> tuple[App, Viewer]:
        """Who asks, with which rights. Raises Rejected."""
        ...

    def body(self, request: web.Request) -> Awaitable[dict[str, Any]]:
        """The body as a JSON object. Raises Rejected."""
        ...

    def ask(self, start: Callable[[Reply], None]) -> Awaitable[bytes]:
        """What a request of the edge's own is answered. Raises Rejected."""
        ...

    def sign(
        self, app: App, user: str, ttl_s: int, info: object = None, guest_until_ms: int = 0
    ) -> tuple[str, int]:
        """A token and the seconds that it lives. Raises Rejected."""
        ...


class Guests:
    """The route. Args: apps: by name."""

    def __init__(
        self,
        front: Front,
        apps: Mapping[str, App],
        auth: Auth,
        addresses: Addresses,
        now_ms: Callable[[], int],
        entropy: Callable[[int], bytes],
    ) -> None:
        self._front = front
        self._apps = apps
        self._auth = auth
        self._addresses = addresses
        self._now_ms = now_ms
        self._entropy = entropy

    async def make(self, request: web.Request) -> web.Response:
        """Answer one request. Raises Rejected."""
        has_key = bool(request.headers.get("Authorization"))
        app = self._app_of_key(request) if has_key else None
        body = await self._front.body(request)
        try:
            return await self._made(request, app, body)
        except Rejected as refusal:
            raise explained(refusal, body, GuestRequest) from None

    async def _made(
        self, request: web.Request, app: App | None, body: Mapping[str, Any]
    ) -> web.Response:
        """`app`: of the request's server key."""
        has_key = app is not None
        wanted = convert(body, GuestRequest)
        if app is None:
            app = self._open_app(wanted, self._addresses.of_request(request))
        ttl_s = wanted.ttl_s or app.settings.guest_ttl_s
        for name, seconds in (("ttl_s", ttl_s), ("token_ttl_s", wanted.token_ttl_s)):
            if seconds < 0:
                raise Rejected(BAD_REQUEST, f"{name} is at least 1")
        if not has_key and ttl_s > app.settings.guest_ttl_s:
            raise Rejected(BAD_REQUEST, f"ttl_s is at most {app.settings.guest_ttl_s} here")
        user, cmid = self._id(wanted, request if has_key else None)
        fields: dict[str, object] = {"user": user, "ttl_s": ttl_s, "cmid": cmid}
        fields |= {"name": wanted.name, "avatar": wanted.avatar}
        if wanted.data is not None:
            fields["data"] = msgspec.Raw(dump_json(wanted.data))
        self._auth.require_included(app.name, user)
        made = await self._front.ask(
            lambda reply: self._front.dispatch.send("guest.create", fields, app, _SYSTEM, reply)
        )
        until_ms = decode_json(made, _Made).guest_until_ms
        asked_s = wanted.token_ttl_s or ttl_s
        token, token_ttl_s = self._front.sign(app, user, asked_s, wanted.info, until_ms)
        answer = encode_json(GuestAnswer(user, token, token_ttl_s, rfc3339(until_ms)))
        unknown = sorted({*body, *request.query} - known_fields(GuestRequest))
        return web.Response(
            status=GUESTS.status,
            body=with_ignored(answer, unknown),
            content_type="application/json",
        )

    def _app_of_key(self, request: web.Request) -> App:
        app, viewer = self._front.caller(request, "write")
        if viewer.authority != "server":
            raise Rejected(PERMISSION_DENIED, "guests are made by server keys, or without a token")
        if app.settings.guests == "nobody":
            raise Rejected(NOT_AVAILABLE, "this app has no guests")
        return app

    def _open_app(self, wanted: GuestRequest, address: str) -> App:
        """The app in which anybody becomes a guest; which others there are is not told."""
        app = self._apps.get(wanted.app or self._auth.default_app)
        if app is None or app.settings.guests != "open":
            raise Rejected(UNAUTHORIZED, "Authorization: Bearer <server key> is needed")
        if wanted.user or wanted.info is not None:
            raise Rejected(PERMISSION_DENIED, "user and info are for server keys")
        self._front.dispatch.limits.guest(app.name, address, app.settings, self._now_ms())
        return app

    def _id(self, wanted: GuestRequest, keyed: web.Request | None) -> tuple[str, str]:
        """(user, cmid): the id that was given, or one that nobody guesses."""
        key = keyed.headers.get("Idempotency-Key") if keyed is not None else None
        cmid = idempotency_cmid(key) if key is not None else ""
        if wanted.user:
            return check_user(wanted.user), cmid
        drawn = cmid.encode() or self._entropy(16)
        return "guest-" + blake2b(drawn, digest_size=12).hexdigest(), cmid
