"""Messages as the bytes that a transport puts on the wire: shared by all who get the same. Pure.

Source: RFC 6455 section 5.2 (server frames are unmasked, so a frame serves every receiver);
HTML living standard, server-sent events.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Final, Protocol

_LONG: Final = Struct(">BBH")
_LONGER: Final = Struct(">BBQ")
_TEXT, _BINARY, _CLOSE = 0x81, 0x82, 0x88
CLOSE_REASON_BYTES_MAX: Final = 123  # a control frame holds 125 bytes, the code takes two

WEBSOCKET_PING: Final = b"\x89\x00"


class Framing(Protocol):
    """How a transport frames."""

    @property
    def name(self) -> str:
        """Frames are shared between connections whose framings have one name."""
        ...

    def frame(self, messages: Sequence[bytes]) -> bytes:
        """One or more messages as bytes for the wire."""
        ...


class WebSocketFraming:
    """One WebSocket frame: JSON lines as text, Protobuf as binary."""

    __slots__ = ("_first", "_separator", "name")

    def __init__(self, name: str, first: int, separator: bytes) -> None:
        self.name = name
        self._first = first
        self._separator = separator

    def frame(self, messages: Sequence[bytes]) -> bytes:
        """A final, unmasked frame."""
        payload = self._separator.join(messages) if len(messages) > 1 else messages[0]
        return websocket_head(self._first, len(payload)) + payload


class StreamFraming:
    """A message a line, or behind its length."""

    __slots__ = ("_end", "name")

    def __init__(self, name: str, end: bytes) -> None:
        self.name = name
        self._end = end

    def frame(self, messages: Sequence[bytes]) -> bytes:
        """Messages, each with its end."""
        return self._end.join(messages) + self._end


class EventFraming:
    """Server-sent events, one message an event."""

    __slots__ = ()
    name: Final = "sse"

    def frame(self, messages: Sequence[bytes]) -> bytes:
        """Events; a message has no line break inside."""
        return b"".join([b"data: %b\n\n" % message for message in messages])


def websocket_head(first: int, length: int) -> bytes:
    """The header of an unmasked frame."""
    if length < 126:
        return bytes((first, length))
    if length < 1 << 16:
        return _LONG.pack(first, 126, length)
    return _LONGER.pack(first, 127, length)


def websocket_close(code: int, reason: str) -> bytes:
    """A close frame; the reason is cut to what fits."""
    text = reason.encode()[:CLOSE_REASON_BYTES_MAX].decode(errors="ignore").encode()
    payload = code.to_bytes(2, "big") + text
    return websocket_head(_CLOSE, len(payload)) + payload


WEBSOCKET_JSON: Final = WebSocketFraming("websocket_json", _TEXT, b"\n")
WEBSOCKET_PROTOBUF: Final = WebSocketFraming("websocket_protobuf", _BINARY, b"")
STREAM_JSON: Final = StreamFraming("stream_json", b"\n")
STREAM_PROTOBUF: Final = StreamFraming("stream_protobuf", b"")
SSE: Final = EventFraming()
