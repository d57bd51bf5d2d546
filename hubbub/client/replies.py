"""What a server sends in the JSON form of the client protocol, as shapes. Pure.

Source: Centrifuge client protocol v2: one reply a line; without id and push it is a ping.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from hubbub.base.errors import Rejected, error_by_code
from hubbub.client.events import KINDS, Json, Refused
from hubbub.wire.codec import parse_json, shape_json


class Error(Struct, frozen=True):
    """`message`: `name: text` and, where there are details, one JSON object."""

    code: int
    message: str = ""
    temporary: bool = False


class Publication(Struct, frozen=True):
    """A publication, live or recovered."""

    data: Json = None
    offset: int = 0
    info: Json = None


class SubscribeResult(Struct, frozen=True):
    """Position, snapshot and what was missed."""

    recoverable: bool = False
    epoch: str = ""
    offset: int = 0
    recovered: bool = False
    publications: tuple[Publication, ...] = ()
    data: Json = None


class ConnectResult(Struct, frozen=True):
    """`ping`: seconds between the server's pings, 0 = none. `ttl`: of the token, in seconds."""

    client: str = ""
    data: Json = None
    subs: dict[str, SubscribeResult] = {}
    ping: int = 0
    pong: bool = False
    expires: bool = False
    ttl: int = 0


class RefreshResult(Struct, frozen=True):
    """How long the new token is good for."""

    expires: bool = False
    ttl: int = 0


class HistoryResult(Struct, frozen=True):
    """A page, ascending, and the channel's top."""

    publications: tuple[Publication, ...] = ()
    offset: int = 0
    epoch: str = ""


class RpcResult(Struct, frozen=True):
    """What the verb answered."""

    data: Json = None


class Info(Struct, frozen=True):
    """Of a join or leave."""

    info: Json = None


class Unsubscribe(Struct, frozen=True):
    """The server ended a subscription."""

    code: int
    reason: str = ""


class Push(Struct, frozen=True):
    """What comes unasked."""

    channel: str = ""
    pub: Publication | None = None
    join: Info | None = None
    leave: Info | None = None
    unsubscribe: Unsubscribe | None = None


class Reply(Struct, frozen=True):
    """One line. The results are those of the requests this client makes."""

    id: int = 0
    error: Error | None = None
    push: Push | None = None
    connect: ConnectResult | None = None
    subscribe: SubscribeResult | None = None
    history: HistoryResult | None = None
    rpc: RpcResult | None = None
    refresh: RefreshResult | None = None

    @property
    def is_ping(self) -> bool:
        return not self.id and self.push is None


def decode(frame: bytes) -> list[Reply]:
    """The replies of a frame. Raises Rejected. Not splitlines: texts may hold other line ends."""
    return [shape_json(line, Reply) for line in frame.split(b"\n") if line]


def refused(error: Error) -> Refused:
    """An error as its exception."""
    text, details = with_details(error.message)
    kind = KINDS.get(error_by_code(error.code).http_status, Refused)
    return kind(error.code, text, error.temporary, details)


def with_details(message: str) -> tuple[str, dict[str, Any]]:
    """The text and the JSON object behind it (contracts.md 6)."""
    text, brace, rest = message.partition(" {")
    if not brace:
        return message, {}
    try:
        details: dict[str, Any] = parse_json("{" + rest)
    except Rejected:
        return message, {}  # the brace belongs to the text
    return text, details
