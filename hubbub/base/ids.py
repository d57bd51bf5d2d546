"""Ids as types, and the two ids whose bytes carry a meaning: message ids and UUIDv7.

A message id is base32hex (RFC 4648 section 7, lower case, unpadded) of 16 bytes:
time 48 bit ms | seq 40 bit | keyed hash 40 bit. It sorts by time then seq (plain base32 would
not: its digits stand behind its letters), decodes to its seq without an index, and cannot be
guessed without the app's id secret.

UUIDv7: RFC 9562 section 5.7. Randomness and time are always passed in.
"""

from __future__ import annotations

from base64 import b32hexdecode
from functools import lru_cache
from hashlib import blake2b
from typing import Final, NewType

from hubbub.base.errors import BAD_REQUEST, Rejected

AppId = NewType("AppId", str)
UserId = NewType("UserId", str)
StreamKey = NewType("StreamKey", str)
MessageId = NewType("MessageId", str)
Cmid = NewType("Cmid", str)
Millis = NewType("Millis", int)

MESSAGE_ID_LENGTH: Final = 26
# A cmid made from REST's Idempotency-Key: it carries no time, so every hour is looked up.
IDEMPOTENCY_PREFIX: Final = "key:"
_TS_BYTES, _SEQ_BYTES, _HASH_BYTES = 6, 5, 5
SEQ_MAX: Final = (1 << 40) - 1
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuv"
_SECRETS_CACHED: Final = 1_024  # one an app
_PAIRS: Final = [first + second for first in _DIGITS for second in _DIGITS]  # 10 bits each


def message_id(ts_ms: int, seq: int, stream: bytes, secret: bytes) -> MessageId:
    """The id of the message at `seq` of a stream (`stream` = app ‖ 0x00 ‖ key)."""
    hashed = _keyed(secret).copy()  # half of what a new one with its key costs
    hashed.update(ts_ms.to_bytes(_TS_BYTES, "big") + seq.to_bytes(_SEQ_BYTES, "big") + stream)
    return MessageId(_base32hex(ts_ms, seq, int.from_bytes(hashed.digest(), "big")))


@lru_cache(maxsize=_SECRETS_CACHED)
def _keyed(secret: bytes) -> blake2b:
    return blake2b(digest_size=_HASH_BYTES, key=secret[:64])


def _base32hex(ts_ms: int, seq: int, tail: int) -> str:
    """The 16 bytes as 26 digits: the standard library's function takes ten times as long, and one
    id is made for each message. Numbers of 48 bits keep the interpreter's arithmetic short."""
    pairs = _PAIRS
    middle = (ts_ms & 0xFF) << 40 | seq
    last = (seq & 0xFF) << 40 | tail
    return (
        f"{pairs[ts_ms >> 38]}{pairs[ts_ms >> 28 & 1023]}{pairs[ts_ms >> 18 & 1023]}"
        f"{pairs[ts_ms >> 8 & 1023]}{pairs[middle >> 38]}{pairs[middle >> 28 & 1023]}"
        f"{pairs[middle >> 18 & 1023]}{pairs[middle >> 8 & 1023]}{pairs[last >> 38]}"
        f"{pairs[last >> 28 & 1023]}{pairs[last >> 18 & 1023]}{pairs[last >> 8 & 1023]}"
        f"{pairs[(last & 0xFF) << 2]}"
    )


def message_seq(mid: str) -> int:
    """The seq inside a message id. The caller compares the whole id with the stored one.

    Raises Rejected(BAD_REQUEST) if it is no message id.
    """
    if len(mid) != MESSAGE_ID_LENGTH:
        raise Rejected(BAD_REQUEST, "not a message id")
    try:
        raw = b32hexdecode(mid.upper() + "======")
    except ValueError:
        raise Rejected(BAD_REQUEST, "not a message id") from None
    return int.from_bytes(raw[_TS_BYTES : _TS_BYTES + _SEQ_BYTES], "big")


def uuid7(ts_ms: int, entropy: bytes) -> Cmid:
    """A UUIDv7 from a time and 10 bytes of entropy."""
    value = (ts_ms << 80) | int.from_bytes(entropy[:10], "big")
    value = value & ~(0xF << 76) | (0x7 << 76)
    value = value & ~(0x3 << 62) | (0x2 << 62)
    text = f"{value:032x}"
    return Cmid(f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}")


def uuid7_ms(cmid: str) -> int:
    """The time (ms) inside a UUIDv7. Raises Rejected(BAD_REQUEST) if it is none."""
    digits = cmid.replace("-", "")
    if len(cmid) != 36 or len(digits) != 32 or cmid[8] != "-" or cmid[13:15] != "-7":
        raise Rejected(BAD_REQUEST, "cmid must be a UUIDv7")
    try:
        return int(digits, 16) >> 80
    except ValueError:
        raise Rejected(BAD_REQUEST, "cmid must be a UUIDv7") from None
