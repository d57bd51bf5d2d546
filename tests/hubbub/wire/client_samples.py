"""One value of everything that the client protocol answers and pushes, for both encodings."""

from __future__ import annotations

from collections.abc import Callable

from hubbub.wire.client_shapes import ConnectResult, Encoding, Publication, SubscribeResult

INFO = b'{"user":"ann","client":"c1","conn_info":{"name":"Ann"},"chan_info":[1]}'
PLAIN = Publication(b'{"a":1}')
FULL = Publication(b'{"a":2}', 7, INFO, {"k": "v"}, 1_700_000_000_000, True)
POSITION = SubscribeResult(
    recoverable=True,
    positioned=True,
    epoch="e1",
    offset=5,
    was_recovering=True,
    recovered=True,
    publications=(PLAIN, FULL),
    expires=True,
    ttl=60,
    data=b'{"kind":"group"}',
    delta=True,
    id=300,
)
EMPTY = SubscribeResult()
CONNECTED = ConnectResult(
    client="c1",
    version="1.0",
    expires=True,
    ttl=3600,
    data=b'{"user":"ann"}',
    subs={"#ann": POSITION},
    ping=25,
    pong=True,
    session="s1",
    node="edge-1.ff",
    time=5,
)

# name → (how it is made, the same as a JSON value)
POSITION_VALUE = {
    "recoverable": True,
    "positioned": True,
    "epoch": "e1",
    "offset": 5,
    "was_recovering": True,
    "recovered": True,
    "publications": [
        {"data": {"a": 1}},
        {
            "data": {"a": 2},
            "offset": 7,
            "info": {
                "user": "ann",
                "client": "c1",
                "conn_info": {"name": "Ann"},
                "chan_info": [1],
            },
            "tags": {"k": "v"},
            "time": 1_700_000_000_000,
            "delta": True,
        },
    ],
    "expires": True,
    "ttl": 60,
    "data": {"kind": "group"},
    "delta": True,
    "id": 300,
}
INFO_VALUE = POSITION_VALUE["publications"][1]["info"]  # type: ignore[index]

Make = Callable[[Encoding], bytes]
SAMPLES: dict[str, tuple[Make, object]] = {
    "connect": (
        lambda e: e.reply_connect(1, CONNECTED),
        {
            "id": 1,
            "connect": {
                "client": "c1",
                "version": "1.0",
                "expires": True,
                "ttl": 3600,
                "data": {"user": "ann"},
                "subs": {"#ann": POSITION_VALUE},
                "ping": 25,
                "pong": True,
                "session": "s1",
                "node": "edge-1.ff",
                "time": 5,
            },
        },
    ),
    "connect, least": (
        lambda e: e.reply_connect(1, ConnectResult(client="c1", version="1")),
        {"id": 1, "connect": {"client": "c1", "version": "1"}},
    ),
    "subscribe": (
        lambda e: e.reply_subscribe(2, POSITION),
        {"id": 2, "subscribe": POSITION_VALUE},
    ),
    "subscribe, empty": (lambda e: e.reply_subscribe(2, EMPTY), {"id": 2, "subscribe": {}}),
    "unsubscribe": (lambda e: e.reply_unsubscribe(3), {"id": 3, "unsubscribe": {}}),
    "publish": (lambda e: e.reply_publish(4_000_000_000), {"id": 4_000_000_000, "publish": {}}),
    "presence": (
        lambda e: e.reply_presence(5, {'c"1': INFO}),
        {"id": 5, "presence": {"presence": {'c"1': INFO_VALUE}}},
    ),
    "presence_stats": (
        lambda e: e.reply_presence_stats(6, 3, 2),
        {"id": 6, "presence_stats": {"num_clients": 3, "num_users": 2}},
    ),
    "history": (
        lambda e: e.reply_history(7, [PLAIN, PLAIN], 9, "e1"),
        {
            "id": 7,
            "history": {
                "publications": [{"data": {"a": 1}}, {"data": {"a": 1}}],
                "offset": 9,
                "epoch": "e1",
            },
        },
    ),
    "rpc": (lambda e: e.reply_rpc(8, b'{"seq":1}'), {"id": 8, "rpc": {"data": {"seq": 1}}}),
    "rpc, nothing": (lambda e: e.reply_rpc(8, b""), {"id": 8, "rpc": {"data": None}}),
    "refresh": (
        lambda e: e.reply_refresh(9, client="c1", version="1", expires=True, ttl=9),
        {"id": 9, "refresh": {"client": "c1", "version": "1", "expires": True, "ttl": 9}},
    ),
    "sub_refresh": (
        lambda e: e.reply_sub_refresh(10, expires=True, ttl=9),
        {"id": 10, "sub_refresh": {"expires": True, "ttl": 9}},
    ),
    "sub_refresh, for ever": (
        lambda e: e.reply_sub_refresh(10, expires=False, ttl=0),
        {"id": 10, "sub_refresh": {}},
    ),
    "error": (
        lambda e: e.reply_error(11, 103, 'no "way"', False),
        {"id": 11, "error": {"code": 103, "message": 'no "way"'}},
    ),
    "error, temporary": (
        lambda e: e.reply_error(11, 100, "later", True),
        {"id": 11, "error": {"code": 100, "message": "later", "temporary": True}},
    ),
    "pub": (
        lambda e: e.push_publication('group:"1', FULL),
        {"push": {"channel": 'group:"1', "pub": POSITION_VALUE["publications"][1]}},  # type: ignore[index]
    ),
    "pub, compact": (
        lambda e: e.push_publication("group:1", PLAIN, 300),
        {"push": {"id": 300, "pub": {"data": {"a": 1}}}},
    ),
    "join": (
        lambda e: e.push_join("group:1", INFO),
        {"push": {"channel": "group:1", "join": {"info": INFO_VALUE}}},
    ),
    "leave": (
        lambda e: e.push_leave("group:1", INFO, 9),
        {"push": {"id": 9, "leave": {"info": INFO_VALUE}}},
    ),
    "unsubscribe push": (
        lambda e: e.push_unsubscribe("group:1", 2500, "insufficient state"),
        {
            "push": {
                "channel": "group:1",
                "unsubscribe": {"code": 2500, "reason": "insufficient state"},
            }
        },
    ),
    "subscribe push": (
        lambda e: e.push_subscribe("#ann", POSITION),
        {
            "push": {
                "channel": "#ann",
                "subscribe": {
                    "recoverable": True,
                    "epoch": "e1",
                    "offset": 5,
                    "positioned": True,
                    "data": {"kind": "group"},
                },
            }
        },
    ),
    "disconnect": (
        lambda e: e.push_disconnect(3001, "shutdown"),
        {"push": {"disconnect": {"code": 3001, "reason": "shutdown"}}},
    ),
}
