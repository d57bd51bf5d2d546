"""Who is it: connection tokens, subscription tokens, server keys, revocations. Sole owner of jwt.

Rules:
1. A key belongs to one app and one algorithm; the algorithm in a token's header is never believed
   further than to find that it is the key's own. So `none` and key confusion have no way in.
2. A token's app is that of the key its `kid` names, without `kid` the default app's; an `app` claim
   must agree. `aud` is refused unless it names this app.
3. HS256 secrets are at least `token_secret_bytes_min` long. An app has up to two at a time, with
   ids; a token says nothing of which, both are tried. The edge signs with the newer one once every
   edge knows it. When one is gone, so are the tokens that it signed (`is_revoked`).
4. Revocations come from the `@app` stream and are compared with the token's `iat`; so does who is
   excluded from an app (features.exclusions).
5. Server keys are kept as hashes (model.server_keys) and have scopes; the one that an app was made
   with by `hubbub up` is kept as it is and has all of them.
6. A header that was accepted is not read again (`repeated_tokens`); everything else of a token is.

Long because connection tokens, subscription tokens and server keys are read with the same keys.

Outcome for a connection: bad token = close 3500, expired = error 109. For a subscription: bad =
error 103, expired = 109, of another user, channel or connection = close 3500. Source:
client-protocol page 1.12; RFC 7515, 7518, 7519, 8725.
"""

from __future__ import annotations

import base64
import hmac
import warnings
from collections.abc import Sequence
from math import isnan
from typing import Any, Final

import jwt
import msgspec
from jwt.warnings import InsecureKeyLengthWarning

from edge.repeated_tokens import RepeatedTokens
from hubbub.base.errors import (
    CLOSE_BANNED,
    CLOSE_DEACTIVATED,
    INVALID_TOKEN,
    PERMISSION_DENIED,
    TOKEN_EXPIRED,
    UNAUTHORIZED,
    USER_BANNED,
    USER_DEACTIVATED,
    CloseCode,
    Rejected,
    RemoteProtocolError,
)
from hubbub.base.names import check_user
from hubbub.base.units import SECOND_MS
from hubbub.model.server_keys import SCOPES, Scope, ServerKey, id_in, is_key
from hubbub.runtime.clock import Clock, SystemClock
from hubbub.wire.codec import encode_json, parse_json

