"""ZeroMQ's wire protocol, as much of it as ipc:// links need. Pure bytes.

Rules:
1. Each side says its greeting, then READY with its socket type and identity; then come messages.
   Security is NULL: on ipc:// the folder's rights are the protection.
2. A message has one part. An empty one is a dialler's probe: it has just connected.
3. A PING is answered with its PONG; commands that nobody knows are passed over.
4. What a peer does wrong raises ZmtpError, and ends its connection.

Shape: greeting = FF | 8 bytes | 7F | u8 major | u8 minor | 20 bytes mechanism | u8 as-server
| 31 bytes; then frames = u8 flags | length, u8 or (LONG) u64 | body; a command's body = u8 length
| name | data; the data of READY = properties, u8 length | name | u32 length | value.

Source: ZMTP 3.1 (RFC 37 of ZeroMQ), sections 2 to 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct
from typing import Final, NamedTuple

MORE: Final = 1
LONG: Final = 2
COMMAND: Final = 4

GREETING_BYTES: Final = 64
_VERSION_AT: Final = 10
_MECHANISM: Final = slice(12, 32)
_NULL: Final = b"NULL".ljust(20, b"\0")
GREETING: Final = (b"\xff" + bytes(7) + b"\x01\x7f\x03\x01" + _NULL).ljust(GREETING_BYTES, b"\0")
_SHORT_MAX: Final = 255
_LONG_HEAD: Final = Struct(">BQ")
_U32: Final = Struct(">I")
_TTL_BYTES: Final = 2
_COMMAND_BYTES_MAX: Final = 4_096  # READY with the longest identity is a tenth of it


class ZmtpError(Exception):
    """The peer does not keep to the protocol, or to what links allow."""


class Command(NamedTuple):
    """A command of the peer."""

    name: bytes
    data: bytes


def message_head(size: int) -> bytes:
    """What stands before a message of so many bytes."""
    return bytes((0, size)) if size <= _SHORT_MAX else _LONG_HEAD.pack(LONG, size)


def command(name: bytes, data: bytes) -> bytes:
    """A command as bytes."""
    body = bytes((len(name),)) + name + data
    if len(body) <= _SHORT_MAX:
        return bytes((COMMAND, len(body))) + body
    return _LONG_HEAD.pack(COMMAND | LONG, len(body)) + body


def ready(socket_type: bytes, identity: bytes) -> bytes:
    """The command that ends the handshake."""
    pairs = ((b"Socket-Type", socket_type), (b"Identity", identity))
    data = b"".join(
        bytes((len(name),)) + name + _U32.pack(len(value)) + value for name, value in pairs
    )
    return command(b"READY", data)


def pong(ping: bytes) -> bytes:
    """The answer to the data of a PING."""
    return command(b"PONG", ping[_TTL_BYTES:])


def properties(data: bytes) -> Mapping[str, bytes]:
    """The data of a READY; names in lower case. Raises ZmtpError."""
    found: dict[str, bytes] = {}
    at = 0
    while at < len(data):
        value_at = at + 1 + data[at] + _U32.size
        if value_at > len(data):
            raise ZmtpError("a property without its length")
        end = value_at + _U32.unpack_from(data, value_at - _U32.size)[0]
        if end > len(data):
            raise ZmtpError("a property without its value")
        found[data[at + 1 : value_at - _U32.size].decode("latin-1").lower()] = data[value_at:end]
        at = end
    return found


class Parser:
    """Bytes of a peer in, its messages and commands out."""

    __slots__ = ("_at", "_data", "_has_greeting", "_message_bytes_max")

    def __init__(self, message_bytes_max: int) -> None:
        self._data = b""
        self._at = 0
        self._has_greeting = False
        self._message_bytes_max = message_bytes_max

    def feed(self, data: bytes) -> None:
        """Take what was read."""
        left = self._data[self._at :] if self._at < len(self._data) else b""
        self._data = left + data if left else data
        self._at = 0

    def next(self) -> bytes | Command | None:
        """The next message or command; None: more bytes are needed. Raises ZmtpError."""
        if not self._has_greeting and not self._take_greeting():
            return None
        data, at = self._data, self._at
        size = len(data)
        if size - at < 2:
            return None
        flags = data[at]
        if flags & LONG:
            body_at = at + _LONG_HEAD.size
            if body_at > size:
                return None
            length = _LONG_HEAD.unpack_from(data, at)[1]
        else:
            body_at, length = at + 2, data[at + 1]
        if length > (_COMMAND_BYTES_MAX if flags & COMMAND else self._message_bytes_max):
            raise ZmtpError(f"{length} bytes at once")
        end = body_at + length
        if end > size:
            return None
        self._at = end
        if flags & MORE or flags > COMMAND | LONG:
            raise ZmtpError("a message of one part is expected")
        body = data[body_at:end]
        return _command(body) if flags & COMMAND else body

    def _take_greeting(self) -> bool:
        data = self._data
        if data and (data[0] != 0xFF or (len(data) > 9 and data[9] != 0x7F)):
            raise ZmtpError("no greeting")
        if len(data) < GREETING_BYTES:
            return False
        if data[_VERSION_AT] < 3 or data[_MECHANISM] != _NULL:
            raise ZmtpError("another version or mechanism")
        self._has_greeting = True
        self._at = GREETING_BYTES
        return True


def _command(body: bytes) -> Command:
    if not body or 1 + body[0] > len(body):
        raise ZmtpError("a command without a name")
    end = 1 + body[0]
    return Command(body[1:end], body[end:])
