"""The opening handshake of a WebSocket: what is asked, and the answer's bytes. Pure.

Rules:
1. Header names are lower case here. Whoever read the request (aiohttp or `plain_head`) hands them
   over; what they mean is decided in one place.
2. `plain_head` reads only what ordinary clients send: the one path without a query, ASCII, each
   header once, no body, nothing behind it. Anything else is None, and aiohttp's to judge: nothing
   is accepted here that would be refused there.

Source: RFC 6455 section 4.2; RFC 9112 section 5.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from hashlib import sha1
from typing import Final, Protocol

from hubbub.base.units import KIB
from hubbub.wire.centrifuge import JSON
from hubbub.wire.client_shapes import Encoding
from hubbub.wire.protobuf import PROTOBUF

PATH: Final = "/connection/websocket"
# Browsers send about 1 KiB with cookies; what is longer is read with aiohttp's own bounds.
PLAIN_BYTES_MAX: Final = 4 * KIB
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SUBPROTOCOLS: Final[dict[str, Encoding]] = {
    "centrifuge-json": JSON,
    "centrifuge-protobuf": PROTOBUF,
}
_PLAIN: Final = re.compile(
    rb"GET " + PATH.encode() + rb" HTTP/1\.1\r\n"
    rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}:[\t\x20-\x7e]*\r\n)+\r\n"
)
_BODY: Final = frozenset(("content-length", "transfer-encoding", "expect"))


class Headers(Protocol):
    """Looked up by lower-case names."""

    def get(self, name: str, default: str, /) -> str: ...


def plain_head(data: bytes) -> dict[str, str] | None:
    """The headers of a request that is a plain handshake from its first byte to its last."""
    if len(data) > PLAIN_BYTES_MAX or _PLAIN.fullmatch(data) is None:
        return None
    lines = data.decode("ascii").split("\r\n")
    headers: dict[str, str] = {}
    for line in lines[1:-2]:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip(" \t")
    is_simple = len(headers) == len(lines) - 3 and _BODY.isdisjoint(headers)
    return headers if is_simple and headers.get("host") else None


def accept_of(headers: Headers) -> str | None:
    """The answer to the client's key; None if the request is no WebSocket handshake."""
    key = headers.get("sec-websocket-key", "").strip()
    tokens = headers.get("connection", "").lower().split(",")
    if (
        headers.get("upgrade", "").strip().lower() != "websocket"
        or "upgrade" not in [token.strip() for token in tokens]
        or headers.get("sec-websocket-version", "").strip() != "13"
    ):
        return None
    try:
        if len(b64decode(key, validate=True)) != 16:
            return None
    except Base64Error:
        return None
    return b64encode(sha1(key.encode() + _GUID).digest()).decode()


def negotiate(headers: Headers, query: Mapping[str, str]) -> tuple[str, Encoding]:
    """The subprotocol to echo ("" = none) and the encoding."""
    for name in headers.get("sec-websocket-protocol", "").split(","):
        encoding = _SUBPROTOCOLS.get(name.strip())
        if encoding is not None:
            return name.strip(), encoding
    is_protobuf = "protobuf" in (query.get("format"), query.get("cf_protocol"))
    return "", PROTOBUF if is_protobuf else JSON


def response(accept: str, subprotocol: str) -> bytes:
    """The head that makes the connection a WebSocket."""
    head = (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n"
    )
    if subprotocol:
        head += f"Sec-WebSocket-Protocol: {subprotocol}\r\n"
    return (head + "\r\n").encode()