ALGORITHMS: Final = ("HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "EdDSA")
# Edges follow the records within 2 s: so old, a secret is known to all of them.
SETTLED_MS: Final = 10 * SECOND_MS
TTL_S_MAX: Final = 365 * 86_400  # an `exp` further away is read as this far
TOKEN_BYTES_MAX: Final = 16_384
CLAIM_CHANNELS_MAX: Final = 128
TIME_S_MAX: Final = 253_402_300_799  # of a claim: the end of year 9999
_BAD: Final = (jwt.PyJWTError, ValueError, RecursionError, Rejected)

# A short secret is refused by our own rule, which has one named exception (a profile's setting).
warnings.filterwarnings("ignore", category=InsecureKeyLengthWarning)


class TokenKey(msgspec.Struct, frozen=True):
    """A key that signs tokens of one app: a secret (HS*) or a public key in PEM. `id`: of a secret
    that can be revoked, made at `since_ms`."""

    app: str
    algorithm: str
    key: str
    kid: str = ""
    id: str = ""
    since_ms: int = 0


class Identity(msgspec.Struct, frozen=True):
    """A verified connection token. Times in ms; 0 = never. `info` is JSON or empty."""

    app: str
    user: str
    expires_ms: int = 0
    issued_ms: int = 0
    info: bytes = b""
    jti: str = ""
    channels: tuple[str, ...] = ()
    device: str = ""
    guest: bool = False
    secret: str = ""  # the id of what signed it


class SubscriptionGrant(msgspec.Struct, frozen=True):
    """A verified subscription token."""

    expires_ms: int = 0
    info: bytes = b""


class KeyHolder(msgspec.Struct, frozen=True):
    """Whose server key it is, and what it opens. `id`: empty for the first key of `hubbub up`."""

    app: str
    id: str
    scopes: tuple[Scope, ...]


class Expired(Exception):
    """The token was good once."""


class Auth:
    """Keys of all apps of this cluster, and what was revoked."""

    def __init__(self, default_app: str, clock: Clock | None = None) -> None:
        self.default_app = default_app
        self._clock = clock or SystemClock()
        self._keys: dict[str, tuple[TokenKey, ...]] = {}  # by kid; "" is the default app's
        self._secrets: set[tuple[str, str]] = set()  # (app, id) that are active
        self._repeated = RepeatedTokens()
        self._server_keys: dict[str, str] = {}  # app → key
        self._hashed: dict[str, tuple[str, ServerKey]] = {}  # by key id: (app, key)
        self.root_key_hash = ""
        self._revoked_users: dict[tuple[str, str], int] = {}
        self._revoked_tokens: set[tuple[str, str]] = set()
        self._deactivated: set[tuple[str, str]] = set()
        self._banned_ms: dict[tuple[str, str], int] = {}

    def set_app(
        self,
        app: str,
        server_key: str,
        keys: list[TokenKey],
        server_keys: Sequence[ServerKey] = (),
    ) -> bool:
        """The keys of one app, in place of those before. The key without `kid` counts only for
        the default app; every app's first key, and its secrets, are also known under the kid
        `<app>`, whatever others call theirs. Returns whether a secret is gone.

        Raises ValueError for a kid of another app: no app speaks for another."""
        added: dict[str, tuple[TokenKey, ...]] = {}
        for number, key in enumerate(keys):
            if key.algorithm not in ALGORITHMS:
                raise ValueError(f"token key: algorithm {key.algorithm!r} is not supported")
            if number == 0 or key.id:
                added[app] = (*added.get(app, ()), key)
                if app == self.default_app:
                    added[""] = added[app]
            if key.kid:
                known = self._keys.get(key.kid)
                if known is not None and known[0].app != app:
                    raise ValueError(f"token key: kid {key.kid!r} belongs to another app")
                added[key.kid] = (key,)
        secrets = {(app, key.id) for key in keys if key.id}
        gone = {at for at in self._secrets if at[0] == app} - secrets
        self.remove_app(app)
        self._secrets |= secrets
        self._keys |= added
        if server_key:
            self._server_keys[app] = server_key
        self._hashed |= {key.id: (app, key) for key in server_keys}
        return bool(gone)

    def remove_app(self, app: str) -> None:
        """None of its keys opens anything, and no token is one of its."""
        self._repeated.forget()
        self._keys = {kid: keys for kid, keys in self._keys.items() if keys[0].app != app}
        self._secrets = {at for at in self._secrets if at[0] != app}
        self._server_keys.pop(app, None)
        self._hashed = {id: row for id, row in self._hashed.items() if row[0] != app}

    def server_key(self, authorization: str) -> KeyHolder:
        """Whose a `Bearer <server key>` header is. Raises Rejected(UNAUTHORIZED)."""
        given = _bearer(authorization)
        if given:
            app, kept = self._hashed.get(id_in(given), ("", None))
            if kept is not None and is_key(given, kept.hash):
                return KeyHolder(app, kept.id, kept.scopes)
            for app, key in self._server_keys.items():
                if hmac.compare_digest(given.encode(), key.encode()):
                    return KeyHolder(app, "", SCOPES)
            raise Rejected(UNAUTHORIZED, "no app has this server key (any more)")
        raise Rejected(UNAUTHORIZED, "a server key is needed: Authorization: Bearer …")

    def server_app(self, authorization: str) -> str:
        """The app of a `Bearer <server key>` header. Raises Rejected(UNAUTHORIZED)."""
        return self.server_key(authorization).app

    def is_root(self, authorization: str) -> bool:
        """Whether a `Bearer` header is the cluster's root key."""
        return is_key(_bearer(authorization), self.root_key_hash)

    def revoke_user(self, app: str, user: str, before_ms: int) -> None:
        """Refuse the user's tokens that were issued before that time."""
        at = (app, user)
        self._revoked_users[at] = max(self._revoked_users.get(at, 0), before_ms)

    def revoke_token(self, app: str, jti: str) -> None:
        """Refuse one token."""
        self._revoked_tokens.add((app, jti))

    def exclude_user(self, app: str, user: str, deactivated: bool, banned_ms: int) -> None:
        """How it stands with a user of an app. `banned_ms`: the end of his ban, 0 for none."""
        at = (app, user)
        if deactivated:
            self._deactivated.add(at)
        else:
            self._deactivated.discard(at)
        if banned_ms > self._clock.wall_ms():
            self._banned_ms[at] = banned_ms
        else:
            self._banned_ms.pop(at, None)

    def include_all(self, app: str) -> None:
        """Forget who was excluded: the app's snapshot tells all again."""
        self._deactivated = {at for at in self._deactivated if at[0] != app}
        self._banned_ms = {at: ms for at, ms in self._banned_ms.items() if at[0] != app}

    def excluded(self, app: str, user: str) -> CloseCode | None:
        """Why sessions of this user are closed, if they are."""
        at = (app, user)
        if at in self._deactivated:
            return CLOSE_DEACTIVATED
        banned_ms = self._banned_ms.get(at)
        if banned_ms is None:
            return None
        if banned_ms <= self._clock.wall_ms():
            del self._banned_ms[at]
            return None
        return CLOSE_BANNED

    def require_included(self, app: str, user: str) -> None:
        """Raises Rejected(USER_DEACTIVATED | USER_BANNED)."""
        close = self.excluded(app, user)
        if close is CLOSE_DEACTIVATED:
            raise Rejected(USER_DEACTIVATED)
        if close is CLOSE_BANNED:
            raise Rejected(USER_BANNED)

    def is_revoked(
        self, app: str, user: str, issued_ms: int, jti: str = "", secret: str = ""
    ) -> bool:
        """Whether a token was revoked, or the secret that signed it. One without `iat` falls under
        any revocation of its user."""
        if secret and (app, secret) not in self._secrets:
            return True
        if jti and (app, jti) in self._revoked_tokens:
            return True
        return issued_ms < self._revoked_users.get((app, user), 0)

    def sign(
        self,
        app: str,
        user: str,
        *,
        now_ms: int,
        ttl_s: int,
        jti: str,
        info: object = None,
        guest: bool = False,
    ) -> str:
        """A connection token of the app's newest secret that every edge knows, else of its oldest.
        Raises ValueError if it cannot sign."""
        keys = [key for key in self._keys.get(app, ()) if key.algorithm.startswith("HS")]
        if not keys:
            raise ValueError(f"app {app} signs its tokens itself")
        settled = [key for key in keys if key.since_ms + SETTLED_MS <= now_ms]
        key = settled[-1] if settled else keys[0]
        now_s = now_ms // SECOND_MS
        # `iat` with its fraction: a token made right after a revocation must not share its second
        claims: dict[str, Any] = {"sub": user, "iat": now_ms / SECOND_MS, "exp": now_s + ttl_s}
        claims["jti"] = jti  # by which a device's removal, or an operator, ends this one token
        if info is not None:
            claims["info"] = info
        if guest:
            claims["guest"] = True
        headers = {"kid": app} if app != self.default_app else None
        return jwt.encode(claims, key.key, algorithm=key.algorithm, headers=headers)

    def connection(self, token: str) -> Identity:
        """The identity in a connection token.

        Raises RemoteProtocolError(INVALID_TOKEN) or Rejected(TOKEN_EXPIRED, USER_DEACTIVATED,
        USER_BANNED; BAD_REQUEST: its info is no JSON).
        """
        try:
            key, claims = self._claims(token)
            app = key.app
            if "channel" in claims:
                raise ValueError("a subscription token is no connection token")
            identity = _identity(key, claims)
        except Expired:
            raise Rejected(TOKEN_EXPIRED) from None
        except _BAD as error:
            raise RemoteProtocolError(INVALID_TOKEN, str(error)) from None
        if self.is_revoked(app, identity.user, identity.issued_ms, identity.jti):
            raise RemoteProtocolError(INVALID_TOKEN, "revoked")
        self.require_included(app, identity.user)
        _check_info(identity.info)
        return identity

    def subscription(
        self, token: str, *, app: str, user: str, channel: str, client: str
    ) -> SubscriptionGrant:
        """What a subscription token grants.

        Raises Rejected(PERMISSION_DENIED | TOKEN_EXPIRED) or RemoteProtocolError(INVALID_TOKEN)
        when it was made for somebody or something else.
        """
        try:
            key, claims = self._claims(token)
            grant = SubscriptionGrant(_expiry(claims), _info(claims))
            _check_info(grant.info)
        except Expired:
            raise Rejected(TOKEN_EXPIRED) from None
        except _BAD:
            raise Rejected(PERMISSION_DENIED, "bad subscription token") from None
        wanted_client = claims.get("client") or client
        given = (key.app, claims.get("sub") or "", claims.get("channel"), wanted_client)
        if given != (app, user, channel, client):
            raise RemoteProtocolError(INVALID_TOKEN, "the token is for another subscription")
        return grant

    def _claims(self, token: str) -> tuple[TokenKey, dict[str, Any]]:
        if not token or len(token) > TOKEN_BYTES_MAX:
            raise ValueError("token size")
        repeated = self._repeated.claims(token, self._clock.wall_ms())
        if repeated is not None:
            (number, _, kid), claims = repeated[0].partition(":"), repeated[1]
            key = self._keys[kid][int(number)]
        else:
            key, claims = self._checked(token)
        audience = claims.get("aud")
        if audience is not None and key.app not in (
            audience if isinstance(audience, list) else [audience]
        ):
            raise ValueError("aud names another app")
        if claims.get("app", key.app) != key.app:
            raise ValueError("app names another app")
        return key, claims

    def _checked(self, token: str) -> tuple[TokenKey, dict[str, Any]]:
        """The full check of signature and times."""
        kid = jwt.get_unverified_header(token).get("kid", "")
        keys = self._keys.get(kid, ()) if isinstance(kid, str) else ()
        wrong: jwt.PyJWTError | ValueError = ValueError("unknown key")
        for number, key in enumerate(keys):
            try:
                claims: dict[str, Any] = jwt.decode(
                    token,
                    key.key,
                    algorithms=[key.algorithm],
                    options={"verify_aud": False, "verify_sub": False, "verify_iat": False},
                )
            except jwt.ExpiredSignatureError:
                raise Expired from None
            except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError) as error:
                wrong = error  # perhaps the app's other secret
                continue
            self._repeated.accepted(token, f"{number}:{kid}", key.algorithm, key.key)
            return key, claims
        raise wrong


