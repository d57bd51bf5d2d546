"""The client protocol in JSON: one object per line. Pure.

Rules:
1. Replies and pushes are put together from ready JSON fragments; a payload is never parsed here.
2. Zero values are left out, but what SDKs index without a default is always there: `client`,
   `num_clients`, `num_users`, `presence`, `data` of an rpc, and a result object, even if empty.
3. Every name that somebody else chose is escaped.
4. In comes one `parse_json` of each line (bad UTF-8, NaN, depth, lone surrogates), then its shape;
   a payload is cut out of the line as it is, without raw line breaks.

Long because every message of the protocol is here once to be read and once to be written.

Source: Centrifuge client protocol v2, JSON encoding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Final, TypeVar

from msgspec import Meta, Raw, Struct, field

from hubbub.base.errors import Rejected
from hubbub.wire import client_shapes as shapes
from hubbub.wire.client_shapes import (
    NAME_MAX,
    U32_MAX,
    VERSION_MAX,
    Command,
    ConnectResult,
    Publication,
    SubscribeResult,
    bad_protocol,
    strip_line_breaks,
)
from hubbub.wire.codec import dump_json, parse_json, shape_json
from hubbub.wire.shapes import Json

T = TypeVar("T")
U32 = Annotated[int, Meta(ge=0, le=U32_MAX)]
# Offsets are u64 on the wire, but JSON clients hold them as doubles: none of ours is larger.
Offset = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
I32 = Annotated[int, Meta(ge=-(1 << 31), le=(1 << 31) - 1)]
_NO_DATA: Final = Raw(b"")


class _Connect(Struct):
    token: str = ""
    data: Raw = _NO_DATA
    subs: dict[str, shapes.ServerPosition] = {}
    name: str = ""
    version: str = ""
    headers: dict[str, str] = {}


class _Subscribe(Struct):
    channel: str = ""
    token: str = ""
    data: Raw = _NO_DATA
    recover: bool = False
    offset: Offset = 0
    epoch: str = ""
    positioned: bool = False
    recoverable: bool = False
    join_leave: bool = False
    delta: str = ""
    flag: int = 0
    type: I32 = 0
    tf: Raw = _NO_DATA


class _Channel(Struct):
    channel: str = ""


class _Publish(Struct):
    channel: str = ""
    data: Raw = _NO_DATA
    type: I32 = 0


class _Since(Struct):
    offset: Offset = 0
    epoch: str = ""


class _History(Struct):
    channel: str = ""
    limit: I32 = 0
    since: _Since | None = None
    reverse: bool = False


class _Rpc(Struct):
    method: str = ""
    data: Raw = _NO_DATA


class _Data(Struct):
    data: Raw = _NO_DATA


class _Token(Struct):
    token: str = ""


class _ChannelToken(Struct):
    channel: str = ""
    token: str = ""


class _ConnectLine(Struct):
    connect: _Connect
    id: U32 = 0


class _SubscribeLine(Struct):
    subscribe: _Subscribe
    id: U32 = 0


class _UnsubscribeLine(Struct):
    unsubscribe: _Channel
    id: U32 = 0


class _PublishLine(Struct):
    publish: _Publish
    id: U32 = 0


class _PresenceLine(Struct):
    presence: _Channel
    id: U32 = 0


class _PresenceStatsLine(Struct):
    presence_stats: _Channel
    id: U32 = 0


class _HistoryLine(Struct):
    history: _History
    id: U32 = 0


class _RpcLine(Struct):
    rpc: _Rpc
    id: U32 = 0


class _SendLine(Struct):
    send: _Data
    id: U32 = 0


class _RefreshLine(Struct):
    refresh: _Token
    id: U32 = 0


class _SubRefreshLine(Struct):
    request: _ChannelToken = field(name="sub_refresh")
    id: U32 = 0


def _raw(data: Raw) -> Json:
    return strip_line_breaks(bytes(data))


def _shaped(line: bytes, shape: type[T]) -> T:
    try:
        return shape_json(line, shape)
    except Rejected as error:
        raise bad_protocol(error.text) from None


def _connect(line: bytes) -> Command:
    envelope = _shaped(line, _ConnectLine)
    request = envelope.connect
    return shapes.Connect(
        envelope.id,
        request.token,
        _raw(request.data),
        request.subs,
        request.name[:NAME_MAX],
        request.version[:VERSION_MAX],
        request.headers,
    )


def _subscribe(line: bytes) -> Command:
    envelope = _shaped(line, _SubscribeLine)
    request = envelope.subscribe
    return shapes.Subscribe(
        envelope.id,
        request.channel,
        request.token,
        _raw(request.data),
        request.recover,
        request.offset,
        request.epoch,
        request.positioned,
        request.recoverable,
        request.join_leave,
        request.delta,
        request.flag,
        request.type,
        bytes(request.tf) not in (b"", b"null"),
    )


def _unsubscribe(line: bytes) -> Command:
    envelope = _shaped(line, _UnsubscribeLine)
    return shapes.Unsubscribe(envelope.id, envelope.unsubscribe.channel)


def _publish(line: bytes) -> Command:
    envelope = _shaped(line, _PublishLine)
    request = envelope.publish
    return shapes.Publish(envelope.id, request.channel, _raw(request.data), request.type)


def _presence(line: bytes) -> Command:
    envelope = _shaped(line, _PresenceLine)
    return shapes.PresenceList(envelope.id, envelope.presence.channel)


def _presence_stats(line: bytes) -> Command:
    envelope = _shaped(line, _PresenceStatsLine)
    return shapes.PresenceStats(envelope.id, envelope.presence_stats.channel)


def _history(line: bytes) -> Command:
    envelope = _shaped(line, _HistoryLine)
    request = envelope.history
    since = None
    if request.since is not None:
        since = shapes.Position(request.since.offset, request.since.epoch)
    return shapes.History(envelope.id, request.channel, request.limit, since, request.reverse)


def _rpc(line: bytes) -> Command:
    envelope = _shaped(line, _RpcLine)
    request = envelope.rpc
    return shapes.Rpc(envelope.id, request.method, _raw(request.data))


def _send(line: bytes) -> Command:
    return shapes.Send(0, _raw(_shaped(line, _SendLine).send.data))


def _refresh(line: bytes) -> Command:
    envelope = _shaped(line, _RefreshLine)
    return shapes.Refresh(envelope.id, envelope.refresh.token)


def _sub_refresh(line: bytes) -> Command:
    envelope = _shaped(line, _SubRefreshLine)
    return shapes.SubRefresh(envelope.id, envelope.request.channel, envelope.request.token)


_DECODERS: Final[dict[str, Callable[[bytes], Command]]] = {
    "rpc": _rpc,
    "connect": _connect,
    "subscribe": _subscribe,
    "unsubscribe": _unsubscribe,
    "publish": _publish,
    "presence": _presence,
    "presence_stats": _presence_stats,
    "history": _history,
    "send": _send,
    "refresh": _refresh,
    "sub_refresh": _sub_refresh,
}


def _decode_line(line: bytes) -> Command:
    try:
        parsed = parse_json(line)
    except Rejected as error:
        raise bad_protocol(error.text) from None
    if not isinstance(parsed, dict):
        raise bad_protocol("a command is a JSON object")
    decode = None
    for name in parsed:
        if name in _DECODERS:
            if decode is not None:
                raise bad_protocol("a command holds exactly one request")
            decode = _DECODERS[name]
    if decode is not None:
        command = decode(line)
        if not command.id and decode is not _send:
            raise bad_protocol("a command needs an id")
        return command
    # An empty command is a pong; the legacy `ping` command is not spoken.
    if parsed.get("id", 0) != 0 or "ping" in parsed:
        raise bad_protocol("a command holds exactly one request")
    return shapes.Pong(0)


class JsonEncoding:
    """The Encoding of clients that negotiated no subprotocol or `centrifuge-json`."""

    name: Final = "json"
    is_binary: Final = False
    ping: Final = b"{}"

    def decode(self, frame: bytes) -> list[Command]:
        """One command a line, one line break at the end allowed."""
        if b"\n" not in frame:
            return [_decode_line(frame)]
        return [_decode_line(line) for line in frame.removesuffix(b"\n").split(b"\n")]

    def join(self, messages: Sequence[bytes]) -> bytes:
        """One message a line."""
        return b"\n".join(messages)

    def text_data(self, data: bytes) -> bytes:
        """A JSON string: with deltas the type of `data` changes. The text is valid UTF-8."""
        return dump_json(data.decode())

    def reply_connect(self, id: int, result: ConnectResult) -> bytes:
        """The bootstrap answer."""
        parts = [b'"client":', dump_json(result.client), b',"version":', dump_json(result.version)]
        _flag(parts, b"expires", result.expires)
        _number(parts, b"ttl", result.ttl)
        _json(parts, b"data", result.data)
        if result.subs:
            subs = (dump_json(name) + b":" + _result(sub) for name, sub in result.subs.items())
            parts.append(b',"subs":{' + b",".join(subs) + b"}")
        _number(parts, b"ping", result.ping)
        _flag(parts, b"pong", result.pong)
        _text(parts, b"session", result.session)
        _text(parts, b"node", result.node)
        _number(parts, b"time", result.time)
        return b'{"id":%d,"connect":{%b}}' % (id, b"".join(parts))

    def reply_subscribe(self, id: int, result: SubscribeResult) -> bytes:
        """Position, snapshot and what was missed."""
        return b'{"id":%d,"subscribe":%b}' % (id, _result(result))

    def reply_unsubscribe(self, id: int) -> bytes:
        """Done."""
        return b'{"id":%d,"unsubscribe":{}}' % id

    def reply_publish(self, id: int) -> bytes:
        """Done."""
        return b'{"id":%d,"publish":{}}' % id

    def reply_presence(self, id: int, clients: Mapping[str, Json]) -> bytes:
        """Who is there; the map stands there even if empty."""
        rows = (dump_json(client) + b":" + info for client, info in clients.items())
        return b'{"id":%d,"presence":{"presence":{%b}}}' % (id, b",".join(rows))

    def reply_presence_stats(self, id: int, num_clients: int, num_users: int) -> bytes:
        """Counts, zeros included."""
        return b'{"id":%d,"presence_stats":{"num_clients":%d,"num_users":%d}}' % (
            id,
            num_clients,
            num_users,
        )

    def reply_history(
        self, id: int, publications: Sequence[Publication], offset: int, epoch: str
    ) -> bytes:
        """A page and the current top."""
        page = b",".join(map(_publication, publications))
        return b'{"id":%d,"history":{"publications":[%b],"offset":%d,"epoch":%b}}' % (
            id,
            page,
            offset,
            dump_json(epoch),
        )

    def reply_rpc(self, id: int, data: Json) -> bytes:
        """What the verb answered."""
        return b'{"id":%d,"rpc":{"data":%b}}' % (id, data or b"null")

    def reply_refresh(
        self, id: int, *, client: str, version: str, expires: bool, ttl: int
    ) -> bytes:
        """The connection lives on."""
        parts = [b'"client":', dump_json(client), b',"version":', dump_json(version)]
        _flag(parts, b"expires", expires)
        _number(parts, b"ttl", ttl)
        return b'{"id":%d,"refresh":{%b}}' % (id, b"".join(parts))

    def reply_sub_refresh(self, id: int, *, expires: bool, ttl: int) -> bytes:
        """The subscription lives on."""
        if not expires:
            return b'{"id":%d,"sub_refresh":{}}' % id
        return b'{"id":%d,"sub_refresh":{"expires":true,"ttl":%d}}' % (id, ttl)

    def reply_error(self, id: int, code: int, message: str, temporary: bool) -> bytes:
        """A refusal."""
        return b'{"id":%d,"error":{"code":%d,"message":%b%b}}' % (
            id,
            code,
            dump_json(message),
            b',"temporary":true' if temporary else b"",
        )

    def push_publication(
        self, channel: str, publication: Publication, compact_id: int = 0
    ) -> bytes:
        """A live publication."""
        return b'{"push":{%b,"pub":%b}}' % (_to(channel, compact_id), _publication(publication))

    def push_join(self, channel: str, info: Json, compact_id: int = 0) -> bytes:
        """Somebody came."""
        return b'{"push":{%b,"join":{"info":%b}}}' % (_to(channel, compact_id), info)

    def push_leave(self, channel: str, info: Json, compact_id: int = 0) -> bytes:
        """Somebody went."""
        return b'{"push":{%b,"leave":{"info":%b}}}' % (_to(channel, compact_id), info)

    def push_unsubscribe(self, channel: str, code: int, reason: str) -> bytes:
        """The server ended a subscription."""
        return b'{"push":{%b,"unsubscribe":{"code":%d,"reason":%b}}}' % (
            _to(channel, 0),
            code,
            dump_json(reason),
        )

    def push_subscribe(self, channel: str, result: SubscribeResult) -> bytes:
        """The server began a subscription."""
        parts: list[bytes] = []
        _flag(parts, b"recoverable", result.recoverable)
        _text(parts, b"epoch", result.epoch)
        _number(parts, b"offset", result.offset)
        _flag(parts, b"positioned", result.positioned)
        _json(parts, b"data", result.data)
        return b'{"push":{%b,"subscribe":{%b}}}' % (_to(channel, 0), b"".join(parts)[1:])

    def push_disconnect(self, code: int, reason: str) -> bytes:
        """The last message of an emulated connection."""
        return b'{"push":{"disconnect":{"code":%d,"reason":%b}}}' % (code, dump_json(reason))


def _to(channel: str, compact_id: int) -> bytes:
    return b'"id":%d' % compact_id if compact_id else b'"channel":' + dump_json(channel)


def _publication(publication: Publication) -> bytes:
    parts = [b'{"data":', publication.data or b"null"]
    if publication.offset:
        parts.append(b',"offset":%d' % publication.offset)
    if publication.info:
        parts += (b',"info":', publication.info)
    if publication.tags:
        parts += (b',"tags":', dump_json(publication.tags))
    if publication.time:
        parts.append(b',"time":%d' % publication.time)
    parts.append(b',"delta":true}' if publication.delta else b"}")
    return b"".join(parts)


def _result(result: SubscribeResult) -> bytes:
    parts: list[bytes] = []
    _flag(parts, b"recoverable", result.recoverable)
    _flag(parts, b"positioned", result.positioned)
    _text(parts, b"epoch", result.epoch)
    _number(parts, b"offset", result.offset)
    _flag(parts, b"was_recovering", result.was_recovering)
    _flag(parts, b"recovered", result.recovered)
    if result.publications:
        parts.append(b',"publications":[%b]' % b",".join(map(_publication, result.publications)))
    _flag(parts, b"expires", result.expires)
    _number(parts, b"ttl", result.ttl)
    _json(parts, b"data", result.data)
    _flag(parts, b"delta", result.delta)
    _number(parts, b"id", result.id)
    return b"{" + b"".join(parts)[1:] + b"}"


def _flag(parts: list[bytes], name: bytes, value: bool) -> None:
    if value:
        parts.append(b',"%b":true' % name)


def _number(parts: list[bytes], name: bytes, value: int) -> None:
    if value:
        parts.append(b',"%b":%d' % (name, value))


def _text(parts: list[bytes], name: bytes, value: str) -> None:
    if value:
        parts.append(b',"%b":%b' % (name, dump_json(value)))


def _json(parts: list[bytes], name: bytes, value: Json) -> None:
    if value:
        parts.append(b',"%b":%b' % (name, value))


JSON: Final = JsonEncoding()
