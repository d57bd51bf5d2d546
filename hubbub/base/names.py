"""Rules for the names that clients choose: users, channels, namespaces; and the id of a dm.

Rules (contracts.md 2): user ids are 1-128 printable ASCII characters without space # , /. Channel
names are at most 255 printable ASCII characters without space or /. `#x` is user x's own stream,
`@…` belongs to the system, else the namespace is the text before the first colon (or empty).
"""

from __future__ import annotations

import hmac
import re
from base64 import b32encode
from enum import StrEnum
from hashlib import sha256
from typing import Final

from hubbub.base.errors import BAD_REQUEST, UNKNOWN_CHANNEL, Rejected
from hubbub.base.ids import StreamKey, UserId

APP_STREAM: Final = StreamKey("@app")
CHAT_NAMESPACES: Final = frozenset({"dm", "group", "open"})
RESERVED_NAMESPACES: Final = CHAT_NAMESPACES | {"members"}

_USER = re.compile(r"[!-~]{1,128}")
_CHANNEL = re.compile(r"[!-~]{1,255}")


class StreamKind(StrEnum):
    """What a stream key belongs to; decides which feature answers for it."""

    CHANNEL = "channel"
    USER = "user"
    APP = "app"
    RAW = "raw"


def check_user(name: str) -> UserId:
    """The user id, or Rejected(BAD_REQUEST)."""
    if not _USER.fullmatch(name) or any(c in name for c in "#,/"):
        raise Rejected(BAD_REQUEST, "a user id is 1-128 printable ASCII without space # , /")
    return UserId(name)


def check_channel(name: str) -> StreamKey:
    """The stream key of a channel name as a client may send it, or Rejected.

    Whether its namespace is configured is the caller's question (`namespace_of`).
    """
    if not _CHANNEL.fullmatch(name) or "/" in name:
        raise Rejected(BAD_REQUEST, "a channel name is 1-255 printable ASCII without space or /")
    if name[0] == "@" or name.startswith("members:"):
        raise Rejected(UNKNOWN_CHANNEL)
    return StreamKey(name)


def namespace_of(name: str) -> str:
    """The text before the first colon, or the empty namespace. `#x` and `@x` are not split."""
    if name[:1] in ("#", "@"):
        return name[:1]
    head, colon, _ = name.partition(":")
    return head if colon else ""


def kind_of(key: str) -> StreamKind:
    """Which kind of stream a key names."""
    if key[:1] == "#":
        return StreamKind.USER
    if key[:1] == "@":
        return StreamKind.APP
    return StreamKind.CHANNEL if namespace_of(key) in RESERVED_NAMESPACES else StreamKind.RAW


def user_stream(user: str) -> StreamKey:
    """The stream key of a user's own stream."""
    return StreamKey("#" + user)


def dm_channel(id_secret: bytes, a: str, b: str, n: int = 0) -> StreamKey:
    """The channel of a pair: both sides compute it, nobody guesses it.

    `n` counts promotions of earlier channels of this pair.
    """
    pair = "\x00".join([*sorted((a, b)), str(n)]).encode()
    digest = hmac.new(id_secret, pair, sha256).digest()[:16]
    return StreamKey("dm:" + b32encode(digest).decode().rstrip("=").lower())
