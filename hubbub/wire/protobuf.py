"""The client protocol in Protobuf: messages behind their length. Pure.

Rules:
1. As in JSON: pushes and replies are put together from ready bytes; a payload is UTF-8 JSON that is
   copied, and was checked when it came in, whichever encoding it came in.
2. A result is written even if it is empty (tag and length 0): SDKs look for its presence.
3. A zero-length message is the ping, and from a client the pong.

Source: Centrifuge client protocol v2, Protobuf encoding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from msgspec import Raw, Struct

from hubbub.wire import client_shapes as shapes
from hubbub.wire.client_shapes import (
    NAME_MAX,
    VERSION_MAX,
    Command,
    ConnectResult,
    Publication,
    SubscribeResult,
    bad_protocol,
    checked_json,
)
from hubbub.wire.codec import decode_json
from hubbub.wire.protobuf_fields import (
    decode,
    decode_varint,
    delimited,
    encode,
    encode_varint,
)
from hubbub.wire.shapes import Json

Request = dict[str, Any]

# Tags of what is written for every delivery and acknowledgement: number << 3 | wire type.
_REPLY_ID: Final = b"\x08"
_REPLY_PUSH: Final = b"\x22"
_REPLY_RPC: Final = b"\x6a"
_PUSH_ID: Final = b"\x08"
_PUSH_CHANNEL: Final = b"\x12"
_PUSH_PUB: Final = b"\x22"
_PUB_DATA: Final = b"\x22"
_PUB_INFO: Final = b"\x2a"
_PUB_OFFSET: Final = b"\x30"
_PUB_DELTA: Final = b"\x40\x01"
_PUB_TIME: Final = b"\x48"
_RPC_DATA: Final = b"\x0a"


class _ClientInfo(Struct):
    """ClientInfo as it comes over links: ours, so it is trusted."""

    user: str = ""
    client: str = ""
    conn_info: Raw = Raw(b"")
    chan_info: Raw = Raw(b"")


def _connect(id: int, request: Request) -> Command:
    subs = {
        channel: shapes.ServerPosition(
            row.get("recover", False), row.get("offset", 0), row.get("epoch", "")
        )
        for channel, row in request.get("subs", {}).items()
    }
    return shapes.Connect(
        id,
        request.get("token", ""),
        checked_json(request.get("data", b"")),
        subs,
        request.get("name", "")[:NAME_MAX],
        request.get("version", "")[:VERSION_MAX],
        request.get("headers", {}),
    )


def _subscribe(id: int, request: Request) -> Command:
    return shapes.Subscribe(
        id,
        request.get("channel", ""),
        request.get("token", ""),
        checked_json(request.get("data", b"")),
        request.get("recover", False),
        request.get("offset", 0),
        request.get("epoch", ""),
        request.get("positioned", False),
        request.get("recoverable", False),
        request.get("join_leave", False),
        request.get("delta", ""),
        request.get("flag", 0),
        request.get("type", 0),
        "tf" in request,
    )


def _history(id: int, request: Request) -> Command:
    since = None
    if "since" in request:
        row = request["since"]
        since = shapes.Position(row.get("offset", 0), row.get("epoch", ""))
    return shapes.History(
        id,
        request.get("channel", ""),
        request.get("limit", 0),
        since,
        request.get("reverse", False),
    )


def _publish(id: int, request: Request) -> Command:
    return shapes.Publish(
        id,
        request.get("channel", ""),
        checked_json(request.get("data", b"")),
        request.get("type", 0),
    )


def _rpc(id: int, request: Request) -> Command:
    return shapes.Rpc(id, request.get("method", ""), checked_json(request.get("data", b"")))


_DECODERS: Final[dict[str, Callable[[int, Request], Command]]] = {
    "connect": _connect,
    "subscribe": _subscribe,
    "unsubscribe": lambda id, request: shapes.Unsubscribe(id, request.get("channel", "")),
    "publish": _publish,
    "presence": lambda id, request: shapes.PresenceList(id, request.get("channel", "")),
    "presence_stats": lambda id, request: shapes.PresenceStats(id, request.get("channel", "")),
    "history": _history,
    "send": lambda _, request: shapes.Send(0, checked_json(request.get("data", b""))),
    "rpc": _rpc,
    "refresh": lambda id, request: shapes.Refresh(id, request.get("token", "")),
    "sub_refresh": lambda id, request: shapes.SubRefresh(
        id, request.get("channel", ""), request.get("token", "")
    ),
}


def _decode_message(frame: bytes, start: int, end: int) -> Command:
    if start == end:
        return shapes.Pong(0)
    envelope = decode("Command", frame, start, end)
    id = envelope.pop("id", 0)
    if len(envelope) == 1:
        [(name, request)] = envelope.items()
        if name in _DECODERS:
            if not id and name != "send":
                raise bad_protocol("a command needs an id")
            return _DECODERS[name](id, request)
    # Nothing that we know beside an id of 0 is a pong; the legacy `ping` command is not spoken.
    if envelope or id:
        raise bad_protocol("a command holds exactly one request")
    return shapes.Pong(0)


class ProtobufEncoding:
    """The Encoding of clients that negotiated `centrifuge-protobuf`."""

    name: Final = "protobuf"
    is_binary: Final = True
    ping: Final = b"\x00"

    def decode(self, frame: bytes) -> list[Command]:
        """Each command behind its length."""
        if not frame:
            raise bad_protocol("an empty frame")
        commands = []
        at = 0
        while at < len(frame):
            length, at = decode_varint(frame, at, len(frame))
            if length > len(frame) - at:
                raise bad_protocol("truncated command")
            commands.append(_decode_message(frame, at, at + length))
            at += length
        return commands

    def join(self, messages: Sequence[bytes]) -> bytes:
        """Messages carry their lengths already."""
        return b"".join(messages)

    def text_data(self, data: bytes) -> bytes:
        """Bytes either way."""
        return data

    def reply_connect(self, id: int, result: ConnectResult) -> bytes:
        """The bootstrap answer."""
        fields = {
            "client": result.client,
            "version": result.version,
            "expires": result.expires,
            "ttl": result.ttl,
            "data": result.data,
            "subs": {name: _result(sub) for name, sub in result.subs.items()},
            "ping": result.ping,
            "pong": result.pong,
            "session": result.session,
            "node": result.node,
            "time": result.time,
        }
        return _reply(id, "connect", encode("ConnectResult", fields))

    def reply_subscribe(self, id: int, result: SubscribeResult) -> bytes:
        """Position, snapshot and what was missed."""
        return _reply(id, "subscribe", _result(result))

    def reply_unsubscribe(self, id: int) -> bytes:
        """Done."""
        return _reply(id, "unsubscribe", b"")

    def reply_publish(self, id: int) -> bytes:
        """Done."""
        return _reply(id, "publish", b"")

    def reply_presence(self, id: int, clients: Mapping[str, Json]) -> bytes:
        """Who is there."""
        rows = {client: _client_info(info) for client, info in clients.items()}
        return _reply(id, "presence", encode("PresenceResult", {"presence": rows}))

    def reply_presence_stats(self, id: int, num_clients: int, num_users: int) -> bytes:
        """Counts."""
        fields = {"num_clients": num_clients, "num_users": num_users}
        return _reply(id, "presence_stats", encode("PresenceStatsResult", fields))

    def reply_history(
        self, id: int, publications: Sequence[Publication], offset: int, epoch: str
    ) -> bytes:
        """A page and the current top."""
        fields = {
            "publications": map(_publication, publications),
            "epoch": epoch,
            "offset": offset,
        }
        return _reply(id, "history", encode("HistoryResult", fields))

    def reply_rpc(self, id: int, data: Json) -> bytes:
        """What the verb answered."""
        body = data or b"null"
        result = _RPC_DATA + encode_varint(len(body)) + body
        return delimited(
            b"".join((_REPLY_ID, encode_varint(id), _REPLY_RPC, encode_varint(len(result)), result))
        )

    def reply_refresh(
        self, id: int, *, client: str, version: str, expires: bool, ttl: int
    ) -> bytes:
        """The connection lives on."""
        fields = {"client": client, "version": version, "expires": expires, "ttl": ttl}
        return _reply(id, "refresh", encode("RefreshResult", fields))

    def reply_sub_refresh(self, id: int, *, expires: bool, ttl: int) -> bytes:
        """The subscription lives on."""
        fields = {"expires": expires, "ttl": ttl if expires else 0}
        return _reply(id, "sub_refresh", encode("SubRefreshResult", fields))

    def reply_error(self, id: int, code: int, message: str, temporary: bool) -> bytes:
        """A refusal."""
        fields = {"code": code, "message": message, "temporary": temporary}
        return _reply(id, "error", encode("Error", fields))

    def push_publication(
        self, channel: str, publication: Publication, compact_id: int = 0
    ) -> bytes:
        """A live publication."""
        body = _publication(publication)
        return _push(
            b"".join((_to(channel, compact_id), _PUSH_PUB, encode_varint(len(body)), body))
        )

    def push_join(self, channel: str, info: Json, compact_id: int = 0) -> bytes:
        """Somebody came."""
        body = encode("Push", {"join": encode("Info", {"info": _client_info(info)})})
        return _push(_to(channel, compact_id) + body)

    def push_leave(self, channel: str, info: Json, compact_id: int = 0) -> bytes:
        """Somebody went."""
        body = encode("Push", {"leave": encode("Info", {"info": _client_info(info)})})
        return _push(_to(channel, compact_id) + body)

    def push_unsubscribe(self, channel: str, code: int, reason: str) -> bytes:
        """The server ended a subscription."""
        body = encode("Unsubscribe", {"code": code, "reason": reason})
        return _push(_to(channel, 0) + encode("Push", {"unsubscribe": body}))

    def push_subscribe(self, channel: str, result: SubscribeResult) -> bytes:
        """The server began a subscription."""
        fields = {
            "recoverable": result.recoverable,
            "epoch": result.epoch,
            "offset": result.offset,
            "positioned": result.positioned,
            "data": result.data,
        }
        return _push(_to(channel, 0) + encode("Push", {"subscribe": encode("Subscribe", fields)}))

    def push_disconnect(self, code: int, reason: str) -> bytes:
        """The last message of an emulated connection."""
        body = encode("Disconnect", {"code": code, "reason": reason})
        return _push(encode("Push", {"disconnect": body}))


def _reply(id: int, name: str, body: bytes) -> bytes:
    return delimited(encode("Reply", {"id": id, name: body}))


def _push(body: bytes) -> bytes:
    length = encode_varint(len(body))
    return encode_varint(1 + len(length) + len(body)) + _REPLY_PUSH + length + body


def _to(channel: str, compact_id: int) -> bytes:
    if compact_id:
        return _PUSH_ID + encode_varint(compact_id)
    name = channel.encode()
    return _PUSH_CHANNEL + encode_varint(len(name)) + name


def _publication(publication: Publication) -> bytes:
    data = publication.data or b"null"
    parts = [_PUB_DATA, encode_varint(len(data)), data]
    if publication.info:
        info = _client_info(publication.info)
        parts += (_PUB_INFO, encode_varint(len(info)), info)
    if publication.offset:
        parts += (_PUB_OFFSET, encode_varint(publication.offset))
    if publication.tags:
        parts.append(encode("Publication", {"tags": publication.tags}))
    if publication.delta:
        parts.append(_PUB_DELTA)
    if publication.time:
        parts += (_PUB_TIME, encode_varint(publication.time))
    return b"".join(parts)


def _client_info(info: Json) -> bytes:
    row = decode_json(info, _ClientInfo)
    fields = {
        "user": row.user,
        "client": row.client,
        "conn_info": bytes(row.conn_info),
        "chan_info": bytes(row.chan_info),
    }
    return encode("ClientInfo", fields)


def _result(result: SubscribeResult) -> bytes:
    fields = {
        "expires": result.expires,
        "ttl": result.ttl,
        "recoverable": result.recoverable,
        "epoch": result.epoch,
        "publications": map(_publication, result.publications),
        "recovered": result.recovered,
        "offset": result.offset,
        "positioned": result.positioned,
        "data": result.data,
        "was_recovering": result.was_recovering,
        "delta": result.delta,
        "id": result.id,
    }
    return encode("SubscribeResult", fields)


def decode_emulation(body: bytes) -> tuple[str, str, bytes]:
    """(node, session, data) of an EmulationRequest. Raises RemoteProtocolError(BAD_PROTOCOL)."""
    row = decode("EmulationRequest", body)
    return row.get("node", ""), row.get("session", ""), row.get("data", b"")


PROTOBUF: Final = ProtobufEncoding()
