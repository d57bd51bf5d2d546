"""Cursors: a place in a list, sealed, for the client to hand back. Pure.

Rules:
1. A cursor is of one list of one app: of another, or with one character changed, it is refused as
   `cursor_invalid`; after TTL_S as `cursor_expired`.
2. It is sealed with the app's id secret, which lives as long as the app. Server keys and secrets of
   tokens come and go; no cursor ends with them.
3. What a place is, only the list knows. It is not secret: whoever opens a cursor finds a name or a
   seq that the page before has shown him.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Final

import msgspec

from hubbub.base.errors import CURSOR_EXPIRED, CURSOR_INVALID, Rejected
from hubbub.base.units import SECOND_MS
from hubbub.wire.codec import decode_json, dump_json, encode_json

TTL_S: Final = 7 * 86_400
_TAG_BYTES: Final = 16
Reply = Callable[[Rejected | None, bytes], None]


class _Sealed(msgspec.Struct, frozen=True, array_like=True):
    until_s: int
    place: Any


class Seal(msgspec.Struct, frozen=True):
    """Of one list of one app. `where`: which one."""

    app: str
    secret: bytes
    where: str

    def sealed(self, place: object, now_ms: int) -> str:
        """A cursor for a place, which is a JSON value."""
        body = encode_json(_Sealed(now_ms // SECOND_MS + TTL_S, place))
        return urlsafe_b64encode(self._tag(body) + body).decode().rstrip("=")

    def opened(self, cursor: object, now_ms: int) -> Any:
        """The place. Raises Rejected(CURSOR_INVALID | CURSOR_EXPIRED)."""
        try:
            raw = (
                urlsafe_b64decode(f"{cursor}==".encode("ascii")) if isinstance(cursor, str) else b""
            )
        except ValueError:
            raise Rejected(CURSOR_INVALID) from None
        tag, body = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
        is_whole = urlsafe_b64encode(raw).decode().rstrip("=") == cursor  # its last bits, too
        if not (is_whole and hmac.compare_digest(tag, self._tag(body))):
            raise Rejected(CURSOR_INVALID)
        found = decode_json(body, _Sealed)
        if found.until_s * SECOND_MS < now_ms:
            raise Rejected(CURSOR_EXPIRED)
        return found.place

    def _tag(self, body: bytes) -> bytes:
        key = blake2b(b"cursor\0" + self.secret).digest()
        where = f"{self.app}\0{self.where}\0".encode()
        return blake2b(where + body, digest_size=_TAG_BYTES, key=key).digest()


def listing(
    seal: Seal, request: msgspec.Struct, now_ms: int, reply: Reply
) -> tuple[msgspec.Struct, Reply]:
    """A list's request with its cursor opened, and the reply that seals the next one. Raises
    Rejected."""
    if cursor := getattr(request, "cursor", ""):
        request = msgspec.structs.replace(request, cursor=seal.opened(cursor, now_ms))

    def sealed(refusal: Rejected | None, data: bytes) -> None:
        if refusal is None:
            data = with_next(data, lambda place: seal.sealed(place, now_ms))
        reply(refusal, data)

    return request, sealed


def with_next(answer: bytes, seal: Callable[[object], str]) -> bytes:
    """The answer, a JSON object, with its `next` sealed."""
    fields = decode_json(answer, dict[str, msgspec.Raw])
    place = decode_json(fields.get("next", b'""'), str)
    if not place:
        return answer
    return encode_json({**fields, "next": msgspec.Raw(dump_json(seal(place)))})
