"""What the client core tells: orders to its adapter, and what happened, for the program. Values.

JSON values (`data`, `info`) are what the peer wrote, parsed: objects, arrays, strings, numbers.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

Json = Any  # a parsed JSON value: its shape is the feature's, not the client's


class Refused(Exception):
    """The server answered with an error. `details`: the JSON object behind its text."""

    def __init__(self, code: int, text: str, temporary: bool, details: dict[str, Json]) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text
        self.temporary = temporary
        self.details = details


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


class HangUp(Struct, frozen=True):
    """Close the socket that is open or being opened, and say nothing more about it."""


Order = Dial | Write | HangUp

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
