"""Ids as types, and the two ids whose bytes carry a meaning: message ids and UUIDv7.

A message id is base32hex (RFC 4648 section 7, lower case, unpadded) of 16 bytes:
time 48 bit ms | seq 40 bit | keyed hash 40 bit. It sorts by time then seq (plain base32 would
not: its digits stand behind its letters), decodes to its seq without an index, and cannot be
guessed without the app's id secret.

UUIDv7: RFC 9562 section 5.7. Randomness and time are always passed in.
"""

from __future__ import annotations

from base64 import b32hexdecode
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
_PAIRS: Final = [first + second for first in _DIGITS for second in _DIGITS]  # 10 bits each


def message_id(ts_ms: int, seq: int, stream: bytes, secret: bytes) -> MessageId:
    """The id of the message at `seq` of a stream (`stream` = app ‖ 0x00 ‖ key)."""
    head = ts_ms.to_bytes(_TS_BYTES, "big") + seq.to_bytes(_SEQ_BYTES, "big")
    tail = blake2b(head + stream, digest_size=_HASH_BYTES, key=secret[:64]).digest()
    return MessageId(_base32hex(head + tail))


def _base32hex(raw: bytes) -> str:
    """16 bytes as 26 digits: the standard library's function takes six times as long, and one id
    is made for each message."""
    high, low = int.from_bytes(raw[:10], "big"), int.from_bytes(raw[10:], "big") << 2
    return (
        _PAIRS[high >> 70]
        + _PAIRS[high >> 60 & 1023]
        + _PAIRS[high >> 50 & 1023]
        + _PAIRS[high >> 40 & 1023]
        + _PAIRS[high >> 30 & 1023]
        + _PAIRS[high >> 20 & 1023]
        + _PAIRS[high >> 10 & 1023]
        + _PAIRS[high & 1023]
        + _PAIRS[low >> 40]
        + _PAIRS[low >> 30 & 1023]
        + _PAIRS[low >> 20 & 1023]
        + _PAIRS[low >> 10 & 1023]
        + _PAIRS[low & 1023]
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
    if len(cmid) != 36 or cmid[14] != "7" or cmid[8] != "-" or cmid[13] != "-":
        raise Rejected(BAD_REQUEST, "cmid must be a UUIDv7")
    try:
        int(cmid[19:23] + cmid[24:], 16)
        return int(cmid[:8] + cmid[9:13], 16)
    except ValueError:
        raise Rejected(BAD_REQUEST, "cmid must be a UUIDv7") from None
