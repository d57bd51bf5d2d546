"""What the generator writes to each server and what it looks for in the answers. Pure.

Rules:
1. Both dialects carry the same text. It starts with a stamp (monotonic ns, 19 digits) behind a
   marker that occurs once in a publication, so that deliveries are counted and timed by searching
   bytes, without parsing. Elsewhere it occurs only in lines that hold PREVIEW: heads.
2. A reply is a line that starts with `{"id":N,`; a publication never does.
"""

import base64
import hmac
from hashlib import sha256
from typing import Protocol

MARK = b'"text":"~'
PREVIEW = b'"preview":{'
STAMP_DIGITS = 19
TEXT_BYTES = 100


def stamped_text(stamp_ns: int) -> str:
    """A text of 100 bytes that begins with the moment at which it was due."""
    head = f"~{stamp_ns:0{STAMP_DIGITS}d} "
    return (
        head
        + "a message of an ordinary length, as people write them, plus some words more, and more"[
            : TEXT_BYTES - len(head)
        ].ljust(TEXT_BYTES - len(head), ".")
    )


def cmid_of(ms: int, worker: int, count: int) -> str:
    """A UUIDv7 that is unique among the connections of one generator, without a random source.

    Args: ms 48 bits, worker 32 bits, count 40 bits; RFC 9562 section 5.7 leaves the rest free.
    """
    time_part, rest = f"{ms:012x}", f"{worker:08x}{count:010x}"
    return f"{time_part[:8]}-{time_part[8:]}-7{rest[:3]}-8{rest[3:6]}-{rest[6:]}"


def token_of(secret: str, user: str, now_s: int) -> str:
    """A connection token, HS256, good for six hours. Source: RFC 7515 section 3.1."""
    head = _segment(b'{"alg":"HS256","typ":"JWT"}')
    body = _segment(f'{{"sub":"{user}","iat":{now_s},"exp":{now_s + 21_600}}}'.encode())
    sign = hmac.new(secret.encode(), head + b"." + body, sha256).digest()
    return (head + b"." + body + b"." + _segment(sign)).decode()


class Dialect(Protocol):
    """How one kind of server is spoken to. `*_id` is the request's number on its connection."""

    path: str
    replies_to_enter: int

    def enter(self, user: str, channel: str, now_s: int) -> bytes:
        """Log in and join the room; the requests 1 … replies_to_enter."""

    def send(self, request_id: int, channel: str, cmid: str, text: str) -> bytes:
        """Send one message."""

    def page(self, request_id: int, channel: str, before_seq: int, limit: int) -> bytes:
        """Read the `limit` messages below `before_seq`."""


class Centrifuge:
    """Hubbub: the Centrifuge client protocol v2 in JSON; connect and subscribe share a frame."""

    path = "/connection/websocket"
    replies_to_enter = 2

    def __init__(self, token_secret: str) -> None:
        self._secret = token_secret

    def enter(self, user: str, channel: str, now_s: int) -> bytes:
        token = token_of(self._secret, user, now_s)
        return (
            f'{{"id":1,"connect":{{"token":"{token}","name":"bench"}}}}\n'
            f'{{"id":2,"subscribe":{{"channel":"{channel}"}}}}'
        ).encode()

    def send(self, request_id: int, channel: str, cmid: str, text: str) -> bytes:
        return (
            f'{{"id":{request_id},"rpc":{{"method":"message.send","data":'
            f'{{"channel":"{channel}","cmid":"{cmid}","text":"{text}"}}}}}}'
        ).encode()

    def page(self, request_id: int, channel: str, before_seq: int, limit: int) -> bytes:
        return (
            f'{{"id":{request_id},"rpc":{{"method":"history.get","data":'
            f'{{"channel":"{channel}","before_seq":{before_seq},"limit":{limit}}}}}}}'
        ).encode()


class Plain:
    """The reference server's JSON."""

    path = "/ws"
    replies_to_enter = 1

    def enter(self, user: str, channel: str, now_s: int) -> bytes:
        return f'{{"id":1,"join":{{"room":"{channel}","user":"{user}"}}}}'.encode()

    def send(self, request_id: int, channel: str, cmid: str, text: str) -> bytes:
        head = f'{{"id":{request_id},"publish":'
        return f'{head}{{"room":"{channel}","text":"{text}"}}}}'.encode()

    def page(self, request_id: int, channel: str, before_seq: int, limit: int) -> bytes:
        head = f'{{"id":{request_id},"page":'
        where = f'{{"room":"{channel}","before_seq":{before_seq},"limit":{limit}}}'
        return f"{head}{where}}}".encode()


def _segment(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