def _bearer(authorization: str) -> str:
    """What a header bears; empty if it is another kind, or no ASCII as all keys are."""
    scheme, _, given = authorization.partition(" ")
    return given.strip() if scheme.lower() == "bearer" and given.isascii() else ""


def _identity(key: TokenKey, claims: dict[str, Any]) -> Identity:
    user = claims.get("sub", "")
    if not isinstance(user, str):
        raise ValueError("sub must be a string")
    if user:
        check_user(user)
    channels = claims.get("channels") or ()
    if not isinstance(channels, list | tuple) or not all(isinstance(c, str) for c in channels):
        raise ValueError("channels must be a list of names")
    return Identity(
        app=key.app,
        user=user,
        expires_ms=_expiry(claims),
        issued_ms=_ms(claims.get("iat")),
        info=_info(claims),
        jti=str(claims.get("jti", "")),
        channels=tuple(channels[:CLAIM_CHANNELS_MAX]),
        device=claims["device"] if isinstance(claims.get("device"), str) else "",
        guest=claims.get("guest") is True,
        secret=key.id,
    )


def _expiry(claims: dict[str, Any]) -> int:
    """`expire_at` (connection expiry apart from exp; 0 = never) wins over `exp`."""
    return _ms(claims.get("expire_at", claims.get("exp")))


def _ms(seconds: object) -> int:
    """0 for what is no number. Raises ValueError for NaN: Python reads it, and Infinity."""
    if not isinstance(seconds, int | float):
        return 0
    if isnan(seconds):
        raise ValueError("not a time")
    return int(max(-TIME_S_MAX, min(seconds, TIME_S_MAX)) * SECOND_MS)


def _info(claims: dict[str, Any]) -> bytes:
    if "b64info" in claims:
        return base64.b64decode(str(claims["b64info"]), validate=True)
    return encode_json(claims["info"]) if "info" in claims else b""


def _check_info(info: bytes) -> None:
    """Raises Rejected(BAD_REQUEST): it is there, and no JSON."""
    if info:
        parse_json(info)
