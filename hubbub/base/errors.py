"""Every error code and every close code that a client can meet, in one place.

Rules:
1. A refusal of a valid request is `Rejected(code, text, **details)`; it becomes an error reply on a
   socket and problem+json over REST, from the same row of the table below.
2. A peer that breaks the protocol is `RemoteProtocolError(close)`: its connection is closed.
3. `LocalProtocolError` is a bug of ours.
4. Codes below 400 are the Centrifuge client protocol's own (their meaning is fixed there); ours are
   400-1999. The name is the metric's label, the REST `code` and the row of docs/ERRORS.md.

Source: Centrifuge client protocol v2 (error and disconnect code tables), RFC 9457 for the REST
form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """One row of the table. `temporary`: the same request may succeed later, unchanged. `hint`:
    what to do about it, where the text does not say so."""

    code: int
    name: str
    http_status: int
    temporary: bool
    text: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class CloseCode:
    """Why a connection is closed. The range of `code` tells the client whether to reconnect."""

    code: int
    reason: str

    @property
    def reconnects(self) -> bool:
        """3000-3499, 4000-4499, below 3000 and from 5000 on: the client comes back."""
        return not (3500 <= self.code <= 3999 or 4500 <= self.code <= 4999)


class Rejected(Exception):
    """A valid request that is refused. Nothing was stored.

    `details` must be JSON values; they travel as one JSON object behind the text.
    """

    def __init__(self, error: ErrorCode, text: str = "", **details: object) -> None:
        super().__init__(error.name, text)
        self.error = error
        self.text = text or error.text
        self.details = details


class RemoteProtocolError(Exception):
    """The peer broke the protocol; its connection is closed with `close`."""

    def __init__(self, close: CloseCode, text: str = "") -> None:
        super().__init__(close.code, text or close.reason)
        self.close = close


class LocalProtocolError(Exception):
    """We used our own protocol object wrongly: a bug."""


_ERRORS: Final[dict[int, ErrorCode]] = {}
_CLOSES: Final[dict[int, CloseCode]] = {}


def _error(
    code: int, name: str, http_status: int, text: str, *, temporary: bool = False, hint: str = ""
) -> ErrorCode:
    row = ErrorCode(code, name, http_status, temporary, text, hint)
    assert code not in _ERRORS, code
    _ERRORS[code] = row
    return row


def _close(code: int, reason: str) -> CloseCode:
    row = CloseCode(code, reason)
    assert code not in _CLOSES, code
    _CLOSES[code] = row
    return row


# --- the client protocol's own
INTERNAL = _error(100, "internal", 503, "temporary failure, try again", temporary=True)
UNAUTHORIZED = _error(
    101,
    "unauthorized",
    401,
    "unauthorized",
    hint="send Authorization: Bearer and a server key, or a token from POST /v1/tokens",
)
UNKNOWN_CHANNEL = _error(
    102,
    "unknown_channel",
    404,
    "unknown channel",
    hint="a chat's name begins with dm:, group: or open:, as in group:tea",
)
PERMISSION_DENIED = _error(103, "permission_denied", 403, "permission denied")
METHOD_NOT_FOUND = _error(
    104,
    "method_not_found",
    404,
    "method not found",
    hint="/openapi.json and /docs list every route",
)
ALREADY_SUBSCRIBED = _error(105, "already_subscribed", 409, "already subscribed")
LIMIT_EXCEEDED = _error(106, "limit_exceeded", 422, "limit exceeded")
BAD_REQUEST = _error(
    107,
    "bad_request",
    400,
    "bad request",
    hint="`errors` names the fields, where it is one of them; /docs shows what each takes",
)
# The client protocol's word for an unknown rpc, too: the SDKs' suites ask for it.
NOT_AVAILABLE = _error(
    108,
    "not_available",
    404,
    "not available",
    hint="what it needs is off here; or an unknown rpc: /asyncapi.json and /docs list every method",
)
TOKEN_EXPIRED = _error(
    109, "token_expired", 401, "token expired", hint="get a new token where this one came from"
)
EXPIRED = _error(110, "expired", 401, "expired")
RATE_LIMITED = _error(
    111,
    "rate_limited",
    429,
    "slow down",
    temporary=True,
    hint="wait as long as Retry-After says; GET /v1/limits shows what is left",
)
UNRECOVERABLE_POSITION = _error(112, "unrecoverable_position", 410, "unrecoverable position")
# --- ours
UNKNOWN_OUTCOME = _error(
    400,
    "unknown_outcome",
    503,
    "no answer yet: retry with the same id",
    temporary=True,
    hint="send it again under the same cmid or Idempotency-Key",
)
NOT_FOUND = _error(404, "not_found", 404, "not found")
CHANNEL_NOT_FOUND = _error(
    405, "channel_not_found", 404, "channel does not exist", hint="POST /v1/channels makes it"
)
METHOD_NOT_ALLOWED = _error(408, "method_not_allowed", 405, "method not allowed")
CONFLICT = _error(409, "conflict", 409, "conflict")
CMID_REUSED = _error(
    410,
    "cmid_reused",
    409,
    "this id was used for another request",
    hint="a new request needs a new cmid or Idempotency-Key",
)
CMID_CLOCK = _error(411, "cmid_clock", 422, "the id's time is outside -24 h to +10 min")
TOO_LARGE = _error(413, "too_large", 413, "too large")
TOO_MANY = _error(414, "too_many", 422, "too many items")
UNSUPPORTED_MEDIA = _error(
    415,
    "unsupported_media_type",
    415,
    "the body must be JSON",
    hint="send Content-Type: application/json",
)
NOT_A_MEMBER = _error(
    420,
    "not_a_member",
    403,
    "not a member of this channel",
    hint="join it, or let a moderator add this user",
)
CHANNEL_EXISTS = _error(421, "channel_exists", 409, "channel exists already")
MESSAGE_DELETED = _error(422, "message_deleted", 409, "message is deleted")
BANNED = _error(423, "banned", 403, "banned from this channel")
MUTED = _error(424, "muted", 403, "muted in this channel")
CHANNEL_FROZEN = _error(425, "channel_frozen", 403, "this channel is frozen")
USER_DEACTIVATED = _error(426, "user_deactivated", 403, "this user is deactivated")
USER_BANNED = _error(427, "user_banned", 403, "banned from this app")
GUEST_EXPIRED = _error(428, "guest_expired", 403, "this guest's time is over")
# Lasting for whoever sends: a client that waited and sent again by itself would hang for minutes.
SLOW_MODE = _error(429, "slow_mode", 429, "slow mode: wait before the next message")
OVERLOADED = _error(430, "overloaded", 503, "overloaded, try again", temporary=True)
STORAGE_FULL = _error(431, "storage_full", 507, "storage is full", temporary=True)
PROMOTED = _error(440, "promoted", 409, "this conversation became a group")
COUNTER_BOUND = _error(442, "counter_bound", 409, "the counter would leave its bounds")
SCHEMA_MISMATCH = _error(443, "schema_mismatch", 422, "the data does not follow its schema")
QUOTA_EXCEEDED = _error(444, "quota_exceeded", 429, "the app's quota is used up", temporary=True)
LAST_OWNER = _error(
    448,
    "last_owner",
    409,
    "nobody else owns this channel: make another member an owner before",
    hint="PUT /v1/channels/{channel}/members/{user} makes owners; or delete the channel",
)
# Of what exists, such as users: waiting makes no room, unlike with QUOTA_EXCEEDED.
QUOTA_REACHED = _error(447, "quota_reached", 403, "the app has as many as its quota allows")
APP_NOT_FOUND = _error(445, "app_not_found", 404, "there is no such app")
APP_EXISTS = _error(446, "app_exists", 409, "this name is or was an app's")
CURSOR_INVALID = _error(
    450, "cursor_invalid", 400, "not a cursor of this list", hint="begin again without a cursor"
)
CURSOR_EXPIRED = _error(
    451, "cursor_expired", 410, "the cursor is too old", hint="begin again without a cursor"
)
HEADERS_TOO_LARGE = _error(452, "headers_too_large", 431, "the request's head is too long")
NAME_RESERVED = _error(
    453,
    "name_reserved",
    422,
    "names that begin so are the product's own",
    hint="begin it with a word of your own, as in order.paid",
)
CHANNEL_ARCHIVED = _error(441, "channel_archived", 409, "the channel is archived: read only")

# --- closes: reconnect
CLOSED = _close(3000, "connection closed")
SHUTDOWN = _close(3001, "shutdown")
SERVER_ERROR = _close(3004, "internal server error")
CONNECTION_EXPIRED = _close(3005, "connection expired")
SLOW = _close(3008, "slow")
INSUFFICIENT_STATE = _close(3010, "insufficient state")
FORCE_RECONNECT = _close(3011, "force reconnect")
NO_PONG = _close(3012, "no pong")
TOO_MANY_REQUESTS = _close(3013, "too many requests")
STATE_INVALIDATED = _close(3014, "state invalidated")
# --- closes: terminal
INVALID_TOKEN = _close(3500, "invalid token")
BAD_PROTOCOL = _close(3501, "bad request")
STALE = _close(3502, "stale")
FORCE_DISCONNECT = _close(3503, "force disconnect")
CONNECTION_LIMIT = _close(3504, "connection limit")
CHANNEL_LIMIT = _close(3505, "channel limit")
INAPPROPRIATE_PROTOCOL = _close(3506, "inappropriate protocol")
CLOSE_PERMISSION_DENIED = _close(3507, "permission denied")
CLOSE_NOT_AVAILABLE = _close(3508, "not available")
TOO_MANY_ERRORS = _close(3509, "too many errors")
REVOKED = _close(4501, "revoked")
CLOSE_DEACTIVATED = _close(4502, "deactivated")
CLOSE_BANNED = _close(4503, "banned")
APP_DELETED = _close(4504, "app deleted")

# --- unsubscribe pushes (below 2500 final, from 2500 the client resubscribes)
UNSUBSCRIBED = CloseCode(2000, "server unsubscribe")
REMOVED_FROM_CHANNEL = CloseCode(2100, "removed from channel")
UNSUBSCRIBED_INSUFFICIENT = CloseCode(2500, "insufficient state")
SUBSCRIPTION_EXPIRED = CloseCode(2501, "subscription expired")


def error_by_code(code: int) -> ErrorCode:
    """The row of a code that came over a link; unknown codes read as INTERNAL."""
    return _ERRORS.get(code, INTERNAL)


def all_errors() -> list[ErrorCode]:
    """Every row, by code: what docs/ERRORS.md is generated from."""
    return sorted(_ERRORS.values(), key=lambda row: row.code)


def all_closes() -> list[CloseCode]:
    """Every close, by code."""
    return sorted(_CLOSES.values(), key=lambda row: row.code)
