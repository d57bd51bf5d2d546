"""Frames that clients send, taken out of a stream of bytes. Pure.

Rules:
1. Every client frame is masked; extensions are never agreed, so reserved bits are an error.
2. A message is bounded as a whole, whatever its fragments; the bound is checked on the declared
   length, before anything is kept.
3. Text is not decoded here: the protocol's own parser refuses bad UTF-8.
4. An idle parser holds nothing: this object exists once a connection.

Source: RFC 6455 sections 5 and 7.
"""

from __future__ import annotations

from typing import Final

CONTINUATION, TEXT, BINARY = 0x0, 0x1, 0x2
CLOSE, PING, PONG = 0x8, 0x9, 0xA
PROTOCOL_ERROR: Final = 1002
MESSAGE_TOO_BIG: Final = 1009
_CONTROL_BYTES_MAX: Final = 125
_CLOSE_CODES: Final = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015)})  # IANA's registry


class FrameError(Exception):
    """The peer broke RFC 6455; `code` is what the close frame says."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def closing_code(payload: bytes) -> int:
    """What answers a close frame: its own code, 1000 where it has none, 1002 where nobody may send
    that code (RFC 6455, 7.4)."""
    code = int.from_bytes(payload[:2], "big")
    if len(payload) > 1 and (code in _CLOSE_CODES or 3000 <= code <= 4999):
        return code
    return PROTOCOL_ERROR if payload else 1000


class FrameParser:
    """`feed` bytes, then take messages with `next_message` until there is none."""

    __slots__ = ("_at", "_data", "_fragments", "_message_bytes_max", "_needed", "_opcode", "_tail")

    def __init__(self, message_bytes_max: int) -> None:
        self._message_bytes_max = message_bytes_max
        self._data = b""  # what is being read, from _at on
        self._at = 0
        self._tail: bytearray | None = None  # an incomplete frame, growing
        self._needed = 0  # no frame can be complete before so many bytes
        self._fragments: bytearray | None = None
        self._opcode = 0  # of the message whose fragments are kept

    def feed(self, data: bytes) -> None:
        """Bytes from the peer, in order."""
        if self._tail is not None:
            self._tail += data
            if len(self._tail) < self._needed:
                return
            data, self._tail = bytes(self._tail), None
        elif self._data:
            data = self._data[self._at :] + data
        self._data, self._at = data, 0

    def next_message(self) -> tuple[int, bytes] | None:
        """The next whole message or control frame as (opcode, payload); None: feed more.

        Raises FrameError; the connection must then be closed.
        """
        data, at = self._data, self._at
        left = len(data) - at
        if not left:
            return None
        # Nearly always a short message is there as a whole: half the time of the general way.
        if left > 8 and self._fragments is None:
            first, second = data[at], data[at + 1]
            body, length = at + 6, second - 0x80
            if length == 126:
                body, length = at + 8, data[at + 2] << 8 | data[at + 3]
            end = body + length
            if (
                (first == 0x81 or first == 0x82)
                and 0x80 <= second < 0xFF
                and end <= len(data)
                and length <= self._message_bytes_max
            ):
                self._data, self._at = (data, end) if end < len(data) else (b"", 0)
                return first & 0xF, _unmask(data[body:end], data[body - 4 : body])
        while (frame := self._next_frame()) is not None:
            final, opcode, payload = frame
            if opcode >= CLOSE:
                return opcode, payload
            if final and self._fragments is None and opcode:
                return opcode, payload
            message = self._assemble(final, opcode, payload)
            if message is not None:
                return message
        return None

    def _assemble(self, final: bool, opcode: int, payload: bytes) -> tuple[int, bytes] | None:
        if (opcode == CONTINUATION) == (self._fragments is None):
            raise FrameError(PROTOCOL_ERROR, "a continuation out of place")
        if self._fragments is None:
            self._fragments, self._opcode = bytearray(), opcode
        self._fragments += payload
        if not final:
            return None
        message, self._fragments = bytes(self._fragments), None
        return self._opcode, message

    def _next_frame(self) -> tuple[bool, int, bytes] | None:
        data, at = self._data, self._at
        left = len(data) - at
        if left < 6:
            self._wait(6)
            return None
        first, second = data[at], data[at + 1]
        length = second & 0x7F
        head = 6
        if length >= 126:
            head = 8 if length == 126 else 14
            if left < head:
                self._wait(head)
                return None
            length = int.from_bytes(data[at + 2 : at + head - 4], "big")
        if first & 0x70 or not second & 0x80 or first & 0x7 >= 0x3:
            raise FrameError(PROTOCOL_ERROR, "reserved bits or opcode, or no mask")
        self._check_length(first, length)
        if left < head + length:
            self._wait(head + length)
            return None
        body = at + head
        self._at = body + length
        payload = _unmask(data[body : self._at], data[body - 4 : body])
        if self._at == len(data):
            self._data, self._at = b"", 0
        return first >= 0x80, first & 0xF, payload

    def _check_length(self, first: int, length: int) -> None:
        if first & CLOSE:
            if length > _CONTROL_BYTES_MAX or first < 0x80:
                raise FrameError(PROTOCOL_ERROR, "a long or fragmented control frame")
            return
        if length + len(self._fragments or b"") > self._message_bytes_max:
            raise FrameError(MESSAGE_TOO_BIG, "message too big")

    def _wait(self, needed: int) -> None:
        """Keep the incomplete rest; nothing is tried again before it may be complete."""
        if self._at < len(self._data):
            self._tail = bytearray(self._data[self._at :])
            self._needed = needed
        self._data, self._at = b"", 0


def _unmask(payload: bytes, mask: bytes) -> bytes:
    """XOR with the repeated mask, as one operation on two large integers."""
    length = len(payload)
    key = (mask * (length // 4 + 1))[:length]
    value = int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")
    return value.to_bytes(length, "little")
