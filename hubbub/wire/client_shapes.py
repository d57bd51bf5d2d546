"""What a client asks and what it is answered, apart from how either is written. Pure.

Rules:
1. A command's `data` and everything typed `Json` is UTF-8 JSON text that passed the ingress check
   and holds no raw line break: it can be embedded in every encoding and transport as it is.
2. Both encodings decode into these commands and encode these results; nobody else knows a field
   name or number of the wire.
3. Bytes that are no command raise RemoteProtocolError(BAD_PROTOCOL), never anything else.

Source: Centrifuge client protocol v2 (commands, results and pushes).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from msgspec import Struct

from hubbub.base.errors import BAD_PROTOCOL, Rejected, RemoteProtocolError
from hubbub.wire.codec import parse_json
from hubbub.wire.shapes import Json

U32_MAX: Final = (1 << 32) - 1
FLAG_COMPACTION: Final = 1  # subscribe: the client understands numeric channels
FLAG_REJECT_UNRECOVERED: Final = 2  # subscribe: error 112 instead of `recovered: false`
NAME_MAX, VERSION_MAX = 16, 64  # of a client's self-description; it only feeds statistics


class Command(Struct, frozen=True, gc=False):
    """Base of what a client sends. `id` is echoed in the reply; 0 only for Send and Pong."""

    id: int


class Position(Struct, frozen=True, gc=False):
    """Where a client stands in a stream."""

    offset: int = 0
    epoch: str = ""


class ServerPosition(Struct, frozen=True, gc=False):
    """What a client remembers of a server-side subscription."""

    recover: bool = False
    offset: int = 0
    epoch: str = ""


class Connect(Command, frozen=True, gc=False):
    """The first command of a connection."""

    token: str = ""
    data: Json = b""
    subs: dict[str, ServerPosition] = {}
    name: str = ""
    version: str = ""
    headers: dict[str, str] = {}


class Subscribe(Command, frozen=True, gc=False):
    """`filtered`: a tag filter was sent; `kind` other than 0 is no stream subscription (108)."""

    channel: str
    token: str = ""
    data: Json = b""
    recover: bool = False
    offset: int = 0
    epoch: str = ""
    positioned: bool = False
    recoverable: bool = False
    join_leave: bool = False
    delta: str = ""
    flag: int = 0
    kind: int = 0
    filtered: bool = False


class Unsubscribe(Command, frozen=True, gc=False):
    """Always succeeds."""

    channel: str


class Publish(Command, frozen=True, gc=False):
    """`kind` 1 is a map publication (108)."""

    channel: str
    data: Json
    kind: int = 0


class PresenceList(Command, frozen=True, gc=False):
    """Who is in a channel."""

    channel: str


class PresenceStats(Command, frozen=True, gc=False):
    """How many are in a channel."""

    channel: str


class History(Command, frozen=True, gc=False):
    """`limit` 0: only the position; negative: all up to the maximum. `since` is excluded."""

    channel: str
    limit: int = 0
    since: Position | None = None
    reverse: bool = False


class Rpc(Command, frozen=True, gc=False):
    """A verb. `data` is empty if the client sent none."""

    method: str
    data: Json


class Send(Command, frozen=True, gc=False):
    """A message without an answer."""

    data: Json


class Refresh(Command, frozen=True, gc=False):
    """A new connection token."""

    token: str


class SubRefresh(Command, frozen=True, gc=False):
    """A new subscription token."""

    channel: str
    token: str


class Pong(Command, frozen=True, gc=False):
    """The answer to a server ping."""


class Publication(Struct, frozen=True, gc=False):
    """One publication. `offset` 0: it has none. `info`: the publisher's ClientInfo."""

    data: Json
    offset: int = 0
    info: Json = b""
    tags: dict[str, str] | None = None
    time: int = 0
    delta: bool = False


