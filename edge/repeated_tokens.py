"""Tokens whose header was seen before: checked without reading the header again. Pure.

Rules:
1. What is remembered is a header, word for word, with the key that a full check took for it. Never
   a token: signature, time and claims are looked at each time.
2. Only a token that is good beyond doubt is answered. For all others (another header, a wrong
   signature, expired, unusual claims) the answer is None, and the full check decides and says why.
3. The signature is compared as text: exactly the canonical one is accepted.
4. Only HS256, HS384 and HS512. [M] 5 us instead of the full check's 38 us.

Source: RFC 7515 (compact serialization), RFC 7518 section 3.2, RFC 7519 section 4.1.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, Final, NamedTuple

from hubbub.base.bounded import BoundedCache
from hubbub.base.errors import Rejected
from hubbub.base.units import SECOND_MS
from hubbub.wire.codec import parse_json

# Issuers have one header a key; the bound is for those that put something changing into it.
HEADERS_MAX: Final = 256
_HASHES: Final = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
_NEVER: Final = 1 << 62


class _Known(NamedTuple):
    kid: str
    keyed: hmac.HMAC  # over nothing yet: a copy is cheaper than a new one


class RepeatedTokens:
    """Headers that were accepted, each with its key."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: BoundedCache[str, _Known] = BoundedCache(HEADERS_MAX)

    def forget(self) -> None:
        """Keys changed."""
        self._known = BoundedCache(HEADERS_MAX)

    def accepted(self, token: str, kid: str, algorithm: str, secret: str) -> None:
        """A full check took this token with that key."""
        if algorithm in _HASHES:
            keyed = hmac.new(secret.encode(), digestmod=_HASHES[algorithm])
            self._known.put(token.partition(".")[0], _Known(kid, keyed))

    def claims(self, token: str, now_ms: int) -> tuple[str, dict[str, Any]] | None:
        """(kid, claims) of a token that is good now; None: ask the full check."""
        signed, _, signature = token.rpartition(".")
        header, _, payload = signed.partition(".")
        known = self._known.get(header)
        if known is None or not token.isascii():
            return None
        mac = known.keyed.copy()
        mac.update(signed.encode())
        expected = urlsafe_b64encode(mac.digest()).rstrip(b"=")
        if not hmac.compare_digest(expected, signature.encode()):
            return None
        claims = _object(payload)
        return (known.kid, claims) if claims is not None and _is_plain(claims, now_ms) else None


def _object(payload: str) -> dict[str, Any] | None:
    """The JSON object of a payload in canonical base64url, else None."""
    text = payload.encode()
    try:
        data = urlsafe_b64decode(text + b"=" * (-len(text) % 4))
        value = parse_json(data)
    except (ValueError, Rejected):
        return None
    is_canonical = urlsafe_b64encode(data).rstrip(b"=") == text
    return value if is_canonical and isinstance(value, dict) else None


def _is_plain(claims: dict[str, Any], now_ms: int) -> bool:
    """Whether there is nothing to decide: an `exp` to come, if any, and usual types."""
    expires = claims.get("exp", _NEVER)
    return (
        type(expires) is int  # no bool, no fraction
        and expires * SECOND_MS > now_ms
        and "nbf" not in claims
        and isinstance(claims.get("jti", ""), str)
    )
