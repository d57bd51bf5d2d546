"""The yardstick does what it says, asked by an independent WebSocket client."""

from __future__ import annotations

import json
from typing import Any

from websockets.sync.client import ClientConnection, connect

from ops.bench.targets import Target


def ask(socket: ClientConnection, **command: Any) -> None:
    socket.send(json.dumps(command))


def read(socket: ClientConnection) -> Any:
    return json.loads(socket.recv(timeout=5))


def test_a_publication_reaches_every_member_and_the_sender_is_told(target: Target) -> None:
    url = target.urls[0].replace("http", "ws") + "/ws"
    with connect(url) as ann, connect(url) as bob, connect(url) as eve:
        for name, socket, room in (("ann", ann, "a"), ("bob", bob, "a"), ("eve", eve, "b")):
            ask(socket, id=1, join={"room": room, "user": name})
            assert read(socket) == {"id": 1, "joined": {"seq": 0}}
        for number in (1, 2):
            ask(ann, id=1 + number, publish={"room": "a", "text": f"hi {number}"})
        for number in (1, 2):
            for socket in (ann, bob):
                got = read(socket)
                assert got["room"] == "a"
                assert (got["pub"]["seq"], got["pub"]["by"]) == (number, "ann")
                assert got["pub"]["text"] == f"hi {number}"
            assert read(ann) == {"id": 1 + number, "published": {"seq": number}}
        ask(eve, id=2, page={"room": "a", "before_seq": 2, "limit": 50})
        page = read(eve)
        assert page["id"] == 2
        assert [message["text"] for message in page["page"]["messages"]] == ["hi 1"]


def test_who_has_left_gets_nothing_and_hinders_nobody(target: Target) -> None:
    url = target.urls[0].replace("http", "ws") + "/ws"
    with connect(url) as ann:
        with connect(url) as gone:
            for socket in (ann, gone):
                ask(socket, id=1, join={"room": "left", "user": "x"})
                read(socket)
        ask(ann, id=2, publish={"room": "left", "text": "still here"})
        assert read(ann)["pub"]["text"] == "still here"
        assert read(ann) == {"id": 2, "published": {"seq": 1}}
