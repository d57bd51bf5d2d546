"""What the client core tells: orders to its adapter, and what happened, for the program. Values.

JSON values (`data`, `info`) are what the peer wrote, parsed: objects, arrays, strings, numbers.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from hubbub.base.errors import OVERLOADED, error_by_code

Json = Any  # a parsed JSON value: its shape is the feature's, not the client's


class Refused(Exception):
    """The server answered with an error. `details`: the JSON object behind its text."""

    def __init__(self, code: int, text: str, temporary: bool, details: dict[str, Json]) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text
        self.temporary = temporary
        self.details = details

    @property
    def reason(self) -> str:
        """The code's name, as docs/ERRORS.md has it: `not_found`. REST calls it `code`."""
        return error_by_code(self.code).name

    @property
    def retry_after_ms(self) -> int:
        """How long to wait, where the server says so; else 0."""
        wait_ms = self.details.get("retry_after_ms", 0)
        return wait_ms if isinstance(wait_ms, int) else 0

    @property
    def errors(self) -> dict[str, str]:
        """What is wrong with the request's fields, by JSON pointer (`#/limit`): all of them."""
        rows = self.details.get("errors", ())
        return {str(row["pointer"]): str(row["detail"]) for row in rows}


class Invalid(Refused):
    """The request is wrong as it stands (HTTP's 400, 405, 413, 415, 422, 431)."""


class NotAllowed(Refused):
    """Not by this user, or not now: rights, sanctions, tokens (401, 403)."""


class NotFound(Refused):
    """There is no such thing, or none for this user (404, 410)."""


class Conflict(Refused):
    """The state is another than the request supposes (409, 412)."""


class Limited(Refused):
    """Too often, too many (429). `details` may say `retry_after_ms`."""


class Unavailable(Refused):
    """The server cannot now, or failed (5xx)."""


KINDS: Final[dict[int, type[Refused]]] = {
    400: Invalid,
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    405: Invalid,
    409: Conflict,
    410: NotFound,
    413: Invalid,
    415: Invalid,
    422: Invalid,
    429: Limited,
    431: Invalid,
    503: Unavailable,
    507: Unavailable,
}  # by the HTTP status of the code's row; a test holds that none is missing


def overloaded(text: str) -> Refused:
    """Too much at once, before anything left this program."""
    return Unavailable(OVERLOADED.code, f"{OVERLOADED.name}: {text}", True, {})


class OutboxFull(Exception):
    """A full outbox refuses what is new, and drops nothing."""


class NoAnswer(Exception):
    """Nobody answered in time, or the connection was lost: it may or may not have happened."""


class Closed(Exception):
    """The client is at its end: stopped by its program, or refused for good by the server."""


# --- orders to the adapter


class Dial(Struct, frozen=True):
    """Open a socket at the next address with a fresh token; then call `opened`, or `lost`."""


class Write(Struct, frozen=True):
    """Send one text frame."""

    text: str


class Renew(Struct, frozen=True):
    """The token runs out: get a fresh one, then call `renewed`, or `not_renewed`."""


class HangUp(Struct, frozen=True):
    """Close the socket that is open or being opened, and say nothing more about it."""


Order = Dial | Write | Renew | HangUp

# --- what happened


class Connected(Struct, frozen=True):
    """The session is up, again or for the first time. `data`: the bootstrap."""

    client: str
    data: Json


class Cut(Struct, frozen=True):
    """The connection was lost; the client comes back by itself."""

    reason: str


class Stopped(Struct, frozen=True):
    """The connection ended for good: the server will not have this client."""

    code: int
    reason: str


class Subscribed(Struct, frozen=True):
    """The channel is followed. `resumed`: from where it was left, nothing is missing."""

    channel: str
    offset: int
    data: Json
    resumed: bool


class Ended(Struct, frozen=True):
    """The channel is not followed any more: refused, or the server ended it."""

    channel: str
    error: Refused


class Reset(Struct, frozen=True):
    """What stood between the last publication and `offset` cannot be had any more: reload."""

    channel: str
    offset: int


class Published(Struct, frozen=True):
    """One publication; offset 0: a signal. Offsets of a channel come without gaps or doubles."""

    channel: str
    offset: int
    data: Json
    info: Json


class Presence(Struct, frozen=True):
    """Somebody came (`is_there`) or went."""

    channel: str
    is_there: bool
    info: Json


class Answered(Struct, frozen=True):
    """The answer to a request."""

    number: int
    data: Json


class Failed(Struct, frozen=True):
    """A request without an answer."""

    number: int
    error: Refused | NoAnswer


Event = (
    Connected
    | Cut
    | Stopped
    | Subscribed
    | Ended
    | Reset
    | Published
    | Presence
    | Answered
    | Failed
)
Output = Order | Event