class SubscribeResult(Struct, frozen=True, kw_only=True, gc=False):
    """`id`: the numeric name that compact pushes carry; `ttl` in seconds."""

    recoverable: bool = False
    positioned: bool = False
    epoch: str = ""
    offset: int = 0
    was_recovering: bool = False
    recovered: bool = False
    publications: tuple[Publication, ...] = ()
    expires: bool = False
    ttl: int = 0
    data: Json = b""
    delta: bool = False
    id: int = 0


class ConnectResult(Struct, frozen=True, kw_only=True, gc=False):
    """`ping` and `ttl` in seconds; `session` and `node` only for the emulated transports."""

    client: str
    version: str
    expires: bool = False
    ttl: int = 0
    data: Json = b""
    subs: dict[str, SubscribeResult] = {}
    ping: int = 0
    pong: bool = False
    session: str = ""
    node: str = ""
    time: int = 0


class Encoding(Protocol):
    """One of the two encodings: bytes in, commands out; results and pushes in, messages out.

    A message is one Reply, ready to be joined with others; the same bytes serve every receiver.
    """

    @property
    def name(self) -> str:
        """`json` or `protobuf`."""
        ...

    @property
    def is_binary(self) -> bool:
        """Whether frames are binary (WebSocket opcode, content type)."""
        ...

    @property
    def ping(self) -> bytes:
        """The server ping, one message."""
        ...

    def decode(self, frame: bytes) -> list[Command]:
        """The commands of a frame in order. Raises RemoteProtocolError(BAD_PROTOCOL)."""
        ...

    def join(self, messages: Sequence[bytes]) -> bytes:
        """Messages as the payload of one frame."""
        ...

    def text_data(self, data: bytes) -> bytes:
        """`data` of a publication on a subscription with deltas: full text or a delta."""
        ...

    def reply_connect(self, id: int, result: ConnectResult) -> bytes: ...
    def reply_subscribe(self, id: int, result: SubscribeResult) -> bytes: ...
    def reply_unsubscribe(self, id: int) -> bytes: ...
    def reply_publish(self, id: int) -> bytes: ...
    def reply_presence(self, id: int, clients: Mapping[str, Json]) -> bytes:
        """`clients`: connection id → ClientInfo as JSON."""
        ...

    def reply_presence_stats(self, id: int, num_clients: int, num_users: int) -> bytes: ...
    def reply_history(
        self, id: int, publications: Sequence[Publication], offset: int, epoch: str
    ) -> bytes: ...
    def reply_rpc(self, id: int, data: Json) -> bytes: ...
    def reply_refresh(
        self, id: int, *, client: str, version: str, expires: bool, ttl: int
    ) -> bytes: ...
    def reply_sub_refresh(self, id: int, *, expires: bool, ttl: int) -> bytes: ...
    def reply_error(self, id: int, code: int, message: str, temporary: bool) -> bytes: ...

    def push_publication(
        self, channel: str, publication: Publication, compact_id: int = 0
    ) -> bytes: ...
    def push_join(self, channel: str, info: Json, compact_id: int = 0) -> bytes: ...
    def push_leave(self, channel: str, info: Json, compact_id: int = 0) -> bytes: ...
    def push_unsubscribe(self, channel: str, code: int, reason: str) -> bytes: ...
    def push_subscribe(self, channel: str, result: SubscribeResult) -> bytes: ...
    def push_disconnect(self, code: int, reason: str) -> bytes: ...


def bad_protocol(text: str) -> RemoteProtocolError:
    """What to raise for bytes that are no command."""
    return RemoteProtocolError(BAD_PROTOCOL, text)


def strip_line_breaks(data: bytes) -> bytes:
    """The same JSON without raw line breaks.

    Valid JSON has them only between tokens. A line feed would end a message, and a carriage
    return an event of an SSE stream.
    """
    if b"\n" in data or b"\r" in data:
        return data.replace(b"\n", b"").replace(b"\r", b"")
    return data


def checked_json(data: bytes) -> Json:
    """Embedded JSON from a binary message: empty, or it passes the ingress check."""
    if not data:
        return data
    try:
        parse_json(data)
    except Rejected as error:
        raise bad_protocol(error.text) from None
    return strip_line_breaks(data)
