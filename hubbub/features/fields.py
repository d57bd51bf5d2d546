"""Checks of the fields that several commands carry: names, texts, custom data, batches.

They run at the edge, before anything is sent on, and see no tables.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Sequence
from typing import Final, TypeVar
from unicodedata import category

from msgspec import UNSET, Raw, UnsetType

from hubbub.base.errors import BAD_REQUEST, TOO_LARGE, TOO_MANY, UNKNOWN_CHANNEL, Rejected
from hubbub.base.names import StreamKind, check_channel, check_user, kind_of
from hubbub.settings.app import AppSettings
from hubbub.wire.codec import encode_json, shape_json

T = TypeVar("T")

TITLE_CHARS_MAX: Final = 255  # a name of a channel or a person: one line on a screen
URL_CHARS_MAX: Final = 2_048  # what browsers and proxies agree on
# Custom data of a channel or a user is read whole with every snapshot; a message's own is bounded
# by the envelope.
META_BYTES_MAX: Final = 8_192

# The ids of one plural event (contracts.md 3); a row's `info` must hold them in a u16 length.
PLURAL_BYTES_MAX: Final = 60_000

# Spaces, separators, controls, and what only joins or directs other characters.
_UNSEEN: Final = frozenset(("Zs", "Zl", "Zp", "Cc", "Cf"))
_FILLERS: Final = "\u115f\u1160\u2800\u3164\uffa0"  # letters and a sign that show nothing

_URL: Final = re.compile(r"https?://[^\s\x00-\x1f\x7f]+", re.IGNORECASE)

CustomData = Raw | UnsetType


def json_bytes(data: CustomData) -> bytes:
    """The JSON of a custom field for a row; empty for absent and for null."""
    raw = b"" if isinstance(data, UnsetType) else bytes(data)
    return b"" if raw == b"null" else raw


def is_blank(text: str) -> bool:
    """Whether nobody would see anything of it: spaces, controls, marks of no width, fillers."""
    if text and "!" <= text[0] <= "~":
        return False
    return not any(category(char) not in _UNSEEN and char not in _FILLERS for char in text)


def custom(data: bytes) -> CustomData:
    """The JSON of a row as a field of an event or an answer; absent if empty."""
    return Raw(data) if data else UNSET


def check_chat_channel(name: str) -> str:
    """A channel of the chat. Raises Rejected: BAD_REQUEST for a malformed name, else
    UNKNOWN_CHANNEL."""
    check_channel(name)
    if kind_of(name) is not StreamKind.CHANNEL:
        raise Rejected(UNKNOWN_CHANNEL)
    return name


def check_title(name: str) -> None:
    """Raises Rejected(TOO_LARGE) beyond 255 characters."""
    if len(name) > TITLE_CHARS_MAX:
        raise Rejected(TOO_LARGE, f"at most {TITLE_CHARS_MAX} characters", limit=TITLE_CHARS_MAX)


def check_url(url: str, where: str = "url") -> None:
    """Raises Rejected: TOO_LARGE, BAD_REQUEST for what is not http or https."""
    if len(url) > URL_CHARS_MAX:
        limit = URL_CHARS_MAX
        raise Rejected(TOO_LARGE, f"{where}: at most {limit} characters", limit=limit)
    if not _URL.fullmatch(url):
        raise Rejected(BAD_REQUEST, f"{where}: http or https only")


def check_bytes(data: CustomData, bytes_max: int) -> None:
    """Raises Rejected(TOO_LARGE) if the JSON is longer."""
    if len(json_bytes(data)) > bytes_max:
        raise Rejected(TOO_LARGE, f"data is at most {bytes_max} bytes", limit=bytes_max)


def check_users(users: Iterable[str], settings: AppSettings) -> tuple[str, ...]:
    """The names without repetition, in order. Raises Rejected: BAD_REQUEST, TOO_MANY."""
    unique = tuple(dict.fromkeys(users))
    limit = settings.members_per_command_max
    if len(unique) > limit:
        raise Rejected(TOO_MANY, f"at most {limit} users in one request", limit=limit)
    for user in unique:
        check_user(user)
    if len(encode_json(unique)) > PLURAL_BYTES_MAX:
        raise Rejected(TOO_MANY, "the names together are too long", limit_bytes=PLURAL_BYTES_MAX)
    return unique


def make_cursor(order: str, place: Sequence[object]) -> str:
    """A place in an order, for the client to hand back."""
    return urlsafe_b64encode(encode_json([order, list(place)])).decode().rstrip("=")


def read_cursor(cursor: str, order: str, shape: type[T]) -> T:
    """The place in it. Raises Rejected(BAD_REQUEST) if it is none of this order."""
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii") + b"==")
        found, place = shape_json(raw, tuple[str, shape])  # type: ignore[valid-type]
        if found == order:
            return place
    except (Rejected, ValueError):
        pass
    raise Rejected(BAD_REQUEST, "cursor is the `next` of a page in the same order")


def require_something(*fields: object) -> None:
    """Raises Rejected(BAD_REQUEST) if every field is absent."""
    if all(isinstance(value, UnsetType) for value in fields):
        raise Rejected(BAD_REQUEST, "nothing to change")


def check_limit(limit: int, limit_max: int) -> None:
    """Raises Rejected(BAD_REQUEST) for a page of no or of too many rows: none is cut short."""
    if not 1 <= limit <= limit_max:
        raise Rejected(BAD_REQUEST, f"limit is 1 to {limit_max}", limit_max=limit_max)
