"""The Protobuf messages of the client protocol as tables, and the codec that reads them. Pure.

Rules:
1. A field's number and kind stand in `MESSAGES` and nowhere else.
2. Decoding ignores fields it does not know, and known ones of another wire type; the last of a
   repeated scalar wins. Whatever is malformed raises RemoteProtocolError(BAD_PROTOCOL).
3. Encoding leaves zero values out; an embedded message that is given is written, even if empty.
4. Nesting is as deep as the tables, which have no circle: a filter stays bytes.

Source: Protocol Buffers encoding (varint, length-delimited, maps as repeated entries); field
numbers of the Centrifuge client protocol v2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from struct import Struct
from typing import Any, Final

from hubbub.wire.client_shapes import U32_MAX, bad_protocol

# field number → (name, kind). Kinds: u32 u64 i32 i64 sint64 bool string bytes, a message's name,
# and `map:<kind>` of string keys, `list:<kind>`.
Fields = dict[int, tuple[str, str]]

MESSAGES: Final[dict[str, Fields]] = {
    "Command": {
        1: ("id", "u32"),
        4: ("connect", "ConnectRequest"),
        5: ("subscribe", "SubscribeRequest"),
        6: ("unsubscribe", "ChannelRequest"),
        7: ("publish", "PublishRequest"),
        8: ("presence", "ChannelRequest"),
        9: ("presence_stats", "ChannelRequest"),
        10: ("history", "HistoryRequest"),
        11: ("ping", "Empty"),
        12: ("send", "SendRequest"),
        13: ("rpc", "RPCRequest"),
        14: ("refresh", "RefreshRequest"),
        15: ("sub_refresh", "SubRefreshRequest"),
    },
    "Reply": {
        1: ("id", "u32"),
        2: ("error", "Error"),
        4: ("push", "Push"),
        5: ("connect", "ConnectResult"),
        6: ("subscribe", "SubscribeResult"),
        7: ("unsubscribe", "Empty"),
        8: ("publish", "Empty"),
        9: ("presence", "PresenceResult"),
        10: ("presence_stats", "PresenceStatsResult"),
        11: ("history", "HistoryResult"),
        12: ("ping", "Empty"),
        13: ("rpc", "RPCResult"),
        14: ("refresh", "RefreshResult"),
        15: ("sub_refresh", "SubRefreshResult"),
    },
    "Error": {1: ("code", "u32"), 2: ("message", "string"), 3: ("temporary", "bool")},
    "Push": {
        1: ("id", "i64"),
        2: ("channel", "string"),
        4: ("pub", "Publication"),
        5: ("join", "Info"),
        6: ("leave", "Info"),
        7: ("unsubscribe", "Unsubscribe"),
        9: ("subscribe", "Subscribe"),
        11: ("disconnect", "Disconnect"),
    },
    "EmulationRequest": {1: ("node", "string"), 2: ("session", "string"), 3: ("data", "bytes")},
    "ClientInfo": {
        1: ("user", "string"),
        2: ("client", "string"),
        3: ("conn_info", "bytes"),
        4: ("chan_info", "bytes"),
    },
    "Publication": {
        4: ("data", "bytes"),
        5: ("info", "ClientInfo"),
        6: ("offset", "u64"),
        7: ("tags", "map:string"),
        8: ("delta", "bool"),
        9: ("time", "i64"),
    },
    "Info": {1: ("info", "ClientInfo")},
    "Unsubscribe": {2: ("code", "u32"), 3: ("reason", "string")},
    "Subscribe": {
        1: ("recoverable", "bool"),
        4: ("epoch", "string"),
        5: ("offset", "u64"),
        6: ("positioned", "bool"),
        7: ("data", "bytes"),
    },
    "Disconnect": {1: ("code", "u32"), 2: ("reason", "string"), 3: ("reconnect", "bool")},
    "ConnectRequest": {
        1: ("token", "string"),
        2: ("data", "bytes"),
        3: ("subs", "map:SubscribeRequest"),
        4: ("name", "string"),
        5: ("version", "string"),
        6: ("headers", "map:string"),
    },
    "ConnectResult": {
        1: ("client", "string"),
        2: ("version", "string"),
        3: ("expires", "bool"),
        4: ("ttl", "u32"),
        5: ("data", "bytes"),
        6: ("subs", "map:SubscribeResult"),
        7: ("ping", "u32"),
        8: ("pong", "bool"),
        9: ("session", "string"),
        10: ("node", "string"),
        11: ("time", "i64"),
    },
    "SubscribeRequest": {
        1: ("channel", "string"),
        2: ("token", "string"),
        3: ("recover", "bool"),
        6: ("epoch", "string"),
        7: ("offset", "u64"),
        8: ("data", "bytes"),
        9: ("positioned", "bool"),
        10: ("recoverable", "bool"),
        11: ("join_leave", "bool"),
        12: ("delta", "string"),
        13: ("tf", "bytes"),
        14: ("flag", "i64"),
        15: ("type", "i32"),
    },
    "SubscribeResult": {
        1: ("expires", "bool"),
        2: ("ttl", "u32"),
        3: ("recoverable", "bool"),
        6: ("epoch", "string"),
        7: ("publications", "list:Publication"),
        8: ("recovered", "bool"),
        9: ("offset", "u64"),
        10: ("positioned", "bool"),
        11: ("data", "bytes"),
        12: ("was_recovering", "bool"),
        13: ("delta", "bool"),
        14: ("id", "i64"),
    },
    "ChannelRequest": {1: ("channel", "string")},
    "PublishRequest": {1: ("channel", "string"), 2: ("data", "bytes"), 3: ("type", "i32")},
    "PresenceResult": {1: ("presence", "map:ClientInfo")},
    "PresenceStatsResult": {1: ("num_clients", "u32"), 2: ("num_users", "u32")},
    "HistoryRequest": {
        1: ("channel", "string"),
        7: ("limit", "i32"),
        8: ("since", "StreamPosition"),
        9: ("reverse", "bool"),
    },
    "StreamPosition": {1: ("offset", "u64"), 2: ("epoch", "string")},
    "HistoryResult": {
        1: ("publications", "list:Publication"),
        2: ("epoch", "string"),
        3: ("offset", "u64"),
    },
    "RPCRequest": {1: ("data", "bytes"), 2: ("method", "string")},
    "RPCResult": {1: ("data", "bytes")},
    "SendRequest": {1: ("data", "bytes")},
    "RefreshRequest": {1: ("token", "string")},
    "RefreshResult": {
        1: ("client", "string"),
        2: ("version", "string"),
        3: ("expires", "bool"),
        4: ("ttl", "u32"),
    },
    "SubRefreshRequest": {1: ("channel", "string"), 2: ("token", "string")},
    "SubRefreshResult": {1: ("expires", "bool"), 2: ("ttl", "u32")},
    "Empty": {},
    "MapEntry": {1: ("key", "string"), 2: ("value", "bytes")},
}

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SCALARS: Final = {"u32", "u64", "i32", "i64", "bool"}
_U64_MAX: Final = (1 << 64) - 1
_FIXED64_BYTES: Final = Struct("<q").size
_FIXED32_BYTES: Final = Struct("<i").size
_NUMBERS: Final[dict[str, dict[str, tuple[int, str]]]] = {
    message: {name: (number, kind) for number, (name, kind) in fields.items()}
    for message, fields in MESSAGES.items()
}
_SMALL: Final = [bytes((n,)) for n in range(0x80)]


def encode_varint(value: int) -> bytes:
    """An unsigned integer of at most 64 bits; a negative one as its two's complement."""
    if 0 <= value < 0x80:
        return _SMALL[value]
    value &= _U64_MAX
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode_varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The value at a place (64 bits kept) and the place behind it."""
    value = shift = 0
    while True:
        if at >= end or shift > 63:
            raise bad_protocol("truncated varint")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _U64_MAX, at
        shift += 7


def delimited(message: bytes) -> bytes:
    """A message behind its length."""
    return encode_varint(len(message)) + message


def field_bytes(number: int, value: bytes) -> bytes:
    """One length-delimited field, also if empty."""
    return encode_varint(number << 3 | _BYTES) + encode_varint(len(value)) + value


def encode(message: str, values: Mapping[str, Any]) -> bytes:
    """A message from its fields by name, in the order given.

    Embedded messages are given encoded; a map as a dict, a list as any iterable of values.
    """
    numbers = _NUMBERS[message]
    parts = []
    for name, value in values.items():
        number, kind = numbers[name]
        parts.append(_encode_field(number, kind, value))
    return b"".join(parts)


def _encode_field(number: int, kind: str, value: Any) -> bytes:
    if kind in _SCALARS:
        return encode_varint(number << 3) + encode_varint(int(value)) if value else b""
    if kind == "string":
        return field_bytes(number, value.encode()) if value else b""
    if kind == "bytes":
        return field_bytes(number, value) if value else b""
    if kind.startswith("list:"):
        return b"".join(field_bytes(number, item) for item in value)
    if kind.startswith("map:"):
        return b"".join(field_bytes(number, entry) for entry in _entries(value))
    return field_bytes(number, value)


def _entries(values: Mapping[str, str | bytes]) -> Iterable[bytes]:
    for key, value in values.items():
        raw = value.encode() if isinstance(value, str) else value
        yield field_bytes(1, key.encode()) + field_bytes(2, raw)


def decode(message: str, data: bytes, start: int = 0, end: int = -1) -> dict[str, Any]:
    """The fields that a message holds, by name; embedded messages as dicts too.

    Raises RemoteProtocolError(BAD_PROTOCOL).
    """
    fields = MESSAGES[message]
    at = start
    stop = len(data) if end < 0 else end
    values: dict[str, Any] = {}
    while at < stop:
        key, at = decode_varint(data, at, stop)
        wire = key & 7
        known = fields.get(key >> 3)
        if wire == _VARINT:
            number, at = decode_varint(data, at, stop)
            if known is not None and known[1] in _SCALARS:
                values[known[0]] = _scalar(known[1], number)
        elif wire == _BYTES:
            length, at = decode_varint(data, at, stop)
            if length > stop - at:
                raise bad_protocol("truncated field")
            if known is not None:
                _take(values, known[0], known[1], data, at, at + length)
            at += length
        elif wire in (_FIXED64, _FIXED32):
            at += _FIXED64_BYTES if wire == _FIXED64 else _FIXED32_BYTES
            if at > stop:
                raise bad_protocol("truncated field")
        else:
            raise bad_protocol("unknown wire type")
        if key >> 3 == 0:
            raise bad_protocol("field number 0")
    return values


def _scalar(kind: str, number: int) -> int | bool:
    if kind == "bool":
        return number != 0
    if kind == "u32":
        return number & U32_MAX
    if kind == "i32":
        number &= U32_MAX
        return number - (1 << 32) if number >> 31 else number
    if kind == "i64":
        return number - (1 << 64) if number >> 63 else number
    return number


def _take(values: dict[str, Any], name: str, kind: str, data: bytes, start: int, end: int) -> None:
    if kind == "bytes":
        values[name] = data[start:end]
    elif kind == "string":
        values[name] = _string(data[start:end])
    elif kind.startswith("map:"):
        key, value = _entry(kind[4:], data, start, end)
        values.setdefault(name, {})[key] = value
    elif kind.startswith("list:"):
        values.setdefault(name, []).append(decode(kind[5:], data, start, end))
    elif kind not in _SCALARS:
        values.setdefault(name, {}).update(decode(kind, data, start, end))


def _entry(kind: str, data: bytes, start: int, end: int) -> tuple[str, Any]:
    """One entry of a map: key = 1, value = 2; either may be missing."""
    entry = decode("MapEntry", data, start, end)
    raw = entry.get("value", b"")
    return entry.get("key", ""), _string(raw) if kind == "string" else decode(kind, raw)


def _string(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise bad_protocol("a string is not UTF-8") from None
